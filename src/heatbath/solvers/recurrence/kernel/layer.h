/* The hidden layer of one step and its adjoint, for a block of sequences; nearly all the time is spent here. */

/* Blocks of hidden units, and sequences, that are worked on at once for any M. */
#define FORWARD_UNITS 4
#define FORWARD_COUNT 4
#define ADJOINT_UNITS 2
#define ADJOINT_COUNT 4
/* Sequences at once for a narrow M in the forward pass. */
#define NARROW_COUNT 4

/* A hidden unit with input u as W1 in a record wants it; bounds: -h2, low, high. */
INLINE vector NAME(unit)(vector u, const vector *bounds, int clipped)
{
    if (clipped) return NAME(at_most)(bounds[2], NAME(at_least)(bounds[1], u));
    return NAME(at_least)((vector){0}, u - bounds[0]);
}

/* Of a hidden unit with input u: r itself, and d = mask * q, where q and d bear the sign of W1 in a record. `edge` is
 * -h2, and u > -h2 exactly where u + h2 > 0. The gradient of h2, with that sign, is added to `slope`. */
INLINE void NAME(unit_adjoint)(vector u, vector q, vector edge, int clipped, vector *r, vector *d, vector *slope)
{
    choice on = NAME(above)(u, edge), low = NAME(above)(u, (vector){0});
    vector active = NAME(difference_where)(on, u, edge);
    *slope = NAME(more_where)(on, *slope, q);
    *d = NAME(where)(clipped ? on ^ low : on, q);
    *r = clipped ? NAME(less_where)(low, active, u) : active;
}

