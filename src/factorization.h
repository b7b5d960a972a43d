/* The inner loops of factorization machines (Rendle 2010): sums over the pairs i < j of <v_i, v_j> x_i x_j.
 *
 * A. With partial sums s_i = t_0 + ... + t_{i-1}, the sum over pairs of t_i t_j is the sum of s_i t_i: as many
 *    operations as in the form (s^2 - sum of t^2) / 2, and no cancellation: a large t beside small ones is no
 *    loss.
 * B. Lanes lie along rows of the batch, features or factors, never along a sum. */
#ifndef NNCORE_FACTORIZATION_H
#define NNCORE_FACTORIZATION_H

#include "tile.h"

/* Factors whose sums are in registers together: two for each of them, and some more. */
#define NN_FACTORS (NN_VECTOR_REGISTERS / 4)

#define REAL float
#define NN_NAME(name) name##_f32
#include "factorization_body.h"
#undef REAL
#undef NN_NAME

#define REAL double
#define NN_NAME(name) name##_f64
#include "factorization_body.h"
#undef REAL
#undef NN_NAME

#endif
