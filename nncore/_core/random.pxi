# Random words and permutations: functions of (seed, purpose, layer, step) and the element's index, of nothing
# else.

cdef enum:
    WORDS = 4 * NN_PHILOX_BLOCKS  # that are made together
    SHUFFLE = 2  # the purpose of permutations


cdef inline void random_block(uint64_t seed, Py_ssize_t first, uint32_t purpose, uint32_t layer,
                              uint32_t step, uint32_t* out) noexcept nogil:
    """WORDS words from `first` on, a multiple of WORDS."""
    cdef uint32_t[4] counter
    counter[0], counter[1], counter[2], counter[3] = <uint32_t>(first // 4), step, purpose, layer
    nn_philox_blocks(counter, seed, out)


cdef void random_words_of(
    uint32_t* out,  # OUT (N,)
    Py_ssize_t n, uint64_t seed, uint32_t purpose, uint32_t layer, uint32_t step,
) noexcept nogil:
    cdef uint32_t[WORDS] words
    cdef Py_ssize_t i
    for i from 0 <= i < n by WORDS:
        random_block(seed, i, purpose, layer, step, words)
        memcpy(out + i, words, min(<Py_ssize_t>WORDS, n - i) * sizeof(uint32_t))


cdef void shuffled_indices(
    int64_t* out,  # OUT (N,)
    Py_ssize_t n, uint64_t seed, uint32_t step,
) noexcept nogil:
    """Fisher and Yates's shuffle of 0 .. N-1; element i takes word i."""
    cdef uint32_t[WORDS] words
    cdef Py_ssize_t i, first
    cdef int64_t j, t
    for i in range(n):
        out[i] = i
    first = (n + WORDS - 1) // WORDS * WORDS
    while first > 0:
        first -= WORDS
        random_block(seed, first, SHUFFLE, 0, step, words)
        for i in range(min(first + WORDS, n) - 1, max(first, <Py_ssize_t>1) - 1, -1):
            j = <int64_t>((<uint64_t>words[i - first] * <uint64_t>(i + 1)) >> 32)  # below i + 1
            t = out[i]
            out[i] = out[j]
            out[j] = t
