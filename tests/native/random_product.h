// Matrix products of random numbers for the kernel check: weights as a file holds them, the same in tiles, activations.
#ifndef NIBBLE_RANDOM_PRODUCT_H
#define NIBBLE_RANDOM_PRODUCT_H

#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "quant.h"

enum { GUARD = 64 };  // floats behind an output, which nobody may touch

static inline uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static inline float random_float(uint32_t *state) { return (float)next_random(state) * 0x1p-23f - 1.0f; }

static inline void *allocate(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (memory == NULL) abort();
  return memory;
}

static inline float *random_floats(size_t count, uint32_t *state) {
  float *values = allocate(count * sizeof *values);
  for (size_t i = 0; i < count; i++)
    values[i] = random_float(state);
  return values;
}

// Every type that a matrix can be of, and where in a block of the file its F16 scale and minimum stand; -1: it has
// none.
static const struct {
  uint32_t type;
  int scale, minimum;
} weight_types[] = {
    {GGML_Q4_0, 0, -1},   {GGML_Q4_1, 0, 2},    {GGML_Q5_0, 0, -1},  {GGML_Q5_1, 0, 2},     {GGML_Q8_0, 0, -1},
    {GGML_Q2_K, 80, 82},  {GGML_Q3_K, 108, -1}, {GGML_Q4_K, 0, 2},   {GGML_Q5_K, 0, 2},     {GGML_Q6_K, 208, -1},
    {GGML_IQ4_NL, 0, -1}, {GGML_IQ4_XS, 0, -1}, {GGML_IQ1_S, 0, -1}, {GGML_IQ1_M, -1, -1},  {GGML_IQ2_XXS, 0, -1},
    {GGML_IQ2_XS, 0, -1}, {GGML_IQ2_S, 0, -1},  {GGML_IQ3_S, 0, -1}, {GGML_IQ3_XXS, 0, -1}, {GGML_MXFP4, -1, -1},
    {GGML_NVFP4, -1, -1}, {GGML_Q1_0, 0, -1},   {GGML_Q2_0, 0, -1},  {GGML_TQ1_0, 52, -1},  {GGML_TQ2_0, 64, -1},
    {GGML_F32, -1, -1},   {GGML_F16, 0, -1},    {GGML_BF16, -1, -1},
};
enum { WEIGHT_TYPES = sizeof weight_types / sizeof *weight_types };

static inline size_t file_row_bytes(uint32_t type, int columns) {
  const QuantFormat *format = quant_format(type);
  return (size_t)(columns / format->block_elements * format->block_bytes);
}

// Gives a block of random bytes scales of a real size.
static inline void set_scales(int index, uint8_t *block, uint32_t *state) {
  const uint16_t half = f32_to_f16(random_float(state) * 0.1f), minimum = f32_to_f16(random_float(state));
  const float number = random_float(state);
  if (weight_types[index].scale >= 0) memcpy(block + weight_types[index].scale, &half, 2);
  if (weight_types[index].minimum >= 0) memcpy(block + weight_types[index].minimum, &minimum, 2);
  switch (weight_types[index].type) {
    case GGML_F32: memcpy(block, &number, 4); break;
    case GGML_BF16: memcpy(block, (const uint8_t *)&number + 2, 2); break;
    case GGML_MXFP4: block[0] = (uint8_t)(120 + block[0] % 8); break;
    case GGML_IQ1_M:  // a nibble of the scale in each of four numbers
      for (int i = 0; i < 4; i++)
        block[49 + 2 * i] = (uint8_t)((block[49 + 2 * i] & 15) | (half >> (4 * i) & 15) << 4);
      break;
    default: break;
  }
}

// Rows of a tensor as they stand in a file, of random bytes with scales of a real size.
static inline uint8_t *random_rows(int index, int columns, int rows, uint32_t *state) {
  const size_t bytes = file_row_bytes(weight_types[index].type, columns) * (size_t)rows;
  const size_t block = (size_t)quant_format(weight_types[index].type)->block_bytes;
  uint8_t *file = allocate(bytes);
  for (size_t i = 0; i < bytes; i++)
    file[i] = (uint8_t)next_random(state);
  for (size_t i = 0; i < bytes; i += block)
    set_scales(index, file + i, state);
  return file;
}

static inline uint8_t *tile_up(uint32_t type, int columns, int rows, const uint8_t *file) {
  TileKind kind;
  if (!tile_kind_of(type, &kind)) abort();
  const size_t bytes = tile_bytes(kind, columns), row_bytes = file_row_bytes(type, columns);
  const int tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
  uint8_t *packed = allocate(bytes * (size_t)tiles);
  for (int i = 0; i < tiles; i++) {
    const int left = rows - i * TILE_ROWS;
    tile_pack(type, columns, file + (size_t)i * TILE_ROWS * row_bytes, left < TILE_ROWS ? left : TILE_ROWS,
              packed + (size_t)i * bytes);
  }
  return packed;
}

typedef struct {
  uint32_t type;
  TileKind kind;
  int rows, columns, tokens;
  uint8_t *file, *tiles, *packed;
  float *x;
  size_t stride, y_floats, y_stride;
} Product;

static inline void pack_tokens(const Kernels *kernels, const Product *p, uint8_t *packed) {
  const size_t token_bytes = (size_t)(p->columns / TILE_BLOCK) * PACKED_BLOCK_BYTES;
  const int in_panels = p->tokens / PANEL_TOKENS * PANEL_TOKENS;
  for (int t = 0; t < in_panels; t += PANEL_TOKENS)
    kernels->pack(p->x + (size_t)t * p->stride, p->stride, PANEL_TOKENS, p->columns, packed + (size_t)t * token_bytes);
  for (int t = in_panels; t < p->tokens; t++)
    kernels->pack(p->x + (size_t)t * p->stride, p->stride, 1, p->columns, packed + (size_t)t * token_bytes);
}

// Of the type weight_types[index]; columns are rounded up to whole superblocks of its tiles.
static inline Product make_product(int index, int rows, int columns, int tokens, uint32_t *state) {
  Product p = {.type = weight_types[index].type, .rows = rows, .tokens = tokens};
  if (!tile_kind_of(p.type, &p.kind)) abort();
  const int step = tile_columns(p.kind);
  p.columns = (columns + step - 1) / step * step;
  p.stride = (size_t)p.columns + 3;
  p.file = random_rows(index, p.columns, rows, state);
  p.tiles = tile_up(p.type, p.columns, rows, p.file);
  p.x = random_floats((size_t)tokens * p.stride, state);
  p.y_stride = (size_t)(rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS + 5;
  p.y_floats = (size_t)tokens * p.y_stride + GUARD;
  p.packed = allocate((size_t)tokens * (size_t)(p.columns / TILE_BLOCK + 1) * PACKED_BLOCK_BYTES);
  if (tile_is_quantized(p.kind)) pack_tokens(&kernels_reference, &p, p.packed);
  return p;
}

static inline void free_product(Product *p) {
  free(p->file);
  free(p->tiles);
  free(p->packed);
  free(p->x);
}

#endif
