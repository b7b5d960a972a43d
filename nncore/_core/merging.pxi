# Layers that bring several arrays together: elementwise over up to NN_MERGED of them, joined, cut and summed
# along an axis. Gradients of a value that several ops read are added up here, too.
#
# A. Elementwise ops take the arrays in order, a block at a time: the block of the result stays in the
#    first-level cache, so that n inputs cost one pass over memory and not n - 1.
# B. An axis is seen as (outer, n, inner) in each row of the batch. Threads share out whole rows of the batch.

cdef enum MergeKind:
    MERGE_ADD
    MERGE_SUBTRACT
    MERGE_MULTIPLY
    MERGE_MAXIMUM
    MERGE_MINIMUM
    MERGE_SCALE  # one array, by a scalar
    N_MERGE_KINDS

cdef enum:
    COPY_ROWS = 64  # rows that are joined together: their part of the result stays in the cache


cdef void merge_two(
    int kind,
    const floating* a,  # IN  (N,)
    const floating* b,  # IN  (N,)
    floating* y,        # OUT (N,), apart from a and b
    Py_ssize_t n,
) noexcept nogil:
    """y := a kind b; a nan in a or b gives nan"""
    cdef Py_ssize_t i
    cdef floating t
    if kind == MERGE_ADD:
        for i in range(n):
            y[i] = a[i] + b[i]
    elif kind == MERGE_SUBTRACT:
        for i in range(n):
            y[i] = a[i] - b[i]
    elif kind == MERGE_MULTIPLY:
        for i in range(n):
            y[i] = a[i] * b[i]
    elif kind == MERGE_MAXIMUM:
        for i in range(n):
            t = b[i] if b[i] > a[i] else a[i]
            y[i] = b[i] if b[i] != b[i] else t
    elif kind == MERGE_MINIMUM:
        for i in range(n):
            t = b[i] if b[i] < a[i] else a[i]
            y[i] = b[i] if b[i] != b[i] else t


cdef void merge_more(int kind, const floating* b, floating* y, Py_ssize_t n) noexcept nogil:
    """y := y kind b: `merge_two` with a = y, of which the compiler could not make vectors"""
    cdef Py_ssize_t i
    cdef floating t
    if kind == MERGE_ADD:
        for i in range(n):
            y[i] = y[i] + b[i]
    elif kind == MERGE_SUBTRACT:
        for i in range(n):
            y[i] = y[i] - b[i]
    elif kind == MERGE_MULTIPLY:
        for i in range(n):
            y[i] = y[i] * b[i]
    elif kind == MERGE_MAXIMUM:
        for i in range(n):
            t = b[i] if b[i] > y[i] else y[i]
            y[i] = b[i] if b[i] != b[i] else t
    elif kind == MERGE_MINIMUM:
        for i in range(n):
            t = b[i] if b[i] < y[i] else y[i]
            y[i] = b[i] if b[i] != b[i] else t


cdef void merge(
    const Op* op,  # p: OUT y, then IN arrays (N,), the first may be y; n[1] count, n[2] kind, s[0] factor
    floating* y, Py_ssize_t begin, Py_ssize_t end,
) noexcept nogil:
    """y := x_0 kind x_1 kind x_2 ..., from left to right"""
    cdef Py_ssize_t first, m, i, k, count = op.n[1]
    cdef int kind = <int>op.n[2]
    cdef floating factor
    cdef const floating* x = <const floating*>op.p[1]
    if kind == MERGE_SCALE:
        factor = <floating>op.s[0]
        for i in range(begin, end):
            y[i] = factor * x[i]
        return
    if count == 1:
        memcpy(y + begin, x + begin, (end - begin) * sizeof(floating))
        return
    for first from begin <= first < end by BLOCK:
        m = min(<Py_ssize_t>BLOCK, end - first)
        if x != y:
            merge_two(kind, x + first, <const floating*>op.p[2] + first, y + first, m)
        for k in range(2 if x != y else 1, count):
            merge_more(kind, <const floating*>op.p[k + 1] + first, y + first, m)


cdef void extremum_backward(
    const Op* op,  # p: OUT dx, IN dy, y, then IN count inputs, all (N,): the last one's gradient; n[1] count
    floating* dx, Py_ssize_t begin, Py_ssize_t end,
) noexcept nogil:
    """dx := dy where the last of the inputs is y and none before it is, else +0; nan where y is nan"""
    cdef const floating* dy = <const floating*>op.p[1]
    cdef const floating* y = <const floating*>op.p[2]
    cdef const floating* x = <const floating*>op.p[2 + op.n[1]]
    cdef Py_ssize_t first, last, i, k
    cdef floating t
    for first from begin <= first < end by BLOCK:
        last = min(first + BLOCK, end)
        x = <const floating*>op.p[2 + op.n[1]]
        for i in range(first, last):
            t = dy[i] if x[i] == y[i] else <floating>0
            dx[i] = y[i] if y[i] != y[i] else t
        for k in range(op.n[1] - 1):
            x = <const floating*>op.p[3 + k]
            for i in range(first, last):
                dx[i] = <floating>0 if x[i] == y[i] else dx[i]


