/* The float64 half of vmath.h: include that. */
#ifndef NN_VMATH_F64_H
#define NN_VMATH_F64_H

NN_INLINE double nn_fma_f64(double a, double b, double c) { return NN_FMA(a, b, c); }

/* NumPy's rule: a NaN on either side wins. */
NN_INLINE double nn_min_f64(double a, double b) { return (a < b || a != a) ? a : b; }
NN_INLINE double nn_max_f64(double a, double b) { return (a > b || a != a) ? a : b; }

NN_INLINE uint64_t nn_bits_f64(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

NN_INLINE double nn_from_bits_f64(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

NN_INLINE double nn_abs_f64(double x)
{
    return nn_from_bits_f64(nn_bits_f64(x) & UINT64_C(0x7fffffffffffffff));
}

/* x with the sign of s; x >= 0. */
NN_INLINE double nn_with_sign_f64(double x, double s)
{
    return nn_from_bits_f64(nn_bits_f64(x) | (nn_bits_f64(s) & UINT64_C(0x8000000000000000)));
}

/* e^r = 1 + r + r^2 q(r), |r| <= log(2)/2; error relative to e^r - 1: 2^-59.9 */
static const double NN_EXP_F64[11] = {
    0x1p-1, 0x1.5555555555559p-3, 0x1.555555555553fp-5,
    0x1.111111110f6d5p-7, 0x1.6c16c16c1fp-10, 0x1.a01a01afd5e33p-13,
    0x1.a01a017beb3f7p-16, 0x1.71ddf87913b13p-19, 0x1.27e535dcb8d95p-22,
    0x1.af5e7fe4e3022p-26, 0x1.1ee9057c4f4b2p-29,
};
/* (e^2r - 1)/2 = r + r^2 q(r), |r| <= log(2)/4; error relative to the left side: 2^-59.9 */
static const double NN_TANH_F64[11] = {
    0x1p+0, 0x1.5555555555559p-1, 0x1.555555555553fp-2,
    0x1.111111110f6d5p-3, 0x1.6c16c16c1fp-5, 0x1.a01a01afd5e33p-7,
    0x1.a01a017beb3f7p-9, 0x1.71ddf87913b13p-11, 0x1.27e535dcb8d95p-13,
    0x1.af5e7fe4e3022p-16, 0x1.1ee9057c4f4b2p-18,
};
/* log(1+f) = f - f^2/2 + s (f^2/2 + z p(z)), s = f/(2 + f), z = s^2,
   sqrt(1/2) <= 1+f <= sqrt(2); relative error: 2^-58.9 */
static const double NN_LOG_F64[7] = {
    0x1.5555555555592p-1, 0x1.999999997fdc2p-2, 0x1.24924941f0512p-2,
    0x1.c71c520a2d021p-3, 0x1.74663eb7f7044p-3, 0x1.39a1c013f0d02p-3,
    0x1.2f052989fe1c7p-3,
};
/* erf(x) = x + x p(x^2), |x| <= 1; relative error: 2^-56.3 */
static const double NN_ERF_LOW_F64[13] = {
    0x1.06eba8214db69p-3, -0x1.812746b0379e6p-2, 0x1.ce2f21a042b2p-4,
    -0x1.b82ce31284999p-6, 0x1.565bcd0db027cp-8, -0x1.c02db3d8ec166p-11,
    0x1.f9a321a100f47p-14, -0x1.f4d1df373922cp-17, 0x1.b9def1844c7bfp-20,
    -0x1.5f1d35ef45a02p-23, 0x1.f7a4098f21f52p-27, -0x1.386aa6d594d86p-30,
    0x1.0579666b4c905p-34,
};
/* erfc(a) = e^p(a), 1 <= a <= 5.95; error relative to erf(a): 2^-59.4 */
static const double NN_ERF_HIGH_F64[21] = {
    0x1.cd3e21fda7bdfp-26, -0x1.20dd7ac2c5899p+0, -0x1.45f2c191f3a39p-1,
    -0x1.a4fd1a285e4aap-4, 0x1.39be97c8abe3ap-6, 0x1.5e1603b96607ep-13,
    -0x1.ab43a95e7c798p-10, 0x1.09cfef2012e9p-11, 0x1.eba1d98654964p-15,
    -0x1.1a7623c818437p-13, 0x1.44ed7025e08d1p-14, -0x1.f3c1720fa98a8p-16,
    0x1.24d1747aea804p-17, -0x1.0faf7ab9b599cp-19, 0x1.92a64bd328081p-22,
    -0x1.d94481d9e9e35p-25, 0x1.b0850fe9c0088p-28, -0x1.28b176964a19bp-31,
    0x1.1f8dd7c3d8c94p-35, -0x1.5f0ccee209e16p-40, 0x1.95d0c5accc3e4p-46,
};
/* Phi(-a) e^(a^2/2) = g(y)/d, d = 1 + 0.296875 a, y = (a - 2)/d, 0 <= a <= 38.8;
   the last entry is the low part of the first; relative error: 2^-55.1 */
static const double NN_MILLS_F64[25] = {
    0x1.1257abd9fdbbap-2, -0x1.46f2868b3155ep-4, 0x1.f46c290619378p-7,
    -0x1.9342e0cee5b56p-10, -0x1.3df43acc58c69p-16, 0x1.5fea5eec52904p-16,
    -0x1.da48cbab3f197p-23, -0x1.743e4b490772cp-22, -0x1.4ed28c41dd4d3p-28,
    0x1.bb8c0c74ac1a3p-28, 0x1.161f93f47de9bp-31, -0x1.b379e92f4414dp-34,
    -0x1.6994f4484f3e6p-36, 0x1.5466b898abdfp-43, 0x1.216ac835a3dbfp-41,
    0x1.136bca03f2a6p-44, -0x1.2cf28a1b60671p-48, -0x1.393707c210a8fp-49,
    -0x1.9a69845096c9p-52, 0x1.5c77e5b23617bp-56, 0x1.e0eb8e3d3628cp-56,
    -0x1.12dae9701675dp-70, -0x1.1007d59e12732p-60, 0x1.77735e074f748p-64,
    0x1.d69871c74808dp-56,
};
/* x - tanh(x) = x^3 p(x^2), |x| <= 1; the last entry is the low part of the first; relative error: 2^-57.9 */
static const double NN_TANH_SHRINK_F64[20] = {
    0x1.5555555555555p-2, -0x1.1111111111111p-3, 0x1.ba1ba1ba1b9f8p-5,
    -0x1.664f4882c036bp-6, 0x1.226e355e412edp-7, -0x1.d6d3d0d6f1369p-9,
    0x1.7da3637bfd80fp-10, -0x1.3558184ea8245p-11, 0x1.f57c73ebf6e5bp-13,
    -0x1.96760281984a5p-14, 0x1.494c2b550d2bcp-15, -0x1.0a2988bb4cc75p-16,
    0x1.aa396cffe0c9cp-18, -0x1.4b6e2ffde1dbbp-19, 0x1.e02e6dafabe32p-21,
    -0x1.2e8eec8f8518dp-22, 0x1.2c606ce6fbd89p-24, -0x1.948ab5adbea44p-27,
    0x1.0e7186b05e802p-30, 0x1.3ebf11583ba33p-56,
};

/* 1.5 * 2^52: adding it rounds to an integer and leaves that integer in the low bits. */
#define NN_ROUND_F64 0x1.8p52
#define NN_LOG2E_F64 0x1.71547652b82fep+0
/* log 2 in two parts; the first has so few bits that n * NN_LN2_HI is exact for every exponent n, FMA or not.
 * */
#define NN_LN2_HI_F64 (0x1.62e42feep-1)
#define NN_LN2_LO_F64 (0x1.a39ef35793c76p-33)

/* c - n log 2, |c| < 2^20: the inner product-and-sum is exact. */
NN_INLINE double nn_reduce_f64(double c, double n)
{
    return NN_FMA(n, -NN_LN2_LO_F64, NN_FMA(n, -NN_LN2_HI_F64, c));
}

/* (e^r - 1 - r)/r^2 for |r| <= log(2)/2. */
NN_INLINE double nn_exp_tail_f64(double r, double r2)
{
    return NN_PAIRS10(NN_FMA, r, r2, NN_EXP_F64, 0);
}

/*
 * exp: e^x = 2^n e^r, n = rint(x / log 2). 2^n is applied as two factors, because n runs from -1076 to 1024,
 * further than one exponent field, and because the product with the second one rounds a subnormal result.
 */
NN_INLINE double nn_exp_f64(double x)
{
    const double big = NN_ROUND_F64 + 2046.0, half = NN_ROUND_F64 + 1023.0;
    const double t = NN_FMA(x, NN_LOG2E_F64, big), n = t - big; /* low bits of t: n + 2 bias */
    const double t2 = NN_FMA(n, 0.5, half);                      /* low bits of t2: n/2 + bias */
    const double r = nn_reduce_f64(x, n), r2 = r * r;
    const double s1 = nn_from_bits_f64(nn_bits_f64(t2) << 52);
    const double s2 = nn_from_bits_f64((nn_bits_f64(t) - nn_bits_f64(t2)) << 52);
    const double y = NN_FMA(s1, NN_FMA(r2, nn_exp_tail_f64(r, r2), r), s1) * s2;
    const double edge = x > 0.0 ? __builtin_inf() : 0.0;
    return nn_abs_f64(x + 18.0) > 728.0 ? edge : y;
}

/*
 * e^-a = s (1 + m) 2^-512 for 0 <= a <= 760.0; returns s, a power of 2. The lift 2^512 keeps s normal; who
 * multiplies by NN_DROP_F64 last rounds a subnormal result only once. m is left apart because a factor 1 + m
 * is best applied as fma(y, m, y): the rounding of m then counts for little. Ranges are cut by a select on
 * the result, not by a clamp of the argument, which would stand at the head of the longest chain.
 */
#define NN_DROP_F64 0x1p-512
#define NN_TINY_F64 0x1p-600 /* times NN_DROP: 0 */
#define NN_FAR_F64 760.0 /* e^-a and a e^-a are 0 from here on; s above is nonsense */
NN_INLINE double nn_exp_parts_f64(double a, double *m)
{
    const double big = NN_ROUND_F64 + (1023.0 + 512.0);
    const double t = NN_FMA(a, -NN_LOG2E_F64, big), n = t - big;
    const double r = nn_reduce_f64(-a, n), r2 = r * r;
    *m = NN_FMA(r2, nn_exp_tail_f64(r, r2), r);
    return nn_from_bits_f64(nn_bits_f64(t) << 52);
}

/* e^-a for 0 <= a <= NN_FAR_F64; nonsense beyond. */
NN_INLINE double nn_exp_neg_f64(double a)
{
    double m;
    const double s = nn_exp_parts_f64(a, &m);
    return NN_FMA(s, m, s) * NN_DROP_F64;
}

/*
 * expm1: (e^x - 1)/2 = (2^(n-1) - 1/2 + 2^(n-1) r) + 2^(n-1) r^2 q(r). Where n = 1 cancels, the bracket is
 * exact; summing e^r - 1 first would cost an ULP more there. Half the value, because the largest 2^n exceeds
 * the exponent field; x itself where halving could lose a bit (this also keeps -0).
 */
NN_INLINE double nn_expm1_f64(double x)
{
    const double big = NN_ROUND_F64 + (1023.0 - 1.0);
    const double t = NN_FMA(x, NN_LOG2E_F64, big), n = t - big;
    const double r = nn_reduce_f64(x, n), r2 = r * r;
    const double s = nn_from_bits_f64(nn_bits_f64(t) << 52);
    const double h = NN_FMA(s, r2 * nn_exp_tail_f64(r, r2), NN_FMA(s, r, s - 0.5));
    const double y = nn_abs_f64(x) < 0x1p-80 ? x : h + h;
    const double edge = x > 0.0 ? __builtin_inf() : -1.0;
    return nn_abs_f64(x - 336.0) > 374.0 ? edge : y;
}

/* e^2a = s (1 + 2 m) for 0 <= a <= 350. */
NN_INLINE double nn_exp_2_parts_f64(double a, double *m)
{
    const double big = NN_ROUND_F64 + 1023.0;
    const double t = NN_FMA(a, 2.0 * NN_LOG2E_F64, big), n = t - big;
    const double r = NN_FMA(n, -0.5 * NN_LN2_LO_F64, NN_FMA(n, -0.5 * NN_LN2_HI_F64, a)), r2 = r * r;
    *m = NN_FMA(r2, NN_PAIRS10(NN_FMA, r, r2, NN_TANH_F64, 0), r);
    return nn_from_bits_f64(nn_bits_f64(t) << 52);
}
#define NN_TANH_FAR_F64 19.2 /* tanh(a) is 1 from here on */

/*
 * tanh(a) = h/(h + 1), h = (e^2a - 1)/2, which loses nothing near 0; the sign is put back last. For h < 1/2
 * the rounding of h + 1 would cost an ULP: there h - h y, y the quotient, is the same value with that error
 * scaled by h. (NumPy's way, a table by vpermt2ps, has no form in plain C or AVX2.)
 */
NN_INLINE double nn_tanh_f64(double x)
{
    const double a = nn_abs_f64(x);
    const double big = NN_ROUND_F64 + 1023.0;
    const double t = NN_FMA(a, 2.0 * NN_LOG2E_F64, big), n = t - big;
    const double r = NN_FMA(n, -0.5 * NN_LN2_LO_F64, NN_FMA(n, -0.5 * NN_LN2_HI_F64, a)), r2 = r * r;
    const double s = nn_from_bits_f64(nn_bits_f64(t) << 52);
    const double b = NN_FMA(s, 0.5, -0.5), u = NN_FMA(s, r, b), u_lo = NN_FMA(s, r, b - u); /* as in expm1 */
    const double h = u + NN_FMA(s, r2 * NN_PAIRS10(NN_FMA, r, r2, NN_TANH_F64, 0), u_lo);
    const double y = h / (h + 1.0), z = h < 0.5 ? NN_FMA(-h, y, h) : y;
    return nn_with_sign_f64(a > NN_TANH_FAR_F64 ? 1.0 : z, x);
}

/* The exponent field of d as a number: AVX2 converts no 64-bit integers, so it is laid into the low bits of
 * 2^52. */
NN_INLINE double nn_exponent_f64(uint64_t d)
{
    return nn_from_bits_f64(d >> 52 | UINT64_C(0x4330000000000000)) - 0x1p52;
}

/* log(1 + f) + k log 2 for sqrt(1/2) <= 1 + f <= sqrt(2). With s = f/(2 + f), log(1 + f) is
 * 2 atanh(s); f - f^2/2 is kept apart, being exact or nearly so. A polynomial in f alone needs 20 terms. */
NN_INLINE double nn_log_reduced_f64(double f, double k)
{
    const double s = f / (2.0 + f), z = s * s, z2 = z * z, half = 0.5 * f;
    const double u = NN_FMA(half, f, z * NN_PAIRS6(NN_FMA, z, z2, NN_LOG_F64, 0));
    const double tail = NN_FMA(-half, f, NN_FMA(s, u, k * NN_LN2_LO_F64));
    return NN_FMA(k, NN_LN2_HI_F64, f + tail);
}

/* The bits of u > 0 less those of sqrt(1/2) plus those of 1: the exponent field is that of 2^k, with u 2^-k
 * in [sqrt(1/2), sqrt(2)]. */
NN_INLINE uint64_t nn_scale_bits_f64(double u)
{
    return nn_bits_f64(u) - UINT64_C(0x3fe6a09e667f3bcd) + UINT64_C(0x3ff0000000000000);
}

/* u 2^-k from the same bits. */
NN_INLINE double nn_scaled_f64(uint64_t d)
{
    return nn_from_bits_f64((d & ~UINT64_C(0xfff0000000000000)) + UINT64_C(0x3fe6a09e667f3bcd));
}

/* log: x = 2^k (1 + f), f exact. Subnormal x is lifted first; what has no logarithm is chosen at the end. */
NN_INLINE double nn_log_f64(double x)
{
    const double z = x < 0x1p-1022 ? x * 0x1p52 : x, bias = x < 0x1p-1022 ? 1075.0 : 1023.0;
    const uint64_t d = nn_scale_bits_f64(z);
    const double f = nn_scaled_f64(d) - 1.0;
    const double y = nn_log_reduced_f64(f, nn_exponent_f64(d) - bias);
    /* the last x: inf and NaN */
    const double edge = x == 0.0 ? -__builtin_inf() : x < 0.0 ? __builtin_nan("") : x;
    return nn_bits_f64(x) - 1 < UINT64_C(0x7ff0000000000000) - 1 ? y : edge;
}

/*
 * log1p: u = 1 + x only chooses k; then 2^-k (1 + x) - 1 = fma(2^-k, x, 2^-k - 1) is rounded once, so that
 * the rounding of u does no harm. Above 2^54, where 1 is below x's last bit, f comes from the bits of u
 * instead (2^-k may be subnormal there).
 */
NN_INLINE double nn_log1p_f64(double x)
{
    const double u = 1.0 + x;
    const uint64_t d = nn_scale_bits_f64(u);
    const double s = nn_from_bits_f64(2 * UINT64_C(0x3ff0000000000000) - (d & UINT64_C(0xfff0000000000000)));
    const double far = nn_scaled_f64(d) - 1.0;
    const double near = NN_FMA(s, x, s - 1.0);
    const double y = nn_log_reduced_f64(x > 0x1p54 ? far : near, nn_exponent_f64(d) - 1023.0);
    /* the last x: inf, NaN and -0 */
    const double edge = x == -1.0 ? -__builtin_inf() : x < -1.0 ? __builtin_nan("") : x;
    return nn_bits_f64(u) - 1 < UINT64_C(0x7ff0000000000000) - 1 && x != 0.0 ? y : edge;
}

/*
 * softplus(x) = log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x| in [0, 1]; 1 + e is halved where it exceeds
 * about sqrt(2), that is where |x| < -log(sqrt(2) - 1).
 */
NN_INLINE double nn_softplus_f64(double x)
{
    const double a = nn_abs_f64(x), e = nn_exp_neg_f64(a);
    const double f = a < 0.8813736 ? NN_FMA(e, 0.5, -0.5) : e, k = a < 0.8813736 ? 1.0 : 0.0;
    const double y = nn_log_reduced_f64(f, k);
    return (x > 0.0 ? x : 0.0) + (a > NN_FAR_F64 ? 0.0 : y);
}

/*
 * sigmoid(-a) = e/(1 + e) = s (1 + m) 2^-512 for a >= 0, e = e^-a = s_e (1 + m_e); parts as in nn_exp_parts.
 * Where s_e is 1: 1/2 (1 + m_e/(1 + e)). Else, with y = e/(1 + e): e - e y, in which the rounding errors of y
 * count only e-fold and that of e not at all. 0.2 stands for e/(1 + e)^2 and takes off most of what the
 * rounding of 1 + e does. (The dividend is chosen by a mask: gcc makes two divisions of a ?: there.)
 */
NN_INLINE double nn_sigmoid_of_parts_f64(double s, double me, double *m)
{
    const double p = 1.0 + me;
    const double e = p * s * NN_DROP_F64, one = 1.0 / NN_DROP_F64;
    const uint64_t same = s == one ? UINT64_C(0xffffffffffffffff) : 0;
    const double top = nn_from_bits_f64((nn_bits_f64(me) & same) | (nn_bits_f64(e) & ~same));
    const double d = 1.0 + e, y = top / d;
    *m = same ? y : NN_FMA(-p, y, NN_FMA(e - (d - 1.0), 0.2, me));
    return same ? 0.5 * one : s;
}

NN_INLINE double nn_sigmoid_parts_f64(double a, double *m)
{
    double me;
    const double s = nn_exp_parts_f64(a, &me);
    return nn_sigmoid_of_parts_f64(s, me, m);
}

/* 2^-512 q where x < 0, 1 - 2^-512 q where x >= 0, and 0 or 1 where |x| > far. */
NN_INLINE double nn_mirror_f64(double q, double x, double far)
{
    const double sign = x < 0.0 ? NN_DROP_F64 : -NN_DROP_F64, base = x < 0.0 ? 0.0 : 1.0;
    return NN_FMA(nn_abs_f64(x) > far ? 0.0 : q, sign, base);
}

/* sigmoid: s (1 + m) on the left, 1 - s (1 + m) on the right. */
NN_INLINE double nn_sigmoid_f64(double x)
{
    double m;
    const double s = nn_sigmoid_parts_f64(nn_abs_f64(x), &m);
    return nn_mirror_f64(NN_FMA(s, m, s), x, NN_FAR_F64);
}

/* silu(x) = x sigmoid(x) = max(x, 0) - |x| sigmoid(-|x|), one form for both signs. */
NN_INLINE double nn_silu_f64(double x)
{
    double m;
    const double a = nn_abs_f64(x), as = a * nn_sigmoid_parts_f64(a, &m);
    const double h = a > NN_FAR_F64 ? NN_TINY_F64 : NN_FMA(as, m, as); /* not 0: the limit on the left is -0 */
    return NN_FMA(h, -NN_DROP_F64, x < 0.0 ? 0.0 : x);
}

/*
 * silu'(x) = s (1 + x (1 - s)): with q = sigmoid(-|x|), g = q (1 - |x| (1 - q)) on the left, 1 - g on the
 * right. The bracket is (1 - a) + a q with its rounding errors in z_lo. Has a root at -1.278: the error is in
 * ULP of the larger of s and |x s (1 - s)|.
 */
NN_INLINE double nn_silu_grad_f64(double x)
{
    double m;
    const double a = nn_abs_f64(x), s = nn_sigmoid_parts_f64(a, &m), q = NN_FMA(s, m, s) * NN_DROP_F64;
    const double u = 1.0 - a, z = NN_FMA(a, q, u), z_lo = NN_FMA(a, q, u - z) + ((1.0 - u) - a);
    return nn_mirror_f64(s * (z + NN_FMA(z, m, z_lo)), x, NN_FAR_F64);
}

/*
 * erf: x + x p(x^2) up to 1.0, beyond that 1 - e^p(|x|), which only needs erfc to an absolute error.
 */
NN_INLINE double nn_erf_f64(double x)
{
    const double a = nn_abs_f64(x), t = a * a, t2 = t * t;
    const double low = NN_FMA(a, NN_PAIRS12(NN_FMA, t, t2, NN_ERF_LOW_F64, 0), a);
    const double high = 1.0 - nn_exp_neg_f64(-NN_QUADS20(NN_FMA, a, t, t2, NN_ERF_HIGH_F64, 0));
    const double y = a < 1.0 ? low : high;
    return nn_with_sign_f64(a > 5.95 ? 1.0 : y, x);
}

/*
 * Phi(-a) = 2^-512 s (1 + r + w) (g + g_lo) for 0 <= a <= 38.8. s (1 + r + w) is e^(-a^2/2), with the square
 * in two parts because its rounding error alone would cost a^2/2 ULP. g + g_lo is the Mills ratio: a
 * polynomial in y = (a - 2)/d times 1/d, d = 1 + k a. The rounding errors of d, 1/d, y, the polynomial's last
 * step and the product are carried in g_lo. (A quotient of polynomials in a is as long, but both halves grow
 * fast: 3 ULP.)
 */
NN_INLINE double nn_normal_parts_f64(double a, double *r, double *w, double *g, double *g_lo)
{
    const double *c = NN_MILLS_F64;
    const double k = 0.296875, hi = a * (0.5 * a);
#if NN_HAVE_FMA
    const double lo = NN_FMA(a, 0.5 * a, -hi);
#else
    const double v = a * 134217729.0, ah = v - (v - a), al = a - ah;
    const double lo = 0.5 * (((ah * ah - 2.0 * hi) + 2.0 * ah * al) + al * al);
#endif
    const double big = NN_ROUND_F64 + (1023.0 + 512.0);
    const double e = NN_FMA(hi, -NN_LOG2E_F64, big), n = e - big;
    const double r1 = NN_FMA(n, -NN_LN2_HI_F64, -hi), r2 = NN_FMA(n, -NN_LN2_LO_F64, -lo), rr = r1 + r2;
    *r = rr;
    *w = NN_FMA(rr * rr, nn_exp_tail_f64(rr, rr * rr), (r1 - rr) + r2);
    const double d = NN_FMA(k, a, 1.0), d_lo = NN_FMA(k, a, 1.0 - d), t = 1.0 / d;
    const double t_lo = NN_FMA(-t, d_lo, NN_FMA(-t, d, 1.0)); /* relative */
    const double a_mid = a - 2.0, y = a_mid * t, y_lo = NN_FMA(a_mid, t, -y), y2 = y * y, y4 = y2 * y2;
    const double q = NN_QUADS22(NN_FMA, y, y2, y4, NN_MILLS_F64, 1), p = NN_FMA(y, q, c[0]);
    const double p_lo = NN_FMA(y_lo, q, NN_FMA(y, q, c[0] - p) + c[24]);
    *g = p * t;
    *g_lo = NN_FMA(t, NN_FMA(t_lo, NN_FMA(y, q, p), p_lo), NN_FMA(p, t, -*g));
    return nn_from_bits_f64(nn_bits_f64(e) << 52);
}

/*
 * gelu(x) = x Phi(x) = max(x, 0) - a Phi(-a), a = |x|, one form for both signs. a s is exact (s is a power of
 * 2) and a s g is kept in two parts, so that little but the last sum is rounded.
 */
NN_INLINE double nn_gelu_f64(double x)
{
    double r, w, g, g_lo;
    const double a = nn_abs_f64(x), as = a * nn_normal_parts_f64(a, &r, &w, &g, &g_lo);
    const double h = as * g, h_lo = NN_FMA(as, g_lo, NN_FMA(as, g, -h));
    const double sum = h + NN_FMA(h, r, NN_FMA(h, w, NN_FMA(h_lo, r, h_lo)));
    const double y = a > 38.8 ? NN_TINY_F64 : sum; /* not 0: the limit on the left is -0 */
    return NN_FMA(y, -NN_DROP_F64, x < 0.0 ? 0.0 : x);
}

/*
 * gelu'(x) = Phi(x) + x phi(x): with q = Phi(-a) - a phi(a), q on the left, 1 - q on the right. Has a root at
 * -0.7518: the error is in ULP of the larger of the two terms.
 */
NN_INLINE double nn_gelu_grad_f64(double x)
{
    double r, w, g, g_lo;
    const double a = nn_abs_f64(x), s = nn_normal_parts_f64(a, &r, &w, &g, &g_lo);
    const double c = 0x1.9884533d43651p-2, c_lo = -0x1.cbc0d30ebfd15p-56; /* 1/sqrt(2 pi) */
    /* exact: the larger one first */
    const double b = a * c, z = g - b, z_lo = a < 1.0 ? (g - z) - b : g - (z + b);
    const double rest = NN_FMA(a, -c_lo, NN_FMA(-a, c, b) + (z_lo + g_lo));
    return nn_mirror_f64(s * (z + NN_FMA(z, r, NN_FMA(z, w, NN_FMA(rest, r, rest)))), x, 38.8);
}

/* (p(t) - p(0))/t of NN_TANH_SHRINK. */
NN_INLINE double nn_tanh_shrink_tail_f64(double t)
{
    const double t2 = t * t;
    return NN_QUADS17(NN_FMA, t, t2, t2 * t2, NN_TANH_SHRINK_F64, 1);
}
#define NN_TANH_SHRINK_LOW_F64 NN_TANH_SHRINK_F64[19]

/* Of gelu by tanh: 2 sqrt(2/pi), that times 0.044715 and three times as much, each in two parts; from where on
 * a sigmoid(-w) is 0. */
#define NN_GELU_K0_F64 0x1.988453p+0
#define NN_GELU_K0_LO_F64 0x1.ea1b284687e5ap-27
#define NN_GELU_K1_F64 0x1.2444f2a4d8b4bp-4
#define NN_GELU_K1_LO_F64 -0x1.6c843a29d1c7p-61
#define NN_GELU_K3_F64 0x1.b6676bf7450fp-3
#define NN_GELU_K3_LO_F64 0x1.bba7351828aabp-57
#define NN_GELU_FAR_F64 21.65

#endif
