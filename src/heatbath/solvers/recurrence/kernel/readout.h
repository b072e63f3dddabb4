/* The affine observation model x = B z: its pseudo-inverse X = B+ with gradient, readout errors, condition number.
 * Small dense algebra in double precision, whatever the recurrence's. */

#define READ_COUNT 4 /* sequences at once */

struct NAME(readout) {
    int64_t N, M, wide_N, wide_M;  /* wide: vectors in a row of that many numbers */
    vector *B, *B_transposed;      /* [N][wide_M], [M][wide_N] */
    vector *X_transposed;          /* [N][wide_M] */
    vector *B_slope;               /* [N][wide_M] */
    vector *error;                 /* [READ_COUNT][wide_N] */
    double *B64, *X, *slope;       /* [N][M], [M][N], [N][M] */
    double *Q, *R, *S, *T;         /* [max(N, M)]^2 each */
    double *row;                   /* [3 (N + M)] */
    void *memory;
};

static int NAME(prepare_readout)(struct NAME(readout) *o, int64_t N, int64_t M)
{
    int64_t n = NAME(vectors)(N), m = NAME(vectors)(M), most = N > M ? N : M;
    int64_t count = 3 * N * m + M * n + READ_COUNT * n, doubles = 3 * (N * M + N + M) + 4 * most * most;
    char *memory = (char *)NAME(allocate)(count + (doubles * (int64_t)sizeof(double)) / (int64_t)sizeof(vector) + 1);
    *o = (struct NAME(readout)){.N = N, .M = M, .wide_N = n, .wide_M = m, .memory = memory};
    if (!memory) return -1;
    vector *v = (vector *)memory;
    memset(v, 0, count * sizeof *v);
    o->B = v, v += N * m;
    o->X_transposed = v, v += N * m;
    o->B_slope = v, v += N * m;
    o->B_transposed = v, v += M * n;
    o->error = v, v += READ_COUNT * n;
    double *d = (double *)v;
    o->B64 = d, d += N * M;
    o->X = d, d += N * M;
    o->slope = d, d += N * M;
    o->Q = d, d += most * most;
    o->R = d, d += most * most;
    o->S = d, d += most * most;
    o->T = d, d += most * most;
    o->row = d;
    return 0;
}

/* Householder: G [n][m], n >= m, becomes R (its upper triangle), and Q [n][m] orthonormal columns, G = Q R. */
static void NAME(qr)(double *G, double *Q, double *v, double *w, int64_t n, int64_t m)
{
    /* v [m][n] keeps the reflectors */
    for (int64_t k = 0; k < m; k++) {
        double *reflector = v + k * n, square = 0;
        for (int64_t i = k; i < n; i++) square += G[i * m + k] * G[i * m + k];
        double norm = sqrt(square), head = G[k * m + k], pivot = head > 0 ? -norm : norm;
        for (int64_t i = k; i < n; i++) reflector[i] = G[i * m + k];
        reflector[k] -= pivot;
        double length = square - head * head + reflector[k] * reflector[k];
        double scale = length > 0 ? 2 / length : 0;
        for (int64_t j = k; j < m; j++) w[j] = 0;
        for (int64_t i = k; i < n; i++)
            for (int64_t j = k; j < m; j++) w[j] += reflector[i] * G[i * m + j];
        for (int64_t i = k; i < n; i++)
            for (int64_t j = k; j < m; j++) G[i * m + j] -= scale * reflector[i] * w[j];
        for (int64_t i = k; i < n; i++) reflector[i] *= sqrt(scale);
    }
    for (int64_t i = 0; i < n * m; i++) Q[i] = 0;
    for (int64_t k = 0; k < m; k++) Q[k * m + k] = 1;
    for (int64_t k = m - 1; k >= 0; k--) {
        const double *reflector = v + k * n;
        for (int64_t j = k; j < m; j++) w[j] = 0;
        for (int64_t i = k; i < n; i++)
            for (int64_t j = k; j < m; j++) w[j] += reflector[i] * Q[i * m + j];
        for (int64_t i = k; i < n; i++)
            for (int64_t j = k; j < m; j++) Q[i * m + j] -= reflector[i] * w[j];
    }
}

