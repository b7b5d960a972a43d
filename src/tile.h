/* The register tile of every dense product: C (rows, columns) := start + sum over k of A[i][k] B[k][j].
 *
 * Each element of C is one chain of fused multiply-adds over ascending k, in one lane of one register. Where
 * A is broadcast from, how wide the tile is and where k is cut therefore cannot change a bit of the result.
 *
 * A. `a[i * a_row + k * a_step]`: A is read where it lies, whether its rows run along k (the input of a
 *    layer: a_step = 1) or along i (the transposed input in the weight gradient: a_row = 1).
 * B. `b[k * b_step + j]`: whole vectors of columns. B lies in panels of up to three cache lines of columns
 *    (dense.pxi); where rows are few a tile goes over several panels, `b_panel` apart.
 * C. 8 rows by 3 vectors on 32 registers: 24 accumulators, 11 loads per 24 multiply-adds. 12 by 2 (14 loads)
 *    was 2 to 4 % slower, and twelve rows at a stride of a page fill all ways of the first-level cache. 4 by
 *    3 on 16 registers. Fewer rows take more vectors, to keep enough independent chains for the latency of a
 *    multiply-add (4 cycles).
 * D. `ones`: the last row of A is 1 everywhere and its sums go to `last`: the gradient of the bias at the
 *    price of an addition per column, beside the gradient of the weights.
 * E. `soon`: weights and state that an update will read when the tile is done are asked for step by step
 *    meanwhile; all at once they kept the tile's own loads waiting, and lost 8 % (784-1024-1024-10). */
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
#define NN_TILE_ROWS 8
#define NN_TILE_ONES_VECTORS 3 /* the most vectors of a tile with a row of ones */
#else
#define NN_TILE_ROWS 4
#define NN_TILE_ONES_VECTORS 2
#endif
#define NN_TILE_VECTORS 3
#define NN_TILE_SUMS (NN_TILE_ROWS * NN_TILE_VECTORS)
#define NN_TILE_SOON 3
#define NN_PANEL_LINES 3 /* cache lines of columns in a panel */

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
