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

/* NN_PHILOX_BLOCKS counters from `counter` on, which differ in their first word, at once. Counters lie along the
 * lanes, 64 bits for each word: of those the lower half counts, which is what is multiplied. */
#define NN_PHILOX_BLOCKS 16
typedef uint64_t nn_words __attribute__((vector_size(NN_VECTOR_BYTES)));
typedef uint32_t nn_half_words __attribute__((vector_size(NN_VECTOR_BYTES / 2), aligned(4), may_alias));

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

/* out[16 k + l] := word k of counter l: as they lie in vectors. Two vectors of counters at a time, whose words
 * fill half of AVX2's registers. */
static inline void nn_philox_lanes(const uint32_t counter[4], uint64_t seed, uint32_t *out)
{
    enum { LANES = NN_VECTOR_BYTES / 8, VECTORS = 2, STEP = LANES * VECTORS };
    /* A constant: numbers that were just written one by one could not be read as vectors before all of them have
     * left the core, and groups would not overlap. */
    static const uint64_t number[NN_PHILOX_BLOCKS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int i = 0; i < NN_PHILOX_BLOCKS; i += STEP) {
        nn_words c0[VECTORS] = {{0}}, c1[VECTORS], c2[VECTORS], c3[VECTORS];
        uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
        memcpy(c0, number + i, sizeof(c0));
        for (int v = 0; v < VECTORS; v++) {
            c0[v] += counter[0]; /* beyond 32 bits it is dropped by the product */
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
        NN_UNROLL for (int v = 0; v < VECTORS; v++) {
            uint32_t *to = out + i + v * LANES;
            *(nn_half_words *)to = __builtin_convertvector(c0[v], nn_half_words);
            *(nn_half_words *)(to + 16) = __builtin_convertvector(c1[v], nn_half_words);
            *(nn_half_words *)(to + 32) = __builtin_convertvector(c2[v], nn_half_words);
            *(nn_half_words *)(to + 48) = __builtin_convertvector(c3[v], nn_half_words);
        }
    }
}

/* out[4 l + k] := word k of counter l: one counter after the other. */
static inline void nn_philox_blocks(const uint32_t counter[4], uint64_t seed, uint32_t *out)
{
    uint32_t lanes[4 * NN_PHILOX_BLOCKS];
    nn_philox_lanes(counter, seed, lanes);
    for (int l = 0; l < NN_PHILOX_BLOCKS; l++) {
        for (int k = 0; k < 4; k++) out[4 * l + k] = lanes[NN_PHILOX_BLOCKS * k + l];
    }
}

#endif
