# The three products of a dense layer, over the register tile of src/tile.h.
#
# A. The weights lie in panels: columns in groups of NN_PANEL_LINES cache lines, each group [row][column],
#    padded with zeros to whole lines. A tile reads one stream, whatever the layer's width, nothing is copied
#    before a product, and the layout is the same on every ISA level. `panel_line` says where panels begin. A
#    single column is not padded: it is its own transpose.
# B. Each element of C is one chain over ascending k. A block of k goes on with the chain that C holds.
# C. Blocks: so many panels that a block of k of them fills most of the second-level cache, beside which
#    strips of A, NN_TILE_ROWS rows, pass through the first-level cache.
# D. What does not lie in panels (the weights of a public kernel, w^T, dy) is packed into them, a block at a
#    time, in scratch. Few rows do not repay that, nor does a B that lies in the first-level cache as it is:
#    then it is read in place.
# E. w^T is made from w by register transposes while packing: a kernel of dot products would reach 55 to 69 %
#    of the peak only.
# F. A is read where it lies, but for x^T at strides of whole pages: a few columns of each row of x would cost
#    an entry of the TLB per step. Then the strips of some cache lines are copied together.
# G. dense_backward_params cuts the batch in chunks of CHUNK rows, sums each from +0 and adds the chunks in
#    order: the error of a long sum grows with the chunk, not with the batch.
# H. The update of w may follow in the same op, a tile at a time while its gradient is in the first-level
#    cache: the gradient never goes to memory.

cdef enum:
    BLOCK_BYTES = 768 << 10    # of packed B in the second-level cache
    DEPTH_BYTES = 4096         # of a row of A in a block of k; up to a quarter more is not cut
    CHUNK = 512
    BLOCK_STRIPS = 8           # strips of A that are copied together
    PAGE = 4096
    IN_PLACE_BYTES = 1 << 15

cdef enum Source:  # how B lies
    ROWS         # (k, n)
    TURNED       # (n, k): B is its transpose
    PANELS       # (k, n) in panels
    TURNED_PANELS  # (n, k) in panels: B is its transpose


# ------------------------------------------------------------------ panels
cdef inline Py_ssize_t line_elements(const floating* unused) noexcept nogil:
    return 64 // <Py_ssize_t>sizeof(floating)


cdef inline Py_ssize_t lines_of(Py_ssize_t n, Py_ssize_t line) noexcept nogil:
    return (n + line - 1) // line


cdef inline Py_ssize_t panels_of(Py_ssize_t lines) noexcept nogil:
    return (lines + NN_PANEL_LINES - 1) // NN_PANEL_LINES


cdef inline Py_ssize_t panel_line(Py_ssize_t lines, Py_ssize_t panel) noexcept nogil:
    """The first line of a panel: 3 3 3 .. 3, and at the end 2, or 2 2 where one line would be left."""
    cdef Py_ssize_t panels = panels_of(lines), rest = lines % NN_PANEL_LINES
    if panel >= panels:
        return lines
    if panel == panels - 1 and panel > 0:
        return lines - (2 if rest else <Py_ssize_t>NN_PANEL_LINES)
    return panel * NN_PANEL_LINES


