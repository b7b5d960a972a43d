# Softmax, and losses with their gradient in one pass.
#
# A. Rows are taken a block at a time, as many as a cache line has elements, and turned: a block is (C, V),
#    the classes down and V rows along the lanes, in scratch. Every step is then a loop of full vectors
#    whatever C is; a row at a time was tried and took 58 ns for ten classes, against 12.
# B. A sum over a row runs in V virtual lanes over its elements, V the same on every ISA level, and ends in a
#    halving tree. In a block lane v of row r is acc[v][r]. Elements beyond the row leave their lane as it is.
#    Wide rows need no turning: `wide_exp` runs along one, in the same virtual lanes.
# C. The rows of a block that are beyond the batch hold zeros; what they give is not stored.
# D. Threads share out rows. A row's result depends on the row alone.
# E. Each gradient is that of the mean over the batch of w_b l_b.

cdef enum:
    LINE = 64   # bytes in a set of lanes
    MOST = 16   # the most lanes: LINE bytes of float32

cdef double EPSILON = 1e-7  # Keras's clip of probabilities


cdef inline Py_ssize_t virtual_lanes(const floating* unused) noexcept nogil:
    return LINE // <Py_ssize_t>sizeof(floating)


cdef inline Py_ssize_t padded(Py_ssize_t columns) noexcept nogil:
    """Columns that a block has room for: whole vectors of the widest build."""
    return (columns + MOST - 1) // MOST * MOST


cdef inline Py_ssize_t block_scratch(Py_ssize_t columns) noexcept nogil:
    """Bytes for four blocks, and for the rows of one as they lie in memory."""
    return (5 * padded(columns) + MOST) * LINE


cdef inline void* part(void* scratch, Py_ssize_t C, int number) noexcept nogil:
    """Of the scratch: block 0 to 3; 4: the rows as they lie."""
    return <char*>scratch + number * padded(C) * LINE


cdef inline void turn(
    const floating* x,  # IN  (V, C), and a vector behind it that may be read
    floating* t,        # OUT (C, V), and so on to whole vectors
    Py_ssize_t C,
) noexcept nogil:
    """t := x^T"""
    cdef Py_ssize_t V = virtual_lanes(x), L = lanes(x), c, r
    for r from 0 <= r < V by L:
        for c from 0 <= c < C by L:
            transpose(x + r * C + c, C, t + c * V + r, V)


cdef void load_block(
    const floating* x,  # IN  (rows, C)
    floating* t,        # OUT (C, V)
    Py_ssize_t C, Py_ssize_t rows,
    floating* flat,     # scratch (V, C) and a vector more: reading whole vectors from x itself could leave it
) noexcept nogil:
    """t := x^T, rows beyond `rows` zero"""
    cdef Py_ssize_t V = virtual_lanes(x)
    if C == 1:
        memcpy(t, x, rows * sizeof(floating))
        memset(t + rows, 0, (V - rows) * sizeof(floating))
        return
    memcpy(flat, x, rows * C * sizeof(floating))
    memset(flat + rows * C, 0, (V - rows) * C * sizeof(floating))
    turn(<const floating*>flat, t, C)


cdef void store_block(
    const floating* t,  # IN  (C, V)
    floating* y,        # OUT (rows, C)
    Py_ssize_t C, Py_ssize_t rows,
    floating* flat,     # scratch (V, C) and a vector more
) noexcept nogil:
    """y := t^T"""
    cdef Py_ssize_t V = virtual_lanes(t), L = lanes(t), c, r, full = C // L * L
    if C == 1:
        memcpy(y, t, rows * sizeof(floating))
        return
    # The last, partial columns first: what they write beyond their row is then written anew.
    if full < C:
        for r from 0 <= r < V by L:
            transpose(t + full * V + r, V, flat + r * C + full, C)
    for r from 0 <= r < V by L:
        for c from 0 <= c < full by L:
            transpose(t + c * V + r, V, flat + r * C + c, C)
    memcpy(y, flat, rows * C * sizeof(floating))