/* sums[b][m] = W1[m] r[b], for `count` sequences, M known to the compiler: all sums stay in registers. */
INLINE void NAME(narrow_layer)(const struct work *w, const int M, const int clipped, const int count, const real *z,
                               vector *sums)
{
    vector sum[NARROW_COUNT * 6];
    for (int i = 0; i < count * M; i++) sum[i] = (vector){0};
    const vector *record = w->records;
    for (int64_t k = 0; k < w->blocks; k++, record += 2 * M + 3) {
        vector r[NARROW_COUNT];
        for (int b = 0; b < count; b++) {
            vector u = record[0] * z[b * M];
            for (int m = 1; m < M; m++) u += record[m] * z[b * M + m];
            r[b] = NAME(unit)(u, record + 2 * M, clipped);
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
    const int stride = 2 * M + 3;
    vector r[FORWARD_UNITS * FORWARD_COUNT];
    for (int i = 0; i < count * units; i++) r[i] = (vector){0};
    for (int m = 0; m < M; m++)
        for (int b = 0; b < count; b++)
            for (int k = 0; k < units; k++) r[b * units + k] += record[k * stride + m] * z[b * M + m];
    for (int b = 0; b < count; b++)
        for (int k = 0; k < units; k++)
            r[b * units + k] = NAME(unit)(r[b * units + k], record + k * stride + 2 * M, clipped);
    for (int m = 0; m < M; m++)
        for (int b = 0; b < count; b++) {
            vector sum = first ? (vector){0} : sums[b * M + m];
            for (int k = 0; k < units; k++) sum += record[k * stride + M + m] * r[b * units + k];
            sums[b * M + m] = sum;
        }
}

/* Adjoint of the layer at z for the gradient g of F: sums[b][m] = W2[:, m] d[b], d = mask * (W1' g[b]), and the
 * gradients of the weights, which stay in registers while one block of hidden units meets all sequences. */
INLINE void NAME(narrow_adjoint_block)(const struct work *w, const int M, const int clipped, const vector *record,
                                       vector *slope, const real *z, const real *g, const int first)
{
    vector W[2 * 6 + 1], S[2 * 6 + 1];
    for (int i = 0; i < 2 * M + 1; i++) W[i] = record[i], S[i] = slope[i];
    vector *sums = w->sums;
    for (int64_t b = 0; b < w->sequences; b++, z += M, g += M, sums += M) {
        vector u = W[0] * z[0], q = W[M] * g[0], r, d;
        for (int m = 1; m < M; m++) {
            u += W[m] * z[m];
            q += W[M + m] * g[m];
        }
        NAME(unit_adjoint)(u, q, W[2 * M], clipped, &r, &d, &S[2 * M]);
        for (int m = 0; m < M; m++) {
            S[m] += d * z[m];
            S[M + m] += r * g[m];
            sums[m] = first ? W[m] * d : sums[m] + W[m] * d;
        }
    }
    for (int i = 0; i < 2 * M + 1; i++) slope[i] = S[i];
}

INLINE void NAME(narrow_adjoint)(const struct work *w, const int M, const int clipped, const real *z, const real *g)
{
    const vector *record = w->records;
    vector *slope = w->slopes;
    NAME(narrow_adjoint_block)(w, M, clipped, record, slope, z, g, 1);
    for (int64_t k = 1; k < w->blocks; k++) {
        record += 2 * M + 3, slope += 2 * M + 3;
        NAME(narrow_adjoint_block)(w, M, clipped, record, slope, z, g, 0);
    }
}

INLINE void NAME(wide_adjoint)(const int M, const int clipped, const int units, const int count,
                               const vector *record, vector *slope, const real *z, const real *g, vector *sums,
                               int first)
{
    const int stride = 2 * M + 3;
    vector r[ADJOINT_UNITS * ADJOINT_COUNT], d[ADJOINT_UNITS * ADJOINT_COUNT];
    for (int i = 0; i < count * units; i++) r[i] = d[i] = (vector){0};
    for (int m = 0; m < M; m++)
        for (int b = 0; b < count; b++)
            for (int k = 0; k < units; k++) r[b * units + k] += record[k * stride + m] * z[b * M + m];
    for (int m = 0; m < M; m++)
        for (int b = 0; b < count; b++)
            for (int k = 0; k < units; k++) d[b * units + k] += record[k * stride + M + m] * g[b * M + m];
    for (int k = 0; k < units; k++) {
        vector edge = record[k * stride + 2 * M], total = slope[k * stride + 2 * M];
        for (int b = 0; b < count; b++) {
            int at = b * units + k;
            NAME(unit_adjoint)(r[at], d[at], edge, clipped, &r[at], &d[at], &total);
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
    for (; b + NARROW_COUNT <= w->sequences; b += NARROW_COUNT)
        NAME(narrow_layer)(w, M, clipped, NARROW_COUNT, z + b * M, w->sums + b * M);
    for (; b < w->sequences; b++) NAME(narrow_layer)(w, M, clipped, 1, z + b * M, w->sums + b * M);
}

INLINE void NAME(wide_layers)(const struct work *w, const int M, const int clipped, const real *z)
{
    for (int64_t k = 0; k < w->blocks;) {
        const vector *record = w->records + k * w->stride;
        int64_t b = 0, first = !k;
        if (k + FORWARD_UNITS <= w->blocks) {
            for (; b + FORWARD_COUNT <= w->sequences; b += FORWARD_COUNT)
                NAME(wide_layer)(M, clipped, FORWARD_UNITS, FORWARD_COUNT, record, z + b * M, w->sums + b * M, first);
            for (; b < w->sequences; b++)
                NAME(wide_layer)(M, clipped, FORWARD_UNITS, 1, record, z + b * M, w->sums + b * M, first);
            k += FORWARD_UNITS;
        } else {
            for (; b + FORWARD_COUNT <= w->sequences; b += FORWARD_COUNT)
                NAME(wide_layer)(M, clipped, 1, FORWARD_COUNT, record, z + b * M, w->sums + b * M, first);
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
        if (k + ADJOINT_UNITS <= w->blocks) {
            for (; b + ADJOINT_COUNT <= w->sequences; b += ADJOINT_COUNT)
                NAME(wide_adjoint)(M, clipped, ADJOINT_UNITS, ADJOINT_COUNT, ARGUMENTS);
            for (; b < w->sequences; b++) NAME(wide_adjoint)(M, clipped, ADJOINT_UNITS, 1, ARGUMENTS);
            k += ADJOINT_UNITS;
        } else {
            for (; b + ADJOINT_COUNT <= w->sequences; b += ADJOINT_COUNT)
                NAME(wide_adjoint)(M, clipped, 1, ADJOINT_COUNT, ARGUMENTS);
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
SIZE(wide, wide_adjoints, 16, 16)
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
    case 16: CHOOSE(16); break;
    default: CHOOSE(any);
    }
#undef CHOOSE
}