cdef void copy_strided(
    const floating* x, Py_ssize_t x_row,  # IN  (rows, width) at a stride
    floating* y, Py_ssize_t y_row,        # OUT (rows, width) at a stride
    Py_ssize_t rows, Py_ssize_t width,
) noexcept nogil:
    """y := x"""
    cdef Py_ssize_t r, size = width * sizeof(floating)
    if width == x_row and width == y_row:
        memcpy(y, x, rows * size)
    elif width == 1:
        for r in range(rows):
            y[r * y_row] = x[r * x_row]
    elif size > 64:
        for r in range(rows):
            memcpy(y + r * y_row, x + r * x_row, size)
    # A call would cost more than the copy: two pieces of a fixed size, which may overlap.
    elif size > 32:
        for r in range(rows):
            memcpy(y + r * y_row, x + r * x_row, 32)
            memcpy(<char*>(y + r * y_row) + size - 32, <const char*>(x + r * x_row) + size - 32, 32)
    elif size > 16:
        for r in range(rows):
            memcpy(y + r * y_row, x + r * x_row, 16)
            memcpy(<char*>(y + r * y_row) + size - 16, <const char*>(x + r * x_row) + size - 16, 16)
    elif size > 0:
        for r in range(rows):
            memcpy(y + r * y_row, x + r * x_row, 8)
            memcpy(<char*>(y + r * y_row) + size - 8, <const char*>(x + r * x_row) + size - 8, 8)


cdef void concatenate(
    const Op* op,  # p: OUT y (B, outer, row), then IN (B, outer, width); n: widths, outer last; s[0] row
    floating* y, Py_ssize_t B, int thread, int n_threads,
) noexcept nogil:
    """y := the inputs side by side; s[1] is the column of y that they begin at"""
    cdef Py_ssize_t begin, end, first, rows, k, to, width = <Py_ssize_t>op.s[0]
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    begin, end = begin * op.n[NN_MERGED], end * op.n[NN_MERGED]
    for first from begin <= first < end by COPY_ROWS:
        rows = min(<Py_ssize_t>COPY_ROWS, end - first)
        to = first * width + <Py_ssize_t>op.s[1]
        for k in range(NN_MERGED):
            copy_strided(<const floating*>op.p[k + 1] + first * op.n[k], op.n[k], y + to, width, rows,
                         op.n[k])
            to += op.n[k]


cdef void slice_columns(
    const floating* x,  # IN  (B * outer, row)
    floating* y,        # OUT (B * outer, width)
    Py_ssize_t B, Py_ssize_t width, Py_ssize_t row, Py_ssize_t start, Py_ssize_t outer, int thread,
    int n_threads,
) noexcept nogil:
    """y := x[:, start : start + width]"""
    cdef Py_ssize_t begin, end
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    begin, end = begin * outer, end * outer
    copy_strided(x + begin * row + start, row, y + begin * width, width, end - begin, width)


cdef void repeat(
    const floating* x,  # IN  (B * outer, inner)
    floating* y,        # OUT (B * outer, n, inner)
    Py_ssize_t B, Py_ssize_t inner, Py_ssize_t n, Py_ssize_t outer, int thread, int n_threads,
) noexcept nogil:
    """y := x, n times"""
    cdef Py_ssize_t begin, end, r, i
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for r in range(begin * outer, end * outer):
        if inner == 1:
            for i in range(r * n, r * n + n):
                y[i] = x[r]
        else:
            copy_strided(x + r * inner, 0, y + r * n * inner, inner, n, inner)


cdef void axis_sum(
    const floating* x,  # IN  (B * outer, n, inner)
    floating* y,        # OUT (B * outer, inner)
    Py_ssize_t B, Py_ssize_t inner, Py_ssize_t n, Py_ssize_t outer, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """y := sum over n: one chain where inner > 1, in virtual lanes where the axis is the last one"""
    cdef Py_ssize_t V = virtual_lanes(x), begin, end, r, i, f, rows
    cdef floating[MOST] lane
    cdef floating[MOST] rest
    cdef floating* to
    cdef const floating* source
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    begin, end = begin * outer, end * outer
    if inner > 1:
        for r in range(begin, end):
            to, source = y + r * inner, x + r * n * inner
            memset(to, 0, inner * sizeof(floating))
            for i in range(n):
                for f in range(inner):
                    to[f] = to[f] + source[i * inner + f]
    elif wide(x, n):
        for r in range(begin, end):
            source = x + r * n
            memset(lane, 0, LINE)
            for i from 0 <= i < n // V * V by V:
                line_add(<floating*>lane, source + i)
            if n % V:
                memset(rest, 0, LINE)
                memcpy(rest, source + n // V * V, n % V * sizeof(floating))
                line_add(<floating*>lane, <const floating*>rest)
            y[r] = lanes_tree(<floating*>lane)
    else:
        for r from begin <= r < end by V:
            rows = min(V, end - r)
            load_block(x + r * n, <floating*>part(scratch, n, 0), n, rows, <floating*>part(scratch, n, 4))
            block_sum(<const floating*>part(scratch, n, 0), <floating*>lane, n)
            memcpy(y + r, lane, rows * sizeof(floating))


cdef inline double merge_work(const Op* op, Py_ssize_t B) noexcept nogil:
    """How many threads an op of this file or the next one could feed."""
    cdef double elements = <double>B * op.n[0]
    cdef Py_ssize_t k
    if op.kernel == K_CONCATENATE:
        elements = 0
        for k in range(NN_MERGED):
            elements += <double>B * op.n[NN_MERGED] * op.n[k]
    elif op.kernel == K_SLICE:
        elements = elements * op.n[3]
    elif op.kernel == K_MERGE or op.kernel == K_EXTREMUM_BACKWARD:
        elements = elements * (op.n[1] + 1) / 2
    elif K_FACTORIZATION_MACHINE_FORWARD <= op.kernel <= K_FACTORIZATION_MACHINE_BACKWARD_PARAMS:
        return 2 * elements * op.n[1] / GRAIN_MULTIPLY_ADDS
    else:  # n[0] inner elements, or fields; n[1] along the axis, or factors
        elements = elements * op.n[1] * (op.n[2] if op.n[2] > 0 else 1)
    return elements / GRAIN_ELEMENTS
