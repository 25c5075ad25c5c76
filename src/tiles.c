#include "tiles.h"

#include <string.h>

#include "bytes.h"
#include "float_math.h"
#include "quant.h"
#include "round_up.h"
#include "tile_formats.h"
#include "tile_rows.h"

enum { E8M0_NAN = 0xff };

const TileFormat *tile_format(TileKind kind) { return &tile_formats[kind]; }

// Where row r's F16 number stands among eight: low halves of four lanes hold rows 0-3, high halves rows 4-7.
static int half_slot(int row) { return row % 4 * 2 + row / 4; }

static float half_at(const uint8_t *halves, int row) { return f16_finite(load_u16(halves + 2 * half_slot(row))); }

// Four bytes of a plane: those of vector `vector`, and of one row.
static size_t plane_at(int vector, int row) { return (size_t)(vector * TILE_ROWS + row) * 4; }

// The group of four columns that the i-th bits of a vector's bytes belong to: nibbles of a byte are 16 columns apart,
// bits and pairs of bits four.
static int plane_group(int bits, int vector, int i) { return bits == 4 ? vector + 4 * i : vector * (8 / bits) + i; }

// Adds a plane's bits, moved up by `shift`, to a row's codes.
static void add_plane(const uint8_t *plane, int bits, int row, int shift, uint8_t codes[TILE_BLOCK]) {
  const int groups = 8 / bits;  // that share a vector's byte
  const uint32_t mask = ((UINT32_C(1) << bits) - 1) * UINT32_C(0x01010101);
  for (int vector = 0; vector < bits; vector++) {
    const uint32_t word = load_u32(plane + plane_at(vector, row));
    for (int i = 0; i < groups; i++) {
      const uint32_t group = (word >> (i * bits) & mask) << shift;
      uint8_t *to = codes + 4 * plane_group(bits, vector, i);
      for (int c = 0; c < 4; c++)
        to[c] |= (uint8_t)(group >> (8 * c));
    }
  }
}

// The parts of a dense plane.
static int dense_parts(int bits, const DensePart **parts) {
  *parts = bits == 5 ? dense_five : dense_six;
  return bits == 5 ? DENSE_FIVE_PARTS : DENSE_SIX_PARTS;
}

// Of a code of a dense plane: the byte that has a part of it.
static size_t dense_at(int vector, int row, int column) { return plane_at(vector, row) + (size_t)(column % 4); }

static void read_dense(const uint8_t *plane, int bits, int row, uint8_t codes[TILE_BLOCK]) {
  const DensePart *parts;
  const int count = dense_parts(bits, &parts);
  for (int c = 0; c < 4 * bits; c++)
    codes[c] = plane[dense_at(c / 4, row, c)] & ((1 << bits) - 1);
  for (int i = 0; i < count; i++)
    for (int c = 4 * parts[i].group; c < 4 * parts[i].group + 4; c++)
      codes[c] |= (uint8_t)((plane[dense_at(parts[i].vector, row, c)] >> parts[i].at & ((1 << parts[i].count) - 1))
                            << parts[i].from);
}

static void pack_dense(const uint8_t codes[TILE_BLOCK], int row, int bits, uint8_t *plane) {
  const DensePart *parts;
  const int count = dense_parts(bits, &parts);
  for (int c = 0; c < 4 * bits; c++)
    plane[dense_at(c / 4, row, c)] = codes[c];
  for (int i = 0; i < count; i++)
    for (int c = 4 * parts[i].group; c < 4 * parts[i].group + 4; c++)
      plane[dense_at(parts[i].vector, row, c)] |=
          (uint8_t)((codes[c] >> parts[i].from & ((1 << parts[i].count) - 1)) << parts[i].at);
}

// The same of codes of one bit: a byte has eight columns of a row.
static void add_row_bits(const uint8_t *plane, int row, uint8_t codes[TILE_BLOCK]) {
  for (int c = 0; c < TILE_BLOCK; c++)
    codes[c] |= plane[c / 8 * TILE_ROWS + row] >> (c % 8) & 1;
}

void tile_values(const TileFormat *format, const uint8_t *superblock, const uint8_t *block, int row,
                 int8_t values[TILE_BLOCK]) {
  uint8_t codes[TILE_BLOCK] = {0};
  if (format->low_bits == 1)
    add_row_bits(block, row, codes);
  else if (plane_is_dense(format->low_bits))
    read_dense(block, format->low_bits, row, codes);
  else
    add_plane(block, format->low_bits, row, 0, codes);
  if (format->high_bits > 0) add_plane(block + tile_low_bytes(format), format->high_bits, row, format->low_bits, codes);
  const int8_t *codebook = format->codes == CODES_IQ4      ? iq4_values
                           : format->codes == CODES_FP4    ? fp4_values
                           : format->codes == CODES_HEADER ? (const int8_t *)superblock + 2 * TILE_ROWS
                                                           : NULL;
  for (int c = 0; c < TILE_BLOCK; c++)
    values[c] = codebook != NULL ? codebook[codes[c]] : (int8_t)(codes[c] * format->step - format->offset);
}

