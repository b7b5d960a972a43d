# Ops, and the run of a list of them over many batches.
#
# A. An op is a row of a table that Python fills (nncore/executor.py): which kernel, pointers to its buffers,
#    the dimensions that the batch does not set, scalars. A public kernel is a list of one op: one dispatch
#    serves both.
# B. One parallel region spans as many batches as fit in the caller's time budget; its threads share out every
#    op and meet at a barrier after it. Nothing is allocated and Python is not entered.
# C. Gathering a batch by the shuffled index and adding up the loss are ops too.
# D. A user's Python is an op as well: thread 0 takes the GIL for its moment and the others wait at the
#    barrier that follows every op. Whoever holds the GIL never waits for a barrier (what runs with it held
#    takes one thread), so that thread 0 gets it in the end.

from cpython.ref cimport Py_DECREF, Py_INCREF

cdef extern from "time.h" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec* t)

cdef enum Kernel:
    K_DENSE_FORWARD  # the first three: run_product
    K_DENSE_BACKWARD_INPUT
    K_DENSE_BACKWARD_PARAMS
    K_BIAS_ACTIVATION_FORWARD
    K_ACTIVATION_FORWARD
    K_ACTIVATION_BACKWARD
    K_SOFTMAX
    K_SOFTMAX_BACKWARD
    K_LOG_SOFTMAX
    K_LOG_SOFTMAX_BACKWARD
    K_SOFTMAX_CROSS_ENTROPY
    K_CATEGORICAL_CROSS_ENTROPY
    K_MEAN_SQUARED_ERROR
    K_CATEGORICAL_ACCURACY
    K_BINARY_ACCURACY
    K_ABSOLUTE_ERROR
    K_SGD_UPDATE
    K_ADAM_UPDATE
    K_ADAM_STEP
    K_SQUARE_SUMS
    K_CLIP_SCALE
    K_PRELU_FORWARD
    K_PRELU_BACKWARD
    K_SPARSEMAX
    K_SPARSEMAX_BACKWARD
    K_GLU_FORWARD
    K_GLU_BACKWARD
    K_NADAM_UPDATE
    K_ADAMAX_UPDATE
    K_RMSPROP_UPDATE
    K_ADAGRAD_UPDATE
    K_ADADELTA_UPDATE
    K_LION_UPDATE
    K_FTRL_UPDATE
    K_LAMB_MOMENTS
    K_LAMB_RATIO
    K_LAMB_STEP
    K_NADAM_STEP
    K_ACCUMULATE_GRADIENT
    K_AVERAGE_UPDATE
    K_PENALTY_SUMS
    K_PENALTY_VALUE
    K_PENALTY_GRADIENT
    K_NORM_CONSTRAINT
    K_NON_NEGATIVE
    K_MOVE_AXIS
    K_ELEMENTWISE_LOSS
    K_GAUSSIAN_NLL
    K_CATEGORICAL_HINGE
    K_COSINE_SIMILARITY
    K_CATEGORICAL_FOCAL_CROSS_ENTROPY
    K_LOSS_WEIGHTS
    K_BATCH_WEIGHT
    K_DROPOUT
    K_GAUSSIAN
    K_IDS_OF_FLOATS
    K_MASK_SHARES
    K_EMBEDDING_FORWARD
    K_EMBEDDING_JOIN
    K_EMBEDDING_BACKWARD
    K_EMBEDDING_INDEX
    K_EMBEDDING_SUMS
    K_EMBEDDING_SQUARES
    K_EMBEDDING_PENALTY
    K_MERGE
    K_SUM_ARRAYS
    K_EXTREMUM_BACKWARD
    K_CONCATENATE
    K_SLICE
    K_REPEAT
    K_AXIS_SUM
    K_FACTORIZATION_MACHINE_FORWARD
    K_FACTORIZATION_MACHINE_BACKWARD_INPUT
    K_FACTORIZATION_MACHINE_BACKWARD_PARAMS
    K_FM_INTERACTION_FORWARD
    K_FM_INTERACTION_BACKWARD
    K_BATCH_NORMALIZATION_FORWARD
    K_BATCH_NORMALIZATION_BACKWARD
    K_SCALED
    K_LAYER_NORMALIZATION_FORWARD
    K_LAYER_NORMALIZATION_BACKWARD_INPUT
    K_LAYER_NORMALIZATION_BACKWARD_PARAMS
    K_ACCURACY
    K_CONFUSION_COUNTS
    K_CLASS_COUNTS
    K_REGRESSION_MOMENTS
    K_SPARSE_DENSE_FORWARD
    K_SPARSE_DENSE_BACKWARD_PARAMS
    K_GATHER
    K_GATHER_SPARSE
    K_GATHER_LISTS
    K_STORE
    K_ACCUMULATE
    K_SUM
    K_PYTHON
    N_KERNELS

