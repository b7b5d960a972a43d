/* Included by norm.h once per element type: REAL, NN_NAME, NN_FMA_SCALAR. */

/* ---- down columns */

/* s := s + d, q := q + d d, d = x - shift, row after row */
NN_INLINE void NN_NAME(nn_moments_of)(int rows, const REAL *x, ptrdiff_t row, ptrdiff_t m, const double *shift,
                                      double *s, double *q)
{
    NN_APART for (ptrdiff_t c = 0; c < m; c++) {
        double k = shift[c], a = s[c], e = q[c];
        NN_UNROLL for (int r = 0; r < rows; r++) {
            double d = (double)x[r * row + c] - k;
            a = a + d;
            e = NN_FMA(d, d, e);
        }
        s[c] = a;
        q[c] = e;
    }
}

static void NN_NAME(nn_moments)(int rows, const REAL *x, ptrdiff_t row, ptrdiff_t m, const double *shift, double *s,
                                double *q)
{
    if (rows == NN_NORM_ROWS) NN_NAME(nn_moments_of)(NN_NORM_ROWS, x, row, m, shift, s, q);
    else for (int r = 0; r < rows; r++) NN_NAME(nn_moments_of)(1, x + r * row, row, m, shift, s, q);
}

/* y := (x - shift) factor + offset; relu: and its positive part, a NaN kept */
NN_INLINE void NN_NAME(nn_affine_of)(int rows, int relu, const REAL *x, REAL *y, ptrdiff_t row, ptrdiff_t m,
                                     const REAL *shift, const REAL *factor, const REAL *offset)
{
    NN_APART for (ptrdiff_t c = 0; c < m; c++) {
        REAL k = shift[c], f = factor[c], o = offset[c];
        NN_UNROLL for (int r = 0; r < rows; r++) {
            REAL t = NN_FMA_SCALAR(x[r * row + c] - k, f, o);
            y[r * row + c] = relu && t <= 0 ? 0 : t;
        }
    }
}

static void NN_NAME(nn_affine)(ptrdiff_t rows, int relu, const REAL *x, REAL *y, ptrdiff_t row, ptrdiff_t m,
                               const REAL *shift, const REAL *factor, const REAL *offset)
{
    ptrdiff_t r = 0;
    for (; r + NN_NORM_ROWS <= rows; r += NN_NORM_ROWS) {
        if (relu) NN_NAME(nn_affine_of)(NN_NORM_ROWS, 1, x + r * row, y + r * row, row, m, shift, factor, offset);
        else NN_NAME(nn_affine_of)(NN_NORM_ROWS, 0, x + r * row, y + r * row, row, m, shift, factor, offset);
    }
    for (; r < rows; r++) NN_NAME(nn_affine_of)(1, relu, x + r * row, y + r * row, row, m, shift, factor, offset);
}

/* g where the activation let it through: y, the output of a relu, or NULL where there was none */
#define NN_THROUGH(g, y) (!relu ? (g) : (y) != (y) ? (y) : (y) > 0 ? (g) : 0)

/* s := s + g, q := q + g (x - shift), row after row; g = dy behind a relu */
NN_INLINE void NN_NAME(nn_slopes_of)(int rows, int relu, const REAL *dy, ptrdiff_t dy_row, const REAL *y,
                                     const REAL *x, ptrdiff_t row, ptrdiff_t m, const REAL *shift, REAL *s, REAL *q)
{
    NN_APART for (ptrdiff_t c = 0; c < m; c++) {
        REAL k = shift[c], a = s[c], e = q[c];
        NN_UNROLL for (int r = 0; r < rows; r++) {
            REAL d = dy[r * dy_row + c], g = NN_THROUGH(d, y[r * row + c]);
            a = a + g;
            e = NN_FMA_SCALAR(g, x[r * row + c] - k, e);
        }
        s[c] = a;
        q[c] = e;
    }
}

static void NN_NAME(nn_slopes)(int rows, const REAL *dy, ptrdiff_t dy_row, const REAL *y, const REAL *x,
                               ptrdiff_t row, ptrdiff_t m, const REAL *shift, REAL *s, REAL *q)
{
    int r = 0;
    if (y) {
        for (; r + 2 <= rows; r += 2)
            NN_NAME(nn_slopes_of)(2, 1, dy + r * dy_row, dy_row, y + r * row, x + r * row, row, m, shift, s, q);
        if (r < rows)
            NN_NAME(nn_slopes_of)(1, 1, dy + r * dy_row, dy_row, y + r * row, x + r * row, row, m, shift, s, q);
    } else if (rows == NN_NORM_ROWS) {
        NN_NAME(nn_slopes_of)(NN_NORM_ROWS, 0, dy, dy_row, y, x, row, m, shift, s, q);
    } else {
        for (; r < rows; r++)
            NN_NAME(nn_slopes_of)(1, 0, dy + r * dy_row, dy_row, y, x + r * row, row, m, shift, s, q);
    }
}

