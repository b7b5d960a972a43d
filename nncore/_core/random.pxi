# Random words and permutations: functions of (seed, purpose, layer, step) and the element's index, of nothing
# else.

cdef inline void random_block(uint64_t seed, uint32_t block, uint32_t purpose, uint32_t layer, uint32_t step,
                              uint32_t* out) noexcept nogil:
    cdef uint32_t[4] counter
    counter[0], counter[1], counter[2], counter[3] = block, step, purpose, layer
    nn_philox4x32(counter, seed, out)


cdef void random_words_of(
    uint32_t* out,  # OUT (N,)
    Py_ssize_t n, uint64_t seed, uint32_t purpose, uint32_t layer, uint32_t step,
) noexcept nogil:
    cdef uint32_t[4] words
    cdef Py_ssize_t i, j
    for i in range(0, n, 4):
        random_block(seed, <uint32_t>(i // 4), purpose, layer, step, words)
        for j in range(i, min(i + 4, n)):
            out[j] = words[j - i]


cdef enum:
    SHUFFLE = 2  # the purpose of permutations


cdef void shuffled_indices(
    int64_t* out,  # OUT (N,)
    Py_ssize_t n, uint64_t seed, uint32_t step,
) noexcept nogil:
    """Fisher and Yates's shuffle of 0 .. N-1; element i takes word i."""
    cdef uint32_t[4] words
    cdef Py_ssize_t i
    cdef int64_t j, t
    for i in range(n):
        out[i] = i
    if n > 0:
        random_block(seed, <uint32_t>((n - 1) // 4), SHUFFLE, 0, step, words)
    for i in range(n - 1, 0, -1):
        j = <int64_t>((<uint64_t>words[i % 4] * <uint64_t>(i + 1)) >> 32)  # below i + 1
        t = out[i]
        out[i] = out[j]
        out[j] = t
        if i % 4 == 0:
            random_block(seed, <uint32_t>(i // 4 - 1), SHUFFLE, 0, step, words)
