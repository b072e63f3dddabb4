/* The forced scan, its adjoint, and products of Jacobians. */

/* T steps of one block. forced [T + 1][vectors]: row 0 is where to start, the others are written; proposals [T];
 * signal and drive [T] or NULL. At step t (from 1) the state is forced if t is a multiple of `interval`. */
static void NAME(scan_rows)(const struct work *w, int64_t T, int64_t interval, vector *forced, vector *proposals,
                            const vector *signal, const vector *drive)
{
    int64_t n = w->vectors;
    for (int64_t t = 0; t < T; t++) {
        const vector *z = forced + t * n;
        vector *next = forced + (t + 1) * n, *proposal = proposals + t * n;
        int mixed = signal && (t + 1) % interval == 0;
        w->layer(w, (const real *)z);
        for (int64_t k = 0; k < n; k++) {
            vector x = w->A[k] * z[k] + w->h1[k] + NAME(sums)(w->sums + k * LANES);
            if (drive) x += drive[t * n + k];
            proposal[k] = x;
            next[k] = mixed ? w->keep[k] * x + w->strength[k] * signal[t * n + k] : x;
        }
    }
}

/* g_t = direct_t + keep (values_direct_t + back_t),  back_t = A g_{t+1} + W2' (mask W1' g_{t+1}).
 * w->carry is back_T at the start and back_0, the gradient of the start, at the end; gradients of the parameters
 * are added to the slopes. direct, values_direct, drive [T] may be NULL; drive receives g. */
static void NAME(adjoint_rows)(const struct work *w, int64_t T, int64_t interval, const vector *forced,
                               const vector *direct, const vector *values_direct, vector *drive)
{
    int64_t n = w->vectors;
    for (int64_t t = T - 1; t >= 0; t--) {
        const vector *z = forced + t * n;
        int mixed = (t + 1) % interval == 0;
        for (int64_t k = 0; k < n; k++) {
            vector g = w->carry[k];
            if (values_direct) g += values_direct[t * n + k];
            if (mixed) g *= w->keep[k];
            if (direct) g += direct[t * n + k];
            if (drive) drive[t * n + k] = g;
            w->A_slope[k] += g * z[k];
            w->h1_slope[k] += g;
            w->g[k] = g;
        }
        w->layer_adjoint(w, (const real *)z, (const real *)w->g);
        for (int64_t k = 0; k < n; k++) w->carry[k] = w->A[k] * w->g[k] + NAME(sums)(w->sums + k * LANES);
    }
}

#define STEPS 64 /* of a sequence that are copied at once */

static int NAME(forward)(const struct shape *s, const struct weights *p, const void *initial, const void *strength,
                         const void *signal, const void *drive, void *proposals, void *values)
{
    struct work w;
    int64_t size = NAME(block_size)(s->M, s->B);
    if (NAME(prepare)(&w, s->M, s->L, s->clipped, size)) return -1;
    int64_t rows = w.vectors * STEPS;
    vector *memory = NAME(allocate)(4 * rows + w.vectors);
    if (!memory) {
        free(w.memory);
        return -1;
    }
    vector *proposed = memory, *signals = proposed + rows, *drives = signals + rows, *forced = drives + rows;
    NAME(pack)(&w, p->A, p->W1, p->W2, p->h1, p->h2);
    if (strength) NAME(set_strength)(&w, strength, 1);
    for (int64_t b = 0; b < s->B; b += size) {
        if (s->B - b < size) NAME(narrow)(&w, s->B - b);
        int64_t n = w.vectors, width = w.width, at = b * s->M, step = s->B * s->M;
        NAME(load)(forced, (const real *)initial + at, width);
        for (int64_t t = 0; t < s->T; t += STEPS, at += STEPS * step) {
            int64_t count = s->T - t < STEPS ? s->T - t : STEPS;
            for (int64_t i = 0; i < count; i++) {
                if (signal) NAME(load)(signals + i * n, (const real *)signal + at + i * step, width);
                if (drive) NAME(load)(drives + i * n, (const real *)drive + at + i * step, width);
            }
            NAME(scan_rows)(&w, count, 1, forced, proposed, signal ? signals : NULL, drive ? drives : NULL);
            for (int64_t i = 0; i < count; i++) {
                if (proposals) NAME(store)((real *)proposals + at + i * step, proposed + i * n, width);
                if (values) NAME(store)((real *)values + at + i * step, forced + (i + 1) * n, width);
            }
            memmove(forced, forced + count * n, n * sizeof *forced);
        }
    }
    free(memory);
    free(w.memory);
    return 0;
}

