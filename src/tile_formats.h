// Of what the superblocks of each quantised kind of tile are made; tiles.h draws the parts. The table is known where
// kernels are compiled, so that one template makes each of them, and the scalar reference reads it as it runs.
#ifndef NIBBLE_TILE_FORMATS_H
#define NIBBLE_TILE_FORMATS_H

#include "tiles.h"

// What the scales of a block are.
typedef enum {
  SCALES_NONE,         // the header's scale alone
  SCALES_F16,          // one for 32 columns
  SCALES_U8,           // a whole number for 32 columns, times the header's scale
  SCALES_I8,           // the same, signed
  SCALES_U8_HALVES,    // a whole number for 16 columns, times the header's scale
  SCALES_I8_HALVES,    // the same, signed
  SCALES_U4_HALVES,    // the low nibble of a byte for 16 columns, times the header's scale
  SCALES_E8M0,         // a power of two for 32 columns: 2^(byte - 128)
  SCALES_E4M3_HALVES,  // a float of 8 bits for 16 columns
} TileScales;

// What is added to each weight.
typedef enum {
  MINIMA_NONE,
  MINIMA_F16,        // one for 32 columns
  MINIMA_U8,         // a whole number for 32 columns, times minus the header's minimum
  MINIMA_U4_HALVES,  // the high nibble of the byte that has the scale of 16 columns, times minus the header's minimum
} TileMinima;

// What a code means.
typedef enum {
  CODES_OFFSET,  // code x step - offset
  CODES_IQ4,     // iq4_values[code]
  CODES_FP4,     // fp4_values[code]
  CODES_HEADER,  // the header's codebook[code]
} TileCodes;

// A header that begins with an F16 infinity holds an F32 scale at this byte. Infinite scales are in no tile.
enum { FLOAT_SCALE_MARK = 0x7c, FLOAT_SCALE_AT = 4 };

// Bit fields, since the table stands in the wasm.
typedef struct {
  int blocks : 8;        // in a superblock
  int header_bytes : 8;  // 0, 16 (scales) or 32
  int low_bits : 8, high_bits : 8;
  TileScales scales : 8;
  TileMinima minima : 8;
  TileCodes codes : 8;
  int step : 8, offset : 16;  // of CODES_OFFSET
  float unit;                 // a power of two that every scale is multiplied with
} TileFormat;

//                          blocks header low high scales             minima            codes         step offset unit
static const TileFormat tile_formats[TILE_QUANTIZED] = {
    // clang-format off
    [TILE_Q4_0]    = {1,  0, 4, 0, SCALES_F16,         MINIMA_NONE,      CODES_OFFSET, 1,   8, 1},
    [TILE_Q4_1]    = {1,  0, 4, 0, SCALES_F16,         MINIMA_F16,       CODES_OFFSET, 1,   0, 1},
    [TILE_Q5_0]    = {1,  0, 5, 0, SCALES_F16,         MINIMA_NONE,      CODES_OFFSET, 1,  16, 1},
    [TILE_Q5_1]    = {1,  0, 5, 0, SCALES_F16,         MINIMA_F16,       CODES_OFFSET, 1,   0, 1},
    [TILE_Q8_0]    = {1,  0, 8, 0, SCALES_F16,         MINIMA_NONE,      CODES_OFFSET, 1, 128, 1},
    [TILE_Q2_K]    = {8, 32, 2, 0, SCALES_U4_HALVES,   MINIMA_U4_HALVES, CODES_OFFSET, 1,   0, 1},
    [TILE_Q3_K]    = {8, 16, 2, 1, SCALES_I8_HALVES,   MINIMA_NONE,      CODES_OFFSET, 1,   4, 1},
    [TILE_Q4_K]    = {8, 32, 4, 0, SCALES_U8,          MINIMA_U8,        CODES_OFFSET, 1,   0, 1},
    [TILE_Q5_K]    = {8, 32, 5, 0, SCALES_U8,          MINIMA_U8,        CODES_OFFSET, 1,   0, 1},
    [TILE_Q6_K]    = {8, 16, 6, 0, SCALES_I8_HALVES,   MINIMA_NONE,      CODES_OFFSET, 1,  32, 1},
    [TILE_IQ4_NL]  = {1,  0, 4, 0, SCALES_F16,         MINIMA_NONE,      CODES_IQ4,    1,   0, 1},
    [TILE_IQ4_XS]  = {8, 16, 4, 0, SCALES_I8,          MINIMA_NONE,      CODES_IQ4,    1,   0, 1},
    [TILE_GRID]    = {8, 32, 4, 0, SCALES_U8_HALVES,   MINIMA_NONE,      CODES_HEADER, 1,   0, 0.125f},
    [TILE_MXFP4]   = {1,  0, 4, 0, SCALES_E8M0,        MINIMA_NONE,      CODES_FP4,    1,   0, 1},
    [TILE_NVFP4]   = {2,  0, 4, 0, SCALES_E4M3_HALVES, MINIMA_NONE,      CODES_FP4,    1,   0, 1},
    [TILE_Q1_0]    = {4, 16, 1, 0, SCALES_NONE,        MINIMA_NONE,      CODES_OFFSET, 2,   1, 1},
    [TILE_Q2_0]    = {2, 16, 2, 0, SCALES_NONE,        MINIMA_NONE,      CODES_OFFSET, 1,   1, 1},
    [TILE_TERNARY] = {8, 16, 2, 0, SCALES_NONE,        MINIMA_NONE,      CODES_OFFSET, 1,   1, 1},
    // clang-format on
};

