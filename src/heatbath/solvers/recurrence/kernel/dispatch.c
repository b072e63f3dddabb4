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
#define AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")))
#pragma clang attribute push(AVX512, apply_to = function)
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

#ifdef X86_LEVELS
#include <cpuid.h>

/* 2 where processor and operating system have AVX-512 (F, DQ, BW, VL), 1 where AVX2 and FMA, else 0. Asked of the
 * processor itself, since __builtin_cpu_supports needs a run-time library that not every compiler brings. */
static int supported_level(void)
{
    unsigned a, b, c, d, enabled, upper;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const unsigned fma = 1u << 12, osxsave = 1u << 27;
    if ((c & (fma | osxsave)) != (fma | osxsave)) return 0;
    __asm__("xgetbv" : "=a"(enabled), "=d"(upper) : "c"(0));
    if ((enabled & 0x06) != 0x06 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 5)) return 0;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    return (b & avx512) == avx512 && (enabled & 0xe6) == 0xe6 ? 2 : 1;
}
#endif

/* The table of the `level`-th instruction set (0 baseline, 1 AVX2, 2 AVX-512) for float64 or float32, or NULL where
 * this processor or this build has none. */
const struct kernels *recurrence_kernels(int level, int float64)
{
#ifdef X86_LEVELS
    static const struct kernels *tables[][2] = {{&kernels_baseline_float32, &kernels_baseline_float64},
                                                {&kernels_avx2_float32, &kernels_avx2_float64},
                                                {&kernels_avx512_float32, &kernels_avx512_float64}};
    int highest = supported_level();
#else
    static const struct kernels *tables[][2] = {{&kernels_baseline_float32, &kernels_baseline_float64}};
    int highest = 0;
#endif
    return level < 0 || level > highest ? NULL : tables[level][!!float64];
}
