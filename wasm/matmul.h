// The matrix products of one kernel set, over quantised tiles (tiles.h draws them). The file that includes this has
// defined how four columns of four rows enter a dot product:
//
//   Dot              sums under way of four rows
//   dot_start(v)     begins with the value v (i32x4, one a row; of at most 15 bits)
//   dot_add(d, a, w) adds, for row i = 0..3, the products of the 4 bytes of `a` (int8, the same for each row) with
//                    bytes 4 i .. 4 i + 3 of `w` (0 to 15); eight times at the most
//   dot_sum(d)       the four sums as i32x4
//   TILE_STREAMS     how many tiles the other form of a product with one token reads side by side (see kernels.h)
//
// Panels go through two tiles at once, so that an activation's splat serves four vectors of rows.
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

// `count` tiles, `bytes` apart.
typedef struct {
  const uint8_t *tiles;
  size_t bytes;
} Tiles;

enum { MAX_VECTORS = 8 * GROUPS };  // of rows, in as many tiles as are read side by side

// Dot products of one Q4 block of `count` tiles: 4 vectors of nibble pairs for each group of rows. `start` [tokens].
INLINE void dot_q4_block(Tiles t, const int count, const uint8_t *a, const v128_t *start, const int tokens,
                         Dot dots[][MAX_VECTORS]) {
  const v128_t mask = wasm_v128_load(kernel_nibble_mask);
#pragma unroll
  for (int u = 0; u < tokens; u++)
    for (int g = 0; g < count * GROUPS; g++)
      dots[u][g] = dot_start(start[u]);
#pragma unroll
  for (int j = 0; j < 4; j++)
#pragma unroll
    for (int g = 0; g < count * GROUPS; g++) {
      const v128_t pairs = wasm_v128_load(t.tiles + (size_t)(g / GROUPS) * t.bytes + (j * GROUPS + g % GROUPS) * 16);
      // Shifting 16-bit lanes and masking beats i8x16.shr_u, which V8 expands.
      const v128_t low = wasm_v128_and(pairs, mask), high = wasm_v128_and(wasm_u16x8_shr(pairs, 4), mask);
#pragma unroll
      for (int u = 0; u < tokens; u++) {
        dots[u][g] = dot_add(dots[u][g], wasm_v128_load32_splat(a + (j * tokens + u) * 4), low);
        dots[u][g] = dot_add(dots[u][g], wasm_v128_load32_splat(a + ((j + 4) * tokens + u) * 4), high);
      }
    }
}

INLINE void store_tiles(v128_t sums[][MAX_VECTORS], const int count, float *y, size_t y_stride, bool add,
                        const int tokens) {
  for (int u = 0; u < tokens; u++)
    for (int g = 0; g < count * GROUPS; g++)
      store_rows(y + (size_t)u * y_stride + 4 * g, sums[u][g], add);
}

INLINE void tiles_q4_0(Tiles t, const int count, int blocks, const uint8_t *a, float *y, size_t y_stride, bool add,
                       const int tokens) {
  const v128_t half_mask = wasm_v128_load(kernel_half_mask);
  v128_t sums[PANEL_TOKENS][MAX_VECTORS];
  for (int u = 0; u < tokens; u++)
    for (int g = 0; g < count * GROUPS; g++)
      sums[u][g] = wasm_f32x4_splat(0);
  for (int b = 0; b < blocks; b++, t.tiles += 144, a += tokens * PACKED_BLOCK_BYTES) {
    v128_t start[PANEL_TOKENS];
    Dot dots[PANEL_TOKENS][MAX_VECTORS];
#pragma unroll
    for (int u = 0; u < tokens; u++)
      start[u] = wasm_v128_load32_splat(a + 36 * tokens + 4 * u);
    dot_q4_block(t, count, a, start, tokens, dots);
#pragma unroll
    for (int i = 0; i < count; i++) {
      v128_t scales[GROUPS];
      load_scales(t.tiles + (size_t)i * t.bytes + 128, half_mask, scales);
#pragma unroll
      for (int u = 0; u < tokens; u++) {
        const v128_t scale = wasm_v128_load32_splat(a + 32 * tokens + 4 * u);
#pragma unroll
        for (int g = 0; g < GROUPS; g++) {
          const int at = i * GROUPS + g;
          const v128_t dot = wasm_f32x4_convert_i32x4(dot_sum(dots[u][at]));
          sums[u][at] = wasm_f32x4_add(sums[u][at], wasm_f32x4_mul(dot, wasm_f32x4_mul(scale, scales[g])));
        }
      }
    }
  }
  store_tiles(sums, count, y, y_stride, add, tokens);
}