cdef enum:
    OP_POINTERS = 10
    OP_SIZES = 8
    OP_SCALARS = 10
    NN_MERGED = 7  # the most arrays that an op merges: as many widths are sizes of the op

cdef struct Op:
    int64_t kernel
    int64_t is_double
    void* p[OP_POINTERS]
    int64_t[OP_SIZES] n
    double[OP_SCALARS] s
    int64_t meet                      # as of Meet
    int64_t moves                     # whether any of row_bytes is not 0
    int64_t[OP_POINTERS] row_bytes    # how far a pointer moves on with every row: of data where they lie
    int64_t per                       # rows that the op sees of each row of the batch; 0: 1
    int64_t every                     # runs in steps whose number, counted from 1, this divides; 0: in all

cdef enum Meet:  # when the threads must meet after an op
    MEET_BY_ROWS = 1    # where rows are shared out
    MEET_BY_PANELS = 2  # where columns may be

cdef struct Batch:
    const int64_t* order  # (samples,) the order of rows, or NULL: as they lie
    Py_ssize_t first      # of the batch, in that order
    Py_ssize_t rows       # in the batch
    int64_t step          # of the training: how many were made before this one
    double rate           # the learning rate of this step, or nan: that of each op
    bint by_rows          # whether all ops whose rows stand alone share out rows


cdef inline bint is_of_one_thread(int64_t kernel) noexcept nogil:
    """Whether an op is too small to be shared out."""
    return kernel in (K_ADAM_STEP, K_CLIP_SCALE, K_LAMB_RATIO, K_NADAM_STEP, K_PENALTY_VALUE,
                      K_LOSS_WEIGHTS, K_BATCH_WEIGHT, K_EMBEDDING_INDEX, K_EMBEDDING_PENALTY,
                      K_EMBEDDING_SQUARES, K_ACCUMULATE, K_SUM)


cdef inline void run_product(const Op* op, const Batch* batch, void* scratch, int thread, int n_threads,
                             floating* unused) noexcept nogil:
    """A product of a dense layer: apart from all others, as a net of a few units takes less time than the way
    into and out of a function of that many kernels."""
    cdef Py_ssize_t B = batch.rows * op.per if op.per > 1 else batch.rows
    cdef Py_ssize_t n0 = op.n[0], n1 = op.n[1]
    cdef floating* p0 = <floating*>op.p[0]
    cdef floating* p1 = <floating*>op.p[1]
    cdef floating* p2 = <floating*>op.p[2]
    cdef floating* p3 = <floating*>op.p[3]
    if op.kernel == K_DENSE_FORWARD:
        dense_forward(p0, p1, p2, p3, B, n0, n1, op.n[3] != 0, <int>op.n[2], op.s[0], scratch, batch.by_rows,
                      thread, n_threads)
    elif op.kernel == K_DENSE_BACKWARD_INPUT:
        dense_backward_input(p0, p1, p3, p2, B, n0, n1, op.n[3] != 0, <int>op.n[2], op.s[0], scratch,
                             batch.by_rows, thread, n_threads)
    else:
        dense_backward_params(p0, p1, p2, p3, B, n0, n1, op.n[3] != 0, <const Op*>op.p[4],
                              <const Op*>op.p[5], batch.rate, scratch, thread, n_threads)


