// A model: its shape, its weights in one arena, and where each of them comes from in the file. Where not all weights
// stay in memory (budget.h), the arena ends in the ring: slots that hold a streamed block, or a piece of the output,
// each.
#ifndef NIBBLE_MODEL_H
#define NIBBLE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "budget.h"
#include "error.h"
#include "gguf.h"
#include "round_up.h"
#include "shape.h"
#include "tiles.h"

// A norm of the family's kind (Architecture.norm); without weights there is none.
typedef struct {
  float *weight, *bias; /* [n], or NULL */
} Norm;

// One stored block of the transformer. What its family does not have is empty: a matrix without rows, NULL.
typedef struct {
  Norm attention_norm;          /* [width] */
  Matrix query;                 /* [heads * key_size, width] */
  Matrix key;                   /* [kv_heads * key_size, width] */
  Matrix value;                 /* [kv_heads * value_size, width] */
  Matrix query_key_value;       /* the three, one below the other */
  Matrix attention_output;      /* [width, heads * value_size] */
  Norm feed_forward_norm;       /* [width] */
  Matrix gate, up;              /* [feed_forward, width] */
  Matrix gate_up;               /* both, one below the other */
  Matrix down;                  /* [width, feed_forward] */
  float *query_bias;            /* [heads * key_size] */
  float *key_bias;              /* [kv_heads * key_size] */
  float *value_bias;            /* [kv_heads * value_size] */
  float *query_key_value_bias;  /* the three, one behind the other */
  float *attention_output_bias; /* [width] */
  float *gate_bias, *up_bias;   /* [feed_forward] */
  float *down_bias;             /* [width] */
  Norm query_norm, key_norm;    /* [key_size] for all heads, or of all heads */
  Norm attention_post_norm;     /* [width] of what attention adds */
  Norm feed_forward_post_norm;  /* [width] */
  float *sinks;                 /* [heads] what each has among its scores that no token has (arXiv:2309.17453) */
  bool parallel;                // see Parallel

  uint64_t arena_offset, arena_bytes;  // all weights of it, which lie side by side in the arena
  bool streams;                        // they lie in a slot instead, and have no place in the arena
} Block;

// The version of the arena's bytes as a store keeps them. Whoever changes what tile_pack() writes, or the padding
// between tensors, raises it, so that what was stored before is made anew.
enum { PACKED_LAYOUT = 1 };

// When a pass needs a weight: to begin, for the steps through its block, or for the output.
typedef enum { STAGE_EMBEDDING, STAGE_BLOCK, STAGE_OUTPUT } WeightStage;

// Where a tensor of the file goes: a matrix, or plain floats. The arena is in the order of the layers. "Packed order"
// is that of the file: the arena bytes of each source, padding included, one source behind the other.
typedef struct {
  char name[64];  // of the tensor, for messages
  uint64_t file_offset, file_bytes;
  uint32_t type;
  int rows, columns;
  Matrix *matrix;  // or NULL
  float **floats;  // or NULL
  WeightStage stage;
  int block;              // of STAGE_BLOCK, the one that it belongs to
  uint64_t block_offset;  // of STAGE_BLOCK, where it begins among the weights of its block, in the arena or in a slot
  uint64_t arena_offset;  // of one that stays
  uint64_t arena_bytes;   // its padding included
  bool streams;           // it is not in the arena
  uint64_t packed_offset;
} WeightSource;

typedef struct {
  Shape shape;
  bool tied_output;
  Matrix embedding;                    /* [vocabulary, width] */
  Matrix output;                       /* [vocabulary, width]; the embedding's tiles where tied */
  Matrix positions;                    /* [shape.trained_context, width] rows that are added to the embeddings */
  Norm output_norm;                    /* [width] */
  float *output_bias;                  /* [vocabulary], or NULL */
  float *rope_factors;                 /* [rope.dimensions / 2] divisors of the angles (Llama 3's scaling), or NULL */
  float *long_factors, *short_factors; /* the same for contexts beyond the original one, and for others (LongRoPE) */
  Block *blocks;                       /* [shape.blocks] */

  WeightSource *sources;  // in the order of the file
  int source_count;
  uint64_t header_checksum;  // of the file (Gguf.checksum)
  uint64_t parameters;       // elements of all tensors
  uint64_t packed_bytes;     // of all weights
  Residency residency;
  uint64_t arena_bytes;  // the weights that stay and the ring
  uint8_t *arena;        // weights in the order embedding, blocks, output; NULL until model_reserve()
  uint8_t *ring;         // [residency.slots, residency.slot_bytes], in the arena; NULL where all weights stay
} Model;

// Checks metadata and tensors against each other, and plans where everything goes. Reserves no weights. `model` must
// stay where it is, since its sources point into it. False, and `error`, where the model is not one that runs here;
// then there is nothing to free.
bool model_plan(Model *model, const Gguf *gguf, NibbleError *error);

// Sets *kind and *bytes to what a tensor becomes in the arena: a matrix tiles of a kind, a vector plain floats
// (TILE_F32); padding is included. False where its type holds no weights. The tensor need not be one that a model uses.
bool model_packing(const GgufTensor *tensor, TileKind *kind, uint64_t *bytes);

// Fills `need`, except need->fixed, with what the model takes. need->block_bytes points to `block_bytes`
// [shape.blocks], which is the caller's and is filled too.
void model_need(const Model *model, uint64_t *block_bytes, BudgetNeed *need);

// Plans anew where everything goes, with only these weights in memory.
void model_limit(Model *model, const Residency *residency);

// Reserves the arena, and points every matrix and vector that stays into it. False, and `error`, where memory is short.
bool model_reserve(Model *model, NibbleError *error);

// Returns the bytes of the ring; 0 where all weights stay.
uint64_t model_ring_bytes(const Model *model);

void model_free(Model *model);  // safe on a zeroed model

// Returns the source that a packed position lies in; NULL where it lies behind the last.
const WeightSource *model_source_at(const Model *model, uint64_t packed_position);

// Return the source of a matrix, and the matrix of the output, which is the embedding where the two are tied.
const WeightSource *model_matrix_source(const Model *model, const Matrix *matrix);
const Matrix *model_output(const Model *model);

// Points a source's matrix or vector to its bytes.
void model_point(const WeightSource *source, uint8_t *bytes);

// Returns the set of kinds of tiles that its matrices are of.
uint32_t model_kinds(const Model *model);

// Returns whether a source holds divisors of angles, which are needed before the first token.
bool model_is_rope_source(const Model *model, const WeightSource *source);

// Returns whether a source belongs to the norm before the output.
bool model_is_output_norm(const Model *model, const WeightSource *source);

// Weights in the arena begin at multiples of it, and so are padded.
enum { MODEL_ALIGNMENT = 64 };
static inline uint64_t model_aligned(uint64_t bytes) { return round_up_bytes(bytes, MODEL_ALIGNMENT); }

// Visits the matrices that a block has.
typedef void VisitMatrix(void *context, const Matrix *matrix);
void model_visit_matrices(const Block *block, VisitMatrix *visit, void *context);
uint64_t model_block_bytes(const Block *block);  // of its matrices

// Returns the weight bytes that computing one token reads.
uint64_t model_bytes_per_token(const Model *model);

#endif
