/* The hidden layer of one step and its adjoint, for a block of sequences; nearly all the time is spent here. */

#define UNITS 2
#define COUNT 4

INLINE vector NAME(unit)(vector u, vector h2, int clipped)
{
    vector r = NAME(relu)(u + h2);
    return clipped ? r - NAME(relu)(u) : r;
}

/* sums[b][m] = W1[m] r[b], for `count` sequences, M known to the compiler: all sums stay in registers. */
INLINE void NAME(narrow_layer)(const struct work *w, const int M, const int clipped, const int count, const real *z,
                               vector *sums)
{
    vector sum[COUNT * 6];
    for (int i = 0; i < count * M; i++) sum[i] = (vector){0};
    const vector *record = w->records;
    for (int64_t k = 0; k < w->blocks; k++, record += 2 * M + 1) {
        vector r[COUNT];
        for (int b = 0; b < count; b++) {
            vector u = record[0] * z[b * M];
            for (int m = 1; m < M; m++) u += record[m] * z[b * M + m];
            r[b] = NAME(unit)(u, record[2 * M], clipped);
        }
        for (int m = 0; m < M; m++)
            for (int b = 0; b < count; b++) sum[b * M + m] += record[M + m] * r[b];
    }
    for (int i = 0; i < count * M; i++) sums[i] = sum[i];
}

/* The same for `units` blocks of hidden units and any M: the hidden units stay in registers, the sums in the cache. */
INLINE void NAME(wide_layer)(const int M, const int clipped, const int units, const int count,
                             const vector *record, const real *z, vector *sums, int first)
{
    const int stride = 2 * M + 1;
    vector r[UNITS * COUNT];
    for (int i = 0; i < count * units; i++) r[i] = (vector){0};
    for (int m = 0; m < M; m++)
        for (int b = 0; b < count; b++)
            for (int k = 0; k < units; k++) r[b * units + k] += record[k * stride + m] * z[b * M + m];
    for (int b = 0; b < count; b++)
        for (int k = 0; k < units; k++)
            r[b * units + k] = NAME(unit)(r[b * units + k], record[k * stride + 2 * M], clipped);
    for (int m = 0; m < M; m++)
        for (int b = 0; b < count; b++) {
            vector sum = first ? (vector){0} : sums[b * M + m];
            for (int k = 0; k < units; k++) sum += record[k * stride + M + m] * r[b * units + k];
            sums[b * M + m] = sum;
        }
}

/* Adjoint of the layer at z for the gradient g of F: sums[b][m] = W2[:, m] d[b], d = mask * (W1' g[b]), and the
 * gradients of the weights, which stay in registers while one block of hidden units meets all sequences. */
INLINE void NAME(narrow_adjoint)(const struct work *w, const int M, const int clipped, const real *z, const real *g)
{
    const vector *record = w->records;
    vector *slope = w->slopes;
    for (int64_t k = 0; k < w->blocks; k++, record += 2 * M + 1, slope += 2 * M + 1) {
        vector W[2 * 6 + 1], S[2 * 6 + 1];
        for (int i = 0; i < 2 * M + 1; i++) W[i] = record[i], S[i] = slope[i];
        vector *sums = w->sums;
        for (int64_t b = 0; b < w->sequences; b++, sums += M) {
            const real *zb = z + b * M, *gb = g + b * M;
            vector u = W[0] * zb[0], q = W[M] * gb[0];
            for (int m = 1; m < M; m++) {
                u += W[m] * zb[m];
                q += W[M + m] * gb[m];
            }
            vector r = NAME(unit)(u, W[2 * M], clipped), on = NAME(where)(u + W[2 * M] > (real)0, q);
            vector d = clipped ? on - NAME(where)(u > (real)0, q) : on;
            S[2 * M] += on;
            for (int m = 0; m < M; m++) {
                S[m] += d * zb[m];
                S[M + m] += r * gb[m];
            }
            if (k)
                for (int m = 0; m < M; m++) sums[m] += W[m] * d;
            else
                for (int m = 0; m < M; m++) sums[m] = W[m] * d;
        }
        for (int i = 0; i < 2 * M + 1; i++) slope[i] = S[i];
    }
}

INLINE void NAME(wide_adjoint)(const int M, const int clipped, const int units, const int count,
                               const vector *record, vector *slope, const real *z, const real *g, vector *sums,
                               int first)
{
    const int stride = 2 * M + 1;
    vector r[UNITS * COUNT], d[UNITS * COUNT];
    for (int i = 0; i < count * units; i++) r[i] = d[i] = (vector){0};
    for (int m = 0; m < M; m++)
        for (int b = 0; b < count; b++)
            for (int k = 0; k < units; k++) r[b * units + k] += record[k * stride + m] * z[b * M + m];
    for (int m = 0; m < M; m++)
        for (int b = 0; b < count; b++)
            for (int k = 0; k < units; k++) d[b * units + k] += record[k * stride + M + m] * g[b * M + m];
    for (int k = 0; k < units; k++) {
        vector h2 = record[k * stride + 2 * M], total = slope[k * stride + 2 * M];
        for (int b = 0; b < count; b++) {
            vector u = r[b * units + k], q = d[b * units + k], on = NAME(where)(u + h2 > (real)0, q);
            d[b * units + k] = clipped ? on - NAME(where)(u > (real)0, q) : on;
            r[b * units + k] = NAME(unit)(u, h2, clipped);
            total += on;
        }
        slope[k * stride + 2 * M] = total;
    }
    for (int m = 0; m < M; m++)
        for (int k = 0; k < units; k++) {
            vector W1 = slope[k * stride + M + m], W2 = slope[k * stride + m];
            for (int b = 0; b < count; b++) {
                W1 += r[b * units + k] * g[b * M + m];
                W2 += d[b * units + k] * z[b * M + m];
            }
            slope[k * stride + M + m] = W1;
            slope[k * stride + m] = W2;
        }
    for (int m = 0; m < M; m++)
        for (int b = 0; b < count; b++) {
            vector sum = first ? (vector){0} : sums[b * M + m];
            for (int k = 0; k < units; k++) sum += record[k * stride + m] * d[b * units + k];
            sums[b * M + m] = sum;
        }
}

