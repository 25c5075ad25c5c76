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

  uint64_t arena_offset, arena_bytes;  // all of the above, which lie side by side in the arena
} Block;

// The version of the arena's bytes as a store keeps them. Whoever changes what tile_pack() writes, or the padding
// between tensors, raises it, so that what was stored before is made anew.
enum { PACKED_LAYOUT = 1 };

// Where a tensor of the file goes: a matrix, or plain floats. The arena is in the order of the layers. "Packed order"
// is that of the file: the arena bytes of each source, padding included, one source behind the other.
typedef struct {
  uint64_t file_offset, file_bytes;
  uint32_t type;
  int rows, columns;
  Matrix *matrix;  // or NULL
  float **floats;  // or NULL
  int block;       // the block that it belongs to; -1: the embedding; shape.blocks: what comes behind the blocks
  uint64_t arena_offset, arena_bytes;  // its padding included
  uint64_t packed_offset;
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
  uint64_t parameters;   // elements of all tensors
  uint64_t arena_bytes;  // and as many in packed order
  uint8_t *arena;        // every weight, in the order embedding, blocks, output; NULL until model_reserve()
} Model;

// Checks metadata and tensors against each other and plans where everything goes; reserves no weights. On failure there
// is nothing to free. `model` must stay where it is: the sources point into it.
bool model_plan(Model *model, const Gguf *gguf, NibbleError *error);

// Reserves the arena, and points every matrix and vector into it.
bool model_reserve(Model *model, NibbleError *error);

void model_free(Model *model);  // safe on a zeroed model

// The source that a packed position lies in; NULL where it lies behind the last.
const WeightSource *model_source_at(const Model *model, uint64_t packed_position);

// Weight bytes that one token's computation reads.
uint64_t model_bytes_per_token(const Model *model);

#endif
