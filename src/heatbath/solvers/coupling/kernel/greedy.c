/* Greedy minimum-entropy coupling (Kocaoglu et al., AAAI 2017).
 *
 * While mass is left: take the largest symbol of every marginal, give that tuple the smallest of their masses, subtract
 * it from all. Every step uses up a symbol, so there are fewer tuples than symbols.
 */
#include "queue.h"

#define MOST 16 /* marginals */

static inline int64_t couple(int64_t marginals, struct queue *queues, int64_t capacity, double dust, int64_t *indices,
                             double *mass)
{
    struct symbol head[MOST] = {{0, 0}};
    int late[MOST];
    for (int64_t atoms = 0;; atoms++) {
        for (int64_t k = 0; k < marginals; k++) head[k] = largest(queues + k, late + k);
        double r = head[0].mass;
        for (int64_t k = 1; k < marginals; k++) r = head[k].mass < r ? head[k].mass : r;
        if (!(r > dust)) return atoms;
        mass[atoms] = r;
        for (int64_t k = 0; k < marginals; k++) {
            indices[k * capacity + atoms] = head[k].index;
            take(queues + k, late[k], head[k], r);
        }
    }
}

/* p: the marginals, 2 to 16 of them; sizes: their lengths.
 * indices: (marginals, sum of sizes); mass: (sum of sizes). Returns the number of atoms, or -1 without memory. */
int64_t greedy(int64_t marginals, const int64_t *sizes, const double *const *p, int64_t *indices, double *mass)
{
    struct queue queues[MOST];
    int64_t opened = 0, capacity = 0, atoms = -1;
    double dust = 0;
    for (; opened < marginals; opened++) {
        if (!open_queue(queues + opened, sizes[opened], p[opened])) break;
        double own = DUST * greatest(sizes[opened], p[opened]);
        dust = own > dust ? own : dust;
        capacity += sizes[opened];
    }
    if (opened == marginals)
        atoms = marginals == 2 ? couple(2, queues, capacity, dust, indices, mass)
                               : couple(marginals, queues, capacity, dust, indices, mass);
    while (opened--) free(queues[opened].sorted);
    return atoms;
}

/* Many messages, few actions: one walk along the sorted messages. A message that overflows an action uses that action
 * up, so `pool` holds at most one residual an action. */
static void walk(int64_t n, const struct symbol *stream, int64_t actions, const double *q, double *left,
                 struct symbol *pool, double *coupling)
{
    int64_t k = 0, pooled = 0;
    double top = greatest(actions, q), dust = DUST * (stream->mass > top ? stream->mass : top);
    memcpy(left, q, (size_t)actions * sizeof *left);
    for (;;) {
        struct symbol message = k < n ? stream[k] : (struct symbol){0.0, INT64_MAX};
        int64_t slot = -1, action = 0;
        for (int64_t i = 0; i < pooled; i++)
            if (before(pool[i], message)) {
                message = pool[i];
                slot = i;
            }
        for (int64_t j = 1; j < actions; j++)
            if (left[j] > left[action]) action = j;
        double r = message.mass < left[action] ? message.mass : left[action];
        if (!(r > dust)) return;
        coupling[message.index * actions + action] = r;
        left[action] -= r;
        message.mass -= r;
        if (slot < 0) k++;
        if (message.mass > 0) pool[slot < 0 ? pooled++ : slot] = message;
        else if (slot >= 0) pool[slot] = pool[--pooled];
    }
}

/* P, order: (batch, n), order descending; Q: (batch, actions); coupling: (batch, n, actions), zeroed.
 * Returns 0, or -1 without memory. */
int64_t greedy_rows(int64_t batch, int64_t n, int64_t actions, const double *P, const int64_t *order, const double *Q,
                    double *coupling)
{
    struct symbol *stream = malloc((size_t)(n + actions + 1) * sizeof *stream + (size_t)actions * sizeof(double));
    if (!stream) return -1;
    struct symbol *pool = stream + n;
    double *left = (double *)(pool + actions + 1);
    for (int64_t b = 0; b < batch; b++) {
        sorted_symbols(n, P + b * n, order + b * n, stream);
        walk(n, stream, actions, Q + b * actions, left, pool, coupling + b * n * actions);
    }
    free(stream);
    return 0;
}
