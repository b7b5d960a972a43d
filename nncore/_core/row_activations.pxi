# Activations that are more than a function of one element: with trained slopes, or of a whole row.
#
# A. The slopes of prelu belong to columns of a row, as many as it has elements, or fewer: a row is then
#    (G, S, C, T) elements and slope (g, c) serves S T of them. They are first laid out as the row is, so that
#    the loops know one case only.
# B. The gradient of the slopes is a sum over the batch in the order of that of a bias: chunks of CHUNK rows,
#    each from +0, added in order. Threads share out columns, hence bits do not depend on their number.
# C. Sparsemax by the iteration of Michelot (1986): from the mean over the row the threshold rises until no
#    more elements fall below it. Each round is a pass over a block of rows, turned as for softmax.
# D. Softmax and its like work along the last axis; another one is made the last before, and put back behind.
# E. The loops of glu on narrow rows go over some rows at once, whose gates are gathered first.


cdef inline floating row_sum(const floating* e, Py_ssize_t n) noexcept nogil:
    """The sum of e (N,) in virtual lanes."""
    cdef floating[MOST] lane
    cdef floating[MOST] rest
    cdef Py_ssize_t V = virtual_lanes(e), i, full = n // V * V
    memset(lane, 0, LINE)
    for i from 0 <= i < full by V:
        line_add(<floating*>lane, e + i)
    if full < n:
        memset(rest, 0, LINE)
        memcpy(rest, e + full, (n - full) * sizeof(floating))
        line_add(<floating*>lane, <const floating*>rest)
    return lanes_tree(<floating*>lane)


