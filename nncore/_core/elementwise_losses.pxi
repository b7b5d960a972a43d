# Losses that are a sum over a row of a function of each output and its target, with the gradient.
#
# A. One kernel of many kinds. `loss_terms` gives the terms and their slopes, in one loop of full vectors per
#    kind over rows as they lie; what is left is the same for all: the sums of the rows, the weights.
# B. Rows are taken so many at a time that their terms stay in the first cache, whole sets of virtual lanes of
#    them. Only the sums of rows that are neither wide nor of a few elements need turning (losses.pxi, B).
# C. Each gradient is that of the mean over the batch of w_b l_b.

cdef enum LossKind:
    L_SQUARED
    L_ABSOLUTE
    L_PERCENTAGE
    L_LOGARITHMIC
    L_HUBER
    L_LOG_COSH
    L_PINBALL
    L_POISSON
    L_POISSON_DEVIANCE
    L_EXPONENTIAL_POISSON_DEVIANCE
    L_HINGE
    L_SQUARED_HINGE
    L_PERCEPTRON
    L_KL_DIVERGENCE
    L_CROSS_ENTROPY          # from here on label smoothing is the first scalar
    L_SIGMOID_CROSS_ENTROPY
    L_FOCAL
    L_SIGMOID_FOCAL
    N_LOSS_KINDS

cdef enum:
    LOSS_LINES = 64  # lines of terms that are taken at a time, unless a set of rows has more
    LOSS_PARTS = 8   # of the scratch: so many blocks, the last one as of `load_block`

cdef double LOG_2 = 0.693147180559945309417232121458


cdef inline Py_ssize_t loss_scratch(Py_ssize_t columns) noexcept nogil:
    """Bytes of scratch for each thread."""
    return (LOSS_PARTS * padded(max(columns, <Py_ssize_t>LOSS_LINES)) + MOST) * LINE


cdef inline void* loss_part(void* scratch, Py_ssize_t columns, int number) noexcept nogil:
    return part(scratch, max(columns, <Py_ssize_t>LOSS_LINES), number)


