# Losses whose terms need the whole row, or are of several outputs each; and the weights of a reduction.
#
# Rows are taken as elementwise_losses.pxi says (B), those of focal cross-entropy in blocks (losses.pxi, A).

from libc.math cimport sqrt, sqrtf

cdef double HALF_LOG_2_PI = 0.918938533204672741780329736406


cdef void gaussian_nll(
    const floating* y_pred,  # IN  (B, 2 O) means, then variances
    const floating* target,  # IN  (B, O)
    const floating* weight,  # IN  (B,) or NULL
    floating* rows_out,      # OUT (B,) w_b l_b
    floating* dy_pred,       # OUT (B, 2 O)
    Py_ssize_t B, Py_ssize_t O,
    const double* s,         # the least variance; whether the constant half log(2 pi) is in
    void* scratch, int thread, int n_threads,
) noexcept nogil:
    """l := mean((log(v) + (m - t)^2 / v) / 2 + constant), v at least epsilon; nan where v is negative

    The gradient passes that bound, as in PyTorch: a variance below it still learns."""
    cdef Py_ssize_t b, c, r, i, rows, begin, end, most = rows_together(y_pred, O)
    cdef floating* term = <floating*>loss_part(scratch, O, 0)
    cdef floating* turned = <floating*>loss_part(scratch, O, 1)
    cdef floating* sums = <floating*>loss_part(scratch, O, 2)
    cdef floating* m = <floating*>loss_part(scratch, O, 3)
    cdef floating* v = <floating*>loss_part(scratch, O, 4)
    cdef const floating* t
    cdef floating* dy
    cdef floating constant = <floating>HALF_LOG_2_PI if s[1] != 0 else <floating>0, epsilon = <floating>s[0]
    cdef floating d, a, q
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by most:
        rows = min(most, end - b)
        t, dy = target + b * O, dy_pred + b * 2 * O
        if O == 1:
            for r in range(rows):
                m[r], v[r] = y_pred[2 * (b + r)], y_pred[2 * (b + r) + 1]
        else:
            for r in range(rows):
                memcpy(m + r * O, y_pred + (b + r) * 2 * O, O * sizeof(floating))
                memcpy(v + r * O, y_pred + ((b + r) * 2 + 1) * O, O * sizeof(floating))
        for i in range(rows * O):
            a = epsilon if v[i] < epsilon else v[i]
            a = <floating>NAN if v[i] < 0 else a
            d = m[i] - t[i]
            q = d / a
            term[i] = fma(<floating>0.5, fma(d, q, log(a)), constant)
            m[i] = q
            v[i] = <floating>0.5 * (<floating>1 / a - q * q)
        row_sums(<const floating*>term, sums, rows, O, turned)
        weigh_rows(sums, weight, rows_out + b, b, rows, B, <floating>1 / <floating>O)
        if O == 1:
            for r in range(rows):
                dy[2 * r], dy[2 * r + 1] = m[r] * sums[r], v[r] * sums[r]
        else:
            for r in range(rows):
                for c in range(O):
                    dy[r * 2 * O + c] = m[r * O + c] * sums[r]
                for c in range(O):
                    dy[(r * 2 + 1) * O + c] = v[r * O + c] * sums[r]


