// Relaxed SIMD with 32-bit sums: one instruction where the CPU has a dot product of its own.
#include <wasm_simd128.h>

typedef v128_t Dot;

static inline Dot dot_start(v128_t start) { return start; }

static inline Dot dot_add(Dot dot, v128_t a, v128_t w) { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(a, w, dot); }

static inline v128_t dot_sum(Dot dot) { return dot; }

static inline Dot dot_times_16(Dot dot) { return wasm_i32x4_shl(dot, 4); }

#define WIDE_SUMS
#define LINKAGE  // kernels_relaxed_u8.c takes what is the same
#define WIDE_OPERANDS 0
#define DOT_STARTS_ANY 1
#define LOOKUP wasm_i8x16_relaxed_swizzle
#define DOT_CAPACITY INT32_MAX
#define TILES_ABREAST 8
#define TOKEN_PARTS 2
#include "matmul.h"
#include "vector_kernels.h"

const Kernels kernels_relaxed_i32 = {.name = "relaxed-i32", .packs = true, MATMUL_KERNELS, VECTOR_KERNELS};
