/* Which x86-64 levels this processor and operating system have. */
#ifndef NNCORE_CPU_H
#define NNCORE_CPU_H

/* 4, 3, 2 or 1: the highest x86-64 level; 0 where the processor is of another kind. */
static inline int nn_cpu_level(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return 4;
    if (__builtin_cpu_supports("x86-64-v3")) return 3;
    if (__builtin_cpu_supports("x86-64-v2")) return 2;
    return 1;
#else
    return 0;
#endif
}

#endif
