/* The loops of normalization: sums down the columns of some rows, sums along rows, and what follows from them.
 *
 * A. Down columns the lanes are columns: a plain loop over them, for several rows at once so that what belongs to a
 *    column is loaded once. In C because it must be said that rows do not overlap (NN_APART): the run-time checks
 *    that gcc makes otherwise, and its scalar copy of each loop, cost more than the loops. Four rows at once where
 *    there are two arrays, two where there are three: there are no registers for more pointers.
 * B. Along rows a sum runs in virtual lanes, the same on every ISA level, in vectors that are written out: see
 *    line.h. Two rows at a time, since each step of a sum waits for the one before. Only whole sets of lanes: the
 *    caller adds what is left of a row, and the lanes.
 * C. `row`: how far rows are apart. Where `y` may be `x`, each element is read before it is written. */
#ifndef NNCORE_NORM_H
#define NNCORE_NORM_H

#include "simd.h"
#include "vmath.h"

#define NN_NORM_ROWS 4                                   /* taken at once, at most */
#define NN_MOMENT_LANES 8                                /* of float64, a line's */
#define NN_ROW_VECTORS (NN_LINE_BYTES / NN_VECTOR_BYTES) /* in a set of lanes */

#if defined(__clang__)
#define NN_APART _Pragma("clang loop vectorize(assume_safety)")
#else
#define NN_APART _Pragma("GCC ivdep")
#endif

typedef double nn_wide __attribute__((vector_size(NN_VECTOR_BYTES), aligned(8), may_alias));

#define REAL float
#define NN_NAME(name) name##_f32
#define NN_FMA_SCALAR NN_FMAF
#include "norm_body.h"
#undef REAL
#undef NN_NAME
#undef NN_FMA_SCALAR

#define REAL double
#define NN_NAME(name) name##_f64
#define NN_FMA_SCALAR NN_FMA
#include "norm_body.h"
#undef REAL
#undef NN_NAME
#undef NN_FMA_SCALAR

#endif
