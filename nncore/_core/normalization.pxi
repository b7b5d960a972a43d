# Normalization: of each column over the batch, of each row, or by numbers that are known before.
#
# A. Moments are sums in float64 of the distances from the first row (of a row: from its first element), in
#    one pass: an offset that all share costs no digits, and since the first is one of those that are
#    measured, the square of its distance is at most B times the variance: the difference of the two sums
#    cannot vanish, let alone be negative. E[x^2] - E[x]^2 would lose all digits of 1e9 + noise.
# B. Sums over the batch run along rows in ascending order, in chunks of CHUNK rows that are then added in
#    order, as those of dense.pxi. The columns lie along the lanes, COLUMNS at a time, whose sums stay in the
#    first-level cache, and for some rows in registers (src/norm.h).
# C. Threads share out columns where the batch is summed, by the panels of dense.pxi: what a product left in a
#    thread's cache is what it normalizes. Elsewhere they share out rows.
# D. Along rows the lanes of as many rows as there are lanes are turned, so that their sums, roots and
#    quotients are full vectors: a row at a time took a third more for (128, 256), three times as long for
#    (128, 10).

cdef extern from "norm.h" nogil:
    enum: NN_NORM_ROWS
    enum: NN_MOMENT_LANES
    void nn_moments_f32(int rows, const float* x, Py_ssize_t row, Py_ssize_t m, const double* shift, double*
                        s, double* q)
    void nn_moments_f64(int rows, const double* x, Py_ssize_t row, Py_ssize_t m, const double* shift,
                        double* s, double* q)
    void nn_affine_f32(Py_ssize_t rows, int relu, const float* x, float* y, Py_ssize_t row, Py_ssize_t m,
                       const float* shift, const float* factor, const float* offset)
    void nn_affine_f64(Py_ssize_t rows, int relu, const double* x, double* y, Py_ssize_t row, Py_ssize_t m,
                       const double* shift, const double* factor, const double* offset)
    void nn_slopes_f32(int rows, const float* dy, Py_ssize_t dy_row, const float* y, const float* x,
                       Py_ssize_t row, Py_ssize_t m, const float* shift, float* s, float* q)
    void nn_slopes_f64(int rows, const double* dy, Py_ssize_t dy_row, const double* y, const double* x,
                       Py_ssize_t row, Py_ssize_t m, const double* shift, double* s, double* q)
    void nn_centred_f32(int rows, const float* dy, Py_ssize_t dy_row, const float* y, const float* x, float*
                        dx, Py_ssize_t row, Py_ssize_t m, const float* shift, const float* s, const float*
                        q, const float* factor)
    void nn_centred_f64(int rows, const double* dy, Py_ssize_t dy_row, const double* y, const double* x,
                        double* dx, Py_ssize_t row, Py_ssize_t m, const double* shift, const double* s,
                        const double* q, const double* factor)
    void nn_row_slopes_f32(int rows, const float* dy, const float* x, Py_ssize_t row, Py_ssize_t m, const
                           float* mean, const float* inverse, float* s, float* q)
    void nn_row_slopes_f64(int rows, const double* dy, const double* x, Py_ssize_t row, Py_ssize_t m, const
                           double* mean, const double* inverse, double* s, double* q)
    void nn_lane_moments_f32(int rows, const float* x, Py_ssize_t row, Py_ssize_t n, const double* shift,
                             double* s, double* q)
    void nn_lane_moments_f64(int rows, const double* x, Py_ssize_t row, Py_ssize_t n, const double* shift,
                             double* s, double* q)
    void nn_lane_slopes_f32(int rows, const float* dy, const float* x, const float* gamma, Py_ssize_t row,
                            Py_ssize_t n, const float* mean, const float* inverse, float* s, float* q)
    void nn_lane_slopes_f64(int rows, const double* dy, const double* x, const double* gamma, Py_ssize_t
                            row, Py_ssize_t n, const double* mean, const double* inverse, double* s, double*
                            q)
    void nn_row_affine_f32(const float* x, float* y, Py_ssize_t n, float mean, float inverse, const float*
                           gamma, const float* beta)
    void nn_row_affine_f64(const double* x, double* y, Py_ssize_t n, double mean, double inverse, const
                           double* gamma, const double* beta)
    void nn_row_centred_f32(const float* dy, const float* x, float* dx, Py_ssize_t n, float mean, float
                            inverse, const float* gamma, float s, float q)
    void nn_row_centred_f64(const double* dy, const double* x, double* dx, Py_ssize_t n, double mean, double
                            inverse, const double* gamma, double s, double q)

