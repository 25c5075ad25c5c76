// A stretch of a tile unpacked once for many tokens: its operands a byte each, its scales and minima floats. The same
// in every kernel set, and the way of each kind whose products have no form of their own.
#ifndef NIBBLE_TILE_STRETCH_H
#define NIBBLE_TILE_STRETCH_H

#include "tiles.h"

enum { STRETCH_BLOCKS = 32 };  // 8 to 24 KB: within the first-level cache

typedef struct {
  // Of each block of 32 columns: four columns of rows 0-3, the same of rows 4-7, the next four columns, ...
  _Alignas(16) uint8_t low[STRETCH_BLOCKS][TILE_ROWS * TILE_BLOCK];
  _Alignas(16) uint8_t high[STRETCH_BLOCKS][TILE_ROWS * TILE_BLOCK];  // of split codes
  // Scales of each half, the first alone where one is for both: whole ones as int32 where there are headers, else
  // floats, as of kinds that fold. Minima, where a kind has them: whole ones as floats, else as they are. Of kinds that
  // fold each second block alone has some: for each row int16 of that block and the next.
  _Alignas(16) uint8_t scales[STRETCH_BLOCKS][2][4 * TILE_ROWS];
  _Alignas(16) float minima[STRETCH_BLOCKS][2][TILE_ROWS];
  // Of each block that begins a superblock with a header: its scales and what sums of minima are multiplied with.
  _Alignas(16) float headers[STRETCH_BLOCKS][2][TILE_ROWS];
} TileStretch;

// Unpacks whole superblocks of a kind, `blocks` blocks of 32 columns in all, at most STRETCH_BLOCKS.
typedef void StretchUnpack(TileKind kind, const uint8_t *superblocks, int blocks, TileStretch *stretch);
StretchUnpack tile_unpack_stretch;

#endif