static int NAME(adjoint)(const struct shape *s, const struct weights *p, const void *initial, const void *values,
                         const void *strength, const void *proposals_direct, const void *values_direct,
                         const struct gradients *gradients, void *initial_gradient, void *drive_gradient)
{
    struct work w;
    int64_t size = NAME(block_size)(s->M, s->B);
    if (NAME(prepare)(&w, s->M, s->L, s->clipped, size)) return -1;
    int64_t rows = w.vectors * STEPS;
    vector *memory = NAME(allocate)(4 * rows);
    if (!memory) {
        free(w.memory);
        return -1;
    }
    vector *forced = memory, *direct = forced + rows, *later = direct + rows, *drives = later + rows;
    NAME(pack)(&w, p->A, p->W1, p->W2, p->h1, p->h2);
    for (int64_t k = 0; k < w.width; k++) ((real *)w.keep)[k] = 1;
    if (strength) NAME(set_strength)(&w, strength, 1);
    for (int64_t b = 0; b < s->B; b += size) {
        if (s->B - b < size) NAME(narrow)(&w, s->B - b);
        int64_t n = w.vectors, width = w.width, step = s->B * s->M, chunks = (s->T + STEPS - 1) / STEPS;
        memset(w.carry, 0, n * sizeof *w.carry);
        for (int64_t chunk = chunks - 1; chunk >= 0; chunk--) {
            int64_t t = chunk * STEPS, count = s->T - t < STEPS ? s->T - t : STEPS, at = b * s->M + t * step;
            for (int64_t i = 0; i < count; i++) {
                const real *z = t + i ? (const real *)values + at + (i - 1) * step : (const real *)initial + b * s->M;
                NAME(load)(forced + i * n, z, width);
                if (proposals_direct)
                    NAME(load)(direct + i * n, (const real *)proposals_direct + at + i * step, width);
                if (values_direct) NAME(load)(later + i * n, (const real *)values_direct + at + i * step, width);
            }
            NAME(adjoint_rows)(&w, count, 1, forced, proposals_direct ? direct : NULL, values_direct ? later : NULL,
                               drive_gradient ? drives : NULL);
            for (int64_t i = 0; drive_gradient && i < count; i++)
                NAME(store)((real *)drive_gradient + at + i * step, drives + i * n, width);
        }
        NAME(store)((real *)initial_gradient + b * s->M, w.carry, width);
    }
    NAME(unpack)(&w, size, gradients->A, gradients->W1, gradients->W2, gradients->h1, gradients->h2);
    free(memory);
    free(w.memory);
    return 0;
}

/* product[b] <- J(states[t][b]) product[b] for t = 0 .. T-1, [B][M][columns]; J = diag(A) + W1 diag(mask) W2. */
static int NAME(jacobian)(const struct shape *s, const struct weights *p, const void *states, int64_t columns,
                          void *product)
{
    struct work w;
    int64_t M = s->M, L = s->L, stride = 2 * M + 3;
    if (NAME(prepare)(&w, M, L, s->clipped, columns)) return -1;
    vector *Q = NAME(allocate)(w.vectors);
    if (!Q) {
        free(w.memory);
        return -1;
    }
    NAME(pack)(&w, p->A, p->W1, p->W2, p->h1, p->h2);
    memset(Q, 0, w.vectors * sizeof *Q);
    real *q = (real *)Q;
    for (int64_t b = 0; b < s->B; b++) {
        real *out = (real *)product + b * M * columns;
        for (int64_t m = 0; m < M; m++)
            for (int64_t c = 0; c < columns; c++) q[c * M + m] = out[m * columns + c];
        for (int64_t t = 0; t < s->T; t++) {
            const real *z = (const real *)states + (t * s->B + b) * M;
            memset(w.sums, 0, columns * M * sizeof *w.sums);
            for (int64_t k = 0; k < w.blocks; k++) {
                const vector *record = w.records + k * stride;
                vector u = {0};
                for (int64_t m = 0; m < M; m++) u += record[m] * z[m];
                vector unused = {0};
                for (int64_t c = 0; c < columns; c++) {
                    vector y = {0};
                    for (int64_t m = 0; m < M; m++) y += record[m] * q[c * M + m];
                    vector r, d;
                    NAME(unit_adjoint)(u, y, record[2 * M], s->clipped, &r, &d, &unused);
                    for (int64_t m = 0; m < M; m++) w.sums[c * M + m] += record[M + m] * d;
                }
            }
            for (int64_t k = 0; k < w.vectors; k++) Q[k] = w.A[k] * Q[k] + NAME(sums)(w.sums + k * LANES);
        }
        for (int64_t m = 0; m < M; m++)
            for (int64_t c = 0; c < columns; c++) out[m * columns + c] = q[c * M + m];
    }
    free(Q);
    free(w.memory);
    return 0;
}
