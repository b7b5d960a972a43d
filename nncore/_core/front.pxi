# What Python calls. Arrays come checked (kernels.py, executor.py): C-contiguous, aligned, native, of one
# dtype.
#
# The NumPy C-API and not typed memoryviews: each of those costs a call 0.3 us.

cimport numpy as cnp

cnp.import_array()

ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "exponential", "hard_sigmoid",
               "softplus", "gelu", "silu", "relu6", "celu", "selu", "softsign", "hard_tanh", "hard_shrink",
               "soft_shrink", "log_sigmoid", "squareplus", "sparse_plus", "sparse_sigmoid", "gelu_tanh",
               "mish", "hard_silu", "tanh_shrink", "sign", "general_relu", "threshold")
KERNELS = ("dense_forward", "dense_backward_input", "dense_backward_params", "bias_activation_forward",
           "activation_forward", "activation_backward", "softmax", "softmax_backward", "log_softmax",
           "log_softmax_backward", "softmax_cross_entropy", "categorical_cross_entropy", "mean_squared_error",
           "categorical_accuracy", "binary_accuracy", "absolute_error", "sgd_update", "adam_update",
           "adam_step", "square_sums", "clip_scale",
           "prelu_forward", "prelu_backward", "sparsemax", "sparsemax_backward", "glu_forward",
           "glu_backward",
           "nadam_update", "adamax_update", "rmsprop_update", "adagrad_update", "adadelta_update",
           "lion_update", "ftrl_update", "lamb_moments", "lamb_ratio", "lamb_step", "nadam_step",
           "accumulate_gradient", "average_update", "penalty_sums", "penalty_value", "penalty_gradient",
           "norm_constraint", "non_negative",
           "move_axis",
           "elementwise_loss", "gaussian_nll", "categorical_hinge", "cosine_similarity",
           "categorical_focal_cross_entropy", "loss_weights", "batch_weight",
           "dropout", "gaussian",
           "ids_of_floats", "mask_shares", "embedding_forward", "embedding_join", "embedding_backward",
           "embedding_index", "embedding_sums", "embedding_squares", "embedding_penalty",
           "merge", "sum_arrays", "extremum_backward", "concatenate", "slice", "repeat", "axis_sum",
           "factorization_machine_forward", "factorization_machine_backward_input",
           "factorization_machine_backward_params", "fm_interaction_forward", "fm_interaction_backward",
           "batch_normalization_forward", "batch_normalization_backward", "scaled",
           "layer_normalization_forward", "layer_normalization_backward_input",
           "layer_normalization_backward_params",
           "accuracy", "confusion_counts", "class_counts", "regression_moments",
           "sparse_dense_forward", "sparse_dense_backward_params",
           "gather", "gather_sparse", "gather_lists", "store", "accumulate", "sum", "python")
LOSSES = ("squared", "absolute", "percentage", "logarithmic", "huber", "log_cosh", "pinball", "poisson",
          "poisson_deviance", "exponential_poisson_deviance", "hinge", "squared_hinge", "perceptron",
          "kl_divergence", "cross_entropy", "sigmoid_cross_entropy", "focal", "sigmoid_focal")
ELEMENTARY = ("exp", "expm1", "log", "log1p", "erf", "gelu_grad", "silu_grad", "tanh", "sigmoid", "softplus",
              "gelu", "silu")
MERGE_KINDS = ("add", "subtract", "multiply", "maximum", "minimum", "scale")
MOST_MERGED = NN_MERGED  # arrays that one op merges
assert len(ACTIVATIONS) == N_ACTIVATIONS and len(KERNELS) == N_KERNELS and len(MERGE_KINDS) == N_MERGE_KINDS
assert len(LOSSES) == N_LOSS_KINDS

SQUARES_BLOCK = NORM_BLOCK  # elements whose squares are summed together

