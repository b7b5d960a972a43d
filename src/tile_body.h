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
#elif defined(__AVX2__)
    BITS mask;
    for (int l = 0; l < LANES; l++) mask[l] = -(l < width);
    return (VECTOR)_Generic((REAL)0, float: _mm256_maskload_ps((const float *)from, (__m256i)mask),
                            double: _mm256_maskload_pd((const double *)from, (__m256i)mask));
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
#elif defined(__AVX2__)
    BITS mask;
    for (int l = 0; l < LANES; l++) mask[l] = -(l < width);
    _Generic((REAL)0, float: _mm256_maskstore_ps((float *)to, (__m256i)mask, (__m256)lanes),
             double: _mm256_maskstore_pd((double *)to, (__m256i)mask, (__m256d)lanes));
#else
    for (int l = 0; l < width; l++) to[l] = lanes[l];
#endif
}

typedef struct {
    ptrdiff_t depth;
    const REAL *a;
    ptrdiff_t a_row, a_step;
    const REAL *b;
    ptrdiff_t b_step, b_panel;
    REAL *c;
    ptrdiff_t c_row;
    const REAL *start; /* with NN_START_ROW */
    REAL *last;        /* with ones */
    int mode, width;   /* width: columns in the last vector */
    const char *soon[NN_TILE_SOON]; /* with soon: what will be read and written next, fetched during the sums */
    ptrdiff_t soon_step;
} NN_NAME(nn_tile_call);

NN_INLINE void NN_NAME(nn_tile_fixed)(const int rows, const int vectors, const int panels, const int partial,
                                      const int ones, const int soon, const NN_NAME(nn_tile_call) * t)
{
    const int n = vectors * panels, width = t->width, from = t->mode & NN_START_MASK, mode = t->mode;
    const ptrdiff_t depth = t->depth, a_row = t->a_row, a_step = t->a_step, b_step = t->b_step,
                    b_panel = t->b_panel, c_row = t->c_row;
/* The next row, one addition: the compiler would compute all addresses first and spill them. */
#define NN_NEXT(pointer, step)         \
    do {                               \
        pointer += step;               \
        __asm__("" : "+r"(pointer));   \
    } while (0)
#define NN_LOAD(from, j) \
    (partial && (j) == n - 1 ? NN_NAME(nn_load_part)(from, width) : (VECTOR)*(const LOOSE *)(from))
    VECTOR sum[NN_TILE_ROWS + 1][NN_TILE_VECTORS * 3];
    REAL *row = t->c;
    NN_UNROLL for (int i = 0; i < rows; i++) {
        const REAL *to = ones && i == rows - 1 ? t->last : row;
        NN_UNROLL for (int j = 0; j < n; j++) {
            if (from == NN_START_ROW) sum[i][j] = NN_LOAD(t->start + j * LANES, j);
            else if (from == NN_START_C) sum[i][j] = NN_LOAD(to + j * LANES, j);
            else sum[i][j] = (VECTOR){0};
        }
        NN_NEXT(row, c_row);
    }
    const REAL *b = t->b, *a0 = t->a, *a4 = a0 + 4 * a_row; /* eight pointers would not stay in registers */
    const char *soon0 = t->soon[0], *soon1 = t->soon[1], *soon2 = t->soon[2];
    for (ptrdiff_t k = 0, ahead = 0; k < depth; k++, ahead += t->soon_step) {
        if (soon) {
            __builtin_prefetch(soon0 + ahead, 1);
            __builtin_prefetch(soon1 + ahead, 1);
            __builtin_prefetch(soon2 + ahead, 1);
        }
        VECTOR column[NN_TILE_VECTORS * 3];
        NN_UNROLL for (int j = 0; j < n; j++)
            column[j] = NN_LOAD(b + j / vectors * b_panel + j % vectors * LANES, j);
        NN_UNROLL for (int i = 0; i < rows; i++) {
            if (ones && i == rows - 1) {
                NN_UNROLL for (int j = 0; j < n; j++) sum[i][j] += column[j];
            } else {
                const REAL *at = i < 4 ? a0 + i * a_row : a4 + (i - 4) * a_row;
                VECTOR spread = *at - (VECTOR){0};
                NN_UNROLL for (int j = 0; j < n; j++)
                    sum[i][j] = NN_NAME(nn_fma_lanes)(spread, column[j], sum[i][j]);
            }
        }
        a0 += a_step, a4 += a_step, b += b_step;
    }
    row = t->c;
    NN_UNROLL for (int i = 0; i < rows; i++) {
        REAL *at = ones && i == rows - 1 ? t->last : row;
        NN_UNROLL for (int j = 0; j < n; j++) {
            REAL *to = at + j * LANES;
            VECTOR value = sum[i][j];
            if (mode & NN_END_ADD) value = NN_LOAD(to, j) + value;
            if (mode & NN_END_RELU) value = (VECTOR)((BITS)value & ~(BITS)(value <= 0));
            if (partial && j == n - 1) NN_NAME(nn_store_part)(to, value, width);
            else *(LOOSE *)to = value;
        }
        NN_NEXT(row, c_row);
    }
#undef NN_NEXT
#undef NN_LOAD
}

