/* Entropy-bounded information maximisation by a deterministic map, in closed form; the mathematics: closed_form.py.
 * Sums run in the order of the plain reference, so that both decide and round alike. */
#include "queue.h"

#define TOLERANCE 1e-12

static double merge_loss(double a, double b)
{
    return a * log2(1 + b / a) + b * log2(1 + a / b);
}

/* H of the state whose k + 1 largest symbols are one; sums[k] their mass, tails[k] = sum of s log2 s beyond them. */
static double state(int64_t k, int64_t last, const double *sums, const double *tails)
{
    return k == last ? 0.0 : -sums[k] * log2(sums[k]) - tails[k];
}

/* sums, tails: work space of n. Writes labels (n) and masses of the codes (n, zeroed); returns H(T). */
static double encode(int64_t n, const double *p, double rate, const struct symbol *s, double *sums, double *tails,
                     int64_t *labels, double *codes)
{
    int64_t m = 0;
    double limit = rate + TOLERANCE, sum = 0, tail = 0;
    for (; m < n && s[m].mass > 0; m++) sums[m] = sum += s[m].mass;
    for (int64_t k = m - 1; k >= 0; k--) {
        tails[k] = tail;
        tail += s[k].mass * log2(s[k].mass);
    }
    int64_t last = m - 1, low = 0, high = last; /* the first state that fits lies in [low, high] */
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (state(middle, last, sums, tails) <= limit) high = middle;
        else low = middle + 1;
    }
    double entropy = state(low, last, sums, tails);
    int64_t merged = low, codes_left = last - low;
    if (low == 0) {
        for (int64_t x = 0; x < n; x++) {
            labels[x] = x;
            codes[x] = p[x];
        }
        return entropy;
    }
    if (low < last) {
        double small = state(low - 1, last, sums, tails) - merge_loss(s[last].mass, s[last - 1].mass);
        if (small <= limit) {
            entropy = small;
            merged = low - 1;
        }
    }
    for (int64_t k = 0; k < n; k++) {
        int64_t label = k < merged ? 0 : k - merged;
        labels[s[k].index] = label < codes_left ? label : codes_left;
    }
    for (int64_t x = 0; x < n; x++) codes[labels[x]] += p[x];
    return entropy;
}

/* P, order: (batch, n), order descending; rates: (batch); labels, codes: (batch, n), codes zeroed; entropies: (batch).
 * Returns 0, or -1 without memory. */
int64_t ebim_rows(int64_t batch, int64_t n, const double *P, const int64_t *order, const double *rates, int64_t *labels,
                  double *codes, double *entropies)
{
    struct symbol *s = malloc((size_t)n * (sizeof *s + 2 * sizeof(double)));
    if (!s) return -1;
    double *sums = (double *)(s + n);
    for (int64_t b = 0; b < batch; b++) {
        sorted_symbols(n, P + b * n, order + b * n, s);
        entropies[b] = encode(n, P + b * n, rates[b], s, sums, sums + n, labels + b * n, codes + b * n);
    }
    free(s);
    return 0;
}
