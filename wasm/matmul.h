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
// A panel of PANEL_TOKENS tokens and one tile are 8 vectors of sums. With two of weights, a splat and a product they
// just fit the 15 registers that V8 has on x64, where unrolled loops would not: LLVM makes one expression of each sum,
// and the vectors that all of them share are spilled. Hence loops that stay loops, and float sums that stay in memory.
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

// The scales of one group of rows: fewer vectors are alive than with both.
INLINE v128_t group_scales(const uint8_t *scales, const int g, v128_t half_mask) {
  const v128_t halves = wasm_v128_load(scales);
  return halves_biased(g == 0 ? wasm_i32x4_shl(halves, 16) : halves, half_mask);
}

// Lane `u` (a constant) of four, in every lane.
INLINE v128_t splat_lane(v128_t four, const int u) {
  switch (u) {
    case 0: return wasm_i32x4_shuffle(four, four, 0, 0, 0, 0);
    case 1: return wasm_i32x4_shuffle(four, four, 1, 1, 1, 1);
    case 2: return wasm_i32x4_shuffle(four, four, 2, 2, 2, 2);
    default: return wasm_i32x4_shuffle(four, four, 3, 3, 3, 3);
  }
}

// One token's block of activations: each group of four columns in every lane. Two loads and eight shuffles are fewer
// instructions than eight splats from memory, whose addresses V8 computes one by one.
typedef v128_t TokenGroups[8];

INLINE void load_groups(const uint8_t *a, TokenGroups groups) {
  const v128_t first = wasm_v128_load(a), second = wasm_v128_load(a + 16);
#pragma unroll
  for (int j = 0; j < 4; j++) {
    groups[j] = splat_lane(first, j);
    groups[j + 4] = splat_lane(second, j);
  }
}

typedef struct {
  v128_t nibble, half;
} Masks;

INLINE Masks load_masks(void) { return (Masks){wasm_v128_load(kernel_nibble_mask), wasm_v128_load(kernel_half_mask)}; }

// The dot products of four rows of a Q4 block, whose pairs of nibbles begin at `pairs`, with one token.
INLINE v128_t dot_q4_rows(const uint8_t *pairs, const TokenGroups groups, Dot dot, v128_t mask) {
  v128_t bytes[4];
#pragma unroll
  for (int j = 0; j < 4; j++)
    bytes[j] = wasm_v128_load(pairs + j * GROUPS * 16);
#pragma unroll
  for (int j = 0; j < 4; j++)
    dot = dot_add(dot, groups[j], wasm_v128_and(bytes[j], mask));
    // Shifting 16-bit lanes and masking beats i8x16.shr_u, which V8 expands.
#pragma unroll
  for (int j = 0; j < 4; j++)
    dot = dot_add(dot, groups[j + 4], wasm_v128_and(wasm_u16x8_shr(bytes[j], 4), mask));
  return dot_sum(dot);
}

// sums += a Q4_0 block of a tile with one token, whose groups, start and scale are given.
INLINE void add_q4_0_block(const uint8_t *tile, const TokenGroups groups, Dot start, v128_t scale, Masks masks,
                           v128_t sums[GROUPS]) {
#pragma unroll
  for (int g = 0; g < GROUPS; g++) {
    const v128_t dot = wasm_f32x4_convert_i32x4(dot_q4_rows(tile + g * 16, groups, start, masks.nibble));
    const v128_t rows = group_scales(tile + 128, g, masks.half);
    sums[g] = wasm_f32x4_add(sums[g], wasm_f32x4_mul(dot, wasm_f32x4_mul(scale, rows)));
  }
}

INLINE void tile_q4_0(const uint8_t *tile, int blocks, const uint8_t *a, float *y, bool add) {
  const Masks masks = load_masks();
  v128_t sums[GROUPS] = {wasm_f32x4_splat(0), wasm_f32x4_splat(0)};
  for (int b = 0; b < blocks; b++, tile += 144, a += PACKED_BLOCK_BYTES) {
    TokenGroups groups;
    load_groups(a, groups);
    const Dot start = dot_start(wasm_v128_load32_splat(a + 36));
    add_q4_0_block(tile, groups, start, wasm_v128_load32_splat(a + 32), masks, sums);
  }
  for (int g = 0; g < GROUPS; g++)
    store_rows(y + 4 * g, sums[g], add);
}

// Keeps vectors in memory, where they are aligned. V8 spills to wherever its stack happens to be.
#define IN_MEMORY(vectors) __asm__ volatile("" : : "r"(vectors) : "memory")

