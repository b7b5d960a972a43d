# Metrics: one value per row, in the blocks of losses.pxi.

cdef void categorical_accuracy(
    const floating* y_pred,  # IN  (B, C)
    const int64_t* ids,      # IN  (B,), or NULL
    const floating* target,  # IN  (B, C) when ids is NULL: the first largest element is the class
    floating* rows_out,      # OUT (B,) 1 where the first largest element is the target's; 0 with a nan
    Py_ssize_t B, Py_ssize_t C, void* scratch, int thread, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t V = virtual_lanes(y_pred), b, c, r, rows, begin, end
    cdef floating* p = <floating*>part(scratch, C, 0)
    cdef floating* flat = <floating*>part(scratch, C, 4)
    cdef floating[MOST] top
    cdef floating[MOST] right
    cdef int32_t[MOST] wanted
    cdef bint before
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        if ids != NULL:
            for r in range(V):  # a class that the loss ignores may be none of the outputs
                wanted[r] = <int32_t>ids[b + r] if r < rows and 0 <= ids[b + r] < C else -1
        else:
            load_block(target + b * C, p, C, rows, flat)
            for r in range(V):
                wanted[r] = 0
            for c in range(1, C):
                for r in range(V):
                    wanted[r] = <int32_t>c if p[c * V + r] > p[wanted[r] * V + r] else wanted[r]
        load_block(y_pred + b * C, p, C, rows, flat)
        for r in range(V):
            right[r] = <floating>0 if wanted[r] < 0 else <floating>1
            top[r] = p[max(wanted[r], 0) * V + r]
        for c in range(C):
            for r in range(LINE // <Py_ssize_t>sizeof(floating)):
                before = (p[c * V + r] < top[r]) | ((p[c * V + r] == top[r]) & (wanted[r] <= <int32_t>c))
                right[r] = right[r] if before else <floating>0
        memcpy(rows_out + b, right, rows * sizeof(floating))


cdef void binary_accuracy(
    const floating* y_pred,  # IN  (B, O)
    const floating* target,  # IN  (B, O)
    floating* rows_out,      # OUT (B,)
    Py_ssize_t B, Py_ssize_t O, floating threshold, int thread, int n_threads,
) noexcept nogil:
    """rows := share of elements with (p > threshold) == t"""
    cdef Py_ssize_t b, c, begin, end, right
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        right = 0
        for c in range(b * O, b * O + O):
            right += <floating>(y_pred[c] > threshold) == target[c]
        rows_out[b] = <floating>right * (<floating>1 / <floating>O)


cdef void absolute_error(
    const floating* y_pred,  # IN  (B, O)
    const floating* target,  # IN  (B, O)
    floating* rows_out,      # OUT (B,)
    Py_ssize_t B, Py_ssize_t O, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """rows := mean(|p - t|)"""
    cdef Py_ssize_t V = virtual_lanes(y_pred), b, r, i, rows, begin, end
    cdef floating* d = <floating*>part(scratch, O, 0)
    cdef floating* t = <floating*>part(scratch, O, 1)
    cdef floating* flat = <floating*>part(scratch, O, 4)
    cdef floating[MOST] s
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        load_block(y_pred + b * O, d, O, rows, flat)
        load_block(target + b * O, t, O, rows, flat)
        for i in range(O * V):
            d[i] = d[i] - t[i]
            d[i] = -d[i] if d[i] < 0 else d[i]
        block_sum(d, <floating*>s, O)
        for r in range(LINE // <Py_ssize_t>sizeof(floating)):
            s[r] = s[r] * (<floating>1 / <floating>O)
        memcpy(rows_out + b, s, rows * sizeof(floating))