cdef enum:
    COLUMNS = 256  # taken at a time
    SCRATCH_BLOCKS = 8

cdef enum Factor:  # what x - mean is multiplied by, of an array v
    FACTOR_GIVEN    # v
    FACTOR_INVERSE  # 1 / sqrt(v + epsilon)
    FACTOR_FLOOR    # 1 / max(sqrt(v), epsilon)
    FACTOR_SPREAD   # max(sqrt(v), epsilon)


cdef inline Py_ssize_t column_scratch() noexcept nogil:
    """Bytes of scratch: blocks at cache lines, which arrays on the stack are not."""
    return SCRATCH_BLOCKS * COLUMNS * 8


cdef inline void* column_block(void* scratch, int number) noexcept nogil:
    return <char*>scratch + number * COLUMNS * 8


cdef inline void share_columns(const floating* unused, Py_ssize_t columns, int thread, int n_threads,
                               Py_ssize_t* begin, Py_ssize_t* end) noexcept nogil:
    """One thread's columns, by panels."""
    cdef Py_ssize_t V = line_elements(unused), lines = lines_of(columns, V), p0, p1
    nn_share(panels_of(lines), 1, thread, n_threads, &p0, &p1)
    begin[0] = min(columns, panel_line(lines, p0) * V)
    end[0] = min(columns, panel_line(lines, p1) * V)


cdef inline floating inverse_deviation(double variance, double epsilon,
                                       const floating* unused) noexcept nogil:
    return <floating>(<double>1 / sqrt(variance + epsilon))


cdef inline void scale_columns(floating* factor, const floating* gamma, Py_ssize_t m) noexcept nogil:
    """factor := factor * gamma, or as it is where gamma is NULL"""
    cdef Py_ssize_t c
    if gamma != NULL:
        for c in range(m):
            factor[c] = factor[c] * gamma[c]


cdef inline void copy_or_zero(floating* to, const floating* source, Py_ssize_t m) noexcept nogil:
    """to := source, or 0 where that is NULL"""
    if source != NULL:
        memcpy(to, source, m * sizeof(floating))
    else:
        memset(to, 0, m * sizeof(floating))


# ------------------------------------------------------------------ by columns
cdef void column_moments(
    const floating* x,  # IN  (B, m), rows C apart; B is not 0
    double* mean,       # OUT (m,)
    double* variance,   # OUT (m,) biased
    Py_ssize_t B, Py_ssize_t C, Py_ssize_t m, void* scratch,
) noexcept nogil:
    """d := x - x[0];  mean := x[0] + sum(d) / B;  variance := (sum(d d) - sum(d)^2 / B) / B"""
    cdef double* shift = <double*>column_block(scratch, 5)
    cdef double* s = <double*>column_block(scratch, 6)
    cdef double* q = <double*>column_block(scratch, 7)
    cdef double a
    cdef Py_ssize_t b0, b, c, end
    for c in range(m):
        shift[c] = x[c]
    memset(mean, 0, m * sizeof(double))
    memset(variance, 0, m * sizeof(double))
    for b0 from 0 <= b0 < B by CHUNK:
        end = min(B, b0 + CHUNK)
        memset(s, 0, m * sizeof(double))
        memset(q, 0, m * sizeof(double))
        for b from b0 <= b < end by NN_NORM_ROWS:
            if floating is float:
                nn_moments_f32(<int>min(<Py_ssize_t>NN_NORM_ROWS, end - b), x + b * C, C, m, shift, s, q)
            else:
                nn_moments_f64(<int>min(<Py_ssize_t>NN_NORM_ROWS, end - b), x + b * C, C, m, shift, s, q)
        for c in range(m):
            mean[c] = mean[c] + s[c]
            variance[c] = variance[c] + q[c]
    for c in range(m):
        a = mean[c] / <double>B
        variance[c] = fma(-mean[c], a, variance[c]) / <double>B
        mean[c] = shift[c] + a


