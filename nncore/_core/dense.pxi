# The three products of a dense layer, over the register tile of src/tile.h.
#
# A. One loop nest, `product`, serves all three: forward  y = x w,  backward_input  dx = dy w^T,
#    backward_params dw = x^T dy. They differ in how A and B are walked, never in the order of a sum: each
#    element of C is one chain over ascending k. A block of k goes on with the chain that C holds.
# B. B is packed into panels of NN_TILE_VECTORS vectors of columns, [k][column], a block of k and of columns
#    at a time: BLOCK_DEPTH x BLOCK_COLUMNS float32 are half of a 1 MiB second-level cache, and twelve rows of
#    A beside them half of the first-level cache. Rows of w are turned into columns of w^T by register
#    transposes while packing: a kernel of dot products would reach 55 to 69 % of the peak only.
# C. A is read where it lies, but for x^T at strides of whole pages: twelve columns of each row of x would
#    cost an entry of the TLB per step. Then the strips of a block of A are copied together, so that a page is
#    entered once for all of them (copying them one by one lost 5 to 15 %).
# D. Few rows do not repay packing, nor does a B that lies in the first-level cache as it is: then B is read
#    in place, and where rows are few as many vectors at a time as there are registers.
# E. dense_backward_params cuts the batch in chunks of CHUNK rows, sums each from +0 and adds the chunks in
#    order: the error of a long sum grows with the chunk, not with the batch, and chunks could be shared out.

cdef enum:
    BLOCK_DEPTH = 512
    BLOCK_DEPTH_WHOLE = 640    # up to here k is not cut
    BLOCK_COLUMNS = 256
    CHUNK = 512
    PANEL_BYTES = NN_TILE_VECTORS * NN_VECTOR_BYTES
    BLOCK_STRIPS = 8           # strips of A that are copied together
    PAGE = 4096
    IN_PLACE_BYTES = 1 << 15


