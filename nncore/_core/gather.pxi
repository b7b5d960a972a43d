# Rows of a batch out of data of another dtype, or of some columns of wider rows: bytes of images, float64
# tables.
#
# They are converted while they are gathered, so that data may be larger than the memory and nobody converts
# them as a whole. A conversion is that of C, which is NumPy's: to nearest, beyond the largest number to inf.

ctypedef fused number:
    int8_t
    uint8_t
    int16_t
    uint16_t
    int32_t
    uint32_t
    int64_t
    uint64_t
    float
    double

ctypedef fused wanted:
    int64_t
    float
    double

ctypedef fused column_number:
    int32_t
    int64_t

cdef enum Dtype:  # of the source, as NUMBERS of nncore/executor.py; 0 is `gather`
    D_SAME = 1  # bytes are copied as they are
    D_INT8
    D_UINT8
    D_INT16
    D_UINT16
    D_INT32
    D_UINT32
    D_INT64
    D_UINT64
    D_FLOAT32
    D_FLOAT64


cdef inline void convert(const number* source, wanted* to, Py_ssize_t n) noexcept nogil:
    """to := source"""
    cdef Py_ssize_t i
    for i in range(n):
        to[i] = <wanted>source[i]


cdef void gather_converted(
    const char* source,    # IN  (samples,) rows of n numbers, stride bytes apart
    wanted* to,            # OUT (B, n)
    int dtype, Py_ssize_t n, Py_ssize_t stride,
    const int64_t* order,  # (samples,), or NULL: rows as they lie
    Py_ssize_t first, Py_ssize_t B, int thread, int n_threads,
) noexcept nogil:
    """to[r] := source[order[first + r]]"""
    cdef Py_ssize_t r, begin, end
    cdef const char* row
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for r in range(begin, end):
        row = source + (order[first + r] if order != NULL else first + r) * stride
        if dtype == D_SAME:
            memcpy(to + r * n, row, n * sizeof(wanted))
        elif dtype == D_UINT8:
            convert(<const uint8_t*>row, to + r * n, n)
        elif dtype == D_INT8:
            convert(<const int8_t*>row, to + r * n, n)
        elif dtype == D_INT16:
            convert(<const int16_t*>row, to + r * n, n)
        elif dtype == D_UINT16:
            convert(<const uint16_t*>row, to + r * n, n)
        elif dtype == D_INT32:
            convert(<const int32_t*>row, to + r * n, n)
        elif dtype == D_UINT32:
            convert(<const uint32_t*>row, to + r * n, n)
        elif dtype == D_INT64:
            convert(<const int64_t*>row, to + r * n, n)
        elif dtype == D_UINT64:
            convert(<const uint64_t*>row, to + r * n, n)
        elif dtype == D_FLOAT32:
            convert(<const float*>row, to + r * n, n)
        elif dtype == D_FLOAT64:
            convert(<const double*>row, to + r * n, n)


cdef void gather_sparse(
    const int64_t* starts,   # IN  (samples + 1,) where rows begin in the next two
    const column_number* columns,  # IN  (stored,)
    const floating* values,  # IN  (stored,)
    floating* to,            # OUT (B, n)
    Py_ssize_t n, const Batch* batch, int thread, int n_threads,
) noexcept nogil:
    """to[r] := 0;  to[r, columns[k]] += values[k] for all k of the row order[first + r]

    A column is compared with n here, and not only before the run: the arrays are the user's, who may write to
    them meanwhile. The starts are not."""
    cdef Py_ssize_t r, k, sample, begin, end
    cdef int64_t column
    cdef floating* row
    nn_share(batch.rows, ROW_GRAIN, thread, n_threads, &begin, &end)
    memset(to + begin * n, 0, (end - begin) * n * sizeof(floating))
    for r in range(begin, end):
        sample = batch.order[batch.first + r] if batch.order != NULL else batch.first + r
        row = to + r * n
        for k in range(starts[sample], starts[sample + 1]):
            column = columns[k]
            if 0 <= column < n:
                row[column] += values[k]
