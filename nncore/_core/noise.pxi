# Random masks and noise, for training.
#
# A. What an element meets is a function of (seed, layer, step) and its place in the batch, of nothing else.
#    Nothing is kept from forward to backward: the words are made again, which costs less than to read a mask.
# B. Words are taken as the vectors of the generator hold them, 16 counters side by side ("group"): word k of
#    counter l of group g is W[16 k + l]. A mask takes 16 bits of a word, so that a group serves 128 elements;
#    eight bits would round a rate of 0.1 to 0.1016. Normal numbers take a word each.
# C. An element is dropped where an integer is below another one: exact, and the same on every machine.

cdef enum:
    MASK = 3        # the purpose of these words
    PICKS = 2 * WORDS  # elements of a mask that a group serves

cdef struct Stream:
    uint64_t seed
    uint32_t layer, step
    Py_ssize_t group          # that `words` are of, or -1
    uint32_t[WORDS] words


cdef inline Stream stream_of(int64_t seed, int64_t layer, int64_t step) noexcept nogil:
    cdef Stream s
    s.seed, s.layer, s.step, s.group = <uint64_t>seed, <uint32_t>layer, <uint32_t>step, -1
    return s


cdef inline void go_to(Stream* s, Py_ssize_t group) noexcept nogil:
    """Make the words of a group."""
    cdef uint32_t[4] counter
    counter[0], counter[1], counter[2], counter[3] = (<uint32_t>(NN_PHILOX_BLOCKS * group), s.step, MASK,
                                                      s.layer)
    nn_philox_lanes(counter, s.seed, s.words)
    s.group = group


cdef void dropout(
    const floating* x,  # IN  (B, A, K, C)
    floating* y,        # OUT (B, A, K, C), apart from x
    Py_ssize_t B, Py_ssize_t A, Py_ssize_t K, Py_ssize_t C, bint one_row, double rate, floating scale,
    floating shift, floating dropped, int64_t seed, int64_t layer, int64_t step, int thread, int n_threads,
) noexcept nogil:
    """y := scale x + shift where an element is kept, else `dropped`

    Elements that differ in K only share their fate, with one_row those that differ in B too."""
    cdef Py_ssize_t begin, end, first, last, at, low, high, b, a, k, c, n
    cdef uint32_t limit = <uint32_t>(rate * 65536 + 0.5)  # of 65536: below it an element is dropped
    cdef Stream s = stream_of(seed, layer, step)
    cdef uint32_t[WORDS] picked
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    if K == 1 and not one_row:
        first, last = begin * A * C, end * A * C
        for at from first // WORDS * WORDS <= at < last by WORDS:
            if at // PICKS != s.group:
                go_to(&s, at // PICKS)
            low, high = max(first, at), min(last, at + WORDS)
            keep_some(x + low, y + low, s.words + (low - at), 16 if at % PICKS else 0, high - low, limit,
                      scale, shift, dropped)
        return
    for b in range(begin, end):
        for a in range(A):
            for c from 0 <= c < C by WORDS:
                n = min(<Py_ssize_t>WORDS, C - c)
                pick(&s, ((0 if one_row else b) * A + a) * C + c, n, picked)
                at = (b * A + a) * K * C + c
                if C == 1:
                    keep_all(x + at, y + at, K, (picked[0] & 65535) >= limit, scale, shift, dropped)
                else:
                    for k in range(K):
                        keep_some(x + at + k * C, y + at + k * C, picked, 0, n, limit, scale, shift, dropped)


cdef inline void keep_some(const floating* x, floating* y, const uint32_t* words, int above, Py_ssize_t n,
                           uint32_t limit, floating scale, floating shift, floating dropped) noexcept nogil:
    """The 16 bits from bit `above` of a word decide over an element."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = fma(scale, x[i], shift) if ((words[i] >> above) & 65535) >= limit else dropped


cdef inline void keep_all(const floating* x, floating* y, Py_ssize_t n, bint kept, floating scale,
                          floating shift, floating dropped) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = fma(scale, x[i], shift) if kept else dropped


cdef inline void pick(Stream* s, Py_ssize_t first, Py_ssize_t n, uint32_t* out) noexcept nogil:
    """The 16 bits of each of some elements of a mask."""
    cdef Py_ssize_t i, e
    for i in range(n):
        e = first + i
        if e // PICKS != s.group:
            go_to(s, e // PICKS)
        out[i] = s.words[e % WORDS] >> (16 if e % PICKS >= WORDS else 0)


cdef inline void normals(const uint32_t* words, floating* z) noexcept nogil:
    if floating is float:
        nn_normals_f32(words, z)
    else:
        nn_normals_f64(words, z)


cdef void gaussian(
    const floating* x,  # IN  (B, N)
    floating* y,        # OUT (B, N), apart from x
    Py_ssize_t B, Py_ssize_t N, bint product, floating stddev, int64_t seed, int64_t layer, int64_t step,
    int thread, int n_threads,
) noexcept nogil:
    """y := x + stddev z, or x (1 + stddev z), z of the standard normal distribution"""
    cdef Py_ssize_t begin, end, first, last, at, low, high, i
    cdef Stream s = stream_of(seed, layer, step)
    cdef floating[WORDS] z
    nn_share(B, ROW_GRAIN, thread, n_threads, &begin, &end)
    first, last = begin * N, end * N
    for at from first // WORDS * WORDS <= at < last by WORDS:
        go_to(&s, at // WORDS)
        normals(s.words, <floating*>z)
        low, high = max(first, at), min(last, at + WORDS)
        if product:
            for i in range(low, high):
                y[i] = x[i] * fma(stddev, z[i - at], <floating>1)
        else:
            for i in range(low, high):
                y[i] = fma(stddev, z[i - at], x[i])
