#include "wide_sums.h"

#include <wasm_simd128.h>

typedef v128_t Dot;

static inline Dot dot_start(v128_t start) { return start; }

static inline Dot dot_add(Dot dot, v128_t a, v128_t w) {
  return wasm_i32x4_add(dot, wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_relaxed_dot_i8x16_i7x16(a, w)));
}

static inline v128_t dot_sum(Dot dot) { return dot; }

static inline Dot dot_times_16(Dot dot) { return wasm_i32x4_shl(dot, 4); }

#define WIDE_OPERANDS 0
#define DOT_STARTS_ANY 1
#define DOT_CAPACITY INT32_MAX
#define LOOKUP wasm_i8x16_relaxed_swizzle
#include "panel_product.h"

STRETCH_PRODUCT(, wide_halves, SHAPE(false, true, false), kind.offset, PANEL_TOKENS)
STRETCH_PRODUCT(, wide_halves_header, SHAPE(false, true, true), kind.offset, PANEL_TOKENS)
STRETCH_PRODUCT(, wide_split_halves_header, SHAPE(true, true, true), kind.offset, PANEL_TOKENS)
STRETCH_PRODUCT(, wide_token, UNFOLDED, kind.offset, 1)