cdef void affine(
    int kind,
    const floating* x,  # IN  (B, m), rows C apart
    floating* y,        # OUT (B, m), rows C apart, x or apart from it
    const floating* shift, const floating* factor, const floating* offset,  # IN (m,)
    Py_ssize_t B, Py_ssize_t C, Py_ssize_t m, floating alpha,
) noexcept nogil:
    """y := f((x - shift) * factor + offset)"""
    cdef Py_ssize_t b
    if floating is float:
        nn_affine_f32(B, kind == RELU, x, y, C, m, shift, factor, offset)
    else:
        nn_affine_f64(B, kind == RELU, x, y, C, m, shift, factor, offset)
    for b in range(B if kind != RELU and kind != IDENTITY else 0):
        activate_in_place(kind, y + b * C, m, alpha)


cdef void batch_normalization_forward(
    const floating* x,                # IN  (B, C)
    const floating* moving_mean,      # IN  (C,)
    const floating* moving_variance,  # IN  (C,)
    const floating* gamma,            # IN  (C,) or NULL: 1
    const floating* beta,             # IN  (C,) or NULL: 0
    floating* y,                      # OUT (B, C)
    floating* mean_out,               # OUT (C,)
    floating* inverse_out,            # OUT (C,) 1 / sqrt(variance + epsilon)
    floating* new_mean,               # OUT (C,), moving_mean or apart from it
    floating* new_variance,           # OUT (C,), moving_variance or apart from it
    Py_ssize_t B, Py_ssize_t C, double momentum, double epsilon, int kind, floating alpha, void* scratch,
    int thread, int n_threads,
) noexcept nogil:
    """y := f((x - mean) / sqrt(variance + epsilon) * gamma + beta), moments over the batch;
    new := momentum * moving + (1 - momentum) * moment"""
    cdef double* mean = <double*>column_block(scratch, 0)
    cdef double* variance = <double*>column_block(scratch, 1)
    cdef floating* shift = <floating*>column_block(scratch, 2)
    cdef floating* factor = <floating*>column_block(scratch, 3)
    cdef floating* offset = <floating*>column_block(scratch, 4)
    cdef double rest = 1 - momentum
    cdef Py_ssize_t c, c0, m, begin, end
    share_columns(x, C, thread, n_threads, &begin, &end)
    for c0 from begin <= c0 < end by COLUMNS:
        m = min(<Py_ssize_t>COLUMNS, end - c0)
        column_moments(x + c0, mean, variance, B, C, m, scratch)
        for c in range(m):
            shift[c] = <floating>mean[c]
            factor[c] = inverse_deviation(variance[c], epsilon, x)
        memcpy(mean_out + c0, shift, m * sizeof(floating))
        memcpy(inverse_out + c0, factor, m * sizeof(floating))
        for c in range(m):
            new_mean[c0 + c] = <floating>fma(rest, mean[c], momentum * moving_mean[c0 + c])
        for c in range(m):
            new_variance[c0 + c] = <floating>fma(rest, variance[c], momentum * moving_variance[c0 + c])
        scale_columns(factor, gamma + c0 if gamma != NULL else gamma, m)
        copy_or_zero(offset, beta + c0 if beta != NULL else beta, m)
        affine(kind, x + c0, y + c0, shift, factor, offset, B, C,
               m, alpha)


