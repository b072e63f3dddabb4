/* Shallow piecewise-linear recurrences: types, memory layouts, and the table of functions of one instruction set.
 *
 * Symbols: M latent units, L hidden units, N observed variables, B sequences side by side, T steps.
 *
 *   F(z) = A z + W1 r + h1,   u = W2 z,   r = relu(u + h2) - relu(u) if clipped, relu(u + h2) otherwise
 *   z_t = F(~z_{t-1}) + drive_t,   ~z_t = (1 - strength) z_t + strength signal_t,   strength: one number per unit
 *
 * Arrays are the caller's, contiguous, of one precision, in the order of torch's: sequences [T][B][M], W1 [M][L],
 * W2 [L][M]. A function returns 0, or -1 where it could not allocate its work space.
 */
#ifndef HEATBATH_RECURRENCE_KERNEL_H
#define HEATBATH_RECURRENCE_KERNEL_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct shape {
    int64_t T, B, M, L;
    int32_t clipped;
};

struct weights {
    const void *A, *W1, *W2, *h1, *h2;
};

struct gradients {
    void *A, *W1, *W2, *h1, *h2;
};

/* What the steps of `train` have in common. `affine`: x = readout z; otherwise x is the first N units.
 * `interval`: forced at every `interval`-th step of a window only. */
struct training {
    int64_t models, steps, T, B, M, L, N, series_stride;
    int32_t clipped, affine, interval;
    double beta1, beta2, epsilon;
};

/* Per step and model, [steps][models]. */
struct schedules {
    const double *rate, *alpha, *l2, *condition;
};

/* Flat parameters [models][P], P = 2M + L + 2ML + extra:
 * A[M] | W1[M][L] | W2[L][M] | h1[M] | h2[L] | readout[N][M] if affine, first guess [M - N][N] of the unobserved units
 * otherwise. mean, variance: RAdam's moments; done: steps behind each model [models]. */
struct state {
    void *theta, *mean, *variance;
    int64_t *done;
};

/* [steps][models] each; NaN after the step at which a model stopped. completed [models]: steps that changed it. */
struct losses {
    void *error, *penalty, *condition;
    int64_t *completed;
};

struct kernels {
    const char *name;
    int (*forward)(const struct shape *, const struct weights *, const void *initial, const void *strength,
                   const void *signal, const void *drive, void *proposals, void *values);
    int (*adjoint)(const struct shape *, const struct weights *, const void *initial, const void *values,
                   const void *strength, const void *proposals_direct, const void *values_direct,
                   const struct gradients *, void *initial_gradient, void *drive_gradient);
    int (*jacobian)(const struct shape *, const struct weights *, const void *states, int64_t columns, void *product);
    int (*train)(const struct training *, const struct schedules *, const void *series, const int64_t *starts,
                 const void *forced_units, const struct state *, const struct losses *);
};

#endif
