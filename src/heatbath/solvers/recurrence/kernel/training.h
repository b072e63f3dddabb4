/* Whole optimiser steps: windows, forced scan, adjoint, penalties, RAdam. */

#define trainer NAME(trainer)
struct trainer {
    struct work w;
    struct NAME(readout) readout;
    vector *signal, *forced, *proposals; /* [T + 1] rows each */
    vector *observed;                    /* a row, 1 on the first N units */
    real *gradient;                                 /* [P] */
    vector *memory;
};

static void NAME(release)(struct trainer *r)
{
    free(r->memory);
    free(r->w.memory);
    free(r->readout.memory);
}

static int64_t NAME(parameters)(const struct training *t)
{
    int64_t extra = t->affine ? t->N * t->M : (t->M - t->N) * t->N;
    return 2 * t->M + t->L + 2 * t->M * t->L + extra;
}

static int NAME(prepare_trainer)(struct trainer *r, const struct training *t)
{
    memset(r, 0, sizeof *r);
    int64_t P = NAME(parameters)(t);
    if (NAME(prepare)(&r->w, t->M, t->L, t->clipped, NAME(block_size)(t->M, t->B))) return -1;
    /* Past the last row of the proposals a whole vector may be read. */
    int64_t n = r->w.vectors, rows = (t->T + 1) * n, slack = NAME(vectors)(t->M) + 1;
    vector *memory = r->memory = NAME(allocate)(3 * rows + slack + n + NAME(vectors)(P));
    if (!memory || (t->affine && NAME(prepare_readout)(&r->readout, t->N, t->M))) {
        NAME(release)(r);
        return -1;
    }
    memset(memory, 0, (3 * rows + slack + n) * sizeof *memory);
    r->signal = memory, memory += rows;
    r->forced = memory, memory += rows;
    r->proposals = memory, memory += rows + slack;
    r->observed = memory, memory += n;
    r->gradient = (real *)memory;
    return 0;
}

/* The windows that begin at series[starts[b]]: the signal of step t in row t, and z_1 in row 0 of `forced`. */
static void NAME(gather)(struct trainer *r, const struct training *t, const real *series, const int64_t *starts,
                         const real *guess)
{
    int64_t M = t->M, N = t->N, row = r->w.vectors * LANES, sequences = r->w.sequences;
    real *signal = (real *)r->signal, *first = (real *)r->forced;
    for (int64_t i = 0; i <= t->T && t->affine; i++) {
        const real *x[READ_COUNT];
        int64_t b = 0;
        for (; b + READ_COUNT <= sequences; b += READ_COUNT) {
            for (int c = 0; c < READ_COUNT; c++) x[c] = series + (starts[b + c] + i) * N;
            NAME(encode)(&r->readout, READ_COUNT, x, signal + i * row + b * M);
        }
        for (; b < sequences; b++) {
            x[0] = series + (starts[b] + i) * N;
            NAME(encode)(&r->readout, 1, x, signal + i * row + b * M);
        }
    }
    for (int64_t b = 0; b < sequences && !t->affine; b++) {
        const real *x = series + starts[b] * N;
        for (int64_t i = 0; i <= t->T; i++)
            for (int64_t m = 0; m < N; m++) signal[i * row + b * M + m] = x[i * N + m];
    }
    memcpy(first, signal, r->w.width * sizeof(real));
    for (int64_t b = 0; b < sequences && !t->affine; b++)
        for (int64_t m = N; m < M; m++) {
            real sum = 0;
            for (int64_t i = 0; i < N; i++) sum += guess[(m - N) * N + i] * series[starts[b] * N + i];
            first[b * M + m] = sum;
        }
}

