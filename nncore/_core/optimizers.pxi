# Updates, elementwise over parameters, in blocks that stay in the first-level cache.
#
# State below the smallest normal number becomes +0: the momentum of a dead unit would stay subnormal, and
# slow, for ever.

cdef double SMALLEST_NORMAL_F32 = 1.1754943508222875e-38
cdef double SMALLEST_NORMAL_F64 = 2.2250738585072014e-308


cdef inline floating flushed(floating v) noexcept nogil:
    cdef floating least = <floating>(SMALLEST_NORMAL_F32 if floating is float else SMALLEST_NORMAL_F64)
    cdef floating size = -v if v < 0 else v
    return <floating>0 if size < least else v


cdef void sgd_update(
    floating* w,          # INOUT (N,)
    const floating* dw,   # IN    (N,)
    floating* velocity,   # INOUT (N,), or NULL when momentum is 0
    Py_ssize_t n,
    double learning_rate, double momentum, bint nesterov, double weight_decay, double l2,
    int thread, int n_threads,
) noexcept nogil:
    """g := dw + l2 w;  w := w - lr decay w;  v := momentum v - lr g;  w := w + v

    (nesterov: w + momentum v - lr g)"""
    cdef floating rate = <floating>learning_rate, m = <floating>momentum
    cdef floating penalty = <floating>l2, decay = <floating>(learning_rate * weight_decay), v
    cdef floating[BLOCK] g
    cdef const floating* gradient
    cdef Py_ssize_t begin, end, block, i, size
    nn_share(n, BLOCK, thread, n_threads, &begin, &end)
    for block from begin <= block < end by BLOCK:
        size = min(<Py_ssize_t>BLOCK, end - block)
        gradient = dw + block
        if penalty != 0:
            for i in range(size):
                g[i] = fma(penalty, w[block + i], gradient[i])
            gradient = <const floating*>g
        if decay != 0:
            for i in range(block, block + size):
                w[i] = fma(-decay, w[i], w[i])
        if velocity == NULL:
            sgd_plain(w + block, gradient, size, rate)
        elif nesterov:
            sgd_nesterov(w + block, gradient, velocity + block, size, rate, m)
        else:
            sgd_momentum(w + block, gradient, velocity + block, size, rate, m)


cdef void sgd_plain(floating* w, const floating* g, Py_ssize_t n, floating rate) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        w[i] = fma(-rate, g[i], w[i])


cdef void sgd_momentum(floating* w, const floating* g, floating* velocity, Py_ssize_t n, floating rate,
                       floating momentum) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating v
    for i in range(n):
        v = flushed(fma(momentum, velocity[i], -(rate * g[i])))
        velocity[i] = v
        w[i] = w[i] + v


cdef void sgd_nesterov(floating* w, const floating* g, floating* velocity, Py_ssize_t n, floating rate,
                       floating momentum) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating v, step
    for i in range(n):
        step = rate * g[i]
        v = flushed(fma(momentum, velocity[i], -step))
        velocity[i] = v
        w[i] = w[i] + fma(momentum, v, -step)
