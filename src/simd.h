/* Vector types of the build's native width, and the few things that Cython cannot say about them.
 *
 * The width follows the ISA level that the file is compiled for: a lane never mixes with another one, so the
 * bits of a result do not depend on it. A 64-byte type on every level was rejected: gcc 12 sends it through
 * the stack where the registers are narrower. */
#ifndef NNCORE_SIMD_H
#define NNCORE_SIMD_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define NN_VECTOR_BYTES 64
#define NN_VECTOR_REGISTERS 32
#elif defined(__AVX2__)
#define NN_VECTOR_BYTES 32
#define NN_VECTOR_REGISTERS 16
#elif defined(__aarch64__)
#define NN_VECTOR_BYTES 16
#define NN_VECTOR_REGISTERS 32
#else
#define NN_VECTOR_BYTES 16
#define NN_VECTOR_REGISTERS 16
#endif

/* One cache line, on every level: what buffers are aligned to and what virtual lanes fill. */
#define NN_LINE_BYTES 64

#define NN_INLINE static inline __attribute__((always_inline))
#define NN_UNROLL _Pragma("GCC unroll 32")

#ifdef NNCORE_DEBUG
#include <stdio.h>
#include <stdlib.h>
#define nn_assert(condition)                                                                   \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "nncore: %s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            abort();                                                                           \
        }                                                                                      \
    } while (0)
#else
#define nn_assert(condition) ((void)0)
#endif

/* The floating-point state of kernels: round to nearest, no flush to zero, no denormals as zero, whatever
 * another library left in the thread. noinline: the compiler may otherwise move arithmetic across. */
static __attribute__((noinline)) uint64_t nn_fp_enter(void)
{
#if defined(__x86_64__)
    unsigned int old = _mm_getcsr();
    if ((old & ~0x3fu) != 0x1f80u) _mm_setcsr(0x1f80u);
    return old;
#elif defined(__aarch64__)
    uint64_t old;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)0));
    return old;
#else
    return 0;
#endif
}

static __attribute__((noinline)) void nn_fp_leave(uint64_t old)
{
#if defined(__x86_64__)
    if ((old & ~0x3fu) != 0x1f80u) _mm_setcsr((unsigned int)old);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" ::"r"(old));
#else
    (void)old;
#endif
}

/* Where the threads of a run meet. Our own and not OpenMP's: libgomp spins for milliseconds before it gives
 * its processor up, which on a machine that is busy with other work made a step of 50 us last 4 ms. A zeroed
 * one is ready. */
typedef struct {
    int arrived;
    char apart[NN_LINE_BYTES - sizeof(int)]; /* arrivals must not steal the line that the others watch */
    int phase;
} nn_barrier;

#define NN_SPINS 4096  /* some 50 us */
#define NN_YIELDS 8192 /* some milliseconds */

static inline void nn_meet(nn_barrier *barrier, int n_threads)
{
    int phase = __atomic_load_n(&barrier->phase, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&barrier->arrived, 1, __ATOMIC_ACQ_REL) == n_threads) {
        __atomic_store_n(&barrier->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&barrier->phase, phase + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int spins = 0; __atomic_load_n(&barrier->phase, __ATOMIC_ACQUIRE) == phase; spins++) {
        if (spins >= NN_SPINS + NN_YIELDS) { /* a user's op may take seconds: they are not for burning */
            spins = NN_SPINS + NN_YIELDS;
            nanosleep(&(struct timespec){0, 50000}, NULL);
        } else if (spins >= NN_SPINS) {
            sched_yield(); /* somebody else needs the processor */
        } else {
#if defined(__x86_64__)
            _mm_pause();
#endif
        }
    }
}

static inline int nn_max_threads(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

/* Threads of the region that this is called in. They may be fewer than were asked for: OMP_DYNAMIC,
 * OMP_THREAD_LIMIT, a region inside of another one. */
static inline int nn_team_size(void)
{
#ifdef _OPENMP
    return omp_get_num_threads();
#else
    return 1;
#endif
}

/* Processors that the calling thread may run on now. */
static inline int nn_processors(void)
{
#ifdef _OPENMP
    return omp_get_num_procs();
#else
    return 1;
#endif
}

static inline int nn_openmp(void)
{
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

static inline int nn_debug(void)
{
#ifdef NNCORE_DEBUG
    return 1;
#else
    return 0;
#endif
}

static inline const char *nn_compiler(void)
{
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

/* A few bytes, apart: a call of memcpy takes as long as the copy of a short row. */
NN_INLINE void nn_copy(char *restrict to, const char *restrict source, ptrdiff_t n_bytes)
{
    typedef uint64_t vector __attribute__((vector_size(NN_VECTOR_BYTES), aligned(1), may_alias));
    ptrdiff_t i = 0;
    for (; i + NN_VECTOR_BYTES <= n_bytes; i += NN_VECTOR_BYTES) *(vector *)(to + i) = *(const vector *)(source + i);
    for (; i + 16 <= n_bytes; i += 16) memcpy(to + i, source + i, 16);
    for (; i + 8 <= n_bytes; i += 8) memcpy(to + i, source + i, 8);
    for (; i + 4 <= n_bytes; i += 4) memcpy(to + i, source + i, 4);
}

/* One thread's share [*begin, *end) of n items, in pieces of `grain` items: of its arguments only. */
static inline void nn_share(ptrdiff_t n, ptrdiff_t grain, int thread, int n_threads, ptrdiff_t *begin,
                            ptrdiff_t *end)
{
    ptrdiff_t pieces = (n + grain - 1) / grain;
    ptrdiff_t first = pieces * thread / n_threads * grain, last = pieces * (thread + 1) / n_threads * grain;
    *begin = first < n ? first : n;
    *end = last < n ? last : n;
}

#endif