/* dx := factor (g - s - (x - shift) q) */
NN_INLINE void NN_NAME(nn_centred_of)(int rows, int relu, const REAL *dy, ptrdiff_t dy_row, const REAL *y,
                                      const REAL *x, REAL *dx, ptrdiff_t row, ptrdiff_t m, const REAL *shift,
                                      const REAL *s, const REAL *q, const REAL *factor)
{
    NN_APART for (ptrdiff_t c = 0; c < m; c++) {
        REAL k = shift[c], a = s[c], e = q[c], f = factor[c];
        NN_UNROLL for (int r = 0; r < rows; r++) {
            REAL d = dy[r * dy_row + c], g = NN_THROUGH(d, y[r * row + c]);
            dx[r * row + c] = f * NN_FMA_SCALAR(k - x[r * row + c], e, g - a);
        }
    }
}

static void NN_NAME(nn_centred)(int rows, const REAL *dy, ptrdiff_t dy_row, const REAL *y, const REAL *x, REAL *dx,
                                ptrdiff_t row, ptrdiff_t m, const REAL *shift, const REAL *s, const REAL *q,
                                const REAL *factor)
{
    for (int r = 0; r < rows; r += 2) {
        const REAL *g = dy + r * dy_row, *u = x + r * row, *v = y ? y + r * row : y;
        REAL *to = dx + r * row;
        if (y && r + 1 < rows) NN_NAME(nn_centred_of)(2, 1, g, dy_row, v, u, to, row, m, shift, s, q, factor);
        else if (r + 1 < rows) NN_NAME(nn_centred_of)(2, 0, g, dy_row, v, u, to, row, m, shift, s, q, factor);
        else if (y) NN_NAME(nn_centred_of)(1, 1, g, dy_row, v, u, to, row, m, shift, s, q, factor);
        else NN_NAME(nn_centred_of)(1, 0, g, dy_row, v, u, to, row, m, shift, s, q, factor);
    }
}

#undef NN_THROUGH

/* s := s + dy, q := q + dy u, u = (x - mean) inverse, row after row; mean and inverse belong to rows */
NN_INLINE void NN_NAME(nn_row_slopes_of)(int rows, const REAL *dy, const REAL *x, ptrdiff_t row, ptrdiff_t m,
                                         const REAL *mean, const REAL *inverse, REAL *s, REAL *q)
{
    NN_APART for (ptrdiff_t c = 0; c < m; c++) {
        REAL a = s[c], e = q[c];
        NN_UNROLL for (int r = 0; r < rows; r++) {
            a = a + dy[r * row + c];
            e = NN_FMA_SCALAR(dy[r * row + c], (x[r * row + c] - mean[r]) * inverse[r], e);
        }
        s[c] = a;
        q[c] = e;
    }
}

static void NN_NAME(nn_row_slopes)(int rows, const REAL *dy, const REAL *x, ptrdiff_t row, ptrdiff_t m,
                                   const REAL *mean, const REAL *inverse, REAL *s, REAL *q)
{
    if (rows == NN_NORM_ROWS) NN_NAME(nn_row_slopes_of)(NN_NORM_ROWS, dy, x, row, m, mean, inverse, s, q);
    else for (int r = 0; r < rows; r++)
        NN_NAME(nn_row_slopes_of)(1, dy + r * row, x + r * row, row, m, mean + r, inverse + r, s, q);
}

/* ---- along rows */

typedef REAL NN_NAME(nn_narrow)
    __attribute__((vector_size(NN_VECTOR_BYTES * sizeof(REAL) / 8), aligned(sizeof(REAL)), may_alias));