# ------------------------------------------------------------------ prelu
cdef inline const floating* laid_out(
    const floating* alpha,  # IN  (G, C)
    floating* to,           # OUT (W,), where S T is not 1
    Py_ssize_t W, Py_ssize_t S, Py_ssize_t C, Py_ssize_t T,
) noexcept nogil:
    """The slope of each element of a row (G, S, C, T)."""
    cdef Py_ssize_t g, s, c, t, i = 0
    if S * T == 1:
        return alpha
    for g in range(W // max(S * C * T, <Py_ssize_t>1)):
        for s in range(S):
            for c in range(C):
                for t in range(T):
                    to[i] = alpha[g * C + c]
                    i += 1
    return to


cdef void prelu_forward(
    const floating* x,      # IN  (B, W), a row is (G, S, C, T)
    const floating* alpha,  # IN  (G, C)
    floating* y,            # OUT (B, W)
    Py_ssize_t B, Py_ssize_t W, Py_ssize_t S, Py_ssize_t C, Py_ssize_t T,
    void* scratch, int thread, int n_threads,
) noexcept nogil:
    """y := x where x > 0, else alpha x"""
    cdef Py_ssize_t b, j, begin, end
    cdef floating t
    cdef const floating* slope = laid_out(alpha, <floating*>scratch, W, S, C, T)
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        for j in range(W):
            t = slope[j] * x[b * W + j]
            y[b * W + j] = x[b * W + j] if x[b * W + j] > 0 else t


cdef void prelu_backward(
    const floating* dy,     # IN  (B, W), a row is (G, S, C, T)
    const floating* x,      # IN  (B, W)
    const floating* alpha,  # IN  (G, C)
    floating* dx,           # OUT (B, W)
    floating* dalpha,       # OUT (G, C)
    Py_ssize_t B, Py_ssize_t W, Py_ssize_t S, Py_ssize_t C, Py_ssize_t T,
    void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dx := dy where x > 0, else alpha dy;  dalpha := sum of dy x where not x > 0"""
    cdef floating[BLOCK] acc
    cdef Py_ssize_t begin, end, j0, b0, b, j, m, g, s, c
    cdef Py_ssize_t groups = W // max(S * C * T, <Py_ssize_t>1)
    # Columns that share slopes stay together.
    cdef Py_ssize_t grain = T if groups == 1 and S == 1 else S * C * T
    cdef floating* total = <floating*>scratch + W
    cdef const floating* slope = laid_out(alpha, <floating*>scratch, W, S, C, T)
    cdef const floating* dy_b
    cdef const floating* x_b
    cdef floating* dx_b
    cdef floating t
    if grain == 1:
        grain = line_elements(x)
    nn_share(W, grain, thread, n_threads, &begin, &end)
    memset(total + begin, 0, (end - begin) * sizeof(floating))
    for j0 from begin <= j0 < end by BLOCK:
        m = min(<Py_ssize_t>BLOCK, end - j0)
        for b0 from 0 <= b0 < B by CHUNK:
            memset(acc, 0, m * sizeof(floating))
            for b in range(b0, min(B, b0 + CHUNK)):
                dy_b, x_b, dx_b = dy + b * W + j0, x + b * W + j0, dx + b * W + j0
                for j in range(m):
                    t = slope[j0 + j] * dy_b[j]
                    t = dy_b[j] if x_b[j] > 0 else t
                    dx_b[j] = x_b[j] if x_b[j] != x_b[j] else t
                    t = fma(dy_b[j], x_b[j], acc[j])
                    acc[j] = acc[j] if x_b[j] > 0 else t
            if b0 == 0:
                memcpy(total + j0, acc, m * sizeof(floating))
            else:
                for j in range(m):
                    total[j0 + j] = total[j0 + j] + acc[j]
    if S * T == 1:
        memcpy(dalpha + begin, total + begin, (end - begin) * sizeof(floating))
        return
    for g in range(groups):
        for c in range(C):
            j = g * S * C * T + c * T
            if begin <= j < end:
                t = 0
                for s in range(S):
                    t = t + row_sum(<const floating*>total + j + s * C * T, T)
                dalpha[g * C + c] = t


# ------------------------------------------------------------------ sparsemax
cdef void sparsemax(
    const floating* x,  # IN  (B, C)
    floating* y,        # OUT (B, C), x or another
    Py_ssize_t B, Py_ssize_t C, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """y := max(z - tau, 0), z = x - max, with tau such that the row adds up to 1"""
    cdef floating* z = <floating*>part(scratch, C, 0)
    cdef floating* above = <floating*>part(scratch, C, 1)
    cdef floating* counted = <floating*>part(scratch, C, 2)
    cdef floating* taus = <floating*>part(scratch, C, 3)  # a copy for each column: a loop of V has no vectors
    cdef floating* flat = <floating*>part(scratch, C, 4)
    cdef floating[MOST] tau
    cdef floating[MOST] total
    cdef floating[MOST] n
    cdef floating[MOST] before
    cdef Py_ssize_t V = virtual_lanes(x), b, c, i, r, rows, begin, end
    cdef floating t
    cdef bint rises
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        load_block(x + b * C, z, C, rows, flat)
        memcpy(total, z, LINE)
        for c in range(1, C):
            line_max(<floating*>total, z + c * V)
        for c in range(C):
            line_subtract(z + c * V, z + c * V, <const floating*>total)
        block_sum(z, <floating*>total, C)
        for r in range(V):
            before[r], tau[r] = <floating>C, (total[r] - <floating>1) / <floating>C
        rises = True
        while rises:
            rises = False
            for c in range(C):
                memcpy(taus + c * V, tau, LINE)
            for i in range(C * V):
                counted[i] = <floating>1 if z[i] > taus[i] else <floating>0
                above[i] = z[i] if z[i] > taus[i] else <floating>0
            block_sum(counted, <floating*>n, C)
            block_sum(above, <floating*>total, C)
            for r in range(V):
                if 0 < n[r] < before[r]:
                    before[r], tau[r] = n[r], (total[r] - <floating>1) / n[r]
                    rises = True
        for i in range(C * V):
            t = z[i] - taus[i]
            z[i] = <floating>0 if z[i] <= taus[i] else t
        store_block(z, y + b * C, C, rows, flat)


cdef void sparsemax_backward(
    const floating* dy,  # IN  (B, C)
    const floating* y,   # IN  (B, C)
    floating* dx,        # OUT (B, C), dy or another
    Py_ssize_t B, Py_ssize_t C, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dx := dy - (mean of dy over the elements with y > 0) there, else 0"""
    cdef floating* above = <floating*>scratch
    cdef Py_ssize_t b, c, begin, end, n
    cdef floating d, t
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        n = 0
        for c in range(C):
            above[c] = dy[b * C + c] if y[b * C + c] > 0 else <floating>0
            n += y[b * C + c] > 0
        d = row_sum(<const floating*>above, C) / <floating>n
        for c in range(C):
            t = dy[b * C + c] - d
            t = t if y[b * C + c] > 0 else <floating>0
            dx[b * C + c] = y[b * C + c] if y[b * C + c] != y[b * C + c] else t


# ------------------------------------------------------------------ glu
cdef inline Py_ssize_t gate_rows(Py_ssize_t C) noexcept nogil:
    """Rows whose gates are gathered, or 0 where a row is long enough for vectors of its own."""
    return BLOCK // max(C, <Py_ssize_t>1) if C < BLOCK // 8 else 0


cdef void glu_forward(
    const floating* x,  # IN  (B, 2 C)
    floating* y,        # OUT (B, C)
    Py_ssize_t B, Py_ssize_t C, int thread, int n_threads,
) noexcept nogil:
    """y := a sigmoid(b), with x = (a, b)"""
    cdef floating[BLOCK] gate
    cdef Py_ssize_t r, c, i, begin, end, rows = gate_rows(C)
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    if rows == 0:
        for r in range(begin, end):
            for c in range(C):
                y[r * C + c] = x[2 * r * C + c] * sigmoid(x[(2 * r + 1) * C + c])
        return
    while begin < end:
        rows = min(rows, end - begin)
        for r in range(rows):
            for c in range(C):
                gate[r * C + c] = x[(2 * (begin + r) + 1) * C + c]
        for i in range(rows * C):
            gate[i] = sigmoid(gate[i])
        for r in range(rows):
            for c in range(C):
                y[(begin + r) * C + c] = x[2 * (begin + r) * C + c] * gate[r * C + c]
        begin += rows


cdef void glu_backward(
    const floating* dy,  # IN  (B, C)
    const floating* x,   # IN  (B, 2 C)
    floating* dx,        # OUT (B, 2 C)
    Py_ssize_t B, Py_ssize_t C, int thread, int n_threads,
) noexcept nogil:
    """da := dy s;  db := dy a s (1 - s), with s = sigmoid(b)"""
    cdef floating[BLOCK] gate
    cdef Py_ssize_t r, c, i, begin, end, rows = gate_rows(C)
    cdef floating s, t
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    if rows == 0:
        for r in range(begin, end):
            for c in range(C):
                s = sigmoid(x[(2 * r + 1) * C + c])
                t = dy[r * C + c] * x[2 * r * C + c]
                dx[2 * r * C + c] = dy[r * C + c] * s
                dx[(2 * r + 1) * C + c] = t * (s * (<floating>1 - s))
        return
    while begin < end:
        rows = min(rows, end - begin)
        for r in range(rows):
            for c in range(C):
                gate[r * C + c] = x[(2 * (begin + r) + 1) * C + c]
        for i in range(rows * C):
            gate[i] = sigmoid(gate[i])
        for r in range(rows):
            for c in range(C):
                s = gate[r * C + c]
                t = dy[(begin + r) * C + c] * x[2 * (begin + r) * C + c]
                dx[2 * (begin + r) * C + c] = dy[(begin + r) * C + c] * s
                dx[(2 * (begin + r) + 1) * C + c] = t * (s * (<floating>1 - s))
        begin += rows


# ------------------------------------------------------------------ axes
cdef void move_axis(
    const floating* x,  # IN  (B, M, N)
    floating* y,        # OUT (B, N, M)
    Py_ssize_t B, Py_ssize_t M, Py_ssize_t N, int thread, int n_threads,
) noexcept nogil:
    """y[b] := x[b]^T"""
    cdef Py_ssize_t L = lanes(x), b, m, n, begin, end, full_m = M // L * L, full_n = N // L * L
    cdef const floating* x_b
    cdef floating* y_b
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        x_b, y_b = x + b * M * N, y + b * M * N
        for m from 0 <= m < full_m by L:
            for n from 0 <= n < full_n by L:
                transpose(x_b + m * N + n, N, y_b + n * M + m, M)
        for m in range(full_m):
            for n in range(full_n, N):
                y_b[n * M + m] = x_b[m * N + n]
        for m in range(full_m, M):
            for n in range(N):
                y_b[n * M + m] = x_b[m * N + n]
