# Activations and their derivatives, elementwise.
#
# A. The loops read one array and write another, in one pass over memory. In place, a block at a time is
#    copied beside first: the compiler makes vectors of a loop only where it can show that its arrays are
#    apart.
# B. Backward likewise: dx := dy * f'(y or x).
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
    const floating* x,  # IN  (N,)
    floating* y,        # OUT (N,), apart from x
    Py_ssize_t n,
    floating alpha,     # slope of leaky_relu, scale of elu
) noexcept nogil:
    """y := f(x)"""
    cdef Py_ssize_t i
    cdef floating sixth = <floating>ONE_SIXTH, t
    if kind == IDENTITY:
        memcpy(y, x, n * sizeof(floating))
    elif kind == SIGMOID:
        for i in range(n):
            y[i] = sigmoid(x[i])
    elif kind == TANH:
        for i in range(n):
            y[i] = tanh(x[i])
    elif kind == RELU:
        for i in range(n):
            y[i] = <floating>0 if x[i] <= 0 else x[i]
    elif kind == LEAKY_RELU:
        for i in range(n):
            t = alpha * x[i]
            y[i] = x[i] if x[i] > 0 else t
    elif kind == ELU:
        for i in range(n):
            t = alpha * expm1(x[i])
            y[i] = x[i] if x[i] > 0 else t
    elif kind == EXPONENTIAL:
        for i in range(n):
            y[i] = exp(x[i])
    elif kind == HARD_SIGMOID:
        for i in range(n):
            t = fma(x[i], sixth, <floating>0.5)
            t = <floating>0 if t <= 0 else t
            y[i] = <floating>1 if t >= 1 else t
    elif kind == SOFTPLUS:
        for i in range(n):
            y[i] = softplus(x[i])
    elif kind == GELU:
        for i in range(n):
            y[i] = gelu(x[i])
    elif kind == SILU:
        for i in range(n):
            y[i] = silu(x[i])


cdef void activate_backward(
    int kind,
    const floating* dy,  # IN (N,)
    const floating* s,  # IN (N,) what the derivative needs: x for gelu and silu, y for the others
    floating* dx,       # OUT (N,), apart from dy and s
    Py_ssize_t n,
    floating alpha,
) noexcept nogil:
    """dx := dy * f'"""
    cdef Py_ssize_t i
    cdef floating sixth = <floating>ONE_SIXTH, t
    if kind == IDENTITY:
        memcpy(dx, dy, n * sizeof(floating))
    elif kind == SIGMOID:
        for i in range(n):
            dx[i] = dy[i] * (s[i] * (<floating>1 - s[i]))
    elif kind == TANH:
        for i in range(n):
            dx[i] = dy[i] * fma(-s[i], s[i], <floating>1)
    elif kind == RELU:
        for i in range(n):
            t = dy[i] if s[i] > 0 else <floating>0
            dx[i] = s[i] if s[i] != s[i] else t
    elif kind == LEAKY_RELU:
        for i in range(n):
            t = alpha * dy[i]
            t = dy[i] if s[i] > 0 else t
            dx[i] = s[i] if s[i] != s[i] else t
    elif kind == ELU:
        for i in range(n):
            t = dy[i] * (s[i] + alpha)
            dx[i] = dy[i] if s[i] > 0 else t
    elif kind == EXPONENTIAL:
        for i in range(n):
            dx[i] = dy[i] * s[i]
    elif kind == HARD_SIGMOID:
        for i in range(n):
            t = dy[i] * sixth
            t = t if (s[i] > 0) & (s[i] < 1) else <floating>0
            dx[i] = s[i] if s[i] != s[i] else t
    elif kind == SOFTPLUS:
        for i in range(n):
            dx[i] = dy[i] * -expm1(-s[i])
    elif kind == GELU:
        for i in range(n):
            dx[i] = dy[i] * gelu_grad(s[i])
    elif kind == SILU:
        for i in range(n):
            dx[i] = dy[i] * silu_grad(s[i])


cdef void activate_in_place(int kind, floating* y, Py_ssize_t n, floating alpha) noexcept nogil:
    """y := f(y)"""
    cdef floating[BLOCK] beside
    cdef Py_ssize_t i, m
    if kind == IDENTITY:
        return
    for i from 0 <= i < n by BLOCK:
        m = min(<Py_ssize_t>BLOCK, n - i)
        memcpy(beside, y + i, m * sizeof(floating))
        activate(kind, <const floating*>beside, y + i, m, alpha)


cdef void activation_forward(int kind, const floating* x, floating* y, Py_ssize_t B, Py_ssize_t width,
                             floating alpha, int thread, int n_threads) noexcept nogil:
    """y := f(x), y (B, width) apart from x or x itself"""
    cdef Py_ssize_t begin, end
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    begin, end = begin * width, end * width
    if x == y:
        activate_in_place(kind, y + begin, end - begin, alpha)
    else:
        activate(kind, x + begin, y + begin, end - begin, alpha)


cdef void activation_backward(int kind, const floating* dy, const floating* s, floating* dx, Py_ssize_t B,
                              Py_ssize_t width, floating alpha, int thread, int n_threads) noexcept nogil:
    """dx := dy * f'(s), dx (B, width) apart from dy and s or dy itself"""
    cdef floating[BLOCK] beside
    cdef Py_ssize_t begin, end, i, m
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    begin, end = begin * width, end * width
    if dy != dx:
        activate_backward(kind, dy + begin, s + begin, dx + begin, end - begin, alpha)
        return
    for i from begin <= i < end by BLOCK:
        m = min(<Py_ssize_t>BLOCK, end - i)
        memcpy(beside, dy + i, m * sizeof(floating))
        activate_backward(kind, <const floating*>beside, s + i, dx + i, m, alpha)


cdef void bias_activation_forward(
    int kind,
    const floating* x,  # IN (B, O)
    const floating* b,  # IN (O,)
    floating* y,        # OUT (B, O)
    Py_ssize_t B, Py_ssize_t O,
    floating alpha, int thread, int n_threads,
) noexcept nogil:
    """y := f(x + b)"""
    cdef floating[BLOCK] beside
    cdef Py_ssize_t begin, end, i, j, j0, m
    cdef Py_ssize_t width = min(O, <Py_ssize_t>BLOCK), rows = BLOCK // max(width, <Py_ssize_t>1)
    nn_share(B, rows, thread, n_threads, &begin, &end)
    while begin < end:  # a block: some whole rows, or a part of one
        rows = min(rows, end - begin)
        for j0 from 0 <= j0 < O by BLOCK:
            m = min(width, O - j0)
            for i in range(rows):
                for j in range(m):
                    beside[i * m + j] = x[(begin + i) * O + j0 + j] + b[j0 + j]
            activate(kind, <const floating*>beside, y + begin * O + j0, rows * m, alpha)
        begin += rows