// TILE_STREAMS tiles, `bytes` apart, side by side.
INLINE void streams_q4_0(const uint8_t *tiles, size_t bytes, int blocks, const uint8_t *a, float *y, bool add) {
  v128_t sums[TILE_STREAMS][GROUPS];
  for (int i = 0; i < TILE_STREAMS; i++)
    sums[i][0] = sums[i][1] = wasm_f32x4_splat(0);
  for (int b = 0; b < blocks; b++, tiles += 144, a += PACKED_BLOCK_BYTES) {
    TokenGroups groups;
    IN_MEMORY(sums);
    load_groups(a, groups);
    const Dot start = dot_start(wasm_v128_load32_splat(a + 36));
    const v128_t scale = wasm_v128_load32_splat(a + 32);
    const Masks masks = load_masks();
#pragma clang loop unroll(disable)
    for (int i = 0; i < TILE_STREAMS; i++)
      add_q4_0_block(tiles + (size_t)i * bytes, groups, start, scale, masks, sums[i]);
  }
  IN_MEMORY(sums);
  for (int i = 0; i < TILE_STREAMS; i++)
    for (int g = 0; g < GROUPS; g++)
      store_rows(y + i * TILE_ROWS + 4 * g, sums[i][g], add);
}

// What a panel and a tile have for each token and group of rows.
typedef v128_t PanelVectors[PANEL_TOKENS][GROUPS];
typedef Dot PanelDots[PANEL_TOKENS][GROUPS];

INLINE void start_panel(v128_t starts, PanelDots dots) {
#pragma unroll
  for (int u = 0; u < PANEL_TOKENS; u++)
    for (int g = 0; g < GROUPS; g++)
      dots[u][g] = dot_start(splat_lane(starts, u));
}

// Adds the products of `count` groups of four columns with the low or high nibbles of a tile's bytes.
INLINE void dot_panel(const uint8_t *bytes, const bool high, const uint8_t *groups, const int count, PanelDots dots) {
  const v128_t mask = wasm_v128_load(kernel_nibble_mask);
#pragma clang loop unroll(disable)
  for (int j = 0; j < count; j++) {
    const v128_t tokens = wasm_v128_load(groups + j * PANEL_TOKENS * 4);
    v128_t weights[GROUPS];
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
      const v128_t pairs = wasm_v128_load(bytes + (j * GROUPS + g) * 16);
      weights[g] = wasm_v128_and(high ? wasm_u16x8_shr(pairs, 4) : pairs, mask);
    }
#pragma unroll
    for (int u = 0; u < PANEL_TOKENS; u++)
#pragma unroll
      for (int g = 0; g < GROUPS; g++)
        dots[u][g] = dot_add(dots[u][g], splat_lane(tokens, u), weights[g]);
  }
}

// sums += dots * (the tokens' scales x the rows' scales); `upper`, where it is given, is added to the dots first.
INLINE void scale_panel(PanelDots dots, const PanelVectors upper, v128_t scales, const uint8_t *row_scales,
                        PanelVectors sums) {
  v128_t rows[GROUPS];
  load_scales(row_scales, wasm_v128_load(kernel_half_mask), rows);
#pragma unroll
  for (int u = 0; u < PANEL_TOKENS; u++) {
    const v128_t scale = splat_lane(scales, u);
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
      const v128_t whole = dot_sum(dots[u][g]);
      const v128_t dot = wasm_f32x4_convert_i32x4(upper == NULL ? whole : wasm_i32x4_add(whole, upper[u][g]));
      sums[u][g] = wasm_f32x4_add(sums[u][g], wasm_f32x4_mul(dot, wasm_f32x4_mul(scale, rows[g])));
    }
  }
}

INLINE void clear_panel(PanelVectors sums) {
  for (int u = 0; u < PANEL_TOKENS; u++)
    for (int g = 0; g < GROUPS; g++)
      sums[u][g] = wasm_f32x4_splat(0);
}

INLINE void store_panel(PanelVectors sums, float *y, size_t y_stride, bool add) {
  for (int u = 0; u < PANEL_TOKENS; u++)
    for (int g = 0; g < GROUPS; g++)
      store_rows(y + (size_t)u * y_stride + 4 * g, sums[u][g], add);
}

INLINE void panel_q4_0(const uint8_t *tile, int blocks, const uint8_t *a, float *y, size_t y_stride, bool add) {
  PanelVectors sums;
  clear_panel(sums);
  for (int b = 0; b < blocks; b++, tile += 144, a += PANEL_TOKENS * PACKED_BLOCK_BYTES) {
    PanelDots dots;
    IN_MEMORY(sums);
    start_panel(wasm_v128_load(a + 36 * PANEL_TOKENS), dots);
    dot_panel(tile, false, a, 4, dots);
    dot_panel(tile, true, a + 16 * PANEL_TOKENS, 4, dots);
    IN_MEMORY(sums);
    scale_panel(dots, NULL, wasm_v128_load(a + 32 * PANEL_TOKENS), tile + 128, sums);
  }
  IN_MEMORY(sums);
  store_panel(sums, y, y_stride, add);
}

