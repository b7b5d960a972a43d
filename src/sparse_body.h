/* The loops for one type, REAL; included twice by sparse.h. */
#define LANES ((int)(NN_VECTOR_BYTES / sizeof(REAL)))
#define VECTOR NN_NAME(nn_vector)
#define LOOSE NN_NAME(nn_loose_vector)
#define FMA NN_NAME(nn_fma_lanes)
#define PART(from) (partial ? NN_NAME(nn_load_part)(from, width) : (VECTOR) * (const LOOSE *)(from))

/* `vectors` full vectors of C, or one of `width` lanes. */
NN_INLINE void NN_NAME(nn_listed_fixed)(const int vectors, const int partial, int width, ptrdiff_t n,
                                        const int32_t *where, const REAL *a, const REAL *b, ptrdiff_t b_row,
                                        const REAL *start, REAL *c)
{
    VECTOR sum[8];
    NN_UNROLL for (int v = 0; v < vectors; v++) sum[v] = start ? PART(start + v * LANES) : (VECTOR){0};
    for (ptrdiff_t k = 0; k < n; k++) {
        const REAL *row = b + where[k] * b_row;
        VECTOR factor = a[k] - (VECTOR){0};
        NN_UNROLL for (int v = 0; v < vectors; v++) sum[v] = FMA(factor, PART(row + v * LANES), sum[v]);
    }
    NN_UNROLL for (int v = 0; v < vectors; v++) {
        if (partial) NN_NAME(nn_store_part)(c, sum[v], width);
        else *(LOOSE *)(c + v * LANES) = sum[v];
    }
}

/* c (columns,) := start + sum over k < n of a[k] b[where[k]], the rows of b b_row apart; start may be NULL. */
static void NN_NAME(nn_listed)(ptrdiff_t n, const int32_t *where, const REAL *a, const REAL *b, ptrdiff_t b_row,
                               const REAL *start, REAL *c, ptrdiff_t columns)
{
    for (ptrdiff_t at = 0; at < columns;) {
        const REAL *from = start ? start + at : start;
        ptrdiff_t full = (columns - at) / LANES, vectors = full >= 8 ? 8 : full >= 4 ? 4 : full;
        switch (vectors) {
        case 8: NN_NAME(nn_listed_fixed)(8, 0, LANES, n, where, a, b + at, b_row, from, c + at); break;
        case 4: NN_NAME(nn_listed_fixed)(4, 0, LANES, n, where, a, b + at, b_row, from, c + at); break;
        case 3: NN_NAME(nn_listed_fixed)(3, 0, LANES, n, where, a, b + at, b_row, from, c + at); break;
        case 2: NN_NAME(nn_listed_fixed)(2, 0, LANES, n, where, a, b + at, b_row, from, c + at); break;
        case 1: NN_NAME(nn_listed_fixed)(1, 0, LANES, n, where, a, b + at, b_row, from, c + at); break;
        default:
            NN_NAME(nn_listed_fixed)(1, 1, (int)(columns - at), n, where, a, b + at, b_row, from, c + at);
            return;
        }
        at += vectors * LANES;
    }
}

#undef LANES
#undef VECTOR
#undef LOOSE
#undef FMA
#undef PART
