/* What is left of one marginal, largest mass first; ties go to the lower index.
 *
 * Symbols are told apart by the leading bits of their masses, in two steps: a group, and a bucket of it. Groups hold
 * theirs in blocks of memory, in no order. The first group that holds any is dealt out to the buckets, the first of these
 * is sorted, and its few symbols are taken one after the other. What a pair leaves of a symbol is mostly much smaller and
 * goes to a later group; what falls into the sorted bucket waits in a heap beside it. So a step is about O(1), memory is
 * written and read in order, and where all masses fall into one bucket a step is O(log n).
 */
#ifndef HEATBATH_COUPLING_QUEUE_H
#define HEATBATH_COUPLING_QUEUE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What is below this part of the largest mass is rounding. Masses of atoms never grow, so the first ends a coupling. */
#define DUST 0x1p-50

#define BLOCK 15 /* symbols: with the header, four lines of cache */
#define NEAR 9   /* a group has 2^NEAR buckets, or all there are if they are fewer */

struct symbol { double mass; int64_t index; };
struct kept { double mass; uint32_t index, next; };
struct block { uint64_t next; struct kept symbols[BLOCK]; };
struct group { uint32_t block, count; }; /* the head of a chain of blocks, and how many symbols this one holds */

struct queue {
    struct symbol *sorted, *late;     /* the open bucket, up to a symbol of mass 0; and the heap beside it, root at 1 */
    int64_t at, size, open;           /* the next of `sorted`; the size of `late`; the open bucket */
    struct kept *kept;                /* symbols of the group that was dealt out, from 1 on; 0 ends a chain */
    uint32_t fresh, freed;
    uint32_t bucket[1 << NEAR];       /* heads of chains */
    uint64_t occupied[1 << NEAR >> 6];
    int64_t first;                    /* of the group's buckets, the first that holds any */
    struct block *blocks;             /* from 1 on; 0 ends a chain */
    uint32_t fresh_block, freed_block;
    struct group *group;
    int64_t groups, dealt, buckets;   /* how many, the one that was dealt out last; buckets in all */
    int64_t top;                      /* bits of the largest mass */
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

/* Into a group that is still to come. */
static inline void put_by(struct queue *q, double mass, int64_t index, int64_t g)
{
    struct group *to = q->group + g;
    if (to->count == BLOCK || !to->block) {
        uint32_t another = q->freed_block;
        if (another) q->freed_block = (uint32_t)q->blocks[another].next;
        else another = ++q->fresh_block;
        q->blocks[another].next = to->block;
        *to = (struct group){another, 0};
    }
    q->blocks[to->block].symbols[to->count++] = (struct kept){mass, (uint32_t)index, 0};
}

/* Into a bucket of the group that was dealt out. */
static inline void throw_in(struct queue *q, double mass, int64_t index, int64_t k)
{
    uint32_t place = q->freed;
    if (place) q->freed = q->kept[place].next;
    else place = ++q->fresh;
    q->kept[place] = (struct kept){mass, (uint32_t)index, q->bucket[k]};
    q->bucket[k] = place;
    q->occupied[k >> 6] |= 1ull << (k & 63);
    if (k < q->first) q->first = k;
}

/* Deal the next group out to the buckets; 0 if there is none. */
static int deal(struct queue *q)
{
    int64_t g = q->dealt + 1;
    while (g < q->groups && !q->group[g].block) g++;
    if (g == q->groups) return 0;
    q->dealt = g;
    uint32_t count = q->group[g].count;
    for (uint32_t b = q->group[g].block, next; b; b = next, count = BLOCK) {
        struct block *block = q->blocks + b;
        next = (uint32_t)block->next;
        for (uint32_t line = 0; line < sizeof *block; line += 64) __builtin_prefetch((char *)(q->blocks + next) + line);
        for (uint32_t i = 0; i < count; i++) {
            struct kept one = block->symbols[i];
            throw_in(q, one.mass, one.index, bucket_of(q, one.mass) & ((1 << NEAR) - 1));
        }
        block->next = q->freed_block;
        q->freed_block = b;
    }
    q->group[g].block = 0;
    return 1;
}

static int falling(const void *a, const void *b)
{
    struct symbol x = *(const struct symbol *)a, y = *(const struct symbol *)b;
    return before(y, x) - before(x, y);
}

#define FEW 32 /* symbols that insertion sorts well */

static inline void open_first(struct queue *q)
{
    int64_t k = q->first, count = 0;
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
    q->open = (q->dealt << NEAR) + k;
    q->bucket[k] = 0;
    int64_t word = k >> 6, words = 1 << NEAR >> 6;
    q->occupied[word] &= ~(1ull << (k & 63));
    while (word < words && !q->occupied[word]) word++;
    q->first = word < words ? (word << 6) + __builtin_ctzll(q->occupied[word]) : 1 << NEAR;
}

/* The largest symbol left, of mass 0 if there is none; `late` says that it is the root of the heap. */
static inline struct symbol largest(struct queue *q, int *late)
{
    if (q->sorted[q->at].mass == 0 && !q->size && (q->first < 1 << NEAR || deal(q))) open_first(q);
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
    if (k <= q->open) sift_up(q->late, ++q->size, (struct symbol){rest, head.index});
    else if (k >> NEAR == q->dealt) throw_in(q, rest, head.index, k & ((1 << NEAR) - 1));
    else put_by(q, rest, head.index, k >> NEAR);
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

/* Buckets reach from the largest mass down to 1/64 of what a mean symbol's n-th part is: below, one holds all. */
static inline int open_queue(struct queue *q, int64_t n, const double *p)
{
    int64_t buckets = 64;
    while (buckets < n) buckets *= 2;
    int64_t groups = ((buckets - 1) >> NEAR) + 1;
    size_t symbols = (size_t)(2 * n + 3) * sizeof(struct symbol), kept = (size_t)(n + 1) * sizeof(struct kept);
    size_t blocks = (size_t)(n / BLOCK + groups + 2) * sizeof(struct block);
    char *memory = malloc(symbols + kept + blocks + (size_t)groups * sizeof(struct group));
    if (!memory) return 0;
    memset(q, 0, sizeof *q);
    q->sorted = (struct symbol *)memory;
    q->late = q->sorted + n + 1;
    q->kept = (struct kept *)(memory + symbols);
    q->blocks = (struct block *)(memory + symbols + kept);
    q->group = (struct group *)(memory + symbols + kept + blocks);
    memset(q->group, 0, (size_t)groups * sizeof(struct group));
    q->first = 1 << NEAR;
    q->open = q->dealt = -1;
    q->groups = groups;
    q->buckets = buckets;
    double top = greatest(n, p);
    q->top = bits(top);
    int64_t octaves = (int64_t)(log2(top * (double)n) + log2((double)n)) + 6;
    while (((octaves << 52) >> q->shift) >= buckets) q->shift++;
    for (int64_t x = 0; x < n; x++)
        if (p[x] > 0) put_by(q, p[x], x, bucket_of(q, p[x]) >> NEAR);
    q->sorted[0] = (struct symbol){0.0, INT64_MAX};
    return 1;
}

#endif
