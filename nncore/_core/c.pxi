# What src/ offers, and one fused name for each pair of C functions.

cdef extern from "simd.h" nogil:
    enum: NN_VECTOR_BYTES
    void nn_assert(bint condition)
    uint64_t nn_fp_enter()
    void nn_fp_leave(uint64_t state)
    ctypedef struct nn_barrier:
        pass
    void nn_meet(nn_barrier* barrier, int n_threads)
    int nn_max_threads()
    int nn_processors()
    int nn_team_size()
    int nn_openmp()
    const char* nn_compiler()
    int nn_debug()
    void nn_copy(char* to, const char* source, Py_ssize_t n_bytes)
    void nn_share(Py_ssize_t n, Py_ssize_t grain, int thread, int n_threads, Py_ssize_t* begin,
                  Py_ssize_t* end)

cdef extern from "cpu.h" nogil:
    int nn_cpu_level()

cdef extern from "rng.h" nogil:
    enum: NN_PHILOX_BLOCKS
    void nn_philox4x32(const uint32_t* counter, uint64_t seed, uint32_t* out)
    void nn_philox_blocks(const uint32_t* counter, uint64_t seed, uint32_t* out)
    void nn_philox_lanes(const uint32_t* counter, uint64_t seed, uint32_t* out)

cdef extern from "normal.h" nogil:
    void nn_normals_f32(const uint32_t* words, float* z)
    void nn_normals_f64(const uint32_t* words, double* z)

cdef extern from "tile.h" nogil:
    enum: NN_START_ZERO
    enum: NN_START_ROW
    enum: NN_START_C
    enum: NN_START_MASK
    enum: NN_END_ADD
    enum: NN_END_RELU
    enum: NN_TILE_ROWS
    enum: NN_TILE_VECTORS
    enum: NN_TILE_ONES_VECTORS
    enum: NN_PANEL_LINES
    void nn_tile_f32(int rows, int vectors, int panels, bint ones, Py_ssize_t depth, const float* a,
                     Py_ssize_t a_row, Py_ssize_t a_step, const float* b, Py_ssize_t b_step,
                     Py_ssize_t b_panel, float* c, Py_ssize_t c_row, const float* start, float* last,
                     int mode, int width)
    void nn_tile_f64(int rows, int vectors, int panels, bint ones, Py_ssize_t depth, const double* a,
                     Py_ssize_t a_row, Py_ssize_t a_step, const double* b, Py_ssize_t b_step,
                     Py_ssize_t b_panel, double* c, Py_ssize_t c_row, const double* start, double* last,
                     int mode, int width)
    void nn_tile_soon_f32(int vectors, Py_ssize_t depth, const float* a, Py_ssize_t a_row, Py_ssize_t a_step,
                          const float* b, Py_ssize_t b_step, float* c, Py_ssize_t c_row, int mode,
                          const char** soon, Py_ssize_t bytes)
    void nn_tile_soon_f64(int vectors, Py_ssize_t depth, const double* a, Py_ssize_t a_row, Py_ssize_t a_step,
                          const double* b, Py_ssize_t b_step, double* c, Py_ssize_t c_row, int mode,
                          const char** soon, Py_ssize_t bytes)
    void nn_transpose_f32(const float* source, Py_ssize_t source_row, float* to, Py_ssize_t to_row)
    void nn_transpose_f64(const double* source, Py_ssize_t source_row, double* to, Py_ssize_t to_row)

cdef extern from "peak.h" nogil:
    double nn_fma_peak_f32(double seconds)
    double nn_fma_peak_f64(double seconds)

cdef extern from "line.h" nogil:
    void nn_line_add_f32(float* y, const float* x)
    void nn_line_add_f64(double* y, const double* x)
    void nn_line_subtract_f32(float* y, const float* x, const float* s)
    void nn_line_subtract_f64(double* y, const double* x, const double* s)
    void nn_line_multiply_f32(float* y, const float* x)
    void nn_line_multiply_f64(double* y, const double* x)
    void nn_line_max_f32(float* y, const float* x)
    void nn_line_max_f64(double* y, const double* x)

cdef extern from "vmath.h" nogil:
    float nn_fma_f32(float a, float b, float c)
    double nn_fma_f64(double a, double b, double c)
    float nn_exp_f32(float x)
    double nn_exp_f64(double x)
    float nn_expm1_f32(float x)
    double nn_expm1_f64(double x)
    float nn_log_f32(float x)
    double nn_log_f64(double x)
    float nn_log1p_f32(float x)
    double nn_log1p_f64(double x)
    float nn_tanh_f32(float x)
    double nn_tanh_f64(double x)
    float nn_sigmoid_f32(float x)
    double nn_sigmoid_f64(double x)
    float nn_softplus_f32(float x)
    double nn_softplus_f64(double x)
    float nn_erf_f32(float x)
    double nn_erf_f64(double x)
    float nn_gelu_f32(float x)
    double nn_gelu_f64(double x)
    float nn_gelu_grad_f32(float x)
    double nn_gelu_grad_f64(double x)
    float nn_silu_f32(float x)
    double nn_silu_f64(double x)
    float nn_silu_grad_f32(float x)
    double nn_silu_grad_f64(double x)
    float nn_gelu_tanh_f32(float x)
    double nn_gelu_tanh_f64(double x)
    float nn_gelu_tanh_grad_f32(float x)
    double nn_gelu_tanh_grad_f64(double x)
    float nn_mish_f32(float x)
    double nn_mish_f64(double x)
    float nn_mish_grad_f32(float x)
    double nn_mish_grad_f64(double x)
    float nn_tanh_shrink_f32(float x)
    double nn_tanh_shrink_f64(double x)