INLINE void tile_q4_1(const uint8_t *tile, int blocks, const uint8_t *a, float *y, bool add) {
  const v128_t eighth = wasm_f32x4_splat(-0.125f);
  const Masks masks = load_masks();
  v128_t sums[GROUPS] = {wasm_f32x4_splat(0), wasm_f32x4_splat(0)};
  for (int b = 0; b < blocks; b++, tile += 160, a += PACKED_BLOCK_BYTES) {
    TokenGroups groups;
    load_groups(a, groups);
    v128_t scales[GROUPS], minima[GROUPS];
    load_scales(tile + 128, masks.half, scales);
    load_scales(tile + 144, masks.half, minima);
    const v128_t scale = wasm_v128_load32_splat(a + 32);
    const v128_t sum = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(wasm_v128_load32_splat(a + 36)), eighth);
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
      const v128_t whole = dot_q4_rows(tile + g * 16, groups, dot_start(wasm_i32x4_splat(0)), masks.nibble);
      const v128_t dot = wasm_f32x4_convert_i32x4(whole);
      sums[g] = wasm_f32x4_add(sums[g], wasm_f32x4_mul(dot, wasm_f32x4_mul(scale, scales[g])));
      sums[g] = wasm_f32x4_add(sums[g], wasm_f32x4_mul(sum, wasm_f32x4_mul(scale, minima[g])));
    }
  }
  for (int g = 0; g < GROUPS; g++)
    store_rows(y + 4 * g, sums[g], add);
}

// sums += the tokens' sums of activations x (the tokens' scales x the rows' minima)
INLINE void add_minima(v128_t offsets, v128_t scales, const uint8_t *row_minima, PanelVectors sums) {
  v128_t rows[GROUPS];
  load_scales(row_minima, wasm_v128_load(kernel_half_mask), rows);
  const v128_t eighth = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(offsets), wasm_f32x4_splat(-0.125f));
#pragma unroll
  for (int u = 0; u < PANEL_TOKENS; u++) {
    const v128_t sum = splat_lane(eighth, u), scale = splat_lane(scales, u);
#pragma unroll
    for (int g = 0; g < GROUPS; g++)
      sums[u][g] = wasm_f32x4_add(sums[u][g], wasm_f32x4_mul(sum, wasm_f32x4_mul(scale, rows[g])));
  }
}

INLINE void panel_q4_1(const uint8_t *tile, int blocks, const uint8_t *a, float *y, size_t y_stride, bool add) {
  PanelVectors sums;
  clear_panel(sums);
  for (int b = 0; b < blocks; b++, tile += 160, a += PANEL_TOKENS * PACKED_BLOCK_BYTES) {
    PanelDots dots;
    IN_MEMORY(sums);
    start_panel(wasm_i32x4_splat(0), dots);
    dot_panel(tile, false, a, 4, dots);
    dot_panel(tile, true, a + 16 * PANEL_TOKENS, 4, dots);
    const v128_t scales = wasm_v128_load(a + 32 * PANEL_TOKENS);
    IN_MEMORY(sums);
    scale_panel(dots, NULL, scales, tile + 128, sums);
    IN_MEMORY(sums);
    add_minima(wasm_v128_load(a + 36 * PANEL_TOKENS), scales, tile + 144, sums);
  }
  IN_MEMORY(sums);
  store_panel(sums, y, y_stride, add);
}

