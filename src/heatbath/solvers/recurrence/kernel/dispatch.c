/* One copy of the recurrences per instruction set and precision; the caller asks for the one that it wants.
 *
 * `target_clones` would not do: GCC splits generic vectors into the baseline's width before it clones, so that every
 * clone would run the baseline's code.
 */
#include "kernel.h"
#ifdef __SSE2__
#include <immintrin.h>
#endif

#define JOIN_(name, isa, precision) name##_##isa##_##precision
#define JOIN(name, isa, precision) JOIN_(name, isa, precision)
#define NAME(name) JOIN(name, ISA, PRECISION)
#define TEXT_(name) #name
#define TEXT(name) TEXT_(name)
#define INLINE static inline __attribute__((always_inline))

#define ISA baseline
#define VECTOR_BYTES 16
#include "precisions.h"
#undef ISA
#undef VECTOR_BYTES

#if defined(__x86_64__) && defined(__GNUC__)
#define X86_LEVELS 1
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define ISA avx2
#define VECTOR_BYTES 32
#include "precisions.h"
#undef ISA
#undef VECTOR_BYTES
#ifdef __clang__
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")
#endif
#define ISA avx512
#define VECTOR_BYTES 64
#include "precisions.h"
#undef ISA
#undef VECTOR_BYTES
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

/* The table of the `level`-th instruction set (0 baseline, 1 AVX2, 2 AVX-512) for float64 or float32, or NULL where
 * this processor or this build has none. */
const struct kernels *recurrence_kernels(int level, int float64)
{
    switch (level) {
    case 0: return float64 ? &kernels_baseline_float64 : &kernels_baseline_float32;
#ifdef X86_LEVELS
    case 1:
        __builtin_cpu_init();
        if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return NULL;
        return float64 ? &kernels_avx2_float64 : &kernels_avx2_float32;
    case 2:
        __builtin_cpu_init();
        if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl") ||
            !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512bw"))
            return NULL;
        return float64 ? &kernels_avx512_float64 : &kernels_avx512_float32;
#endif
    default: return NULL;
    }
}
