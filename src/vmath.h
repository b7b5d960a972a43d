/*
 * Elementary functions, one value in and one out, for the kernels' inner loops.
 *
 * nn_<f>_f32(float) and nn_<f>_f64(double) for f = exp, expm1, log, log1p, tanh, sigmoid, softplus, erf,
 * gelu, gelu_grad, silu, silu_grad; of vmath_acts.h: gelu_tanh, gelu_tanh_grad, mish, mish_grad, tanh_shrink.
 *
 * A. No branches, no tables, no libm: only + - * / fma, comparisons with a select, and integer operations on
 *    the bits, so that gcc turns the loop round a call into vector code, in place or not. Every operation is
 *    exactly rounded, hence the scalar, ymm and zmm code gives the same bits (compile with
 *    -ffp-contract=off; never -ffast-math).
 * B. Without FMA hardware (x86-64-v2) NN_FMA* is a product and a sum: results differ there in the last bits.
 *    Software fma would be right and 15 times slower.
 * C. A NaN goes through because comparisons with NaN are false and choose the computed value, and because
 *    powers of two are multiplied, never added to the exponent field of the result. Integers are taken from
 *    the low bits of a float, never converted from one, so that no input is out of range.
 * D. Coefficients come from tools/minimax.py.
 *
 * Largest errors found with FMA, in ULP of the exact value (float32: all inputs, but expm1, log1p, erf, gelu'
 * and silu' every 17th; float64: some millions of points per function, more where the error peaks):
 *
 *          exp   expm1  log   log1p  tanh  sigmoid  softplus  erf   gelu   gelu'  silu  silu'
 *   f32    1.06  1.33   0.92  1.53   1.90  1.57     1.80      1.16  2.01+  1.41   1.88  1.79
 *   f64    0.98  1.52   0.75  1.33   1.83  1.65     1.63      1.37  1.77*  1.78   1.94  1.93
 *
 *          gelu_tanh  gelu_tanh'  mish  mish'  tanh_shrink
 *   f32    2.09       1.82        1.26  1.32   1.53
 *   f64    2.01       1.69        1.32  1.29   1.41
 *
 * (+) in the tail near -7.7. (*) x > -6; 2.3 down to -12 and 3.3 in the far tail below. gelu' and silu' near
 * their roots: of the larger term. Without FMA at most 2.1, but gelu 3.9 and gelu' 2.6 (sampled).
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
 * Polynomials c[k] + c[k+1] x + ... + c[k+n] x^n; F is NN_FMAF or NN_FMA. NN_PAIRSn is Horner's rule in x^2
 * on pairs of coefficients, NN_QUADSn in x^4 on fours. Plain Horner has as many operations but one long chain
 * of them, and the core cannot hold enough loop rounds in flight to hide its latency (float64 log: 0.76 ns
 * against 0.56).
 */
#define NN_PAIRS0(F, x, x2, c, k) (c)[k]
#define NN_PAIRS1(F, x, x2, c, k) F(x, (c)[(k) + 1], (c)[k])
#define NN_PAIRS2(F, x, x2, c, k) F(x2, NN_PAIRS0(F, x, x2, c, (k) + 2), NN_PAIRS1(F, x, x2, c, k))
#define NN_PAIRS3(F, x, x2, c, k) F(x2, NN_PAIRS1(F, x, x2, c, (k) + 2), NN_PAIRS1(F, x, x2, c, k))
#define NN_PAIRS4(F, x, x2, c, k) F(x2, NN_PAIRS2(F, x, x2, c, (k) + 2), NN_PAIRS1(F, x, x2, c, k))
#define NN_PAIRS5(F, x, x2, c, k) F(x2, NN_PAIRS3(F, x, x2, c, (k) + 2), NN_PAIRS1(F, x, x2, c, k))
#define NN_PAIRS6(F, x, x2, c, k) F(x2, NN_PAIRS4(F, x, x2, c, (k) + 2), NN_PAIRS1(F, x, x2, c, k))
#define NN_PAIRS7(F, x, x2, c, k) F(x2, NN_PAIRS5(F, x, x2, c, (k) + 2), NN_PAIRS1(F, x, x2, c, k))
#define NN_PAIRS8(F, x, x2, c, k) F(x2, NN_PAIRS6(F, x, x2, c, (k) + 2), NN_PAIRS1(F, x, x2, c, k))
#define NN_PAIRS9(F, x, x2, c, k) F(x2, NN_PAIRS7(F, x, x2, c, (k) + 2), NN_PAIRS1(F, x, x2, c, k))
#define NN_PAIRS10(F, x, x2, c, k) F(x2, NN_PAIRS8(F, x, x2, c, (k) + 2), NN_PAIRS1(F, x, x2, c, k))
#define NN_PAIRS11(F, x, x2, c, k) F(x2, NN_PAIRS9(F, x, x2, c, (k) + 2), NN_PAIRS1(F, x, x2, c, k))
#define NN_PAIRS12(F, x, x2, c, k) F(x2, NN_PAIRS10(F, x, x2, c, (k) + 2), NN_PAIRS1(F, x, x2, c, k))

