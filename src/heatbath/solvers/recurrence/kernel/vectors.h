/* One native vector, and what the recurrences do with it. */
#define LANES (VECTOR_BYTES / REAL_BYTES)
#define vector NAME(vector)
#define mask NAME(mask)
#define loose NAME(loose)
typedef real vector __attribute__((vector_size(VECTOR_BYTES)));
typedef integer mask __attribute__((vector_size(VECTOR_BYTES)));
typedef real loose __attribute__((vector_size(VECTOR_BYTES), aligned(REAL_BYTES), may_alias)); /* unaligned */

/* Selections: AVX-512 has a form of them that costs nothing beside the arithmetic. NaN stays NaN in
 * `at_least` and `at_most`. */
#if VECTOR_BYTES == 64
#if REAL_BYTES == 4
#define MM512(name) _mm512_##name##_ps
#define choice NAME(choice)
typedef __mmask16 choice;
#else
#define MM512(name) _mm512_##name##_pd
#define choice NAME(choice)
typedef __mmask8 choice;
#endif
INLINE choice NAME(above)(vector x, vector y)
{
    return REAL_BYTES == 4 ? _mm512_cmp_ps_mask((__m512)x, (__m512)y, _CMP_GT_OQ)
                           : _mm512_cmp_pd_mask((__m512d)x, (__m512d)y, _CMP_GT_OQ);
}
INLINE vector NAME(where)(choice c, vector x) { return MM512(maskz_mov)(c, x); }
INLINE vector NAME(difference_where)(choice c, vector x, vector y) { return MM512(maskz_sub)(c, x, y); }
INLINE vector NAME(less_where)(choice c, vector x, vector y) { return MM512(mask_sub)(x, c, x, y); }
INLINE vector NAME(more_where)(choice c, vector x, vector y) { return MM512(mask_add)(x, c, x, y); }
INLINE vector NAME(at_least)(vector low, vector x) { return MM512(max)(low, x); }
INLINE vector NAME(at_most)(vector high, vector x) { return MM512(min)(high, x); }
#else
#define choice mask
INLINE choice NAME(above)(vector x, vector y) { return x > y; }
INLINE vector NAME(where)(choice c, vector x) { return (vector)(c & (mask)x); }
INLINE vector NAME(difference_where)(choice c, vector x, vector y) { return NAME(where)(c, x - y); }
INLINE vector NAME(less_where)(choice c, vector x, vector y) { return x - NAME(where)(c, y); }
INLINE vector NAME(more_where)(choice c, vector x, vector y) { return x + NAME(where)(c, y); }
#if VECTOR_BYTES == 32 && REAL_BYTES == 4
INLINE vector NAME(at_least)(vector low, vector x) { return _mm256_max_ps(low, x); }
INLINE vector NAME(at_most)(vector high, vector x) { return _mm256_min_ps(high, x); }
#elif VECTOR_BYTES == 32
INLINE vector NAME(at_least)(vector low, vector x) { return _mm256_max_pd(low, x); }
INLINE vector NAME(at_most)(vector high, vector x) { return _mm256_min_pd(high, x); }
#elif defined(__SSE2__) && REAL_BYTES == 4
INLINE vector NAME(at_least)(vector low, vector x) { return _mm_max_ps(low, x); }
INLINE vector NAME(at_most)(vector high, vector x) { return _mm_min_ps(high, x); }
#elif defined(__SSE2__)
INLINE vector NAME(at_least)(vector low, vector x) { return _mm_max_pd(low, x); }
INLINE vector NAME(at_most)(vector high, vector x) { return _mm_min_pd(high, x); }
#else
INLINE vector NAME(at_least)(vector low, vector x)
{
    mask below = x < low;
    return (vector)((below & (mask)low) | (~below & (mask)x));
}
INLINE vector NAME(at_most)(vector high, vector x)
{
    mask beyond = x > high;
    return (vector)((beyond & (mask)high) | (~beyond & (mask)x));
}
#endif
#endif

#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif
#if VECTOR_BYTES / REAL_BYTES == 2
#define EACH_LANE(f, s) f(0, s), f(1, s)
#elif VECTOR_BYTES / REAL_BYTES == 4
#define EACH_LANE(f, s) f(0, s), f(1, s), f(2, s), f(3, s)
#elif VECTOR_BYTES / REAL_BYTES == 8
#define EACH_LANE(f, s) f(0, s), f(1, s), f(2, s), f(3, s), f(4, s), f(5, s), f(6, s), f(7, s)
#else
#define EACH_LANE(f, s)                                                                                         \
    f(0, s), f(1, s), f(2, s), f(3, s), f(4, s), f(5, s), f(6, s), f(7, s), f(8, s), f(9, s), f(10, s), f(11, s), \
        f(12, s), f(13, s), f(14, s), f(15, s)
#endif
/* Lane i with bit s clear: a[i] and a[i + s]; set: b[i] and b[i - s]. The first is a blend, which needs no shuffle. */
#define NEAR(i, s) ((i) & (s) ? LANES + (i) : (i))
#define FAR(i, s) ((i) & (s) ? LANES + (i) - (s) : (i) + (s))
#define FOLD(a, b, s) (SHUFFLE(a, b, EACH_LANE(NEAR, s)) + SHUFFLE(a, b, EACH_LANE(FAR, s)))

/* Sums over the lanes of LANES vectors; lane i of the result belongs to x[i]. */
INLINE vector NAME(sums)(const vector *x)
{
    vector y[LANES];
    for (int k = 0; k < LANES / 2; k++) y[k] = FOLD(x[2 * k], x[2 * k + 1], 1);
#if VECTOR_BYTES / REAL_BYTES > 2
    for (int k = 0; k < LANES / 4; k++) y[k] = FOLD(y[2 * k], y[2 * k + 1], 2);
#endif
#if VECTOR_BYTES / REAL_BYTES > 4
    for (int k = 0; k < LANES / 8; k++) y[k] = FOLD(y[2 * k], y[2 * k + 1], 4);
#endif
#if VECTOR_BYTES / REAL_BYTES > 8
    y[0] = FOLD(y[0], y[1], 8);
#endif
    return y[0];
}

INLINE real NAME(sum)(vector x)
{
    real total = 0;
    for (int i = 0; i < LANES; i++) total += x[i];
    return total;
}

INLINE int64_t NAME(vectors)(int64_t n) { return (n + LANES - 1) / LANES; }

/* n numbers into whole vectors, the rest zero. */
INLINE void NAME(load)(vector *to, const real *from, int64_t n)
{
    int64_t k = 0;
    for (; k < n / LANES; k++) to[k] = *(const loose *)(from + k * LANES);
    if (k * LANES == n) return;
    to[k] = (vector){0};
    for (int64_t i = k * LANES; i < n; i++) ((real *)to)[i] = from[i];
}

INLINE void NAME(store)(real *to, const vector *from, int64_t n)
{
    int64_t k = 0;
    for (; k < n / LANES; k++) *(loose *)(to + k * LANES) = from[k];
    for (int64_t i = k * LANES; i < n; i++) to[i] = ((const real *)from)[i];
}

/* `count` vectors, or NULL. */
static vector *NAME(allocate)(int64_t count)
{
    if (count < 0 || (uint64_t)count > SIZE_MAX / 2 / sizeof(vector)) return NULL;
    return aligned_alloc(sizeof(vector), (count ? (size_t)count : 1) * sizeof(vector));
}
