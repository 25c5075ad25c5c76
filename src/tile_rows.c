#include "tile_rows.h"

#include <string.h>

#include "bytes.h"

// The values that the codes of the grid formats name, in eighths of IQ1 and as they stand of the others.
static const int8_t iq1_values[16] = {-9, -7, -1, 1, 7, 9};
static const int8_t iq2_values[16] = {-43, -25, -8, 8, 25, 43};
static const int8_t iq3_xxs_values[16] = {-62, -52, -44, -36, -28, -20, -12, -4, 4, 12, 20, 28, 36, 44, 52, 62};
static const int8_t iq3_s_values[16] = {-15, -13, -11, -9, -7, -5, -3, -1, 1, 3, 5, 7, 9, 11, 13, 15};

static const int8_t *codebook_of(uint32_t type) {
  switch (type) {
    case GGML_IQ1_S:
    case GGML_IQ1_M: return iq1_values;
    case GGML_IQ2_XXS:
    case GGML_IQ2_XS:
    case GGML_IQ2_S: return iq2_values;
    case GGML_IQ3_XXS: return iq3_xxs_values;
    case GGML_IQ3_S: return iq3_s_values;
    case GGML_IQ4_XS: return iq4_values;
    default: return NULL;
  }
}

// What is added to the values of a superblock to make them codes.
static int offset_of(uint32_t type) {
  switch (type) {
    case GGML_Q3_K: return 4;
    case GGML_Q6_K: return 32;
    case GGML_TQ1_0:
    case GGML_TQ2_0: return 1;
    default: return 0;
  }
}

void tile_row_reader(uint32_t tensor_type, TileRowReader *reader) {
  *reader =
      (TileRowReader){.type = tensor_type, .file = quant_format(tensor_type), .scale_factor = 1, .tensor_scale = 1};
  superblock_grid(tensor_type, reader->grid);
  const int8_t *codebook = codebook_of(tensor_type);
  for (int value = -128; value < 128; value++)
    reader->code_of[(uint8_t)value] = (uint8_t)(value + offset_of(tensor_type));
  for (int code = 0; codebook != NULL && code < 16; code++) {
    reader->codebook[code] = codebook[code];
    // The zeros behind the last value of a shorter book are no code of its own.
    if (code == 0 || codebook[code] != 0) reader->code_of[(uint8_t)codebook[code]] = (uint8_t)code;
  }
  // All grid formats share a unit of an eighth.
  if (tensor_type == GGML_IQ3_XXS) reader->scale_factor = 2;
  if (tensor_type == GGML_IQ3_S) reader->scale_factor = 8;
}

// A superblock of the file is one of the tile.
static void read_superblock(const TileRowReader *reader, const uint8_t *blocks, TileRow *row) {
  Superblock block;
  block.grid = reader->grid;
  reader->file->read(blocks, &block);
  for (int i = 0; i < SUPERBLOCK; i++)
    row->codes[i] = reader->code_of[(uint8_t)block.values[i]];
  memcpy(row->scale, &block.scale, 2);
  memcpy(row->minimum, &block.minimum, 2);
  for (int g = 0; g < SUPERBLOCK_GROUPS; g++) {
    row->scales[g] = (uint8_t)(block.scales[g] * reader->scale_factor);
    row->minima[g] = block.minima[g];
  }
  if (reader->type != GGML_Q2_K) return;
  for (int g = 0; g < SUPERBLOCK_GROUPS; g++)
    row->scales[g] |= (uint8_t)(row->minima[g] << 4);
}

static void read_nibbles(const uint8_t *pairs, int count, uint8_t *codes) {
  for (int i = 0; i < count / 2; i++) {
    codes[i] = pairs[i] & 15;
    codes[i + count / 2] = pairs[i] >> 4;
  }
}

static void read_fifth_bits(const uint8_t *high, uint8_t *codes) {
  for (int i = 0; i < TILE_BLOCK; i++)
    codes[i] |= (uint8_t)((high[i / 8] >> (i % 8) & 1) << 4);
}

static void read_bits(const uint8_t *bytes, int bits, int count, uint8_t *codes) {
  const int each = 8 / bits;
  for (int i = 0; i < count; i++)
    codes[i] = (uint8_t)(bytes[i / each] >> (i % each * bits) & ((1 << bits) - 1));
}

static void read_nvfp4(const uint8_t *block, TileRow *row) {
  for (int part = 0; part < 4; part++) {
    read_nibbles(block + 4 + 8 * part, 16, row->codes + 16 * part);
    // ggml reads the NaN as 0; kernels know no NaN.
    row->scales[part] = block[part] == 0x7f ? 0 : block[part];
  }
}

// The scale, which all rows share, is no part of them.
static void read_i2_s(const uint8_t *file_row, int first, int columns, TileRow *row) {
  memset(row->scale, 0, sizeof row->scale);
  for (int c = 0; c < columns; c += TILE_BLOCK)
    i2_s_codes(file_row, (size_t)(first + c), row->codes + c);
}

void tile_row_read(const TileRowReader *reader, const uint8_t *file_row, int first, int columns, TileRow *row) {
  const uint8_t *blocks = file_row + (size_t)(first / reader->file->block_elements * reader->file->block_bytes);
  if (reader->type == GGML_I2_S) {
    read_i2_s(file_row, first, columns, row);
    return;
  }
  if (reader->file->read != NULL) {
    read_superblock(reader, blocks, row);
    return;
  }
  const bool has_minimum = reader->type == GGML_Q4_1 || reader->type == GGML_Q5_1;
  const uint8_t *codes = blocks + (has_minimum ? 4 : 2);
  memcpy(row->scales, blocks, 2);
  memcpy(row->scale, blocks, 2);
  if (has_minimum) memcpy(row->minima, blocks + 2, 2);
  switch (reader->type) {
    case GGML_Q5_0:
    case GGML_Q5_1:
      read_nibbles(codes + 4, TILE_BLOCK, row->codes);
      read_fifth_bits(codes, row->codes);
      break;
    case GGML_Q8_0:
      for (int i = 0; i < TILE_BLOCK; i++)
        row->codes[i] = codes[i] ^ 0x80;
      break;
    case GGML_MXFP4: read_nibbles(blocks + 1, TILE_BLOCK, row->codes); break;
    case GGML_NVFP4: read_nvfp4(blocks, row); break;
    case GGML_Q1_0: read_bits(codes, 1, 128, row->codes); break;
    case GGML_Q2_0: read_bits(codes, 2, 64, row->codes); break;
    default: read_nibbles(codes, TILE_BLOCK, row->codes); break;
  }
}