INLINE void NAME(narrow_layers)(const struct work *w, const int M, const int clipped, const real *z)
{
    int64_t b = 0;
    for (; b + COUNT <= w->sequences; b += COUNT)
        NAME(narrow_layer)(w, M, clipped, COUNT, z + b * M, w->sums + b * M);
    for (; b < w->sequences; b++) NAME(narrow_layer)(w, M, clipped, 1, z + b * M, w->sums + b * M);
}

INLINE void NAME(wide_layers)(const struct work *w, const int M, const int clipped, const real *z)
{
    for (int64_t k = 0; k < w->blocks;) {
        const vector *record = w->records + k * w->stride;
        int64_t b = 0, first = !k;
        if (k + UNITS <= w->blocks) {
            for (; b + COUNT <= w->sequences; b += COUNT)
                NAME(wide_layer)(M, clipped, UNITS, COUNT, record, z + b * M, w->sums + b * M, first);
            for (; b < w->sequences; b++)
                NAME(wide_layer)(M, clipped, UNITS, 1, record, z + b * M, w->sums + b * M, first);
            k += UNITS;
        } else {
            for (; b < w->sequences; b++)
                NAME(wide_layer)(M, clipped, 1, 1, record, z + b * M, w->sums + b * M, first);
            k++;
        }
    }
}

INLINE void NAME(wide_adjoints)(const struct work *w, const int M, const int clipped, const real *z, const real *g)
{
    for (int64_t k = 0; k < w->blocks;) {
        const vector *record = w->records + k * w->stride;
        vector *slope = w->slopes + k * w->stride;
        int64_t b = 0, first = !k;
#define ARGUMENTS record, slope, z + b * M, g + b * M, w->sums + b * M, first
        if (k + UNITS <= w->blocks) {
            for (; b + COUNT <= w->sequences; b += COUNT)
                NAME(wide_adjoint)(M, clipped, UNITS, COUNT, ARGUMENTS);
            for (; b < w->sequences; b++) NAME(wide_adjoint)(M, clipped, UNITS, 1, ARGUMENTS);
            k += UNITS;
        } else {
            for (; b < w->sequences; b++) NAME(wide_adjoint)(M, clipped, 1, 1, ARGUMENTS);
            k++;
        }
#undef ARGUMENTS
    }
}

#define BOTH(kind, size, M, clipped)                                                                            \
    static void NAME(layer_##size##_##clipped)(const struct work *w, const real *z)                             \
    {                                                                                                           \
        NAME(kind##_layers)(w, M, clipped, z);                                                                  \
    }
#define ADJOINT(function, size, M, clipped)                                                                     \
    static void NAME(adjoint_##size##_##clipped)(const struct work *w, const real *z, const real *g)            \
    {                                                                                                           \
        NAME(function)(w, M, clipped, z, g);                                                                    \
    }
#define SIZE(kind, adjoint, size, M)                                                                            \
    BOTH(kind, size, M, 0) BOTH(kind, size, M, 1) ADJOINT(adjoint, size, M, 0) ADJOINT(adjoint, size, M, 1)
SIZE(narrow, narrow_adjoint, 1, 1)
SIZE(narrow, narrow_adjoint, 2, 2)
SIZE(narrow, narrow_adjoint, 3, 3)
SIZE(narrow, narrow_adjoint, 4, 4)
SIZE(narrow, narrow_adjoint, 5, 5)
SIZE(narrow, narrow_adjoint, 6, 6)
SIZE(wide, wide_adjoints, any, (int)w->M)

static void NAME(choose_layer)(struct work *w, int clipped)
{
#define CHOOSE(size)                                                                                            \
    w->layer = clipped ? NAME(layer_##size##_1) : NAME(layer_##size##_0);                                       \
    w->layer_adjoint = clipped ? NAME(adjoint_##size##_1) : NAME(adjoint_##size##_0)
    switch (w->M) {
    case 1: CHOOSE(1); break;
    case 2: CHOOSE(2); break;
    case 3: CHOOSE(3); break;
    case 4: CHOOSE(4); break;
    case 5: CHOOSE(5); break;
    case 6: CHOOSE(6); break;
    default: CHOOSE(any);
    }
#undef CHOOSE
}
