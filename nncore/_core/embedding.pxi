# Tables of vectors that ids choose from. The cost of a step is that of the rows it touches.
#
# A. ids (N,) int64, counted over the whole batch; a row of the table is D elements. An id outside of
#    0 .. V-1 stands for the row `unseen`, or for zeros where that is -1; with `masked` id 0 stands for zeros.
#    Those have no gradient. A check in the loop costs nothing beside the row's way from memory.
# B. The gradient is kept as the rows that were touched, in the order in which the batch first names them,
#    each once: `embedding_index` finds them, `embedding_sums` adds up what their places in the batch got, and
#    the optimizer's update runs on those rows alone. Threads share out the rows.
# C. Rows are found through a hash table with room for twice as many: its size goes with the batch, not with
#    the table. (Sorting takes longer, and so does an array with a place for each of the table's rows.)
# D. Where a table is used several times in a model, `embedding_join` puts the ids of all uses side by side,
#    and what their rows get, as if it were one use.
# E. An update takes rows together into a block, so that its loops run over full vectors where rows are short.

cdef enum:
    ROWS_GRAIN = 16  # touched rows that a thread takes at least


cdef inline int64_t row_of(int64_t id, int64_t V, int64_t unseen, bint masked) noexcept nogil:
    """The row of an id, or -1 for zeros."""
    if <uint64_t>id >= <uint64_t>V:
        return unseen
    return -1 if masked and id == 0 else id


cdef void embedding_forward(
    const int64_t* ids,     # IN  (B, n)
    const floating* table,  # IN  (V, D)
    floating* y,            # OUT (B, n, D)
    Py_ssize_t B, Py_ssize_t n, Py_ssize_t D, int64_t V, int64_t unseen, bint masked, int thread,
    int n_threads,
) noexcept nogil:
    """y[b, i] := table[ids[b, i]]"""
    cdef Py_ssize_t begin, end, size = D * sizeof(floating)
    cdef const char* source = <const char*>table
    cdef char* to = <char*>y
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    begin, end = begin * n, end * n
    if size == 4:  # the copy of a short row takes no loop where its size is known
        rows_of(ids, source, to, begin, end, 4, V, unseen, masked)
    elif size == 8:
        rows_of(ids, source, to, begin, end, 8, V, unseen, masked)
    elif size == 16:
        rows_of(ids, source, to, begin, end, 16, V, unseen, masked)
    elif size == 32:
        rows_of(ids, source, to, begin, end, 32, V, unseen, masked)
    elif size == 64:
        rows_of(ids, source, to, begin, end, 64, V, unseen, masked)
    else:
        rows_of(ids, source, to, begin, end, size, V, unseen, masked)


cdef inline void rows_of(const int64_t* ids, const char* table, char* to, Py_ssize_t begin, Py_ssize_t end,
                         Py_ssize_t size, int64_t V, int64_t unseen, bint masked) noexcept nogil:
    cdef Py_ssize_t i
    cdef int64_t row
    for i in range(begin, end):
        row = row_of(ids[i], V, unseen, masked)
        if row < 0:
            memset(to + i * size, 0, size)
        else:
            nn_copy(to + i * size, table + row * size, size)


cdef void embedding_backward(
    const floating* dy,  # IN  (N, D)
    const int64_t* ids,  # IN  (N,)
    floating* dw,        # OUT (V, D)
    Py_ssize_t N, Py_ssize_t D, int64_t V, int64_t unseen, bint masked, int thread, int n_threads,
) noexcept nogil:
    """dw[v] := sum of dy[i] where ids[i] is v, in order: the whole table, for what changes all of it"""
    cdef Py_ssize_t begin, end, i
    cdef int64_t row
    nn_share(V, ROWS_GRAIN, thread, n_threads, &begin, &end)
    memset(dw + begin * D, 0, (end - begin) * D * sizeof(floating))
    for i in range(N):
        row = row_of(ids[i], V, unseen, masked)
        if begin <= row < end:
            add_row(dw + row * D, dy + i * D, D)


cdef inline void add_row(floating* sum, const floating* x, Py_ssize_t D) noexcept nogil:
    cdef Py_ssize_t d
    for d in range(D):
        sum[d] = sum[d] + x[d]


cdef void ids_of_floats(
    const floating* x,  # IN  (N,)
    int64_t* ids,       # OUT (N,)
    Py_ssize_t N,
) noexcept nogil:
    """ids := x without its fraction, as Keras takes floats; -1 for what int64 does not hold, and for nan"""
    cdef Py_ssize_t i
    for i in range(N):
        ids[i] = <int64_t>x[i] if -4e18 < x[i] < 4e18 else -1


