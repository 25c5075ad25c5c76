// Stretches of tiles unpacked, by templates: a kind's row of tile_formats.h is a constant.
#ifndef NIBBLE_TILE_UNPACK_H
#define NIBBLE_TILE_UNPACK_H

#include "tile_stretch.h"
#include "tile_vectors.h"

// Of kinds that fold: the header's scales are those of block `first`. Minima of every second block hold the next one's.
INLINE void unpack_folded(const TileFormat *format, const uint8_t *block, const int g, TileStretch *out, int first,
                          int at) {
  wasm_v128_store(out->scales[at][0] + 16 * g,
                  wasm_f32x4_mul(wasm_f32x4_convert_i32x4(whole_scales(format, block, g, 0)),
                                 wasm_v128_load(out->headers[first][0] + 4 * g)));
  if (at % 2 == 0) wasm_v128_store(out->minima[at][0] + 4 * g, minima_pairs(format, block, g));
}

INLINE void unpack_scales(const TileFormat *format, const uint8_t *block, const int g, TileStretch *out, int first,
                          int at) {
  const int halves = tile_has_halves(format) ? 2 : 1;
  if (tile_folds(format)) {
    unpack_folded(format, block, g, out, first, at);
    return;
  }
#pragma clang loop unroll(disable)
  for (int half = 0; half < halves; half++) {
    wasm_v128_store(out->scales[at][half] + 16 * g,
                    tile_has_header(format)
                        ? whole_scales(format, block, g, half)
                        : wasm_f32x4_mul(block_scales(format, block, g, half), wasm_v128_load(kernel_unbias)));
    if (format->minima != MINIMA_NONE)
      wasm_v128_store(out->minima[at][half] + 4 * g,
                      tile_has_header(format) ? whole_minima(format, block, g, half) : block_minima(format, block, g));
  }
}

// Codes of a dense plane: where they stand depends on the group.
INLINE void unpack_dense(const uint8_t *plane, const int bits, uint8_t *operands) {
#pragma clang loop unroll(disable)
  for (int g = 0; g < GROUPS; g++, plane += 16, operands += 16)
#pragma unroll
    for (int j = 0; j < BLOCK_GROUPS; j++)
      wasm_v128_store(operands + j * GROUPS * 16, dense_vector(plane, bits, 0, j % 4, j / 4));
}

static NOINLINE __attribute__((unused)) void unpack_five(const uint8_t *plane, uint8_t *operands) {
  unpack_dense(plane, 5, operands);
}

// `first` is the first block of its superblock.
INLINE void unpack_block(const TileFormat *format, const uint8_t *block, Operands table, TileStretch *out, int first,
                         int at) {
  const bool dense = plane_is_dense(format->low_bits);
  if (format->low_bits == 5) unpack_five(block, out->low[at]);
  if (format->low_bits == 6) unpack_dense(block, 6, out->low[at]);
#pragma clang loop unroll(disable)
  for (int g = 0; g < GROUPS; g++) {
#pragma clang loop unroll(disable)
    for (int i = 0; i < 4 && !dense; i++) {
#pragma unroll
      for (int k = 0; k < 2; k++) {
        const Operands operands = operands_of(format, table, block, g, i, k);
        const int to = ((i + 4 * k) * GROUPS + g) * 16;
        wasm_v128_store(out->low[at] + to, operands.low);
        if (format_is_split(format)) wasm_v128_store(out->high[at] + to, operands.high);
      }
    }
    unpack_scales(format, block, g, out, first, at);
  }
}

// Not worth a form for each kind.
static NOINLINE void unpack_header(const TileFormat *format, const uint8_t *superblock, TileStretch *out, int at) {
  for (int g = 0; g < GROUPS; g++) {
    wasm_v128_store(out->headers[at][0] + 4 * g, header_scales(format, superblock, g));
    if (format->minima != MINIMA_NONE) wasm_v128_store(out->headers[at][1] + 4 * g, header_minima(superblock, g));
  }
}

// `superblock_blocks` is the number of blocks in a superblock: kinds that differ in nothing else share their code.
INLINE void unpack_stretch(const TileFormat *format, int superblock_blocks, const uint8_t *superblock, int blocks,
                           TileStretch *out) {
  const int bytes = format->header_bytes + superblock_blocks * tile_block_bytes(format);
  for (int at = 0; at < blocks; superblock += bytes) {
    const Operands table = name_table(format, superblock);
    const uint8_t *block = superblock + format->header_bytes;
    if (tile_has_header(format)) unpack_header(format, superblock, out, at);
#pragma clang loop unroll(disable)
    for (int b = 0; b < superblock_blocks; b++, at++, block += tile_block_bytes(format))
      unpack_block(format, block, table, out, at - b, at);
  }
}

#endif
