// Weight matrices as the kernels read them. Rows are taken TILE_ROWS at a time; a tile holds all columns of its rows.
// A vector register of 16 bytes holds four columns of four rows, so a lane is a row, activations enter by a splat, and
// no sum ever runs across lanes. Vectors of rows 0-3 and of rows 4-7 alternate.
//
// A quantised tile is a sequence of superblocks; tile_formats.h says of what each kind's are made:
//
//   superblock = header, then 1 to 8 blocks of 32 columns
//   header     = eight F16 scales | eight F16 minima, or a codebook of sixteen values
//              = F16 infinity, 0 | F32 scale of all rows | 8 x 0, of kinds whose blocks have codes of two bits alone
//   block      = low plane | high plane | scales | minima
//
// A plane holds some bits of each weight's code, c0 to c31 the codes of a row's 32 columns:
//
//   8 bits  256 B: 8 x (16 B of rows 0-3, 16 B of rows 4-7), the j-th with columns 4 j to 4 j + 3
//   6 bits  192 B: 6 x the same, byte = column 4 j + i; above it, two bits of columns 24 + i or 28 + i (dense_six)
//   5 bits  160 B: 5 x the same, byte = column 4 j + i; above it, bits of the other columns (dense_five)
//   4 bits  128 B: 4 x the same, byte = column 4 j + i (low nibble) and column 4 j + i + 16 (high nibble)
//   2 bits   64 B: 2 x the same, byte = columns 16 j + i, 16 j + i + 4, + 8, + 12, from the lowest bits to the highest
//   1 bit    32 B: 1 x the same, byte = columns i, i + 4, ... i + 28, from the lowest bit to the highest
//   1 bit    32 B, where codes have no other: 4 x 8 B of rows 0-7, byte = columns 8 j to 8 j + 7, which look sums up
//
// Scales and minima of eight rows are F16 in the order of rows 0, 4, 1, 5, 2, 6, 3, 7, or bytes in the order of the
// rows; where there is one for 16 columns, those of columns 0-15 stand before those of columns 16-31.
//
// F32, F16 and BF16: for each column, the values of rows 0 to 7.
//
// Codes stay unsigned: what a format subtracts from them is the activations' sum times that, subtracted once. Codes of
// more than 6 bits are multiplied as two halves of 4 bits. So all reach the dot product as 7-bit operands.
#ifndef NIBBLE_TILES_H
#define NIBBLE_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TILE_ROWS = 8, TILE_BLOCK = 32, TILE_SUPERBLOCK = 256, TILE_HALF = 16 };

// Columns of a matrix: its input's width. Shapes of models keep to it.
enum { MOST_COLUMNS = 1 << 17 };

// The kinds whose weights are multiplied with packed (int8) activations, and then the others.
#define TILE_QUANTIZED_KINDS(X) \
  X(Q4_0)                       \
  X(Q4_1)                       \
  X(Q5_0)                       \
  X(Q5_1)                       \
  X(Q8_0)                       \
  X(Q2_K) X(Q3_K) X(Q4_K) X(Q5_K) X(Q6_K) X(IQ4_NL) X(IQ4_XS) X(GRID) X(MXFP4) X(NVFP4) X(Q1_0) X(Q2_0) X(TERNARY)
#define TILE_NAME(kind) TILE_##kind,
// clang-format off
typedef enum {
  TILE_QUANTIZED_KINDS(TILE_NAME)
  TILE_F32,
  TILE_F16,
  TILE_BF16,
  TILE_KINDS,
  TILE_QUANTIZED = TILE_F32,  // how many of them are quantised
} TileKind;
// clang-format on

// An F16 scale becomes a float by one shift and one mask, 2^112 too small; activations carry the factor back.
#define F16_UNBIAS 0x1p112f

// A set of kinds: bit `kind` is set for each.
enum { TILE_ALL_KINDS = (1 << TILE_KINDS) - 1 };

// A matrix in tiles, y = x @ W^T.
typedef struct {
  TileKind kind;
  int rows, columns;  // [rows, columns] = [out, in]
  uint8_t *tiles;     // tile_count() tiles of tile_bytes() each, 64-byte aligned; not owned
} Matrix;

// Sets *kind to the one that holds rows of a tensor type with so many columns. False where no matrix can be of that
// type. `columns` is a multiple of the type's block.
bool tile_kind_of(uint32_t tensor_type, uint64_t columns, TileKind *kind);

// Returns the first of the tensor types that a kind holds.
uint32_t tile_type_of(TileKind kind);

const char *tile_kind_name(TileKind kind);

// Returns whether a kind multiplies packed (int8) activations.
bool tile_is_quantized(TileKind kind);

// Returns how many columns a kind's superblock has. A row of a matrix has a multiple of them.
int tile_columns(TileKind kind);

// Returns the bytes of one tile with so many columns.
size_t tile_bytes(TileKind kind, int columns);

// Returns how many tiles a matrix has, the last maybe not full.
int tile_count(const Matrix *matrix);

// What reads rows of one tensor type (tile_rows.h).
typedef struct TileRowReader TileRowReader;

// Makes a tile of `rows` rows, TILE_ROWS at most, that stand one behind the other in the file's own layout. Rows that
// are missing become zeros. False where a scale, a minimum, or a weight of a matrix without scales is infinite or NaN:
// tiles and kernels know finite ones only.
bool tile_pack(const TileRowReader *reader, int columns, const uint8_t *file_rows, int rows, uint8_t *tile);

// Unpacks one row of a tile to floats [columns]. Each is, to the bit, what quant_unpack_tensor() makes of it in the
// file.
void tile_unpack_row(TileKind kind, int columns, const uint8_t *tile, int row, float *values);

// The same for a row of a whole matrix.
void matrix_row(const Matrix *matrix, int row, float *values);

#endif