INLINE void tile_q4_1(Tiles t, int blocks, const uint8_t *a, float *y, size_t y_stride, bool add, const int tokens) {
  const v128_t half_mask = wasm_v128_load(kernel_half_mask), eighth = wasm_f32x4_splat(-0.125f);
  v128_t sums[PANEL_TOKENS][MAX_VECTORS], zero[PANEL_TOKENS];
  for (int u = 0; u < tokens; u++) {
    zero[u] = wasm_i32x4_splat(0);
    for (int g = 0; g < GROUPS; g++)
      sums[u][g] = wasm_f32x4_splat(0);
  }
  for (int b = 0; b < blocks; b++, t.tiles += 160, a += tokens * PACKED_BLOCK_BYTES) {
    Dot dots[PANEL_TOKENS][MAX_VECTORS];
    dot_q4_block(t, 1, a, zero, tokens, dots);
    v128_t scales[GROUPS], minima[GROUPS];
    load_scales(t.tiles + 128, half_mask, scales);
    load_scales(t.tiles + 144, half_mask, minima);
#pragma unroll
    for (int u = 0; u < tokens; u++) {
      const v128_t scale = wasm_v128_load32_splat(a + 32 * tokens + 4 * u);
      const v128_t offset = wasm_f32x4_convert_i32x4(wasm_v128_load32_splat(a + 36 * tokens + 4 * u));
      const v128_t sum = wasm_f32x4_mul(offset, eighth);
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        const v128_t dot = wasm_f32x4_convert_i32x4(dot_sum(dots[u][g]));
        sums[u][g] = wasm_f32x4_add(sums[u][g], wasm_f32x4_mul(dot, wasm_f32x4_mul(scale, scales[g])));
        sums[u][g] = wasm_f32x4_add(sums[u][g], wasm_f32x4_mul(sum, wasm_f32x4_mul(scale, minima[g])));
      }
    }
  }
  store_tiles(sums, 1, y, y_stride, add, tokens);
}

// value + 128 = 16 * high nibble + low nibble: two dot products over the same activations.
INLINE void tile_q8_0(Tiles t, int blocks, const uint8_t *a, float *y, size_t y_stride, bool add, const int tokens) {
  const v128_t mask = wasm_v128_load(kernel_nibble_mask), half_mask = wasm_v128_load(kernel_half_mask);
  v128_t sums[PANEL_TOKENS][MAX_VECTORS];
  for (int u = 0; u < tokens; u++)
    for (int g = 0; g < GROUPS; g++)
      sums[u][g] = wasm_f32x4_splat(0);
  for (int b = 0; b < blocks; b++, t.tiles += 272, a += tokens * PACKED_BLOCK_BYTES) {
    Dot low[PANEL_TOKENS][GROUPS], high[PANEL_TOKENS][GROUPS];
#pragma unroll
    for (int u = 0; u < tokens; u++)
      for (int g = 0; g < GROUPS; g++)
        low[u][g] = high[u][g] = dot_start(wasm_i32x4_splat(0));
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        const v128_t bytes = wasm_v128_load(t.tiles + (j * GROUPS + g) * 16);
        const v128_t l = wasm_v128_and(bytes, mask), h = wasm_v128_and(wasm_u16x8_shr(bytes, 4), mask);
#pragma unroll
        for (int u = 0; u < tokens; u++) {
          const v128_t x = wasm_v128_load32_splat(a + (j * tokens + u) * 4);
          low[u][g] = dot_add(low[u][g], x, l);
          high[u][g] = dot_add(high[u][g], x, h);
        }
      }
    v128_t scales[GROUPS];
    load_scales(t.tiles + 256, half_mask, scales);
#pragma unroll
    for (int u = 0; u < tokens; u++) {
      const v128_t scale = wasm_v128_load32_splat(a + 32 * tokens + 4 * u);
      const v128_t offset = wasm_v128_load32_splat(a + 36 * tokens + 4 * u);
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        const v128_t upper = wasm_i32x4_shl(wasm_i32x4_add(dot_sum(high[u][g]), offset), 4);
        const v128_t dot = wasm_f32x4_convert_i32x4(wasm_i32x4_add(dot_sum(low[u][g]), upper));
        sums[u][g] = wasm_f32x4_add(sums[u][g], wasm_f32x4_mul(dot, wasm_f32x4_mul(scale, scales[g])));
      }
    }
  }
  store_tiles(sums, 1, y, y_stride, add, tokens);
}

