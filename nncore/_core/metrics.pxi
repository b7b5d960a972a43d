# Metrics: one value per row. Threads share out rows.

cdef void sparse_categorical_accuracy(
    const floating* y_pred,  # IN  (B, C)
    const int64_t* ids,      # IN  (B,)
    floating* rows,          # OUT (B,) 1 where the first largest element is the target's, else 0 (also with a nan)
    Py_ssize_t B, Py_ssize_t C, int thread, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t b, c, begin, end
    cdef const floating* p
    cdef floating top
    cdef int beaten
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        p = y_pred + b * C
        top, beaten = p[ids[b]], 0
        for c in range(ids[b]):
            beaten |= not (p[c] < top)
        for c in range(ids[b], C):
            beaten |= not (p[c] <= top)
        rows[b] = <floating>0 if beaten else <floating>1


cdef void categorical_accuracy(
    const floating* y_pred,  # IN  (B, C)
    const floating* target,  # IN  (B, C)
    floating* rows,          # OUT (B,)
    Py_ssize_t B, Py_ssize_t C, int thread, int n_threads,
) noexcept nogil:
    cdef Py_ssize_t b, c, begin, end
    cdef int64_t top
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        top = 0
        for c in range(1, C):
            if target[b * C + c] > target[b * C + top]:
                top = c
        sparse_categorical_accuracy(y_pred + b * C, &top, rows + b, 1, C, 0, 1)


cdef void binary_accuracy(
    const floating* y_pred,  # IN  (B, O)
    const floating* target,  # IN  (B, O)
    floating* rows,          # OUT (B,)
    Py_ssize_t B, Py_ssize_t O, floating threshold, int thread, int n_threads,
) noexcept nogil:
    """rows := share of elements with (p > threshold) == t"""
    cdef Py_ssize_t b, c, begin, end, right
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        right = 0
        for c in range(b * O, b * O + O):
            right += <floating>(y_pred[c] > threshold) == target[c]
        rows[b] = <floating>right * (1 / <floating>O)


cdef void absolute_error(
    const floating* y_pred,  # IN  (B, O)
    const floating* target,  # IN  (B, O)
    floating* rows,          # OUT (B,)
    Py_ssize_t B, Py_ssize_t O, int thread, int n_threads,
) noexcept nogil:
    """rows := mean(|p - t|)"""
    cdef Py_ssize_t b, c, i, n, begin, end
    cdef floating d
    cdef floating[BLOCK] part
    cdef floating[16] lane
    nn_share(B, 1, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        memset(lane, 0, sizeof(lane))
        for i from 0 <= i < O by BLOCK:
            n = min(<Py_ssize_t>BLOCK, O - i)
            for c in range(n):
                d = y_pred[b * O + i + c] - target[b * O + i + c]
                part[c] = -d if d < 0 else d
            add_row(<floating*>lane, <const floating*>part, n)
        rows[b] = tree(<floating*>lane) * (1 / <floating>O)