# The layout of an op, for the tables that Python fills.
OP_FIELDS = [("kernel", "i8"), ("is_double", "i8"), ("p", "u8", (OP_POINTERS,)), ("n", "i8", (OP_SIZES,)),
             ("s", "f8", (OP_SCALARS,)), ("meet", "i8"), ("moves", "i8"), ("row_bytes", "i8", (OP_POINTERS,)),
             ("per", "i8"), ("every", "i8")]
assert sizeof(Op) == 8 * (6 + 2 * OP_POINTERS + OP_SIZES + OP_SCALARS)

debug = bool(nn_debug())
compiler = nn_compiler().decode()
has_openmp = bool(nn_openmp())


cdef inline void* data(object array):
    return NULL if array is None else cnp.PyArray_DATA(<cnp.ndarray>array)


def run_kernel(int kernel, Py_ssize_t B, tuple arrays, tuple sizes, tuple scalars, bint is_double,
               int64_t step=0):
    """Run one op on whole arrays: a public kernel; `step` for those whose numbers are random."""
    cdef Op op
    cdef Py_ssize_t i
    memset(&op, 0, sizeof(op))
    op.kernel, op.is_double = kernel, is_double
    assert len(arrays) <= OP_POINTERS and len(sizes) <= OP_SIZES and len(scalars) <= OP_SCALARS
    for i in range(len(arrays)):
        op.p[i] = data(arrays[i])
    for i in range(len(sizes)):
        op.n[i] = sizes[i]
    for i in range(len(scalars)):
        op.s[i] = scalars[i]
    run_one(&op, B, step)


cdef int run_one(Op* op, Py_ssize_t B, int64_t step=0) except -1:
    cdef Run run
    cdef int failed
    cdef double work = op_work(op, B)
    cdef int n_threads = threads_for(work, 1.0)
    memset(&run, 0, sizeof(run))
    run.ops, run.n_ops, run.samples, run.batch_size, run.step = op, 1, B, B, step
    if work < 0.125:  # some microseconds: not worth releasing the GIL
        failed = run_once(&run, 1)
    else:
        with nogil:
            failed = run_once(&run, n_threads)
    if failed:
        raise MemoryError("no memory for the scratch of a kernel")
    return 0


cdef inline bint plain(object a, int dtype):
    """Whether a is an array that kernels take as it is."""
    return (cnp.PyArray_CheckExact(a) and cnp.PyArray_TYPE(<cnp.ndarray>a) == dtype
            and cnp.PyArray_CHKFLAGS(<cnp.ndarray>a, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED)
            and cnp.PyArray_ISNOTSWAPPED(<cnp.ndarray>a))


cdef inline int float_type(object a):
    """The type number of a float array, or -1."""
    if not cnp.PyArray_CheckExact(a):
        return -1
    cdef int dtype = cnp.PyArray_TYPE(<cnp.ndarray>a)
    return dtype if dtype == cnp.NPY_FLOAT32 or dtype == cnp.NPY_FLOAT64 else -1


cdef inline bint same_shape(object a, object b):
    return cnp.PyArray_SAMESHAPE(<cnp.ndarray>a, <cnp.ndarray>b)


cdef inline bint overlap(object a, object b):
    cdef char* p = cnp.PyArray_BYTES(<cnp.ndarray>a)
    cdef char* q = cnp.PyArray_BYTES(<cnp.ndarray>b)
    return p < q + cnp.PyArray_NBYTES(<cnp.ndarray>b) and q < p + cnp.PyArray_NBYTES(<cnp.ndarray>a)


