# Metrics: what a row gives, times its weight; a run adds the rows up.
#
# A. A row at a time, and one element a row as one loop over the batch. Rows turned, as in losses.pxi, were
#    tried for the accuracies: 17 ns for ten classes against 12, and 160 for 257 against 27.
# B. Counts are of integers: exact, in whatever order a compiler adds them.

cdef enum:
    SUMMED = 64  # of counts that are summed together


cdef inline void weigh_values(
    floating* rows,          # INOUT (B,)
    const floating* weight,  # IN    (B,), or NULL
    Py_ssize_t begin, Py_ssize_t end,
) noexcept nogil:
    """rows := weight * rows"""
    cdef Py_ssize_t b
    if weight != NULL:
        for b in range(begin, end):
            rows[b] = weight[b] * rows[b]


cdef inline floating row_maximum(const floating* x, Py_ssize_t C) noexcept nogil:
    """The largest element of a row, nan where there is one."""
    cdef floating[MOST] lane
    cdef floating top = x[0]
    cdef Py_ssize_t V = virtual_lanes(x), c
    cdef int bad = 0
    if C < 2 * V:
        for c in range(1, C):
            top = x[c] if x[c] > top else top
    else:
        memcpy(lane, x, LINE)
        for c from V <= c <= C - V by V:
            line_max(<floating*>lane, x + c)
        line_max(<floating*>lane, x + C - V)  # some a second time, which changes no maximum
        for c in range(V):
            top = lane[c] if lane[c] > top else top
    for c in range(C):
        bad |= x[c] != x[c]
    return <floating>NAN if bad else top


cdef void categorical_accuracy(
    const floating* y_pred,  # IN  (B, C)
    const int64_t* ids,      # IN  (B,), or NULL
    const floating* target,  # IN  (B, C) when ids is NULL: the first largest element is the class
    const floating* weight,  # IN  (B,), or NULL
    floating* rows_out,      # OUT (B,)
    Py_ssize_t B, Py_ssize_t C, Py_ssize_t k, int thread, int n_threads,
) noexcept nogil:
    """rows := w where the target's element is the first largest, or, if k is not 0, where less than k are
    larger; 0 elsewhere, with a nan, and where there is no such class"""
    cdef Py_ssize_t b, c, begin, end
    cdef const floating* p
    cdef floating top
    cdef int32_t before, wanted
    cdef int bad
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        p = y_pred + b * C
        bad = 0
        if ids != NULL:
            bad = not 0 <= ids[b] < C  # a class that the loss ignores, say
            wanted = 0 if bad else <int32_t>ids[b]
        else:
            top = row_maximum(target + b * C, C)
            wanted = <int32_t>C
            for c in range(C):
                wanted = min(wanted, <int32_t>c if target[b * C + c] == top else <int32_t>C)
            if wanted == C:  # a nan
                wanted, bad = 0, 1
        top = p[wanted]
        before = 0  # of the target's element in order of size
        for c in range(C):
            before += p[c] > top
            bad |= p[c] != p[c]
        if k == 0:
            for c in range(wanted):
                before += p[c] == top
        rows_out[b] = <floating>1 if not bad and before < max(k, 1) else <floating>0
    weigh_values(rows_out, weight, begin, end)


cdef void accuracy(
    const floating* y_pred,  # IN  (B, O)
    const floating* target,  # IN  (B, O)
    const floating* weight,  # IN  (B,), or NULL
    floating* rows_out,      # OUT (B,)
    Py_ssize_t B, Py_ssize_t O, int thread, int n_threads,
) noexcept nogil:
    """rows := w * share of elements with p == t"""
    cdef Py_ssize_t b, c, begin, end
    cdef int32_t right
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    if O == 1:
        for b in range(begin, end):
            rows_out[b] = <floating>1 if y_pred[b] == target[b] else <floating>0
    else:
        for b in range(begin, end):
            right = 0
            for c in range(b * O, b * O + O):
                right += y_pred[c] == target[c]
            rows_out[b] = <floating>right * (<floating>1 / <floating>O)
    weigh_values(rows_out, weight, begin, end)


