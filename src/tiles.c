#include "tiles.h"

#include <string.h>

#include "float_math.h"
#include "quant.h"

typedef struct {
  uint32_t tensor_type;
  bool quantized;
  int block_columns, row_block_bytes;  // of one row in the file; a tile holds TILE_ROWS times as many
  void (*pack_block)(const uint8_t *const rows[TILE_ROWS], uint8_t *block);  // a NULL row is a row of zeros
  void (*unpack_block)(const uint8_t *block, int row, float *values);
} TileFormat;

// Where row r's scale stands among eight: low halves of four lanes hold rows 0-3, high halves rows 4-7.
static int scale_slot(int row) { return row % 4 * 2 + row / 4; }

static void pack_half(const uint8_t *source, int row, uint8_t *scales) {
  uint8_t *slot = scales + 2 * scale_slot(row);
  if (source == NULL)
    slot[0] = slot[1] = 0;
  else
    memcpy(slot, source, 2);
}

static float unpack_half(const uint8_t *scales, int row) {
  uint16_t half;
  memcpy(&half, scales + 2 * scale_slot(row), 2);
  return f16_finite(half);
}

// Interleaves `groups` groups of 4 bytes from each row. All that is loaded goes through here.
static void pack_groups(const uint8_t *const rows[TILE_ROWS], int skip, int groups, uint8_t flip, uint8_t *block) {
  for (int j = 0; j < groups; j++)
    for (int r = 0; r < TILE_ROWS; r++, block += 4) {
      uint32_t group = 0;
      if (rows[r] != NULL) memcpy(&group, rows[r] + skip + 4 * j, 4);
      group ^= flip * UINT32_C(0x01010101);
      memcpy(block, &group, 4);
    }
}

static const uint8_t *group_of(const uint8_t *block, int group, int row) {
  return block + (group * TILE_ROWS + row) * 4;
}

static void pack_q4_0(const uint8_t *const rows[TILE_ROWS], uint8_t *block) {
  pack_groups(rows, 2, 4, 0, block);
  for (int r = 0; r < TILE_ROWS; r++)
    pack_half(rows[r], r, block + 128);
}

static void unpack_q4_0(const uint8_t *block, int row, float *values) {
  const float scale = unpack_half(block + 128, row);
  for (int c = 0; c < 16; c++) {
    const uint8_t pair = group_of(block, c / 4, row)[c % 4];
    values[c] = (float)((pair & 15) - 8) * scale;
    values[c + 16] = (float)((pair >> 4) - 8) * scale;
  }
}

static void pack_q4_1(const uint8_t *const rows[TILE_ROWS], uint8_t *block) {
  pack_groups(rows, 4, 4, 0, block);
  for (int r = 0; r < TILE_ROWS; r++) {
    pack_half(rows[r], r, block + 128);
    pack_half(rows[r] == NULL ? NULL : rows[r] + 2, r, block + 144);
  }
}

static void unpack_q4_1(const uint8_t *block, int row, float *values) {
  const float scale = unpack_half(block + 128, row), minimum = unpack_half(block + 144, row);
  for (int c = 0; c < 16; c++) {
    const uint8_t pair = group_of(block, c / 4, row)[c % 4];
    values[c] = (float)(pair & 15) * scale + minimum;
    values[c + 16] = (float)(pair >> 4) * scale + minimum;
  }
}

static void pack_q8_0(const uint8_t *const rows[TILE_ROWS], uint8_t *block) {
  pack_groups(rows, 2, 8, 0x80, block);
  for (int r = 0; r < TILE_ROWS; r++)
    pack_half(rows[r], r, block + 256);
}

static void unpack_q8_0(const uint8_t *block, int row, float *values) {
  const float scale = unpack_half(block + 256, row);
  for (int c = 0; c < 32; c++)
    values[c] = (float)(group_of(block, c / 4, row)[c % 4] - 128) * scale;
}

static void pack_numbers(const uint8_t *const rows[TILE_ROWS], size_t bytes, uint8_t *block) {
  for (int r = 0; r < TILE_ROWS; r++) {
    if (rows[r] == NULL)
      memset(block + (size_t)r * bytes, 0, bytes);
    else
      memcpy(block + (size_t)r * bytes, rows[r], bytes);
  }
}