/* Errors of all proposals become their gradients, in place; the sum of squares in lanes. */
static vector NAME(judge)(struct trainer *r, const struct training *t, const real *series, const int64_t *starts)
{
    vector squares = {0};
    int64_t n = r->w.vectors, row = n * LANES;
    real scale = (real)2 / (t->T * t->B * t->N);
    if (!t->affine) {
        for (int64_t i = 0; i < t->T; i++)
            for (int64_t k = 0; k < n; k++) {
                vector error = (r->proposals[i * n + k] - r->signal[(i + 1) * n + k]) * r->observed[k];
                squares += error * error;
                r->proposals[i * n + k] = scale * error;
            }
        return squares;
    }
    for (int64_t i = 0; i < t->T; i++) {
        real *z = (real *)r->proposals + i * row;
        const real *x[READ_COUNT];
        int64_t b = 0;
        for (; b + READ_COUNT <= r->w.sequences; b += READ_COUNT) {
            for (int c = 0; c < READ_COUNT; c++) x[c] = series + (starts[b + c] + i + 1) * t->N;
            squares += NAME(read)(&r->readout, READ_COUNT, z + b * t->M, x, scale);
        }
        for (; b < r->w.sequences; b++) {
            x[0] = series + (starts[b] + i + 1) * t->N;
            squares += NAME(read)(&r->readout, 1, z + b * t->M, x, scale);
        }
    }
    return squares;
}

/* Gradients from the starts z_1: of the readout through its inverse, or of the first guess. */
static void NAME(judge_starts)(struct trainer *r, const struct training *t, const real *series, const int64_t *starts,
                               real *guess_gradient)
{
    for (int64_t b = 0; b < r->w.sequences; b++) {
        const real *x = series + starts[b] * t->N, *c = (const real *)r->w.carry + b * t->M;
        if (t->affine) {
            NAME(invert_adjoint)(&r->readout, x, c);
            continue;
        }
        for (int64_t m = t->N; m < t->M; m++)
            for (int64_t i = 0; i < t->N; i++) guess_gradient[(m - t->N) * t->N + i] += c[m] * x[i];
    }
}

/* Liu et al., ICLR 2020, as torch.optim.RAdam computes it. */
static void NAME(radam)(const struct training *t, int64_t step, double rate, int64_t P, const real *gradient,
                        real *theta, real *mean, real *variance)
{
    double correction1 = 1 - pow(t->beta1, step), power = pow(t->beta2, step), correction2 = 1 - power;
    double rho_inf = 2 / (1 - t->beta2) - 1, rho = rho_inf - 2 * step * power / correction2;
    double rectifier = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho));
    real scale = (real)(rate / correction1), adaptive = (real)(rectifier * sqrt(correction2));
    real fresh1 = (real)(1 - t->beta1), old2 = (real)t->beta2, fresh2 = (real)(1 - t->beta2);
    real epsilon = (real)t->epsilon;
    for (int64_t i = 0; i < P; i++) {
        mean[i] += fresh1 * (gradient[i] - mean[i]);
        variance[i] = old2 * variance[i] + fresh2 * gradient[i] * gradient[i];
    }
    if (rho > 5)
        for (int64_t i = 0; i < P; i++)
            theta[i] -= scale * mean[i] * (adaptive / (sizeof(real) == 4 ? (real)sqrtf((float)variance[i]) + epsilon
                                                                         : (real)sqrt(variance[i]) + epsilon));
    else
        for (int64_t i = 0; i < P; i++) theta[i] -= scale * mean[i];
}

