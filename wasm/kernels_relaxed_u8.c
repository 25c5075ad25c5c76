// Relaxed SIMD with 32-bit sums and weights of 8 bits, which the dot product takes without a sign on processors with
// AVX-VNNI. The instruction leaves that open, so kernels_verify() decides where this set runs. What has 7 bits is
// multiplied as in relaxed-i32.
#include <wasm_simd128.h>

typedef v128_t Dot;

static inline Dot dot_start(v128_t start) { return start; }

static inline Dot dot_add(Dot dot, v128_t a, v128_t w) { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(a, w, dot); }

static inline v128_t dot_sum(Dot dot) { return dot; }

static inline Dot dot_times_16(Dot dot) { return wasm_i32x4_shl(dot, 4); }

#define LINKAGE static
#define WIDE_OPERANDS 1
#define DOT_STARTS_ANY 1
#define LOOKUP wasm_i8x16_relaxed_swizzle
#define DOT_CAPACITY INT32_MAX
#define TILES_ABREAST 8
#define TOKEN_PARTS 2
#include "matmul.h"
#include "vector_kernels.h"

const Kernels kernels_relaxed_u8 = {.name = "relaxed-u8", .packs = true, MATMUL_KERNELS, VECTOR_KERNELS};
