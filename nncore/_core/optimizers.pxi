# Updates, elementwise over parameters, in blocks that stay in the first-level cache.
#
# A. What all elements of a step share is prepared once (`prepare_update`); `update_block` then serves a whole
#    array, a thread's share of one, or a tile that has just been computed.
# B. State below the smallest normal number becomes +0: the momentum of a dead unit would stay subnormal, and
#    slow, for ever.
# C. Powers of the betas are running products, kept in float64 as state: pow of the C library gives other bits
#    elsewhere.

from libc.math cimport NAN, fabs, fabsf, isfinite, isnan, sqrt, sqrtf

cdef struct Op

cdef double SMALLEST_NORMAL_F32 = 1.1754943508222875e-38
cdef double SMALLEST_NORMAL_F64 = 2.2250738585072014e-308

cdef enum UpdateKind:
    SGD_PLAIN
    SGD_MOMENTUM
    SGD_NESTEROV
    ADAM
    ADAM_AMSGRAD

cdef enum:
    NORM_BLOCK = 4096  # elements whose squares are summed together: a part of docs/bits.md

cdef struct Update:
    int kind
    double scale    # of the gradient
    double penalty  # l2
    double decay    # learning rate times weight decay
    double rate     # of SGD the learning rate, of Adam with both corrections of bias
    double momentum
    double share_1, share_2  # 1 - beta
    double epsilon


cdef Update prepare_update(const Op* op, double scheduled) noexcept nogil:
    """What the step needs of an op: pointers w, dw, three of state, powers of the betas, scale (or NULL);
    the learning rate of the step, or nan for the op's own."""
    cdef Update u
    cdef double rate = op.s[0] if isnan(scheduled) else scheduled
    cdef const double* powers = <const double*>op.p[5]
    memset(&u, 0, sizeof(u))
    u.scale = 1.0 if op.p[6] == NULL else (<const double*>op.p[6])[0]
    u.rate = rate
    if op.kernel == K_SGD_UPDATE:
        u.kind = SGD_PLAIN if op.p[2] == NULL else SGD_NESTEROV if op.s[2] != 0 else SGD_MOMENTUM
        u.momentum, u.decay, u.penalty = op.s[1], rate * op.s[3], op.s[4]
    else:
        u.kind = ADAM if op.p[4] == NULL else ADAM_AMSGRAD
        u.share_1, u.share_2, u.epsilon, u.decay = 1.0 - op.s[1], 1.0 - op.s[2], op.s[3], rate * op.s[4]
        u.rate = rate * sqrt(1.0 - powers[1]) / (1.0 - powers[0])
    return u


cdef void update_block(
    const Update* u,
    floating* w,        # INOUT (N,)
    const floating* g,  # IN    (N,) the gradient
    floating* s0,       # INOUT (N,) velocity of SGD with momentum, m of Adam
    floating* s1,       # INOUT (N,) v of Adam
    floating* s2,       # INOUT (N,) v_hat of Adam with amsgrad
    Py_ssize_t n,
) noexcept nogil:
    """g := scale g + l2 w;  w := w - decay w;  then the step of the kind; arrays that it has not are NULL"""
    cdef floating scale = <floating>u.scale, penalty = <floating>u.penalty, decay = <floating>u.decay
    cdef floating[BLOCK] changed
    cdef const floating* slope
    cdef Py_ssize_t block, size, i
    for block from 0 <= block < n by BLOCK:
        size = min(<Py_ssize_t>BLOCK, n - block)
        slope = g + block
        if scale != 1:
            for i in range(size):
                changed[i] = scale * slope[i]
            slope = <const floating*>changed
        if penalty != 0:
            for i in range(size):
                changed[i] = fma(penalty, w[block + i], slope[i])
            slope = <const floating*>changed
        if decay != 0:
            for i in range(block, block + size):
                w[i] = fma(-decay, w[i], w[i])
        if u.kind == SGD_PLAIN:
            sgd_plain(u, w + block, slope, size)
        elif u.kind == SGD_MOMENTUM:
            sgd_momentum(u, w + block, slope, s0 + block, size)
        elif u.kind == SGD_NESTEROV:
            sgd_nesterov(u, w + block, slope, s0 + block, size)
        elif u.kind == ADAM:
            adam(u, w + block, slope, s0 + block, s1 + block, size)
        elif u.kind == ADAM_AMSGRAD:
            adam_amsgrad(u, w + block, slope, s0 + block, s1 + block, s2 + block, size)


cdef void update(const Op* op, double rate, floating* w, const floating* g, floating* s0, floating* s1, floating* s2,
                 Py_ssize_t n, int thread, int n_threads) noexcept nogil:
    """`sgd_update` and `adam_update`: one thread's share of (N,) elements."""
    cdef Update u = prepare_update(op, rate)
    cdef Py_ssize_t begin, end
    nn_share(n, BLOCK, thread, n_threads, &begin, &end)
    update_block(&u, w + begin, g + begin, s0 + begin if s0 != NULL else s0,
                 s1 + begin if s1 != NULL else s1, s2 + begin if s2 != NULL else s2, end - begin)