/* The tiles that exist: rows x (vectors x panels), each also with a partial last vector. */
#if NN_VECTOR_REGISTERS == 32
#define NN_TILES(F) \
    F(1, 1, 1) F(1, 2, 1) F(1, 3, 1) F(1, 3, 2) F(1, 3, 3) F(2, 1, 1) F(2, 2, 1) F(2, 3, 1) F(2, 3, 2) \
    F(3, 1, 1) F(3, 2, 1) F(3, 3, 1) F(3, 3, 2) F(4, 1, 1) F(4, 2, 1) F(4, 3, 1) F(4, 3, 2)            \
    F(5, 1, 1) F(5, 2, 1) F(5, 3, 1) F(6, 1, 1) F(6, 2, 1) F(6, 3, 1) F(7, 1, 1) F(7, 2, 1) F(7, 3, 1) \
    F(8, 1, 1) F(8, 2, 1) F(8, 3, 1)
#define NN_ONES_TILES(F)                                                                               \
    F(1, 1, 1) F(1, 2, 1) F(1, 3, 1)                                                                   \
    F(2, 1, 1) F(2, 2, 1) F(2, 3, 1) F(3, 1, 1) F(3, 2, 1) F(3, 3, 1) F(4, 1, 1) F(4, 2, 1) F(4, 3, 1) \
    F(5, 1, 1) F(5, 2, 1) F(5, 3, 1) F(6, 1, 1) F(6, 2, 1) F(6, 3, 1) F(7, 1, 1) F(7, 2, 1) F(7, 3, 1) \
    F(8, 1, 1) F(8, 2, 1) F(8, 3, 1) F(9, 1, 1) F(9, 2, 1) F(9, 3, 1)
#else
#define NN_TILES(F)                                                                                    \
    F(1, 1, 1) F(1, 2, 1) F(1, 3, 1) F(1, 3, 2) F(2, 1, 1) F(2, 2, 1) F(2, 3, 1) F(2, 3, 2) F(3, 1, 1) \
    F(3, 2, 1) F(3, 3, 1) F(4, 1, 1) F(4, 2, 1) F(4, 3, 1)
#define NN_ONES_TILES(F) \
    F(1, 1, 1) F(1, 2, 1) F(2, 1, 1) F(2, 2, 1) F(3, 1, 1) F(3, 2, 1) F(4, 1, 1) F(4, 2, 1) F(5, 1, 1) F(5, 2, 1)
#endif