/* Mean squared error of one step's windows, and the gradients of error and penalties; NaN if B lost its rank. */
static real NAME(differentiate)(struct trainer *r, const struct training *t, const real *theta, const real *series,
                                const int64_t *starts, const real *forced_units, real alpha, real l2,
                                double condition_weight, real *penalty, real *condition)
{
    struct work *w = &r->w;
    int64_t M = t->M, L = t->L, N = t->N, size = NAME(block_size)(M, t->B), P = NAME(parameters)(t);
    const real *A = theta, *W1 = A + M, *W2 = W1 + M * L, *h1 = W2 + M * L, *h2 = h1 + M, *extra = h2 + L;
    int64_t weights = extra - theta;
    real *gradient = r->gradient;
    *penalty = 0, *condition = 0;
    if (t->affine && NAME(set_readout)(&r->readout, extra)) return NAN;
    NAME(narrow)(w, size);
    NAME(pack)(w, A, W1, W2, h1, h2);
    NAME(set_strength)(w, forced_units, alpha);
    for (int64_t b = 0; b < size; b++)
        for (int64_t m = 0; m < M; m++) ((real *)r->observed)[b * M + m] = m < N;
    memset(w->slopes, 0, w->blocks * w->stride * sizeof(vector));
    memset(w->A_slope, 0, w->vectors * sizeof(vector));
    memset(w->h1_slope, 0, w->vectors * sizeof(vector));
    memset(gradient + weights, 0, (P - weights) * sizeof *gradient);
    vector squares = {0};
    for (int64_t b = 0; b < t->B; b += size) {
        if (t->B - b < size) {
            NAME(narrow)(w, t->B - b);
            for (int64_t k = w->width; k < w->vectors * LANES; k++)
                ((real *)r->observed)[k] = ((real *)r->forced)[k] = 0;
        }
        NAME(gather)(r, t, series, starts + b, extra);
        NAME(scan_rows)(w, t->T, t->interval, r->forced, r->proposals, r->signal + w->vectors, NULL);
        squares += NAME(judge)(r, t, series, starts + b);
        memset(w->carry, 0, w->vectors * sizeof(vector));
        NAME(adjoint_rows)(w, t->T, t->interval, r->forced, r->proposals, NULL, NULL);
        NAME(judge_starts)(r, t, series, starts + b, gradient + weights);
    }
    NAME(unpack)(w, size, gradient, gradient + M, gradient + M + M * L, gradient + M + 2 * M * L,
                 gradient + 2 * M + 2 * M * L);
    vector total = {0};
    int64_t i = 0;
    for (; i < M; i++) {
        *penalty += (theta[i] - 1) * (theta[i] - 1);
        gradient[i] += 2 * l2 * (theta[i] - 1);
    }
    for (; i + LANES <= weights; i += LANES) {
        vector x = *(const loose *)(theta + i);
        total += x * x;
        *(loose *)(gradient + i) += 2 * l2 * x;
    }
    for (; i < weights; i++) {
        *penalty += theta[i] * theta[i];
        gradient[i] += 2 * l2 * theta[i];
    }
    *penalty += NAME(sum)(total);
    if (t->affine) {
        if (condition_weight != 0) *condition = (real)NAME(condition)(&r->readout, condition_weight);
        const real *slope = (const real *)r->readout.B_slope;
        for (int64_t k = 0; k < N; k++)
            for (int64_t m = 0; m < M; m++)
                gradient[weights + k * M + m] =
                    slope[k * r->readout.wide_M * LANES + m] + (real)r->readout.slope[k * M + m];
    }
    return NAME(sum)(squares) / (t->T * t->B * N);
}

static int NAME(train)(const struct training *t, const struct schedules *schedules, const void *series,
                       const int64_t *starts, const void *forced_units, const struct state *state,
                       const struct losses *losses)
{
    struct trainer r;
    if (NAME(prepare_trainer)(&r, t)) return -1;
    int64_t P = NAME(parameters)(t), R = t->models;
    for (int64_t model = 0; model < R; model++) {
        real *theta = (real *)state->theta + model * P, *mean = (real *)state->mean + model * P;
        real *variance = (real *)state->variance + model * P;
        const real *data = (const real *)series + model * t->series_stride;
        int64_t step = 0;
        for (int alive = 1; step < t->steps && alive; step += alive) {
            int64_t at = step * R + model;
            real *error = (real *)losses->error + at, *penalty = (real *)losses->penalty + at;
            real *condition = (real *)losses->condition + at;
            *error = NAME(differentiate)(&r, t, theta, data, starts + at * t->B, forced_units,
                                         (real)schedules->alpha[at], (real)schedules->l2[at],
                                         schedules->condition[at], penalty, condition);
            alive = isfinite(*error) && isfinite(*penalty) && isfinite(*condition);
            if (alive) NAME(radam)(t, ++state->done[model], schedules->rate[at], P, r.gradient, theta, mean, variance);
        }
        losses->completed[model] = step;
    }
    NAME(release)(&r);
    return 0;
}
