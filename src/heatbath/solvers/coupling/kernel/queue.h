/* What is left of one marginal, largest mass first; ties go to the lower index.
 *
 * Symbols lie in buckets by the leading bits of their masses, bucket 0 the largest. The first bucket that holds any is
 * opened: its few symbols are sorted and taken one after the other. What a pair leaves of a symbol is mostly much smaller
 * and thrown into a later bucket; what falls into the open one waits in a heap beside it. So a step is about O(1), and
 * where all masses fall into one bucket, O(log n).
 */
#ifndef HEATBATH_COUPLING_QUEUE_H
#define HEATBATH_COUPLING_QUEUE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What is below this part of the largest mass is rounding. Masses of atoms never grow, so the first ends a coupling. */
#define DUST 0x1p-50

struct symbol { double mass; int64_t index; };
struct kept { double mass; uint32_t index, next; };

struct queue {
    struct symbol *sorted, *late;  /* the open bucket, up to a symbol of mass 0; and the heap beside it, root at 1 */
    int64_t at, size, open;        /* the next of `sorted`; the size of `late`; the open bucket */
    struct kept *kept;             /* one place a symbol, from 1 on; 0 ends a chain */
    uint32_t freed;
    uint32_t *bucket;              /* heads of chains */
    uint64_t *occupied;            /* one bit a bucket */
    int64_t buckets, first;        /* how many, and the first that holds any */
    int64_t top;                   /* bits of the largest mass */
    int shift;
};

/* Without short circuits: the outcome is random, so a branch would be mispredicted. */
static inline int before(struct symbol a, struct symbol b)
{
    return (a.mass > b.mass) | ((a.mass == b.mass) & (a.index < b.index));
}

