/*
 * Activations whose value is a difference or a long product, for float32 and float64 alike: vmath.h includes
 * this text twice, with REAL, F(name), K(NAME), FMA and the limits of the type.
 *
 * The parts of a number: hi and lo, of which lo is the rounding error of hi; s (1 + m) as in vmath_f32.h.
 */

/* a b - p, exactly, where p is the rounded product. */
NN_INLINE REAL F(product_low)(REAL a, REAL b, REAL p)
{
#if NN_HAVE_FMA
    return FMA(a, b, -p);
#else
    const REAL u = a * SPLITTER, v = b * SPLITTER;
    const REAL ah = u - (u - a), al = a - ah, bh = v - (v - b), bl = b - bh;
    return ((ah * bh - p) + ah * bl + al * bh) + al * bl;
#endif
}

/* e^-(a + a_lo): as nn_exp_parts, with a low part of the argument. */
NN_INLINE REAL F(exp_parts_of)(REAL a, REAL a_lo, REAL *m)
{
    const REAL big = K(ROUND) + (REAL)(BIAS + LIFT);
    const REAL t = FMA(a, -K(LOG2E), big), n = t - big;
    const REAL r1 = FMA(n, -K(LN2_HI), -a), r2 = FMA(n, -K(LN2_LO), -a_lo), r = r1 + r2, rr = r * r;
    *m = r + FMA(rr, F(exp_tail)(r, rr), (r1 - r) + r2);
    return F(from_bits)(F(bits)(t) << MANTISSA);
}

/* a (k0 + k1 a^2) in two parts; k0 = k0_hi + k0_lo, k1 likewise. k0_hi is short, so that its difference from
 * the sum is exact. */
NN_INLINE REAL F(cubic)(REAL a, REAL k0_hi, REAL k0_lo, REAL k1, REAL k1_lo, REAL *lo)
{
    const REAL a2 = a * a, a2_lo = F(product_low)(a, a, a2);
    const REAL q = k1 * a2, p = q + k0_hi, w = p * a;
    const REAL rest = F(product_low)(k1, a2, q) + ((k0_hi - p) + q);
    const REAL p_lo = rest + FMA(k1, a2_lo, FMA(k1_lo, a2, k0_lo));
    const REAL w_lo = FMA(p_lo, a, F(product_low)(p, a, w)), sum = w + w_lo;
    *lo = w_lo - (sum - w);
    return sum;
}

/*
 * gelu by tanh: x (1 + tanh(u))/2 = x sigmoid(2 u) = max(x, 0) - a sigmoid(-w), a = |x|,
 * w = 2 sqrt(2/pi) (a + 0.044715 a^3) in two parts: its rounding error alone would cost w ULP.
 */
NN_INLINE REAL F(gelu_tanh)(REAL x)
{
    REAL me, m, w_lo;
    const REAL a = F(abs)(x), w = F(cubic)(a, K(GELU_K0), K(GELU_K0_LO), K(GELU_K1), K(GELU_K1_LO), &w_lo);
    const REAL s_e = F(exp_parts_of)(w, w_lo, &me), as = a * F(sigmoid_of_parts)(s_e, me, &m);
    const REAL h = a > K(GELU_FAR) ? K(TINY) : FMA(as, m, as); /* not 0: the limit on the left is -0 */
    return FMA(h, -K(DROP), x < 0 ? 0 : x);
}

/*
 * Its derivative s (1 + x w' (1 - s)): with q = sigmoid(-w) and c = a w', g = q (1 - c (1 - q)) on the left,
 * 1 - g on the right; otherwise as silu'. Has a root at -0.7524.
 */
NN_INLINE REAL F(gelu_tanh_grad)(REAL x)
{
    REAL me, m, w_lo, c_lo;
    const REAL a = F(abs)(x), w = F(cubic)(a, K(GELU_K0), K(GELU_K0_LO), K(GELU_K1), K(GELU_K1_LO), &w_lo);
    const REAL c = F(cubic)(a, K(GELU_K0), K(GELU_K0_LO), K(GELU_K3), K(GELU_K3_LO), &c_lo);
    const REAL s_e = F(exp_parts_of)(w, w_lo, &me), s = F(sigmoid_of_parts)(s_e, me, &m);
    const REAL q = FMA(s, m, s) * K(DROP), u = (REAL)1 - c, z = FMA(c, q, u);
    const REAL z_lo = FMA(c, q, u - z) + FMA(c_lo, q - (REAL)1, ((REAL)1 - u) - c);
    return F(mirror)(s * (z + FMA(z, m, z_lo)), x, K(GELU_FAR));
}