cdef void batch_normalization_backward(
    const floating* dy,       # IN  (B, C)
    const floating* x,        # IN  (B, C)
    const floating* mean,     # IN  (C,)
    const floating* inverse,  # IN  (C,); without dx the variance, where `of` says so
    const floating* gamma,    # IN  (C,) or NULL: 1
    const floating* y,        # IN  (B, C) what the derivative of f needs, or NULL
    floating* dx,             # OUT (B, C) or NULL
    floating* dgamma,         # OUT (C,) or NULL
    floating* dbeta,          # OUT (C,) or NULL
    Py_ssize_t B, Py_ssize_t C, int of, double epsilon, int kind, floating alpha, void* scratch, int thread,
    int n_threads,
) noexcept nogil:
    """g := dy f';  dbeta := sum(g);  dgamma := inverse sum(g (x - mean));
    dx := gamma inverse (g - dbeta / B - (x - mean) inverse dgamma / B)"""
    cdef floating* s = <floating*>column_block(scratch, 0)
    cdef floating* q = <floating*>column_block(scratch, 1)
    cdef floating* all_s = <floating*>column_block(scratch, 2)
    cdef floating* all_q = <floating*>column_block(scratch, 3)
    cdef floating* factor = <floating*>column_block(scratch, 4)
    cdef Py_ssize_t c, c0, m, begin, end, b, b0, b1
    share_columns(x, C, thread, n_threads, &begin, &end)
    for c0 from begin <= c0 < end by COLUMNS:
        m = min(<Py_ssize_t>COLUMNS, end - c0)
        memset(all_s, 0, m * sizeof(floating))
        memset(all_q, 0, m * sizeof(floating))
        for b0 from 0 <= b0 < B by CHUNK:
            b1 = min(B, b0 + CHUNK)
            memset(s, 0, m * sizeof(floating))
            memset(q, 0, m * sizeof(floating))
            for b from b0 <= b < b1 by NN_NORM_ROWS:
                slopes(min(<Py_ssize_t>NN_NORM_ROWS, b1 - b), kind, alpha, dy + b * C + c0,
                       y + b * C + c0 if y != NULL else y, x + b * C + c0, <floating*>NULL, C, m, mean + c0,
                       s, q, <const floating*>NULL)
            for c in range(m):
                all_s[c] = all_s[c] + s[c]
                all_q[c] = all_q[c] + q[c]
        memcpy(factor, inverse + c0, m * sizeof(floating))
        if of == FACTOR_INVERSE:
            for c in range(m):
                factor[c] = inverse_deviation(factor[c], epsilon, x)
        scale_columns(all_q, factor, m)
        if dgamma != NULL:
            memcpy(dgamma + c0, all_q, m * sizeof(floating))
        if dbeta != NULL:
            memcpy(dbeta + c0, all_s, m * sizeof(floating))
        if dx == NULL:
            continue
        for c in range(m):
            s[c] = all_s[c] / <floating>B
            q[c] = all_q[c] / <floating>B
        scale_columns(q, factor, m)
        scale_columns(factor, gamma + c0 if gamma != NULL else gamma, m)
        for b from 0 <= b < B by NN_NORM_ROWS:
            slopes(min(<Py_ssize_t>NN_NORM_ROWS, B - b), kind, alpha, dy + b * C + c0,
                   y + b * C + c0 if y != NULL else y, x + b * C + c0, dx + b * C + c0, C, m, mean + c0,
                   s, q, factor)


cdef inline void slopes(
    Py_ssize_t rows, int kind, floating alpha,
    const floating* dy, const floating* y, const floating* x,  # IN  (rows, m), rows C apart
    floating* dx,                                              # OUT (rows, m), rows C apart, or NULL
    Py_ssize_t C, Py_ssize_t m, const floating* mean, floating* s, floating* q, const floating* factor,
) noexcept nogil:
    """g := dy f';  without dx:  s := s + g, q := q + g (x - mean)
    with it:  dx := factor (g - s - (x - mean) q)"""
    cdef floating[NN_NORM_ROWS * COLUMNS] beside
    cdef Py_ssize_t r, dy_row = C
    if kind != IDENTITY and kind != RELU:
        for r in range(rows):
            activate_backward(kind, dy + r * C, y + r * C, <floating*>beside + r * COLUMNS, m, alpha)
        dy, dy_row = <const floating*>beside, COLUMNS
    if kind != RELU:
        y = NULL
    if floating is float:
        if dx == NULL:
            nn_slopes_f32(<int>rows, dy, dy_row, y, x, C, m, mean, s, q)
        else:
            nn_centred_f32(<int>rows, dy, dy_row, y, x, dx, C, m, mean, s, q, factor)
    else:
        if dx == NULL:
            nn_slopes_f64(<int>rows, dy, dy_row, y, x, C, m, mean, s, q)
        else:
            nn_centred_f64(<int>rows, dy, dy_row, y, x, dx, C, m, mean, s, q, factor)


