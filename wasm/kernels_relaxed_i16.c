// Relaxed SIMD with 16-bit sums. The second operand holds at most 7 bits, so that a pair of products fits 16 bits and
// the instruction has one meaning on every CPU; sums are emptied before they would not fit.
#include <wasm_simd128.h>

#include "kernel_sets.h"

typedef v128_t Dot;

// A pair of 16-bit lanes holds a row's sum. What overflows on the way wraps, and the whole sum fits.
static inline Dot dot_start(v128_t start) { return wasm_v128_and(start, wasm_v128_load(kernel_low_halves)); }

static inline Dot dot_add(Dot dot, v128_t a, v128_t w) {
  return wasm_i16x8_add(dot, wasm_i16x8_relaxed_dot_i8x16_i7x16(a, w));
}

static inline v128_t dot_sum(Dot dot) { return wasm_i32x4_extadd_pairwise_i16x8(dot); }

static inline Dot dot_times_16(Dot dot) { return dot; }

#define WIDE_SUMS
#define LINKAGE static
#define WIDE_OPERANDS 0
#define DOT_STARTS_ANY 0
#define LOOKUP wasm_i8x16_relaxed_swizzle
#define DOT_CAPACITY 32767
#define TILES_ABREAST 8
#define TOKEN_PARTS 1
#include "matmul.h"
#include "vector_kernels.h"

const Kernels kernels_relaxed_i16 = {.name = "relaxed-i16", .packs = true, MATMUL_KERNELS, VECTOR_KERNELS};
