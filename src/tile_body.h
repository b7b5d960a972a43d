/* The tile for one type, REAL; included twice by tile.h. */
#define LANES ((int)(NN_VECTOR_BYTES / sizeof(REAL)))
#define VECTOR NN_NAME(nn_vector)
#define LOOSE NN_NAME(nn_loose_vector)
#define BITS NN_NAME(nn_mask)

typedef REAL VECTOR __attribute__((vector_size(NN_VECTOR_BYTES)));
typedef __typeof__(_Generic((REAL)0, float: (int32_t)0, double: (int64_t)0)) BITS
    __attribute__((vector_size(NN_VECTOR_BYTES)));
/* The same lanes at any address of a REAL. */
typedef REAL LOOSE __attribute__((vector_size(NN_VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

NN_INLINE VECTOR NN_NAME(nn_fma_lanes)(VECTOR a, VECTOR b, VECTOR c)
{
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    VECTOR r;
    NN_UNROLL for (int l = 0; l < LANES; l++) r[l] = NN_FMA_SCALAR(a[l], b[l], c[l]);
    return r;
#else
    return a * b + c; /* x86-64-v2: agrees within tolerance only */
#endif
}

/* The first `width` lanes, from and to memory that may end behind them; a full vector when width is LANES. */
NN_INLINE VECTOR NN_NAME(nn_load_part)(const REAL *from, int width)
{
#if defined(__AVX512F__)
    return (VECTOR)_Generic((REAL)0, float: _mm512_maskz_loadu_ps((__mmask16)((1u << width) - 1), from),
                            double: _mm512_maskz_loadu_pd((__mmask8)((1u << width) - 1), from));
#else
    VECTOR lanes = {0};
    for (int l = 0; l < width; l++) lanes[l] = from[l];
    return lanes;
#endif
}

NN_INLINE void NN_NAME(nn_store_part)(REAL *to, VECTOR lanes, int width)
{
#if defined(__AVX512F__)
    _Generic((REAL)0, float: _mm512_mask_storeu_ps(to, (__mmask16)((1u << width) - 1), (__m512)lanes),
             double: _mm512_mask_storeu_pd(to, (__mmask8)((1u << width) - 1), (__m512d)lanes));
#else
    for (int l = 0; l < width; l++) to[l] = lanes[l];
#endif
}

/* `width` is LANES, or where vectors is 1 the columns of a narrower tile. */
NN_INLINE void NN_NAME(nn_tile_fixed)(const int rows, const int vectors, const int partial, int width,
                                      ptrdiff_t depth, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_step,
                                      const REAL *b, ptrdiff_t b_step, REAL *c, ptrdiff_t c_row,
                                      const REAL *start, int mode)
{
#define NN_LOAD(from) (partial ? NN_NAME(nn_load_part)(from, width) : (VECTOR)*(const LOOSE *)(from))
    VECTOR sum[NN_TILE_ROWS][NN_TILE_MAX_VECTORS];
    const int from = mode & NN_START_MASK;
    NN_UNROLL for (int i = 0; i < rows; i++)
        NN_UNROLL for (int j = 0; j < vectors; j++) {
            if (from == NN_START_ROW) sum[i][j] = NN_LOAD(start + j * LANES);
            else if (from == NN_START_C) sum[i][j] = NN_LOAD(c + i * c_row + j * LANES);
            else sum[i][j] = (VECTOR){0};
        }
    /* Three base pointers: twelve of them would not stay in registers. */
    const REAL *a0 = a, *a4 = a + 4 * a_row, *a8 = a + 8 * a_row;
    for (ptrdiff_t k = 0; k < depth; k++) {
        VECTOR column[NN_TILE_MAX_VECTORS];
        NN_UNROLL for (int j = 0; j < vectors; j++) column[j] = NN_LOAD(b + j * LANES);
        NN_UNROLL for (int i = 0; i < rows; i++) {
            const REAL *at = i < 4 ? a0 + i * a_row : i < 8 ? a4 + (i - 4) * a_row : a8 + (i - 8) * a_row;
            VECTOR spread = (VECTOR){0} + *at;
            NN_UNROLL for (int j = 0; j < vectors; j++)
                sum[i][j] = NN_NAME(nn_fma_lanes)(spread, column[j], sum[i][j]);
        }
        a0 += a_step, a4 += a_step, a8 += a_step, b += b_step;
    }
    NN_UNROLL for (int i = 0; i < rows; i++)
        NN_UNROLL for (int j = 0; j < vectors; j++) {
            REAL *to = c + i * c_row + j * LANES;
            VECTOR value = sum[i][j];
            if (mode & NN_END_ADD) value = NN_LOAD(to) + value;
            if (mode & NN_END_RELU) value = (VECTOR)((BITS)value & ~(BITS)(value <= 0));
            if (partial) NN_NAME(nn_store_part)(to, value, width);
            else *(LOOSE *)to = value;
        }
#undef NN_LOAD
}

#define NN_TILE(r, v)                                                                                       \
    static __attribute__((noinline)) void NN_NAME(nn_tile_##r##_##v)(                                       \
        ptrdiff_t depth, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_step, const REAL *b, ptrdiff_t b_step, \
        REAL *c, ptrdiff_t c_row, const REAL *start, int mode)                                              \
    {                                                                                                       \
        NN_NAME(nn_tile_fixed)(r, v, 0, LANES, depth, a, a_row, a_step, b, b_step, c, c_row, start, mode);  \
    }
#define NN_TILE_1_2(r) NN_TILE(r, 1) NN_TILE(r, 2)
NN_TILE_1_2(1) NN_TILE_1_2(2) NN_TILE_1_2(3) NN_TILE_1_2(4) NN_TILE_1_2(5) NN_TILE_1_2(6)
NN_TILE(1, 4) NN_TILE(1, 8) NN_TILE(2, 4) NN_TILE(3, 4)
#if NN_TILE_ROWS == 12
NN_TILE_1_2(7) NN_TILE_1_2(8) NN_TILE_1_2(9) NN_TILE_1_2(10) NN_TILE_1_2(11) NN_TILE_1_2(12)
NN_TILE(2, 8) NN_TILE(3, 8) NN_TILE(4, 4) NN_TILE(5, 4) NN_TILE(6, 4)
#endif
#undef NN_TILE_1_2
#undef NN_TILE

#define NN_EDGE(r)                                                                                         \
    static __attribute__((noinline)) void NN_NAME(nn_edge_##r)(                                            \
        int width, ptrdiff_t depth, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_step, const REAL *b,       \
        ptrdiff_t b_step, REAL *c, ptrdiff_t c_row, const REAL *start, int mode)                           \
    {                                                                                                      \
        NN_NAME(nn_tile_fixed)(r, 1, 1, width, depth, a, a_row, a_step, b, b_step, c, c_row, start, mode); \
    }
NN_EDGE(1) NN_EDGE(2) NN_EDGE(3) NN_EDGE(4) NN_EDGE(5) NN_EDGE(6)
#if NN_TILE_ROWS == 12
NN_EDGE(7) NN_EDGE(8) NN_EDGE(9) NN_EDGE(10) NN_EDGE(11) NN_EDGE(12)
#endif
#undef NN_EDGE

/* A tile of fewer columns than a vector has lanes. */
static inline void NN_NAME(nn_edge_tile)(int rows, int width, ptrdiff_t depth, const REAL *a, ptrdiff_t a_row,
                                         ptrdiff_t a_step, const REAL *b, ptrdiff_t b_step, REAL *c,
                                         ptrdiff_t c_row, const REAL *start, int mode)
{
    nn_assert(rows >= 1 && rows <= NN_TILE_ROWS && width >= 1 && width < LANES && depth >= 0);
#define NN_CASE(r)                                                                                  \
    case r:                                                                                         \
        NN_NAME(nn_edge_##r)(width, depth, a, a_row, a_step, b, b_step, c, c_row, start, mode);     \
        break;
    switch (rows) {
        NN_CASE(1) NN_CASE(2) NN_CASE(3) NN_CASE(4) NN_CASE(5) NN_CASE(6)
#if NN_TILE_ROWS == 12
        NN_CASE(7) NN_CASE(8) NN_CASE(9) NN_CASE(10) NN_CASE(11) NN_CASE(12)
#endif
    }
#undef NN_CASE
}

/* The number of vectors (1, 2, 4 or 8) to take at a time for so many rows when at most `most` are left. */
static inline int NN_NAME(nn_tile_vectors)(int rows, ptrdiff_t most)
{
    int vectors = rows * 8 <= NN_TILE_SUMS || rows == 1 ? 8 : rows * 4 <= NN_TILE_SUMS ? 4 : NN_TILE_VECTORS;
    while (vectors > most) vectors /= 2;
    return vectors;
}

/* rows 1..NN_TILE_ROWS, vectors as nn_tile_vectors gave them. */
static inline void NN_NAME(nn_tile)(int rows, int vectors, ptrdiff_t depth, const REAL *a, ptrdiff_t a_row,
                                    ptrdiff_t a_step, const REAL *b, ptrdiff_t b_step, REAL *c,
                                    ptrdiff_t c_row, const REAL *start, int mode)
{
    nn_assert(rows >= 1 && rows <= NN_TILE_ROWS && depth >= 0);
#define NN_CASE(r, v)                                                                                   \
    case r * 16 + v:                                                                                    \
        NN_NAME(nn_tile_##r##_##v)(depth, a, a_row, a_step, b, b_step, c, c_row, start, mode);          \
        break;
#define NN_CASE_1_2(r) NN_CASE(r, 1) NN_CASE(r, 2)
    switch (rows * 16 + vectors) {
        NN_CASE_1_2(1) NN_CASE_1_2(2) NN_CASE_1_2(3) NN_CASE_1_2(4) NN_CASE_1_2(5) NN_CASE_1_2(6)
        NN_CASE(1, 4) NN_CASE(1, 8) NN_CASE(2, 4) NN_CASE(3, 4)
#if NN_TILE_ROWS == 12
        NN_CASE_1_2(7) NN_CASE_1_2(8) NN_CASE_1_2(9) NN_CASE_1_2(10) NN_CASE_1_2(11) NN_CASE_1_2(12)
        NN_CASE(2, 8) NN_CASE(3, 8) NN_CASE(4, 4) NN_CASE(5, 4) NN_CASE(6, 4)
#endif
    default:
        nn_assert(!"a tile of this shape exists");
    }
#undef NN_CASE_1_2
#undef NN_CASE
}

/* to[j * to_row + i] = from[i * from_row + j] for a square block of LANES by LANES: log2(LANES) rounds of
 * interleaving row r with row r + LANES / 2. */
static inline void NN_NAME(nn_transpose)(const REAL *from, ptrdiff_t from_row, REAL *to, ptrdiff_t to_row)
{
    BITS low, high;
    NN_UNROLL for (int l = 0; l < LANES; l++) {
        low[l] = l / 2 + (l % 2) * LANES;
        high[l] = LANES / 2 + l / 2 + (l % 2) * LANES;
    }
    VECTOR row[LANES], next[LANES];
    NN_UNROLL for (int i = 0; i < LANES; i++) row[i] = *(const LOOSE *)(from + i * from_row);
    NN_UNROLL for (int width = 1; width < LANES; width *= 2) {
        NN_UNROLL for (int i = 0; i < LANES / 2; i++) {
            next[2 * i] = __builtin_shuffle(row[i], row[i + LANES / 2], low);
            next[2 * i + 1] = __builtin_shuffle(row[i], row[i + LANES / 2], high);
        }
        NN_UNROLL for (int i = 0; i < LANES; i++) row[i] = next[i];
    }
    NN_UNROLL for (int i = 0; i < LANES; i++) *(LOOSE *)(to + i * to_row) = row[i];
}

#undef LANES
#undef VECTOR
#undef LOOSE
#undef BITS
