/* The weights of one model as the loops read them, and the work space of a block of sequences.
 *
 * The lanes of a vector are hidden units. Block k holds units k * LANES .. of both weight matrices in one record,
 *     W2 transposed [M] | sign W1 [M] | -h2 | low | high,   vectors each, zero past L,
 * so that the inner loops run along memory, and any batch fits: numbers of the states are broadcast.
 * A clipped unit is relu(u + h2) - relu(u) = sign min(max(u, low), high) + relu(h2), where low = min(0, -h2), high =
 * max(0, -h2) and sign is that of h2: two operations instead of four, since W1 carries the sign and h1 the constant.
 * Without clipping all signs are 1.
 * A row holds the states of a block's sequences, [sequence][M] as in torch, filled up to whole vectors.
 */
#define work NAME(work)
struct work {
    int64_t M, L, blocks, stride; /* stride: vectors in a record, 2M + 3 */
    int64_t sequences, width, vectors;
    int clipped;
    void (*layer)(const struct work *, const real *z);
    void (*layer_adjoint)(const struct work *, const real *z, const real *g);
    vector *records, *slopes;                /* slopes: gradients of the records */
    vector *A, *h1, *A_slope, *h1_slope;     /* rows, A and h1 repeated for every sequence */
    vector *strength, *keep;                 /* rows; keep = 1 - strength */
    vector *sums;                            /* one vector per number of a row; its lanes are still to be summed */
    vector *g, *carry;                       /* rows of the adjoint */
    vector *memory;
};

/* Sequences that are followed together: their sums should stay in the nearest cache. */
static int64_t NAME(block_size)(int64_t M, int64_t B)
{
    int64_t size = 16384 / (int64_t)sizeof(vector) / M / 4 * 4;
    size = size < 4 ? 4 : size > 64 ? 64 : size;
    return size < B ? size : B;
}

static void NAME(choose_layer)(struct work *w, int clipped);

/* Work space for up to `sequences` at once. */
static int NAME(prepare)(struct work *w, int64_t M, int64_t L, int clipped, int64_t sequences)
{
    *w = (struct work){.M = M, .L = L, .clipped = clipped, .sequences = sequences};
    w->blocks = NAME(vectors)(L);
    w->stride = 2 * M + 3;
    w->width = sequences * M;
    w->vectors = NAME(vectors)(w->width);
    int64_t records = w->blocks * w->stride, rows = w->vectors;
    vector *memory = w->memory = NAME(allocate)(2 * records + rows * (8 + LANES));
    if (!memory) return -1;
    memset(memory, 0, (2 * records + rows * (8 + LANES)) * sizeof *memory);
    w->records = memory, memory += records;
    w->slopes = memory, memory += records;
    vector **row[] = {&w->A, &w->h1, &w->A_slope, &w->h1_slope, &w->strength, &w->keep, &w->g, &w->carry};
    for (int i = 0; i < 8; i++, memory += rows) *row[i] = memory;
    w->sums = memory;
    NAME(choose_layer)(w, clipped);
    return 0;
}

/* Fewer sequences than there is room for, in the last block. */
static void NAME(narrow)(struct work *w, int64_t sequences)
{
    w->sequences = sequences;
    w->width = sequences * w->M;
    w->vectors = NAME(vectors)(w->width);
    /* Past the width: zeros, so that the rest of the last vector stays finite. */
    vector *rows[] = {w->A, w->h1, w->strength, w->keep};
    for (int i = 0; i < 4; i++)
        for (int64_t k = w->width; k < w->vectors * LANES; k++) ((real *)rows[i])[k] = 0;
    for (int64_t k = w->width; k < w->vectors * LANES; k++) w->sums[k] = (vector){0};
}

static void NAME(pack)(struct work *w, const real *A, const real *W1, const real *W2, const real *h1, const real *h2)
{
    int64_t M = w->M, L = w->L;
    vector *constant = w->sums; /* [M], only here */
    memset(constant, 0, M * sizeof *constant);
    for (int64_t k = 0; k < w->blocks; k++) {
        vector *block = w->records + k * w->stride;
        real *record = (real *)block;
        int64_t first = k * LANES, count = L - first < LANES ? L - first : LANES;
        for (int64_t i = 0; i < count; i++)
            for (int64_t m = 0; m < M; m++) record[m * LANES + i] = W2[(first + i) * M + m];
        for (int64_t m = 0; m < M; m++) NAME(load)(block + M + m, W1 + m * L + first, count);
        NAME(load)(block + 2 * M, h2 + first, count);
        vector zero = {0}, h = block[2 * M], positive = NAME(at_least)(zero, h);
        block[2 * M] = -h;
        if (!w->clipped) continue;
        mask negative = h < zero;
        block[2 * M + 1] = NAME(at_most)(zero, -h);
        block[2 * M + 2] = NAME(at_least)(zero, -h);
        for (int64_t m = 0; m < M; m++) {
            constant[m] += block[M + m] * positive;
            block[M + m] = (vector)((~negative & (mask)block[M + m]) | (negative & (mask)-block[M + m]));
        }
    }
    real *h1_row = (real *)w->h1, *A_row = (real *)w->A;
    for (int64_t m = 0; m < M; m++) {
        real shifted = h1[m] + NAME(sum)(constant[m]);
        for (int64_t b = 0; b < w->sequences; b++) {
            A_row[b * M + m] = A[m];
            h1_row[b * M + m] = shifted;
        }
    }
    memset(constant, 0, M * sizeof *constant);
}

/* The gradients in the order of the parameters. */
static void NAME(unpack)(const struct work *w, int64_t sequences, real *A, real *W1, real *W2, real *h1, real *h2)
{
    int64_t M = w->M, L = w->L;
    const real *A_row = (const real *)w->A_slope, *h1_row = (const real *)w->h1_slope;
    for (int64_t m = 0; m < M; m++) A[m] = h1[m] = 0;
    for (int64_t b = 0; b < sequences; b++)
        for (int64_t m = 0; m < M; m++) {
            A[m] += A_row[b * M + m];
            h1[m] += h1_row[b * M + m];
        }
    for (int64_t k = 0; k < w->blocks; k++) {
        const real *slope = (const real *)(w->slopes + k * w->stride);
        const real *edge = (const real *)(w->records + k * w->stride + 2 * M);
        int64_t first = k * LANES, count = L - first < LANES ? L - first : LANES;
        for (int64_t i = 0; i < count; i++)
            for (int64_t m = 0; m < M; m++) W2[(first + i) * M + m] = slope[m * LANES + i];
        for (int64_t m = 0; m < M; m++) NAME(store)(W1 + m * L + first, w->slopes + k * w->stride + M + m, count);
        for (int64_t i = 0; i < count; i++) {
            real summed = slope[2 * M * LANES + i];
            h2[first + i] = w->clipped && edge[i] > 0 ? -summed : summed;
        }
    }
}

/* One forcing strength per unit. */
static void NAME(set_strength)(struct work *w, const real *units, real scale)
{
    real *strength = (real *)w->strength, *keep = (real *)w->keep;
    for (int64_t b = 0; b < w->sequences; b++)
        for (int64_t m = 0; m < w->M; m++) {
            strength[b * w->M + m] = scale * units[m];
            keep[b * w->M + m] = 1 - scale * units[m];
        }
}
