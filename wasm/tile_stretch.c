#include "tile_stretch.h"

#include <string.h>
#include <wasm_simd128.h>

#include "kernel_sets.h"
#include "stretch_product.h"
#include "vectors.h"

#define LOOKUP wasm_i8x16_swizzle
#define WIDE_OPERANDS 0
#include "tile_unpack.h"

void tile_unpack_stretch(TileKind kind, const uint8_t *superblocks, int blocks, TileStretch *out) {
  if (kind == TILE_Q2_0 || kind == TILE_TERNARY) {
    // Their superblocks differ in length alone.
    unpack_stretch(&tile_formats[TILE_TERNARY], tile_format(kind)->blocks, superblocks, blocks, out);
    return;
  }
  switch (kind) {
#define UNPACK(kind)                                                                                        \
  case TILE_##kind:                                                                                         \
    unpack_stretch(&tile_formats[TILE_##kind], tile_formats[TILE_##kind].blocks, superblocks, blocks, out); \
    return;
    TILE_QUANTIZED_KINDS(UNPACK)
#undef UNPACK
    default: return;
  }
}

// What shares a stretch's activations while they are in the second-level cache: tokens and tiles. Sums take 32 KB.
enum { RUN_PANELS = 32, RUN_TILES = 8 };

typedef struct {
  uint32_t touched;
  _Alignas(16) uint8_t folded[FOLDED_MOST_BYTES];
  TileStretch stretch;
  PanelVectors sums[RUN_TILES][RUN_PANELS];
} Workspace;

// Asks memory for what is unpacked next, since wasm has no prefetch: all of it is on its way while a product computes.
INLINE void touch(const uint8_t *memory, size_t bytes, Workspace *work) {
#pragma clang loop unroll(disable)
  for (size_t at = 0; at < bytes; at += 64)
    work->touched ^= *(const volatile uint32_t *)(memory + at);
}

NOINLINE void fold_sums(const uint8_t *a, int tokens, int blocks, uint8_t *folded) {
  const v128_t magic = wasm_f32x4_splat(ROUND_MAGIC), limit = wasm_f32x4_splat(FOLDED_LIMIT);
  const size_t block_bytes = (size_t)tokens * PACKED_BLOCK_BYTES, number_bytes = 4 * (size_t)tokens;
  // One token's sum is the last of its four numbers.
  const size_t at = tokens == 1 ? 32 : 44 * PANEL_TOKENS;
  const v128_t lanes =
      tokens == 1 ? wasm_i32x4_splat(0x0f0e0d0c) : wasm_i32x4_make(0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c);
  for (; blocks > 0; blocks -= 2 * FOLDED_PAIRS) {
    v128_t sums[2 * FOLDED_PAIRS], largest = wasm_i32x4_splat(0);
#pragma clang loop unroll(disable)
    for (int b = 0; b < 2 * FOLDED_PAIRS; b++, a += block_bytes) {
      sums[b] = wasm_i8x16_swizzle(wasm_v128_load(a + at), lanes);
      largest = wasm_i32x4_max(largest, magnitude_bits_x4(sums[b]));
    }
    largest = wasm_i32x4_min(largest, wasm_i32x4_splat(INFINITY_BITS));
    // 0 of the infinite, and of those that are too small.
    const v128_t factor =
        wasm_v128_and(wasm_f32x4_div(limit, largest), wasm_f32x4_gt(largest, wasm_f32x4_splat(QUANTIZE_LEAST)));
    const v128_t used = wasm_f32x4_gt(factor, wasm_f32x4_splat(0));
#pragma clang loop unroll(disable)
    for (int i = 0; i <= FOLDED_PAIRS; i++, folded += number_bytes) {
      v128_t four = wasm_f32x4_div(largest, limit);
      if (i < FOLDED_PAIRS) {
        const v128_t even = wasm_f32x4_add(wasm_f32x4_mul(sums[2 * i], factor), magic);
        const v128_t odd = wasm_f32x4_add(wasm_f32x4_mul(sums[2 * i + 1], factor), magic);
        four = wasm_v128_and(wasm_i16x8_shuffle(even, odd, 0, 8, 2, 10, 4, 12, 6, 14), used);
      }
      wasm_v128_store(folded, four);
    }
  }
}

// Up to RUN_TILES tiles with up to RUN_PANELS panels of `tokens` tokens (PANEL_TOKENS or 1), a stretch at a time.
// `count` is the number of tokens: those that fill a panel up are left out.
static NOINLINE void multiply_stretches(const TileProducts *products, const uint8_t *tiles, size_t bytes,
                                        int tile_count, int blocks, const uint8_t *a, size_t panel_bytes, int panels,
                                        int tokens, int count, float *y, size_t y_stride, bool add, Workspace *work) {
  const StretchKind kind = products->stretch;
  const size_t superblock_bytes = tile_bytes(products->kind, kind.superblock * TILE_BLOCK);
  StretchProduct *const product = tokens == 1 ? products->one : products->panels;
  for (int i = 0; i < tile_count; i++)
    memset(work->sums[i], 0, (size_t)panels * sizeof(PanelVectors));
  for (int first = 0; first < blocks; first += STRETCH_BLOCKS) {
    const int some = blocks - first < STRETCH_BLOCKS ? blocks - first : STRETCH_BLOCKS;
    const size_t skip = (size_t)(first / kind.superblock) * superblock_bytes;
    const size_t stretch_bytes = (size_t)(some / kind.superblock) * superblock_bytes;
    const uint8_t *from = a + (size_t)first * PACKED_BLOCK_BYTES * (size_t)tokens;
    for (int p = 0; kind.class.folded && p < panels; p++)
      fold_sums(from + (size_t)p * panel_bytes, tokens, some,
                work->folded + p * some * tokens * FOLDED_BYTES / (2 * FOLDED_PAIRS));
    for (int i = 0; i < tile_count; i++) {
      products->unpack(products->kind, tiles + (size_t)i * bytes + skip, some, &work->stretch);
      if (i + 1 < tile_count) touch(tiles + (size_t)(i + 1) * bytes + skip, stretch_bytes, work);
      product(&work->stretch, kind, some, from, panel_bytes, panels, work->folded, work->sums[i]);
    }
  }
#pragma clang loop unroll(disable)
  for (int t = 0; t < count; t++)
#pragma clang loop unroll(disable)
    for (int i = 0; i < tile_count; i++)
      for (int g = 0; g < GROUPS; g++)
        store_rows(y + (size_t)t * y_stride + i * TILE_ROWS + 4 * g, work->sums[i][t / tokens][t % tokens][g], add);
}

// Panels of tokens first, then those that are left over, one by one.
void multiply_tiles(const TileProducts *products, const uint8_t *tiles, int tile_count, const Activations *x, float *y,
                    size_t y_stride, bool add) {
  const int blocks = x->columns / TILE_BLOCK, all_panels = packed_panels(x->tokens);
  const size_t token_bytes = (size_t)blocks * PACKED_BLOCK_BYTES, panel_bytes = token_bytes * PANEL_TOKENS;
  const size_t bytes = tile_bytes(products->kind, x->columns);
  TokenProduct *const token = products->token;
  Workspace work;
  for (int first = 0; first < tile_count; first += RUN_TILES) {
    const int count = tile_count - first < RUN_TILES ? tile_count - first : RUN_TILES;
    const uint8_t *from = tiles + (size_t)first * bytes;
    float *rows = y + first * TILE_ROWS;
    for (int p = 0; p < all_panels; p += RUN_PANELS) {
      const int panels = all_panels - p < RUN_PANELS ? all_panels - p : RUN_PANELS, left = x->tokens - p * PANEL_TOKENS;
      multiply_stretches(products, from, bytes, count, blocks, x->packed + (size_t)p * panel_bytes, panel_bytes, panels,
                         PANEL_TOKENS, left < panels * PANEL_TOKENS ? left : panels * PANEL_TOKENS,
                         rows + (size_t)(p * PANEL_TOKENS) * y_stride, y_stride, add, &work);
    }
    const int in_panels = all_panels * PANEL_TOKENS, singles = x->tokens - in_panels;
    if (token == NULL && singles > 0)
      multiply_stretches(products, from, bytes, count, blocks, x->packed + (size_t)in_panels * token_bytes, token_bytes,
                         singles, 1, singles, rows + (size_t)in_panels * y_stride, y_stride, add, &work);
    for (int t = in_panels; token != NULL && t < x->tokens; t++) {
      const uint8_t *a = x->packed + (size_t)t * token_bytes;
      float *out = rows + (size_t)t * y_stride;
      if (products->stretch.class.folded) fold_sums(a, 1, blocks, work.folded);
      for (int i = 0; i < count; i++)
        token(from + (size_t)i * bytes, blocks, a, work.folded, out + i * TILE_ROWS, add);
    }
  }
}
