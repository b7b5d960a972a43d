# Activations and their derivatives, elementwise.
#
# A. Forward works in place on y, after a copy of x in blocks that stay in the first-level cache: one pointer
#    in the loop, so that the compiler need not ask whether two arrays overlap, and `y_out=x` costs nothing
#    more.
# B. Backward likewise: dx := dy, then dx := dx * f'(y or x), in place.
# C. The switch over the kind is outside the loops; the compiler turns each loop into full vectors.

cdef enum Activation:
    IDENTITY
    SIGMOID
    TANH
    RELU
    LEAKY_RELU
    ELU
    EXPONENTIAL
    HARD_SIGMOID
    SOFTPLUS
    GELU
    SILU
    N_ACTIVATIONS

cdef enum:
    BLOCK = 1024  # elements that a chain of elementwise steps takes at a time

cdef double ONE_SIXTH = 1.0 / 6.0


cdef void activate(
    int kind,
    floating* y,      # INOUT (N,)
    Py_ssize_t n,
    floating alpha,   # slope of leaky_relu, scale of elu
) noexcept nogil:
    """y := f(y)"""
    cdef Py_ssize_t i
    cdef floating sixth = <floating>ONE_SIXTH, t
    if kind == SIGMOID:
        for i in range(n):
            y[i] = sigmoid(y[i])
    elif kind == TANH:
        for i in range(n):
            y[i] = tanh(y[i])
    elif kind == RELU:
        for i in range(n):
            y[i] = <floating>0 if y[i] <= 0 else y[i]
    elif kind == LEAKY_RELU:
        for i in range(n):
            t = alpha * y[i]
            y[i] = y[i] if y[i] > 0 else t
    elif kind == ELU:
        for i in range(n):
            t = alpha * expm1(y[i])
            y[i] = y[i] if y[i] > 0 else t
    elif kind == EXPONENTIAL:
        for i in range(n):
            y[i] = exp(y[i])
    elif kind == HARD_SIGMOID:
        for i in range(n):
            t = fma(y[i], sixth, <floating>0.5)
            t = <floating>0 if t <= 0 else t
            y[i] = <floating>1 if t >= 1 else t
    elif kind == SOFTPLUS:
        for i in range(n):
            y[i] = softplus(y[i])
    elif kind == GELU:
        for i in range(n):
            y[i] = gelu(y[i])
    elif kind == SILU:
        for i in range(n):
            y[i] = silu(y[i])


cdef void activate_backward(
    int kind,
    const floating* s,  # IN (N,) what the derivative needs: x for gelu and silu, y for the others
    floating* dx,       # INOUT (N,) dy on entry
    Py_ssize_t n,
    floating alpha,
) noexcept nogil:
    """dx := dx * f'"""
    cdef Py_ssize_t i
    cdef floating sixth = <floating>ONE_SIXTH, t
    if kind == SIGMOID:
        for i in range(n):
            dx[i] = dx[i] * (s[i] * (<floating>1 - s[i]))
    elif kind == TANH:
        for i in range(n):
            dx[i] = dx[i] * fma(-s[i], s[i], <floating>1)
    elif kind == RELU:
        for i in range(n):
            t = dx[i] if s[i] > 0 else <floating>0
            dx[i] = s[i] if s[i] != s[i] else t
    elif kind == LEAKY_RELU:
        for i in range(n):
            t = alpha * dx[i]
            t = dx[i] if s[i] > 0 else t
            dx[i] = s[i] if s[i] != s[i] else t
    elif kind == ELU:
        for i in range(n):
            t = dx[i] * (s[i] + alpha)
            dx[i] = dx[i] if s[i] > 0 else t
    elif kind == EXPONENTIAL:
        for i in range(n):
            dx[i] = dx[i] * s[i]
    elif kind == HARD_SIGMOID:
        for i in range(n):
            t = dx[i] * sixth
            t = t if (s[i] > 0) & (s[i] < 1) else <floating>0
            dx[i] = s[i] if s[i] != s[i] else t
    elif kind == SOFTPLUS:
        for i in range(n):
            dx[i] = dx[i] * -expm1(-s[i])
    elif kind == GELU:
        for i in range(n):
            dx[i] = dx[i] * gelu_grad(s[i])
    elif kind == SILU:
        for i in range(n):
            dx[i] = dx[i] * silu_grad(s[i])


cdef void activation_forward(int kind, const floating* x, floating* y, Py_ssize_t n, floating alpha,
                             int thread, int n_threads) noexcept nogil:
    """y := f(x)"""
    cdef Py_ssize_t begin, end, i, m
    nn_share(n, BLOCK, thread, n_threads, &begin, &end)
    for i from begin <= i < end by BLOCK:
        m = min(<Py_ssize_t>BLOCK, end - i)
        if x != y:
            memcpy(y + i, x + i, m * sizeof(floating))
        activate(kind, y + i, m, alpha)


cdef void activation_backward(int kind, const floating* dy, const floating* s, floating* dx, Py_ssize_t n,
                              floating alpha, int thread, int n_threads) noexcept nogil:
    """dx := dy * f'(s)"""
    cdef Py_ssize_t begin, end, i, m
    nn_share(n, BLOCK, thread, n_threads, &begin, &end)
    for i from begin <= i < end by BLOCK:
        m = min(<Py_ssize_t>BLOCK, end - i)
        if dy != dx:
            memcpy(dx + i, dy + i, m * sizeof(floating))
        activate_backward(kind, s + i, dx + i, m, alpha)


cdef void bias_activation_forward(
    int kind,
    const floating* x,  # IN (B, O)
    const floating* b,  # IN (O,)
    floating* y,        # OUT (B, O)
    Py_ssize_t B, Py_ssize_t O,
    floating alpha, int thread, int n_threads,
) noexcept nogil:
    """y := f(x + b)"""
    cdef Py_ssize_t begin, end, i, j, j0, m
    cdef Py_ssize_t width = min(O, <Py_ssize_t>BLOCK), rows = BLOCK // max(width, <Py_ssize_t>1)
    nn_share(B, rows, thread, n_threads, &begin, &end)
    while begin < end:  # a block: some whole rows, or a part of one
        rows = min(rows, end - begin)
        for j0 from 0 <= j0 < O by BLOCK:
            m = min(width, O - j0)
            for i in range(begin, begin + rows):
                for j in range(j0, j0 + m):
                    y[i * O + j] = x[i * O + j] + b[j]
            activate(kind, y + begin * O + j0, rows * m, alpha)
        begin += rows
