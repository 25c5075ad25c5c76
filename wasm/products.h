// What the products of one token and of panels share (token_product.h, panel_product.h), in one kernel set.
#ifndef NIBBLE_PRODUCTS_H
#define NIBBLE_PRODUCTS_H

#include "stretch_product.h"
#include "tile_vectors.h"

// Keeps vectors in memory, where they are aligned. V8 spills to wherever its stack happens to be.
#define IN_MEMORY(vectors) __asm__ volatile("" : : "r"(vectors) : "memory")

// Keeps a pointer that moves from being computed anew out of a loop's counter, which takes more instructions.
#define POINTER(pointer) __asm__("" : "+r"(pointer))

// Lane `u` (a constant) of four, in every lane.
INLINE v128_t splat_lane(v128_t four, const int u) {
  switch (u) {
    case 0: return wasm_i32x4_shuffle(four, four, 0, 0, 0, 0);
    case 1: return wasm_i32x4_shuffle(four, four, 1, 1, 1, 1);
    case 2: return wasm_i32x4_shuffle(four, four, 2, 2, 2, 2);
    default: return wasm_i32x4_shuffle(four, four, 3, 3, 3, 3);
  }
}

INLINE ProductClass product_class(const TileFormat *format) {
  // A sum of 16 bits takes two of a group's four products.
  const int groups = DOT_CAPACITY / (2 * 127 * format_largest(format));
  return (ProductClass){format_is_split(format),
                        tile_has_halves(format),
                        format->minima != MINIMA_NONE && !tile_folds(format),
                        tile_has_header(format) && !tile_folds(format),
                        tile_has_header(format) && !tile_folds(format) && format->scales != SCALES_NONE,
                        tile_folds(format),
                        groups >= 8   ? 8
                        : groups >= 4 ? 4
                                      : 2};
}

// Whether sums under way can begin with what a kind subtracts. Where they cannot hold any sum they can begin with the
// packed offsets of a whole block, or with nothing.
INLINE bool dots_start_with_offset(const ProductClass class, const int offset) {
  return DOT_STARTS_ANY || (offset % 8 == 0 && offset <= 8 && !class.split && !class.halves && class.interval == 8);
}

// One token's packed number behind a panel's values, in every lane: 0 the scale, 1 the offset, 2 that of the first
// half, 3 the sum.
INLINE v128_t packed_number(const uint8_t *a, const int tokens, const int token, const int number) {
  return wasm_v128_load32_splat(a + (32 + 4 * number) * tokens + 4 * token);
}

// The scale as it is.
INLINE v128_t packed_scale(const uint8_t *a, const int tokens, const int token) {
  const v128_t scale = packed_number(a, tokens, token, 0);
  return tokens == 1 ? wasm_f32x4_mul(scale, wasm_v128_load(kernel_true_scale)) : scale;
}

// -8 x the sum of the activations of a block, or of one half of it.
INLINE v128_t packed_offset(const uint8_t *a, const int tokens, const int token, const bool halves, const int half) {
  if (!halves) return packed_number(a, tokens, token, 1);
  const v128_t first = packed_number(a, tokens, token, 2);
  return half == 0 ? first : wasm_i32x4_sub(packed_number(a, tokens, token, 1), first);
}

// The sum of the activations of a block, or of one half of it, times their scale.
INLINE v128_t packed_sum(const uint8_t *a, const int tokens, const int token, const bool halves, const int half) {
  if (!halves) return packed_number(a, tokens, token, 3);
  const v128_t scale =
      wasm_f32x4_mul(packed_number(a, tokens, token, 0), wasm_v128_load(kernel_sum_scale[tokens == 1]));
  return wasm_f32x4_mul(wasm_f32x4_convert_i32x4(packed_offset(a, tokens, token, true, half)), scale);
}

// The packed offsets as a kind subtracts them.
INLINE v128_t offset_times(v128_t sum, const int offset) {
  if (!__builtin_constant_p(offset)) return wasm_i32x4_shr(wasm_i32x4_mul(sum, wasm_i32x4_splat(offset)), 3);
  switch (offset) {
    case 0: return wasm_i32x4_splat(0);
    case 1: return wasm_i32x4_shr(sum, 3);
    case 4: return wasm_i32x4_shr(sum, 1);
    case 8: return sum;
    case 16: return wasm_i32x4_shl(sum, 1);
    case 32: return wasm_i32x4_shl(sum, 2);
    case 128: return wasm_i32x4_shl(sum, 4);
    default: return wasm_i32x4_shr(wasm_i32x4_mul(sum, wasm_i32x4_splat(offset)), 3);
  }
}

// sum + a x b
INLINE v128_t add_product(v128_t sum, v128_t a, v128_t b) { return wasm_f32x4_add(sum, wasm_f32x4_mul(a, b)); }

#endif
