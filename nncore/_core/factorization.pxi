# Factorization machines: the sum over pairs of features, and of embedded fields. The loops are in
# src/factorization.h.

cdef extern from "factorization.h" nogil:
    void nn_pairs_f32(Py_ssize_t n, Py_ssize_t k, const float* x, const float* v, float* sums, float* total)
    void nn_pairs_f64(Py_ssize_t n, Py_ssize_t k, const double* x, const double* v, double* sums,
                      double* total)
    void nn_turned_factors_f32(Py_ssize_t k, int width, const float* v, float* to)
    void nn_turned_factors_f64(Py_ssize_t k, int width, const double* v, double* to)
    void nn_factors_input_f32(Py_ssize_t B, Py_ssize_t n, Py_ssize_t k, int width, const float* dy,
                              const float* x, const float* turned, const float* s, float* dx)
    void nn_factors_input_f64(Py_ssize_t B, Py_ssize_t n, Py_ssize_t k, int width, const double* dy,
                              const double* x, const double* turned, const double* s, double* dx)
    void nn_factors_params_f32(Py_ssize_t B, Py_ssize_t n, Py_ssize_t k, int width, const float* dy,
                               const float* x, const float* turned, const float* s, float* to)
    void nn_factors_params_f64(Py_ssize_t B, Py_ssize_t n, Py_ssize_t k, int width, const double* dy,
                               const double* x, const double* turned, const double* s, double* to)
    void nn_interaction_f32(Py_ssize_t n, Py_ssize_t k, const float* x, float* lane)
    void nn_interaction_f64(Py_ssize_t n, Py_ssize_t k, const double* x, double* lane)
    void nn_interaction_backward_f32(Py_ssize_t n, Py_ssize_t k, float dy, const float* x, float* dx,
                                     float* after)
    void nn_interaction_backward_f64(Py_ssize_t n, Py_ssize_t k, double dy, const double* x, double* dx,
                                     double* after)


cdef inline Py_ssize_t two_blocks(Py_ssize_t columns) noexcept nogil:
    """Bytes for the rows of a block turned, and as they lie."""
    return (2 * padded(columns) + MOST) * LINE


cdef inline Py_ssize_t factorization_scratch(const Op* op) noexcept nogil:
    """Bytes of scratch that each thread needs: n[0] features or fields, n[1] factors."""
    if op.kernel == K_FACTORIZATION_MACHINE_FORWARD:  # of x, and of its sums
        return two_blocks(op.n[0]) + two_blocks(op.n[1])
    if op.kernel == K_FM_INTERACTION_BACKWARD:
        return op.n[0] * LINE
    return 2 * op.n[1] * LINE


