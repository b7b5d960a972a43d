/* The loops for one type, REAL; included twice by factorization.h. */
#define LANES ((int)(NN_VECTOR_BYTES / sizeof(REAL)))
#define LINE_LANES ((int)(NN_LINE_BYTES / sizeof(REAL)))
#define VECTOR NN_NAME(nn_vector)
#define LOOSE NN_NAME(nn_loose_vector)
#define FMA NN_NAME(nn_fma_lanes)
#define LOAD(from) ((VECTOR) * (const LOOSE *)(from))
#define SPREAD(value) ((value) - (VECTOR){0})
#define SOME(from, width) ((width) == LANES ? LOAD(from) : NN_NAME(nn_load_part)(from, width))

/* One vector of rows, `factors` factors: s := sum of t, total := total + sum over pairs, t_i = x_i v_i. */
NN_INLINE void NN_NAME(nn_pairs_fixed)(const int factors, ptrdiff_t n, ptrdiff_t k, const REAL *x, const REAL *v,
                                       REAL *sums, VECTOR *total)
{
    VECTOR s[NN_FACTORS], pairs[NN_FACTORS];
    NN_UNROLL for (int f = 0; f < factors; f++) s[f] = pairs[f] = (VECTOR){0};
    for (ptrdiff_t i = 0; i < n; i++) {
        VECTOR xi = LOAD(x + i * LINE_LANES);
        NN_UNROLL for (int f = 0; f < factors; f++) {
            VECTOR t = xi * SPREAD(v[i * k + f]);
            pairs[f] = FMA(s[f], t, pairs[f]);
            s[f] += t;
        }
    }
    NN_UNROLL for (int f = 0; f < factors; f++) {
        *(LOOSE *)(sums + f * LINE_LANES) = s[f];
        *total += pairs[f];
    }
}

/* A line of rows, turned: x (n, line), v (n, k) -> sums (k, line) and the sum over pairs and factors (line,). */
static void NN_NAME(nn_pairs)(ptrdiff_t n, ptrdiff_t k, const REAL *x, const REAL *v, REAL *sums, REAL *total)
{
    for (int at = 0; at < LINE_LANES; at += LANES) {
        VECTOR all = {0};
        ptrdiff_t f = 0;
        for (; f + NN_FACTORS <= k; f += NN_FACTORS)
            NN_NAME(nn_pairs_fixed)(NN_FACTORS, n, k, x + at, v + f, sums + f * LINE_LANES + at, &all);
        for (; f + 2 <= k; f += 2)
            NN_NAME(nn_pairs_fixed)(2, n, k, x + at, v + f, sums + f * LINE_LANES + at, &all);
        if (f < k) NN_NAME(nn_pairs_fixed)(1, n, k, x + at, v + f, sums + f * LINE_LANES + at, &all);
        *(LOOSE *)(total + at) = all;
    }
}

/* v^T of `width` features from the first of v on: to (k, LANES). */
static void NN_NAME(nn_turned_factors)(ptrdiff_t k, int width, const REAL *v, REAL *to)
{
    for (ptrdiff_t f = 0; f < k; f++)
        for (int l = 0; l < LANES; l++) to[f * LANES + l] = l < width ? v[l * k + f] : 0;
}

NN_INLINE void NN_NAME(nn_factors_input_fixed)(const int rows, ptrdiff_t n, ptrdiff_t k, int width, const REAL *dy,
                                               const REAL *x, const REAL *turned, const REAL *s, REAL *dx)
{
    VECTOR xb[NN_FACTORS], sum[NN_FACTORS];
    NN_UNROLL for (int b = 0; b < rows; b++) xb[b] = SOME(x + b * n, width), sum[b] = (VECTOR){0};
    for (ptrdiff_t f = 0; f < k; f++) {
        VECTOR v = LOAD(turned + f * LANES);
        NN_UNROLL for (int b = 0; b < rows; b++) sum[b] = FMA(v, FMA(-v, xb[b], SPREAD(s[b * k + f])), sum[b]);
    }
    NN_UNROLL for (int b = 0; b < rows; b++) {
        VECTOR value = dy[b] * sum[b];
        if (width == LANES) *(LOOSE *)(dx + b * n) = value;
        else NN_NAME(nn_store_part)(dx + b * n, value, width);
    }
}