typedef REAL NN_NAME(nn_row) __attribute__((vector_size(NN_VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

#define NN_EACH                                \
    NN_UNROLL for (int r = 0; r < rows; r++)   \
        NN_UNROLL for (int v = 0; v < NN_ROW_VECTORS; v++)

/* s := lanes of the sum of d = x - shift, q := of d d, both (rows, lanes); n whole sets */
NN_INLINE void NN_NAME(nn_lane_moments_of)(int rows, const REAL *x, ptrdiff_t row, ptrdiff_t n, const double *shift,
                                           double *s, double *q)
{
    enum { W = NN_VECTOR_BYTES / 8 };
    nn_wide a[2][NN_ROW_VECTORS], e[2][NN_ROW_VECTORS];
    NN_EACH a[r][v] = e[r][v] = (nn_wide){0};
    for (ptrdiff_t c = 0; c < n; c += NN_MOMENT_LANES) {
        NN_EACH {
            nn_wide d = __builtin_convertvector(*(const NN_NAME(nn_narrow) *)(x + r * row + c + v * W), nn_wide);
            d -= shift[r];
            a[r][v] += d;
            e[r][v] += d * d;
        }
    }
    NN_EACH {
        ((nn_wide *)(s + r * NN_MOMENT_LANES))[v] = a[r][v];
        ((nn_wide *)(q + r * NN_MOMENT_LANES))[v] = e[r][v];
    }
}

static void NN_NAME(nn_lane_moments)(int rows, const REAL *x, ptrdiff_t row, ptrdiff_t n, const double *shift,
                                     double *s, double *q)
{
    if (rows == 2) NN_NAME(nn_lane_moments_of)(2, x, row, n, shift, s, q);
    else NN_NAME(nn_lane_moments_of)(1, x, row, n, shift, s, q);
}

/* s := lanes of the sum of g = dy gamma, q := of g u, u = (x - mean) inverse; no gamma: 1 */
NN_INLINE void NN_NAME(nn_lane_slopes_of)(int rows, int scaled, const REAL *dy, const REAL *x, const REAL *gamma,
                                          ptrdiff_t row, ptrdiff_t n, const REAL *mean, const REAL *inverse, REAL *s,
                                          REAL *q)
{
    enum { W = NN_VECTOR_BYTES / sizeof(REAL), V = NN_LINE_BYTES / sizeof(REAL) };
    typedef NN_NAME(nn_row) vector;
    vector a[2][NN_ROW_VECTORS], e[2][NN_ROW_VECTORS];
    NN_EACH a[r][v] = e[r][v] = (vector){0};
    for (ptrdiff_t c = 0; c < n; c += V) {
        NN_EACH {
            vector g = *(const vector *)(dy + r * row + c + v * W);
            if (scaled) g *= *(const vector *)(gamma + c + v * W);
            vector u = (*(const vector *)(x + r * row + c + v * W) - mean[r]) * inverse[r];
            a[r][v] += g;
            e[r][v] += g * u;
        }
    }
    NN_EACH {
        ((vector *)(s + r * V))[v] = a[r][v];
        ((vector *)(q + r * V))[v] = e[r][v];
    }
}

static void NN_NAME(nn_lane_slopes)(int rows, const REAL *dy, const REAL *x, const REAL *gamma, ptrdiff_t row,
                                    ptrdiff_t n, const REAL *mean, const REAL *inverse, REAL *s, REAL *q)
{
    if (rows == 2 && gamma) NN_NAME(nn_lane_slopes_of)(2, 1, dy, x, gamma, row, n, mean, inverse, s, q);
    else if (rows == 2) NN_NAME(nn_lane_slopes_of)(2, 0, dy, x, gamma, row, n, mean, inverse, s, q);
    else if (gamma) NN_NAME(nn_lane_slopes_of)(1, 1, dy, x, gamma, row, n, mean, inverse, s, q);
    else NN_NAME(nn_lane_slopes_of)(1, 0, dy, x, gamma, row, n, mean, inverse, s, q);
}

#undef NN_EACH

/* y := (x - mean) inverse gamma + beta */
NN_INLINE void NN_NAME(nn_row_affine_of)(int scaled, int shifted, const REAL *x, REAL *y, ptrdiff_t n, REAL mean,
                                         REAL inverse, const REAL *gamma, const REAL *beta)
{
    NN_APART for (ptrdiff_t c = 0; c < n; c++)
        y[c] = NN_FMA_SCALAR((x[c] - mean) * inverse, scaled ? gamma[c] : 1, shifted ? beta[c] : 0);
}

static void NN_NAME(nn_row_affine)(const REAL *x, REAL *y, ptrdiff_t n, REAL mean, REAL inverse, const REAL *gamma,
                                   const REAL *beta)
{
    if (gamma && beta) NN_NAME(nn_row_affine_of)(1, 1, x, y, n, mean, inverse, gamma, beta);
    else if (gamma) NN_NAME(nn_row_affine_of)(1, 0, x, y, n, mean, inverse, gamma, beta);
    else if (beta) NN_NAME(nn_row_affine_of)(0, 1, x, y, n, mean, inverse, gamma, beta);
    else NN_NAME(nn_row_affine_of)(0, 0, x, y, n, mean, inverse, gamma, beta);
}

/* dx := inverse (dy gamma - s - (x - mean) inverse q) */
NN_INLINE void NN_NAME(nn_row_centred_of)(int scaled, const REAL *dy, const REAL *x, REAL *dx, ptrdiff_t n,
                                          REAL mean, REAL inverse, const REAL *gamma, REAL s, REAL q)
{
    NN_APART for (ptrdiff_t c = 0; c < n; c++) {
        REAL g = scaled ? dy[c] * gamma[c] : dy[c];
        dx[c] = inverse * NN_FMA_SCALAR((mean - x[c]) * inverse, q, g - s);
    }
}

static void NN_NAME(nn_row_centred)(const REAL *dy, const REAL *x, REAL *dx, ptrdiff_t n, REAL mean, REAL inverse,
                                    const REAL *gamma, REAL s, REAL q)
{
    if (gamma) NN_NAME(nn_row_centred_of)(1, dy, x, dx, n, mean, inverse, gamma, s, q);
    else NN_NAME(nn_row_centred_of)(0, dy, x, dx, n, mean, inverse, gamma, s, q);
}