cdef void categorical_hinge(
    const floating* y_pred,  # IN  (B, C)
    const floating* target,  # IN  (B, C)
    const floating* weight,  # IN  (B,) or NULL
    floating* rows_out,      # OUT (B,) w_b l_b
    floating* dy_pred,       # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """l := max(max((1 - t) p) - sum(t p) + 1, 0); several largest elements share the gradient"""
    cdef Py_ssize_t b, c, r, i, rows, begin, end, most = rows_together(y_pred, C)
    cdef floating* product = <floating*>loss_part(scratch, C, 0)
    cdef floating* turned = <floating*>loss_part(scratch, C, 1)
    cdef floating* sums = <floating*>loss_part(scratch, C, 2)
    cdef floating* other = <floating*>loss_part(scratch, C, 3)
    cdef floating* active = <floating*>loss_part(scratch, C, 4)
    cdef floating* top = <floating*>loss_part(scratch, C, 5)
    cdef const floating* p
    cdef const floating* t
    cdef floating* dy
    cdef floating a, scale, largest, each
    cdef int hits
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by most:
        rows = min(most, end - b)
        p, t, dy = y_pred + b * C, target + b * C, dy_pred + b * C
        for i in range(rows * C):
            other[i] = (<floating>1 - t[i]) * p[i]
            # A nan that the largest element may not show shows in the sum.
            product[i] = other[i] if other[i] != other[i] else t[i] * p[i]
        row_sums(<const floating*>product, sums, rows, C, turned)
        for r in range(rows):
            top[r] = row_max(<const floating*>other + r * C, C)
        for r in range(rows):
            a = (top[r] - sums[r]) + <floating>1
            sums[r] = <floating>0 if a <= 0 else a
            active[r] = <floating>0 if a < 0 else (<floating>1 if a >= 0 else a)
        weigh_rows(sums, weight, rows_out + b, b, rows, B, <floating>1)
        for r in range(rows):
            scale, largest, hits = sums[r] * active[r], top[r], 0
            for c in range(r * C, r * C + C):
                hits += other[c] == largest
            each = <floating>1 / <floating>hits
            for c in range(r * C, r * C + C):
                a = each if other[c] == largest else <floating>0
                dy[c] = fma(a, <floating>1 - t[c], -t[c]) * scale


cdef inline floating row_max(const floating* x, Py_ssize_t C) noexcept nogil:
    """The largest element; a nan may be passed over"""
    cdef floating top
    cdef Py_ssize_t c
    if C >= virtual_lanes(x):
        return wide_max(x, C)
    top = x[0]
    for c in range(1, C):
        top = x[c] if x[c] > top else top
    return top


cdef inline floating inverse_norm(floating squares) noexcept nogil:
    """1 / max(sqrt(squares), epsilon)"""
    return <floating>1 / at_least_epsilon(sqrtf(squares) if floating is float else sqrt(squares))


cdef void cosine_similarity(
    const floating* y_pred,  # IN  (B, C)
    const floating* target,  # IN  (B, C)
    const floating* weight,  # IN  (B,) or NULL
    floating* rows_out,      # OUT (B,) w_b l_b
    floating* dy_pred,       # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """l := -a b sum(p t), a = 1 / |p|, b = 1 / |t|;  dy_pred := (-l a^2 p - a b t) * w / B"""
    cdef Py_ssize_t b, c, r, rows, begin, end, most = rows_together(y_pred, C)
    cdef floating* product = <floating*>loss_part(scratch, C, 0)
    cdef floating* turned = <floating*>loss_part(scratch, C, 1)
    cdef floating* pt = <floating*>loss_part(scratch, C, 2)
    cdef floating* pp = <floating*>loss_part(scratch, C, 3)
    cdef floating* tt = <floating*>loss_part(scratch, C, 4)
    cdef const floating* p
    cdef const floating* t
    cdef floating* dy
    cdef floating a, both, own, others, scale
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by most:
        rows = min(most, end - b)
        p, t, dy = y_pred + b * C, target + b * C, dy_pred + b * C
        products(p, p, product, rows * C)
        row_sums(<const floating*>product, pp, rows, C, turned)
        products(t, t, product, rows * C)
        row_sums(<const floating*>product, tt, rows, C, turned)
        products(p, t, product, rows * C)
        row_sums(<const floating*>product, pt, rows, C, turned)
        for r in range(rows):
            a = inverse_norm(pp[r])
            both = a * inverse_norm(tt[r])
            pt[r] = -both * pt[r]
            # A norm below epsilon is a constant.
            pp[r] = <floating>0 if a == <floating>1 / <floating>EPSILON else (-pt[r] * a) * a
            tt[r] = -both
        weigh_rows(pt, weight, rows_out + b, b, rows, B, <floating>1)
        for r in range(rows):
            own, others, scale = pp[r], tt[r], pt[r]
            for c in range(r * C, r * C + C):
                dy[c] = (p[c] * own + t[c] * others) * scale


cdef void products(const floating* a, const floating* b, floating* y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] * b[i]


cdef void categorical_focal_cross_entropy(
    bint logits,                   # whether y_pred are logits, not probabilities
    const floating* y_pred,        # IN  (B, C)
    const floating* target,        # IN  (B, C)
    const floating* weight,        # IN  (B,) or NULL
    const floating* class_weight,  # IN  (C,) or NULL
    floating* rows_out,            # OUT (B,) w_b l_b
    floating* dy_pred,             # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C,
    const double* s,               # label smoothing, alpha, gamma
    void* scratch, int thread, int n_threads,
) noexcept nogil:
    """l := -sum(a t (1 - q)^gamma log(q));  q = softmax(z), or clip(u), u = p / sum(p)

    With h = a t (gamma (1 - q)^(gamma - 1) log(q) - (1 - q)^gamma / q), inside the clip:
    dlogits := q (h - sum(q h)) * w / B;  dy_pred := (h - sum(u h)) / sum(p) * w / B"""
    cdef Py_ssize_t V = virtual_lanes(y_pred), b, c, r, i, rows, begin, end
    cdef floating* z = <floating*>loss_part(scratch, C, 0)
    cdef floating* u = <floating*>loss_part(scratch, C, 1)
    cdef floating* t = <floating*>loss_part(scratch, C, 2)
    cdef floating* logs = <floating*>loss_part(scratch, C, 3)
    cdef floating* rest = <floating*>loss_part(scratch, C, 4)
    cdef floating* power = <floating*>loss_part(scratch, C, 5)
    cdef floating* flat = <floating*>loss_part(scratch, C, LOSS_PARTS - 1)
    cdef floating[MOST] g
    cdef floating[MOST] m
    cdef floating[MOST] total
    cdef floating[MOST] loss
    cdef floating alpha = <floating>s[1], gamma = <floating>s[2], q, slope
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        load_block(y_pred + b * C, z, C, rows, flat)
        load_block(target + b * C, t, C, rows, flat)
        row_scales(weight, <floating*>g, b, rows, B)
        if s[0] != 0:
            smooth_labels(<const floating*>t, t, C * V, s[0], C)
        for i in range(C * V):
            t[i] = t[i] * alpha
        if class_weight != NULL:
            for c in range(C):
                for r in range(LINE // <Py_ssize_t>sizeof(floating)):
                    m[r] = class_weight[c]
                line_multiply(t + c * V, <const floating*>m)
        if logits:
            block_exp(z, u, <floating*>m, <floating*>total, C)
            for r in range(LINE // <Py_ssize_t>sizeof(floating)):
                loss[r] = log(total[r])
                total[r] = <floating>1 / total[r]
            for c in range(C):
                line_subtract(logs + c * V, <const floating*>z + c * V, <const floating*>m)
                line_subtract(logs + c * V, <const floating*>logs + c * V, <const floating*>loss)
            scale_block(u, <const floating*>total, C)
            for i in range(C * V):
                rest[i] = <floating>1 - u[i]
        else:
            block_sum(<const floating*>z, <floating*>total, C)
            for r in range(LINE // <Py_ssize_t>sizeof(floating)):
                total[r] = <floating>1 / total[r]
            memcpy(u, z, C * LINE)
            scale_block(u, <const floating*>total, C)
            for i in range(C * V):
                q = clip_probability(u[i])
                rest[i] = <floating>1 - q
                logs[i] = log(q)
        powers(<const floating*>rest, power, C * V, gamma)
        if logits:
            for i in range(C * V):
                slope = gamma * (power[i] / rest[i])
                slope = <floating>0 if rest[i] == 0 else slope
                slope = t[i] * fma(u[i] * slope, logs[i], -power[i])
                z[i] = <floating>0 if t[i] == 0 else slope
                slope = -t[i] * (power[i] * logs[i])
                logs[i] = <floating>0 if t[i] == 0 else slope
            block_sum(<const floating*>z, <floating*>m, C)
            for c in range(C):
                line_multiply(u + c * V, <const floating*>m)
            for i in range(C * V):
                z[i] = z[i] - u[i]
        else:
            for i in range(C * V):
                q = clip_probability(u[i])
                slope = gamma * (power[i] / rest[i])  # rest is at least epsilon
                slope = t[i] * (fma(slope, logs[i], -power[i] / q))
                slope = <floating>0 if t[i] == 0 else slope
                slope = slope if q == u[i] else <floating>0
                z[i] = q if q != q else slope
            for i in range(C * V):
                slope = -t[i] * (power[i] * logs[i])
                logs[i] = <floating>0 if t[i] == 0 else slope
                u[i] = z[i] * u[i]
            block_sum(<const floating*>u, <floating*>m, C)
            for c in range(C):
                line_subtract(z + c * V, <const floating*>z + c * V, <const floating*>m)
            scale_block(z, <const floating*>total, C)
        block_sum(<const floating*>logs, <floating*>loss, C)
        scale_block(z, <const floating*>g, C)
        store_block(z, dy_pred + b * C, C, rows, flat)
        store_rows(<const floating*>loss, weight, rows_out, b, rows)


cdef enum Reduction:
    R_MEAN
    R_SUM
    R_MEAN_WITH_SAMPLE_WEIGHT
    R_NONE

cdef void loss_weights(
    int reduction,
    const floating* weight,  # IN  (B,) or NULL
    const int64_t* ids,      # IN  (B,) or NULL
    floating* weights_out,   # OUT (B,)
    int64_t* ids_out,        # OUT (B,) or NULL: ids, 0 instead of `ignored`
    Py_ssize_t B, int64_t ignored,
) noexcept nogil:
    """weights := w * factor, 0 for rows of the class `ignored`

    The mean over the batch of weights * l is then what the reduction makes of w and l."""
    cdef Py_ssize_t b
    cdef double total = 0 if ids != NULL else B, factor = B
    cdef floating scale
    for b in range(B):
        weights_out[b] = weight[b] if weight != NULL else <floating>1
    if ids != NULL:
        for b in range(B):
            weights_out[b] = <floating>0 if ids[b] == ignored else weights_out[b]
            ids_out[b] = 0 if ids[b] == ignored else ids[b]
            total += ids[b] != ignored  # whole numbers: exact
    if reduction == R_NONE:
        return
    if reduction == R_MEAN_WITH_SAMPLE_WEIGHT:
        total = batch_sum(<const floating*>weights_out, B)
    if reduction != R_SUM:
        factor = factor / total if total != 0 else 0
    scale = <floating>factor
    for b in range(B):
        weights_out[b] = weights_out[b] * scale