def elementwise(int kernel, int kind, x, s, out, double alpha, double beta=0, double gamma=0):
    """An activation or its derivative on arrays that need no conversion; NotImplemented on others.

    Parameters: x, and s (what the derivative needs) or None; out or None for a new array; the kind's
    scalars."""
    cdef Op op
    cdef int dtype = float_type(x)
    if dtype < 0 or not plain(x, dtype):
        return NotImplemented
    if s is not None and not (plain(s, dtype) and same_shape(x, s)):
        return NotImplemented
    if out is None:
        out = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(<cnp.ndarray>x), cnp.PyArray_DIMS(<cnp.ndarray>x), dtype, 0)
    elif not (plain(out, dtype) and same_shape(x, out) and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)):
        return NotImplemented
    elif (out is not x and overlap(x, out)) or (s is not None and overlap(s, out)):
        return NotImplemented  # computed a block at a time: it must not read what it wrote
    memset(&op, 0, sizeof(op))
    op.kernel, op.is_double = kernel, dtype == cnp.NPY_FLOAT64
    op.p[0] = data(x)
    if s is None:
        op.p[1] = data(out)
    else:
        op.p[1], op.p[2] = data(s), data(out)
    op.n[0], op.n[2], op.s[0], op.s[1], op.s[2] = 1, kind, alpha, beta, gamma
    if cnp.PyArray_SIZE(<cnp.ndarray>x) > 0:
        run_one(&op, cnp.PyArray_SIZE(<cnp.ndarray>x))
    return out


def updatable(tuple changed, x):
    """Whether a kernel may change these arrays, or None, at once, and read x: all plain, alike and apart."""
    cdef Py_ssize_t i, j
    cdef int dtype = float_type(x)
    if dtype < 0 or not plain(x, dtype):
        return False
    for i in range(len(changed)):
        if changed[i] is None:
            continue
        if not (plain(changed[i], dtype) and same_shape(x, changed[i]) and not overlap(x, changed[i])
                and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>changed[i])):
            return False
        for j in range(i):
            if changed[j] is not None and overlap(changed[i], changed[j]):
                return False
    return True


def bias_activation(int kernel, int kind, x, b, out, double alpha):
    """`bias_activation_forward` on arrays that need no conversion; NotImplemented on others."""
    cdef Op op
    cdef int dtype = float_type(x)
    if dtype < 0 or not plain(x, dtype) or not plain(b, dtype) or cnp.PyArray_NDIM(<cnp.ndarray>x) != 2:
        return NotImplemented
    cdef Py_ssize_t rows = cnp.PyArray_DIM(<cnp.ndarray>x, 0), width = cnp.PyArray_DIM(<cnp.ndarray>x, 1)
    if cnp.PyArray_NDIM(<cnp.ndarray>b) != 1 or cnp.PyArray_SIZE(<cnp.ndarray>b) != width or not rows * width:
        return NotImplemented
    if out is None:
        out = cnp.PyArray_EMPTY(2, cnp.PyArray_DIMS(<cnp.ndarray>x), dtype, 0)
    elif not (plain(out, dtype) and same_shape(x, out) and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)):
        return NotImplemented
    elif (out is not x and overlap(x, out)) or overlap(b, out):
        return NotImplemented
    memset(&op, 0, sizeof(op))
    op.kernel, op.is_double = kernel, dtype == cnp.NPY_FLOAT64
    op.p[0], op.p[1], op.p[2] = data(x), data(b), data(out)
    op.n[0], op.n[2], op.s[0] = width, kind, alpha
    run_one(&op, rows)
    return out


def program_threads(cnp.ndarray ops, Py_ssize_t rows):
    """How many threads a table of ops feeds with a batch of so many rows."""
    cdef const Op* op = <const Op*>cnp.PyArray_DATA(ops)
    cdef double work = 0
    cdef Py_ssize_t i
    for i in range(cnp.PyArray_DIM(ops, 0)):
        work += op_work(&op[i], rows)
    if work < 4 and shares_rows(op, cnp.PyArray_DIM(ops, 0), rows, 2):
        work *= FEW_MEETINGS
    return threads_for(work, 1.0)


def program_scratch(cnp.ndarray ops):
    """Bytes of scratch that each thread needs for a table of ops."""
    return thread_scratch(<const Op*>cnp.PyArray_DATA(ops), cnp.PyArray_DIM(ops, 0))


