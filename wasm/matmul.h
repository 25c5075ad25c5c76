// The matrix products of one kernel set, over quantised tiles (tiles.h draws them). The file that includes this has
// defined how four columns of four rows enter a dot product:
//
//   Dot              sums under way of four rows
//   dot_zero()       an empty one
//   dot_add(d, a, w) adds, for row i = 0..3, the products of the 4 bytes of `a` (int8, the same for each row) with
//                    bytes 4 i .. 4 i + 3 of `w` (0 to 15); eight times at the most
//   dot_sum(d)       the four sums as i32x4
//
// Every function is instantiated for panels of PANEL_TOKENS tokens and of one.
#include <wasm_simd128.h>

#include "kernel_sets.h"
#include "vectors.h"

#define INLINE static inline __attribute__((always_inline))

enum { GROUPS = TILE_ROWS / 4 };

INLINE void store_rows(float *y, v128_t sum, bool add) {
  wasm_v128_store(y, add ? wasm_f32x4_add(wasm_v128_load(y), sum) : sum);
}

// The scales of rows 0-3 and of rows 4-7, 2^112 too small.
INLINE void load_scales(const uint8_t *scales, v128_t half_mask, v128_t out[GROUPS]) {
  const v128_t halves = wasm_v128_load(scales);
  out[0] = halves_biased(wasm_i32x4_shl(halves, 16), half_mask);
  out[1] = halves_biased(halves, half_mask);
}

// Dot products of one Q4 block: 4 vectors of nibble pairs for each group of rows.
INLINE void dot_q4_block(const uint8_t *block, const uint8_t *a, v128_t mask, const int tokens, Dot dots[][GROUPS]) {
#pragma unroll
  for (int u = 0; u < tokens; u++)
    for (int g = 0; g < GROUPS; g++)
      dots[u][g] = dot_zero();
#pragma unroll
  for (int j = 0; j < 4; j++)
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
      const v128_t pairs = wasm_v128_load(block + (j * GROUPS + g) * 16);
      // Shifting 16-bit lanes and masking beats i8x16.shr_u, which V8 expands.
      const v128_t low = wasm_v128_and(pairs, mask), high = wasm_v128_and(wasm_u16x8_shr(pairs, 4), mask);
#pragma unroll
      for (int u = 0; u < tokens; u++) {
        dots[u][g] = dot_add(dots[u][g], wasm_v128_load32_splat(a + (j * tokens + u) * 4), low);
        dots[u][g] = dot_add(dots[u][g], wasm_v128_load32_splat(a + ((j + 4) * tokens + u) * 4), high);
      }
    }
}

INLINE void tile_q4_0(const uint8_t *tile, int blocks, const uint8_t *a, float *y, size_t y_stride, bool add,
                      const int tokens) {
  const v128_t mask = wasm_v128_load(kernel_nibble_mask), half_mask = wasm_v128_load(kernel_half_mask);
  v128_t sums[PANEL_TOKENS][GROUPS];
  for (int u = 0; u < tokens; u++)
    for (int g = 0; g < GROUPS; g++)
      sums[u][g] = wasm_f32x4_splat(0);
  for (int b = 0; b < blocks; b++, tile += 144, a += tokens * PACKED_BLOCK_BYTES) {
    Dot dots[PANEL_TOKENS][GROUPS];
    dot_q4_block(tile, a, mask, tokens, dots);
    v128_t scales[GROUPS];
    load_scales(tile + 128, half_mask, scales);
#pragma unroll
    for (int u = 0; u < tokens; u++) {
      const v128_t scale = wasm_v128_load32_splat(a + 32 * tokens + 4 * u);
      const v128_t eight_sums = wasm_i32x4_shl(wasm_v128_load32_splat(a + 36 * tokens + 4 * u), 3);
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        const v128_t dot = wasm_f32x4_convert_i32x4(wasm_i32x4_sub(dot_sum(dots[u][g]), eight_sums));
        sums[u][g] = wasm_f32x4_add(sums[u][g], wasm_f32x4_mul(dot, wasm_f32x4_mul(scale, scales[g])));
      }
    }
  }
  for (int u = 0; u < tokens; u++)
    for (int g = 0; g < GROUPS; g++)
      store_rows(y + (size_t)u * y_stride + 4 * g, sums[u][g], add);
}

