// Weight matrices as the kernels stream them. Rows are taken TILE_ROWS at a time; a tile holds all columns of its rows.
// Quantised tiles are a sequence of blocks of 32 columns, each 8 rows x 32 columns in as many bytes as the GGUF has:
//
//   Q4_0   16 B: columns 0-3 (low nibbles) and 16-19 (high nibbles) of rows 0, 1, 2, 3     lane = row,
//          16 B: the same of rows 4, 5, 6, 7                                               byte in lane = column
//          16 B: columns 4-7 and 20-23 of rows 0-3, 16 B: of rows 4-7, ... columns 12-15 and 28-31: 128 B in all
//          16 B: eight F16 scales, in the order of rows 0, 4, 1, 5, 2, 6, 3, 7
//   Q4_1   the same, and 16 B: eight F16 minima in the same order
//   Q8_0   16 B: columns 0-3 of rows 0-3, each value + 128; 16 B: of rows 4-7; ... columns 28-31: 256 B in all
//          16 B: eight F16 scales
//   F32, F16, BF16: for each column, the values of rows 0 to 7
//
// So a vector register holds four rows, activations enter by a splat, and no sum ever runs across lanes. Q4 nibbles
// stay unsigned (0 to 15): the -8 of Q4_0 is the activations' sum times 8, subtracted once a block. Q8_0 is taken apart
// the same way, value + 128 = 16 * high nibble + low nibble, so both reach the dot product as 7-bit operands.
#ifndef NIBBLE_TILES_H
#define NIBBLE_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TILE_ROWS = 8, TILE_BLOCK = 32 };

typedef enum { TILE_Q4_0, TILE_Q4_1, TILE_Q8_0, TILE_F32, TILE_F16, TILE_BF16, TILE_KINDS } TileKind;

// An F16 scale becomes a float by one shift and one mask, 2^112 too small; activations carry the factor back.
#define F16_UNBIAS 0x1p112f

// A matrix in tiles, y = x @ W^T.
typedef struct {
  TileKind kind;
  int rows, columns;  // [rows, columns] = [out, in]
  uint8_t *tiles;     // tile_count() tiles of tile_bytes() each, 64-byte aligned; not owned
} Matrix;

// The kind that holds a tensor type; false where the engine has none.
bool tile_kind_of(uint32_t tensor_type, TileKind *kind);

// Whether a kind multiplies packed (int8) activations.
bool tile_is_quantized(TileKind kind);

// Columns of one block of a row: the columns of a matrix are a multiple of it.
int tile_block_columns(TileKind kind);

// Bytes of one tile with this many columns, and of `columns` of one row as they stand in the file.
size_t tile_bytes(TileKind kind, int columns);
size_t tile_row_bytes(TileKind kind, int columns);

int tile_count(const Matrix *matrix);

// Tiles up to TILE_ROWS rows, `rows` of them present (the others become zeros), each tile_row_bytes() long in the
// file's own layout, one behind the other.
void tile_pack(TileKind kind, int columns, const uint8_t *file_rows, int rows, uint8_t *tile);

// Unpacks one row of a tile to floats [columns].
void tile_unpack_row(TileKind kind, int columns, const uint8_t *tile, int row, float *values);

// The same for a row of a whole matrix.
void matrix_row(const Matrix *matrix, int row, float *values);

#endif
