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

// Rows of a tensor as they stand in a file, of random bytes with scales of a real size.
static inline uint8_t *random_rows(TileKind kind, int columns, int rows, uint32_t *state) {
  const size_t bytes = tile_row_bytes(kind, columns) * (size_t)rows;
  uint8_t *file = allocate(bytes);
  for (size_t i = 0; i < bytes; i++)
    file[i] = (uint8_t)next_random(state);
  const size_t block = tile_row_bytes(kind, tile_is_quantized(kind) ? TILE_BLOCK : 1);
  for (size_t i = 0; i < bytes; i += block) {
    const uint16_t half = f32_to_f16(random_float(state) * 0.1f), minimum = f32_to_f16(random_float(state));
    const float number = random_float(state);
    if (kind == TILE_F32) {
      memcpy(file + i, &number, 4);
    } else if (kind == TILE_BF16) {
      memcpy(file + i, (const uint8_t *)&number + 2, 2);
    } else {
      memcpy(file + i, &half, 2);
      if (kind == TILE_Q4_1) memcpy(file + i + 2, &minimum, 2);
    }
  }
  return file;
}

static inline uint8_t *tile_up(TileKind kind, int columns, int rows, const uint8_t *file) {
  const size_t bytes = tile_bytes(kind, columns), row_bytes = tile_row_bytes(kind, columns);
  const int tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
  uint8_t *packed = allocate(bytes * (size_t)tiles);
  for (int i = 0; i < tiles; i++) {
    const int left = rows - i * TILE_ROWS;
    tile_pack(kind, columns, file + (size_t)i * TILE_ROWS * row_bytes, left < TILE_ROWS ? left : TILE_ROWS,
              packed + (size_t)i * bytes);
  }
  return packed;
}

typedef struct {
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

static inline Product make_product(TileKind kind, int rows, int columns, int tokens, uint32_t *state) {
  Product p = {.kind = kind, .rows = rows, .columns = columns, .tokens = tokens, .stride = (size_t)columns + 3};
  p.file = random_rows(kind, columns, rows, state);
  p.tiles = tile_up(kind, columns, rows, p.file);
  p.x = random_floats((size_t)tokens * p.stride, state);
  p.y_stride = (size_t)(rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS + 5;
  p.y_floats = (size_t)tokens * p.y_stride + GUARD;
  p.packed = allocate((size_t)tokens * (size_t)(columns / TILE_BLOCK + 1) * PACKED_BLOCK_BYTES);
  if (tile_is_quantized(kind)) pack_tokens(&kernels_reference, &p, p.packed);
  return p;
}

static inline void free_product(Product *p) {
  free(p->file);
  free(p->tiles);
  free(p->packed);
  free(p->x);
}

#endif