cdef void run_op_typed(const Op* op, const Batch* batch, void* scratch, int thread, int n_threads,
                       floating* unused) noexcept nogil:
    cdef int64_t kernel = op.kernel
    cdef Py_ssize_t B = batch.rows * op.per if op.per > 1 else batch.rows
    cdef Py_ssize_t n0 = op.n[0], n1 = op.n[1], n2 = op.n[2]
    cdef floating* p0 = <floating*>op.p[0]
    cdef floating* p1 = <floating*>op.p[1]
    cdef floating* p2 = <floating*>op.p[2]
    cdef floating* p3 = <floating*>op.p[3]
    cdef floating* p4 = <floating*>op.p[4]
    cdef floating* p5 = <floating*>op.p[5]
    cdef int64_t* ids = <int64_t*>op.p[5]
    cdef floating s0 = <floating>op.s[0]
    cdef Py_ssize_t begin, end
    if thread and is_of_one_thread(kernel):
        return
    if is_of_rows(op):
        run_on_rows(op, batch.rate, thread, n_threads, unused)
        return
    if is_update(kernel):
        update(op, batch.rate, p0, p1, p2, p3, p4, n0, thread, n_threads)
        return
    # One question per kernel and no other: C's switch. Where there is another, a chain of them comes out,
    # whose far end the compiler takes for so rare that it makes no vectors there.
    if kernel == K_BIAS_ACTIVATION_FORWARD:
        bias_activation_forward(<int>op.n[2], p0, p1, p2, B, n0, op.s, thread, n_threads)
    elif kernel == K_ACTIVATION_FORWARD:
        activation_forward(<int>op.n[2], p0, p1, B, n0, op.s, thread, n_threads)
    elif kernel == K_ACTIVATION_BACKWARD:
        activation_backward(<int>op.n[2], p0, p1, p2, B, n0, op.s, thread, n_threads)
    elif kernel == K_SOFTMAX:
        softmax(p0, p1, B, n0, scratch, thread, n_threads)
    elif kernel == K_SOFTMAX_BACKWARD:
        softmax_backward(p0, p1, p2, B, n0, scratch, thread, n_threads)
    elif kernel == K_LOG_SOFTMAX:
        log_softmax(p0, p1, B, n0, scratch, thread, n_threads)
    elif kernel == K_LOG_SOFTMAX_BACKWARD:
        log_softmax_backward(p0, p1, p2, B, n0, scratch, thread, n_threads)
    elif kernel == K_SOFTMAX_CROSS_ENTROPY:
        softmax_cross_entropy(p0, ids, p1, p2, p3, p4, B, n0, op.s[0], scratch, thread, n_threads)
    elif kernel == K_CATEGORICAL_CROSS_ENTROPY:
        categorical_cross_entropy(p0, ids, p1, p2, p3, p4, B, n0, op.s[0], scratch, thread, n_threads)
    elif kernel == K_MEAN_SQUARED_ERROR:
        elementwise_loss(L_SQUARED, p0, p1, p2, NULL, p3, p4, B, n0, 1, op.s, scratch, thread, n_threads)
    elif kernel == K_CATEGORICAL_ACCURACY:
        categorical_accuracy(p0, ids, p1, p2, p3, B, n0, <Py_ssize_t>op.s[0], thread, n_threads)
    elif kernel == K_BINARY_ACCURACY:
        binary_accuracy(p0, p1, p2, p3, B, n0, s0, thread, n_threads)
    elif kernel == K_ABSOLUTE_ERROR:
        absolute_error(p0, p1, p2, p3, B, n0, scratch, thread, n_threads)
    elif kernel == K_ADAM_STEP:
        (<double*>op.p[0])[0] *= op.s[0]
        (<double*>op.p[0])[1] *= op.s[1]
    elif kernel == K_SQUARE_SUMS:
        square_sums(p0, <double*>op.p[1] + n1, n0, thread, n_threads)
    elif kernel == K_CLIP_SCALE:
        clip_scale(<const double*>op.p[0], <double*>op.p[1], n0, op.s[0])
    elif kernel == K_PRELU_FORWARD:
        prelu_forward(p0, p1, p2, B, n0, n1, op.n[2], op.n[3], scratch, thread, n_threads)
    elif kernel == K_PRELU_BACKWARD:
        prelu_backward(p0, p1, p2, p3, p4, B, n0, n1, op.n[2], op.n[3], scratch, thread, n_threads)
    elif kernel == K_SPARSEMAX:
        sparsemax(p0, p1, B, n0, scratch, thread, n_threads)
    elif kernel == K_SPARSEMAX_BACKWARD:
        sparsemax_backward(p0, p1, p2, B, n0, scratch, thread, n_threads)
    elif kernel == K_GLU_FORWARD:
        glu_forward(p0, p1, B, n0, thread, n_threads)
    elif kernel == K_GLU_BACKWARD:
        glu_backward(p0, p1, p2, B, n0, thread, n_threads)
    elif kernel == K_LAMB_MOMENTS:
        lamb_moments(op, batch.rate, p0, p1, p2, p3, <double*>op.p[4], n0, thread, n_threads)
    elif kernel == K_LAMB_RATIO:
        lamb_ratio(<const double*>op.p[0], <double*>op.p[1], n0)
    elif kernel == K_LAMB_STEP:
        lamb_step(op, batch.rate, p0, p2, p3, <const double*>op.p[4], n0, thread, n_threads)
    elif kernel == K_NADAM_STEP:
        (<double*>op.p[0])[2] *= NADAM_DECAY
        (<double*>op.p[0])[0] *= op.s[0] * (1.0 - 0.5 * (<double*>op.p[0])[2])
        (<double*>op.p[0])[1] *= op.s[1]
    elif kernel == K_ACCUMULATE_GRADIENT:
        accumulate_gradient(p0, p1, n0, n1, batch.step, thread, n_threads)
    elif kernel == K_AVERAGE_UPDATE:
        average_update(p0, p1, n0, op.s[0], batch.step // n1 == 0,
                       n2 > 0 and (batch.step // n1 + 1) % n2 == 0, thread, n_threads)
    elif kernel == K_PENALTY_SUMS:
        penalty_sums(p0, <double*>op.p[1], n0, op.s[0], op.s[1], thread, n_threads)
    elif kernel == K_PENALTY_VALUE:
        penalty_value(<const double*>op.p[0], <const double*>op.p[1], <double*>op.p[2], n0, op.s[0], op.s[1])
    elif kernel == K_PENALTY_GRADIENT:
        penalty_gradient(p0, p1, <const double*>op.p[2], n0, n1 != 0, op.s[0], op.s[1], thread, n_threads)
    elif kernel == K_NORM_CONSTRAINT:
        norm_constraint(p0, n0, n1, n2, op.n[3] != 0, op.s[0], op.s[1], op.s[2], thread, n_threads)
    elif kernel == K_NON_NEGATIVE:
        non_negative(p0, n0, thread, n_threads)
    elif kernel == K_MOVE_AXIS:
        move_axis(p0, p1, B, n0, n1, thread, n_threads)
    elif kernel == K_ELEMENTWISE_LOSS:
        elementwise_loss(<int>op.n[2], p0, p1, p2, p5, p3, p4, B, n0, max(n1, <Py_ssize_t>1), op.s, scratch,
                         thread, n_threads)
    elif kernel == K_GAUSSIAN_NLL:
        gaussian_nll(p0, p1, p2, p3, p4, B, n0 // 2, op.s, scratch, thread, n_threads)
    elif kernel == K_CATEGORICAL_HINGE:
        categorical_hinge(p0, p1, p2, p3, p4, B, n0, scratch, thread, n_threads)
    elif kernel == K_COSINE_SIMILARITY:
        cosine_similarity(p0, p1, p2, p3, p4, B, n0, scratch, thread, n_threads)
    elif kernel == K_CATEGORICAL_FOCAL_CROSS_ENTROPY:
        categorical_focal_cross_entropy(op.n[2] != 0, p0, p1, p2, p5, p3, p4, B, n0, op.s, scratch, thread,
                                        n_threads)
    elif kernel == K_LOSS_WEIGHTS:
        loss_weights(<int>op.n[2], p0, <const int64_t*>op.p[1], p2, <int64_t*>op.p[3], B, op.n[3])
    elif kernel == K_BATCH_WEIGHT:
        batch_weight(p0, <double*>op.p[1], B)
    elif kernel == K_DROPOUT:
        dropout(p0, p1, B, n0, op.n[1], op.n[2], op.n[3] != 0, op.s[0], <floating>op.s[1], <floating>op.s[2],
                <floating>op.s[3], op.n[4], op.n[5], batch.step, thread, n_threads)
    elif kernel == K_GAUSSIAN:
        gaussian(p0, p1, B, n0, op.n[3] != 0, s0, op.n[4], op.n[5], batch.step, thread, n_threads)
    elif kernel == K_IDS_OF_FLOATS:
        nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
        ids_of_floats(p0 + begin * n0, <int64_t*>op.p[1] + begin * n0, (end - begin) * n0)
    elif kernel == K_MASK_SHARES:
        nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
        mask_shares(<const int64_t*>op.p[0], p1, n0, begin, end)
    elif kernel == K_EMBEDDING_JOIN:
        embedding_join(<const int64_t*>op.p[0], p1, <int64_t*>op.p[2], p3, B, n1, n0, op.n[2], op.n[3],
                       thread,
                       n_threads)
    elif kernel == K_EMBEDDING_FORWARD:
        embedding_forward(<const int64_t*>op.p[0], p1, p2, B, n1, n0, op.n[2], op.n[3], op.n[4] != 0, thread,
                          n_threads)
    elif kernel == K_EMBEDDING_BACKWARD:
        embedding_backward(p0, <const int64_t*>op.p[1], p2, B * n1, n0, op.n[2], op.n[3], op.n[4] != 0,
                           thread,
                           n_threads)
    elif kernel == K_EMBEDDING_INDEX:
        embedding_index(<const int64_t*>op.p[0], <int64_t*>op.p[1], <int64_t*>op.p[2], <int64_t*>op.p[3],
                        <int64_t*>op.p[4], <int32_t*>op.p[5], B * n1, op.n[2], op.n[3], op.n[4] != 0)
    elif kernel == K_EMBEDDING_SUMS:
        embedding_sums(p0, <const int64_t*>op.p[1], <const int64_t*>op.p[2], <const int64_t*>op.p[3], p4, n0,
                       thread, n_threads)
    elif kernel == K_EMBEDDING_PENALTY:
        embedding_penalty(p0, <const int64_t*>op.p[1], <const int64_t*>op.p[2], <const double*>op.p[3],
                          <double*>op.p[4], n0, op.s[0], op.s[1])
    elif kernel == K_EMBEDDING_SQUARES:
        embedding_squares(p0, <const int64_t*>op.p[1], <double*>op.p[2] + n1, n0)
    elif kernel == K_MERGE:
        nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
        merge(op, p0, begin * n0, end * n0)
    elif kernel == K_SUM_ARRAYS:
        nn_share(n0, BLOCK, thread, n_threads, &begin, &end)
        merge(op, p0, begin, end)
    elif kernel == K_EXTREMUM_BACKWARD:
        nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
        extremum_backward(op, p0, begin * n0, end * n0)
    elif kernel == K_CONCATENATE:
        concatenate(op, p0, B, thread, n_threads)
    elif kernel == K_SLICE:
        slice_columns(p0, p1, B, n0, n1, op.n[2], op.n[3], thread, n_threads)
    elif kernel == K_REPEAT:
        repeat(p0, p1, B, n0, n1, op.n[2], thread, n_threads)
    elif kernel == K_AXIS_SUM:
        axis_sum(p0, p1, B, n0, n1, op.n[2], scratch, thread, n_threads)
    elif kernel == K_FACTORIZATION_MACHINE_FORWARD:
        factorization_machine_forward(p0, p1, p2, p3, B, n0, n1, scratch, thread, n_threads)
    elif kernel == K_FACTORIZATION_MACHINE_BACKWARD_INPUT:
        factorization_machine_backward_input(p0, p1, p2, p3, p4, B, n0, n1, scratch, thread, n_threads)
    elif kernel == K_FACTORIZATION_MACHINE_BACKWARD_PARAMS:
        factorization_machine_backward_params(p0, p1, p2, p3, p4, B, n0, n1, scratch, thread, n_threads)
    elif kernel == K_FM_INTERACTION_FORWARD:
        fm_interaction_forward(p0, p1, B, n0, n1, thread, n_threads)
    elif kernel == K_FM_INTERACTION_BACKWARD:
        fm_interaction_backward(p0, p1, p2, B, n0, n1, scratch, thread, n_threads)
    elif kernel == K_BATCH_NORMALIZATION_FORWARD:
        batch_normalization_forward(p0, p1, p2, p3, p4, p5, <floating*>op.p[6], <floating*>op.p[7],
                                    <floating*>op.p[8], <floating*>op.p[9], B, n0, op.s[0], op.s[1],
                                    <int>op.n[2],
                                    <floating>op.s[2], scratch, thread, n_threads)
    elif kernel == K_BATCH_NORMALIZATION_BACKWARD:
        batch_normalization_backward(p0, p1, p2, p3, p4, <floating*>op.p[8], p5, <floating*>op.p[6],
                                     <floating*>op.p[7], B, n0, <int>n1, op.s[1], <int>op.n[2], s0, scratch,
                                     thread,
                                     n_threads)
    elif kernel == K_SCALED:
        scaled(p0, p1, p2, p3, p4, p5, <const int64_t*>op.p[6], B, n0, <int>n1, op.s[0], <int>op.n[2],
               <floating>op.s[1], scratch, thread, n_threads)
    elif kernel == K_LAYER_NORMALIZATION_FORWARD:
        layer_normalization_forward(p0, p1, p2, p3, p4, p5, B, n0, n1 != 0, op.s[0], thread, n_threads)
    elif kernel == K_LAYER_NORMALIZATION_BACKWARD_INPUT:
        layer_normalization_backward_input(p0, p1, p2, p3, p4, p5, B, n0, thread, n_threads)
    elif kernel == K_LAYER_NORMALIZATION_BACKWARD_PARAMS:
        layer_normalization_backward_params(p0, p1, p2, p3, p4, p5, B, n0, scratch, thread, n_threads)
    elif kernel == K_ACCURACY:
        accuracy(p0, p1, p2, p3, B, n0, thread, n_threads)
    elif kernel == K_CONFUSION_COUNTS:
        confusion_counts(p0, p1, p2, p4, p3, B, n0, n1, op.n[2], op.n[3], thread, n_threads)
    elif kernel == K_CLASS_COUNTS:
        class_counts(p0, p1, p2, p3, B, n0, n1 != 0, s0, thread, n_threads)
    elif kernel == K_REGRESSION_MOMENTS:
        regression_moments(p0, p1, p2, <double*>op.p[3], B, n0, thread, n_threads)
    elif kernel == K_SPARSE_DENSE_FORWARD:  # n[4]: numbers in a row of the lists
        sparse_dense_forward(<const int32_t*>op.p[0], <const int32_t*>op.p[1], p2, p3, p4, p5, B, n0, n1,
                             op.n[4], op.n[3] != 0, <int>op.n[2], op.s[0], thread, n_threads)
    elif kernel == K_SPARSE_DENSE_BACKWARD_PARAMS:
        sparse_dense_backward_params(<const int32_t*>op.p[0], <const int32_t*>op.p[1], p2, p3,
                                     <floating*>op.p[6], <floating*>op.p[7], B, n0, n1, op.n[4], op.n[3] != 0,
                                     <const Op*>op.p[4], <const Op*>op.p[5], batch.rate, scratch, thread,
                                     n_threads)
    elif kernel == K_GATHER:
        if op.n[2] == 0:
            gather(<const char*>op.p[0], <char*>op.p[1], n0, batch, thread, n_threads)
        elif op.n[3]:  # n: numbers in a row, bytes between rows, their dtype, whether ids are wanted
            gather_converted(<const char*>op.p[0], <int64_t*>op.p[1], <int>op.n[2], n0, n1, batch.order,
                             batch.first, batch.rows, thread, n_threads)
        else:
            gather_converted(<const char*>op.p[0], p1, <int>op.n[2], n0, n1, batch.order, batch.first,
                             batch.rows, thread, n_threads)
    elif kernel == K_GATHER_SPARSE:
        if n1:  # columns are numbers of 64 bits
            gather_sparse(<const int64_t*>op.p[0], <const int64_t*>op.p[1], p2, p3, n0, batch,
                          thread, n_threads)
        else:
            gather_sparse(<const int64_t*>op.p[0], <const int32_t*>op.p[1], p2, p3, n0, batch,
                          thread, n_threads)
    elif kernel == K_GATHER_LISTS:
        if n1:
            gather_lists(<const int64_t*>op.p[0], <const int64_t*>op.p[1], p2, <int32_t*>op.p[3],
                         <int32_t*>op.p[4], p5, n0, op.n[2], batch, thread, n_threads)
        else:
            gather_lists(<const int64_t*>op.p[0], <const int32_t*>op.p[1], p2, <int32_t*>op.p[3],
                         <int32_t*>op.p[4], p5, n0, op.n[2], batch, thread, n_threads)
    elif kernel == K_STORE:
        store(<const char*>op.p[0], <char*>op.p[1], n0, batch, thread, n_threads)
    elif kernel == K_ACCUMULATE:
        if n0:  # the same for every row
            (<double*>op.p[1])[0] += op.s[0] * (B * <double>p0[0])
        else:
            column_sums(p0, <double*>op.p[1], B, max(n1, 1), op.s[0], True)
    elif kernel == K_SUM:
        column_sums(p0, <double*>op.p[1], B, max(n0, 1), 1, False)


cdef inline void run_op(const Op* op, const Batch* batch, void* scratch, int thread,
                        int n_threads) noexcept nogil:
    cdef Op moved
    cdef Py_ssize_t i
    if op.moves:
        moved = op[0]
        for i in range(OP_POINTERS):
            moved.p[i] = <char*>moved.p[i] + moved.row_bytes[i] * batch.first
        op = &moved
    if op.kernel <= K_DENSE_BACKWARD_PARAMS:
        if op.is_double:
            run_product(op, batch, scratch, thread, n_threads, <double*>NULL)
        else:
            run_product(op, batch, scratch, thread, n_threads, <float*>NULL)
    elif op.is_double:
        run_op_typed(op, batch, scratch, thread, n_threads, <double*>NULL)
    else:
        run_op_typed(op, batch, scratch, thread, n_threads, <float*>NULL)


cdef void gather(
    const char* source,  # IN  (samples, row_bytes)
    char* to,            # OUT (B, row_bytes)
    Py_ssize_t row_bytes, const Batch* batch, int thread, int n_threads,
) noexcept nogil:
    """to[r] := source[order[first + r]]"""
    cdef Py_ssize_t r, begin, end
    nn_share(batch.rows, ROW_GRAIN, thread, n_threads, &begin, &end)
    if batch.order == NULL:
        memcpy(to + begin * row_bytes, source + (batch.first + begin) * row_bytes, (end - begin) * row_bytes)
        return
    if row_bytes == 4:  # one target a row: a call each would cost more than the copy
        for r in range(begin, end):
            (<int32_t*>to)[r] = (<const int32_t*>source)[batch.order[batch.first + r]]
        return
    if row_bytes == 8:
        for r in range(begin, end):
            (<int64_t*>to)[r] = (<const int64_t*>source)[batch.order[batch.first + r]]
        return
    for r in range(begin, end):
        memcpy(to + r * row_bytes, source + batch.order[batch.first + r] * row_bytes, row_bytes)


cdef void store(
    const char* source,  # IN  (B, row_bytes)
    char* to,            # OUT (samples, row_bytes)
    Py_ssize_t row_bytes, const Batch* batch, int thread, int n_threads,
) noexcept nogil:
    """to[first + r] := source[r]"""
    cdef Py_ssize_t begin, end
    nn_share(batch.rows, ROW_GRAIN, thread, n_threads, &begin, &end)
    memcpy(to + (batch.first + begin) * row_bytes, source + begin * row_bytes, (end - begin) * row_bytes)


cdef double op_work(const Op* op, Py_ssize_t B) noexcept nogil:
    """How many threads the op could feed."""
    cdef int64_t kernel = op.kernel
    if kernel == K_DENSE_FORWARD or kernel == K_DENSE_BACKWARD_INPUT or kernel == K_DENSE_BACKWARD_PARAMS:
        return <double>B * op.n[0] * op.n[1] / GRAIN_MULTIPLY_ADDS
    if is_of_rows(op):
        return <double>B * op.n[0] * op.n[1] / (GRAIN_ELEMENTS // 4)
    if kernel == K_NORM_CONSTRAINT:
        return <double>op.n[0] * op.n[1] * op.n[2] / GRAIN_ELEMENTS
    if kernel == K_SGD_UPDATE or kernel == K_SQUARE_SUMS or K_ACCUMULATE_GRADIENT <= kernel <= K_NON_NEGATIVE:
        return <double>op.n[0] / GRAIN_ELEMENTS
    if is_update(kernel) or kernel == K_LAMB_MOMENTS or kernel == K_LAMB_STEP:
        return <double>op.n[0] / (GRAIN_ELEMENTS // 4)  # a root and a division take as long as all else
    if kernel == K_ADAM_STEP or kernel == K_NADAM_STEP or kernel == K_CLIP_SCALE or kernel == K_LAMB_RATIO:
        return 0
    if kernel == K_LOSS_WEIGHTS or kernel == K_BATCH_WEIGHT:
        return 0
    if kernel == K_EMBEDDING_INDEX or kernel == K_EMBEDDING_SQUARES or kernel == K_EMBEDDING_PENALTY:
        return 0
    if K_EMBEDDING_FORWARD <= kernel <= K_EMBEDDING_SUMS:
        return <double>B * op.n[0] * op.n[1] / GRAIN_ELEMENTS
    if kernel == K_DROPOUT:
        return <double>B * op.n[0] * op.n[1] * op.n[2] / GRAIN_ELEMENTS
    if kernel == K_GAUSSIAN:
        return <double>B * op.n[0] / (GRAIN_ELEMENTS // 4)
    if kernel == K_SUM_ARRAYS:
        return <double>op.n[0] * op.n[1] / GRAIN_ELEMENTS
    if K_MERGE <= kernel <= K_FM_INTERACTION_BACKWARD:
        return merge_work(op, B)
    if kernel == K_SPARSE_DENSE_FORWARD or kernel == K_SPARSE_DENSE_BACKWARD_PARAMS:
        return <double>B * op.n[5] * op.n[1] / GRAIN_MULTIPLY_ADDS  # what is stored in a row, on average
    if K_GATHER <= kernel <= K_PYTHON:
        return 0
    if kernel == K_MOVE_AXIS:
        return <double>B * op.n[0] * op.n[1] / GRAIN_ELEMENTS
    return <double>B * op.n[0] / GRAIN_ELEMENTS


cdef bint shares_rows(const Op* ops, Py_ssize_t n_ops, Py_ssize_t batch_size, int n_threads) noexcept nogil:
    """Whether threads share out the rows of a batch from one end of a step to the other, and meet only before
    the gradients of the weights: when each has enough of them and all weights stay in its own cache."""
    cdef Py_ssize_t i, weights = 0
    for i in range(n_ops):
        if ops[i].kernel == K_DENSE_FORWARD:
            weights += ops[i].n[0] * ops[i].n[1] * (8 if ops[i].is_double else 4)
    return batch_size >= ROW_GRAIN * n_threads and weights <= BLOCK_BYTES


cdef Py_ssize_t op_scratch(const Op* op) noexcept nogil:
    """Bytes of scratch that each thread needs."""
    cdef Py_ssize_t size = 8 if op.is_double else 4
    if op.kernel == K_DENSE_FORWARD:  # of one column: its rows are packed, any number of them
        return product_scratch(op.n[1] if op.n[1] > 1 else <Py_ssize_t>1 << 30, op.n[0], size)
    if op.kernel == K_DENSE_BACKWARD_INPUT:
        return product_scratch(op.n[0], op.n[1], size)
    if op.kernel == K_DENSE_BACKWARD_PARAMS:
        return product_scratch(op.n[1], CHUNK, size)
    if op.kernel == K_SPARSE_DENSE_BACKWARD_PARAMS:
        return sparse_scratch(op.n[0], op.n[1], op.n[6], size)
    if (op.kernel == K_MEAN_SQUARED_ERROR
            or K_ELEMENTWISE_LOSS <= op.kernel <= K_CATEGORICAL_FOCAL_CROSS_ENTROPY):
        return loss_scratch(op.n[0])
    if K_SOFTMAX <= op.kernel <= K_ABSOLUTE_ERROR:
        return block_scratch(op.n[0])
    if op.kernel == K_SPARSEMAX:
        return block_scratch(op.n[0])
    if K_PRELU_FORWARD <= op.kernel <= K_SPARSEMAX_BACKWARD:
        return 2 * (op.n[0] + MOST) * size
    if op.kernel == K_AXIS_SUM:
        return block_scratch(op.n[1]) if op.n[0] == 1 else 0
    if K_FACTORIZATION_MACHINE_FORWARD <= op.kernel <= K_FM_INTERACTION_BACKWARD:
        return factorization_scratch(op)
    if K_BATCH_NORMALIZATION_FORWARD <= op.kernel <= K_LAYER_NORMALIZATION_BACKWARD_PARAMS:
        return column_scratch()
    return 0


cdef struct Run:
    const Op* ops
    Py_ssize_t n_ops
    const int64_t* order
    Py_ssize_t samples, batch_size
    Py_ssize_t begin, next                # the first sample of the run, and the first one not yet seen
    const double* watched                 # a total that must stay finite, or NULL
    int64_t step                          # of the batch that begins at row 0
    const double* rates                   # the learning rate of each batch, counted from row 0, or NULL
    bint by_rows                          # as of Batch
    double deadline                       # seconds on the monotonic clock
    char* scratch
    Py_ssize_t scratch_bytes
    int[2] stop      # after a batch, by turns: others may still look while thread 0 is a batch ahead
    int failed
    void* error                           # the exception that a Python op raised: a reference of our own
    nn_barrier barrier


cdef double now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec + 1e-9 * t.tv_nsec


cdef void call_python(Run* run, const Op* op, Py_ssize_t rows) noexcept with gil:
    """A user's op: p[0] is a Python callable that takes the number of rows."""
    try:
        (<object>op.p[0])(rows)
    except BaseException as error:  # Ctrl-C too: it is the caller's
        Py_INCREF(error)
        run.error, run.failed = <void*>error, 1


cdef void run_thread(Run* run, int thread, int n_threads) noexcept nogil:
    """What each thread of the region does: every op of every batch, until the deadline or the end."""
    cdef uint64_t state = nn_fp_enter()
    cdef Py_ssize_t i
    cdef Batch batch
    cdef void* scratch = run.scratch + thread * run.scratch_bytes
    batch.order, batch.first, batch.by_rows = run.order, run.begin, run.by_rows
    cdef Py_ssize_t number = run.begin // max(run.batch_size, <Py_ssize_t>1)
    cdef int odd = 0
    cdef int meet = MEET_BY_ROWS if run.by_rows else MEET_BY_PANELS
    while True:
        batch.rows = min(run.batch_size, run.samples - batch.first)
        batch.step = run.step + number
        batch.rate = run.rates[number] if run.rates != NULL else NAN
        number += 1
        for i in range(run.n_ops):
            if run.ops[i].every > 1 and (batch.step + 1) % run.ops[i].every != 0:
                continue
            if run.ops[i].kernel != K_PYTHON:
                run_op(&run.ops[i], &batch, scratch, thread, n_threads)
            elif thread == 0:
                call_python(run, &run.ops[i], batch.rows)
                nn_fp_enter()  # whatever the user's code left
            if n_threads > 1 and run.ops[i].meet & meet:
                nn_meet(&run.barrier, n_threads)
            if run.ops[i].kernel == K_PYTHON and run.failed:
                break
        if run.failed:  # which only a Python op sets, and after those all meet
            break
        batch.first += batch.rows
        if thread == 0:
            run.next = batch.first
            run.stop[odd] = (batch.first >= run.samples or now() >= run.deadline
                             or (run.watched != NULL and not isfinite(run.watched[0])))
        if n_threads > 1:
            nn_meet(&run.barrier, n_threads)
        if run.stop[odd]:
            break
        odd = not odd
    nn_fp_leave(state)


cdef Py_ssize_t thread_scratch(const Op* ops, Py_ssize_t n_ops) noexcept nogil:
    """Bytes of scratch that each thread needs for all ops."""
    cdef Py_ssize_t i, size = 0
    for i in range(n_ops):
        size = max(size, op_scratch(&ops[i]))
    return (size + 63) // 64 * 64


cdef void run_all(Run* run, int n_threads) noexcept nogil:
    """Runs in a parallel region of its own, with the scratch that the run brings."""
    if n_threads == 1:
        run_thread(run, 0, 1)
    else:
        run_region(run, n_threads)


cdef int run_once(Run* run, int n_threads) noexcept nogil:
    """Runs with scratch of its own; -1 without memory for it."""
    cdef void* block = NULL
    run.scratch_bytes = thread_scratch(run.ops, run.n_ops)
    if run.scratch_bytes > 0:
        block = malloc(run.scratch_bytes * n_threads + 64)
        if block == NULL:
            return -1
    run.scratch = <char*>((<size_t>block + 63) // 64 * 64)
    run_all(run, n_threads)
    free(block)
    return 0


cdef void run_region(Run* run, int n_threads) noexcept nogil:
    with parallel(num_threads=n_threads):
        run_thread(run, threadid(), nn_team_size())
