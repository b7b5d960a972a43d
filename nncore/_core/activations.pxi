# Activations and their derivatives, elementwise.
#
# A. The loops read one array and write another, in one pass over memory. In place, a block at a time is
#    copied beside first: the compiler makes vectors of a loop only where it can show that its arrays are
#    apart.
# B. Backward likewise: dx := dy * f'(y or x).
# C. The switch over the kind is outside the loops; the compiler turns each loop into full vectors.
# D. Comparisons are written so that a NaN fails them and what is left lets it through.
# E. Scalars come as an op has them, float64; which ones a kind reads is said where its loop is. Where an
#    activation is part of another op there is room for one: `activate` and its like.

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
    RELU6
    CELU
    SELU
    SOFTSIGN
    HARD_TANH
    HARD_SHRINK
    SOFT_SHRINK
    LOG_SIGMOID
    SQUAREPLUS
    SPARSE_PLUS
    SPARSE_SIGMOID
    GELU_TANH
    MISH
    HARD_SILU
    TANH_SHRINK
    SIGN
    GENERAL_RELU
    THRESHOLD
    N_ACTIVATIONS

cdef enum:
    BLOCK = 1024  # elements that a chain of elementwise steps takes at a time

cdef double ONE_SIXTH = 1.0 / 6.0
cdef double ONE_THIRD = 1.0 / 3.0
cdef double SELU_SCALE = 1.0507009873554804934193349852946  # Klambauer et al. 2017
cdef double SELU_ALPHA = 1.6732632423543772848170429916717


cdef inline floating magnitude(floating x) noexcept nogil:
    if floating is float:
        return fabsf(x)
    else:
        return fabs(x)


cdef void activate(int kind, const floating* x, floating* y, Py_ssize_t n, floating alpha) noexcept nogil:
    """y := f(x), f with one scalar at most"""
    cdef double s = alpha
    activate_with(kind, x, y, n, &s)


cdef void activate_backward(int kind, const floating* dy, const floating* s, floating* dx, Py_ssize_t n,
                            floating alpha) noexcept nogil:
    """dx := dy * f', f with one scalar at most"""
    cdef double scalar = alpha
    activate_backward_with(kind, dy, s, dx, n, &scalar)


cdef void activate_in_place(int kind, floating* y, Py_ssize_t n, floating alpha) noexcept nogil:
    """y := f(y), f with one scalar at most"""
    cdef double s = alpha
    activate_in_place_with(kind, y, n, &s)