/*
 * mish(x) = x tanh(log(1 + e^x)) = x t: with e = e^-|x|, t = e (e + 2)/(e (e + 2) + 2) on the left and
 * (1 + 2 e)/(1 + 2 e + 2 e^2) on the right. This gives g + g_lo = t, on the left t/e, and the inverse of the
 * denominator: r (1 + r_lo). e = s (1 + m) 2^-LIFT.
 */
NN_INLINE REAL F(mish_parts)(REAL x, REAL *s, REAL *m, REAL *e, REAL *g_lo, REAL *r, REAL *r_lo)
{
    const int left = x < 0;
    *s = F(exp_parts)(F(abs)(x), m);
    *e = FMA(*s, *m, *s) * K(DROP);
    const REAL p = left ? *e : *e + *e, one = left ? 2 : 1;
    const REAL top = p + one, top_lo = p - (top - one);
    const REAL start = left ? 2 : top, factor = left ? top : *e;
    const REAL d = FMA(p, factor, start), d_lo = FMA(p, factor, start - d) + (left ? *e * top_lo : top_lo);
    const REAL rd = (REAL)1 / d, g = top * rd;
    *g_lo = rd * (top_lo + FMA(-g, d, top) - g * d_lo);
    *r_lo = FMA(-rd, d, (REAL)1) - rd * d_lo;
    *r = rd;
    return g;
}

NN_INLINE REAL F(mish)(REAL x)
{
    REAL s, m, e, g_lo, r, r_lo;
    const int left = x < 0;
    const REAL a = F(abs)(x), g = F(mish_parts)(x, &s, &m, &e, &g_lo, &r, &r_lo);
    const REAL b = left ? a * s : a, mb = left ? m : 0;
    const REAL h = b * g, h_lo = FMA(b, g_lo, FMA(b, g, -h));
    const REAL y = (h + FMA(h, mb, FMA(h_lo, mb, h_lo))) * (left ? K(DROP) : 1);
    return F(with_sign)(a > K(FAR) ? left ? 0 : a : y, x);
}

/*
 * mish'(x) = t + x sigmoid(x) (1 - t^2): g - b on the left, times e, and g + b on the right, with
 * b = 4 a (1 + e)/d^2, there times e^2. Has a root at -1.1925: the error is in ULP of the larger term.
 */
NN_INLINE REAL F(mish_grad)(REAL x)
{
    REAL s, m, e, g_lo, r, r_lo;
    const int left = x < 0;
    const REAL a = F(abs)(x), g = F(mish_parts)(x, &s, &m, &e, &g_lo, &r, &r_lo);
    const REAL o = (REAL)1 + e, o_lo = e - (o - (REAL)1), k = r * r, k_lo = FMA(r, r, -k), l = o * k;
    const REAL l_lo = FMA(o, k, -l) + FMA(o_lo, k, FMA(o, k_lo, (l + l) * r_lo));
    const REAL f = left ? (REAL)-4 * a : (REAL)4 * a * e * e, b = f * l, b_lo = FMA(f, l_lo, FMA(f, l, -b));
    const REAL z = g + b, back = z - g, z_lo = (g - (z - back)) + (b - back) + (g_lo + b_lo);
    const REAL below = s * (z + FMA(z, m, FMA(z_lo, m, z_lo))) * K(DROP);
    return a > K(FAR) ? left ? 0 : 1 : left ? below : z + z_lo;
}

/*
 * x - tanh(x): x^3 p(x^2) up to 1, beyond that (a - 1) + 2/(e^2a + 1), e^2a as in tanh.
 */
NN_INLINE REAL F(tanh_shrink)(REAL x)
{
    const REAL a = F(abs)(x), t = a * a, b = a * t;
    const REAL b_lo = FMA(a, F(product_low)(a, a, t), F(product_low)(a, t, b));
    const REAL c = K(TANH_SHRINK)[0], q = F(tanh_shrink_tail)(t), p = FMA(t, q, c);
    const REAL p_lo = FMA(t, q, c - p) + K(TANH_SHRINK_LOW), low = FMA(b, p, FMA(b, p_lo, b_lo * p));
    REAL m;
    const REAL s = F(exp_2_parts)(a, &m), y = (REAL)1 / FMA(s, m, FMA(s, (REAL)0.5, (REAL)0.5));
    const REAL high = (a - (REAL)1) + (a > K(TANH_FAR) ? 0 : y);
    return F(with_sign)(a < (REAL)1 ? low : high, x);
}
