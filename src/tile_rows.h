// A row of the file, taken apart into what a tile has of it, one superblock of the tile at a time.
#ifndef NIBBLE_TILE_ROWS_H
#define NIBBLE_TILE_ROWS_H

#include <stdint.h>

#include "quant.h"
#include "tiles.h"

typedef struct {
  uint8_t codes[TILE_SUPERBLOCK];
  uint8_t scale[2], minimum[2];  // F16, of the header
  // Two bytes for each block of 32 columns: an F16 number, or one byte for each half of it.
  uint8_t scales[2 * TILE_SUPERBLOCK / TILE_BLOCK], minima[2 * TILE_SUPERBLOCK / TILE_BLOCK];
} TileRow;

struct TileRowReader {
  uint32_t type;
  const QuantFormat *file;
  int8_t codebook[16];   // of a type whose codes name values, else zeros
  uint8_t code_of[256];  // the code of each value (as a byte) of its superblocks
  int scale_factor;      // by which whole scales are multiplied
  float tensor_scale;    // of a type with a scale for the whole tensor; set by who packs, 1 before
  uint16_t grid[SUPERBLOCK_GRID];
};

// Prepares to read rows of a type that has a kind of tile: for many tiles, since it lists the type's grid.
void tile_row_reader(uint32_t tensor_type, TileRowReader *reader);

// Reads what one superblock of the tile has of a row: `columns` columns from `first` on. `file_row` is where the file's
// row begins.
void tile_row_read(const TileRowReader *reader, const uint8_t *file_row, int first, int columns, TileRow *row);

#endif