/* X = B+ by QR of the taller of B and B', R in o->R [m][m], m = min(N, M); -1 if B has not full rank. */
static int NAME(invert)(struct NAME(readout) *o)
{
    int64_t N = o->N, M = o->M, n = N > M ? N : M, m = N > M ? M : N;
    double *G = o->R, *Q = o->Q;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++) G[i * m + j] = N >= M ? o->B64[i * M + j] : o->B64[j * M + i];
    NAME(qr)(G, Q, o->S, o->T, n, m);
    double largest = 0, smallest = INFINITY, epsilon = sizeof(real) == 4 ? 1.1920929e-7 : 2.220446049250313e-16;
    for (int64_t k = 0; k < m; k++) {
        double size = fabs(G[k * m + k]);
        if (!(size <= largest)) largest = size;
        if (!(size >= smallest)) smallest = size;
    }
    if (!(smallest > n * epsilon * largest)) return -1;
    /* Rows of R^-1 Q', from the last. */
    double *Y = N >= M ? o->X : o->S; /* [m][n] */
    for (int64_t i = m - 1; i >= 0; i--) {
        double *row = Y + i * n, over = 1 / G[i * m + i];
        for (int64_t c = 0; c < n; c++) row[c] = Q[c * m + i];
        for (int64_t k = i + 1; k < m; k++)
            for (int64_t c = 0; c < n; c++) row[c] -= G[i * m + k] * Y[k * n + c];
        for (int64_t c = 0; c < n; c++) row[c] *= over;
    }
    if (N < M)
        for (int64_t i = 0; i < M; i++)
            for (int64_t j = 0; j < N; j++) o->X[i * N + j] = Y[j * n + i];
    return 0;
}

/* The readout of this step's parameters; -1 if it has not full rank. */
static int NAME(set_readout)(struct NAME(readout) *o, const real *B)
{
    int64_t N = o->N, M = o->M, n = o->wide_N * LANES, m = o->wide_M * LANES;
    for (int64_t i = 0; i < N; i++)
        for (int64_t j = 0; j < M; j++) {
            o->B64[i * M + j] = B[i * M + j];
            ((real *)o->B)[i * m + j] = B[i * M + j];
            ((real *)o->B_transposed)[j * n + i] = B[i * M + j];
        }
    if (NAME(invert)(o)) return -1;
    for (int64_t i = 0; i < N; i++)
        for (int64_t j = 0; j < M; j++) ((real *)o->X_transposed)[i * m + j] = (real)o->X[j * N + i];
    memset(o->B_slope, 0, N * o->wide_M * sizeof(vector));
    memset(o->slope, 0, N * M * sizeof(double));
    return 0;
}

INLINE void NAME(put)(real *to, vector x, int64_t count)
{
    if (count >= LANES)
        *(loose *)to = x;
    else
        memcpy(to, &x, count * sizeof(real));
}

/* z[b] = X x[b], z at M numbers from each other, for `count` sequences at once: one alone would wait for its sums. */
INLINE void NAME(encode)(const struct NAME(readout) *o, const int count, const real *const *x, real *z)
{
    for (int64_t k = 0; k < o->wide_M; k++) {
        vector sum[READ_COUNT];
        for (int b = 0; b < count; b++) sum[b] = (vector){0};
        for (int64_t i = 0; i < o->N; i++) {
            vector column = o->X_transposed[i * o->wide_M + k];
            for (int b = 0; b < count; b++) sum[b] += column * x[b][i];
        }
        for (int b = 0; b < count; b++) NAME(put)(z + b * o->M + k * LANES, sum[b], o->M - k * LANES);
    }
}

/* Squared error of B z[b] against x[b], in lanes; z[b], M numbers apart, becomes scale B' error; adds to the slope of
 * B. A whole vector may be read past the last z. */
INLINE vector NAME(read)(struct NAME(readout) *o, const int count, real *z, const real *const *x, real scale)
{
    int64_t n = o->wide_N, m = o->wide_M, M = o->M, N = o->N;
    vector squares = {0};
    for (int64_t k = 0; k < n; k++) {
        vector error[READ_COUNT];
        int64_t left = N - k * LANES;
        for (int b = 0; b < count; b++) NAME(load)(&error[b], x[b] + k * LANES, left < LANES ? left : LANES);
        for (int b = 0; b < count; b++) error[b] = -error[b];
        for (int64_t i = 0; i < M; i++) {
            vector column = o->B_transposed[i * n + k];
            for (int b = 0; b < count; b++) error[b] += column * z[b * M + i];
        }
        for (int b = 0; b < count; b++) {
            squares += error[b] * error[b];
            o->error[b * n + k] = scale * error[b];
        }
    }
    const real *error = (const real *)o->error;
    for (int64_t k = 0; k < m; k++) {
        vector back[READ_COUNT], states[READ_COUNT];
        for (int b = 0; b < count; b++) {
            back[b] = (vector){0};
            states[b] = *(const loose *)(z + b * M + k * LANES);
        }
        for (int64_t i = 0; i < N; i++) {
            vector row = o->B[i * m + k], slope = o->B_slope[i * m + k];
            for (int b = 0; b < count; b++) {
                back[b] += row * error[b * n * LANES + i];
                slope += states[b] * error[b * n * LANES + i];
            }
            o->B_slope[i * m + k] = slope;
        }
        for (int b = 0; b < count; b++) NAME(put)(z + b * M + k * LANES, back[b], M - k * LANES);
    }
    return squares;
}

/* Adds the gradient that reaches B through z_1 = B+ x, for c = dLoss/dz_1 of one sequence at a time:
 * -X' c z' + e c' X X' + X' z (c - B' X' c)', e = x - B z (Golub and Pereyra, 1973). */