# ------------------------------------------------------------------ by numbers that are known
cdef inline void take_columns(floating* to, const floating* source, const int64_t* index, Py_ssize_t c0,
                              Py_ssize_t m) noexcept nogil:
    """to := the elements of source for columns c0 to c0 + m, or 0 where it is NULL"""
    cdef Py_ssize_t c
    if source == NULL or index == NULL:
        copy_or_zero(to, source + c0 if source != NULL else source, m)
    else:
        for c in range(m):
            to[c] = source[index[c0 + c]]


cdef void scaled(
    const floating* x,      # IN  (B, C)
    const floating* mean,   # IN  (C,) or NULL: 0
    const floating* v,      # IN  (C,), as of Factor
    const floating* gamma,  # IN  (C,) or NULL: 1
    const floating* beta,   # IN  (C,) or NULL: 0
    floating* y,            # OUT (B, C), x or apart from it
    const int64_t* index,   # IN  (C,) which element of mean, v and beta is a column's, or NULL: its own
    Py_ssize_t B, Py_ssize_t C, int of, double epsilon, int kind, floating alpha, void* scratch,
    int thread, int n_threads,
) noexcept nogil:
    """y := f((x - mean) * factor * gamma + beta)"""
    cdef floating* shift = <floating*>column_block(scratch, 0)
    cdef floating* factor = <floating*>column_block(scratch, 1)
    cdef floating* offset = <floating*>column_block(scratch, 2)
    cdef floating least = <floating>epsilon
    cdef Py_ssize_t c, c0, m, begin, end
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for c0 from 0 <= c0 < (C if begin < end else 0) by COLUMNS:
        m = min(<Py_ssize_t>COLUMNS, C - c0)
        take_columns(factor, v, index, c0, m)
        if of == FACTOR_INVERSE:
            for c in range(m):
                factor[c] = inverse_deviation(factor[c], epsilon, x)
        elif of != FACTOR_GIVEN:
            for c in range(m):
                factor[c] = root(factor[c])
                factor[c] = least if factor[c] < least else factor[c]
        if of == FACTOR_FLOOR:
            for c in range(m):
                factor[c] = <floating>1 / factor[c]
        scale_columns(factor, gamma + c0 if gamma != NULL else gamma, m)
        take_columns(shift, mean, index, c0, m)
        take_columns(offset, beta, index, c0, m)
        affine(kind, x + begin * C + c0, y + begin * C + c0, shift, factor, offset, end - begin, C, m, alpha)


# ------------------------------------------------------------------ by rows
cdef void add_lanes(
    const floating* e,  # IN  (V, V) the lanes of V rows
    floating* s,        # OUT (V,)
) noexcept nogil:
    """s := the halving tree over the lanes of each row"""
    cdef floating[MOST * MOST] t
    cdef Py_ssize_t V = virtual_lanes(e), L = lanes(e), r, v, half
    for r from 0 <= r < V by L:
        for v from 0 <= v < V by L:
            transpose(e + r * V + v, V, <floating*>t + v * V + r, V)
    half = V // 2
    while half > 0:
        for v in range(half):
            line_add(<floating*>t + v * V, <const floating*>t + (v + half) * V)
        half //= 2
    memcpy(s, t, LINE)