static void matmul_q4_0(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                        bool add) {
  const int blocks = x->columns / TILE_BLOCK, in_panels = x->tokens / PANEL_TOKENS * PANEL_TOKENS;
  const size_t token_bytes = (size_t)blocks * PACKED_BLOCK_BYTES, bytes = (size_t)blocks * 144;
  for (int i = 0; i < tile_count && in_panels > 0; i += 2) {
    const Tiles at = {tiles + (size_t)i * bytes, bytes};
    for (int t = 0; t < in_panels; t += PANEL_TOKENS) {
      const uint8_t *a = x->packed + (size_t)t * token_bytes;
      float *to = y + (size_t)t * y_stride + i * TILE_ROWS;
      if (i + 1 < tile_count)
        tiles_q4_0(at, 2, blocks, a, to, y_stride, add, PANEL_TOKENS);
      else
        tiles_q4_0(at, 1, blocks, a, to, y_stride, add, PANEL_TOKENS);
    }
  }
  for (int t = in_panels; t < x->tokens; t++)
    for (int i = 0; i < tile_count; i++)
      tiles_q4_0((Tiles){tiles + (size_t)i * bytes, bytes}, 1, blocks, x->packed + (size_t)t * token_bytes,
                 y + (size_t)t * y_stride + i * TILE_ROWS, y_stride, add, 1);
}

// x->tokens is 1.
static void matmul_streams_q4_0(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                                bool add) {
  const int blocks = x->columns / TILE_BLOCK;
  const size_t bytes = (size_t)blocks * 144;
  int i = 0;
  for (; i + TILE_STREAMS <= tile_count; i += TILE_STREAMS)
    tiles_q4_0((Tiles){tiles + (size_t)i * bytes, bytes}, TILE_STREAMS, blocks, x->packed, y + i * TILE_ROWS, y_stride,
               add, 1);
  for (; i < tile_count; i++)
    tiles_q4_0((Tiles){tiles + (size_t)i * bytes, bytes}, 1, blocks, x->packed, y + i * TILE_ROWS, y_stride, add, 1);
}

#ifdef MATMUL_ALL_KINDS
#define MATMUL_QUANTIZED(name, tile_product, block_bytes)                                                          \
  void name(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride, bool add) {     \
    const int blocks = x->columns / TILE_BLOCK, in_panels = x->tokens / PANEL_TOKENS * PANEL_TOKENS;               \
    const size_t token_bytes = (size_t)blocks * PACKED_BLOCK_BYTES, bytes = (size_t)blocks * block_bytes;          \
    for (int i = 0; i < tile_count; i++, tiles += bytes, y += TILE_ROWS) {                                         \
      const Tiles at = {tiles, bytes};                                                                             \
      for (int t = 0; t < in_panels; t += PANEL_TOKENS)                                                            \
        tile_product(at, blocks, x->packed + (size_t)t * token_bytes, y + (size_t)t * y_stride, y_stride, add,     \
                     PANEL_TOKENS);                                                                                \
      for (int t = in_panels; t < x->tokens; t++)                                                                  \
        tile_product(at, blocks, x->packed + (size_t)t * token_bytes, y + (size_t)t * y_stride, y_stride, add, 1); \
    }                                                                                                              \
  }
#endif
