/*
 * Elementary functions, one value in and one out, for the kernels' inner loops.
 *
 * nn_<f>_f32(float) and nn_<f>_f64(double) for f = exp, expm1, log, log1p, tanh, sigmoid, softplus, erf,
 * gelu, gelu_grad, silu, silu_grad.
 *
 * A. No branches, no tables, no libm: only + - * / fma, comparisons with a select, and integer operations on
 *    the bits, so that gcc turns the loop round a call into vector code, in place or not. Every operation is
 *    exactly rounded, hence the scalar, ymm and zmm code gives the same bits (compile with
 *    -ffp-contract=off; never -ffast-math).
 * B. Without FMA hardware (x86-64-v2) NN_FMA* is a product and a sum: results differ there in the last bits.
 *    Software fma would be right and 15 times slower.
 * C. A NaN goes through because clamps are written so that a comparison with NaN keeps the argument, and
 *    because powers of two are multiplied, never added to the exponent field of the result.
 * D. Coefficients come from tools/minimax.py.
 */
#ifndef NN_VMATH_H
#define NN_VMATH_H

#include <stdint.h>
#include <string.h>

/* Always: one call that gcc finds too long to inline leaves the whole loop scalar. */
#define NN_INLINE static inline __attribute__((always_inline))

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define NN_HAVE_FMA 1
#define NN_FMAF(a, b, c) __builtin_fmaf((a), (b), (c))
#define NN_FMA(a, b, c) __builtin_fma((a), (b), (c))
#else
#define NN_HAVE_FMA 0
#define NN_FMAF(a, b, c) ((a) * (b) + (c))
#define NN_FMA(a, b, c) ((a) * (b) + (c))
#endif

/*
 * Polynomials; F is NN_FMAF or NN_FMA. NN_POLYn is c[k] + c[k+s] x + ... + c[k+ns] x^n by Horner's rule. NN_POLY_2 and
 * NN_POLY_4 deal the coefficients from c[k] on to two or four Horner chains in x^2 or x^4 (their degrees are the
 * last arguments). One long chain is slower though it has the same number of operations: the core cannot
 * hold enough loop rounds in flight to hide its latency (float64 log: 0.76 ns as one chain, 0.5 as four).
 */
#define NN_POLY0(F, x, c, k, s) (c)[k]
#define NN_POLY1(F, x, c, k, s) F(x, NN_POLY0(F, x, c, (k) + (s), s), (c)[k])
#define NN_POLY2(F, x, c, k, s) F(x, NN_POLY1(F, x, c, (k) + (s), s), (c)[k])
#define NN_POLY3(F, x, c, k, s) F(x, NN_POLY2(F, x, c, (k) + (s), s), (c)[k])
#define NN_POLY4(F, x, c, k, s) F(x, NN_POLY3(F, x, c, (k) + (s), s), (c)[k])
#define NN_POLY5(F, x, c, k, s) F(x, NN_POLY4(F, x, c, (k) + (s), s), (c)[k])
#define NN_POLY6(F, x, c, k, s) F(x, NN_POLY5(F, x, c, (k) + (s), s), (c)[k])
#define NN_POLY_2(F, x, x2, c, k, n0, n1) \
    F(x, NN_POLY##n1(F, x2, c, (k) + 1, 2), NN_POLY##n0(F, x2, c, k, 2))
#define NN_POLY_4(F, x, x2, x4, c, k, n0, n1, n2, n3) \
    F(x2, F(x, NN_POLY##n3(F, x4, c, (k) + 3, 4), NN_POLY##n2(F, x4, c, (k) + 2, 4)), \
      F(x, NN_POLY##n1(F, x4, c, (k) + 1, 4), NN_POLY##n0(F, x4, c, k, 4)))

#include "vmath_f32.h"
#include "vmath_f64.h"

#endif
