/* Products with rows of which few numbers are stored: C[row] := start + sum over a list of a[k] B[where[k]].
 *
 * A. One loop serves both products of a dense layer. Forward a list is a row of the batch: its columns are rows of
 *    the weights. For their gradient a list is a column of the batch: its rows are rows of dy.
 * B. Each element of C is one chain over the list in its order, in one lane, as in tile.h: a number that is not
 *    stored would have added x * 0. Lanes lie along the columns of C.
 * C. As many vectors of C as there are registers for are summed together: a list is read once, a row of B where it
 *    lies, and as many chains hide the latency of a multiply-add. */
#ifndef NNCORE_SPARSE_H
#define NNCORE_SPARSE_H

#include "tile.h"

/* Full vectors that are summed together. */
#if NN_VECTOR_REGISTERS == 32
#define NN_LISTED 14
#else
#define NN_LISTED 8
#endif

#define REAL float
#define NN_NAME(name) name##_f32
#include "sparse_body.h"
#undef REAL
#undef NN_NAME

#define REAL double
#define NN_NAME(name) name##_f64
#include "sparse_body.h"
#undef REAL
#undef NN_NAME

#endif