/* dx (B, width of n) := dy * (sum over f of v_f (s_f - v_f x)) for `width` features. */
static void NN_NAME(nn_factors_input)(ptrdiff_t B, ptrdiff_t n, ptrdiff_t k, int width, const REAL *dy, const REAL *x,
                                      const REAL *turned, const REAL *s, REAL *dx)
{
    ptrdiff_t b = 0;
    for (; b + NN_FACTORS <= B; b += NN_FACTORS)
        NN_NAME(nn_factors_input_fixed)(NN_FACTORS, n, k, width, dy + b, x + b * n, turned, s + b * k, dx + b * n);
    for (; b < B; b++)
        NN_NAME(nn_factors_input_fixed)(1, n, k, width, dy + b, x + b * n, turned, s + b * k, dx + b * n);
}

NN_INLINE void NN_NAME(nn_factors_params_fixed)(const int factors, ptrdiff_t B, ptrdiff_t n, ptrdiff_t k, int width,
                                                const REAL *dy, const REAL *x, const REAL *turned, const REAL *s,
                                                REAL *to)
{
    VECTOR v[NN_FACTORS], sum[NN_FACTORS];
    NN_UNROLL for (int f = 0; f < factors; f++) v[f] = LOAD(turned + f * LANES), sum[f] = (VECTOR){0};
    for (ptrdiff_t b = 0; b < B; b++) {
        VECTOR xb = SOME(x + b * n, width), g = dy[b] * xb;
        NN_UNROLL for (int f = 0; f < factors; f++)
            sum[f] = FMA(g, FMA(-v[f], xb, SPREAD(s[b * k + f])), sum[f]);
    }
    NN_UNROLL for (int f = 0; f < factors; f++) *(LOOSE *)(to + f * LANES) = sum[f];
}

/* to (k, LANES) := sum over the rows of dy x (s_f - v_f x) for `width` features. */
static void NN_NAME(nn_factors_params)(ptrdiff_t B, ptrdiff_t n, ptrdiff_t k, int width, const REAL *dy, const REAL *x,
                                       const REAL *turned, const REAL *s, REAL *to)
{
    ptrdiff_t f = 0;
    for (; f + NN_FACTORS <= k; f += NN_FACTORS)
        NN_NAME(nn_factors_params_fixed)(NN_FACTORS, B, n, k, width, dy, x, turned + f * LANES, s + f, to + f * LANES);
    for (; f + 2 <= k; f += 2)
        NN_NAME(nn_factors_params_fixed)(2, B, n, k, width, dy, x, turned + f * LANES, s + f, to + f * LANES);
    if (f < k) NN_NAME(nn_factors_params_fixed)(1, B, n, k, width, dy, x, turned + f * LANES, s + f, to + f * LANES);
}

/* One row of embedded fields x (n, k): lane (line,) := its virtual lanes of the sums over pairs. */
static void NN_NAME(nn_interaction)(ptrdiff_t n, ptrdiff_t k, const REAL *x, REAL *lane)
{
    memset(lane, 0, NN_LINE_BYTES);
    for (ptrdiff_t f = 0; f < k; f += LANES) {
        int width = k - f < LANES ? (int)(k - f) : LANES;
        VECTOR s = {0}, pairs = {0};
        if (width == LANES) {
            for (ptrdiff_t i = 0; i < n; i++) {
                VECTOR e = LOAD(x + i * k + f);
                pairs = FMA(s, e, pairs);
                s += e;
            }
        } else {
            for (ptrdiff_t i = 0; i < n; i++) {
                VECTOR e = NN_NAME(nn_load_part)(x + i * k + f, width);
                pairs = FMA(s, e, pairs);
                s += e;
            }
        }
        /* Lanes that are not there hold +0, and a lane is never -0. */
        *(LOOSE *)(lane + f % LINE_LANES) += pairs;
    }
}

/* dx (n, k) := dy * (sum of the fields before + sum of those after); after: scratch for n vectors. */
static void NN_NAME(nn_interaction_backward)(ptrdiff_t n, ptrdiff_t k, REAL dy, const REAL *x, REAL *dx, REAL *after)
{
    for (ptrdiff_t f = 0; f < k; f += LANES) {
        int width = k - f < LANES ? (int)(k - f) : LANES;
        VECTOR s = {0};
        for (ptrdiff_t i = n - 1; i >= 0; i--) {
            *(LOOSE *)(after + i * LANES) = s;
            s += SOME(x + i * k + f, width);
        }
        s = (VECTOR){0};
        for (ptrdiff_t i = 0; i < n; i++) {
            VECTOR value = dy * (s + LOAD(after + i * LANES));
            s += SOME(x + i * k + f, width);
            if (width == LANES) *(LOOSE *)(dx + i * k + f) = value;
            else NN_NAME(nn_store_part)(dx + i * k + f, value, width);
        }
    }
}

#undef LANES
#undef LINE_LANES
#undef VECTOR
#undef LOOSE
#undef FMA
#undef LOAD
#undef SPREAD
#undef SOME
