# Penalties on weights and constraints of them.
#
# A. Weights are taken as they lie: where no sum crosses columns, what pads panels is a number of zeros more.
# B. Norms are sums in float64. Along the last axis they are lanes sums, along another one chains, a lane for
#    each column: there is no order that vectors like in both directions.

cdef enum:
    NORM_COLUMNS = 64  # columns whose norms are summed together


# ------------------------------------------------------------------ penalties
cdef inline void add_sizes(const floating* x, double* lane, Py_ssize_t n) noexcept nogil:
    """lane[j] := lane[j] + |x[8i + j]| in float64, for ascending i"""
    cdef Py_ssize_t full = n // 8 * 8, i, j
    cdef double[8] total
    memcpy(total, lane, sizeof(total))
    for i from 0 <= i < full by 8:
        for j in range(8):
            total[j] += size_of(x[i + j])
    for j in range(n - full):
        total[j] += size_of(x[full + j])
    memcpy(lane, total, sizeof(total))


cdef void penalty_sums(
    const floating* w,  # IN  (N,)
    double* sums,       # OUT (2, ceil(N / NORM_BLOCK)), +0 where nobody wants them
    Py_ssize_t n, double l1, double l2, int thread, int n_threads,
) noexcept nogil:
    """sums := of the sizes and of the squares of each block, as `square_sums`"""
    cdef double[8] lane
    cdef Py_ssize_t begin, end, first, size, blocks = (n + NORM_BLOCK - 1) // NORM_BLOCK
    nn_share(n, NORM_BLOCK, thread, n_threads, &begin, &end)
    for first from begin <= first < end by NORM_BLOCK:
        size = min(<Py_ssize_t>NORM_BLOCK, end - first)
        memset(lane, 0, sizeof(lane))
        if l1 != 0:
            add_sizes(w + first, <double*>lane, size)
        sums[first // NORM_BLOCK] = lanes_tree(<double*>lane)
        memset(lane, 0, sizeof(lane))
        if l2 != 0:
            add_squares(w + first, <double*>lane, size)
        sums[blocks + first // NORM_BLOCK] = lanes_tree(<double*>lane)


cdef void batch_weight(
    const floating* weight,  # IN  (B,) or NULL
    double* total,           # OUT (1,)
    Py_ssize_t B,
) noexcept nogil:
    """total := sum of the weights in float64, in order, so that rows of weight 0 might as well not be there;
    B without weights"""
    cdef Py_ssize_t b
    cdef double sum = 0
    if weight != NULL:
        for b in range(B):
            sum += weight[b]
    total[0] = sum if weight != NULL else B


cdef inline double divided(double factor, const double* divisor) noexcept nogil:
    """factor / divisor;  0 where that is 0: a batch whose rows all weigh nothing"""
    if divisor == NULL:
        return factor
    return factor / divisor[0] if divisor[0] != 0 else 0.0


cdef void penalty_value(
    const double* sums,     # IN  (2, N)
    const double* divisor,  # IN  (1,) or NULL
    double* value,          # OUT (1,)
    Py_ssize_t n, double l1, double l2,
) noexcept nogil:
    """value := (l1 / divisor) sum |w| + (l2 / divisor) sum w^2"""
    cdef double sizes = 0, squares = 0
    cdef Py_ssize_t i
    for i in range(n):
        sizes += sums[i]
        squares += sums[n + i]
    value[0] = divided(l1, divisor) * sizes + divided(l2, divisor) * squares


cdef inline void add_penalty(floating* to, const floating* dw, const floating* w, floating l1,
                             floating twice_l2, Py_ssize_t n) noexcept nogil:
    """to := dw + 2 l2 w + l1 sign(w); dw may be `to`"""
    cdef Py_ssize_t i
    cdef floating slope
    if l1 == 0:
        for i in range(n):
            to[i] = fma(twice_l2, w[i], dw[i])
    else:
        for i in range(n):
            slope = l1 if w[i] > 0 else w[i] - w[i]  # +0 or nan
            slope = -l1 if w[i] < 0 else slope
            to[i] = fma(twice_l2, w[i], dw[i]) + slope


cdef void penalty_gradient(
    floating* dw,           # INOUT (N,)
    const floating* w,      # IN    (N,)
    const double* divisor,  # IN    (1,) or NULL
    Py_ssize_t n, bint add, double l1, double l2, int thread, int n_threads,
) noexcept nogil:
    """dw := dw + (2 l2 w + l1 sign(w)) / divisor, or without the old one"""
    cdef Py_ssize_t begin, end
    l1, l2 = divided(l1, divisor), divided(l2, divisor)
    nn_share(n, BLOCK, thread, n_threads, &begin, &end)
    if not add:
        memset(dw + begin, 0, (end - begin) * sizeof(floating))
    if l1 != 0 or l2 != 0:
        add_penalty(dw + begin, <const floating*>dw + begin, w + begin, <floating>l1, <floating>(2.0 * l2),
                    end - begin)


# ------------------------------------------------------------------ constraints
cdef struct Norms:
    double least, most, rate


cdef inline double norm_factor(const Norms* norms, double squares) noexcept nogil:
    """What brings a vector with this sum of squares to the norm that is wanted."""
    cdef double norm = sqrt(squares), wanted = norm
    wanted = norms.least if wanted < norms.least else wanted
    wanted = norms.most if wanted > norms.most else wanted
    if norms.rate != 1:
        wanted = norms.rate * wanted + (1.0 - norms.rate) * norm
    return wanted / (1e-7 + norm)  # Keras's epsilon


cdef void constrain_columns(const Norms* norms, floating* w, Py_ssize_t rows, Py_ssize_t to_row,
                            Py_ssize_t columns) noexcept nogil:
    """Columns of w, at most NORM_COLUMNS, whose rows are to_row apart."""
    cdef double[NORM_COLUMNS] total
    cdef floating[NORM_COLUMNS] factor
    cdef floating* row
    cdef Py_ssize_t i, j
    cdef double e
    memset(total, 0, sizeof(total))
    for i in range(rows):
        row = w + i * to_row
        for j in range(columns):
            e = row[j]
            total[j] += e * e
    for j in range(columns):
        factor[j] = <floating>norm_factor(norms, total[j])
    for i in range(rows):
        row = w + i * to_row
        for j in range(columns):
            row[j] = row[j] * factor[j]


cdef void constrain_rows(const Norms* norms, floating* w, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t rows,
                         Py_ssize_t columns, bint in_panels) noexcept nogil:
    """The rows begin to end of w (rows, columns)."""
    cdef double[8] lane
    cdef floating* piece
    cdef floating factor
    cdef Py_ssize_t V = line_elements(w), lines = lines_of(columns, V), panels, p, i, j, first, size, width
    panels = panels_of(lines) if in_panels else 1
    for i in range(begin, end):
        memset(lane, 0, sizeof(lane))
        for p in range(panels):
            first, width = 0, columns
            if in_panels:
                first = panel_line(lines, p) * V
                width = panel_line(lines, p + 1) * V - first
            add_squares(<const floating*>w + first * rows + i * width, <double*>lane,
                        min(width, columns - first))
        factor = <floating>norm_factor(norms, lanes_tree(<double*>lane))
        for p in range(panels):
            first, width = 0, columns
            if in_panels:
                first = panel_line(lines, p) * V
                width = panel_line(lines, p + 1) * V - first
            piece, size = w + first * rows + i * width, min(width, columns - first)
            for j in range(size):
                piece[j] = piece[j] * factor


cdef void norm_constraint(
    floating* w,  # INOUT (A, N, C), or with A = 1 or C = 1 in panels
    Py_ssize_t A, Py_ssize_t N, Py_ssize_t C, bint in_panels,
    double least, double most, double rate, int thread, int n_threads,
) noexcept nogil:
    """w := w * wanted / (1e-7 + norm) along N; wanted := rate clip(norm) + (1 - rate) norm"""
    cdef Norms norms
    cdef Py_ssize_t V = line_elements(w), lines = lines_of(C, V), pieces, begin, end, p, a, first
    norms.least, norms.most, norms.rate = least, most, rate
    if C == 1:
        nn_share(A, 1, thread, n_threads, &begin, &end)
        constrain_rows(&norms, w, begin, end, A, N, in_panels and N > 1)
        return
    pieces = panels_of(lines) if in_panels else (C + NORM_COLUMNS - 1) // NORM_COLUMNS
    nn_share(A * pieces, 1, thread, n_threads, &begin, &end)
    for p in range(begin, end):
        if in_panels:
            first = panel_line(lines, p) * V
            constrain_columns(&norms, w + first * N, N, panel_line(lines, p + 1) * V - first,
                              min(panel_line(lines, p + 1) * V, C) - first)
        else:
            a, first = p // pieces, p % pieces * NORM_COLUMNS
            constrain_columns(&norms, w + a * N * C + first, N, C, min(<Py_ssize_t>NORM_COLUMNS, C - first))


cdef void non_negative(floating* w, Py_ssize_t n, int thread, int n_threads) noexcept nogil:
    """w := max(w, 0)"""
    cdef Py_ssize_t begin, end, i
    nn_share(n, BLOCK, thread, n_threads, &begin, &end)
    for i in range(begin, end):
        w[i] = <floating>0 if w[i] <= 0 else w[i]
