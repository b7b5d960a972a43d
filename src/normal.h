/* Normally distributed numbers from random words, by the method of Box and Muller (1958): of two words, one gives
 * a distance r = sqrt(-2 log u) and the other a direction; the point that they name has two independent normal
 * coordinates. One logarithm and one root serve two numbers; the inverse of the distribution function needs both
 * for each, and two polynomials of degree 8.
 *
 * No branches, as in vmath.h. Of the u and the angle that the dtype holds, results are within 3.2 ULP (float32,
 * 2^26 pairs) and 2.5 ULP (float64, 2^22 pairs). */
#ifndef NNCORE_NORMAL_H
#define NNCORE_NORMAL_H

#include "vmath.h"

/* sin(x) = x + x^3 p(x^2), |x| <= pi/4; relative error: 2^-26.9 */
static const float NN_SIN_F32[3] = {
    -0x1.555546p-3f, 0x1.11073cp-7f, -0x1.9943f2p-13f,
};
/* cos(x) = 1 + x^2 p(x^2), |x| <= pi/4; relative error: 2^-24.4 */
static const float NN_COS_F32[3] = {
    -0x1.ffffb2p-2f, 0x1.553e8p-5f, -0x1.644d78p-10f,
};
/* sin(x) = x + x^3 p(x^2), |x| <= pi/4; relative error: 2^-56.3 */
static const double NN_SIN_F64[6] = {
    -0x1.5555555555548p-3, 0x1.111111110f7d1p-7, -0x1.a01a019bfe09ap-13,
    0x1.71de3567f15f8p-19, -0x1.ae5e5aac4f289p-26, 0x1.5d8fd9fab1f25p-33,
};
/* cos(x) = 1 + x^2 p(x^2), |x| <= pi/4; relative error: 2^-57.7 */
static const double NN_COS_F64[7] = {
    -0x1p-1, 0x1.5555555555539p-5, -0x1.6c16c16c13ba8p-10,
    0x1.a01a019b2da1p-16, -0x1.27e4f72b84ba6p-22, 0x1.1ee96cd0fa1d6p-29,
    -0x1.8f7548de3b8ebp-37,
};

/* Of a the upper 31 bits make u in (0, 1], a normal number, so that what else nn_log looks for is not there. Of b
 * the lower 30 bits make an angle within pi/4 of 0; bit 31 turns the direction's cosine round and bit 30 exchanges
 * its coordinates, which together reach the whole circle. */
NN_INLINE void nn_normal_pair_f32(uint32_t a, uint32_t b, float *z0, float *z1)
{
    const float u = ((float)(int32_t)(a >> 1) + 0.5f) * 0x1p-31f;
    const uint32_t d = nn_scale_bits_f32(u);
    const float r = __builtin_sqrtf(-2.0f * nn_log_reduced_f32(nn_scaled_f32(d) - 1.0f, nn_exponent_f32(d) - 127.0f));
    const float x = ((float)((int32_t)(b & 0x3fffffffu) - 0x20000000) + 0.5f) * 0x1.921fb6p-30f; /* pi/2 2^-30 */
    const float t = x * x, t2 = t * t;
    const float sine = NN_FMAF(x * t, NN_PAIRS2(NN_FMAF, t, t2, NN_SIN_F32, 0), x);
    const float cosine = NN_FMAF(t, NN_PAIRS2(NN_FMAF, t, t2, NN_COS_F32, 0), 1.0f);
    const float turned = nn_from_bits_f32(nn_bits_f32(cosine) ^ (b & 0x80000000u));
    const uint32_t other = b & 0x40000000u;
    *z0 = r * (other ? sine : turned);
    *z1 = r * (other ? turned : sine);
}

NN_INLINE void nn_normal_pair_f64(uint32_t a, uint32_t b, double *z0, double *z1)
{
    const double u = ((double)(int32_t)(a >> 1) + 0.5) * 0x1p-31;
    const uint64_t d = nn_scale_bits_f64(u);
    const double r = __builtin_sqrt(-2.0 * nn_log_reduced_f64(nn_scaled_f64(d) - 1.0, nn_exponent_f64(d) - 1023.0));
    const double x = ((double)((int32_t)(b & 0x3fffffffu) - 0x20000000) + 0.5) * 0x1.921fb54442d18p-30;
    const double t = x * x, t2 = t * t;
    const double sine = NN_FMA(x * t, NN_PAIRS5(NN_FMA, t, t2, NN_SIN_F64, 0), x);
    const double cosine = NN_FMA(t, NN_PAIRS6(NN_FMA, t, t2, NN_COS_F64, 0), 1.0);
    const double turned = nn_from_bits_f64(nn_bits_f64(cosine) ^ ((uint64_t)(b & 0x80000000u) << 32));
    const uint32_t other = b & 0x40000000u;
    *z0 = r * (other ? sine : turned);
    *z1 = r * (other ? turned : sine);
}

/* z[i] and z[32 + i] := of words i and 32 + i, i < 32 */
static inline void nn_normals_f32(const uint32_t *restrict words, float *restrict z)
{
    for (int i = 0; i < 32; i++) nn_normal_pair_f32(words[i], words[32 + i], z + i, z + 32 + i);
}

static inline void nn_normals_f64(const uint32_t *restrict words, double *restrict z)
{
    for (int i = 0; i < 32; i++) nn_normal_pair_f64(words[i], words[32 + i], z + i, z + 32 + i);
}

#endif