cdef inline int lanes(const floating* unused) noexcept nogil:
    """Elements in a vector of this build."""
    return NN_VECTOR_BYTES // <int>sizeof(floating)


cdef inline void tile(int rows, int vectors, int panels, bint ones, Py_ssize_t depth, const floating* a,
                      Py_ssize_t a_row, Py_ssize_t a_step, const floating* b, Py_ssize_t b_step,
                      Py_ssize_t b_panel, floating* c, Py_ssize_t c_row, const floating* start,
                      floating* last, int mode, int width) noexcept nogil:
    if floating is float:
        nn_tile_f32(rows, vectors, panels, ones, depth, a, a_row, a_step, b, b_step, b_panel, c, c_row, start,
                    last, mode, width)
    else:
        nn_tile_f64(rows, vectors, panels, ones, depth, a, a_row, a_step, b, b_step, b_panel, c, c_row, start,
                    last, mode, width)


cdef inline void tile_soon(int vectors, Py_ssize_t depth, const floating* a, Py_ssize_t a_row,
                           Py_ssize_t a_step, const floating* b, Py_ssize_t b_step, floating* c,
                           Py_ssize_t c_row, int mode, const char** soon, Py_ssize_t bytes) noexcept nogil:
    if floating is float:
        nn_tile_soon_f32(vectors, depth, a, a_row, a_step, b, b_step, c, c_row, mode, soon, bytes)
    else:
        nn_tile_soon_f64(vectors, depth, a, a_row, a_step, b, b_step, c, c_row, mode, soon, bytes)


cdef inline void transpose(const floating* source, Py_ssize_t source_row, floating* to,
                           Py_ssize_t to_row) noexcept nogil:
    if floating is float:
        nn_transpose_f32(source, source_row, to, to_row)
    else:
        nn_transpose_f64(source, source_row, to, to_row)


cdef inline void line_add(floating* y, const floating* x) noexcept nogil:
    if floating is float:
        nn_line_add_f32(y, x)
    else:
        nn_line_add_f64(y, x)


cdef inline void line_subtract(floating* y, const floating* x, const floating* s) noexcept nogil:
    if floating is float:
        nn_line_subtract_f32(y, x, s)
    else:
        nn_line_subtract_f64(y, x, s)


cdef inline void line_multiply(floating* y, const floating* x) noexcept nogil:
    if floating is float:
        nn_line_multiply_f32(y, x)
    else:
        nn_line_multiply_f64(y, x)


cdef inline void line_max(floating* y, const floating* x) noexcept nogil:
    if floating is float:
        nn_line_max_f32(y, x)
    else:
        nn_line_max_f64(y, x)


cdef inline floating fma(floating a, floating b, floating c) noexcept nogil:
    return nn_fma_f32(a, b, c) if floating is float else nn_fma_f64(a, b, c)


cdef inline floating exp(floating x) noexcept nogil:
    return nn_exp_f32(x) if floating is float else nn_exp_f64(x)


cdef inline floating expm1(floating x) noexcept nogil:
    return nn_expm1_f32(x) if floating is float else nn_expm1_f64(x)


cdef inline floating log(floating x) noexcept nogil:
    return nn_log_f32(x) if floating is float else nn_log_f64(x)


cdef inline floating log1p(floating x) noexcept nogil:
    return nn_log1p_f32(x) if floating is float else nn_log1p_f64(x)


cdef inline floating tanh(floating x) noexcept nogil:
    return nn_tanh_f32(x) if floating is float else nn_tanh_f64(x)


cdef inline floating sigmoid(floating x) noexcept nogil:
    return nn_sigmoid_f32(x) if floating is float else nn_sigmoid_f64(x)


cdef inline floating softplus(floating x) noexcept nogil:
    return nn_softplus_f32(x) if floating is float else nn_softplus_f64(x)


cdef inline floating erf(floating x) noexcept nogil:
    return nn_erf_f32(x) if floating is float else nn_erf_f64(x)


cdef inline floating gelu(floating x) noexcept nogil:
    return nn_gelu_f32(x) if floating is float else nn_gelu_f64(x)


cdef inline floating gelu_grad(floating x) noexcept nogil:
    return nn_gelu_grad_f32(x) if floating is float else nn_gelu_grad_f64(x)


cdef inline floating silu(floating x) noexcept nogil:
    return nn_silu_f32(x) if floating is float else nn_silu_f64(x)


cdef inline floating silu_grad(floating x) noexcept nogil:
    return nn_silu_grad_f32(x) if floating is float else nn_silu_grad_f64(x)


cdef inline floating gelu_tanh(floating x) noexcept nogil:
    return nn_gelu_tanh_f32(x) if floating is float else nn_gelu_tanh_f64(x)


cdef inline floating gelu_tanh_grad(floating x) noexcept nogil:
    return nn_gelu_tanh_grad_f32(x) if floating is float else nn_gelu_tanh_grad_f64(x)


cdef inline floating mish(floating x) noexcept nogil:
    return nn_mish_f32(x) if floating is float else nn_mish_f64(x)


cdef inline floating mish_grad(floating x) noexcept nogil:
    return nn_mish_grad_f32(x) if floating is float else nn_mish_grad_f64(x)


cdef inline floating tanh_shrink(floating x) noexcept nogil:
    return nn_tanh_shrink_f32(x) if floating is float else nn_tanh_shrink_f64(x)