cdef void activate_with(
    int kind,
    const floating* x,  # IN  (N,)
    floating* y,        # OUT (N,), apart from x
    Py_ssize_t n,
    const double* s,    # the kind's scalars
) noexcept nogil:
    """y := f(x)"""
    cdef Py_ssize_t i
    cdef floating alpha = <floating>s[0], beta, gamma, t, u
    cdef floating sixth = <floating>ONE_SIXTH, half = <floating>(0.5 * s[0])
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
    elif kind == LEAKY_RELU:  # the slope
        for i in range(n):
            t = alpha * x[i]
            y[i] = x[i] if x[i] > 0 else t
    elif kind == ELU:  # the scale
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
    elif kind == RELU6:
        for i in range(n):
            t = <floating>0 if x[i] <= 0 else x[i]
            y[i] = <floating>6 if t >= 6 else t
    elif kind == CELU:  # the scale
        for i in range(n):
            t = alpha * expm1(x[i] / alpha)
            y[i] = x[i] if x[i] > 0 else t
    elif kind == SELU:
        alpha, beta = <floating>SELU_SCALE, <floating>(SELU_SCALE * SELU_ALPHA)
        for i in range(n):
            t = alpha * x[i]
            u = beta * expm1(x[i])
            y[i] = t if x[i] > 0 else u
    elif kind == SOFTSIGN:
        for i in range(n):
            t = magnitude(x[i])
            u = <floating>1 if x[i] > 0 else <floating>-1
            t = x[i] / (<floating>1 + t)
            y[i] = u if magnitude(x[i]) == <floating>INFINITY else t
    elif kind == HARD_TANH:
        for i in range(n):
            t = <floating>-1 if x[i] <= -1 else x[i]
            y[i] = <floating>1 if t >= 1 else t
    elif kind == HARD_SHRINK:  # the threshold
        for i in range(n):
            y[i] = <floating>0 if magnitude(x[i]) <= alpha else x[i]
    elif kind == SOFT_SHRINK:  # the threshold
        for i in range(n):
            t = x[i] - alpha
            u = x[i] + alpha
            t = t if x[i] > 0 else u
            y[i] = <floating>0 if magnitude(x[i]) <= alpha else t
    elif kind == LOG_SIGMOID:
        for i in range(n):
            y[i] = -softplus(-x[i])
    elif kind == SQUAREPLUS:  # b
        for i in range(n):
            t = magnitude(x[i])
            u = root(fma(t, t, alpha))
            u = t if t * t == <floating>INFINITY else u
            u = half / (u + t)
            t = <floating>0 if x[i] <= 0 else x[i]
            y[i] = t + u
    elif kind == SPARSE_PLUS:
        for i in range(n):
            t = x[i] + <floating>1
            t = (t * t) * <floating>0.25
            t = <floating>0 if x[i] <= -1 else t
            y[i] = x[i] if x[i] >= 1 else t
    elif kind == SPARSE_SIGMOID:
        for i in range(n):
            t = fma(x[i], <floating>0.5, <floating>0.5)
            t = <floating>0 if t <= 0 else t
            y[i] = <floating>1 if t >= 1 else t
    elif kind == GELU_TANH:
        for i in range(n):
            y[i] = gelu_tanh(x[i])
    elif kind == MISH:
        for i in range(n):
            y[i] = mish(x[i])
    elif kind == HARD_SILU:
        for i in range(n):
            t = x[i] + <floating>3
            u = (x[i] * t) * sixth
            u = x[i] if t >= 6 else u
            y[i] = <floating>0 if t <= 0 else u
    elif kind == TANH_SHRINK:
        for i in range(n):
            y[i] = tanh_shrink(x[i])
    elif kind == SIGN:
        for i in range(n):
            t = <floating>1 if x[i] > 0 else <floating>0
            t = <floating>-1 if x[i] < 0 else t
            y[i] = x[i] if x[i] != x[i] else t
    elif kind == GENERAL_RELU:  # slope, largest value, threshold
        beta, gamma = <floating>s[1], <floating>s[2]
        for i in range(n):
            t = alpha * (x[i] - gamma)
            t = <floating>0 if alpha == 0 else t
            u = beta if x[i] >= beta else x[i]
            y[i] = t if x[i] <= gamma else u
    elif kind == THRESHOLD:  # the threshold, the value up to it
        beta = <floating>s[1]
        for i in range(n):
            y[i] = beta if x[i] <= alpha else x[i]


