// Matrix products of random numbers for the kernel check: weights as a file holds them, the same in tiles, activations.
#ifndef NIBBLE_RANDOM_PRODUCT_H
#define NIBBLE_RANDOM_PRODUCT_H

#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "quant.h"
#include "tile_rows.h"
#include "weight_types.h"

// Of a block, as real models have them: then the scales of K formats lie below the normal numbers of F16.
#define LARGEST_WEIGHT 0.05f

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
static inline uint8_t *random_rows(int index, int columns, int rows, uint32_t *state) {
  const size_t bytes = file_row_bytes(weight_types[index].type, columns) * (size_t)rows;
  const size_t block = (size_t)quant_format(weight_types[index].type)->block_bytes;
  uint8_t *file = allocate(bytes + (size_t)quant_tensor_bytes(quant_format(weight_types[index].type)));
  for (size_t i = 0; i < bytes; i++)
    file[i] = (uint8_t)next_random(state);
  for (size_t i = 0; i < bytes; i += block)
    set_scales(&weight_types[index], file + i, LARGEST_WEIGHT, random_float(state));
  set_tensor_scale(weight_types[index].type, file + bytes, LARGEST_WEIGHT * (0.75f + 0.25f * random_float(state)));
  return file;
}

static inline uint8_t *tile_up(uint32_t type, int columns, int rows, const uint8_t *file) {
  TileKind kind;
  if (!tile_kind_of(type, (uint64_t)columns, &kind)) abort();
  const size_t bytes = tile_bytes(kind, columns), row_bytes = file_row_bytes(type, columns);
  const int tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
  uint8_t *packed = allocate(bytes * (size_t)tiles);
  TileRowReader reader;
  tile_row_reader(type, &reader);
  reader.tensor_scale = quant_tensor_scale(reader.file, file + (size_t)rows * row_bytes);
  for (int i = 0; i < tiles; i++) {
    const int left = rows - i * TILE_ROWS;
    tile_pack(&reader, columns, file + (size_t)i * TILE_ROWS * row_bytes, left < TILE_ROWS ? left : TILE_ROWS,
              packed + (size_t)i * bytes);
  }
  return packed;
}

typedef struct {
  uint32_t type;
  TileKind kind;
  int rows, columns, tokens;
  uint8_t *file, *tiles, *packed, *tables;
  float *x;
  size_t stride, y_floats, y_stride;
} Product;

static inline void pack_tokens(const Kernels *kernels, const Product *p, uint8_t *packed) {
  const size_t token_bytes = (size_t)(p->columns / TILE_BLOCK) * PACKED_BLOCK_BYTES;
  const int in_panels = packed_panels(p->tokens) * PANEL_TOKENS;
  for (int t = 0; t < in_panels; t += PANEL_TOKENS)
    kernels->pack(p->x + (size_t)t * p->stride, p->stride, p->tokens - t < PANEL_TOKENS ? p->tokens - t : PANEL_TOKENS,
                  p->columns, packed + (size_t)t * token_bytes);
  for (int t = in_panels; t < p->tokens; t++)
    kernels->pack(p->x + (size_t)t * p->stride, p->stride, 1, p->columns, packed + (size_t)t * token_bytes);
}

// Of the type weight_types[index]; columns are rounded up to whole blocks of the file and whole superblocks of tiles.
static inline Product make_product(int index, int rows, int columns, int tokens, uint32_t *state) {
  Product p = {.type = weight_types[index].type, .rows = rows, .tokens = tokens};
  const int block = quant_format(p.type)->block_elements;
  if (!tile_kind_of(p.type, (uint64_t)block, &p.kind)) abort();
  const int step = tile_columns(p.kind) > block ? tile_columns(p.kind) : block;
  p.columns = (columns + step - 1) / step * step;
  tile_kind_of(p.type, (uint64_t)p.columns, &p.kind);
  p.stride = (size_t)p.columns + 3;
  p.file = random_rows(index, p.columns, rows, state);
  p.tiles = tile_up(p.type, p.columns, rows, p.file);
  p.x = random_floats((size_t)tokens * p.stride, state);
  p.y_stride = (size_t)(rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS + 5;
  p.y_floats = (size_t)tokens * p.y_stride + GUARD;
  p.packed = allocate((size_t)packed_tokens(tokens) * (size_t)(p.columns / TILE_BLOCK + 1) * PACKED_BLOCK_BYTES);
  if (tile_is_quantized(p.kind)) pack_tokens(&kernels_reference, &p, p.packed);
  return p;
}

static inline void free_product(Product *p) {
  free(p->file);
  free(p->tiles);
  free(p->packed);
  free(p->tables);
  free(p->x);
}

// What a product leaves: `y` is poisoned before, or holds what is added to.
static const float poison = -1.2345e30f;

static inline float *multiply_by(MatmulKernel *matmul, const Product *p, bool add) {
  float *y = allocate(p->y_floats * sizeof *y);
  for (size_t i = 0; i < p->y_floats; i++)
    y[i] = add ? (float)(i % 13) : poison;
  const Activations input = {p->x, p->stride, p->packed, p->tokens, p->columns, p->tables};
  matmul(p->tiles, (p->rows + TILE_ROWS - 1) / TILE_ROWS, &input, y, p->y_stride, add);
  return y;
}

// As the forward pass does it: one token's tables are made where the kind has use for them.
static inline float *multiply(const Kernels *kernels, Product *p, bool add) {
  const bool looks_up = p->tokens == 1 && p->kind == TILE_Q1_0 && kernels->tabulate != NULL;
  free(p->tables);
  p->tables = looks_up ? allocate((size_t)(p->columns / TILE_BLOCK) * TABLE_BLOCK_BYTES) : NULL;
  if (looks_up) kernels->tabulate(p->packed, p->columns, p->tables);
  return multiply_by(kernels->matmul[p->kind], p, add);
}

#endif