cdef void exp_all(floating* a, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = exp(a[i])


cdef void log_all(floating* a, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = log(a[i])


cdef void log1p_all(floating* a, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = log1p(a[i])


cdef void block_sum(
    const floating* e,  # IN  (C, V)
    floating* s,        # OUT (V,)
    Py_ssize_t C,
) noexcept nogil:
    """s := sum over C, in virtual lanes

    Lanes without an element are left out. That lanes begin with +0 shows only where all elements are -0: it
    is added at the end instead."""
    cdef floating[MOST * MOST] acc
    cdef Py_ssize_t V = virtual_lanes(e), used = min(V, C), c, v, half
    memcpy(acc, e, used * LINE)
    for c in range(V, C):
        line_add(<floating*>acc + c % V * V, e + c * V)
    half = V // 2
    while half > 0:
        for v in range(min(half, used - half)):
            line_add(<floating*>acc + v * V, <const floating*>acc + (v + half) * V)
        half //= 2
    memset(s, 0, LINE)
    line_add(s, <const floating*>acc)


cdef void block_exp(
    const floating* t,  # IN  (C, V)
    floating* e,        # OUT (C, V) exp(t - m), t or another
    floating* m,        # OUT (V,) the largest element of each row; a nan may be passed over: it shows in e
    floating* s,        # OUT (V,) sum of e
    Py_ssize_t C,
) noexcept nogil:
    cdef Py_ssize_t V = virtual_lanes(t), c
    memcpy(m, t, LINE)
    for c in range(1, C):
        line_max(m, t + c * V)
    for c in range(C):
        line_subtract(e + c * V, t + c * V, m)
    exp_all(e, C * V)
    block_sum(<const floating*>e, s, C)


cdef inline bint wide(const floating* x, Py_ssize_t C) noexcept nogil:
    return C >= 16 * virtual_lanes(x)


cdef inline floating wide_max(
    const floating* x,  # IN  (C,), as many elements as lanes or more
    Py_ssize_t C,
) noexcept nogil:
    """The largest element; a nan may be passed over"""
    cdef floating[MOST] lane
    cdef floating[MOST] rest
    cdef floating top
    cdef Py_ssize_t V = virtual_lanes(x), c, full = C // V * V
    memcpy(lane, x, LINE)
    for c from V <= c < full by V:
        line_max(<floating*>lane, x + c)
    if full < C:
        memcpy(rest, lane, LINE)
        memcpy(rest, x + full, (C - full) * sizeof(floating))
        line_max(<floating*>lane, <const floating*>rest)
    top = lane[0]
    for c in range(1, V):
        top = lane[c] if lane[c] > top else top
    return top


cdef inline floating wide_sum(
    const floating* x,  # IN  (C,)
    Py_ssize_t C,
) noexcept nogil:
    """The sum, in virtual lanes"""
    cdef floating[MOST] lane
    cdef floating[MOST] rest
    cdef Py_ssize_t V = virtual_lanes(x), c, full = C // V * V
    memset(lane, 0, LINE)
    for c from 0 <= c < full by V:
        line_add(<floating*>lane, x + c)
    if full < C:
        memset(rest, 0, LINE)
        memcpy(rest, x + full, (C - full) * sizeof(floating))
        line_add(<floating*>lane, <const floating*>rest)
    return lanes_tree(<floating*>lane)


cdef floating wide_exp(
    const floating* x,  # IN  (C,)
    floating* e,        # OUT (C,) exp(x - m), x or another
    floating* m,        # OUT (1,) the largest element
    Py_ssize_t C,
) noexcept nogil:
    """The sum of e, in virtual lanes: `block_exp` for one wide row."""
    cdef floating top = wide_max(x, C)
    cdef Py_ssize_t c
    if x == e:
        for c in range(C):
            e[c] = e[c] - top
        exp_all(e, C)
    else:
        for c in range(C):
            e[c] = exp(x[c] - top)
    m[0] = top
    return wide_sum(<const floating*>e, C)


cdef inline floating lanes_tree(floating* lane) noexcept nogil:
    """The halving tree over one set of virtual lanes; destroys them."""
    cdef Py_ssize_t half = virtual_lanes(lane) // 2, v
    while half > 0:
        for v in range(half):
            lane[v] = lane[v] + lane[v + half]
        half //= 2
    return lane[0]


cdef inline void scale_block(
    floating* t,             # INOUT (C, V)
    const floating* factor,  # IN    (V,)
    Py_ssize_t C,
) noexcept nogil:
    """t := t * factor"""
    cdef Py_ssize_t c
    for c in range(C):
        line_multiply(t + c * virtual_lanes(t), factor)


cdef inline void row_scales(
    const floating* weight,  # IN  (B,) or NULL
    floating* g,             # OUT (V,) w_b / B
    Py_ssize_t b, Py_ssize_t rows, Py_ssize_t B,
) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(rows):
        g[r] = (weight[b + r] if weight != NULL else <floating>1) / <floating>B
    for r in range(rows, virtual_lanes(g)):
        g[r] = 0


cdef inline void store_rows(
    const floating* loss,    # IN  (V,)
    const floating* weight,  # IN  (B,) or NULL
    floating* rows_out,      # OUT (B,) w_b l_b
    Py_ssize_t b, Py_ssize_t rows,
) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(rows):
        rows_out[b + r] = weight[b + r] * loss[r] if weight != NULL else loss[r]


cdef void softmax(
    const floating* x,  # IN  (B, C)
    floating* y,        # OUT (B, C), x or another
    Py_ssize_t B, Py_ssize_t C, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """y := exp(x - max) / sum"""
    cdef floating factor
    cdef Py_ssize_t V = virtual_lanes(x), b, c, r, rows, begin, end
    cdef floating* t = <floating*>part(scratch, C, 0)
    cdef floating* flat = <floating*>part(scratch, C, 4)
    cdef floating[MOST] m
    cdef floating[MOST] s
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    if wide(x, C):
        for b in range(begin, end):
            factor = <floating>1 / wide_exp(x + b * C, y + b * C, <floating*>m, C)
            for c in range(b * C, b * C + C):
                y[c] = y[c] * factor
        return
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        load_block(x + b * C, t, C, rows, flat)
        block_exp(t, t, <floating*>m, <floating*>s, C)
        for r in range(LINE // <Py_ssize_t>sizeof(floating)):
            s[r] = <floating>1 / s[r]
        scale_block(t, <const floating*>s, C)
        store_block(t, y + b * C, C, rows, flat)


cdef void log_softmax(
    const floating* x,  # IN  (B, C)
    floating* y,        # OUT (B, C), x or another
    Py_ssize_t B, Py_ssize_t C, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """y := x - max - log(sum of exp(x - max))"""
    cdef Py_ssize_t V = virtual_lanes(x), b, c, r, rows, begin, end
    cdef floating* t = <floating*>part(scratch, C, 0)
    cdef floating* e = <floating*>part(scratch, C, 1)
    cdef floating* flat = <floating*>part(scratch, C, 4)
    cdef floating[MOST] m
    cdef floating[MOST] s
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        load_block(x + b * C, t, C, rows, flat)
        block_exp(t, e, <floating*>m, <floating*>s, C)
        for r in range(LINE // <Py_ssize_t>sizeof(floating)):
            s[r] = log(s[r])
        for c in range(C):
            line_subtract(t + c * V, <const floating*>t + c * V, <const floating*>m)
            line_subtract(t + c * V, <const floating*>t + c * V, <const floating*>s)
        store_block(t, y + b * C, C, rows, flat)


cdef void softmax_backward(
    const floating* dy,  # IN  (B, C)
    const floating* y,   # IN  (B, C)
    floating* dx,        # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dx := y * (dy - sum(dy * y))"""
    cdef Py_ssize_t V = virtual_lanes(y), b, c, r, rows, begin, end
    cdef floating* d = <floating*>part(scratch, C, 0)
    cdef floating* t = <floating*>part(scratch, C, 1)
    cdef floating* e = <floating*>part(scratch, C, 2)
    cdef floating* flat = <floating*>part(scratch, C, 4)
    cdef floating[MOST] s
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        load_block(dy + b * C, d, C, rows, flat)
        load_block(y + b * C, t, C, rows, flat)
        for c in range(C * V):
            e[c] = d[c] * t[c]
        block_sum(e, <floating*>s, C)
        for c in range(C):
            line_subtract(e + c * V, <const floating*>d + c * V, <const floating*>s)
        for c in range(C * V):
            e[c] = t[c] * e[c]
        store_block(e, dx + b * C, C, rows, flat)


cdef void log_softmax_backward(
    const floating* dy,  # IN  (B, C)
    const floating* y,   # IN  (B, C)
    floating* dx,        # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dx := dy - exp(y) * sum(dy)"""
    cdef Py_ssize_t V = virtual_lanes(y), b, c, r, rows, begin, end
    cdef floating* d = <floating*>part(scratch, C, 0)
    cdef floating* t = <floating*>part(scratch, C, 1)
    cdef floating* flat = <floating*>part(scratch, C, 4)
    cdef floating[MOST] s
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        load_block(dy + b * C, d, C, rows, flat)
        load_block(y + b * C, t, C, rows, flat)
        block_sum(d, <floating*>s, C)
        exp_all(t, C * V)
        for c in range(C):
            for r in range(LINE // <Py_ssize_t>sizeof(floating)):
                d[c * V + r] = fma(-t[c * V + r], s[r], d[c * V + r])
        store_block(d, dx + b * C, C, rows, flat)


cdef void smooth_labels(
    const floating* t,  # IN  (n,)
    floating* smooth,   # OUT (n,), apart from t or t itself
    Py_ssize_t n, double smoothing, Py_ssize_t classes,
) noexcept nogil:
    """smooth := t (1 - smoothing) + smoothing / classes"""
    cdef floating keep = <floating>(1 - smoothing), others = <floating>(smoothing / classes)
    cdef Py_ssize_t i
    for i in range(n):
        smooth[i] = fma(t[i], keep, others)


cdef void load_labels(
    const int64_t* ids,      # IN  (rows,) class ids, or NULL
    const floating* target,  # IN  (rows, C) when ids is NULL
    floating* t,             # OUT (C, V)
    Py_ssize_t C, Py_ssize_t rows, double smoothing,
    floating* flat,          # scratch of load_block
) noexcept nogil:
    """t := target^T, or one-hot;  t (1 - smoothing) + smoothing / C of it"""
    cdef Py_ssize_t V = virtual_lanes(target), r
    if ids != NULL:
        memset(t, 0, C * LINE)
        for r in range(rows):
            t[ids[r] * V + r] = 1
    else:
        load_block(target, t, C, rows, flat)
    if smoothing != 0:
        smooth_labels(<const floating*>t, t, C * V, smoothing, C)


cdef void softmax_cross_entropy(
    const floating* logits,  # IN  (B, C)
    const int64_t* ids,      # IN  (B,) class ids, or NULL
    const floating* target,  # IN  (B, C) when ids is NULL
    const floating* weight,  # IN  (B,) or NULL
    floating* rows_out,      # OUT (B,) w_b l_b
    floating* dlogits,       # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C, double smoothing, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """l := -sum(t * log_softmax(z));  dlogits := (sum(t) * softmax(z) - t) * w / B"""
    cdef Py_ssize_t V = virtual_lanes(logits), b, c, r, rows, begin, end
    cdef floating* z = <floating*>part(scratch, C, 0)
    cdef floating* e = <floating*>part(scratch, C, 1)
    cdef floating* t = <floating*>part(scratch, C, 2)
    cdef floating* flat = <floating*>part(scratch, C, 4)
    cdef floating[MOST] m
    cdef floating[MOST] s
    cdef floating[MOST] g
    cdef floating[MOST] lse
    cdef floating[MOST] loss
    cdef floating[MOST] total
    cdef floating term, factor, scale
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    if ids != NULL and smoothing == 0 and wide(logits, C):
        for b in range(begin, end):
            s[0] = wide_exp(logits + b * C, dlogits + b * C, <floating*>m, C)
            row_scales(weight, <floating*>g, b, 1, B)
            factor, scale = <floating>1 / s[0], g[0]
            r = b * C + ids[b]
            loss[0] = log(s[0]) - (logits[r] - m[0])
            term = (dlogits[r] * factor - <floating>1) * scale
            for c in range(b * C, b * C + C):
                dlogits[c] = (dlogits[c] * factor) * scale
            dlogits[r] = term
            store_rows(<const floating*>loss, weight, rows_out, b, 1)
        return
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        load_block(logits + b * C, z, C, rows, flat)
        block_exp(z, e, <floating*>m, <floating*>s, C)
        row_scales(weight, <floating*>g, b, rows, B)
        for r in range(LINE // <Py_ssize_t>sizeof(floating)):
            lse[r] = log(s[r])
            s[r] = <floating>1 / s[r]
        if ids != NULL and smoothing == 0:
            for r in range(rows):
                c = ids[b + r] * V + r
                loss[r] = lse[r] - (z[c] - m[r])
                total[r] = (e[c] * s[r] - <floating>1) * g[r]
            scale_block(e, <const floating*>s, C)
            scale_block(e, <const floating*>g, C)
            for r in range(rows):
                e[ids[b + r] * V + r] = total[r]
        else:
            load_labels(ids + b if ids != NULL else NULL, target + b * C, t, C, rows, smoothing, flat)
            for c in range(C):
                for r in range(LINE // <Py_ssize_t>sizeof(floating)):
                    term = t[c * V + r] * (lse[r] - (z[c * V + r] - m[r]))
                    z[c * V + r] = term if t[c * V + r] != 0 else <floating>0
            block_sum(z, <floating*>loss, C)
            block_sum(t, <floating*>total, C)
            scale_block(e, <const floating*>s, C)
            for c in range(C):
                for r in range(LINE // <Py_ssize_t>sizeof(floating)):
                    e[c * V + r] = fma(total[r], e[c * V + r], -t[c * V + r])
            scale_block(e, <const floating*>g, C)
        store_block(e, dlogits + b * C, C, rows, flat)
        store_rows(<const floating*>loss, weight, rows_out, b, rows)


cdef inline floating clip_probability(floating p) noexcept nogil:
    """p within [1e-7, 1 - 1e-7]; nan stays."""
    cdef floating low = <floating>EPSILON, high = <floating>1 - <floating>EPSILON
    p = low if p < low else p
    return high if p > high else p


cdef void categorical_cross_entropy(
    const floating* y_pred,  # IN  (B, C) probabilities, divided by their sum
    const int64_t* ids,      # IN  (B,) class ids, or NULL
    const floating* target,  # IN  (B, C) when ids is NULL
    const floating* weight,  # IN  (B,) or NULL
    floating* rows_out,      # OUT (B,) w_b l_b
    floating* dy_pred,       # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C, double smoothing, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """l := -sum(t log(q)), q = clip(u), u = p / sum(p)

    dy_pred := (sum(v u) - v) / sum(p) * w / B, v = t / q inside the clip"""
    cdef Py_ssize_t V = virtual_lanes(y_pred), b, c, r, i, rows, begin, end
    cdef floating* u = <floating*>part(scratch, C, 0)
    cdef floating* v = <floating*>part(scratch, C, 1)
    cdef floating* t = <floating*>part(scratch, C, 2)
    cdef floating* logs = <floating*>part(scratch, C, 3)
    cdef floating* flat = <floating*>part(scratch, C, 4)
    cdef floating[MOST] g
    cdef floating[MOST] s
    cdef floating[MOST] loss
    cdef floating q, d, term
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        load_block(y_pred + b * C, u, C, rows, flat)
        load_labels(ids + b if ids != NULL else NULL, target + b * C, t, C, rows, smoothing, flat)
        row_scales(weight, <floating*>g, b, rows, B)
        block_sum(u, <floating*>s, C)
        for r in range(LINE // <Py_ssize_t>sizeof(floating)):
            s[r] = <floating>1 / s[r]
        scale_block(u, <const floating*>s, C)
        for i in range(C * V):
            logs[i] = clip_probability(u[i])
        log_all(logs, C * V)
        for i in range(C * V):
            q = clip_probability(u[i])
            d = t[i] / q
            d = d if q == u[i] else <floating>0
            v[i] = q if q != q else d
            term = -t[i] * logs[i]
            t[i] = term if t[i] != 0 else <floating>0
            u[i] = v[i] * u[i]
        block_sum(t, <floating*>loss, C)
        block_sum(u, t, C)
        for c in range(C):
            line_subtract(v + c * V, <const floating*>t, <const floating*>v + c * V)
        scale_block(v, <const floating*>s, C)
        scale_block(v, <const floating*>g, C)
        store_block(v, dy_pred + b * C, C, rows, flat)
        store_rows(<const floating*>loss, weight, rows_out, b, rows)


cdef double batch_sum(const floating* rows, Py_ssize_t B) noexcept nogil:
    """The sum of (B,) rows in float64: eight virtual lanes and their tree."""
    cdef double[8] lane
    cdef Py_ssize_t b, j, full = B // 8 * 8
    memset(lane, 0, sizeof(lane))
    for b from 0 <= b < full by 8:
        for j in range(8):
            lane[j] += rows[b + j]
    for j in range(B - full):
        lane[j] += rows[full + j]
    return lanes_tree(<double*>lane)
