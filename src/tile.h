/* The register tile of every dense product: C (rows, columns) := start + sum over k of A[i][k] B[k][j].
 *
 * Each element of C is one chain of fused multiply-adds over ascending k, in one lane of one register. Where
 * A is broadcast from, how wide the tile is and where k is cut therefore cannot change a bit of the result.
 *
 * A. `a[i * a_row + k * a_step]`: A is read where it lies, whether its rows run along k (the input of a
 *    layer: a_step = 1) or along i (the transposed input in the weight gradient: a_row = 1). Packing A was
 *    measured and lost 4 to 7 % (12x32 tile, 1008x1024x1024), except with rows along i at strides of many
 *    pages (dense.pxi).
 * B. `b[k * b_step + j]`: whole vectors of columns; a packed panel or the array itself.
 * C. 12 rows by 2 vectors on 32 registers (24 accumulators, 14 loads per 24 multiply-adds), 6 by 2 on 16;
 *    fewer rows take more vectors, to keep enough independent chains for the latency of a multiply-add (4
 *    cycles). 6 by 4 was as fast alone, but reads B twice as often from the second-level cache. */
#ifndef NNCORE_TILE_H
#define NNCORE_TILE_H

#include "simd.h"

enum {
    NN_START_ZERO = 0, /* the chain starts at +0 */
    NN_START_ROW = 1,  /* ... at start[j], the bias */
    NN_START_C = 2,    /* ... at what C holds: the chain goes on */
    NN_START_MASK = 3,
    NN_END_ADD = 4,    /* C := C + chain, one rounding, instead of C := chain */
    NN_END_RELU = 8    /* C := max(chain, 0), NaN kept */
};

#if NN_VECTOR_REGISTERS == 32
#define NN_TILE_ROWS 12
#define NN_TILE_SUMS 24
#else
#define NN_TILE_ROWS 6
#define NN_TILE_SUMS 12
#endif
#define NN_TILE_VECTORS 2
#define NN_TILE_MAX_VECTORS 8

#define REAL float
#define NN_NAME(name) name##_f32
#define NN_FMA_SCALAR __builtin_fmaf
#include "tile_body.h"
#undef REAL
#undef NN_NAME
#undef NN_FMA_SCALAR

#define REAL double
#define NN_NAME(name) name##_f64
#define NN_FMA_SCALAR __builtin_fma
#include "tile_body.h"
#undef REAL
#undef NN_NAME
#undef NN_FMA_SCALAR

#endif
