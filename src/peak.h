/* The most multiply-adds that one core does in a second: what benches measure products against. */
#ifndef NNCORE_PEAK_H
#define NNCORE_PEAK_H

#include <time.h>

#include "tile.h"

/* As many chains as the register tile has sums, all in registers; two multiply-adds a cycle of four cycles'
 * latency need eight. The values tend to 2: neither overflow nor subnormals slow the loop. The empty asm
 * makes each sum a value of its own: else the compiler sees that all are equal, and gcc 12 takes float64
 * vectors of AVX2 apart. */
#if defined(__AVX512F__)
#define NN_ANY_REGISTER "+v"
#elif defined(__x86_64__)
#define NN_ANY_REGISTER "+x"
#else
#define NN_ANY_REGISTER "+w"
#endif

#define NN_PEAK(REAL, S)                                                                                    \
    static __attribute__((noinline)) REAL nn_chains_##S(ptrdiff_t rounds, REAL factor, REAL term)           \
    {                                                                                                       \
        nn_vector_##S sum[NN_TILE_SUMS], a = (nn_vector_##S){0} + factor, b = (nn_vector_##S){0} + term;    \
        NN_UNROLL for (int i = 0; i < NN_TILE_SUMS; i++) sum[i] = a;                                        \
        for (ptrdiff_t k = 0; k < rounds; k++)                                                              \
            NN_UNROLL for (int i = 0; i < NN_TILE_SUMS; i++)                                                \
            {                                                                                               \
                nn_vector_##S next = nn_fma_lanes_##S(sum[i], a, b);                                        \
                __asm__("" : NN_ANY_REGISTER(next));                                                        \
                sum[i] = next;                                                                              \
            }                                                                                               \
        NN_UNROLL for (int i = 1; i < NN_TILE_SUMS; i++) sum[0] += sum[i];                                  \
        return sum[0][0];                                                                                   \
    }                                                                                                       \
    /* FLOP/s of the fastest of the blocks (of some 0.1 ms) that fit in `seconds`, at least one. */         \
    static double nn_fma_peak_##S(double seconds)                                                           \
    {                                                                                                       \
        const ptrdiff_t rounds = 1 << 15;                                                                   \
        volatile REAL result;                                                                               \
        double best = 0, spent = 0;                                                                         \
        do {                                                                                                \
            struct timespec begin, end;                                                                     \
            clock_gettime(CLOCK_MONOTONIC, &begin);                                                         \
            result = nn_chains_##S(rounds, (REAL)0.5, (REAL)1);                                             \
            clock_gettime(CLOCK_MONOTONIC, &end);                                                           \
            double took = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);\
            double rate = 2.0 * NN_TILE_SUMS * (NN_VECTOR_BYTES / sizeof(REAL)) * (double)rounds / took;    \
            if (rate > best) best = rate;                                                                   \
            spent += took;                                                                                  \
        } while (spent < seconds);                                                                          \
        (void)result;                                                                                       \
        return best;                                                                                        \
    }

NN_PEAK(float, f32)
NN_PEAK(double, f64)

#undef NN_PEAK
#undef NN_ANY_REGISTER
#endif