INLINE void tile_q4_1(const uint8_t *tile, int blocks, const uint8_t *a, float *y, size_t y_stride, bool add,
                      const int tokens) {
  const v128_t mask = wasm_v128_load(kernel_nibble_mask), half_mask = wasm_v128_load(kernel_half_mask);
  v128_t sums[PANEL_TOKENS][GROUPS];
  for (int u = 0; u < tokens; u++)
    for (int g = 0; g < GROUPS; g++)
      sums[u][g] = wasm_f32x4_splat(0);
  for (int b = 0; b < blocks; b++, tile += 160, a += tokens * PACKED_BLOCK_BYTES) {
    Dot dots[PANEL_TOKENS][GROUPS];
    dot_q4_block(tile, a, mask, tokens, dots);
    v128_t scales[GROUPS], minima[GROUPS];
    load_scales(tile + 128, half_mask, scales);
    load_scales(tile + 144, half_mask, minima);
#pragma unroll
    for (int u = 0; u < tokens; u++) {
      const v128_t scale = wasm_v128_load32_splat(a + 32 * tokens + 4 * u);
      const v128_t sum = wasm_f32x4_convert_i32x4(wasm_v128_load32_splat(a + 36 * tokens + 4 * u));
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        const v128_t dot = wasm_f32x4_convert_i32x4(dot_sum(dots[u][g]));
        sums[u][g] = wasm_f32x4_add(sums[u][g], wasm_f32x4_mul(dot, wasm_f32x4_mul(scale, scales[g])));
        sums[u][g] = wasm_f32x4_add(sums[u][g], wasm_f32x4_mul(sum, wasm_f32x4_mul(scale, minima[g])));
      }
    }
  }
  for (int u = 0; u < tokens; u++)
    for (int g = 0; g < GROUPS; g++)
      store_rows(y + (size_t)u * y_stride + 4 * g, sums[u][g], add);
}

// value + 128 = 16 * high nibble + low nibble: two dot products over the same activations.
INLINE void tile_q8_0(const uint8_t *tile, int blocks, const uint8_t *a, float *y, size_t y_stride, bool add,
                      const int tokens) {
  const v128_t mask = wasm_v128_load(kernel_nibble_mask), half_mask = wasm_v128_load(kernel_half_mask);
  v128_t sums[PANEL_TOKENS][GROUPS];
  for (int u = 0; u < tokens; u++)
    for (int g = 0; g < GROUPS; g++)
      sums[u][g] = wasm_f32x4_splat(0);
  for (int b = 0; b < blocks; b++, tile += 272, a += tokens * PACKED_BLOCK_BYTES) {
    Dot low[PANEL_TOKENS][GROUPS], high[PANEL_TOKENS][GROUPS];
#pragma unroll
    for (int u = 0; u < tokens; u++)
      for (int g = 0; g < GROUPS; g++)
        low[u][g] = high[u][g] = dot_zero();
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        const v128_t bytes = wasm_v128_load(tile + (j * GROUPS + g) * 16);
        const v128_t l = wasm_v128_and(bytes, mask), h = wasm_v128_and(wasm_u16x8_shr(bytes, 4), mask);
#pragma unroll
        for (int u = 0; u < tokens; u++) {
          const v128_t x = wasm_v128_load32_splat(a + (j * tokens + u) * 4);
          low[u][g] = dot_add(low[u][g], x, l);
          high[u][g] = dot_add(high[u][g], x, h);
        }
      }
    v128_t scales[GROUPS];
    load_scales(tile + 256, half_mask, scales);
#pragma unroll
    for (int u = 0; u < tokens; u++) {
      const v128_t scale = wasm_v128_load32_splat(a + 32 * tokens + 4 * u);
      const v128_t offset = wasm_i32x4_shl(wasm_v128_load32_splat(a + 36 * tokens + 4 * u), 7);
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        const v128_t sum = wasm_i32x4_add(dot_sum(low[u][g]), wasm_i32x4_shl(dot_sum(high[u][g]), 4));
        const v128_t dot = wasm_f32x4_convert_i32x4(wasm_i32x4_sub(sum, offset));
        sums[u][g] = wasm_f32x4_add(sums[u][g], wasm_f32x4_mul(dot, wasm_f32x4_mul(scale, scales[g])));
      }
    }
  }
  for (int u = 0; u < tokens; u++)
    for (int g = 0; g < GROUPS; g++)
      store_rows(y + (size_t)u * y_stride + 4 * g, sums[u][g], add);
}

#define MATMUL_QUANTIZED(name, tile_product, block_bytes)                                                             \
  static void name(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride, bool add) { \
    const int blocks = x->columns / TILE_BLOCK, in_panels = x->tokens / PANEL_TOKENS * PANEL_TOKENS;                  \
    const size_t token_bytes = (size_t)blocks * PACKED_BLOCK_BYTES;                                                   \
    for (int i = 0; i < tile_count; i++, tiles += (size_t)blocks * block_bytes, y += TILE_ROWS) {                     \
      for (int t = 0; t < in_panels; t += PANEL_TOKENS)                                                               \
        tile_product(tiles, blocks, x->packed + (size_t)t * token_bytes, y + (size_t)t * y_stride, y_stride, add,     \
                     PANEL_TOKENS);                                                                                   \
      for (int t = in_panels; t < x->tokens; t++)                                                                     \
        tile_product(tiles, blocks, x->packed + (size_t)t * token_bytes, y + (size_t)t * y_stride, y_stride, add, 1); \
    }                                                                                                                 \
  }

MATMUL_QUANTIZED(matmul_q4_0, tile_q4_0, 144)
MATMUL_QUANTIZED(matmul_q4_1, tile_q4_1, 160)
MATMUL_QUANTIZED(matmul_q8_0, tile_q8_0, 272)
