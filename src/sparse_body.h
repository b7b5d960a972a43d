/* The loops for one type, REAL; included twice by sparse.h. */
#define LANES ((int)(NN_VECTOR_BYTES / sizeof(REAL)))
#define VECTOR NN_NAME(nn_vector)
#define LOOSE NN_NAME(nn_loose_vector)
#define FMA NN_NAME(nn_fma_lanes)
#define LOAD(from) ((VECTOR) * (const LOOSE *)(from))

/* `full` vectors of C, and behind them `width` lanes if there is a tail. */
NN_INLINE void NN_NAME(nn_listed_fixed)(const int full, const int tail, int width, ptrdiff_t n, const int32_t *where,
                                        const REAL *a, const REAL *b, ptrdiff_t b_row, const REAL *start, REAL *c)
{
    VECTOR sum[NN_LISTED + 1];
    NN_UNROLL for (int v = 0; v < full; v++) sum[v] = start ? LOAD(start + v * LANES) : (VECTOR){0};
    if (tail) sum[full] = start ? NN_NAME(nn_load_part)(start + full * LANES, width) : (VECTOR){0};
    for (ptrdiff_t k = 0; k < n; k++) {
        const REAL *row = b + where[k] * b_row;
        VECTOR factor = a[k] - (VECTOR){0};
        NN_UNROLL for (int v = 0; v < full; v++) sum[v] = FMA(factor, LOAD(row + v * LANES), sum[v]);
        if (tail) sum[full] = FMA(factor, NN_NAME(nn_load_part)(row + full * LANES, width), sum[full]);
    }
    NN_UNROLL for (int v = 0; v < full; v++) *(LOOSE *)(c + v * LANES) = sum[v];
    if (tail) NN_NAME(nn_store_part)(c + full * LANES, sum[full], width);
}

#define CASE(full)                                                                                   \
    case full:                                                                                       \
        if (tail) NN_NAME(nn_listed_fixed)(full, 1, tail, n, where, a, b + at, b_row, from, c + at); \
        else NN_NAME(nn_listed_fixed)(full, 0, 0, n, where, a, b + at, b_row, from, c + at);         \
        break;

/* c (columns,) := start + sum over k < n of a[k] b[where[k]], the rows of b b_row apart; start may be NULL. */
static void NN_NAME(nn_listed)(ptrdiff_t n, const int32_t *where, const REAL *a, const REAL *b, ptrdiff_t b_row,
                               const REAL *start, REAL *c, ptrdiff_t columns)
{
    for (ptrdiff_t at = 0; at < columns;) {
        const REAL *from = start ? start + at : start;
        ptrdiff_t full = (columns - at) / LANES;
        int tail = full <= NN_LISTED ? (int)((columns - at) % LANES) : 0;
        if (full > NN_LISTED) full = NN_LISTED;
        switch (full) {
            CASE(0) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#if NN_LISTED == 14
            CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#endif
        }
        at += full * LANES + tail;
    }
}

#undef CASE
#undef LANES
#undef VECTOR
#undef LOOSE
#undef FMA
#undef LOAD