cdef inline floating flushed(floating v) noexcept nogil:
    cdef floating least = <floating>(SMALLEST_NORMAL_F32 if floating is float else SMALLEST_NORMAL_F64)
    cdef floating size
    if floating is float:  # a statement: gcc warns of the branch that an expression would leave
        size = fabsf(v)
    else:
        size = fabs(v)
    return <floating>0 if size < least else v


cdef inline floating root(floating v) noexcept nogil:
    return sqrtf(v) if floating is float else sqrt(v)


cdef void sgd_plain(const Update* u, floating* w, const floating* g, Py_ssize_t n) noexcept nogil:
    cdef floating rate = <floating>u.rate
    cdef Py_ssize_t i
    for i in range(n):
        w[i] = fma(-rate, g[i], w[i])


cdef void sgd_momentum(const Update* u, floating* w, const floating* g, floating* velocity,
                       Py_ssize_t n) noexcept nogil:
    cdef floating rate = <floating>u.rate, momentum = <floating>u.momentum, v
    cdef Py_ssize_t i
    for i in range(n):
        v = flushed(fma(momentum, velocity[i], -(rate * g[i])))
        velocity[i] = v
        w[i] = w[i] + v


cdef void sgd_nesterov(const Update* u, floating* w, const floating* g, floating* velocity,
                       Py_ssize_t n) noexcept nogil:
    cdef floating rate = <floating>u.rate, momentum = <floating>u.momentum, v, step
    cdef Py_ssize_t i
    for i in range(n):
        step = rate * g[i]
        v = flushed(fma(momentum, velocity[i], -step))
        velocity[i] = v
        w[i] = w[i] + fma(momentum, v, -step)


cdef void adam(const Update* u, floating* w, const floating* g, floating* m, floating* v,
               Py_ssize_t n) noexcept nogil:
    """m := m + (1 - b1) (g - m);  v := v + (1 - b2) (g g - v);  w := w - rate m / (sqrt(v) + epsilon)"""
    cdef floating rate = <floating>u.rate, epsilon = <floating>u.epsilon
    cdef floating share_1 = <floating>u.share_1, share_2 = <floating>u.share_2, mean, square
    cdef Py_ssize_t i
    for i in range(n):
        mean = flushed(fma(share_1, g[i] - m[i], m[i]))
        square = flushed(fma(share_2, fma(g[i], g[i], -v[i]), v[i]))
        m[i] = mean
        v[i] = square
        w[i] = fma(-rate, mean / (root(square) + epsilon), w[i])


cdef void adam_amsgrad(const Update* u, floating* w, const floating* g, floating* m, floating* v,
                       floating* v_hat, Py_ssize_t n) noexcept nogil:
    """As `adam`, with v_hat := max(v_hat, v) in the root."""
    cdef floating rate = <floating>u.rate, epsilon = <floating>u.epsilon
    cdef floating share_1 = <floating>u.share_1, share_2 = <floating>u.share_2, mean, square, most
    cdef Py_ssize_t i
    for i in range(n):
        mean = flushed(fma(share_1, g[i] - m[i], m[i]))
        square = flushed(fma(share_2, fma(g[i], g[i], -v[i]), v[i]))
        most = flushed(v_hat[i])
        most = square if square > most else most
        most = square if square != square else most
        m[i] = mean
        v[i] = square
        v_hat[i] = most
        w[i] = fma(-rate, mean / (root(most) + epsilon), w[i])


cdef void square_sums(
    const floating* x,  # IN  (N,)
    double* sums,       # OUT (ceil(N / NORM_BLOCK),)
    Py_ssize_t n, int thread, int n_threads,
) noexcept nogil:
    """sums := of the squares of each block, in float64: eight virtual lanes and their tree"""
    cdef double[8] lane
    cdef double e
    cdef Py_ssize_t begin, end, first, full, i, j
    nn_share(n, NORM_BLOCK, thread, n_threads, &begin, &end)
    for first from begin <= first < end by NORM_BLOCK:
        full = first + min(<Py_ssize_t>NORM_BLOCK, end - first) // 8 * 8
        memset(lane, 0, sizeof(lane))
        for i from first <= i < full by 8:
            for j in range(8):
                e = x[i + j]
                lane[j] += e * e
        for j in range(min(<Py_ssize_t>NORM_BLOCK, end - first) % 8):
            e = x[full + j]
            lane[j] += e * e
        sums[first // NORM_BLOCK] = lanes_tree(<double*>lane)


cdef void clip_scale(
    const double* sums,  # IN  (N,)
    double* scale,       # OUT (2,) what gradients are multiplied by, and the sum of all sums
    Py_ssize_t n, double clip,
) noexcept nogil:
    """scale := clip / sqrt(sum) where that root is larger than clip, else 1; nan when it is not finite"""
    cdef double total = 0, norm
    cdef Py_ssize_t i
    for i in range(n):
        total += sums[i]
    norm = sqrt(total)
    scale[0], scale[1] = clip / norm if norm > clip else 1.0, total
    if not isfinite(norm):  # one that overflowed would silently stop the training
        scale[0] = norm - norm