cdef inline Py_ssize_t rows_together(const floating* unused, Py_ssize_t columns) noexcept nogil:
    """Rows that are taken at a time."""
    return virtual_lanes(unused) * max(<Py_ssize_t>1, LOSS_LINES // columns)


cdef void elementwise_loss(
    int kind,
    const floating* y_pred,     # IN  (B, C)
    const floating* target,     # IN  (B, C); (B, C / Q) of pinball
    const floating* weight,     # IN  (B,) or NULL
    const floating* quantiles,  # IN  (Q,) of pinball, else NULL
    floating* rows_out,         # OUT (B,) w_b l_b
    floating* dy_pred,          # OUT (B, C), or NULL: the rows alone
    Py_ssize_t B, Py_ssize_t C, Py_ssize_t Q,
    const double* s,            # scalars of the kind
    void* scratch, int thread, int n_threads,
) noexcept nogil:
    """l := share sum of terms;  dy_pred := slopes * (w / B * share)"""
    cdef Py_ssize_t b, c, r, i, rows, begin, end, most = rows_together(y_pred, C)
    cdef floating* terms = <floating*>loss_part(scratch, C, 0)
    cdef floating* turned = <floating*>loss_part(scratch, C, 1)
    cdef floating* sums = <floating*>loss_part(scratch, C, 2)
    cdef floating* slopes = <floating*>loss_part(scratch, C, 3)
    cdef floating share = <floating>1 / <floating>C, scale
    cdef const floating* t
    if kind == L_PERCENTAGE:
        share = <floating>100 / <floating>C
    elif kind == L_KL_DIVERGENCE:
        share = 1
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    if kind == L_PINBALL:
        tile_quantiles(quantiles, <floating*>loss_part(scratch, C, 5), min(most, end - begin) * (C // Q), Q)
    for b from begin <= b < end by most:
        rows = min(most, end - b)
        if dy_pred != NULL:
            slopes = dy_pred + b * C
        t = target + b * (C // Q)
        if Q > 1:
            repeat_targets(t, <floating*>loss_part(scratch, C, 6), rows * (C // Q), Q)
            t = <const floating*>loss_part(scratch, C, 6)
        elif kind >= L_CROSS_ENTROPY and s[0] != 0:
            smooth_labels(t, <floating*>loss_part(scratch, C, 6), rows * C, s[0], 2)
            t = <const floating*>loss_part(scratch, C, 6)
        loss_terms(kind, y_pred + b * C, t, terms, slopes, rows * C, s, scratch, C)
        row_sums(<const floating*>terms, sums, rows, C, turned)
        weigh_rows(sums, weight, rows_out + b, b, rows, B, share)
        if dy_pred == NULL:
            continue
        if weight == NULL:
            scale = sums[0]
            for i in range(rows * C):
                slopes[i] = slopes[i] * scale
        elif C == 1:
            for r in range(rows):
                slopes[r] = slopes[r] * sums[r]
        else:
            for r in range(rows):
                scale = sums[r]
                for c in range(C):
                    slopes[r * C + c] = slopes[r * C + c] * scale


cdef inline void weigh_rows(
    floating* sums,          # INOUT (rows,) sums of terms; w / B * share
    const floating* weight,  # IN    (B,) or NULL
    floating* rows_out,      # OUT   (rows,) w * (sum * share)
    Py_ssize_t b, Py_ssize_t rows, Py_ssize_t B, floating share,
) noexcept nogil:
    cdef Py_ssize_t r
    cdef floating scale = (<floating>1 / <floating>B) * share
    if weight == NULL:
        for r in range(rows):
            rows_out[r] = sums[r] * share
            sums[r] = scale
    else:
        for r in range(rows):
            rows_out[r] = weight[b + r] * (sums[r] * share)
            sums[r] = (weight[b + r] / <floating>B) * share


cdef void row_sums(
    const floating* a,  # IN  (rows, C)
    floating* s,        # OUT (rows,)
    Py_ssize_t rows, Py_ssize_t C,
    floating* turned,   # scratch (C, V)
) noexcept nogil:
    """s := sums over C, in virtual lanes; a is a part of the scratch: what lies behind it may be read"""
    cdef floating[MOST] lane
    cdef Py_ssize_t V = virtual_lanes(a), r
    if C == 1:  # + 0: as in block_sum
        for r in range(rows):
            s[r] = a[r] + <floating>0
    elif C == 2:  # what is left of the tree when all other lanes are 0; so below
        for r in range(rows):
            s[r] = (a[2 * r] + a[2 * r + 1]) + <floating>0
    elif C == 3:
        for r in range(rows):
            s[r] = ((a[3 * r] + a[3 * r + 2]) + a[3 * r + 1]) + <floating>0
    elif C == 4:
        for r in range(rows):
            s[r] = ((a[4 * r] + a[4 * r + 2]) + (a[4 * r + 1] + a[4 * r + 3])) + <floating>0
    elif wide(a, C):
        for r in range(rows):
            s[r] = wide_sum(a + r * C, C)
    else:
        for r from 0 <= r < rows by V:
            turn(a + r * C, turned, C)
            block_sum(<const floating*>turned, <floating*>lane, C)
            memcpy(s + r, lane, min(V, rows - r) * sizeof(floating))


cdef void tile_quantiles(
    const floating* quantiles,  # IN  (Q,)
    floating* tiled,            # OUT (n, Q)
    Py_ssize_t n, Py_ssize_t Q,
) noexcept nogil:
    cdef Py_ssize_t i, k
    for i in range(n):
        for k in range(Q):
            tiled[i * Q + k] = quantiles[k]


cdef void repeat_targets(
    const floating* t,   # IN  (n,)
    floating* repeated,  # OUT (n, Q)
    Py_ssize_t n, Py_ssize_t Q,
) noexcept nogil:
    cdef Py_ssize_t i, k
    for i in range(n):
        for k in range(Q):
            repeated[i * Q + k] = t[i]


cdef inline floating hinge_side(floating t) noexcept nogil:
    """-1 for a target of 0: Keras takes 0 and 1 for -1 and 1."""
    return <floating>-1 if t == 0 else t


cdef inline floating at_least_epsilon(floating x) noexcept nogil:
    return <floating>EPSILON if x < <floating>EPSILON else x


cdef void loss_terms(
    int kind,
    const floating* p,  # IN  (n,)
    const floating* t,  # IN  (n,)
    floating* term,     # OUT (n,)
    floating* slope,    # OUT (n,) the derivative of the term with respect to p
    Py_ssize_t n,
    const double* s, void* scratch, Py_ssize_t C,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating d, a, q, y, delta, low, log2
    cdef const floating* tiled = <const floating*>loss_part(scratch, C, 5)
    if kind == L_SQUARED:
        for i in range(n):
            d = p[i] - t[i]
            term[i] = d * d
            slope[i] = d + d
    elif kind == L_ABSOLUTE:
        for i in range(n):
            d = p[i] - t[i]
            term[i] = magnitude(d)
            a = <floating>1 if d > 0 else d  # 0 and nan stay
            slope[i] = <floating>-1 if d < 0 else a
    elif kind == L_PERCENTAGE:
        for i in range(n):
            a = at_least_epsilon(magnitude(t[i]))
            d = p[i] - t[i]
            y = <floating>1 if d > 0 else d
            y = <floating>-1 if d < 0 else y
            d = d / a
            term[i] = magnitude(d)
            slope[i] = y / a
    elif kind == L_LOGARITHMIC:
        for i in range(n):
            a = at_least_epsilon(p[i])
            d = log1p(a) - log1p(at_least_epsilon(t[i]))
            term[i] = d * d
            y = (d + d) / (a + <floating>1)
            slope[i] = <floating>0 if p[i] < <floating>EPSILON else y
    elif kind == L_HUBER:
        delta, low = <floating>s[0], <floating>(0.5 * s[0] * s[0])
        for i in range(n):
            d = p[i] - t[i]
            a = magnitude(d)
            y = fma(delta, a, -low)
            term[i] = y if a > delta else <floating>0.5 * (d * d)
            y = delta if d > delta else d
            slope[i] = -delta if d < -delta else y
    elif kind == L_LOG_COSH:
        log2 = <floating>LOG_2
        for i in range(n):
            d = p[i] - t[i]
            a = magnitude(d)
            y = tanh(d)
            slope[i] = y
            q = exp(a * <floating>-2)
            q = -y * y if a < 1 else q  # both forms are accurate at 1, each on its side
            q = log1p(q)
            y = (a - log2) + q
            term[i] = <floating>-0.5 * q if a < 1 else y
    elif kind == L_PINBALL:
        for i in range(n):
            d = t[i] - p[i]
            q = tiled[i]
            a = (q - <floating>1) * d
            term[i] = q * d if d >= 0 else a
            a = -q if d > 0 else d
            slope[i] = <floating>1 - q if d < 0 else a
    elif kind == L_POISSON:
        for i in range(n):
            a = p[i] + <floating>EPSILON
            term[i] = fma(-t[i], log(a), p[i])
            slope[i] = <floating>1 - t[i] / a
    elif kind == L_POISSON_DEVIANCE:
        for i in range(n):
            y = <floating>NAN if p[i] < 0 else p[i]
            q = t[i] / y
            d = y - t[i]
            a = fma(t[i], log(q), d)
            term[i] = d if t[i] == 0 else a
            slope[i] = <floating>1 - q
    elif kind == L_EXPONENTIAL_POISSON_DEVIANCE:
        poisson_deviance_terms(p, t, term, slope, n)
    elif kind == L_HINGE:
        for i in range(n):
            y = hinge_side(t[i])
            a = fma(-y, p[i], <floating>1)
            term[i] = <floating>0 if a <= 0 else a
            slope[i] = <floating>0 if a < 0 else (-y if a >= 0 else a)
    elif kind == L_SQUARED_HINGE:
        for i in range(n):
            y = hinge_side(t[i])
            a = fma(-y, p[i], <floating>1)
            a = <floating>0 if a <= 0 else a
            term[i] = a * a
            slope[i] = -y * (a + a)
    elif kind == L_PERCEPTRON:
        for i in range(n):
            y = hinge_side(t[i])
            a = -y * p[i]
            term[i] = <floating>0 if a <= 0 else a
            slope[i] = <floating>0 if a < 0 else (-y if a >= 0 else a)
    elif kind == L_KL_DIVERGENCE:
        for i in range(n):
            y = at_least_epsilon(t[i])
            y = <floating>1 if y > 1 else y
            q = at_least_epsilon(p[i])
            q = <floating>1 if q > 1 else q
            a = y / q
            term[i] = y * log(a)
            a = -a if q == p[i] else <floating>0
            slope[i] = q if q != q else a
    elif kind == L_CROSS_ENTROPY:
        cross_entropy_terms(p, t, term, slope, n)
    elif kind == L_SIGMOID_CROSS_ENTROPY:
        activate(SIGMOID, p, slope, n, <floating>0)
        for i in range(n):
            slope[i] = slope[i] - t[i]
            term[i] = -magnitude(p[i])
        exp_all(term, n)
        logits_terms(p, t, term, n)
    elif kind == L_FOCAL:
        focal_terms(p, t, term, slope, n, s, scratch, C)
    elif kind == L_SIGMOID_FOCAL:
        sigmoid_focal_terms(p, t, term, slope, n, s, scratch, C)


cdef void poisson_deviance_terms(const floating* z, const floating* t, floating* term, floating* slope,
                                 Py_ssize_t n) noexcept nogil:
    """term := t (log(t) - z) + exp(z) - t, without its first part where t is 0

    The two functions not in one loop: of both together the compiler makes no vectors."""
    cdef Py_ssize_t i
    cdef floating d, a
    activate(EXPONENTIAL, z, slope, n, <floating>0)
    memcpy(term, t, n * sizeof(floating))
    log_all(term, n)
    for i in range(n):
        d = slope[i] - t[i]
        a = fma(t[i], term[i] - z[i], d)
        term[i] = d if t[i] == 0 else a
        slope[i] = d


cdef void cross_entropy_terms(const floating* p, const floating* t, floating* term, floating* slope,
                              Py_ssize_t n) noexcept nogil:
    """term := -(t log(q) + (1 - t) log(1 - q)), q = clip(p)

    slope := (q - t) / (q (1 - q)) inside the clip"""
    cdef Py_ssize_t i
    cdef floating q, d
    for i in range(n):
        q = clip_probability(p[i])
        term[i] = fma(-t[i], log(q), -((<floating>1 - t[i]) * log1p(-q)))
        d = (q - t[i]) / (q * (<floating>1 - q))
        d = d if q == p[i] else <floating>0
        slope[i] = q if q != q else d


cdef void logits_terms(const floating* z, const floating* t, floating* term, Py_ssize_t n) noexcept nogil:
    """term := max(z, 0) - z t + log(1 + term), the binary cross-entropy of logits where that is exp(-|z|)

    Not in one loop with the exponential: of the two functions together the compiler makes no vectors."""
    cdef Py_ssize_t i
    cdef floating top
    log1p_all(term, n)
    for i in range(n):
        top = <floating>0 if z[i] <= 0 else z[i]
        term[i] = fma(-z[i], t[i], top) + term[i]


cdef void focal_terms(const floating* p, const floating* t, floating* term, floating* slope, Py_ssize_t n,
                      const double* s, void* scratch, Py_ssize_t C) noexcept nogil:
    """As `focus`, of the binary cross-entropy of probabilities"""
    cdef floating* f = <floating*>loss_part(scratch, C, 4)
    cdef floating* df = <floating*>loss_part(scratch, C, 1)
    cdef Py_ssize_t i
    cross_entropy_terms(p, t, term, slope, n)
    for i in range(n):
        f[i] = fma(t[i], <floating>1 - p[i], (<floating>1 - t[i]) * p[i])
        df[i] = fma(<floating>-2, t[i], <floating>1)
    focus(t, term, slope, n, s, scratch, C)


cdef void sigmoid_focal_terms(const floating* z, const floating* t, floating* term, floating* slope,
                              Py_ssize_t n, const double* s, void* scratch, Py_ssize_t C) noexcept nogil:
    """As `focus`, of the binary cross-entropy of logits; 1 - sigmoid(z) without cancellation"""
    cdef floating* f = <floating*>loss_part(scratch, C, 4)
    cdef floating* df = <floating*>loss_part(scratch, C, 1)
    cdef Py_ssize_t i
    cdef floating near, far, up, down, rest
    for i in range(n):
        term[i] = -magnitude(z[i])
    exp_all(term, n)
    for i in range(n):  # and not in one loop with the next: of more arrays the compiler makes no vectors
        near = <floating>1 / (<floating>1 + term[i])
        far = term[i] * near
        slope[i] = near if z[i] > 0 else far
        f[i] = far if z[i] > 0 else near
    for i in range(n):
        up, down, rest = slope[i], f[i], <floating>1 - t[i]
        f[i] = fma(t[i], down, rest * up)
        df[i] = fma(<floating>-2, t[i], <floating>1) * (up * down)
        slope[i] = fma(up, rest, -(t[i] * down))
    logits_terms(z, t, term, n)
    focus(t, term, slope, n, s, scratch, C)


cdef void focus(const floating* t, floating* term, floating* slope, Py_ssize_t n, const double* s,
                void* scratch, Py_ssize_t C) noexcept nogil:
    """term := u f^gamma term, its slope with it;  u = t alpha + (1 - t)(1 - alpha), or 1

    f and its slope lie in the scratch; s: label smoothing, alpha, gamma, whether to balance the classes."""
    cdef floating* f = <floating*>loss_part(scratch, C, 4)
    cdef floating* df = <floating*>loss_part(scratch, C, 1)
    cdef floating* power = <floating*>loss_part(scratch, C, 5)
    cdef floating gamma = <floating>s[2], u, ratio
    cdef floating rise = <floating>(2 * s[1] - 1) if s[3] != 0 else <floating>0
    cdef floating base = <floating>(1 - s[1]) if s[3] != 0 else <floating>1
    cdef Py_ssize_t i
    powers(<const floating*>f, power, n, gamma)
    for i in range(n):
        u = fma(t[i], rise, base)
        ratio = gamma * (power[i] / f[i])
        ratio = <floating>0 if f[i] == 0 else ratio
        slope[i] = u * fma(ratio * df[i], term[i], power[i] * slope[i])
        term[i] = u * (power[i] * term[i])


cdef void powers(const floating* x, floating* y, Py_ssize_t n, floating gamma) noexcept nogil:
    """y := x^gamma, x not negative"""
    cdef Py_ssize_t i
    if gamma == 0:
        for i in range(n):
            y[i] = 1
    elif gamma == 1:
        memcpy(y, x, n * sizeof(floating))
    elif gamma == 2:
        for i in range(n):
            y[i] = x[i] * x[i]
    else:
        for i in range(n):
            y[i] = exp(gamma * log(x[i]))