/* Positive doubles are ordered as their bits are. */
static inline int64_t bits(double x)
{
    int64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static inline int64_t bucket_of(const struct queue *q, double mass)
{
    int64_t k = (q->top - bits(mass)) >> q->shift;
    return k < q->buckets - 1 ? k : q->buckets - 1;
}

static inline void sift_up(struct symbol *heap, int64_t node, struct symbol x)
{
    for (; node > 1 && before(x, heap[node / 2]); node /= 2) heap[node] = heap[node / 2];
    heap[node] = x;
}

/* Put x in place of the root. It mostly belongs near the leaves, so the hole goes all the way down first. */
static inline void replace_root(struct symbol *heap, int64_t size, struct symbol x)
{
    int64_t hole = 1, child = 2;
    for (; child < size; hole = child, child *= 2) {
        child += before(heap[child + 1], heap[child]);
        heap[hole] = heap[child];
    }
    if (child == size) {
        heap[hole] = heap[child];
        hole = child;
    }
    sift_up(heap, hole, x);
}

static inline void throw_in(struct queue *q, uint32_t place, double mass, int64_t index, int64_t k)
{
    q->kept[place] = (struct kept){mass, (uint32_t)index, q->bucket[k]};
    q->bucket[k] = place;
    q->occupied[k >> 6] |= 1ull << (k & 63);
    if (k < q->first) q->first = k;
}

static int falling(const void *a, const void *b)
{
    struct symbol x = *(const struct symbol *)a, y = *(const struct symbol *)b;
    return before(y, x) - before(x, y);
}

#define FEW 32 /* symbols that insertion sorts well */

static inline void open_first(struct queue *q)
{
    int64_t k = q->first, words = q->buckets >> 6, count = 0;
    struct symbol *s = q->sorted;
    for (uint32_t i = q->bucket[k], next; i; i = next) {
        struct kept *one = q->kept + i;
        struct symbol x = {one->mass, one->index};
        int64_t j = count++;
        if (count <= FEW)
            for (; j > 0 && before(x, s[j - 1]); j--) s[j] = s[j - 1];
        s[j] = x;
        next = one->next;
        one->next = q->freed;
        q->freed = i;
    }
    if (count > FEW) qsort(s, (size_t)count, sizeof *s, falling);
    s[count] = (struct symbol){0.0, INT64_MAX};
    q->at = 0;
    q->open = k;
    q->bucket[k] = 0;
    int64_t word = k >> 6;
    q->occupied[word] &= ~(1ull << (k & 63));
    while (word < words && !q->occupied[word]) word++;
    q->first = word < words ? (word << 6) + __builtin_ctzll(q->occupied[word]) : q->buckets;
    if (word < words) __builtin_prefetch(q->kept + q->bucket[q->first]);
}

/* The largest symbol left, of mass 0 if there is none; `late` says that it is the root of the heap. */
static inline struct symbol largest(struct queue *q, int *late)
{
    if (q->sorted[q->at].mass == 0 && !q->size && q->first < q->buckets) open_first(q);
    struct symbol s = q->sorted[q->at];
    *late = q->size && before(q->late[1], s);
    return *late ? q->late[1] : s;
}

/* Replace the largest symbol by what a pair of this mass leaves of it. */
static inline void take(struct queue *q, int late, struct symbol head, double mass)
{
    double rest = head.mass - mass;
    if (late) {
        struct symbol moved = q->late[q->size--];
        if (q->size) replace_root(q->late, q->size, moved);
    } else {
        q->at++;
    }
    if (!(rest > 0)) return;
    int64_t k = bucket_of(q, rest);
    if (k <= q->open) {
        sift_up(q->late, ++q->size, (struct symbol){rest, head.index});
    } else {
        uint32_t place = q->freed; /* there is one: symbols that are not kept are fewer than places */
        q->freed = q->kept[place].next;
        throw_in(q, place, rest, head.index, k);
    }
}

static int by_index(const void *a, const void *b)
{
    int64_t i = ((const struct symbol *)a)->index, j = ((const struct symbol *)b)->index;
    return (i > j) - (i < j);
}

/* p, whose order is descending, as symbols, equal masses by index: the caller's sort need not be stable. */
static inline void sorted_symbols(int64_t n, const double *p, const int64_t *order, struct symbol *symbols)
{
    for (int64_t k = 0; k < n; k++) symbols[k] = (struct symbol){p[order[k]], order[k]};
    for (int64_t k = 0, end; k < n && symbols[k].mass > 0; k = end) {
        for (end = k + 1; end < n && symbols[end].mass == symbols[k].mass; end++) {}
        if (end - k > 1) qsort(symbols + k, (size_t)(end - k), sizeof *symbols, by_index);
    }
}

static inline double greatest(int64_t n, const double *p)
{
    double top = 0;
    for (int64_t i = 0; i < n; i++) top = p[i] > top ? p[i] : top;
    return top;
}

#define NEAR 512 /* buckets that are filled together, so that they stay in the cache */

/* Fill the buckets. Symbols are first laid out by their group of NEAR buckets: so they are linked group by group, and lie
 * in memory about as they will be taken. `starts`: (buckets / NEAR + 2), zeroed. */
static void fill(struct queue *q, int64_t n, const double *p, uint32_t *starts)
{
    for (int64_t x = 0; x < n; x++)
        if (p[x] > 0) starts[bucket_of(q, p[x]) / NEAR + 1]++;
    uint32_t place = 1, groups = (uint32_t)(q->buckets / NEAR) + 2, positive = 0;
    for (uint32_t g = 1; g < groups; g++) {
        positive += starts[g];
        starts[g] += g == 1 ? place : starts[g - 1];
    }
    starts[0] = place;
    for (int64_t x = 0; x < n; x++)
        if (p[x] > 0) {
            struct kept *one = q->kept + starts[bucket_of(q, p[x]) / NEAR]++;
            one->mass = p[x];
            one->index = (uint32_t)x;
        }
    for (; place <= positive; place++) {
        struct kept *one = q->kept + place;
        throw_in(q, place, one->mass, one->index, bucket_of(q, one->mass));
    }
}

/* Buckets reach from the largest mass down to 1/64 of what a mean symbol's n-th part is: below, one holds all. */
static inline int open_queue(struct queue *q, int64_t n, const double *p)
{
    int64_t buckets = 64;
    while (buckets < n) buckets *= 2;
    size_t symbols = (size_t)(2 * n + 3) * sizeof(struct symbol), kept = (size_t)(n + 1) * sizeof(struct kept);
    size_t starts = (size_t)(buckets / NEAR + 2) * 4, table = (size_t)(buckets / 8 + buckets * 4) + starts;
    char *memory = malloc(symbols + kept + table);
    if (!memory) return 0;
    *q = (struct queue){.buckets = buckets, .first = buckets, .open = -1};
    q->sorted = (struct symbol *)memory;
    q->late = q->sorted + n + 1;
    q->kept = (struct kept *)(memory + symbols);
    q->occupied = (uint64_t *)(memory + symbols + kept);
    q->bucket = (uint32_t *)(q->occupied + buckets / 64);
    memset(q->occupied, 0, table);
    double top = greatest(n, p);
    q->top = bits(top);
    int64_t octaves = (int64_t)(log2(top * (double)n) + log2((double)n)) + 6;
    while (((octaves << 52) >> q->shift) >= buckets) q->shift++;
    fill(q, n, p, q->bucket + buckets);
    q->sorted[0] = (struct symbol){0.0, INT64_MAX};
    return 1;
}

#endif