cdef void factorization_machine_forward(
    const floating* x,  # IN  (B, n)
    const floating* v,  # IN  (n, k)
    floating* y,        # OUT (B,)
    floating* s,        # OUT (B, k)
    Py_ssize_t B, Py_ssize_t n, Py_ssize_t k, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """y := sum over i < j and f of (x_i v_if) (x_j v_jf);  s := x v"""
    cdef Py_ssize_t V = virtual_lanes(x), b, rows, begin, end
    cdef floating* turned = <floating*>part(scratch, n, 0)
    cdef floating* flat = <floating*>part(scratch, n, 1)
    cdef void* second = <char*>scratch + two_blocks(n)
    cdef floating* sums = <floating*>part(second, k, 0)
    cdef floating* flat_sums = <floating*>part(second, k, 1)
    cdef floating[MOST] total
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b from begin <= b < end by V:
        rows = min(V, end - b)
        load_block(x + b * n, turned, n, rows, flat)
        if floating is float:
            nn_pairs_f32(n, k, turned, v, sums, total)
        else:
            nn_pairs_f64(n, k, turned, v, sums, total)
        memcpy(y + b, total, rows * sizeof(floating))
        store_block(sums, s + b * k, k, rows, flat_sums)


cdef void factorization_machine_backward_input(
    const floating* dy,  # IN  (B,)
    const floating* x,   # IN  (B, n)
    const floating* v,   # IN  (n, k)
    const floating* s,   # IN  (B, k) of forward
    floating* dx,        # OUT (B, n)
    Py_ssize_t B, Py_ssize_t n, Py_ssize_t k, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dx := dy * (sum over f of v_if (s_f - v_if x_i))"""
    cdef Py_ssize_t L = lanes(x), i, begin, end
    cdef floating* turned = <floating*>scratch
    cdef int width
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for i from 0 <= i < n by L:
        width = <int>min(L, n - i)
        if floating is float:
            nn_turned_factors_f32(k, width, v + i * k, turned)
            nn_factors_input_f32(end - begin, n, k, width, dy + begin, x + begin * n + i, turned,
                                 s + begin * k, dx + begin * n + i)
        else:
            nn_turned_factors_f64(k, width, v + i * k, turned)
            nn_factors_input_f64(end - begin, n, k, width, dy + begin, x + begin * n + i, turned,
                                 s + begin * k, dx + begin * n + i)


cdef void factorization_machine_backward_params(
    const floating* dy,  # IN  (B,)
    const floating* x,   # IN  (B, n)
    const floating* v,   # IN  (n, k)
    const floating* s,   # IN  (B, k) of forward
    floating* dv,        # OUT (n, k)
    Py_ssize_t B, Py_ssize_t n, Py_ssize_t k, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dv := sum over the batch of dy x_i (s_f - v_if x_i), in chunks as a dense layer's gradient"""
    cdef Py_ssize_t L = lanes(x), i, j, f, b, rows, begin, end
    cdef floating* turned = <floating*>scratch
    cdef floating* sums = turned + k * L
    cdef int width
    nn_share(n, LINE // <Py_ssize_t>sizeof(floating), thread, n_threads, &begin, &end)
    for i from begin <= i < end by L:
        width = <int>min(L, end - i)
        if floating is float:
            nn_turned_factors_f32(k, width, v + i * k, turned)
        else:
            nn_turned_factors_f64(k, width, v + i * k, turned)
        if B == 0:
            memset(dv + i * k, 0, width * k * sizeof(floating))
        for b from 0 <= b < B by CHUNK:
            rows = min(<Py_ssize_t>CHUNK, B - b)
            if floating is float:
                nn_factors_params_f32(rows, n, k, width, dy + b, x + b * n + i, turned, s + b * k, sums)
            else:
                nn_factors_params_f64(rows, n, k, width, dy + b, x + b * n + i, turned, s + b * k, sums)
            for j in range(width):
                for f in range(k):
                    dv[(i + j) * k + f] = sums[f * L + j] if b == 0 else dv[(i + j) * k + f] + sums[f * L + j]


cdef void fm_interaction_forward(
    const floating* x,  # IN  (B, n, k)
    floating* y,        # OUT (B,)
    Py_ssize_t B, Py_ssize_t n, Py_ssize_t k, int thread, int n_threads,
) noexcept nogil:
    """y := sum over i < j and f of x_if x_jf"""
    cdef Py_ssize_t b, begin, end
    cdef floating[MOST] lane
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        if floating is float:
            nn_interaction_f32(n, k, x + b * n * k, lane)
        else:
            nn_interaction_f64(n, k, x + b * n * k, lane)
        y[b] = lanes_tree(<floating*>lane)


cdef void fm_interaction_backward(
    const floating* dy,  # IN  (B,)
    const floating* x,   # IN  (B, n, k)
    floating* dx,        # OUT (B, n, k)
    Py_ssize_t B, Py_ssize_t n, Py_ssize_t k, void* scratch, int thread, int n_threads,
) noexcept nogil:
    """dx := dy * (sum over the other fields)"""
    cdef Py_ssize_t b, begin, end
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    for b in range(begin, end):
        if floating is float:
            nn_interaction_backward_f32(n, k, dy[b], x + b * n * k, dx + b * n * k, <float*>scratch)
        else:
            nn_interaction_backward_f64(n, k, dy[b], x + b * n * k, dx + b * n * k, <double*>scratch)
