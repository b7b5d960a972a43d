# Softmax, and losses with their gradient in one pass.
#
# A. Sums over a row run in virtual lanes, 64 bytes' worth on every ISA level, and end in a fixed halving tree; an
#    element beyond the row leaves its lane as it is. Lanes of one vector on v4 are two or four vectors elsewhere: the
#    bits are the same.
# B. Threads share out rows. A row's result depends on the row alone.
# C. Every loss takes (scale, weight): the gradient is that of mean over the batch of w_b l_b, scaled by 1 / B.

cdef enum:
    LINE = 64          # bytes in a set of virtual lanes

cdef double EPSILON = 1e-7  # Keras's clip of probabilities


cdef inline Py_ssize_t virtual_lanes(const floating* unused) noexcept nogil:
    return LINE // <Py_ssize_t>sizeof(floating)


cdef inline floating tree(floating* lane) noexcept nogil:
    """The halving tree over one set of virtual lanes; destroys them."""
    cdef Py_ssize_t j
    if floating is float:
        for j in range(8):
            lane[j] = lane[j] + lane[j + 8]
    for j in range(4):
        lane[j] = lane[j] + lane[j + 4]
    return (lane[0] + lane[2]) + (lane[1] + lane[3])


cdef inline void add_lanes(floating* lane, const floating* e, Py_ssize_t m) noexcept nogil:
    """lane := lane + e for the first m lanes, m at most a full set."""
    cdef Py_ssize_t j, V = virtual_lanes(e)
    if m == V:
        for j in range(LINE // <Py_ssize_t>sizeof(floating)):
            lane[j] += e[j]
    else:
        for j in range(m):
            lane[j] += e[j]


cdef floating lanes_sum(const floating* e, Py_ssize_t n) noexcept nogil:
    cdef floating[16] lane
    cdef Py_ssize_t i, V = virtual_lanes(e)
    memset(lane, 0, sizeof(lane))
    for i from 0 <= i < n by V:
        add_lanes(lane, e + i, min(V, n - i))
    return tree(<floating*>lane)


cdef floating row_max(const floating* x, Py_ssize_t n) noexcept nogil:
    """The largest element; one that is nan is passed over (its exponential will show it)."""
    cdef floating[16] lane
    cdef floating top
    cdef Py_ssize_t i, j, V = virtual_lanes(x)
    for j in range(LINE // <Py_ssize_t>sizeof(floating)):
        lane[j] = -INFINITY
    for i from 0 <= i < n - V + 1 by V:
        for j in range(LINE // <Py_ssize_t>sizeof(floating)):
            lane[j] = x[i + j] if x[i + j] > lane[j] else lane[j]
    for j in range(n // V * V, n):
        lane[0] = x[j] if x[j] > lane[0] else lane[0]
    top = lane[0]
    for j in range(1, V):
        top = lane[j] if lane[j] > top else top
    return top


cdef floating exp_row(const floating* x, floating* e, Py_ssize_t n, floating m) noexcept nogil:
    """e := exp(x - m); returns the sum of e. x and e may be the same."""
    cdef floating[16] lane
    cdef floating[16] part
    cdef Py_ssize_t i, j, r, V = virtual_lanes(x)
    memset(lane, 0, sizeof(lane))
    for i from 0 <= i < n - V + 1 by V:
        for j in range(LINE // <Py_ssize_t>sizeof(floating)):
            part[j] = exp(x[i + j] - m)
        for j in range(LINE // <Py_ssize_t>sizeof(floating)):
            lane[j] += part[j]
        memcpy(e + i, part, LINE)
    i = n // V * V
    r = n - i
    if r > 0:  # the rest: a whole set of lanes is computed, and what lies beyond adds +0
        for j in range(LINE // <Py_ssize_t>sizeof(floating)):
            part[j] = -INFINITY
        memcpy(part, x + i, r * sizeof(floating))
        for j in range(LINE // <Py_ssize_t>sizeof(floating)):
            part[j] = exp(part[j] - m)
        if m == -INFINITY:
            for j in range(r, V):
                part[j] = 0
        for j in range(LINE // <Py_ssize_t>sizeof(floating)):
            lane[j] += part[j]
        memcpy(e + i, part, r * sizeof(floating))
    return tree(<floating*>lane)


cdef inline void scale_row(floating* y, Py_ssize_t n, floating factor) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = y[i] * factor


cdef void softmax(
    const floating* x,  # IN  (B, C)
    floating* y,        # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C, int thread, int n_threads,
) noexcept nogil:
    """y := exp(x - max) / sum"""
    cdef Py_ssize_t b, begin, end
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        scale_row(y + b * C, C, 1 / exp_row(x + b * C, y + b * C, C, row_max(x + b * C, C)))


cdef void log_softmax(
    const floating* x,  # IN  (B, C)
    floating* y,        # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C, int thread, int n_threads,
) noexcept nogil:
    """y := x - max - log(sum of exp(x - max))"""
    cdef Py_ssize_t b, c, begin, end
    cdef floating m, lse
    cdef floating[BLOCK] part
    cdef floating[16] lane
    cdef Py_ssize_t i
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        m = row_max(x + b * C, C)
        memset(lane, 0, sizeof(lane))
        for i from 0 <= i < C by BLOCK:  # exponentials go to a block beside, since y may be x
            c = min(<Py_ssize_t>BLOCK, C - i)
            exp_block(x + b * C + i, <floating*>part, c, m, <floating*>lane)
        lse = log(tree(<floating*>lane))
        for c in range(C):
            y[b * C + c] = (x[b * C + c] - m) - lse


cdef inline void exp_block(const floating* x, floating* e, Py_ssize_t n, floating m, floating* lane) noexcept nogil:
    """lane := lane + exp(x - m), in virtual lanes; e is scratch"""
    cdef Py_ssize_t i, V = virtual_lanes(x)
    for i in range(n):
        e[i] = exp(x[i] - m)
    for i from 0 <= i < n by V:
        add_lanes(lane, e + i, min(V, n - i))


cdef void softmax_backward(
    const floating* dy,  # IN  (B, C)
    const floating* y,   # IN  (B, C)
    floating* dx,        # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C, int thread, int n_threads,
) noexcept nogil:
    """dx := y * (dy - sum(dy * y))"""
    cdef Py_ssize_t b, c, i, begin, end, V = virtual_lanes(y)
    cdef floating d
    cdef floating[16] lane
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        memset(lane, 0, sizeof(lane))
        for i from 0 <= i < C by V:
            for c in range(i, min(i + V, C)):
                lane[c - i] += dy[b * C + c] * y[b * C + c]
        d = tree(<floating*>lane)
        for c in range(C):
            dx[b * C + c] = y[b * C + c] * (dy[b * C + c] - d)


cdef void log_softmax_backward(
    const floating* dy,  # IN  (B, C)
    const floating* y,   # IN  (B, C)
    floating* dx,        # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C, int thread, int n_threads,
) noexcept nogil:
    """dx := dy - exp(y) * sum(dy)"""
    cdef Py_ssize_t b, c, begin, end
    cdef floating d
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        d = lanes_sum(dy + b * C, C)
        for c in range(b * C, b * C + C):
            dx[c] = fma(-exp(y[c]), d, dy[c])


cdef inline floating row_scale(const floating* weight, Py_ssize_t b, floating batch) noexcept nogil:
    """w_b / B"""
    return (weight[b] if weight != NULL else <floating>1) / batch


cdef void softmax_cross_entropy(
    const floating* logits,  # IN  (B, C)
    const int64_t* ids,      # IN  (B,) class ids, or NULL
    const floating* target,  # IN  (B, C) when ids is NULL
    const floating* weight,  # IN  (B,) or NULL
    floating* rows,          # OUT (B,) w_b l_b
    floating* dlogits,       # OUT (B, C), not logits
    Py_ssize_t B, Py_ssize_t C, int thread, int n_threads,
) noexcept nogil:
    """l := -sum(t * log_softmax(z));  dlogits := (sum(t) * softmax(z) - t) * w / B"""
    cdef Py_ssize_t b, c, i, begin, end, V = virtual_lanes(logits)
    cdef const floating* z
    cdef const floating* t
    cdef floating* d
    cdef floating m, s, inverse, lse, loss, total, g, term
    cdef floating[16] lane
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        z, d = logits + b * C, dlogits + b * C
        m = row_max(z, C)
        s = exp_row(z, d, C, m)
        lse, inverse, g = log(s), 1 / s, row_scale(weight, b, <floating>B)
        if ids != NULL:
            loss = lse - (z[ids[b]] - m)
            for c in range(C):
                d[c] = (d[c] * inverse) * g
            d[ids[b]] = (exp(z[ids[b]] - m) * inverse - 1) * g
        else:
            t = target + b * C
            total = lanes_sum(t, C)
            memset(lane, 0, sizeof(lane))
            for i from 0 <= i < C by V:
                for c in range(i, min(i + V, C)):
                    term = t[c] * (lse - (z[c] - m))
                    lane[c - i] += term if t[c] != 0 else <floating>0
            loss = tree(<floating*>lane)
            for c in range(C):
                d[c] = fma(total, d[c] * inverse, -t[c]) * g
        rows[b] = weight[b] * loss if weight != NULL else loss


cdef void sigmoid_binary_cross_entropy(
    const floating* logits,  # IN  (B, O)
    const floating* target,  # IN  (B, O)
    const floating* weight,  # IN  (B,) or NULL
    floating* rows,          # OUT (B,) w_b l_b
    floating* dlogits,       # OUT (B, O)
    Py_ssize_t B, Py_ssize_t O, int thread, int n_threads,
) noexcept nogil:
    """l := mean(max(z, 0) - z t + log(1 + exp(-|z|)));  dlogits := (sigmoid(z) - t) * w / (B O)"""
    cdef Py_ssize_t b, c, i, n, begin, end
    cdef floating share = 1 / <floating>O, g, loss, top, size
    cdef const floating* z
    cdef const floating* t
    cdef floating[BLOCK] part
    cdef floating[16] lane
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        g = row_scale(weight, b, <floating>B) * share
        memset(lane, 0, sizeof(lane))
        for i from 0 <= i < O by BLOCK:
            n = min(<Py_ssize_t>BLOCK, O - i)
            z, t = logits + b * O + i, target + b * O + i
            for c in range(n):
                top = <floating>0 if z[c] <= 0 else z[c]
                size = -z[c] if z[c] > 0 else z[c]
                part[c] = fma(-z[c], t[c], top) + log1p(exp(size))
            add_row(<floating*>lane, <const floating*>part, n)
            for c in range(n):
                part[c] = (sigmoid(z[c]) - t[c]) * g
            memcpy(dlogits + b * O + i, part, n * sizeof(floating))
        loss = tree(<floating*>lane) * share
        rows[b] = weight[b] * loss if weight != NULL else loss


cdef inline void add_row(floating* lane, const floating* e, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, V = virtual_lanes(e)
    for i from 0 <= i < n by V:
        add_lanes(lane, e + i, min(V, n - i))


cdef void mean_squared_error(
    const floating* y_pred,  # IN  (B, O)
    const floating* target,  # IN  (B, O)
    const floating* weight,  # IN  (B,) or NULL
    floating* rows,          # OUT (B,) w_b l_b
    floating* dy_pred,       # OUT (B, O), or NULL: the rows alone
    Py_ssize_t B, Py_ssize_t O, int thread, int n_threads,
) noexcept nogil:
    """l := mean((p - t)^2);  dy_pred := 2 (p - t) * w / (B O)"""
    cdef Py_ssize_t b, c, i, n, begin, end
    cdef floating share = 1 / <floating>O, g, loss, d
    cdef const floating* p
    cdef const floating* t
    cdef floating[BLOCK] part
    cdef floating[16] lane
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        g = row_scale(weight, b, <floating>B) * share
        memset(lane, 0, sizeof(lane))
        for i from 0 <= i < O by BLOCK:
            n = min(<Py_ssize_t>BLOCK, O - i)
            p, t = y_pred + b * O + i, target + b * O + i
            for c in range(n):
                d = p[c] - t[c]
                part[c] = d * d
            add_row(<floating*>lane, <const floating*>part, n)
            if dy_pred != NULL:
                for c in range(n):
                    d = p[c] - t[c]
                    part[c] = (d + d) * g
                memcpy(dy_pred + b * O + i, part, n * sizeof(floating))
        loss = tree(<floating*>lane) * share
        rows[b] = weight[b] * loss if weight != NULL else loss


cdef inline floating clip_probability(floating p) noexcept nogil:
    """p within [1e-7, 1 - 1e-7]; nan stays."""
    cdef floating low = <floating>EPSILON, high = <floating>1 - <floating>EPSILON
    p = low if p < low else p
    return high if p > high else p


cdef void binary_cross_entropy(
    const floating* y_pred,  # IN  (B, O) probabilities
    const floating* target,  # IN  (B, O)
    const floating* weight,  # IN  (B,) or NULL
    floating* rows,          # OUT (B,) w_b l_b
    floating* dy_pred,       # OUT (B, O)
    Py_ssize_t B, Py_ssize_t O, int thread, int n_threads,
) noexcept nogil:
    """l := -mean(t log(q) + (1 - t) log(1 - q)), q = clip(p);  dy_pred := (q - t) / (q (1 - q)) * w / (B O) inside the clip"""
    cdef Py_ssize_t b, c, i, n, begin, end
    cdef floating share = 1 / <floating>O, g, loss, q, d
    cdef const floating* p
    cdef const floating* t
    cdef floating[BLOCK] part
    cdef floating[16] lane
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        g = row_scale(weight, b, <floating>B) * share
        memset(lane, 0, sizeof(lane))
        for i from 0 <= i < O by BLOCK:
            n = min(<Py_ssize_t>BLOCK, O - i)
            p, t = y_pred + b * O + i, target + b * O + i
            for c in range(n):
                q = clip_probability(p[c])
                part[c] = fma(-t[c], log(q), -((1 - t[c]) * log1p(-q)))
            add_row(<floating*>lane, <const floating*>part, n)
            for c in range(n):
                q = clip_probability(p[c])
                d = (q - t[c]) / (q * (1 - q)) * g
                d = d if q == p[c] else <floating>0
                part[c] = q if q != q else d
            memcpy(dy_pred + b * O + i, part, n * sizeof(floating))
        loss = tree(<floating*>lane) * share
        rows[b] = weight[b] * loss if weight != NULL else loss


cdef void categorical_cross_entropy(
    const floating* y_pred,  # IN  (B, C) probabilities, divided by their sum
    const int64_t* ids,      # IN  (B,) class ids, or NULL
    const floating* target,  # IN  (B, C) when ids is NULL
    const floating* weight,  # IN  (B,) or NULL
    floating* rows,          # OUT (B,) w_b l_b
    floating* dy_pred,       # OUT (B, C), not y_pred
    Py_ssize_t B, Py_ssize_t C, int thread, int n_threads,
) noexcept nogil:
    """l := -sum(t log(q)), q = clip(u), u = p / sum(p);  dy_pred := (sum(v u) - v) / sum(p) * w / B, v = t / q inside the clip"""
    cdef Py_ssize_t b, c, i, begin, end, V = virtual_lanes(y_pred)
    cdef const floating* p
    cdef floating* d
    cdef floating inverse, loss, g, t, u, q, v, term, pull
    cdef floating[16] lane
    cdef floating[16] pull_lane
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        p, d = y_pred + b * C, dy_pred + b * C
        inverse, g = 1 / lanes_sum(p, C), row_scale(weight, b, <floating>B)
        memset(lane, 0, sizeof(lane))
        memset(pull_lane, 0, sizeof(pull_lane))
        for i from 0 <= i < C by V:
            for c in range(i, min(i + V, C)):
                t = target[b * C + c] if ids == NULL else <floating>(ids[b] == c)
                u = p[c] * inverse
                q = clip_probability(u)
                term = -t * log(q)
                lane[c - i] += term if t != 0 else <floating>0
                v = t / q if q == u else <floating>0
                v = q if q != q else v
                pull_lane[c - i] += v * u
                d[c] = v
        loss, pull = tree(<floating*>lane), tree(<floating*>pull_lane)
        for c in range(C):
            d[c] = ((pull - d[c]) * inverse) * g
        rows[b] = weight[b] * loss if weight != NULL else loss


cdef double batch_sum(const floating* rows, Py_ssize_t B) noexcept nogil:
    """The sum of (B,) rows in float64: eight virtual lanes and their tree."""
    cdef double[8] lane
    cdef Py_ssize_t b
    memset(lane, 0, sizeof(lane))
    for b in range(B):
        lane[b % 8] += rows[b]
    return tree(<double*>lane)