static void pack_f32(const uint8_t *const rows[TILE_ROWS], uint8_t *block) { pack_numbers(rows, 4, block); }
static void pack_f16(const uint8_t *const rows[TILE_ROWS], uint8_t *block) { pack_numbers(rows, 2, block); }

static void unpack_f32(const uint8_t *block, int row, float *values) { memcpy(values, block + row * 4, 4); }

static void unpack_f16(const uint8_t *block, int row, float *values) {
  uint16_t half;
  memcpy(&half, block + row * 2, 2);
  *values = f16_finite(half);
}

static void unpack_bf16(const uint8_t *block, int row, float *values) {
  uint16_t half;
  memcpy(&half, block + row * 2, 2);
  *values = float_of_bits((uint32_t)half << 16);
}

static const TileFormat formats[TILE_KINDS] = {
    [TILE_Q4_0] = {GGML_Q4_0, true, TILE_BLOCK, 18, pack_q4_0, unpack_q4_0},
    [TILE_Q4_1] = {GGML_Q4_1, true, TILE_BLOCK, 20, pack_q4_1, unpack_q4_1},
    [TILE_Q8_0] = {GGML_Q8_0, true, TILE_BLOCK, 34, pack_q8_0, unpack_q8_0},
    [TILE_F32] = {GGML_F32, false, 1, 4, pack_f32, unpack_f32},
    [TILE_F16] = {GGML_F16, false, 1, 2, pack_f16, unpack_f16},
    [TILE_BF16] = {GGML_BF16, false, 1, 2, pack_f16, unpack_bf16},
};

bool tile_kind_of(uint32_t tensor_type, TileKind *kind) {
  for (int i = 0; i < TILE_KINDS; i++) {
    if (formats[i].tensor_type != tensor_type) continue;
    *kind = (TileKind)i;
    return true;
  }
  return false;
}

bool tile_is_quantized(TileKind kind) { return formats[kind].quantized; }

int tile_block_columns(TileKind kind) { return formats[kind].block_columns; }

size_t tile_row_bytes(TileKind kind, int columns) {
  return (size_t)(columns / formats[kind].block_columns) * (size_t)formats[kind].row_block_bytes;
}

size_t tile_bytes(TileKind kind, int columns) { return tile_row_bytes(kind, columns) * TILE_ROWS; }

int tile_count(const Matrix *matrix) { return (matrix->rows + TILE_ROWS - 1) / TILE_ROWS; }

void tile_pack(TileKind kind, int columns, const uint8_t *file_rows, int rows, uint8_t *tile) {
  const TileFormat *format = &formats[kind];
  const size_t row_bytes = tile_row_bytes(kind, columns);
  const int blocks = columns / format->block_columns;
  for (int b = 0; b < blocks; b++) {
    const uint8_t *block_rows[TILE_ROWS];
    for (int r = 0; r < TILE_ROWS; r++)
      block_rows[r] = r < rows ? file_rows + (size_t)r * row_bytes + (size_t)(b * format->row_block_bytes) : NULL;
    format->pack_block(block_rows, tile + (size_t)b * (size_t)(format->row_block_bytes * TILE_ROWS));
  }
}

void tile_unpack_row(TileKind kind, int columns, const uint8_t *tile, int row, float *values) {
  const TileFormat *format = &formats[kind];
  const int blocks = columns / format->block_columns;
  for (int b = 0; b < blocks; b++)
    format->unpack_block(tile + (size_t)b * (size_t)(format->row_block_bytes * TILE_ROWS), row,
                         values + (size_t)b * (size_t)format->block_columns);
}

void matrix_row(const Matrix *matrix, int row, float *values) {
  const uint8_t *tile = matrix->tiles + (size_t)(row / TILE_ROWS) * tile_bytes(matrix->kind, matrix->columns);
  tile_unpack_row(matrix->kind, matrix->columns, tile, row % TILE_ROWS, values);
}