// A plane of 5 or 6 bits: byte vectors of the first 5 or 6 groups of four columns, and above their codes the bits of
// the groups that are left. Of such a group's code bits `from` to `from + count` stand in vector `vector`, from bit
// `at` on.
typedef struct {
  int group, from, count, vector, at;
} DensePart;

static const DensePart dense_five[] = {{5, 0, 3, 0, 5}, {5, 3, 2, 1, 5}, {6, 0, 3, 2, 5}, {6, 3, 2, 3, 5},
                                       {7, 0, 3, 4, 5}, {7, 3, 1, 1, 7}, {7, 4, 1, 3, 7}};
static const DensePart dense_six[] = {{6, 0, 2, 0, 6}, {6, 2, 2, 1, 6}, {6, 4, 2, 2, 6},
                                      {7, 0, 2, 3, 6}, {7, 2, 2, 4, 6}, {7, 4, 2, 5, 6}};
enum {
  DENSE_FIVE_PARTS = sizeof dense_five / sizeof *dense_five,
  DENSE_SIX_PARTS = sizeof dense_six / sizeof *dense_six
};

static inline bool plane_is_dense(int bits) { return bits == 5 || bits == 6; }

// Returns the row of a kind that is known as late as a call runs.
const TileFormat *tile_format(TileKind kind);

// Return the bytes of the parts of a block, and where they begin in it. A plane has TILE_ROWS x TILE_BLOCK codes.
static inline int tile_low_bytes(const TileFormat *format) { return format->low_bits * TILE_BLOCK; }
static inline int tile_high_bytes(const TileFormat *format) { return format->high_bits * TILE_BLOCK; }

static inline int tile_scale_bytes(const TileFormat *format) {
  switch (format->scales) {
    case SCALES_NONE: return 0;
    case SCALES_U8:
    case SCALES_I8:
    case SCALES_E8M0: return TILE_ROWS;
    default: return 2 * TILE_ROWS;
  }
}

static inline int tile_minimum_bytes(const TileFormat *format) {
  switch (format->minima) {
    case MINIMA_F16: return 2 * TILE_ROWS;
    case MINIMA_U8: return TILE_ROWS;
    default: return 0;
  }
}

static inline int tile_scales_at(const TileFormat *format) { return tile_low_bytes(format) + tile_high_bytes(format); }
static inline int tile_minima_at(const TileFormat *format) { return tile_scales_at(format) + tile_scale_bytes(format); }
static inline int tile_block_bytes(const TileFormat *format) {
  return tile_minima_at(format) + tile_minimum_bytes(format);
}
static inline int tile_superblock_bytes(const TileFormat *format) {
  return format->header_bytes + format->blocks * tile_block_bytes(format);
}

// Returns whether columns 0-15 and 16-31 of a block have scales of their own.
static inline bool tile_has_halves(const TileFormat *format) {
  return format->scales == SCALES_U8_HALVES || format->scales == SCALES_I8_HALVES ||
         format->scales == SCALES_U4_HALVES || format->scales == SCALES_E4M3_HALVES;
}

// Returns whether a superblock's header has floats that the numbers of its blocks are multiplied with.
static inline bool tile_has_header(const TileFormat *format) { return format->header_bytes > 0; }

// Returns whether the header's scale is multiplied with each block's whole scale, which is exact in a float, before it
// meets dot products; kernels.h says what then becomes of minima. Such kinds subtract nothing from codes.
static inline bool tile_folds(const TileFormat *format) { return format->scales == SCALES_U8; }

// Returns whether a superblock's header has, in place of eight F16 scales, an F32 scale of all its rows (see tiles.h).
static inline bool tile_has_float_scale(const TileFormat *format, const uint8_t *superblock) {
  return format->scales == SCALES_NONE && format->low_bits == 2 &&
         (superblock[1] & FLOAT_SCALE_MARK) == FLOAT_SCALE_MARK;
}

// A row's part of a block: its 32 values, and what they are multiplied with and what is added. `superblock` begins with
// its header; `block` is one of its blocks; `half` is 0 or 1. weight = scale * value + minimum.
void tile_values(const TileFormat *format, const uint8_t *superblock, const uint8_t *block, int row,
                 int8_t values[TILE_BLOCK]);
float tile_scale(const TileFormat *format, const uint8_t *superblock, const uint8_t *block, int row, int half);
float tile_minimum(const TileFormat *format, const uint8_t *superblock, const uint8_t *block, int row, int half);

// Return the factors of both where there is a header: scale = header scale * whole scale, minimum = - header minimum *
// whole minimum.
float tile_header_scale(const TileFormat *format, const uint8_t *superblock, int row);
float tile_header_minimum(const uint8_t *superblock, int row);
int tile_whole_scale(const TileFormat *format, const uint8_t *block, int row, int half);
int tile_whole_minimum(const TileFormat *format, const uint8_t *block, int row, int half);

#endif