// value + 128 = 16 * high nibble + low nibble: two dot products over the same activations.
INLINE void tile_q8_0(const uint8_t *tile, int blocks, const uint8_t *a, float *y, bool add) {
  const v128_t mask = wasm_v128_load(kernel_nibble_mask), half_mask = wasm_v128_load(kernel_half_mask);
  v128_t sums[GROUPS] = {wasm_f32x4_splat(0), wasm_f32x4_splat(0)};
  for (int b = 0; b < blocks; b++, tile += 272, a += PACKED_BLOCK_BYTES) {
    Dot low[GROUPS], high[GROUPS];
    for (int g = 0; g < GROUPS; g++)
      low[g] = high[g] = dot_start(wasm_i32x4_splat(0));
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        const v128_t bytes = wasm_v128_load(tile + (j * GROUPS + g) * 16), x = wasm_v128_load32_splat(a + j * 4);
        low[g] = dot_add(low[g], x, wasm_v128_and(bytes, mask));
        high[g] = dot_add(high[g], x, wasm_v128_and(wasm_u16x8_shr(bytes, 4), mask));
      }
    v128_t scales[GROUPS];
    load_scales(tile + 256, half_mask, scales);
    const v128_t scale = wasm_v128_load32_splat(a + 32), offset = wasm_v128_load32_splat(a + 36);
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
      const v128_t upper = wasm_i32x4_shl(wasm_i32x4_add(dot_sum(high[g]), offset), 4);
      const v128_t dot = wasm_f32x4_convert_i32x4(wasm_i32x4_add(dot_sum(low[g]), upper));
      sums[g] = wasm_f32x4_add(sums[g], wasm_f32x4_mul(dot, wasm_f32x4_mul(scale, scales[g])));
    }
  }
  for (int g = 0; g < GROUPS; g++)
    store_rows(y + 4 * g, sums[g], add);
}

INLINE void panel_q8_0(const uint8_t *tile, int blocks, const uint8_t *a, float *y, size_t y_stride, bool add) {
  PanelVectors sums, upper;
  clear_panel(sums);
  for (int b = 0; b < blocks; b++, tile += 272, a += PANEL_TOKENS * PACKED_BLOCK_BYTES) {
    PanelDots dots;
    IN_MEMORY(sums);
    start_panel(wasm_i32x4_splat(0), dots);
    dot_panel(tile, true, a, 8, dots);
    const v128_t offsets = wasm_v128_load(a + 36 * PANEL_TOKENS);
#pragma unroll
    for (int u = 0; u < PANEL_TOKENS; u++)
      for (int g = 0; g < GROUPS; g++)
        upper[u][g] = wasm_i32x4_shl(wasm_i32x4_add(dot_sum(dots[u][g]), splat_lane(offsets, u)), 4);
    IN_MEMORY(upper);
    start_panel(wasm_i32x4_splat(0), dots);
    dot_panel(tile, false, a, 8, dots);
    IN_MEMORY(upper);
    scale_panel(dots, upper, wasm_v128_load(a + 32 * PANEL_TOKENS), tile + 256, sums);
  }
  IN_MEMORY(sums);
  store_panel(sums, y, y_stride, add);
}

// A product of whole panels and of the tokens that are left over.
#define MATMUL_QUANTIZED(name, tile_product, panel_product, block_bytes)                                              \
  static void name(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride, bool add) { \
    const int blocks = x->columns / TILE_BLOCK, in_panels = x->tokens / PANEL_TOKENS * PANEL_TOKENS;                  \
    const size_t token_bytes = (size_t)blocks * PACKED_BLOCK_BYTES, bytes = (size_t)blocks * block_bytes;             \
    for (int i = 0; i < tile_count; i++, tiles += bytes, y += TILE_ROWS) {                                            \
      for (int t = 0; t < in_panels; t += PANEL_TOKENS)                                                               \
        panel_product(tiles, blocks, x->packed + (size_t)t * token_bytes, y + (size_t)t * y_stride, y_stride, add);   \
      for (int t = in_panels; t < x->tokens; t++)                                                                     \
        tile_product(tiles, blocks, x->packed + (size_t)t * token_bytes, y + (size_t)t * y_stride, add);              \
    }                                                                                                                 \
  }

MATMUL_QUANTIZED(matmul_q4_0, tile_q4_0, panel_q4_0, 144)
MATMUL_QUANTIZED(matmul_q4_1, tile_q4_1, panel_q4_1, 160)
MATMUL_QUANTIZED(matmul_q8_0, tile_q8_0, panel_q8_0, 272)

// x->tokens is 1.
static void matmul_streams_q4_0(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                                bool add) {
  (void)y_stride;
  const int blocks = x->columns / TILE_BLOCK;
  const size_t bytes = (size_t)blocks * 144;
  int i = 0;
  for (; i + TILE_STREAMS <= tile_count; i += TILE_STREAMS)
    streams_q4_0(tiles + (size_t)i * bytes, bytes, blocks, x->packed, y + i * TILE_ROWS, add);
  for (; i < tile_count; i++)
    tile_q4_0(tiles + (size_t)i * bytes, blocks, x->packed, y + i * TILE_ROWS, add);
}

// Each set has products of its own of every quantised kind, since each set is verified by what it computes itself.
#define MATMUL_QUANTIZED_KINDS [TILE_Q4_0] = matmul_q4_0, [TILE_Q4_1] = matmul_q4_1, [TILE_Q8_0] = matmul_q8_0
