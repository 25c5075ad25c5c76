// A model: its shape, its weights in one arena, and where each of them comes from in the file.
#ifndef NIBBLE_MODEL_H
#define NIBBLE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "gguf.h"
#include "shape.h"
#include "tiles.h"

// One stored block of the transformer.
typedef struct {
  float *attention_norm;    /* [width] */
  Matrix query;             /* [heads * head_size, width] */
  Matrix key, value;        /* [kv_heads * head_size, width] */
  Matrix attention_output;  /* [width, heads * head_size] */
  float *feed_forward_norm; /* [width] */
  Matrix gate, up;          /* [feed_forward, width] */
  Matrix down;              /* [width, feed_forward] */
} Block;

// Where a tensor of the file goes: a matrix, or plain floats.
typedef struct {
  uint64_t file_offset, file_bytes;
  uint32_t type;
  int rows, columns;
  Matrix *matrix;  // or NULL
  float **floats;  // or NULL
  size_t arena_offset;
} WeightSource;

typedef struct {
  Shape shape;
  bool tied_output;
  Matrix embedding;    /* [vocabulary, width] */
  Matrix output;       /* [vocabulary, width]; the embedding's tiles where tied */
  float *output_norm;  /* [width] */
  float *rope_factors; /* [rope.dimensions / 2] divisors of the angles (Llama 3's scaling), or NULL */
  Block *blocks;       /* [shape.blocks] */

  WeightSource *sources;  // in the order of the file
  int source_count;
  uint64_t parameters;  // elements of all tensors
  uint64_t arena_bytes;
  uint8_t *arena;  // every weight, in the order embedding, blocks, output; NULL until model_reserve()
} Model;

// Checks metadata and tensors against each other and plans where everything goes; reserves no weights. On failure there
// is nothing to free. `model` must stay where it is: the sources point into it.
bool model_plan(Model *model, const Gguf *gguf, NibbleError *error);

// Reserves the arena, and points every matrix and vector into it.
bool model_reserve(Model *model, NibbleError *error);

void model_free(Model *model);  // safe on a zeroed model

// Weight bytes that one token's computation reads.
uint64_t model_bytes_per_token(const Model *model);

#endif
