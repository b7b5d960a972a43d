/* The float32 half of vmath.h: include that. */
#ifndef NN_VMATH_F32_H
#define NN_VMATH_F32_H

NN_INLINE float nn_fma_f32(float a, float b, float c) { return NN_FMAF(a, b, c); }

/* NumPy's rule: a NaN on either side wins. */
NN_INLINE float nn_min_f32(float a, float b) { return (a < b || a != a) ? a : b; }
NN_INLINE float nn_max_f32(float a, float b) { return (a > b || a != a) ? a : b; }

NN_INLINE uint32_t nn_bits_f32(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

NN_INLINE float nn_from_bits_f32(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

NN_INLINE float nn_abs_f32(float x) { return nn_from_bits_f32(nn_bits_f32(x) & 0x7fffffffu); }

/* x with the sign of s; x >= 0. */
NN_INLINE float nn_with_sign_f32(float x, float s)
{
    return nn_from_bits_f32(nn_bits_f32(x) | (nn_bits_f32(s) & 0x80000000u));
}

/* e^r = 1 + r + r^2 q(r), |r| <= log(2)/2; error relative to e^r - 1: 2^-25.8 */
static const float NN_EXP_F32[5] = {
    0x1.fffffep-2f, 0x1.5554bp-3f, 0x1.555674p-5f, 0x1.122784p-7f,
    0x1.6bec4p-10f,
};
/* (e^2r - 1)/2 = r + r^2 q(r), |r| <= log(2)/4; error relative to the left side: 2^-25.8 */
static const float NN_TANH_F32[5] = {
    0x1.fffffep-1f, 0x1.5554bp-1f, 0x1.555674p-2f, 0x1.122784p-3f,
    0x1.6bec4p-5f,
};
/* log(1+f) = f + f^2 q(f), sqrt(1/2) <= 1+f <= sqrt(2); relative error: 2^-27.4 */
static const float NN_LOG_F32[9] = {
    -0x1.fffff8p-2f, 0x1.55555p-2f, -0x1.000426p-2f, 0x1.99a3f4p-3f,
    -0x1.542762p-3f, 0x1.22718cp-3f, -0x1.0f37a8p-3f, 0x1.0848bep-3f,
    -0x1.382fbep-4f,
};
/* erf(x) = x + x p(x^2), |x| <= 0.95; relative error: 2^-27.3 */
static const float NN_ERF_LOW_F32[7] = {
    0x1.06eba8p-3f, -0x1.812742p-2f, 0x1.ce2dcap-4f, -0x1.b8096p-6f,
    0x1.549662p-8f, -0x1.a88d8cp-11f, 0x1.574edcp-14f,
};
/* erfc(a) = e^p(a), 0.95 <= a <= 3.95; error relative to erf(a): 2^-30.9 */
static const float NN_ERF_HIGH_F32[8] = {
    0x1.7eb2b8p-13f, -0x1.212a54p+0f, -0x1.443c42p-1f, -0x1.bbd98ep-4f,
    0x1.9c6ad2p-6f, -0x1.12a7d2p-8f, 0x1.cbd816p-12f, -0x1.67d05ap-16f,
};
/* Phi(-a) e^(a^2/2) = g(y)/d, d = 1 + 0.375 a, y = (a - 2)/d, 0 <= a <= 14.7;
   the last entry is the low part of the first; relative error: 2^-25.0 */
static const float NN_MILLS_F32[12] = {
    0x1.2d3d22p-2f, -0x1.4f2178p-4f, 0x1.787f0ep-7f, 0x1.4686e8p-14f,
    -0x1.cf46f4p-13f, -0x1.acfe24p-19f, 0x1.7add1cp-18f, 0x1.f74f2p-22f,
    -0x1.218ffap-23f, -0x1.6aee98p-26f, 0x1.f1fa1ep-30f, -0x1.daa01ep-27f,
};
/* x - tanh(x) = x^3 p(x^2), |x| <= 1; the last entry is the low part of the first; relative error: 2^-29.1 */
static const float NN_TANH_SHRINK_F32[10] = {
    0x1.555556p-2f, -0x1.11110ep-3f, 0x1.ba1a42p-5f, -0x1.663252p-6f,
    0x1.21383p-7f, -0x1.c7ed3ep-9f, 0x1.45a46p-10f, -0x1.62232cp-12f,
    0x1.96a8bap-15f, -0x1.4a758ap-27f,
};

/* 1.5 * 2^23: adding it rounds to an integer and leaves that integer in the low bits. */
#define NN_ROUND_F32 0x1.8p23f
#define NN_LOG2E_F32 0x1.715476p+0f
/* log 2 in two parts; the first has so few bits that n * NN_LN2_HI is exact for every exponent n, FMA or not.
 * */
#define NN_LN2_HI_F32 (0x1.63p-1f)
#define NN_LN2_LO_F32 (-0x1.bd0106p-13f)

/* c - n log 2, |c| < 2^15: the inner product-and-sum is exact. */
NN_INLINE float nn_reduce_f32(float c, float n)
{
    return NN_FMAF(n, -NN_LN2_LO_F32, NN_FMAF(n, -NN_LN2_HI_F32, c));
}

/* (e^r - 1 - r)/r^2 for |r| <= log(2)/2. */
NN_INLINE float nn_exp_tail_f32(float r, float r2)
{
    return NN_PAIRS4(NN_FMAF, r, r2, NN_EXP_F32, 0);
}

/*
 * exp: e^x = 2^n e^r, n = rint(x / log 2). 2^n is applied as two factors, because n runs from -150 to 128,
 * further than one exponent field, and because the product with the second one rounds a subnormal result.
 */
NN_INLINE float nn_exp_f32(float x)
{
    const float big = NN_ROUND_F32 + 254.0f, half = NN_ROUND_F32 + 127.0f;
    const float t = NN_FMAF(x, NN_LOG2E_F32, big), n = t - big; /* low bits of t: n + 2 bias */
    const float t2 = NN_FMAF(n, 0.5f, half);                      /* low bits of t2: n/2 + bias */
    const float r = nn_reduce_f32(x, n), r2 = r * r;
    const float s1 = nn_from_bits_f32(nn_bits_f32(t2) << 23);
    const float s2 = nn_from_bits_f32((nn_bits_f32(t) - nn_bits_f32(t2)) << 23);
    const float y = NN_FMAF(s1, NN_FMAF(r2, nn_exp_tail_f32(r, r2), r), s1) * s2;
    const float edge = x > 0.0f ? __builtin_inff() : 0.0f;
    return nn_abs_f32(x + 7.5f) > 96.5f ? edge : y;
}

/*
 * e^-a = s (1 + m) 2^-64 for 0 <= a <= 110; returns s, a power of 2. The lift 2^64 keeps s normal; who
 * multiplies by NN_DROP_F32 last rounds a subnormal result only once. m is left apart because a factor 1 + m
 * is best applied as fma(y, m, y): the rounding of m then counts for little. Ranges are cut by a select on
 * the result, not by a clamp of the argument, which would stand at the head of the longest chain.
 */
#define NN_DROP_F32 0x1p-64f
#define NN_TINY_F32 0x1p-100f /* times NN_DROP: 0 */
#define NN_FAR_F32 110.0f /* e^-a and a e^-a are 0 from here on; s above is nonsense */
NN_INLINE float nn_exp_parts_f32(float a, float *m)
{
    const float big = NN_ROUND_F32 + (127.0f + 64.0f);
    const float t = NN_FMAF(a, -NN_LOG2E_F32, big), n = t - big;
    const float r = nn_reduce_f32(-a, n), r2 = r * r;
    *m = NN_FMAF(r2, nn_exp_tail_f32(r, r2), r);
    return nn_from_bits_f32(nn_bits_f32(t) << 23);
}

/* e^-a for 0 <= a <= NN_FAR_F32; nonsense beyond. */
NN_INLINE float nn_exp_neg_f32(float a)
{
    float m;
    const float s = nn_exp_parts_f32(a, &m);
    return NN_FMAF(s, m, s) * NN_DROP_F32;
}

/*
 * expm1: (e^x - 1)/2 = (2^(n-1) - 1/2 + 2^(n-1) r) + 2^(n-1) r^2 q(r). Where n = 1 cancels, the bracket is
 * exact; summing e^r - 1 first would cost an ULP more there. Half the value, because the largest 2^n exceeds
 * the exponent field; x itself where halving could lose a bit (this also keeps -0).
 */
NN_INLINE float nn_expm1_f32(float x)
{
    const float big = NN_ROUND_F32 + (127.0f - 1.0f);
    const float t = NN_FMAF(x, NN_LOG2E_F32, big), n = t - big;
    const float r = nn_reduce_f32(x, n), r2 = r * r;
    const float s = nn_from_bits_f32(nn_bits_f32(t) << 23);
    const float h = NN_FMAF(s, r2 * nn_exp_tail_f32(r, r2), NN_FMAF(s, r, s - 0.5f));
    const float y = nn_abs_f32(x) < 0x1p-40f ? x : h + h;
    const float edge = x > 0.0f ? __builtin_inff() : -1.0f;
    return nn_abs_f32(x - 35.5f) > 53.5f ? edge : y;
}

/* e^2a = s (1 + 2 m) for 0 <= a <= 44. */
NN_INLINE float nn_exp_2_parts_f32(float a, float *m)
{
    const float big = NN_ROUND_F32 + 127.0f;
    const float t = NN_FMAF(a, 2.0f * NN_LOG2E_F32, big), n = t - big;
    /* off by 2^-30 n only: no second part */
    const float r = NN_FMAF(n, -0.5f * 0x1.62e43p-1f, a), r2 = r * r;
    *m = NN_FMAF(r2, NN_PAIRS4(NN_FMAF, r, r2, NN_TANH_F32, 0), r);
    return nn_from_bits_f32(nn_bits_f32(t) << 23);
}
#define NN_TANH_FAR_F32 9.1f /* tanh(a) is 1 from here on */

/*
 * tanh(a) = h/(h + 1), h = (e^2a - 1)/2, which loses nothing near 0; the sign is put back last. For h < 1/2
 * the rounding of h + 1 would cost an ULP: there h - h y, y the quotient, is the same value with that error
 * scaled by h. (NumPy's way, a table by vpermt2ps, has no form in plain C or AVX2.)
 */
NN_INLINE float nn_tanh_f32(float x)
{
    const float a = nn_abs_f32(x);
    float m;
    const float s = nn_exp_2_parts_f32(a, &m);
    const float h = NN_FMAF(s, m, NN_FMAF(s, 0.5f, -0.5f));
    const float y = h / (h + 1.0f), z = h < 0.5f ? NN_FMAF(-h, y, h) : y;
    return nn_with_sign_f32(a > NN_TANH_FAR_F32 ? 1.0f : z, x);
}

/* The exponent field of d as a number. */
NN_INLINE float nn_exponent_f32(uint32_t d) { return (float)(int32_t)(d >> 23); }

/* log(1 + f) + k log 2 for sqrt(1/2) <= 1 + f <= sqrt(2). */
NN_INLINE float nn_log_reduced_f32(float f, float k)
{
    const float f2 = f * f;
    const float tail = NN_FMAF(k, NN_LN2_LO_F32, f2 * NN_PAIRS8(NN_FMAF, f, f2, NN_LOG_F32, 0));
    return NN_FMAF(k, NN_LN2_HI_F32, f + tail);
}

/* The bits of u > 0 less those of sqrt(1/2) plus those of 1: the exponent field is that of 2^k, with u 2^-k
 * in [sqrt(1/2), sqrt(2)]. */
NN_INLINE uint32_t nn_scale_bits_f32(float u)
{
    return nn_bits_f32(u) - 0x3f3504f3u + 0x3f800000u;
}

/* u 2^-k from the same bits. */
NN_INLINE float nn_scaled_f32(uint32_t d)
{
    return nn_from_bits_f32((d & ~0xff800000u) + 0x3f3504f3u);
}

/* log: x = 2^k (1 + f), f exact. Subnormal x is lifted first; what has no logarithm is chosen at the end. */
NN_INLINE float nn_log_f32(float x)
{
    const float z = x < 0x1p-126f ? x * 0x1p23f : x, bias = x < 0x1p-126f ? 150.0f : 127.0f;
    const uint32_t d = nn_scale_bits_f32(z);
    const float f = nn_scaled_f32(d) - 1.0f;
    const float y = nn_log_reduced_f32(f, nn_exponent_f32(d) - bias);
    /* the last x: inf and NaN */
    const float edge = x == 0.0f ? -__builtin_inff() : x < 0.0f ? __builtin_nanf("") : x;
    return nn_bits_f32(x) - 1 < 0x7f800000u - 1 ? y : edge;
}

/*
 * log1p: u = 1 + x only chooses k; then 2^-k (1 + x) - 1 = fma(2^-k, x, 2^-k - 1) is rounded once, so that
 * the rounding of u does no harm. Above 2^25, where 1 is below x's last bit, f comes from the bits of u
 * instead (2^-k may be subnormal there).
 */
NN_INLINE float nn_log1p_f32(float x)
{
    const float u = 1.0f + x;
    const uint32_t d = nn_scale_bits_f32(u);
    const float s = nn_from_bits_f32(2 * 0x3f800000u - (d & 0xff800000u));
    const float far = nn_scaled_f32(d) - 1.0f;
    const float near = NN_FMAF(s, x, s - 1.0f);
    const float y = nn_log_reduced_f32(x > 0x1p25f ? far : near, nn_exponent_f32(d) - 127.0f);
    /* the last x: inf, NaN and -0 */
    const float edge = x == -1.0f ? -__builtin_inff() : x < -1.0f ? __builtin_nanf("") : x;
    return nn_bits_f32(u) - 1 < 0x7f800000u - 1 && x != 0.0f ? y : edge;
}

/*
 * softplus(x) = log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x| in [0, 1]; 1 + e is halved where it exceeds
 * about sqrt(2), that is where |x| < -log(sqrt(2) - 1).
 */
NN_INLINE float nn_softplus_f32(float x)
{
    const float a = nn_abs_f32(x), e = nn_exp_neg_f32(a);
    const float f = a < 0.8813736f ? NN_FMAF(e, 0.5f, -0.5f) : e, k = a < 0.8813736f ? 1.0f : 0.0f;
    const float y = nn_log_reduced_f32(f, k);
    return (x > 0.0f ? x : 0.0f) + (a > NN_FAR_F32 ? 0.0f : y);
}

/*
 * sigmoid(-a) = e/(1 + e) = s (1 + m) 2^-64 for a >= 0, e = e^-a = s_e (1 + m_e); parts as in nn_exp_parts.
 * Where s_e is 1: 1/2 (1 + m_e/(1 + e)). Else, with y = e/(1 + e): e - e y, in which the rounding errors of y
 * count only e-fold and that of e not at all. 0.2 stands for e/(1 + e)^2 and takes off most of what the
 * rounding of 1 + e does. (The dividend is chosen by a mask: gcc makes two divisions of a ?: there.)
 */
NN_INLINE float nn_sigmoid_of_parts_f32(float s, float me, float *m)
{
    const float p = 1.0f + me;
    const float e = p * s * NN_DROP_F32, one = 1.0f / NN_DROP_F32;
    const uint32_t same = s == one ? 0xffffffffu : 0;
    const float top = nn_from_bits_f32((nn_bits_f32(me) & same) | (nn_bits_f32(e) & ~same));
    const float d = 1.0f + e, y = top / d;
    *m = same ? y : NN_FMAF(-p, y, NN_FMAF(e - (d - 1.0f), 0.2f, me));
    return same ? 0.5f * one : s;
}

NN_INLINE float nn_sigmoid_parts_f32(float a, float *m)
{
    float me;
    const float s = nn_exp_parts_f32(a, &me);
    return nn_sigmoid_of_parts_f32(s, me, m);
}

/* 2^-64 q where x < 0, 1 - 2^-64 q where x >= 0, and 0 or 1 where |x| > far. */
NN_INLINE float nn_mirror_f32(float q, float x, float far)
{
    const float sign = x < 0.0f ? NN_DROP_F32 : -NN_DROP_F32, base = x < 0.0f ? 0.0f : 1.0f;
    return NN_FMAF(nn_abs_f32(x) > far ? 0.0f : q, sign, base);
}

/* sigmoid: s (1 + m) on the left, 1 - s (1 + m) on the right. */
NN_INLINE float nn_sigmoid_f32(float x)
{
    float m;
    const float s = nn_sigmoid_parts_f32(nn_abs_f32(x), &m);
    return nn_mirror_f32(NN_FMAF(s, m, s), x, NN_FAR_F32);
}

/* silu(x) = x sigmoid(x) = max(x, 0) - |x| sigmoid(-|x|), one form for both signs. */
NN_INLINE float nn_silu_f32(float x)
{
    float m;
    const float a = nn_abs_f32(x), as = a * nn_sigmoid_parts_f32(a, &m);
    const float h = a > NN_FAR_F32 ? NN_TINY_F32 : NN_FMAF(as, m, as); /* not 0: the limit on the left is -0 */
    return NN_FMAF(h, -NN_DROP_F32, x < 0.0f ? 0.0f : x);
}

/*
 * silu'(x) = s (1 + x (1 - s)): with q = sigmoid(-|x|), g = q (1 - |x| (1 - q)) on the left, 1 - g on the
 * right. The bracket is (1 - a) + a q with its rounding errors in z_lo. Has a root at -1.278: the error is in
 * ULP of the larger of s and |x s (1 - s)|.
 */
NN_INLINE float nn_silu_grad_f32(float x)
{
    float m;
    const float a = nn_abs_f32(x), s = nn_sigmoid_parts_f32(a, &m), q = NN_FMAF(s, m, s) * NN_DROP_F32;
    const float u = 1.0f - a, z = NN_FMAF(a, q, u), z_lo = NN_FMAF(a, q, u - z) + ((1.0f - u) - a);
    return nn_mirror_f32(s * (z + NN_FMAF(z, m, z_lo)), x, NN_FAR_F32);
}

/*
 * erf: x + x p(x^2) up to 0.95, beyond that 1 - e^p(|x|), which only needs erfc to an absolute error.
 */
NN_INLINE float nn_erf_f32(float x)
{
    const float a = nn_abs_f32(x), t = a * a, t2 = t * t;
    const float low = NN_FMAF(a, NN_PAIRS6(NN_FMAF, t, t2, NN_ERF_LOW_F32, 0), a);
    const float high = 1.0f - nn_exp_neg_f32(-NN_PAIRS7(NN_FMAF, a, t, NN_ERF_HIGH_F32, 0));
    const float y = a < 0.95f ? low : high;
    return nn_with_sign_f32(a > 3.95f ? 1.0f : y, x);
}

/*
 * Phi(-a) = 2^-64 s (1 + r + w) (g + g_lo) for 0 <= a <= 14.7. s (1 + r + w) is e^(-a^2/2), with the square
 * in two parts because its rounding error alone would cost a^2/2 ULP. g + g_lo is the Mills ratio: a
 * polynomial in y = (a - 2)/d times 1/d, d = 1 + k a. The rounding errors of d, 1/d, y, the polynomial's last
 * step and the product are carried in g_lo. (A quotient of polynomials in a is as long, but both halves grow
 * fast: 3 ULP.)
 */
NN_INLINE float nn_normal_parts_f32(float a, float *r, float *w, float *g, float *g_lo)
{
    const float *c = NN_MILLS_F32;
    const float k = 0.375f, hi = a * (0.5f * a);
#if NN_HAVE_FMA
    const float lo = NN_FMAF(a, 0.5f * a, -hi);
#else
    const float v = a * 4097.0f, ah = v - (v - a), al = a - ah;
    const float lo = 0.5f * (((ah * ah - 2.0f * hi) + 2.0f * ah * al) + al * al);
#endif
    const float big = NN_ROUND_F32 + (127.0f + 64.0f);
    const float e = NN_FMAF(hi, -NN_LOG2E_F32, big), n = e - big;
    const float r1 = NN_FMAF(n, -NN_LN2_HI_F32, -hi), r2 = NN_FMAF(n, -NN_LN2_LO_F32, -lo), rr = r1 + r2;
    *r = rr;
    *w = NN_FMAF(rr * rr, nn_exp_tail_f32(rr, rr * rr), (r1 - rr) + r2);
    const float d = NN_FMAF(k, a, 1.0f), d_lo = NN_FMAF(k, a, 1.0f - d), t = 1.0f / d;
    const float t_lo = NN_FMAF(-t, d_lo, NN_FMAF(-t, d, 1.0f)); /* relative */
    const float a_mid = a - 2.0f, y = a_mid * t, y_lo = NN_FMAF(a_mid, t, -y), y2 = y * y;
    const float q = NN_PAIRS9(NN_FMAF, y, y2, NN_MILLS_F32, 1), p = NN_FMAF(y, q, c[0]);
    const float p_lo = NN_FMAF(y_lo, q, NN_FMAF(y, q, c[0] - p) + c[11]);
    *g = p * t;
    *g_lo = NN_FMAF(t, NN_FMAF(t_lo, NN_FMAF(y, q, p), p_lo), NN_FMAF(p, t, -*g));
    return nn_from_bits_f32(nn_bits_f32(e) << 23);
}

/*
 * gelu(x) = x Phi(x) = max(x, 0) - a Phi(-a), a = |x|, one form for both signs. a s is exact (s is a power of
 * 2) and a s g is kept in two parts, so that little but the last sum is rounded.
 */
NN_INLINE float nn_gelu_f32(float x)
{
    float r, w, g, g_lo;
    const float a = nn_abs_f32(x), as = a * nn_normal_parts_f32(a, &r, &w, &g, &g_lo);
    const float h = as * g, h_lo = NN_FMAF(as, g_lo, NN_FMAF(as, g, -h));
    const float sum = h + NN_FMAF(h, r, NN_FMAF(h, w, NN_FMAF(h_lo, r, h_lo)));
    const float y = a > 14.7f ? NN_TINY_F32 : sum; /* not 0: the limit on the left is -0 */
    return NN_FMAF(y, -NN_DROP_F32, x < 0.0f ? 0.0f : x);
}

/*
 * gelu'(x) = Phi(x) + x phi(x): with q = Phi(-a) - a phi(a), q on the left, 1 - q on the right. Has a root at
 * -0.7518: the error is in ULP of the larger of the two terms.
 */
NN_INLINE float nn_gelu_grad_f32(float x)
{
    float r, w, g, g_lo;
    const float a = nn_abs_f32(x), s = nn_normal_parts_f32(a, &r, &w, &g, &g_lo);
    const float c = 0x1.988454p-2f, c_lo = -0x1.857936p-27f; /* 1/sqrt(2 pi) */
    /* exact: the larger one first */
    const float b = a * c, z = g - b, z_lo = a < 1.0f ? (g - z) - b : g - (z + b);
    const float rest = NN_FMAF(a, -c_lo, NN_FMAF(-a, c, b) + (z_lo + g_lo));
    return nn_mirror_f32(s * (z + NN_FMAF(z, r, NN_FMAF(z, w, NN_FMAF(rest, r, rest)))), x, 14.7f);
}

/* (p(t) - p(0))/t of NN_TANH_SHRINK. */
NN_INLINE float nn_tanh_shrink_tail_f32(float t)
{
    return NN_PAIRS7(NN_FMAF, t, t * t, NN_TANH_SHRINK_F32, 1);
}
#define NN_TANH_SHRINK_LOW_F32 NN_TANH_SHRINK_F32[9]

/* Of gelu by tanh: 2 sqrt(2/pi), that times 0.044715 and three times as much, each in two parts; from where on
 * a sigmoid(-w) is 0. */
#define NN_GELU_K0_F32 0x1.988p+0f
#define NN_GELU_K0_LO_F32 0x1.14cf5p-14f
#define NN_GELU_K1_F32 0x1.2444f2p-4f
#define NN_GELU_K1_LO_F32 0x1.49b16ap-29f
#define NN_GELU_K3_F32 0x1.b6676cp-3f
#define NN_GELU_K3_LO_F32 -0x1.175e2p-32f
#define NN_GELU_FAR_F32 10.9f

#endif
