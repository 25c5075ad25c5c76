// Plain SIMD128, for browsers without the relaxed instructions: bytes are widened to 16 bits and multiplied pairwise.
#include <wasm_simd128.h>

// Partial sums of two columns each: rows 0 and 1, rows 2 and 3.
typedef struct {
  v128_t rows01, rows23;
} Dot;

static inline Dot dot_start(v128_t start) {
  const v128_t zero = wasm_i32x4_splat(0);
  return (Dot){wasm_i32x4_shuffle(start, zero, 0, 4, 1, 5), wasm_i32x4_shuffle(start, zero, 2, 6, 3, 7)};
}

static inline Dot dot_add(Dot dot, v128_t a, v128_t w) {
  const v128_t wide = wasm_i16x8_extend_low_i8x16(a);
  return (Dot){wasm_i32x4_add(dot.rows01, wasm_i32x4_dot_i16x8(wide, wasm_u16x8_extend_low_u8x16(w))),
               wasm_i32x4_add(dot.rows23, wasm_i32x4_dot_i16x8(wide, wasm_u16x8_extend_high_u8x16(w)))};
}

static inline v128_t dot_sum(Dot dot) {
  return wasm_i32x4_add(wasm_i32x4_shuffle(dot.rows01, dot.rows23, 0, 2, 4, 6),
                        wasm_i32x4_shuffle(dot.rows01, dot.rows23, 1, 3, 5, 7));
}

static inline Dot dot_times_16(Dot dot) { return (Dot){wasm_i32x4_shl(dot.rows01, 4), wasm_i32x4_shl(dot.rows23, 4)}; }

#define LINKAGE static
#define WIDE_OPERANDS 0
#define DOT_STARTS_ANY 1
#define LOOKUP wasm_i8x16_swizzle
#define DOT_CAPACITY INT32_MAX
#define TILES_ABREAST 4
#define TOKEN_PARTS 1
#include "matmul.h"
#include "vector_kernels.h"

const Kernels kernels_simd128 = {.name = "simd128", .packs = true, MATMUL_KERNELS, VECTOR_KERNELS};