static void NAME(invert_adjoint)(struct NAME(readout) *o, const real *x, const real *c)
{
    int64_t N = o->N, M = o->M;
    double *z = o->row, *e = z + M, *Xc = e + N, *Xz = Xc + N, *XXc = Xz + N, *rest = XXc + M;
    for (int64_t m = 0; m < M; m++) z[m] = 0;
    for (int64_t m = 0; m < M; m++)
        for (int64_t i = 0; i < N; i++) z[m] += o->X[m * N + i] * x[i];
    for (int64_t i = 0; i < N; i++) Xc[i] = Xz[i] = 0;
    for (int64_t m = 0; m < M; m++)
        for (int64_t i = 0; i < N; i++) {
            Xc[i] += o->X[m * N + i] * c[m];
            Xz[i] += o->X[m * N + i] * z[m];
        }
    for (int64_t m = 0; m < M; m++) {
        XXc[m] = 0;
        rest[m] = c[m];
    }
    for (int64_t i = 0; i < N; i++) {
        e[i] = x[i];
        for (int64_t m = 0; m < M; m++) {
            e[i] -= o->B64[i * M + m] * z[m];
            rest[m] -= o->B64[i * M + m] * Xc[i];
        }
    }
    for (int64_t m = 0; m < M; m++)
        for (int64_t i = 0; i < N; i++) XXc[m] += o->X[m * N + i] * Xc[i];
    for (int64_t i = 0; i < N; i++)
        for (int64_t m = 0; m < M; m++) o->slope[i * M + m] += e[i] * XXc[m] + Xz[i] * rest[m] - Xc[i] * z[m];
}

/* (1 - s_max / (s_min + 1e-8))^2 of B's singular values, its gradient times `weight` added to the slope. One-sided
 * Jacobi on R of B = Q R (or B' = Q R); o->R, o->Q as `invert` left them. */
static double NAME(condition)(struct NAME(readout) *o, double weight)
{
    int64_t N = o->N, M = o->M, n = N > M ? N : M, m = N > M ? M : N;
    double *U = o->S, *V = o->T; /* rows: columns of R V, and of V */
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < m; j++) {
            U[j * m + i] = i <= j ? o->R[i * m + j] : 0;
            V[j * m + i] = i == j;
        }
    for (int sweep = 0, turned = 1; turned && sweep < 60; sweep++) {
        turned = 0;
        for (int64_t p = 0; p < m; p++)
            for (int64_t q = p + 1; q < m; q++) {
                double a = 0, b = 0, c = 0;
                for (int64_t i = 0; i < m; i++) {
                    a += U[p * m + i] * U[p * m + i];
                    b += U[q * m + i] * U[q * m + i];
                    c += U[p * m + i] * U[q * m + i];
                }
                if (!(fabs(c) > 1e-15 * sqrt(a * b))) continue;
                turned = 1;
                double zeta = (b - a) / (2 * c), t = (zeta < 0 ? -1 : 1) / (fabs(zeta) + sqrt(1 + zeta * zeta));
                double cosine = 1 / sqrt(1 + t * t), sine = cosine * t;
                for (int64_t i = 0; i < m; i++) {
                    double up = U[p * m + i], uq = U[q * m + i], vp = V[p * m + i], vq = V[q * m + i];
                    U[p * m + i] = cosine * up - sine * uq;
                    U[q * m + i] = sine * up + cosine * uq;
                    V[p * m + i] = cosine * vp - sine * vq;
                    V[q * m + i] = sine * vp + cosine * vq;
                }
            }
    }
    int64_t first = 0, last = 0;
    double largest = -1, smallest = INFINITY;
    for (int64_t j = 0; j < m; j++) {
        double size = 0;
        for (int64_t i = 0; i < m; i++) size += U[j * m + i] * U[j * m + i];
        size = sqrt(size);
        if (size > largest) largest = size, first = j;
        if (size < smallest) smallest = size, last = j;
    }
    /* d s_max = (Q u)' dB v, u = R v / s_max; likewise s_min. */
    double floor = smallest + 1e-8, ratio = largest / floor;
    double outer = 2 * (1 - ratio) * weight;
    double by_largest = -outer / floor, by_smallest = outer * largest / (floor * floor);
    for (int64_t c = 0; c < n; c++) {
        double up = 0, low = 0;
        for (int64_t i = 0; i < m; i++) {
            up += o->Q[c * m + i] * U[first * m + i];
            low += o->Q[c * m + i] * U[last * m + i];
        }
        up *= by_largest / largest, low *= by_smallest / smallest;
        for (int64_t i = 0; i < m; i++) {
            double slope = up * V[first * m + i] + low * V[last * m + i];
            o->slope[N >= M ? c * M + i : i * M + c] += slope;
        }
    }
    return (1 - ratio) * (1 - ratio);
}