cdef inline Py_ssize_t block_depth(Py_ssize_t k) noexcept nogil:
    """Rows of B in a block: equal blocks, in eights."""
    if k <= BLOCK_DEPTH_WHOLE:
        return max(k, <Py_ssize_t>1)
    cdef Py_ssize_t blocks = (k + BLOCK_DEPTH - 1) // BLOCK_DEPTH
    return ((k + blocks - 1) // blocks + 7) // 8 * 8


cdef inline Py_ssize_t product_scratch(Py_ssize_t n, Py_ssize_t k, Py_ssize_t size) noexcept nogil:
    """Bytes of scratch that one thread needs: a block of panels and strips of A."""
    cdef Py_ssize_t columns = min((n * size + PANEL_BYTES - 1) // PANEL_BYTES * PANEL_BYTES,
                                  <Py_ssize_t>BLOCK_COLUMNS * size)
    return block_depth(k) * columns + BLOCK_STRIPS * NN_TILE_ROWS * block_depth(k) * size


cdef void pack_panel(
    floating* panel,     # OUT (depth, columns): zeros beyond width
    const floating* b,   # IN  (depth, width), or (width, depth) when transposed
    Py_ssize_t b_row, bint transposed,
    Py_ssize_t depth, Py_ssize_t width, Py_ssize_t columns,
) noexcept nogil:
    cdef Py_ssize_t k, j, i, full_j, full_k, L = lanes(b)
    if width < columns:
        memset(panel, 0, depth * columns * sizeof(floating))
    if not transposed:
        if width == columns == 2 * L:
            for k in range(depth):
                memcpy(panel + k * columns, b + k * b_row, 2 * NN_VECTOR_BYTES)
        else:
            for k in range(depth):
                memcpy(panel + k * columns, b + k * b_row, width * sizeof(floating))
        return
    full_j, full_k = width // L * L, depth // L * L
    for j from 0 <= j < full_j by L:
        for k from 0 <= k < full_k by L:
            transpose(b + j * b_row + k, b_row, panel + k * columns + j, columns)
        for k in range(full_k, depth):
            for i in range(j, j + L):
                panel[k * columns + i] = b[i * b_row + k]
    for j in range(full_j, width):
        for k in range(depth):
            panel[k * columns + j] = b[j * b_row + k]


cdef void product(
    floating* c, Py_ssize_t c_row,                                    # OUT (m, n), rows c_row apart
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_step,           # IN  a[i * a_row + k * a_step]
    const floating* b, Py_ssize_t b_row, bint transposed,             # IN  (k, n), or (n, k) when transposed
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* start, int mode,                                  # as of src/tile.h; start (n,) or NULL
    int activation, floating alpha,
    void* scratch,
) noexcept nogil:
    """C := f(start + A B)"""
    cdef Py_ssize_t L = lanes(a), panel_columns = NN_TILE_VECTORS * L
    cdef Py_ssize_t depth = block_depth(k), columns, i, j, j0, k0, width, d
    cdef Py_ssize_t whole = (n + panel_columns - 1) // panel_columns * panel_columns
    cdef floating* panels = <floating*>scratch
    cdef floating* strips = panels + depth * min(whole, <Py_ssize_t>BLOCK_COLUMNS)
    cdef const floating* from_a
    cdef const floating* from_b
    cdef const floating* from_start
    cdef floating* to
    cdef Py_ssize_t from_row = a_row, from_step = a_step
    cdef int rows, vectors, step_mode, first_mode = mode & NN_START_MASK
    cdef bint copy_a = (a_row == 1 and a_step * <Py_ssize_t>sizeof(floating) % PAGE == 0
                        and n > 2 * panel_columns)
    cdef bint pass_after = activation != IDENTITY and activation != RELU
    if activation == RELU:
        mode |= NN_END_RELU

    if not transposed and (m <= NN_TILE_ROWS
                           or k * b_row * <Py_ssize_t>sizeof(floating) <= IN_PLACE_BYTES):  # D
        for i from 0 <= i < m by NN_TILE_ROWS:
            rows = <int>min(<Py_ssize_t>NN_TILE_ROWS, m - i)
            j = 0
            while j < n:
                from_start = start + j if start != NULL else NULL
                if n - j >= L:
                    vectors = tile_vectors(a, rows, (n - j) // L)
                    tile(rows, vectors, k, a + i * a_row, a_row, a_step, b + j, b_row, c + i * c_row + j,
                         c_row, from_start, mode)
                    j += vectors * L
                else:
                    edge_tile(rows, <int>(n - j), k, a + i * a_row, a_row, a_step, b + j, b_row,
                              c + i * c_row + j, c_row, from_start, mode)
                    j = n
            if pass_after:
                activate_rows(activation, c + i * c_row, c_row, rows, n, alpha)
        return

    for j0 from 0 <= j0 < n by BLOCK_COLUMNS:
        columns = min(<Py_ssize_t>BLOCK_COLUMNS, n - j0)
        for k0 from 0 <= k0 < max(k, <Py_ssize_t>1) by depth:
            d = min(depth, k - k0)
            for j from 0 <= j < columns by panel_columns:
                width = min(panel_columns, columns - j)
                pack_panel(panels + j * d, b + ((j0 + j) * b_row + k0 if transposed else k0 * b_row + j0 + j),
                           b_row, transposed, d, width, panel_columns if width > L else L)
            step_mode = first_mode if k0 == 0 else NN_START_C
            if k0 + d == k:
                step_mode |= mode & ~NN_START_MASK
            for i from 0 <= i < m by NN_TILE_ROWS:
                rows = <int>min(<Py_ssize_t>NN_TILE_ROWS, m - i)
                from_a = a + i * a_row + k0 * a_step
                if copy_a:
                    if i % (BLOCK_STRIPS * NN_TILE_ROWS) == 0:
                        copy_strips(strips, from_a, a_step,
                                    min(<Py_ssize_t>BLOCK_STRIPS * NN_TILE_ROWS, m - i), d)
                    from_a = strips + i % (BLOCK_STRIPS * NN_TILE_ROWS) * d
                    from_row, from_step = 1, NN_TILE_ROWS
                j = 0
                while j < columns:
                    from_b = panels + j // panel_columns * panel_columns * d + j % panel_columns
                    to = c + i * c_row + j0 + j
                    from_start = start + j0 + j if start != NULL else NULL
                    width = min(panel_columns, columns - j // panel_columns * panel_columns)
                    width = panel_columns if width > L else L  # between rows of the panel
                    if columns - j >= panel_columns:
                        tile(rows, NN_TILE_VECTORS, d, from_a, from_row, from_step, from_b, width, to, c_row,
                             from_start, step_mode)
                        j += panel_columns
                    elif columns - j >= L:
                        tile(rows, 1, d, from_a, from_row, from_step, from_b, width, to, c_row, from_start,
                             step_mode)
                        j += L
                    else:
                        edge_tile(rows, <int>(columns - j), d, from_a, from_row, from_step, from_b, width, to,
                                  c_row, from_start, step_mode)
                        j = columns
                if pass_after and k0 + d == k:
                    activate_rows(activation, c + i * c_row + j0, c_row, rows, columns, alpha)


cdef inline void activate_rows(int activation, floating* c, Py_ssize_t c_row, int rows, Py_ssize_t n,
                               floating alpha) noexcept nogil:
    cdef Py_ssize_t i
    if n == c_row:
        activate_in_place(activation, c, rows * n, alpha)
    else:
        for i in range(rows):
            activate_in_place(activation, c + i * c_row, n, alpha)


cdef void copy_strips(floating* strips, const floating* a, Py_ssize_t a_step, Py_ssize_t rows,
                      Py_ssize_t depth) noexcept nogil:
    """strips[i // R][k][i % R] := a[k * a_step + i], R rows in a strip"""
    cdef Py_ssize_t k, i, full = rows // NN_TILE_ROWS * NN_TILE_ROWS
    for k in range(depth):
        for i from 0 <= i < full by NN_TILE_ROWS:
            memcpy(strips + i * depth + k * NN_TILE_ROWS, a + k * a_step + i, NN_TILE_ROWS * sizeof(floating))
        if full < rows:
            memcpy(strips + full * depth + k * NN_TILE_ROWS, a + k * a_step + full,
                   (rows - full) * sizeof(floating))


cdef bint by_columns(Py_ssize_t m, Py_ssize_t n, Py_ssize_t panel_columns, int n_threads) noexcept nogil:
    """Whether threads share out columns of C, so that none packs what another one packs, or rows."""
    cdef Py_ssize_t panels = (n + panel_columns - 1) // panel_columns
    cdef Py_ssize_t strips = (m + NN_TILE_ROWS - 1) // NN_TILE_ROWS
    return panels % n_threads == 0 or panels >= 4 * n_threads or panels >= strips


cdef void shared_product(floating* c, const floating* a, Py_ssize_t a_row, Py_ssize_t a_step,
                         const floating* b, Py_ssize_t b_row, bint transposed,
                         Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const floating* start, int mode,
                         int activation, floating alpha, void* scratch,
                         int thread, int n_threads) noexcept nogil:
    """One thread's share of C (m, n) := f(start + A B)."""
    cdef Py_ssize_t begin, end, panel_columns = NN_TILE_VECTORS * lanes(a)
    if by_columns(m, n, panel_columns, n_threads):
        nn_share(n, panel_columns, thread, n_threads, &begin, &end)
        if begin < end:
            product(c + begin, n, a, a_row, a_step, b + (begin * b_row if transposed else begin), b_row,
                    transposed, m, end - begin, k, start + begin if start != NULL else NULL, mode, activation,
                    alpha, scratch)
    else:
        nn_share(m, NN_TILE_ROWS, thread, n_threads, &begin, &end)
        if begin < end:
            product(c + begin * n, n, a + begin * a_row, a_row, a_step, b, b_row, transposed,
                    end - begin, n, k, start, mode, activation, alpha, scratch)


cdef void dense_forward(
    const floating* x,   # IN  (B, I)
    const floating* w,   # IN  (I, O)
    const floating* b,   # IN  (O,) or NULL
    floating* y,         # OUT (B, O)
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t O,
    int activation, floating alpha,
    void* scratch, int thread, int n_threads,
) noexcept nogil:
    """y := f(b + x w)"""
    shared_product(y, x, I, <Py_ssize_t>1, w, O, False, B, O, I, b,
                   NN_START_ZERO if b == NULL else NN_START_ROW, activation, alpha, scratch, thread,
                   n_threads)


cdef void dense_backward_input(
    const floating* dy,  # IN  (B, O)
    const floating* w,   # IN  (I, O)
    floating* dx,        # OUT (B, I)
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t O,
    void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dx := dy w^T"""
    shared_product(dx, dy, O, <Py_ssize_t>1, w, O, True, B, I, O, <const floating*>NULL, NN_START_ZERO,
                   IDENTITY, <floating>0, scratch, thread, n_threads)


cdef void dense_backward_params(
    const floating* x,   # IN  (B, I)
    const floating* dy,  # IN  (B, O)
    floating* dw,        # OUT (I, O)
    floating* db,        # OUT (O,) or NULL
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t O,
    void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dw := x^T dy; db := sum of dy over the batch, as one more row of x^T that is 1"""
    cdef Py_ssize_t b0, depth
    cdef int mode = NN_START_ZERO
    cdef floating one = 1
    for b0 from 0 <= b0 < max(B, <Py_ssize_t>1) by CHUNK:
        depth = min(<Py_ssize_t>CHUNK, B - b0)
        shared_product(dw, x + b0 * I, <Py_ssize_t>1, I, dy + b0 * O, O, False, I, O, depth,
                       <const floating*>NULL, mode, IDENTITY, <floating>0, scratch, thread, n_threads)
        if db != NULL:
            shared_product(db, &one, <Py_ssize_t>0, <Py_ssize_t>0, dy + b0 * O, O, False, <Py_ssize_t>1, O,
                           depth, <const floating*>NULL, mode, IDENTITY, <floating>0, scratch, thread,
                           n_threads)
        mode = NN_START_ZERO | NN_END_ADD
