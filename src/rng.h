/* Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
 * easy as 1, 2, 3" (SC 2011). Integers only: the same words on every machine. */
#ifndef NNCORE_RNG_H
#define NNCORE_RNG_H

#include "simd.h"

static inline void nn_philox4x32(const uint32_t counter[4], uint64_t seed, uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t product0 = (uint64_t)0xD2511F53u * c0, product1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(product1 >> 32) ^ c1 ^ key0;
        c1 = (uint32_t)product1;
        c2 = (uint32_t)(product0 >> 32) ^ c3 ^ key1;
        c3 = (uint32_t)product0;
        key0 += 0x9E3779B9u; /* the golden ratio and sqrt(3) - 1, as in the paper */
        key1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* out[j] := word j of the NN_PHILOX_BLOCKS counters from `counter` on, which differ in their first word. Counters
 * lie along the lanes, 64 bits for each word: of those the lower half counts, which is what is multiplied. */
#define NN_PHILOX_BLOCKS 16
typedef uint64_t nn_words __attribute__((vector_size(NN_VECTOR_BYTES)));

NN_INLINE nn_words nn_multiply_low(nn_words a, uint32_t factor)
{
    nn_words b = factor - (nn_words){0};
#if defined(__AVX512F__)
    return (nn_words)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (nn_words)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (nn_words)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    return (a & 0xffffffffu) * b;
#endif
}

static inline void nn_philox_blocks(const uint32_t counter[4], uint64_t seed, uint32_t *out)
{
    enum { LANES = NN_VECTOR_BYTES / 8, VECTORS = NN_PHILOX_BLOCKS / LANES };
    nn_words c0[VECTORS] = {{0}}, c1[VECTORS], c2[VECTORS], c3[VECTORS];
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    uint64_t first[NN_PHILOX_BLOCKS]; /* beside: gcc calls vectors that are filled lane by lane uninitialized */
    for (int i = 0; i < NN_PHILOX_BLOCKS; i++) first[i] = (uint32_t)(counter[0] + (uint32_t)i);
    memcpy(c0, first, sizeof(c0));
    for (int v = 0; v < VECTORS; v++) {
        c1[v] = counter[1] - (nn_words){0}, c2[v] = counter[2] - (nn_words){0}, c3[v] = counter[3] - (nn_words){0};
    }
    for (int round = 0; round < 10; round++) {
        NN_UNROLL for (int v = 0; v < VECTORS; v++) {
            nn_words product0 = nn_multiply_low(c0[v], 0xD2511F53u), product1 = nn_multiply_low(c2[v], 0xCD9E8D57u);
            c0[v] = (product1 >> 32) ^ c1[v] ^ key0;
            c1[v] = product1;
            c2[v] = (product0 >> 32) ^ c3[v] ^ key1;
            c3[v] = product0;
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    for (int i = 0; i < NN_PHILOX_BLOCKS; i++) {
        const int v = i / LANES, l = i % LANES;
        out[4 * i] = (uint32_t)c0[v][l], out[4 * i + 1] = (uint32_t)c1[v][l];
        out[4 * i + 2] = (uint32_t)c2[v][l], out[4 * i + 3] = (uint32_t)c3[v][l];
    }
}

#endif
