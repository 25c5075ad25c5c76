// Small vector helpers that the kernels share.
#ifndef NIBBLE_VECTORS_H
#define NIBBLE_VECTORS_H

#include <stdbool.h>
#include <wasm_simd128.h>

#include "float_math.h"

// Before a loop over what is left of vectors: few numbers, so that it stays one copy of its body.
#define SHORT_LOOP _Pragma("clang loop unroll(disable)")

// Four F16 numbers, each in the upper half of a 32-bit lane (what is below does not matter), as floats 2^112 too small.
static inline v128_t halves_biased(v128_t upper, v128_t half_mask) {
  return wasm_v128_and(wasm_i32x4_shr(upper, 3), half_mask);
}

// magnitude_bits() of four numbers.
static inline v128_t magnitude_bits_x4(v128_t x) { return wasm_v128_and(x, wasm_i32x4_splat(0x7fffffff)); }

// The largest of four of them, and infinity in place of NaN: as quantize_largest() gives it.
static inline float largest_of_magnitudes(v128_t bits) {
  bits = wasm_i32x4_max(bits, wasm_i32x4_shuffle(bits, bits, 2, 3, 0, 1));
  bits = wasm_i32x4_max(bits, wasm_i32x4_shuffle(bits, bits, 1, 0, 3, 2));
  return wasm_f32x4_extract_lane(wasm_i32x4_min(bits, wasm_i32x4_splat(INFINITY_BITS)), 0);
}

// Writes four results, or adds them to what is there.
static inline void store_rows(float *y, v128_t sum, bool add) {
  wasm_v128_store(y, add ? wasm_f32x4_add(wasm_v128_load(y), sum) : sum);
}

// exp_f32() of four numbers.
static inline v128_t exp_f32x4(v128_t x) {
  x = wasm_f32x4_pmax(x, wasm_f32x4_splat(EXP_LOW));
  x = wasm_f32x4_pmin(x, wasm_f32x4_splat(EXP_HIGH));
  const v128_t magic = wasm_f32x4_splat(ROUND_MAGIC);
  const v128_t shifted = wasm_f32x4_add(wasm_f32x4_mul(x, wasm_f32x4_splat(EXP_LOG2E)), magic);
  const v128_t n = wasm_f32x4_sub(shifted, magic);
  const v128_t r = wasm_f32x4_sub(wasm_f32x4_sub(x, wasm_f32x4_mul(n, wasm_f32x4_splat(EXP_LN2_HIGH))),
                                  wasm_f32x4_mul(n, wasm_f32x4_splat(EXP_LN2_LOW)));
  v128_t p = wasm_f32x4_splat(EXP_C0);
  p = wasm_f32x4_add(wasm_f32x4_mul(p, r), wasm_f32x4_splat(EXP_C1));
  p = wasm_f32x4_add(wasm_f32x4_mul(p, r), wasm_f32x4_splat(EXP_C2));
  p = wasm_f32x4_add(wasm_f32x4_mul(p, r), wasm_f32x4_splat(EXP_C3));
  p = wasm_f32x4_add(wasm_f32x4_mul(p, r), wasm_f32x4_splat(EXP_C4));
  p = wasm_f32x4_add(wasm_f32x4_mul(p, r), wasm_f32x4_splat(EXP_C5));
  p = wasm_f32x4_add(wasm_f32x4_add(wasm_f32x4_mul(p, wasm_f32x4_mul(r, r)), r), wasm_f32x4_splat(1.0f));
  return wasm_f32x4_mul(p, wasm_i32x4_add(wasm_i32x4_shl(shifted, 23), wasm_i32x4_splat(0x3f800000)));
}

#endif
