/* Arithmetic on one line: 64 bytes of elements, the virtual lanes of every ISA level, in as many vectors as
 * that takes.
 *
 * A plain loop over a line's elements would say the same, but gcc unrolls a loop of 8 or 16 steps into
 * scalars before it looks for vectors. */
#ifndef NNCORE_LINE_H
#define NNCORE_LINE_H

#include "simd.h"

#define NN_EACH(statement)                                                            \
    NN_UNROLL for (size_t v = 0; v < NN_LINE_BYTES / NN_VECTOR_BYTES; v++) { statement; }

#define NN_LINES(REAL, INTEGER, S)                                                                  \
    typedef REAL nn_line_##S                                                                        \
        __attribute__((vector_size(NN_VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));            \
    typedef INTEGER nn_line_mask_##S __attribute__((vector_size(NN_VECTOR_BYTES)));                 \
    /* y := y + x */                                                                                \
    static inline void nn_line_add_##S(REAL *y, const REAL *x)                                      \
    {                                                                                               \
        NN_EACH(((nn_line_##S *)y)[v] += ((const nn_line_##S *)x)[v])                               \
    }                                                                                               \
    /* y := x - s */                                                                                \
    static inline void nn_line_subtract_##S(REAL *y, const REAL *x, const REAL *s)                  \
    {                                                                                               \
        NN_EACH(((nn_line_##S *)y)[v] = ((const nn_line_##S *)x)[v] - ((const nn_line_##S *)s)[v])  \
    }                                                                                               \
    /* y := y * x */                                                                                \
    static inline void nn_line_multiply_##S(REAL *y, const REAL *x)                                 \
    {                                                                                               \
        NN_EACH(((nn_line_##S *)y)[v] *= ((const nn_line_##S *)x)[v])                               \
    }                                                                                               \
    /* y := x where x > y, else y */                                                                \
    static inline void nn_line_max_##S(REAL *y, const REAL *x)                                      \
    {                                                                                               \
        NN_EACH(nn_line_##S a = ((const nn_line_##S *)x)[v]; nn_line_##S b = ((nn_line_##S *)y)[v]; \
                nn_line_mask_##S m = a > b;                                                         \
                nn_line_mask_##S larger = ((nn_line_mask_##S)a & m) | ((nn_line_mask_##S)b & ~m);   \
                ((nn_line_##S *)y)[v] = (nn_line_##S)larger)                                        \
    }

NN_LINES(float, int32_t, f32)
NN_LINES(double, int64_t, f64)

#undef NN_LINES
#undef NN_EACH
#endif