cdef void layer_normalization_forward(
    const floating* x,      # IN  (B, C)
    const floating* gamma,  # IN  (C,) or NULL: 1
    const floating* beta,   # IN  (C,) or NULL: 0
    floating* y,            # OUT (B, C), x or apart from it
    floating* mean_out,     # OUT (B,) or NULL
    floating* inverse_out,  # OUT (B,) or NULL
    Py_ssize_t B, Py_ssize_t C, bint centred, double epsilon, int thread, int n_threads,
) noexcept nogil:
    """y := (x - mean) / sqrt(variance + epsilon) * gamma + beta, moments over the row;
    without `centred` the mean is 0 and the variance the mean square"""
    cdef double[NN_MOMENT_LANES * NN_MOMENT_LANES] s
    cdef double[NN_MOMENT_LANES * NN_MOMENT_LANES] q
    cdef double[NN_MOMENT_LANES] shift
    cdef double[NN_MOMENT_LANES] total
    cdef double[NN_MOMENT_LANES] squares
    cdef floating[NN_MOMENT_LANES] mean
    cdef floating[NN_MOMENT_LANES] inverse
    cdef double d, share = <double>1 / <double>C
    cdef const floating* r
    cdef Py_ssize_t b, c, begin, end, rows, i, at, full = C // NN_MOMENT_LANES * NN_MOMENT_LANES
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    memset(shift, 0, sizeof(shift))
    memset(s, 0, sizeof(s))
    memset(q, 0, sizeof(q))
    for b from begin <= b < end by NN_MOMENT_LANES:
        rows = min(<Py_ssize_t>NN_MOMENT_LANES, end - b)
        if centred:
            for i in range(rows):
                shift[i] = x[(b + i) * C]
        for i from 0 <= i < rows by 2:
            r, at = x + (b + i) * C, i * NN_MOMENT_LANES
            if floating is float:
                nn_lane_moments_f32(<int>min(<Py_ssize_t>2, rows - i), r, C, full, <double*>shift + i,
                                    <double*>s + at, <double*>q + at)
            else:
                nn_lane_moments_f64(<int>min(<Py_ssize_t>2, rows - i), r, C, full, <double*>shift + i,
                                    <double*>s + at, <double*>q + at)
        if full < C:
            for i in range(rows):
                for c in range(full, C):
                    d, at = x[(b + i) * C + c] - shift[i], i * NN_MOMENT_LANES + c - full
                    s[at] = s[at] + d
                    q[at] = q[at] + d * d
        add_lanes(<const double*>s, <double*>total)
        add_lanes(<const double*>q, <double*>squares)
        for i in range(rows):
            total[i] = total[i] * share if centred else <double>0
            squares[i] = fma(-total[i], total[i], squares[i] * share)
            mean[i] = <floating>(shift[i] + total[i])
            inverse[i] = inverse_deviation(squares[i], epsilon, x)
        if mean_out != NULL:
            memcpy(mean_out + b, mean, rows * sizeof(floating))
        if inverse_out != NULL:
            memcpy(inverse_out + b, inverse, rows * sizeof(floating))
        for i in range(rows):
            at = (b + i) * C
            if floating is float:
                nn_row_affine_f32(x + at, y + at, C, mean[i], inverse[i], gamma, beta)
            else:
                nn_row_affine_f64(x + at, y + at, C, mean[i], inverse[i], gamma, beta)