cdef void activate_backward_with(
    int kind,
    const floating* dy,  # IN (N,)
    const floating* s,   # IN (N,) what the derivative needs: x for gelu, silu and from GELU_TANH on, else y
    floating* dx,        # OUT (N,), apart from dy and s
    Py_ssize_t n,
    const double* scalars,
) noexcept nogil:
    """dx := dy * f'"""
    cdef Py_ssize_t i
    cdef floating alpha = <floating>scalars[0], beta, gamma, t, u
    cdef floating sixth = <floating>ONE_SIXTH, third = <floating>ONE_THIRD
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
    elif kind == RELU6:
        for i in range(n):
            t = dy[i] if (s[i] > 0) & (s[i] < 6) else <floating>0
            dx[i] = s[i] if s[i] != s[i] else t
    elif kind == CELU:
        for i in range(n):
            t = dy[i] * (s[i] / alpha + <floating>1)
            dx[i] = dy[i] if s[i] > 0 else t
    elif kind == SELU:
        alpha, beta = <floating>SELU_SCALE, <floating>(SELU_SCALE * SELU_ALPHA)
        for i in range(n):
            t = alpha if s[i] > 0 else s[i] + beta
            dx[i] = dy[i] * t
    elif kind == SOFTSIGN:
        for i in range(n):
            t = <floating>1 - magnitude(s[i])
            dx[i] = dy[i] * (t * t)
    elif kind == HARD_TANH:
        for i in range(n):
            t = dy[i] if (s[i] > -1) & (s[i] < 1) else <floating>0
            dx[i] = s[i] if s[i] != s[i] else t
    elif kind == HARD_SHRINK or kind == SOFT_SHRINK:  # no scalars: y is 0 just where x is shrunk to it
        for i in range(n):
            t = <floating>0 if s[i] == 0 else dy[i]
            dx[i] = s[i] if s[i] != s[i] else t
    elif kind == LOG_SIGMOID:
        for i in range(n):
            dx[i] = dy[i] * -expm1(s[i])
    elif kind == SQUAREPLUS:
        alpha = <floating>(0.25 * scalars[0])
        for i in range(n):
            dx[i] = dy[i] / (<floating>1 + alpha / (s[i] * s[i]))
    elif kind == SPARSE_PLUS:
        for i in range(n):
            t = dy[i] * root(s[i])
            t = <floating>0 if s[i] <= 0 else t
            dx[i] = dy[i] if s[i] >= 1 else t
    elif kind == SPARSE_SIGMOID:
        for i in range(n):
            t = dy[i] * <floating>0.5
            t = t if (s[i] > 0) & (s[i] < 1) else <floating>0
            dx[i] = s[i] if s[i] != s[i] else t
    elif kind == GELU_TANH:
        for i in range(n):
            dx[i] = dy[i] * gelu_tanh_grad(s[i])
    elif kind == MISH:
        for i in range(n):
            dx[i] = dy[i] * mish_grad(s[i])
    elif kind == HARD_SILU:
        for i in range(n):
            u = s[i] + <floating>3
            t = dy[i] * fma(s[i], third, <floating>0.5)
            t = dy[i] if u >= 6 else t
            dx[i] = <floating>0 if u <= 0 else t
    elif kind == TANH_SHRINK:
        for i in range(n):
            t = tanh(s[i])
            dx[i] = dy[i] * (t * t)
    elif kind == GENERAL_RELU:
        beta, gamma = <floating>scalars[1], <floating>scalars[2]
        for i in range(n):
            t = <floating>0 if alpha == 0 else alpha * dy[i]
            u = <floating>0 if s[i] >= beta else dy[i]
            t = t if s[i] <= gamma else u
            dx[i] = s[i] if s[i] != s[i] else t
    elif kind == THRESHOLD:  # the threshold alone
        for i in range(n):
            t = <floating>0 if s[i] <= alpha else dy[i]
            dx[i] = s[i] if s[i] != s[i] else t


cdef void activate_in_place_with(int kind, floating* y, Py_ssize_t n, const double* s) noexcept nogil:
    """y := f(y)"""
    cdef floating[BLOCK] beside
    cdef Py_ssize_t i, m
    if kind == IDENTITY:
        return
    for i from 0 <= i < n by BLOCK:
        m = min(<Py_ssize_t>BLOCK, n - i)
        memcpy(beside, y + i, m * sizeof(floating))
        activate_with(kind, <const floating*>beside, y + i, m, s)


cdef void activation_forward(int kind, const floating* x, floating* y, Py_ssize_t B, Py_ssize_t width,
                             const double* s, int thread, int n_threads) noexcept nogil:
    """y := f(x), y (B, width) apart from x or x itself"""
    cdef Py_ssize_t begin, end
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    begin, end = begin * width, end * width
    if x == y:
        activate_in_place_with(kind, y + begin, end - begin, s)
    else:
        activate_with(kind, x + begin, y + begin, end - begin, s)


cdef void activation_backward(int kind, const floating* dy, const floating* s, floating* dx, Py_ssize_t B,
                              Py_ssize_t width, const double* scalars, int thread,
                              int n_threads) noexcept nogil:
    """dx := dy * f'(s), dx (B, width) apart from dy and s or dy itself"""
    cdef floating[BLOCK] beside
    cdef Py_ssize_t begin, end, i, m
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    begin, end = begin * width, end * width
    if dy != dx:
        activate_backward_with(kind, dy + begin, s + begin, dx + begin, end - begin, scalars)
        return
    for i from begin <= i < end by BLOCK:
        m = min(<Py_ssize_t>BLOCK, end - i)
        memcpy(beside, dy + i, m * sizeof(floating))
        activate_backward_with(kind, <const floating*>beside, s + i, dx + i, m, scalars)


cdef void bias_activation_forward(
    int kind,
    const floating* x,  # IN (B, O)
    const floating* b,  # IN (O,)
    floating* y,        # OUT (B, O)
    Py_ssize_t B, Py_ssize_t O,
    const double* s, int thread, int n_threads,
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
            activate_with(kind, <const floating*>beside, y + begin * O + j0, rows * m, s)
        begin += rows