def run_program(cnp.ndarray ops, cnp.ndarray order, Py_ssize_t samples, Py_ssize_t batch_size,
                cnp.ndarray done, cnp.ndarray watched, int64_t step, cnp.ndarray rates, double seconds,
                int n_threads,
                cnp.ndarray scratch, Py_ssize_t scratch_bytes):
    """Run a table of ops over the batches from sample done[0] on, which is then the first one not seen.

    Comes back after `seconds`, at the end of the samples, when the watched total is no longer finite, or with
    what a Python op raised; done[0] is right then too. `step` is the number of the batch that begins at row
    0, `rates` holds the learning rate of each batch, counted from there, or is None. Scratch: (n_threads *
    scratch_bytes,), at a cache line."""
    cdef Run run
    cdef int64_t* place = <int64_t*>data(done)
    cdef object error
    memset(&run, 0, sizeof(run))
    run.ops, run.n_ops = <const Op*>cnp.PyArray_DATA(ops), cnp.PyArray_DIM(ops, 0)
    run.order = <const int64_t*>data(order)
    run.samples, run.batch_size, run.begin, run.next = samples, batch_size, place[0], place[0]
    run.watched = <const double*>data(watched)
    run.step, run.rates = step, <const double*>data(rates)
    run.deadline = now() + seconds
    run.scratch, run.scratch_bytes = <char*>data(scratch), scratch_bytes
    if n_threads > 1:
        n_threads = min(n_threads, allowed_threads())
    if scratch_bytes > 0:
        n_threads = min(n_threads, <int>(cnp.PyArray_SIZE(scratch) // scratch_bytes))
    run.by_rows = n_threads > 1 and shares_rows(run.ops, run.n_ops, batch_size, n_threads)
    with nogil:
        run_all(&run, n_threads)
    place[0] = run.next
    if run.failed:
        error = <object>run.error
        Py_DECREF(error)
        raise error


def forward(tuple call, x, out):
    """Run a short program on some rows; NotImplemented where x or out needs more than a glance.

    call: the table of ops, the (op, pointer) places of x and of the result as two (N, 2) int64 arrays,
    scratch, the type number, the widths of both and the most rows. The GIL is held: to release it would take
    longer, and the pointers in the table are this call's."""
    cdef cnp.ndarray table = <cnp.ndarray>call[0]
    cdef int dtype = call[4]
    cdef cnp.npy_intp shape[2]
    cdef Op* ops = <Op*>cnp.PyArray_DATA(table)
    cdef Py_ssize_t i, n_ops = cnp.PyArray_DIM(table, 0), x_width = call[5], most = call[7]
    cdef Batch batch
    cdef uint64_t state
    cdef void* scratch
    if not plain(x, dtype) or cnp.PyArray_NDIM(<cnp.ndarray>x) != 2:
        return NotImplemented
    batch.order, batch.first, batch.by_rows, batch.step, batch.rate = NULL, 0, False, 0, NAN
    batch.rows = cnp.PyArray_DIM(<cnp.ndarray>x, 0)
    shape[0], shape[1] = batch.rows, <Py_ssize_t>call[6]
    if not 1 <= batch.rows <= most or cnp.PyArray_DIM(<cnp.ndarray>x, 1) != x_width:
        return NotImplemented
    if out is None:
        out = cnp.PyArray_EMPTY(2, shape, dtype, 0)
    elif (not plain(out, dtype) or cnp.PyArray_NDIM(<cnp.ndarray>out) != 2
          or cnp.PyArray_DIM(<cnp.ndarray>out, 0) != shape[0]
          or cnp.PyArray_DIM(<cnp.ndarray>out, 1) != shape[1]
          or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out) or overlap(x, out)):
        return NotImplemented
    set_pointers(ops, <cnp.ndarray>call[1], data(x))
    set_pointers(ops, <cnp.ndarray>call[2], data(out))
    scratch = data(call[3])
    state = nn_fp_enter()
    for i in range(n_ops):
        run_op(&ops[i], &batch, scratch, 0, 1)
    nn_fp_leave(state)
    return out


cdef inline void set_pointers(Op* ops, cnp.ndarray places, void* to):
    cdef const int64_t* place = <const int64_t*>cnp.PyArray_DATA(places)
    cdef Py_ssize_t i
    for i in range(cnp.PyArray_DIM(places, 0)):
        ops[place[2 * i]].p[place[2 * i + 1]] = to


def elementary(str name, x):
    """Our own elementary function of every element: for tests, and where bits must not depend on libm.

    Beside ELEMENTARY the activations without scalars, and their derivatives as "<activation>_grad"."""
    if name not in ELEMENTARY and name in ACTIVATIONS:
        return elementwise(K_ACTIVATION_FORWARD, ACTIVATIONS.index(name), x, None, None, 0)
    cdef cnp.ndarray y = x.copy()
    if name not in ELEMENTARY and name.removesuffix("_grad") in ACTIVATIONS:
        y.fill(1)
        name = name.removesuffix("_grad")
        return elementwise(K_ACTIVATION_BACKWARD, ACTIVATIONS.index(name), y, x, None, 0)
    cdef int kind = ELEMENTARY.index(name)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(y)
    cdef uint64_t state = nn_fp_enter()
    if cnp.PyArray_TYPE(y) == cnp.NPY_FLOAT32:
        elementary_loop(kind, <float*>data(y), n)
    else:
        assert cnp.PyArray_TYPE(y) == cnp.NPY_FLOAT64
        elementary_loop(kind, <double*>data(y), n)
    nn_fp_leave(state)
    return y


cdef void elementary_loop(int kind, floating* y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if kind == 0:
        exp_all(y, n)
    elif kind == 1:
        for i in range(n):
            y[i] = expm1(y[i])
    elif kind == 2:
        log_all(y, n)
    elif kind == 3:
        log1p_all(y, n)
    elif kind == 4:
        for i in range(n):
            y[i] = erf(y[i])
    elif kind == 5:
        for i in range(n):
            y[i] = gelu_grad(y[i])
    elif kind == 6:
        for i in range(n):
            y[i] = silu_grad(y[i])
    elif kind == 7:
        activate_in_place(TANH, y, n, <floating>0)
    elif kind == 8:
        activate_in_place(SIGMOID, y, n, <floating>0)
    elif kind == 9:
        activate_in_place(SOFTPLUS, y, n, <floating>0)
    elif kind == 10:
        activate_in_place(GELU, y, n, <floating>0)
    elif kind == 11:
        activate_in_place(SILU, y, n, <floating>0)


def philox4x32(cnp.ndarray counter, uint64_t seed):
    """(N, 4) uint32 counters -> (N, 4) uint32 words."""
    cdef cnp.ndarray out = counter.copy()
    cdef uint32_t* words = <uint32_t*>data(out)
    cdef uint32_t[4] block
    cdef Py_ssize_t i
    for i in range(cnp.PyArray_DIM(out, 0)):
        memcpy(block, words + 4 * i, 16)
        nn_philox4x32(block, seed, words + 4 * i)
    return out


def random_words(Py_ssize_t n, uint64_t seed, uint32_t purpose, uint32_t layer, uint32_t step):
    """(N,) uint32 words of the stream that the arguments name."""
    cdef cnp.npy_intp size = n
    cdef object out = cnp.PyArray_EMPTY(1, &size, cnp.NPY_UINT32, 0)
    if n > (<Py_ssize_t>1 << 34):
        raise OverflowError(f"random_words: {n} words asked of one stream, at most 2**34 are in it")
    random_words_of(<uint32_t*>data(out), n, seed, purpose, layer, step)
    return out


def permutation(Py_ssize_t n, uint64_t seed, uint32_t step):
    """(N,) int64: 0 .. N-1 in an order that is a function of (n, seed, step)."""
    cdef cnp.npy_intp size = n
    cdef object out
    if n > <Py_ssize_t>1 << 32:
        raise OverflowError(f"permutation: {n} elements asked for, at most 2**32 can be shuffled")
    out = cnp.PyArray_EMPTY(1, &size, cnp.NPY_INT64, 0)
    shuffled_indices(<int64_t*>data(out), n, seed, step)
    return out


def cpu_level():
    """The highest x86-64 level of this processor (4, 3, 2, 1), or 0 where it is of another kind."""
    return nn_cpu_level()


def fma_peak(bint is_double, double seconds):
    """The most floating-point operations a second of one core (a multiply-add is two), within `seconds`."""
    cdef double best
    with nogil:
        best = nn_fma_peak_f64(seconds) if is_double else nn_fma_peak_f32(seconds)
    return best


cdef bint finite(const floating* x, Py_ssize_t n) noexcept nogil:
    """Whether no element is nan or inf."""
    cdef Py_ssize_t i, block
    cdef int some = 0
    for block from 0 <= block < n by BLOCK:
        for i in range(block, min(n, block + BLOCK)):
            some |= x[i] - x[i] != 0
        if some:
            return False
    return True


def all_below(cnp.ndarray order, Py_ssize_t n):
    """Whether all elements of a contiguous int64 array are in 0 .. n-1."""
    cdef const uint64_t* x = <const uint64_t*>cnp.PyArray_DATA(order)
    cdef Py_ssize_t i
    cdef uint64_t largest = 0
    for i in range(cnp.PyArray_SIZE(order)):
        largest = x[i] if x[i] > largest else largest
    return cnp.PyArray_SIZE(order) == 0 or largest < <uint64_t>n


def all_finite(cnp.ndarray array):
    """Whether no element of a contiguous float array is nan or inf."""
    cdef Py_ssize_t n = cnp.PyArray_SIZE(array)
    cdef void* x = cnp.PyArray_DATA(array)
    cdef bint is_double = cnp.PyArray_TYPE(array) == cnp.NPY_FLOAT64, answer
    with nogil:
        if is_double:
            answer = finite(<const double*>x, n)
        else:
            answer = finite(<const float*>x, n)
    return answer


def compress(cnp.ndarray x, cnp.ndarray starts, cnp.ndarray columns=None, cnp.ndarray values=None):
    """Write where the rows of a contiguous float matrix begin among its numbers that are not 0, and these."""
    cdef Py_ssize_t rows = x.shape[0], n = x.shape[1]
    cdef void* from_x = cnp.PyArray_DATA(x)
    cdef int64_t* to_starts = <int64_t*>cnp.PyArray_DATA(starts)
    cdef int32_t* to_columns = NULL
    cdef void* to_values = NULL
    cdef Py_ssize_t stored = 0
    cdef bint is_double = cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT64
    if columns is not None:
        to_columns = <int32_t*>cnp.PyArray_DATA(columns)
        to_values = cnp.PyArray_DATA(values)
        stored = cnp.PyArray_SIZE(values) - 1
    with nogil:
        if is_double:
            compress_rows(<const double*>from_x, to_starts, to_columns, <double*>to_values, rows, n, stored)
        else:
            compress_rows(<const float*>from_x, to_starts, to_columns, <float*>to_values, rows, n, stored)


def fp_enter():
    """Round to nearest, without flushing to zero, in this thread; the state before, for `fp_leave`."""
    return nn_fp_enter()


def fp_leave(uint64_t state):
    """Restore the floating-point state of this thread."""
    nn_fp_leave(state)


def address(cnp.ndarray array):
    """Where an array's data begin."""
    return <size_t>cnp.PyArray_DATA(array)
