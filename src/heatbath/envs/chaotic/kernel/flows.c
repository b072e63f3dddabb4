/* Trajectories of small chaotic systems, by Runge-Kutta of order 4.
 *
 * One long trajectory cannot be vectorised; here it costs nanoseconds a step instead of microseconds. Every product and
 * sum stands in the order of the Python reference, and the build forbids contraction to fused multiply-adds, so that
 * both give the same bits: in a chaotic system anything less is another trajectory.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LORENZ63, ROSSLER, CHUA, LORENZ96 };

typedef void (*field)(const double *restrict p, long n, const double *restrict y, double *restrict dy);

static void lorenz63(const double *restrict p, long n, const double *restrict y, double *restrict dy)
{
    (void)n;
    dy[0] = p[0] * (y[1] - y[0]);
    dy[1] = y[0] * (p[1] - y[2]) - y[1];
    dy[2] = y[0] * y[1] - p[2] * y[2];
}

static void rossler(const double *restrict p, long n, const double *restrict y, double *restrict dy)
{
    (void)n;
    dy[0] = -y[1] - y[2];
    dy[1] = y[0] + p[0] * y[1];
    dy[2] = p[1] + y[2] * (y[0] - p[2]);
}

/* p: alpha, beta, outer slope, half the difference of the inner and the outer slope. */
static void chua(const double *restrict p, long n, const double *restrict y, double *restrict dy)
{
    (void)n;
    double current = p[2] * y[0] + p[3] * (fabs(y[0] + 1) - fabs(y[0] - 1));
    dy[0] = p[0] * (y[1] - y[0] - current);
    dy[1] = y[0] - y[1] + y[2];
    dy[2] = -p[1] * y[1];
}

static void lorenz96(const double *restrict p, long n, const double *restrict y, double *restrict dy)
{
    dy[0] = (y[1] - y[n - 2]) * y[n - 1] - y[0] + p[0];
    dy[1] = (y[2] - y[n - 1]) * y[0] - y[1] + p[0];
    for (long i = 2; i < n - 1; i++)
        dy[i] = (y[i + 1] - y[i - 2]) * y[i - 1] - y[i] + p[0];
    dy[n - 1] = (y[0] - y[n - 3]) * y[n - 2] - y[n - 1] + p[0];
}

static const field FIELDS[] = {lorenz63, rossler, chua, lorenz96};

/* One step of length h; work holds 5 n numbers. */
static inline void rk4(field f, const double *p, long n, double h, double *restrict y, double *restrict work)
{
    double *k1 = work, *k2 = k1 + n, *k3 = k2 + n, *k4 = k3 + n, *s = k4 + n;
    const double half = h / 2, sixth = h / 6;
    f(p, n, y, k1);
    for (long i = 0; i < n; i++) s[i] = y[i] + half * k1[i];
    f(p, n, s, k2);
    for (long i = 0; i < n; i++) s[i] = y[i] + half * k2[i];
    f(p, n, s, k3);
    for (long i = 0; i < n; i++) s[i] = y[i] + h * k3[i];
    f(p, n, s, k4);
    for (long i = 0; i < n; i++) y[i] = y[i] + sixth * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
}

/* start (batch, n) -> out (batch, points, n): the states after (skip + 1 .. skip + points) * substeps steps of length h.
 * Returns 0, or 1 where the system is unknown or memory is short. */
int heatbath_flow(int system, const double *p, long n, double h, long substeps, long batch, long skip, long points,
                  const double *start, double *out)
{
    if (system < LORENZ63 || system > LORENZ96)
        return 1;
    double *y = malloc(6 * n * sizeof(double));
    if (!y)
        return 1;
    for (long b = 0; b < batch; b++) {
        memcpy(y, start + b * n, n * sizeof(double));
        for (long t = -skip; t < points; t++) {
            for (long i = 0; i < substeps; i++)
                rk4(FIELDS[system], p, n, h, y, y + n);
            if (t >= 0)
                memcpy(out + (b * points + t) * n, y, n * sizeof(double));
        }
    }
    free(y);
    return 0;
}

/* x' = beta xd / (1 + xd^exponent) - gamma x, xd = x(t - lag h); p: beta, gamma, exponent. */
static inline double mackey_glass(const double *p, double x, double delayed)
{
    return p[0] * delayed / (1.0 + pow(delayed, p[2])) - p[1] * x;
}

/* x (batch, lag + 1 + steps), slopes (batch, lag + steps): the first lag + 1 and lag entries are given, the others
 * filled in. Delayed values at half steps come from cubic Hermite interpolation. */
void heatbath_mackey_glass(const double *p, long lag, double h, long batch, long steps, double *x, double *slopes)
{
    const double half = h / 2, sixth = h / 6, eighth = h / 8;
    for (long b = 0; b < batch; b++) {
        double *value = x + b * (lag + 1 + steps), *slope = slopes + b * (lag + steps);
        for (long t = lag; t < lag + steps; t++) {
            const double y = value[t], begin = value[t - lag], end = value[t - lag + 1];
            const double k1 = mackey_glass(p, y, begin);
            slope[t] = k1;
            const double middle = 0.5 * (begin + end) + eighth * (slope[t - lag] - slope[t - lag + 1]);
            const double k2 = mackey_glass(p, y + half * k1, middle);
            const double k3 = mackey_glass(p, y + half * k2, middle);
            const double k4 = mackey_glass(p, y + h * k3, end);
            value[t + 1] = y + sixth * (k1 + 2 * k2 + 2 * k3 + k4);
        }
    }
}
