# Dense layers whose input is sparse: only what is stored is multiplied. The loop is in src/sparse.h.
#
# A. The rows of a batch are copied to lists next to each other first. They are small and read twice, and the
#    arrays that they come from are the user's, who may write to them meanwhile: what is no column is left out
#    here.
# B. For the gradient of the weights each thread turns the lists of its columns round, by counting: two passes
#    over what is stored, nothing beside the products.
# C. A gradient is whole: also columns that the batch has nothing of get their update.

cdef extern from "sparse.h" nogil:
    void nn_ask "__builtin_prefetch"(const void* line)
    void nn_listed_f32(Py_ssize_t n, const int32_t* where, const float* a, const float* b, Py_ssize_t b_row,
                       const float* start, float* c, Py_ssize_t columns)
    void nn_listed_f64(Py_ssize_t n, const int32_t* where, const double* a, const double* b, Py_ssize_t b_row,
                       const double* start, double* c, Py_ssize_t columns)


cdef enum:
    AHEAD = 8   # rows
    ASKED = 64  # numbers of a row; the processor sees by itself how a longer one goes on


cdef inline void listed(Py_ssize_t n, const int32_t* where, const floating* a, const floating* b,
                        Py_ssize_t b_row, const floating* start, floating* c,
                        Py_ssize_t columns) noexcept nogil:
    if floating is double:
        nn_listed_f64(n, where, a, b, b_row, start, c, columns)
    else:
        nn_listed_f32(n, where, a, b, b_row, start, c, columns)


cdef void gather_lists(
    const int64_t* starts,         # IN  (samples + 1,) where rows begin in the next two
    const column_number* columns,  # IN  (stored,)
    const floating* values,        # IN  (stored,)
    int32_t* counts,               # OUT (B,)
    int32_t* where,                # OUT (B, most)
    floating* a,                   # OUT (B, most)
    Py_ssize_t n, Py_ssize_t most, const Batch* batch, int thread, int n_threads,
) noexcept nogil:
    """Columns and values of the row order[first + r], for each row r of the batch"""
    cdef Py_ssize_t r, k, sample, begin, end
    cdef int64_t column
    cdef int32_t count
    nn_share(batch.rows, ROW_GRAIN, thread, n_threads, &begin, &end)
    for r in range(begin, end):
        # Rows come from anywhere: the next ones are asked for, and before that where they begin.
        if batch.order != NULL:
            sample = batch.order[batch.first + min(r + 2 * AHEAD, end - 1)]
            nn_ask(starts + sample)
            sample = batch.order[batch.first + min(r + AHEAD, end - 1)]
            count = <int32_t>min(starts[sample + 1] - starts[sample], <int64_t>ASKED)
            for k from 0 <= k < count by 64 // sizeof(floating):
                nn_ask(values + starts[sample] + k)
                nn_ask(columns + starts[sample] + k)
        sample = batch.order[batch.first + r] if batch.order != NULL else batch.first + r
        count = 0
        for k in range(starts[sample], starts[sample + 1]):
            column = columns[k]
            if 0 <= column < n:
                where[r * most + count] = <int32_t>column
                a[r * most + count] = values[k]
                count += 1
        counts[r] = count


cdef void sparse_dense_forward(
    const int32_t* counts,  # IN  (B,)
    const int32_t* where,   # IN  (B, most) columns of x
    const floating* a,      # IN  (B, most) what is stored there
    const floating* w,      # IN  (I, O), or in panels
    const floating* b,      # IN  (O,) or NULL
    floating* y,            # OUT (B, O)
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, Py_ssize_t most, bint in_panels,
    int activation, double alpha, int thread, int n_threads,
) noexcept nogil:
    """y := f(b + x w)"""
    cdef Py_ssize_t V = line_elements(a), lines = lines_of(O, V), begin, end, first, last, r, p
    cdef Py_ssize_t column, to
    cdef Finish finish
    finish.activation, finish.backward, finish.alpha, finish.saved = activation, False, alpha, NULL
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for first from begin <= first < end by strip_rows(O):
        last = min(first + strip_rows(O), end)
        for r in range(first, last):
            if not in_panels or O == 1:
                listed(counts[r], where + r * most, a + r * most, w, O, b, y + r * O, O)
                continue
            for p in range(panels_of(lines)):
                column, to = panel_line(lines, p) * V, panel_line(lines, p + 1) * V
                listed(counts[r], where + r * most, a + r * most, w + column * I, to - column,
                       b + column if b != NULL else b, y + r * O + column, min(to, O) - column)
        if activation != IDENTITY:
            finish_rows(&finish, y + first * O, O, <const floating*>NULL, last - first, O)


cdef inline Py_ssize_t sparse_scratch(Py_ssize_t I, Py_ssize_t O, Py_ssize_t stored,
                                      Py_ssize_t size) noexcept nogil:
    """Bytes for the lists turned round, a chunk's row of the gradient, and a strip of it that is updated."""
    return (I + 2 + stored) * 4 + (stored + O + NN_TILE_ROWS * NN_PANEL_LINES * LINE) * size + 4 * LINE