cdef void binary_accuracy(
    const floating* y_pred,  # IN  (B, O)
    const floating* target,  # IN  (B, O)
    const floating* weight,  # IN  (B,), or NULL
    floating* rows_out,      # OUT (B,)
    Py_ssize_t B, Py_ssize_t O, floating threshold, int thread, int n_threads,
) noexcept nogil:
    """rows := w * share of elements with (p > threshold) == t"""
    cdef Py_ssize_t b, c, begin, end
    cdef int32_t right
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    if O == 1:
        for b in range(begin, end):
            rows_out[b] = <floating>1 if <floating>(y_pred[b] > threshold) == target[b] else <floating>0
    else:
        for b in range(begin, end):
            right = 0
            for c in range(b * O, b * O + O):
                right += <floating>(y_pred[c] > threshold) == target[c]
            rows_out[b] = <floating>right * (<floating>1 / <floating>O)
    weigh_values(rows_out, weight, begin, end)


cdef void absolute_error(
    const floating* y_pred,  # IN  (B, O)
    const floating* target,  # IN  (B, O)
    const floating* weight,  # IN  (B,), or NULL
    floating* rows_out,      # OUT (B,)
    Py_ssize_t B, Py_ssize_t O, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """rows := w * mean(|p - t|)"""
    cdef Py_ssize_t V = virtual_lanes(y_pred), b, r, i, rows, begin, end
    cdef floating* d = <floating*>part(scratch, O, 0)
    cdef floating* t = <floating*>part(scratch, O, 1)
    cdef floating* flat = <floating*>part(scratch, O, 4)
    cdef floating[MOST] s
    cdef floating e
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    if O == 1:
        for b in range(begin, end):
            e = y_pred[b] - target[b]
            rows_out[b] = -e if e < 0 else e
        weigh_values(rows_out, weight, begin, end)
        return
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
        store_rows(<const floating*>s, weight, rows_out, b, rows)


cdef void confusion_counts(
    const floating* y_pred,      # IN  (B, C)
    const floating* target,      # IN  (B, C) not 0: positive
    const floating* weight,      # IN  (B,), or NULL
    const floating* thresholds,  # IN  (T,)
    floating* counts_out,        # OUT (B, 2 T + 2)
    Py_ssize_t B, Py_ssize_t C, Py_ssize_t T,
    Py_ssize_t top_k,            # not 0: only the k largest of a row are predicted, of equal ones the first
    Py_ssize_t class_id,         # not negative: only this column counts
    int thread, int n_threads,
) noexcept nogil:
    """counts := w * [for each threshold: positives that are predicted; for each: negatives that are;
    positives; negatives], where "predicted" is p > threshold"""
    cdef Py_ssize_t b, c, i, first = max(class_id, 0), n = 1 if class_id >= 0 else C, begin, end
    cdef const floating* p
    cdef const floating* t
    cdef floating* counts
    cdef floating w, threshold
    cdef int32_t hits, alarms, positive
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        p, t, counts = y_pred + b * C + first, target + b * C + first, counts_out + b * (2 * T + 2)
        w = weight[b] if weight != NULL else <floating>1
        positive = t[0] != 0
        for c in range(1, n):
            positive += t[c] != 0
        counts[2 * T], counts[2 * T + 1] = w * <floating>positive, w * <floating>(n - positive)
        if top_k != 0:
            memset(counts, 0, 2 * T * sizeof(floating))
            count_largest(y_pred + b * C, target + b * C, thresholds, counts, C, T, top_k, class_id)
            for i in range(2 * T):
                counts[i] = w * counts[i]
        elif n == 1:
            for i in range(T):
                hits = p[0] > thresholds[i]
                counts[i], counts[T + i] = w * <floating>(hits & positive), w * <floating>(hits & ~positive)
        else:
            for i in range(T):
                threshold = thresholds[i]
                hits = alarms = 0
                for c in range(n):
                    hits += (p[c] > threshold) & (t[c] != 0)
                    alarms += (p[c] > threshold) & (t[c] == 0)
                counts[i], counts[T + i] = w * <floating>hits, w * <floating>alarms


cdef void count_largest(
    const floating* p,           # IN    (C,)
    const floating* t,           # IN    (C,)
    const floating* thresholds,  # IN    (T,)
    floating* counts,            # INOUT (2 T,) as of `confusion_counts`, without the weight
    Py_ssize_t C, Py_ssize_t T, Py_ssize_t top_k, Py_ssize_t class_id,
) noexcept nogil:
    """Count the k largest elements of a row, taken one after the other; a nan is none of them."""
    cdef Py_ssize_t c, i, best, last = -1
    for _ in range(top_k):
        best = -1
        for c in range(C):
            if last < 0 or p[c] < p[last] or (p[c] == p[last] and c > last):  # behind those that were taken
                if p[c] == p[c] and (best < 0 or p[c] > p[best]):
                    best = c
        if best < 0:
            return
        last = best
        if class_id >= 0 and class_id != best:
            continue
        for i in range(T):
            if p[best] > thresholds[i]:
                counts[i if t[best] != 0 else T + i] += 1


cdef void class_counts(
    const floating* y_pred,  # IN  (B, C)
    const floating* target,  # IN  (B, C)
    const floating* weight,  # IN  (B,), or NULL
    floating* counts_out,    # OUT (B, 3 C)
    Py_ssize_t B, Py_ssize_t C,
    bint largest,            # predicted are the largest of the row, all of equal ones, but nothing that is 0
    floating threshold,      # else: those above it
    int thread, int n_threads,
) noexcept nogil:
    """counts := w * [q t, q, t] for each class, where q is 1 for those predicted, else 0"""
    cdef Py_ssize_t b, c, begin, end
    cdef const floating* p
    cdef const floating* t
    cdef floating* counts
    cdef floating w, least
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    if C == 1:
        for b in range(begin, end):
            w = weight[b] if weight != NULL else <floating>1
            least = y_pred[b] if largest else threshold
            count_class(y_pred[b], target[b], w, largest, least, counts_out + 3 * b, 1)
        return
    for b in range(begin, end):
        p, t, counts = y_pred + b * C, target + b * C, counts_out + b * 3 * C
        w = weight[b] if weight != NULL else <floating>1
        least = row_maximum(p, C) if largest else threshold
        for c in range(C):
            count_class(p[c], t[c], w, largest, least, counts + c, C)


cdef inline void count_class(floating p, floating t, floating w, bint largest, floating least,
                             floating* counts, Py_ssize_t C) noexcept nogil:
    cdef floating q, nothing = <floating>1e-9  # Keras's bound
    if largest:
        q = <floating>1 if (p >= least) & ((p > nothing) | (p < -nothing)) else <floating>0
    else:
        q = <floating>1 if p > least else <floating>0
    counts[0], counts[C], counts[2 * C] = w * (q * t), w * q, w * t


cdef void regression_moments(
    const floating* y_pred,  # IN  (B, O)
    const floating* target,  # IN  (B, O)
    const floating* weight,  # IN  (B,), or NULL
    double* moments_out,     # OUT (B, 3 O + 2)
    Py_ssize_t B, Py_ssize_t O, int thread, int n_threads,
) noexcept nogil:
    """moments := [w t, w t^2, w (p - t)^2 for each output; w; w != 0] in float64"""
    cdef Py_ssize_t b, c, begin, end
    cdef const floating* p
    cdef const floating* t
    cdef double* moments
    cdef double w, y, d
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        p, t, moments = y_pred + b * O, target + b * O, moments_out + b * (3 * O + 2)
        w = <double>weight[b] if weight != NULL else 1.0
        for c in range(O):
            y = <double>t[c]
            d = <double>p[c] - y
            moments[c], moments[O + c], moments[2 * O + c] = w * y, (w * y) * y, (w * d) * d
        moments[3 * O], moments[3 * O + 1] = w, <double>(w != 0)


cdef void column_sums(
    const floating* rows,  # IN    (B, K)
    double* sums,          # INOUT (K,), or OUT
    Py_ssize_t B, Py_ssize_t K, double scale,
    bint add,              # whether to add to what is there
) noexcept nogil:
    """sums := or += scale * the batch sum of each column"""
    cdef double[8 * SUMMED] lane
    cdef double* to
    cdef const floating* row
    cdef Py_ssize_t first, n, b, i, half
    if K == 1:
        sums[0] = (sums[0] if add else 0) + scale * batch_sum(rows, B)
        return
    for first from 0 <= first < K by SUMMED:
        n = min(<Py_ssize_t>SUMMED, K - first)
        memset(lane, 0, sizeof(lane))
        for b in range(B):
            row, to = rows + b * K + first, <double*>lane + b % 8 * SUMMED
            for i in range(n):
                to[i] = to[i] + row[i]
        half = 4
        while half > 0:
            for b in range(half):
                for i in range(n):
                    lane[b * SUMMED + i] = lane[b * SUMMED + i] + lane[(b + half) * SUMMED + i]
            half //= 2
        for i in range(n):
            sums[first + i] = (sums[first + i] if add else 0) + scale * lane[i]