float tile_header_scale(const TileFormat *format, const uint8_t *superblock, int row) {
  if (tile_has_float_scale(format, superblock)) return float_of_bits(load_u32(superblock + FLOAT_SCALE_AT));
  return half_at(superblock, row) * format->unit;
}

float tile_header_minimum(const uint8_t *superblock, int row) { return half_at(superblock + 2 * TILE_ROWS, row); }

int tile_whole_scale(const TileFormat *format, const uint8_t *block, int row, int half) {
  const uint8_t *scales = block + tile_scales_at(format), *of_half = scales + half * TILE_ROWS;
  switch (format->scales) {
    case SCALES_U8: return scales[row];
    case SCALES_I8: return (int8_t)scales[row];
    case SCALES_U8_HALVES: return of_half[row];
    case SCALES_I8_HALVES: return (int8_t)of_half[row];
    case SCALES_U4_HALVES: return of_half[row] & 15;
    default: return 1;
  }
}

int tile_whole_minimum(const TileFormat *format, const uint8_t *block, int row, int half) {
  switch (format->minima) {
    case MINIMA_U8: return block[tile_minima_at(format) + row];
    case MINIMA_U4_HALVES: return block[tile_scales_at(format) + half * TILE_ROWS + row] >> 4;
    default: return 0;
  }
}

float tile_scale(const TileFormat *format, const uint8_t *superblock, const uint8_t *block, int row, int half) {
  const uint8_t *scales = block + tile_scales_at(format);
  switch (format->scales) {
    case SCALES_F16: return half_at(scales, row);
    case SCALES_E8M0: return e8m0_half_to_f32(scales[row]);
    case SCALES_E4M3_HALVES: return e4m3_half_to_f32(scales[half * TILE_ROWS + row]);
    default: return tile_header_scale(format, superblock, row) * (float)tile_whole_scale(format, block, row, half);
  }
}

float tile_minimum(const TileFormat *format, const uint8_t *superblock, const uint8_t *block, int row, int half) {
  if (format->minima == MINIMA_NONE) return 0;
  if (format->minima == MINIMA_F16) return half_at(block + tile_minima_at(format), row);
  return -tile_header_minimum(superblock, row) * (float)tile_whole_minimum(format, block, row, half);
}

static void unpack_block(const TileFormat *format, const uint8_t *superblock, const uint8_t *block, int row,
                         float *weights) {
  int8_t values[TILE_BLOCK];
  tile_values(format, superblock, block, row, values);
  for (int half = 0; half < 2; half++) {
    const float scale = tile_scale(format, superblock, block, row, half);
    const float minimum = tile_minimum(format, superblock, block, row, half);
    for (int c = half * TILE_HALF; c < (half + 1) * TILE_HALF; c++) {
      const float product = scale * (float)values[c];
      weights[c] = format->minima == MINIMA_NONE ? product : product + minimum;
    }
  }
}

static void unpack_quantized(const TileFormat *format, int columns, const uint8_t *tile, int row, float *values) {
  const int superblock_columns = format->blocks * TILE_BLOCK;
  for (int first = 0; first < columns; first += superblock_columns, tile += tile_superblock_bytes(format))
    for (int b = 0; b < format->blocks; b++)
      unpack_block(format, tile, tile + format->header_bytes + b * tile_block_bytes(format), row,
                   values + first + b * TILE_BLOCK);
}

static size_t tile_number_bytes(TileKind kind) { return kind == TILE_F32 ? 4 : 2; }

static float tile_number(TileKind kind, const uint8_t *number) {
  if (kind == TILE_F32) return float_of_bits(load_u32(number));
  const uint16_t half = load_u16(number);
  return kind == TILE_F16 ? f16_finite(half) : float_of_bits((uint32_t)half << 16);
}

// One row's part of a plane of `bits` bits, which are those of the codes from bit `from` on.
static void pack_plane(const uint8_t codes[TILE_BLOCK], int r, int from, int bits, uint8_t *plane) {
  const uint32_t mask = ((UINT32_C(1) << bits) - 1) * UINT32_C(0x01010101);
  for (int vector = 0; vector < bits; vector++) {
    uint32_t word = 0;
    for (int i = 0; i < 8 / bits; i++)
      word |= (load_u32(codes + 4 * plane_group(bits, vector, i)) >> from & mask) << (i * bits);
    memcpy(plane + plane_at(vector, r), &word, sizeof word);
  }
}