# ------------------------------------------------------------------ blocks
cdef inline Py_ssize_t block_depth(Py_ssize_t k, Py_ssize_t size) noexcept nogil:
    """Rows of B in a block: equal blocks, in sixteens."""
    cdef Py_ssize_t most = DEPTH_BYTES // size
    if k <= most + most // 4:
        return max(k, <Py_ssize_t>1)
    cdef Py_ssize_t blocks = (k + most - 1) // most
    return ((k + blocks - 1) // blocks + 15) // 16 * 16


cdef inline Py_ssize_t block_panels(Py_ssize_t panels, Py_ssize_t depth) noexcept nogil:
    """Panels in a block: about equally many in each."""
    cdef Py_ssize_t most = max(<Py_ssize_t>1, BLOCK_BYTES // (depth * NN_PANEL_LINES * 64))
    cdef Py_ssize_t blocks = (panels + most - 1) // most
    return (panels + blocks - 1) // max(blocks, <Py_ssize_t>1)


cdef inline Py_ssize_t product_scratch(Py_ssize_t n, Py_ssize_t k, Py_ssize_t size) noexcept nogil:
    """Bytes of scratch that one thread needs: a block of panels and what is written beyond
    it, strips of A, a tile."""
    cdef Py_ssize_t depth = block_depth(k, size)
    cdef Py_ssize_t rows = min(panels_of(lines_of(n, 64 // size)) * depth,
                               max(depth, <Py_ssize_t>BLOCK_BYTES // (NN_PANEL_LINES * 64)))
    return (rows + 16 + NN_TILE_ROWS) * NN_PANEL_LINES * 64 + BLOCK_STRIPS * NN_TILE_ROWS * depth * size


cdef void pack_rows(
    floating* panel,     # OUT (depth, columns): zeros beyond width
    const floating* b,   # IN  (depth, width), rows b_row apart
    Py_ssize_t b_row, Py_ssize_t depth, Py_ssize_t width, Py_ssize_t columns,
) noexcept nogil:
    cdef Py_ssize_t k
    if width == NN_PANEL_LINES * line_elements(b):
        for k in range(depth):
            memcpy(panel + k * columns, b + k * b_row, NN_PANEL_LINES * 64)
        return
    for k in range(depth):
        memcpy(panel + k * columns, b + k * b_row, width * sizeof(floating))
        memset(panel + k * columns + width, 0, (columns - width) * sizeof(floating))


cdef void pack_turned(
    floating* panel,     # OUT (depth, columns); rows up to the next multiple of the lanes are written too
    const floating* b,   # IN  (width, depth), rows b_row apart; readable up to whole vectors where `padded`
    Py_ssize_t b_row, Py_ssize_t depth, Py_ssize_t width, Py_ssize_t columns, bint padded,
) noexcept nogil:
    """panel := b^T"""
    cdef floating[MOST * MOST] beside
    cdef Py_ssize_t L = lanes(b), j, k, i, rows, part
    for j from 0 <= j < width by L:
        rows = min(L, width - j)
        for k from 0 <= k < depth by L:
            part = L if padded else min(L, depth - k)
            if rows == L and part == L:
                transpose(b + j * b_row + k, b_row, panel + k * columns + j, columns)
                continue
            memset(beside, 0, L * L * sizeof(floating))
            for i in range(rows):
                memcpy(beside + i * L, b + (j + i) * b_row + k, part * sizeof(floating))
            transpose(<const floating*>beside, L, panel + k * columns + j, columns)
    for k in range(depth if (width + L - 1) // L * L < columns else 0):
        memset(panel + k * columns + (width + L - 1) // L * L, 0,
               (columns - (width + L - 1) // L * L) * sizeof(floating))


cdef void pack_turned_panels(
    floating* panel,     # OUT (depth, columns), as of pack_turned
    const floating* b,   # IN  (n, k) in panels
    Py_ssize_t n, Py_ssize_t k, Py_ssize_t j0, Py_ssize_t k0,
    Py_ssize_t depth, Py_ssize_t width, Py_ssize_t columns,
) noexcept nogil:
    """panel := b[j0 : j0 + width, k0 : k0 + depth]^T"""
    cdef Py_ssize_t V = line_elements(b), lines = lines_of(k, V), p, first, last, b_width
    for p in range(panels_of(lines)):
        first, last = panel_line(lines, p) * V, panel_line(lines, p + 1) * V
        b_width = last - first
        if last <= k0 or first >= k0 + depth:
            continue
        pack_turned(panel + max(first - k0, <Py_ssize_t>0) * columns,
                    b + first * n + j0 * b_width + max(k0 - first, <Py_ssize_t>0), b_width,
                    min(last, k0 + depth) - max(first, k0), width, columns, True)


cdef void pack(
    floating* panel,                                        # OUT (depth, end - column)
    const floating* b, int source,                          # IN  (k, n), as of Source
    Py_ssize_t n, Py_ssize_t k, Py_ssize_t column, Py_ssize_t end, Py_ssize_t k0, Py_ssize_t depth,
) noexcept nogil:
    cdef Py_ssize_t width = min(end, n) - column
    if source == ROWS:
        pack_rows(panel, b + k0 * n + column, n, depth, width, end - column)
    elif source == TURNED:
        pack_turned(panel, b + column * k + k0, k, depth, width, end - column, False)
    else:
        pack_turned_panels(panel, b, n, k, column, k0, depth, width, end - column)


# ------------------------------------------------------------------ strips
cdef inline void columns_tiles(
    int rows, bint ones,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_step,
    const floating* b, Py_ssize_t b_step,
    floating* c, Py_ssize_t c_row, floating* last,
    Py_ssize_t width, Py_ssize_t depth, const floating* start, int mode,
) noexcept nogil:
    """A strip's tiles over the columns of one panel."""
    cdef Py_ssize_t L = lanes(a), j = 0, most = NN_TILE_ONES_VECTORS if ones else NN_TILE_VECTORS
    cdef int vectors, panels
    while j < width:
        vectors = <int>min(most, (width - j + L - 1) // L)
        panels = 2 if rows <= 2 and not ones and width - j >= 2 * NN_TILE_VECTORS * L else 1
        tile(rows, vectors, panels, ones, depth, a, a_row, a_step, b + j, b_step, NN_TILE_VECTORS * L, c + j,
             c_row, start + j if start != NULL else NULL, last + j if ones else NULL, mode,
             <int>min(L, width - j - (vectors * panels - 1) * L))
        j += vectors * panels * L


cdef void strips(
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_step,
    const floating* b, Py_ssize_t b_factor, Py_ssize_t b_row, Py_ssize_t b_first,
    floating* c, Py_ssize_t c_row,
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t depth, Py_ssize_t p0, Py_ssize_t p1,
    const floating* start, int mode,
) noexcept nogil:
    """C := start + A B for the columns of panels p0 to p1.

    The panel with first column j begins at b + j * b_factor; its rows are b_row apart, or where that is 0 as
    far as it is wide; b_first is the first of them."""
    cdef Py_ssize_t V = line_elements(a), lines = lines_of(n, V), i, p, column, end, step
    cdef const floating* from_b
    cdef int rows, panels, most
    if p1 == p0 + 1:
        column, end = panel_line(lines, p0) * V, panel_line(lines, p1) * V
        step = b_row if b_row != 0 else end - column
        from_b = b + column * b_factor + b_first * step
        for i from 0 <= i < m by NN_TILE_ROWS:
            columns_tiles(<int>min(<Py_ssize_t>NN_TILE_ROWS, m - i), False, a + i * a_row, a_row, a_step,
                          from_b, step, c + i * c_row + column, c_row, <floating*>NULL, min(end, n) - column,
                          depth,
                          start + column if start != NULL else NULL, mode)
        return
    for i from 0 <= i < m by NN_TILE_ROWS:
        rows = <int>min(<Py_ssize_t>NN_TILE_ROWS, m - i)
        # Where a panel is one tile wide, few rows take several panels.
        most = 1 if V != lanes(a) else 3 if rows == 1 else 2 if rows <= 4 else 1
        p = p0
        while p < p1:
            column, end = panel_line(lines, p) * V, panel_line(lines, p + 1) * V
            step = b_row if b_row != 0 else end - column
            from_b = b + column * b_factor + b_first * step
            panels = 1
            while panels < most and p + panels < p1 and end - column == panels * NN_PANEL_LINES * V \
                    and panel_line(lines, p + panels + 1) * V - end == NN_PANEL_LINES * V \
                    and panel_line(lines, p + panels + 1) * V <= n:
                panels += 1
                end += NN_PANEL_LINES * V
            if panels > 1:
                tile(rows, NN_TILE_VECTORS, panels, False, depth, a + i * a_row, a_row, a_step,
                     from_b, step, NN_PANEL_LINES * V * b_factor, c + i * c_row + column, c_row,
                     start + column if start != NULL else NULL, <floating*>NULL, mode, <int>V)
            else:
                columns_tiles(rows, False, a + i * a_row, a_row, a_step, from_b, step,
                              c + i * c_row + column, c_row, <floating*>NULL, min(end, n) - column, depth,
                              start + column if start != NULL else NULL, mode)
            p += panels


cdef struct Finish:  # what becomes of C once its chains are complete: an activation, or its derivative
    int activation
    bint backward
    double alpha
    const void* saved  # (m, n), as C lies: what the derivative needs


cdef void finish_rows(const Finish* finish, floating* c, Py_ssize_t c_row, const floating* saved,
                      Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    cdef Py_ssize_t i
    if columns == c_row:
        columns *= rows
        rows = 1
    for i in range(rows):
        if finish.backward:
            activation_backward(finish.activation, c + i * c_row, saved + i * c_row, c + i * c_row,
                                <Py_ssize_t>1, columns, &finish.alpha, 0, 1)
        else:
            activate_in_place(finish.activation, c + i * c_row, columns, <floating>finish.alpha)


cdef inline Py_ssize_t strip_rows(Py_ssize_t columns) noexcept nogil:
    """Rows, whole strips, of some 16 KiB."""
    return max(<Py_ssize_t>1, 2048 // max(columns, <Py_ssize_t>1) // NN_TILE_ROWS) * NN_TILE_ROWS


cdef void product(
    floating* c, Py_ssize_t c_row,                            # OUT (m, n), rows c_row apart
    const floating* a, Py_ssize_t a_row,                      # IN  (m, k), rows a_row apart
    const floating* b, int source,                            # IN  as of Source
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, Py_ssize_t p0, Py_ssize_t p1,
    const floating* start, int mode, const Finish* finish, void* scratch,
) noexcept nogil:
    """C := f(start + A B), or (A B) f'(saved), for the columns of panels p0 to p1

    mode: where chains start"""
    cdef Py_ssize_t V = line_elements(a), lines = lines_of(n, V), depth, d, k0, i, group, p, q, q1
    cdef Py_ssize_t column, end
    cdef Py_ssize_t rows
    cdef int step_mode
    cdef bint pass_after = finish.activation != IDENTITY and (finish.backward or finish.activation != RELU)
    cdef int end_mode = NN_END_RELU if finish.activation == RELU and not finish.backward else 0
    cdef const floating* saved = <const floating*>finish.saved
    cdef floating* packed = <floating*>scratch
    if source == ROWS and (m <= NN_TILE_ROWS or n == 1
                           or k * n * <Py_ssize_t>sizeof(floating) <= IN_PLACE_BYTES):  # D
        column, end = panel_line(lines, p0) * V, min(n, panel_line(lines, p1) * V)
        rows = strip_rows(end - column) if pass_after else max(m, <Py_ssize_t>1)
        for i from 0 <= i < m by rows:
            rows = min(rows, m - i)
            strips(a + i * a_row, a_row, <Py_ssize_t>1, b, <Py_ssize_t>1, n, <Py_ssize_t>0, c + i * c_row,
                   c_row, rows, n, k, p0, p1, start, mode | end_mode)
            if pass_after:
                finish_rows(finish, c + i * c_row + column, c_row, saved + i * c_row + column, rows,
                            end - column)
        return

    depth = block_depth(k, sizeof(floating))
    group = block_panels(panels_of(lines), depth)
    for q from p0 <= q < p1 by group:
        q1 = min(q + group, p1)
        column, end = panel_line(lines, q) * V, min(n, panel_line(lines, q1) * V)
        for k0 from 0 <= k0 < max(k, <Py_ssize_t>1) by depth:
            d = min(depth, k - k0)
            if source != PANELS:
                for p in range(q, q1):
                    pack(packed + (panel_line(lines, p) * V - column) * d, b, source, n, k,
                         panel_line(lines, p) * V, panel_line(lines, p + 1) * V, k0, d)
            # Some strips at a time where rows are finished while they are in the cache.
            rows = strip_rows(end - column) if pass_after and k0 + d == k else max(m, <Py_ssize_t>1)
            for i from 0 <= i < m by rows:
                rows = min(rows, m - i)
                step_mode = (mode if k0 == 0 else NN_START_C) | (end_mode if k0 + d == k else 0)
                if source == PANELS:
                    strips(a + i * a_row + k0, a_row, <Py_ssize_t>1, b, k, <Py_ssize_t>0, k0, c + i * c_row,
                           c_row, rows, n, d, q, q1, start, step_mode)
                else:
                    strips(a + i * a_row + k0, a_row, <Py_ssize_t>1, <const floating*>packed - column * d, d,
                           <Py_ssize_t>0, <Py_ssize_t>0, c + i * c_row, c_row, rows, n, d, q, q1, start,
                           step_mode)
                if pass_after and k0 + d == k:
                    finish_rows(finish, c + i * c_row + column, c_row, saved + i * c_row + column, rows,
                                end - column)


cdef void copy_strips(floating* to, const floating* a, Py_ssize_t a_step, Py_ssize_t rows,
                      Py_ssize_t depth) noexcept nogil:
    """to[i // R][k][i % R] := a[k * a_step + i], R rows in a strip"""
    cdef Py_ssize_t k, i, full = rows // NN_TILE_ROWS * NN_TILE_ROWS
    for k in range(depth):
        for i from 0 <= i < full by NN_TILE_ROWS:
            memcpy(to + i * depth + k * NN_TILE_ROWS, a + k * a_step + i, NN_TILE_ROWS * sizeof(floating))
        if full < rows:
            memcpy(to + full * depth + k * NN_TILE_ROWS, a + k * a_step + full,
                   (rows - full) * sizeof(floating))


cdef inline void update_at(const Op* op, const Update* update, Py_ssize_t first, const floating* g,
                           Py_ssize_t n) noexcept nogil:
    """The update op's elements first to first + n, whose gradient is at g."""
    cdef floating* w = <floating*>op.p[0]
    cdef floating* s0 = <floating*>op.p[2]
    cdef floating* s1 = <floating*>op.p[3]
    cdef floating* s2 = <floating*>op.p[4]
    update_block(update, w + first, g, s0 + first if s0 != NULL else s0, s1 + first if s1 != NULL else s1,
                 s2 + first if s2 != NULL else s2, n)


cdef void gradient(
    const floating* x,   # IN  (B, I)
    const floating* dy,  # IN  (B, O)
    floating* dw,        # OUT (I, O), or in panels
    floating* db,        # OUT (O,) or NULL
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, bint in_panels,
    Py_ssize_t i0, Py_ssize_t i1, Py_ssize_t p0, Py_ssize_t p1,
    const Op* w_update, const Op* b_update,  # or NULL
    double rate,  # the learning rate of the step, or nan for that of each update
    void* scratch,
) noexcept nogil:
    """dw := x^T dy, db := sum of dy, for the rows i0 to i1 of dw and the columns of panels p0 to p1; and the
    updates that take them, where dw may be left unwritten"""
    cdef Py_ssize_t V = line_elements(x), lines = lines_of(O, V), b0, depth, i, q, q1, p, column, end
    cdef Py_ssize_t first, step
    cdef Py_ssize_t most = min(B, <Py_ssize_t>CHUNK), group
    cdef floating* packed = <floating*>scratch
    cdef floating* copied
    cdef floating* to
    cdef const floating* from_x
    cdef const floating* from_dy
    cdef Py_ssize_t x_row, x_step, to_row
    cdef int rows, mode
    cdef Update update_w, update_b
    cdef bint final
    cdef floating* tile_dw = NULL
    cdef const char* soon[3]
    cdef Py_ssize_t at
    if w_update != NULL:
        update_w = prepare_update(w_update, rate)
    if b_update != NULL:
        update_b = prepare_update(b_update, rate)
    cdef bint ones, in_place = most * O * <Py_ssize_t>sizeof(floating) <= IN_PLACE_BYTES
    cdef bint copy_x = I * <Py_ssize_t>sizeof(floating) % PAGE == 0 and p1 - p0 > 1
    group = block_panels(panels_of(lines), max(most, <Py_ssize_t>1))
    if B <= CHUNK and w_update != NULL:
        tile_dw = packed
        packed += NN_TILE_ROWS * NN_PANEL_LINES * V
    copied = packed + ((group * most + 16) * NN_PANEL_LINES * V if not in_place else 0)
    for q from p0 <= q < p1 by group:
        q1 = min(q + group, p1)
        first = panel_line(lines, q) * V
        mode = NN_START_ZERO
        for b0 from 0 <= b0 < max(B, <Py_ssize_t>1) by CHUNK:
            depth = min(<Py_ssize_t>CHUNK, B - b0)
            final = b0 + depth == B
            if not in_place:
                for p in range(q, q1):
                    column, end = panel_line(lines, p) * V, panel_line(lines, p + 1) * V
                    pack_rows(packed + (column - first) * depth, dy + b0 * O + column, O, depth,
                              min(end, O) - column, end - column)
            for i from i0 <= i < max(i1, <Py_ssize_t>1) by NN_TILE_ROWS:  # no inputs: db alone
                rows = <int>min(<Py_ssize_t>NN_TILE_ROWS, i1 - i)
                from_x, x_row, x_step = x + b0 * I + i, 1, I
                if copy_x:
                    if (i - i0) % (BLOCK_STRIPS * NN_TILE_ROWS) == 0:
                        copy_strips(copied, from_x, I, min(<Py_ssize_t>BLOCK_STRIPS * NN_TILE_ROWS, i1 - i),
                                    depth)
                    from_x, x_step = copied + (i - i0) % (BLOCK_STRIPS * NN_TILE_ROWS) * depth, NN_TILE_ROWS
                ones = i == 0 and db != NULL
                for p in range(q, q1):
                    column, end = panel_line(lines, p) * V, panel_line(lines, p + 1) * V
                    if in_place:
                        from_dy, step = dy + b0 * O + column, O
                    else:
                        from_dy, step = packed + (column - first) * depth, end - column
                    to, to_row = dw + i * O + column, O
                    if in_panels:
                        to, to_row = dw + column * I + i * (end - column), end - column
                    if tile_dw != NULL:
                        to = tile_dw
                        if O < end:
                            memset(to, 0, rows * to_row * sizeof(floating))
                    if (in_panels and rows == NN_TILE_ROWS and not ones and V == lanes(x)
                            and V < end - column <= O - column):
                        at = column * I + i * to_row
                        soon[0] = soon[1] = soon[2] = <const char*>to
                        if final and w_update != NULL:
                            soon[0] = <const char*>(<floating*>w_update.p[0] + at)
                            if w_update.p[2] != NULL:
                                soon[1] = <const char*>(<floating*>w_update.p[2] + at)
                            if w_update.p[3] != NULL:
                                soon[2] = <const char*>(<floating*>w_update.p[3] + at)
                        tile_soon(<int>((end - column) // V), depth, from_x, x_row, x_step, from_dy, step, to,
                                  to_row, mode, soon, rows * to_row * sizeof(floating))
                    else:
                        columns_tiles(rows + ones, ones, from_x, x_row, x_step, from_dy, step, to, to_row,
                                      db + column if ones else NULL, min(end, O) - column, depth,
                                      <const floating*>NULL, mode)
                    if final and w_update != NULL:
                        update_at(w_update, &update_w, column * I + i * to_row, to, rows * to_row)
                    if final and ones and b_update != NULL:
                        update_at(b_update, &update_b, column, db + column, min(end, O) - column)
            mode = NN_START_ZERO | NN_END_ADD


cdef void column_gradient(
    const floating* x,   # IN  (B, I)
    const floating* dy,  # IN  (B,)
    floating* dw,        # OUT (I,)
    floating* db,        # OUT (1,) or NULL
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t p0, Py_ssize_t p1,
    const Op* w_update, const Op* b_update,  # or NULL
    double rate,  # the learning rate of the step, or nan for that of each update
) noexcept nogil:
    """`gradient` of a layer with one output: dw^T := dy^T x for the panels p0 to p1 of x, read in place"""
    cdef Py_ssize_t V = line_elements(x), lines = lines_of(I, V), b0, depth
    cdef Py_ssize_t begin = panel_line(lines, p0) * V, end = min(I, panel_line(lines, p1) * V)
    cdef int mode = NN_START_ZERO
    cdef floating one = 1
    cdef Update update
    for b0 from 0 <= b0 < max(B, <Py_ssize_t>1) by CHUNK:
        depth = min(<Py_ssize_t>CHUNK, B - b0)
        if begin < end:
            strips(dy + b0, <Py_ssize_t>0, <Py_ssize_t>1, x + b0 * I, <Py_ssize_t>1, I, <Py_ssize_t>0, dw, I,
                   <Py_ssize_t>1, I, depth, p0, p1, <const floating*>NULL, mode)
        if db != NULL:
            columns_tiles(1, False, &one, <Py_ssize_t>0, <Py_ssize_t>0, dy + b0, <Py_ssize_t>1, db,
                          <Py_ssize_t>1, <floating*>NULL, <Py_ssize_t>1, depth, <const floating*>NULL, mode)
        mode = NN_START_ZERO | NN_END_ADD
    if w_update != NULL and begin < end:
        update = prepare_update(w_update, rate)
        update_at(w_update, &update, begin, dw + begin, end - begin)
    if b_update != NULL and db != NULL:
        update = prepare_update(b_update, rate)
        update_at(b_update, &update, <Py_ssize_t>0, db, <Py_ssize_t>1)


# ------------------------------------------------------------------ kernels
cdef bint by_panels(Py_ssize_t m, Py_ssize_t panels, int n_threads) noexcept nogil:
    """Whether threads share out panels of C, so that each keeps its part of B in its cache, or rows."""
    return panels % n_threads == 0 or panels >= 4 * n_threads or panels * NN_TILE_ROWS >= m


cdef void shared_product(floating* c, const floating* a, const floating* b, int source,
                         Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const floating* start, Finish* finish,
                         void* scratch, bint by_rows, int thread, int n_threads) noexcept nogil:
    """One thread's share of C (m, n) := f(start + A B)."""
    cdef Py_ssize_t begin = 0, end = m, p0 = 0, p1 = panels_of(lines_of(n, line_elements(a)))
    if not by_rows and by_panels(m, p1, n_threads):
        nn_share(p1, 1, thread, n_threads, &p0, &p1)
    else:
        nn_share(m, ROW_GRAIN, thread, n_threads, &begin, &end)
        if finish.saved != NULL:
            finish.saved = <const floating*>finish.saved + begin * n
    if begin < end and p0 < p1:
        product(c + begin * n, n, a + begin * k, k, b, source, end - begin, n, k, p0, p1, start,
                NN_START_ZERO if start == NULL else NN_START_ROW, finish, scratch)


cdef void dense_forward(
    const floating* x,   # IN  (B, I)
    const floating* w,   # IN  (I, O), or in panels
    const floating* b,   # IN  (O,) or NULL
    floating* y,         # OUT (B, O)
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, bint in_panels,
    int activation, double alpha,
    void* scratch, bint by_rows, int thread, int n_threads,
) noexcept nogil:
    """y := f(b + x w)"""
    cdef Finish finish
    cdef Py_ssize_t begin, end, i
    finish.activation, finish.backward, finish.alpha, finish.saved = activation, False, alpha, NULL
    if O == 1 and B >= NN_TILE_ROWS:  # y^T := w^T x^T: rows along the lanes
        nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
        for i in range(begin, end):
            y[i] = b[0] if b != NULL else <floating>0
        if begin < end:
            product(y + begin, end - begin, w, I, x + begin * I, TURNED, 1, end - begin, I, 0,
                    panels_of(lines_of(end - begin, line_elements(x))), <const floating*>NULL, NN_START_C,
                    &finish, scratch)
        return
    shared_product(y, x, w, PANELS if in_panels and O > 1 else ROWS, B, O, I, b, &finish, scratch, by_rows,
                   thread, n_threads)


cdef void dense_backward_input(
    const floating* dy,  # IN  (B, O)
    const floating* w,   # IN  (I, O), or in panels
    const floating* s,   # IN  (B, I) what the derivative of f needs, or NULL
    floating* dx,        # OUT (B, I)
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, bint in_panels,
    int activation, double alpha,
    void* scratch, bint by_rows, int thread, int n_threads,
) noexcept nogil:
    """dx := dy w^T f'(s)"""
    cdef Finish finish
    finish.activation, finish.backward, finish.alpha, finish.saved = activation, True, alpha, s
    shared_product(dx, dy, w, ROWS if O == 1 else TURNED_PANELS if in_panels else TURNED, B, I, O,
                   <const floating*>NULL, &finish,
                   scratch, by_rows, thread, n_threads)


cdef void dense_backward_params(
    const floating* x,   # IN  (B, I)
    const floating* dy,  # IN  (B, O)
    floating* dw,        # OUT (I, O), or in panels
    floating* db,        # OUT (O,) or NULL
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, bint in_panels,
    const Op* w_update, const Op* b_update,  # or NULL
    double rate,  # the learning rate of the step, or nan for that of each update
    void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dw := x^T dy; db := sum of dy over the batch; and the updates that take them"""
    cdef Py_ssize_t i0 = 0, i1 = I, p0 = 0, p1 = panels_of(lines_of(O, line_elements(x)))
    if O == 1:
        nn_share(panels_of(lines_of(I, line_elements(x))), 1, thread, n_threads, &p0, &p1)
        column_gradient(x, dy, dw, db if thread == 0 else NULL, B, I, p0, p1, w_update, b_update, rate)
        return
    if by_panels(I, p1, n_threads):
        nn_share(p1, 1, thread, n_threads, &p0, &p1)
    else:
        nn_share(I, NN_TILE_ROWS, thread, n_threads, &i0, &i1)
    if (i0 < i1 or I == 0) and p0 < p1:
        gradient(x, dy, dw, db, B, I, O, in_panels, i0, i1, p0, p1, w_update, b_update, rate, scratch)