cdef void layer_normalization_backward_input(
    const floating* dy,       # IN  (B, C)
    const floating* x,        # IN  (B, C)
    const floating* mean,     # IN  (B,) or NULL: 0, and nothing was subtracted
    const floating* inverse,  # IN  (B,)
    const floating* gamma,    # IN  (C,) or NULL: 1
    floating* dx,             # OUT (B, C), dy or apart from it
    Py_ssize_t B, Py_ssize_t C, int thread, int n_threads,
) noexcept nogil:
    """g := dy gamma, u := (x - mean) inverse;  dx := inverse (g - sum(g) / C - u sum(g u) / C)"""
    cdef floating[MOST * MOST] s
    cdef floating[MOST * MOST] q
    cdef floating[MOST] total
    cdef floating[MOST] products
    cdef floating[MOST] m
    cdef floating share = <floating>1 / <floating>C, g
    cdef Py_ssize_t V = virtual_lanes(x), b, c, begin, end, rows, i, at, lane, full = C // V * V
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    memset(m, 0, sizeof(m))
    memset(s, 0, sizeof(s))
    memset(q, 0, sizeof(q))
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        if mean != NULL:
            memcpy(m, mean + b, rows * sizeof(floating))
        for i from 0 <= i < rows by 2:
            at = (b + i) * C
            if floating is float:
                nn_lane_slopes_f32(<int>min(<Py_ssize_t>2, rows - i), dy + at, x + at, gamma, C, full,
                                   <floating*>m + i, inverse + b + i, <floating*>s + i * V,
                                   <floating*>q + i * V)
            else:
                nn_lane_slopes_f64(<int>min(<Py_ssize_t>2, rows - i), dy + at, x + at, gamma, C, full,
                                   <floating*>m + i, inverse + b + i, <floating*>s + i * V,
                                   <floating*>q + i * V)
        if full < C:
            for i in range(rows):
                for c in range(full, C):
                    at, lane = (b + i) * C + c, i * V + c - full
                    g = dy[at] * gamma[c] if gamma != NULL else dy[at]
                    s[lane] = s[lane] + g
                    q[lane] = q[lane] + g * ((x[at] - m[i]) * inverse[b + i])
        add_lanes(<const floating*>s, <floating*>total)
        add_lanes(<const floating*>q, <floating*>products)
        for i in range(rows):
            total[i] = total[i] * share if mean != NULL else <floating>0
            products[i] = products[i] * share
        for i in range(rows):
            at = (b + i) * C
            if floating is float:
                nn_row_centred_f32(dy + at, x + at, dx + at, C, m[i], inverse[b + i], gamma, total[i],
                                   products[i])
            else:
                nn_row_centred_f64(dy + at, x + at, dx + at, C, m[i], inverse[b + i], gamma, total[i],
                                   products[i])


cdef void layer_normalization_backward_params(
    const floating* dy,       # IN  (B, C)
    const floating* x,        # IN  (B, C)
    const floating* mean,     # IN  (B,) or NULL: 0
    const floating* inverse,  # IN  (B,)
    floating* dgamma,         # OUT (C,) or NULL
    floating* dbeta,          # OUT (C,) or NULL
    Py_ssize_t B, Py_ssize_t C, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dgamma := sum of dy (x - mean) inverse over the batch;  dbeta := sum of dy"""
    cdef floating* s = <floating*>column_block(scratch, 0)
    cdef floating* q = <floating*>column_block(scratch, 1)
    cdef floating* all_s = <floating*>column_block(scratch, 2)
    cdef floating* all_q = <floating*>column_block(scratch, 3)
    cdef floating[NN_NORM_ROWS] k
    cdef Py_ssize_t c, c0, m, begin, end, b, b0, b1, rows, at
    share_columns(x, C, thread, n_threads, &begin, &end)
    for c0 from begin <= c0 < end by COLUMNS:
        m = min(<Py_ssize_t>COLUMNS, end - c0)
        memset(all_s, 0, m * sizeof(floating))
        memset(all_q, 0, m * sizeof(floating))
        for b0 from 0 <= b0 < B by CHUNK:
            b1 = min(B, b0 + CHUNK)
            memset(s, 0, m * sizeof(floating))
            memset(q, 0, m * sizeof(floating))
            for b from b0 <= b < b1 by NN_NORM_ROWS:
                rows, at = min(<Py_ssize_t>NN_NORM_ROWS, b1 - b), b * C + c0
                copy_or_zero(<floating*>k, mean + b if mean != NULL else mean, rows)
                if floating is float:
                    nn_row_slopes_f32(<int>rows, dy + at, x + at, C, m, k, inverse + b, s, q)
                else:
                    nn_row_slopes_f64(<int>rows, dy + at, x + at, C, m, k, inverse + b, s, q)
            for c in range(m):
                all_s[c] = all_s[c] + s[c]
                all_q[c] = all_q[c] + q[c]
        if dgamma != NULL:
            memcpy(dgamma + c0, all_q, m * sizeof(floating))
        if dbeta != NULL:
            memcpy(dbeta + c0, all_s, m * sizeof(floating))