cdef void sparse_dense_backward_params(
    const int32_t* counts,  # IN  (B,)
    const int32_t* where,   # IN  (B, most) columns of x
    const floating* a,      # IN  (B, most) what is stored there
    const floating* dy,     # IN  (B, O)
    floating* dw,           # OUT (I, O), or in panels
    floating* db,           # OUT (O,) or NULL
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, Py_ssize_t most, bint in_panels,
    const Op* w_update, const Op* b_update,  # or NULL
    double rate,  # the learning rate of the step, or nan for that of each update
    void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dw := x^T dy; db := sum of dy over the batch; and the updates that take them"""
    cdef Py_ssize_t V = line_elements(a), lines = lines_of(O, V), i0 = 0, i1 = I, p0 = 0
    cdef Py_ssize_t p1 = panels_of(lines)
    cdef Py_ssize_t r, k, i, n, p, q, rows, column, end, to_row, b0, first, last, done, width
    cdef int32_t* starts
    cdef int32_t* turned
    cdef floating* values
    cdef floating* part
    cdef floating* tile_dw
    cdef floating* to
    cdef floating one = 1
    cdef Update update_w, update_b
    if by_panels(I, p1, n_threads):
        nn_share(p1, 1, thread, n_threads, &p0, &p1)
    else:
        nn_share(I, NN_TILE_ROWS, thread, n_threads, &i0, &i1)
    if p0 >= p1 or i0 > i1 or (i0 == i1 and I > 0):
        return
    if w_update != NULL:
        update_w = prepare_update(w_update, rate)
    if b_update != NULL:
        update_b = prepare_update(b_update, rate)
    n = i1 - i0
    values = <floating*>scratch
    part = values + B * most
    tile_dw = part + O
    turned = <int32_t*>(tile_dw + NN_TILE_ROWS * NN_PANEL_LINES * V)
    starts = turned + B * most
    memset(starts, 0, (n + 2) * sizeof(int32_t))
    for r in range(B):
        for k in range(r * most, r * most + counts[r]):
            if i0 <= where[k] < i1:
                starts[where[k] - i0 + 2] += 1
    for i in range(2, n + 2):
        starts[i] += starts[i - 1]
    for r in range(B):
        for k in range(r * most, r * most + counts[r]):
            i = where[k] - i0
            if 0 <= i < n:
                turned[starts[i + 1]] = <int32_t>r
                values[starts[i + 1]] = a[k]
                starts[i + 1] += 1

    p = p0
    while p < p1:
        q = p + 1 if in_panels and O > 1 else p1  # rows that do not lie in panels are gone along as a whole
        column, end = panel_line(lines, p) * V, panel_line(lines, q) * V
        width = min(end, O) - column
        to_row = end - column if in_panels and O > 1 else O
        for i from i0 <= i < i1 by NN_TILE_ROWS:
            rows = min(<Py_ssize_t>NN_TILE_ROWS, i1 - i)
            to = dw + (column * I + i * to_row if in_panels and O > 1 else i * O + column)
            if w_update != NULL:
                to = tile_dw
            for r in range(rows):
                if to_row > width and in_panels:
                    memset(to + r * to_row + width, 0, (to_row - width) * sizeof(floating))
                first, last = starts[i + r - i0], starts[i + r - i0 + 1]
                done, b0 = first, CHUNK
                while True:  # chunk by chunk, as sums over a long batch are
                    while done < last and turned[done] < b0:
                        done += 1
                    if first == starts[i + r - i0]:
                        listed(done - first, turned + first, values + first, dy + column, O,
                               <const floating*>NULL, to + r * to_row, width)
                    elif done > first:
                        listed(done - first, turned + first, values + first, dy + column, O,
                               <const floating*>NULL, part, width)
                        for k in range(width):
                            to[r * to_row + k] += part[k]
                    if done == last:
                        break
                    first, b0 = done, (turned[done] // CHUNK + 1) * CHUNK
            if w_update != NULL:
                update_at(w_update, &update_w, column * I + i * to_row, to, rows * to_row)
        if db != NULL and i0 == 0:
            for b0 from 0 <= b0 < max(B, <Py_ssize_t>1) by CHUNK:
                columns_tiles(1, False, &one, <Py_ssize_t>0, <Py_ssize_t>0, dy + b0 * O + column, O,
                              db + column, O, <floating*>NULL, width, min(<Py_ssize_t>CHUNK, B - b0),
                              <const floating*>NULL, NN_START_ZERO | NN_END_ADD if b0 else NN_START_ZERO)
            if b_update != NULL:
                update_at(b_update, &update_b, column, db + column, width)
        p = q


cdef void compress_rows(
    const floating* x,   # IN  (rows, n)
    int64_t* starts,     # OUT (rows + 1,)
    int32_t* columns,    # OUT (stored + 1,), or NULL: only count
    floating* values,    # OUT (stored + 1,)
    Py_ssize_t rows, Py_ssize_t n, Py_ssize_t stored,
) noexcept nogil:
    """What is not 0, row by row. Each number is written, and the next over it where it was 0: no branch.

    Somebody may write to x after it was counted: no more is written than there is room for."""
    cdef Py_ssize_t r, i, at = 0
    cdef const floating* row
    for r in range(rows):
        starts[r] = at
        row = x + r * n
        if columns == NULL:
            for i in range(n):
                at += row[i] != 0
        else:
            for i in range(n):
                columns[at] = <int32_t>i
                values[at] = row[i]
                at += (row[i] != 0) & (at < stored)
    starts[rows] = at