cdef void mask_shares(
    const int64_t* ids,  # IN  (B, n)
    floating* shares,    # OUT (B,)
    Py_ssize_t n, Py_ssize_t begin, Py_ssize_t end,
) noexcept nogil:
    """shares[b] := 1 / the number of ids that are not 0;  0 where there is none"""
    cdef Py_ssize_t b, i, count
    for b in range(begin, end):
        count = 0
        for i in range(n):
            count += ids[b * n + i] != 0
        shares[b] = <floating>1 / <floating>count if count > 0 else <floating>0


cdef void embedding_join(
    const int64_t* ids,  # IN  (B, n)
    const floating* dy,  # IN  (B, n, D)
    int64_t* all_ids,    # OUT (B, m), of which columns [at, at + n)
    floating* all_dy,    # OUT (B, m, D)
    Py_ssize_t B, Py_ssize_t n, Py_ssize_t D, Py_ssize_t m, Py_ssize_t at, int thread, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t begin, end, b
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        memcpy(all_ids + b * m + at, ids + b * n, n * sizeof(int64_t))
        memcpy(all_dy + (b * m + at) * D, dy + b * n * D, n * D * sizeof(floating))


cdef void embedding_index(
    const int64_t* ids,  # IN  (N,)
    int64_t* rows,       # OUT (N,) the touched rows, in the order in which they first come; U of them
    int64_t* ends,       # OUT (N,) the places of row u are places[ends[u-1]:ends[u]], from 0 for the first
    int64_t* places,     # OUT (N,) row by row, where in the batch it is named, ascending
    int64_t* count,      # OUT (1,) U
    int32_t* scratch,    # (5 N,)
    Py_ssize_t N, int64_t V, int64_t unseen, bint masked,
) noexcept nogil:
    cdef Py_ssize_t i, at, U = 0
    cdef int64_t row, sum
    cdef int bits = 1
    cdef int32_t* number = scratch  # (N,) of the row at each place, or -1
    cdef int32_t* slots = scratch + N  # (2**bits,) number of a row + 1, or 0 where a slot is free
    while (<Py_ssize_t>1 << bits) < 2 * N:
        bits += 1
    memset(slots, 0, (<size_t>1 << bits) * sizeof(int32_t) if N > 0 else 0)
    for i in range(N):
        row = row_of(ids[i], V, unseen, masked)
        number[i] = -1
        if row < 0:
            continue
        at = <Py_ssize_t>((<uint64_t>row * <uint64_t>0x9E3779B97F4A7C15) >> (64 - bits))  # the golden ratio
        while slots[at] != 0 and rows[slots[at] - 1] != row:
            at = (at + 1) & ((<Py_ssize_t>1 << bits) - 1)
        if slots[at] == 0:
            rows[U], ends[U] = row, 0
            U += 1
            slots[at] = <int32_t>U
        number[i] = slots[at] - 1
        ends[number[i]] += 1
    sum = 0
    for i in range(U):  # how many places a row has becomes where they begin
        row = ends[i]
        ends[i] = sum
        sum += row
    for i in range(N):  # and each one moves that on
        if number[i] >= 0:
            places[ends[number[i]]] = i
            ends[number[i]] += 1
    count[0] = U


cdef void embedding_sums(
    const floating* dy,     # IN  (N, D)
    const int64_t* ends,    # IN  of `embedding_index`
    const int64_t* places,  # IN
    const int64_t* count,   # IN
    floating* dw,           # OUT (N, D), of which the first U rows
    Py_ssize_t D, int thread, int n_threads,
) noexcept nogil:
    """dw[u] := sum of dy at the places of the touched row u, in order"""
    cdef Py_ssize_t begin, end, u, i
    nn_share(count[0], ROWS_GRAIN, thread, n_threads, &begin, &end)
    for u in range(begin, end):
        memset(dw + u * D, 0, D * sizeof(floating))
        for i in range(ends[u - 1] if u > 0 else 0, ends[u]):
            add_row(dw + u * D, dy + places[i] * D, D)


cdef inline bint is_of_rows(const Op* op) noexcept nogil:
    """Whether an op is one of some rows of a table."""
    return op.p[7] != NULL and (is_update(op.kernel) or op.kernel == K_PENALTY_GRADIENT
                                or op.kernel == K_NON_NEGATIVE or op.kernel == K_NORM_CONSTRAINT)


cdef void run_on_rows(const Op* op, double rate, int thread, int n_threads, floating* unused) noexcept nogil:
    """What the op does to a parameter, on the rows p[7] of it, p[8] in number."""
    cdef const int64_t* rows = <const int64_t*>op.p[7]
    cdef floating* w = <floating*>op.p[1 if op.kernel == K_PENALTY_GRADIENT else 0]
    cdef Py_ssize_t D = op.n[0], begin, end, u
    if is_update(op.kernel):
        update_rows(op, rate, D, thread, n_threads, unused)
        return
    nn_share((<const int64_t*>op.p[8])[0], ROWS_GRAIN, thread, n_threads, &begin, &end)
    for u in range(begin, end):
        if op.kernel == K_PENALTY_GRADIENT:
            penalty_gradient(<floating*>op.p[0] + u * D, <const floating*>w + rows[u] * D,
                             <const double*>op.p[2], D, op.n[2] != 0, op.s[0], op.s[1], 0, 1)
        elif op.kernel == K_NON_NEGATIVE:
            non_negative(w + rows[u] * D, D, 0, 1)
        else:
            norm_constraint(w + rows[u] * D, 1, D, 1, False, op.s[0], op.s[1], op.s[2], 0, 1)


cdef void embedding_penalty(
    const floating* w,      # IN  (V, D)
    const int64_t* rows,    # IN  (U,)
    const int64_t* count,   # IN  U
    const double* divisor,  # IN  (1,) or NULL
    double* value,          # OUT (1,)
    Py_ssize_t D, double l1, double l2,
) noexcept nogil:
    """`penalty_value` of some rows: their sums, as `penalty_sums` has them, in order"""
    cdef double[2] part
    cdef double sizes = 0, squares = 0
    cdef Py_ssize_t u, first
    for u in range(count[0]):
        for first from 0 <= first < D by NORM_BLOCK:
            penalty_sums(w + rows[u] * D + first, <double*>part, min(<Py_ssize_t>NORM_BLOCK, D - first), l1,
                         l2, 0, 1)
            sizes += part[0]
            squares += part[1]
    value[0] = divided(l1, divisor) * sizes + divided(l2, divisor) * squares


cdef void update_rows(const Op* op, double rate, Py_ssize_t D, int thread, int n_threads,
                      floating* unused) noexcept nogil:
    """An update of the touched rows p[7] of p[0] and of its state, p[8] in number; their gradients are p[1].

    All other rows stay as they are, their state too."""
    cdef Update u = prepare_update(op, rate)
    cdef const floating* g = <const floating*>op.p[1]
    cdef const int64_t* rows = <const int64_t*>op.p[7]
    cdef Py_ssize_t together = max(<Py_ssize_t>1, BLOCK // max(D, <Py_ssize_t>1)), begin, end, first, many
    cdef floating[4 * BLOCK] beside
    cdef floating* whole[4]  # w and three arrays of state, or NULL
    cdef floating* part[4]
    cdef int i
    nn_share((<const int64_t*>op.p[8])[0], ROWS_GRAIN, thread, n_threads, &begin, &end)
    for i in range(4):
        whole[i] = <floating*>op.p[i + 1 if i > 0 else 0]
    for first from begin <= first < end by together:
        many = min(together, end - first)
        for i in range(4):
            part[i] = NULL
            if whole[i] != NULL:
                part[i] = whole[i] + rows[first] * D if D > BLOCK else beside + i * BLOCK
                if D <= BLOCK:
                    take_rows(whole[i], part[i], rows + first, many, D)
        update_block(&u, part[0], g + first * D, part[1], part[2], part[3], many * D)
        for i in range(4):
            if whole[i] != NULL and D <= BLOCK:
                put_rows(part[i], whole[i], rows + first, many, D)


cdef inline void take_rows(const floating* table, floating* to, const int64_t* rows, Py_ssize_t many,
                           Py_ssize_t D) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(many):
        nn_copy(<char*>(to + r * D), <const char*>(table + rows[r] * D), D * sizeof(floating))


cdef inline void put_rows(const floating* beside, floating* table, const int64_t* rows, Py_ssize_t many,
                          Py_ssize_t D) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(many):
        nn_copy(<char*>(table + rows[r] * D), <const char*>(beside + r * D), D * sizeof(floating))


cdef void embedding_squares(
    const floating* dw,    # IN  (U, D)
    const int64_t* count,  # IN  U
    double* sum,           # OUT (1,)
    Py_ssize_t D,
) noexcept nogil:
    """sum := of the squares of the touched rows' gradients, in float64, block by block as in `square_sums`"""
    cdef Py_ssize_t n = count[0] * D, first
    cdef double part
    sum[0] = 0
    for first from 0 <= first < n by NORM_BLOCK:
        square_sums(dw + first, &part, min(<Py_ssize_t>NORM_BLOCK, n - first), 0, 1)
        sum[0] += part