static void pack_row_bits(const uint8_t codes[TILE_BLOCK], int r, uint8_t *plane) {
  for (int byte = 0; byte < TILE_BLOCK / 8; byte++) {
    int bits = 0;
    for (int i = 0; i < 8; i++)
      bits |= codes[8 * byte + i] << i;
    plane[byte * TILE_ROWS + r] = (uint8_t)bits;
  }
}

static bool is_finite_half(const uint8_t *half) { return (load_u16(half) & 0x7c00) != 0x7c00; }

// Returns whether the number is finite.
static bool put_half(const uint8_t *half, int row, uint8_t *halves) {
  memcpy(halves + 2 * half_slot(row), half, 2);
  return is_finite_half(half);
}

// Returns whether all of the row's scales and minima are finite.
static bool pack_row(const TileFormat *format, const TileRow *row, int r, uint8_t *superblock) {
  const bool f16_scales = format->scales == SCALES_F16, f16_minima = format->minima == MINIMA_F16;
  bool finite = true;
  if (format->header_bytes > 0) finite &= put_half(row->scale, r, superblock);
  if (format->header_bytes > 2 * TILE_ROWS && format->codes != CODES_HEADER)
    finite &= put_half(row->minimum, r, superblock + 2 * TILE_ROWS);
  for (int b = 0; b < format->blocks; b++) {
    uint8_t *block = superblock + format->header_bytes + b * tile_block_bytes(format);
    uint8_t *scales = block + tile_scales_at(format), *minima = block + tile_minima_at(format);
    const uint8_t *codes = row->codes + b * TILE_BLOCK;
    if (format->low_bits == 1)
      pack_row_bits(codes, r, block);
    else if (plane_is_dense(format->low_bits))
      pack_dense(codes, r, format->low_bits, block);
    else
      pack_plane(codes, r, 0, format->low_bits, block);
    if (format->high_bits > 0)
      pack_plane(codes, r, format->low_bits, format->high_bits, block + tile_low_bytes(format));
    if (f16_scales) finite &= put_half(row->scales + 2 * b, r, scales);
    if (f16_minima) finite &= put_half(row->minima + 2 * b, r, minima);
    if (format->scales == SCALES_E8M0) finite &= row->scales[2 * b] != E8M0_NAN;
    for (int half = 0; !f16_scales && half < tile_scale_bytes(format) / TILE_ROWS; half++)
      scales[half * TILE_ROWS + r] = row->scales[2 * b + half];
    if (format->minima == MINIMA_U8) minima[r] = row->minima[2 * b];
  }
  return finite;
}

// Returns whether the scale is finite.
static bool put_float_scale(float scale, uint8_t *header) {
  static const uint8_t begin[FLOAT_SCALE_AT] = {0, FLOAT_SCALE_MARK};
  memset(header, 0, 2 * TILE_ROWS);
  memcpy(header, begin, sizeof begin);
  memcpy(header + FLOAT_SCALE_AT, &scale, sizeof scale);
  return scale - scale == 0;
}

static bool pack_quantized(const TileFormat *format, const TileRowReader *reader, int columns, const uint8_t *file_rows,
                           int rows, uint8_t *tile) {
  const QuantFormat *file = reader->file;
  const int superblock_columns = format->blocks * TILE_BLOCK;
  const size_t row_bytes = (size_t)columns / (size_t)file->block_elements * (size_t)file->block_bytes;
  TileRow zeros = {.codes = {0}};
  // A scale of its own makes any row zeros; one that is shared takes codes that mean 0.
  if (quant_tensor_bytes(file) > 0) memset(zeros.codes, format->offset, sizeof zeros.codes);
  bool finite = true;
  for (int first = 0; first < columns; first += superblock_columns) {
    if (format->codes == CODES_HEADER) memcpy(tile + 2 * TILE_ROWS, reader->codebook, sizeof reader->codebook);
    for (int r = 0; r < TILE_ROWS; r++) {
      TileRow row;
      if (r < rows) tile_row_read(reader, file_rows + (size_t)r * row_bytes, first, superblock_columns, &row);
      finite &= pack_row(format, r < rows ? &row : &zeros, r, tile);
    }
    if (quant_tensor_bytes(file) > 0) finite &= put_float_scale(reader->tensor_scale, tile);
    tile += tile_superblock_bytes(format);
  }
  return finite;
}