#define NN_TILE(r, v, p)                                                                                    \
    static __attribute__((noinline)) void NN_NAME(nn_tile_##r##_##v##_##p)(const NN_NAME(nn_tile_call) * t) \
    {                                                                                                       \
        NN_NAME(nn_tile_fixed)(r, v, p, 0, 0, 0, t);                                                           \
    }                                                                                                       \
    static __attribute__((noinline)) void NN_NAME(nn_part_##r##_##v##_##p)(const NN_NAME(nn_tile_call) * t) \
    {                                                                                                       \
        NN_NAME(nn_tile_fixed)(r, v, p, 1, 0, 0, t);                                                           \
    }
#define NN_ONES_TILE(r, v, p)                                                                               \
    static __attribute__((noinline)) void NN_NAME(nn_ones_##r##_##v##_##p)(const NN_NAME(nn_tile_call) * t) \
    {                                                                                                       \
        NN_NAME(nn_tile_fixed)(r, v, p, 1, 1, 0, t);                                                           \
    }
NN_TILES(NN_TILE)
NN_ONES_TILES(NN_ONES_TILE)
#define NN_SOON_TILE(v)                                                                                   \
    static __attribute__((noinline)) void NN_NAME(nn_soon_##v)(const NN_NAME(nn_tile_call) * t)            \
    {                                                                                                     \
        NN_NAME(nn_tile_fixed)(NN_TILE_ROWS, v, 1, 0, 0, 1, t);                                           \
    }
NN_SOON_TILE(2) NN_SOON_TILE(3)
#undef NN_SOON_TILE
#undef NN_TILE
#undef NN_ONES_TILE

/* rows 1..NN_TILE_ROWS, one more with ones; vectors and panels as NN_TILES lists them. */
static inline void NN_NAME(nn_tile)(int rows, int vectors, int panels, int ones, ptrdiff_t depth, const REAL *a,
                                    ptrdiff_t a_row, ptrdiff_t a_step, const REAL *b, ptrdiff_t b_step,
                                    ptrdiff_t b_panel, REAL *c, ptrdiff_t c_row, const REAL *start,
                                    REAL *last, int mode, int width)
{
    const NN_NAME(nn_tile_call) t = {depth, a, a_row, a_step, b, b_step, b_panel, c, c_row, start, last, mode, width,
                                       {0}, 0};
    nn_assert(depth >= 0 && width >= 1 && width <= LANES);
#define NN_CASE(r, v, p)                                               \
    case (r * 4 + v) * 4 + p:                                          \
        if (width == LANES) NN_NAME(nn_tile_##r##_##v##_##p)(&t);      \
        else NN_NAME(nn_part_##r##_##v##_##p)(&t);                     \
        return;
#define NN_ONES_CASE(r, v, p)                 \
    case (r * 4 + v) * 4 + p:                 \
        NN_NAME(nn_ones_##r##_##v##_##p)(&t); \
        return;
    if (ones) switch ((rows * 4 + vectors) * 4 + panels) { NN_ONES_TILES(NN_ONES_CASE) }
    else switch ((rows * 4 + vectors) * 4 + panels) { NN_TILES(NN_CASE) }
    nn_assert(!"a tile of this shape exists");
#undef NN_CASE
#undef NN_ONES_CASE
}

/* A full tile of the weight gradient, in panels, which meanwhile fetches `bytes` each from the arrays `soon`. */
static inline void NN_NAME(nn_tile_soon)(int vectors, ptrdiff_t depth, const REAL *a, ptrdiff_t a_row,
                                         ptrdiff_t a_step, const REAL *b, ptrdiff_t b_step, REAL *c,
                                         ptrdiff_t c_row, int mode, const char *const *soon, ptrdiff_t bytes)
{
    /* c in the place of start: of a null pointer gcc says that it is read, though no mode here does */
    const NN_NAME(nn_tile_call) t = {depth, a, a_row, a_step, b, b_step, 0, c, c_row, c, 0, mode, LANES,
                                     {soon[0], soon[1], soon[2]}, 2 * bytes / (depth + 1) + 1};
    if (vectors == 3) NN_NAME(nn_soon_3)(&t);
    else NN_NAME(nn_soon_2)(&t);
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

#undef NN_TILES
#undef NN_ONES_TILES
#undef LANES
#undef VECTOR
#undef LOOSE
#undef BITS