#define NN_QUADS0(F, x, x2, x4, c, k) NN_PAIRS0(F, x, x2, c, k)
#define NN_QUADS1(F, x, x2, x4, c, k) NN_PAIRS1(F, x, x2, c, k)
#define NN_QUADS2(F, x, x2, x4, c, k) NN_PAIRS2(F, x, x2, c, k)
#define NN_QUADS3(F, x, x2, x4, c, k) NN_PAIRS3(F, x, x2, c, k)
#define NN_QUADS4(F, x, x2, x4, c, k) F(x4, NN_QUADS0(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS5(F, x, x2, x4, c, k) F(x4, NN_QUADS1(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS6(F, x, x2, x4, c, k) F(x4, NN_QUADS2(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS7(F, x, x2, x4, c, k) F(x4, NN_QUADS3(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS8(F, x, x2, x4, c, k) F(x4, NN_QUADS4(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS9(F, x, x2, x4, c, k) F(x4, NN_QUADS5(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS10(F, x, x2, x4, c, k) F(x4, NN_QUADS6(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS11(F, x, x2, x4, c, k) F(x4, NN_QUADS7(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS12(F, x, x2, x4, c, k) F(x4, NN_QUADS8(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS13(F, x, x2, x4, c, k) F(x4, NN_QUADS9(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS14(F, x, x2, x4, c, k) F(x4, NN_QUADS10(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS15(F, x, x2, x4, c, k) F(x4, NN_QUADS11(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS16(F, x, x2, x4, c, k) F(x4, NN_QUADS12(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS17(F, x, x2, x4, c, k) F(x4, NN_QUADS13(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS18(F, x, x2, x4, c, k) F(x4, NN_QUADS14(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS19(F, x, x2, x4, c, k) F(x4, NN_QUADS15(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS20(F, x, x2, x4, c, k) F(x4, NN_QUADS16(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS21(F, x, x2, x4, c, k) F(x4, NN_QUADS17(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))
#define NN_QUADS22(F, x, x2, x4, c, k) F(x4, NN_QUADS18(F, x, x2, x4, c, (k) + 4), NN_PAIRS3(F, x, x2, c, k))

#include "vmath_f32.h"
#include "vmath_f64.h"

#define REAL float
#define F(name) nn_##name##_f32
#define K(name) NN_##name##_F32
#define FMA NN_FMAF
#define BIAS 127
#define LIFT 64
#define MANTISSA 23
#define SPLITTER 4097.0f
#include "vmath_acts.h"
#undef REAL
#undef F
#undef K
#undef FMA
#undef BIAS
#undef LIFT
#undef MANTISSA
#undef SPLITTER
#define REAL double
#define F(name) nn_##name##_f64
#define K(name) NN_##name##_F64
#define FMA NN_FMA
#define BIAS 1023
#define LIFT 512
#define MANTISSA 52
#define SPLITTER 134217729.0
#include "vmath_acts.h"
#undef REAL
#undef F
#undef K
#undef FMA
#undef BIAS
#undef LIFT
#undef MANTISSA
#undef SPLITTER

#endif