static const struct {
  uint32_t type;
  TileKind kind;
} kinds[] = {
    {GGML_F32, TILE_F32},      {GGML_F16, TILE_F16},       {GGML_BF16, TILE_BF16},     {GGML_Q4_0, TILE_Q4_0},
    {GGML_Q4_1, TILE_Q4_1},    {GGML_Q5_0, TILE_Q5_0},     {GGML_Q5_1, TILE_Q5_1},     {GGML_Q8_0, TILE_Q8_0},
    {GGML_Q2_K, TILE_Q2_K},    {GGML_Q3_K, TILE_Q3_K},     {GGML_Q4_K, TILE_Q4_K},     {GGML_Q5_K, TILE_Q5_K},
    {GGML_Q6_K, TILE_Q6_K},    {GGML_IQ4_NL, TILE_IQ4_NL}, {GGML_IQ4_XS, TILE_IQ4_XS}, {GGML_IQ1_S, TILE_GRID},
    {GGML_IQ1_M, TILE_GRID},   {GGML_IQ2_XXS, TILE_GRID},  {GGML_IQ2_XS, TILE_GRID},   {GGML_IQ2_S, TILE_GRID},
    {GGML_IQ3_XXS, TILE_GRID}, {GGML_IQ3_S, TILE_GRID},    {GGML_MXFP4, TILE_MXFP4},   {GGML_NVFP4, TILE_NVFP4},
    {GGML_Q1_0, TILE_Q1_0},    {GGML_Q2_0, TILE_Q2_0},     {GGML_TQ1_0, TILE_TERNARY}, {GGML_TQ2_0, TILE_TERNARY},
    {GGML_I2_S, TILE_TERNARY},
};

bool tile_kind_of(uint32_t tensor_type, uint64_t columns, TileKind *kind) {
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (kinds[i].type != tensor_type) continue;
    *kind = kinds[i].kind;
    // Its blocks have 128 columns: half a superblock may be left, and Q2_0 has the same codes in smaller ones.
    if (tensor_type == GGML_I2_S && columns % TILE_SUPERBLOCK != 0) *kind = TILE_Q2_0;
    return true;
  }
  return false;
}

uint32_t tile_type_of(TileKind kind) {
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (kinds[i].kind == kind) return kinds[i].type;
  return GGML_F32;
}

const char *tile_kind_name(TileKind kind) {
#define TILE_TEXT(kind) #kind,
  static const char *const names[TILE_KINDS] = {TILE_QUANTIZED_KINDS(TILE_TEXT) "F32", "F16", "BF16"};
#undef TILE_TEXT
  return names[kind];
}

bool tile_is_quantized(TileKind kind) { return kind < TILE_QUANTIZED; }

int tile_columns(TileKind kind) { return tile_is_quantized(kind) ? tile_format(kind)->blocks * TILE_BLOCK : 1; }

size_t tile_bytes(TileKind kind, int columns) {
  if (!tile_is_quantized(kind)) return (size_t)columns * tile_number_bytes(kind) * TILE_ROWS;
  return (size_t)(columns / tile_columns(kind)) * (size_t)tile_superblock_bytes(tile_format(kind));
}

int tile_count(const Matrix *matrix) { return units_of(matrix->rows, TILE_ROWS); }

static bool pack_numbers(TileKind kind, int columns, const uint8_t *file_rows, int rows, uint8_t *tile) {
  const size_t bytes = tile_number_bytes(kind), row_bytes = (size_t)columns * bytes;
  const uint16_t exponent = kind == TILE_F16 ? 0x7c00 : 0x7f80;  // where it stands in a number's upper half
  bool finite = true;
  for (size_t c = 0; c < (size_t)columns; c++)
    for (int r = 0; r < TILE_ROWS; r++, tile += bytes) {
      if (r < rows)
        memcpy(tile, file_rows + (size_t)r * row_bytes + c * bytes, bytes);
      else
        memset(tile, 0, bytes);
      finite &= (load_u16(tile + bytes - 2) & exponent) != exponent;
    }
  return finite;
}

bool tile_pack(const TileRowReader *reader, int columns, const uint8_t *file_rows, int rows, uint8_t *tile) {
  TileKind kind;
  if (!tile_kind_of(reader->type, (uint64_t)columns, &kind)) return false;
  if (!tile_is_quantized(kind)) return pack_numbers(kind, columns, file_rows, rows, tile);
  return pack_quantized(tile_format(kind), reader, columns, file_rows, rows, tile);
}

void tile_unpack_row(TileKind kind, int columns, const uint8_t *tile, int row, float *values) {
  if (tile_is_quantized(kind)) {
    unpack_quantized(tile_format(kind), columns, tile, row, values);
    return;
  }
  for (int c = 0; c < columns; c++)
    values[c] = tile_number(kind, tile + (size_t)(c * TILE_ROWS + row) * tile_number_bytes(kind));
}

void matrix_row(const Matrix *matrix, int row, float *values) {
  const uint8_t *tile = matrix->tiles + (size_t)(row / TILE_ROWS) * tile_bytes(matrix->kind, matrix->columns);
  tile_unpack_row(matrix->kind, matrix->columns, tile, row % TILE_ROWS, values);
}
