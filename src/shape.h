// A model's hyper-parameters, read from its metadata and checked against each other.
#ifndef NIBBLE_SHAPE_H
#define NIBBLE_SHAPE_H

#include <stdbool.h>

#include "arch.h"
#include "error.h"
#include "gguf.h"

typedef enum { ROPE_SCALING_NONE, ROPE_SCALING_LINEAR, ROPE_SCALING_YARN, ROPE_SCALING_LONG } RopeScaling;

typedef struct {
  int dimensions;  // of a head that are rotated, even; the rest passes through
  float base;
  RopeScaling scaling;
  float factor;                               // by which the context was stretched
  float original_context;                     // tokens, before it was
  float attention_factor;                     // scales rotated queries and keys
  float extrapolation, beta_fast, beta_slow;  // YaRN (arXiv:2309.00071)
  float log_multiplier;  // YaRN: by what the stretch's scale of queries and keys is divided again; 0: by nothing
} RopeShape;

enum { SHAPE_MOST_BLOCKS = 1 << 12 };

// What turns a layer's queries and keys: one of the model's RoPEs, or nothing.
enum { ROPE_OF_ALL, ROPE_OF_WINDOWS, ROPES, ROPE_NONE = ROPES };

// What each block has of its own; all layers that compute it share that.
typedef struct {
  int heads, kv_heads;
  int key_size;    // of a head's query and key
  int value_size;  // of its value
  int feed_forward;
  int window;  // tokens that a token sees, itself included; 0: all
  int rope;    // ROPE_OF_ALL, ROPE_OF_WINDOWS or ROPE_NONE
} BlockShape;

typedef struct {
  const Architecture *architecture;
  int vocabulary;
  int width;          // of the residual stream
  int blocks;         // layers whose weights are stored
  int unused_blocks;  // behind those, which predict tokens beyond the next (arXiv:2404.19737): they are left out
  int block_repeat;   // how often each is computed in a row (nibble.block_repeat; MobileLLM-LS, arXiv:2402.14905)
  int loops;          // how often all of that is computed, one time behind the other
  bool loop_norms;    // with the output's norm in between
  BlockShape *block;  /* [blocks] */
  int trained_context;
  int sliding_window;  // of the layers that have one
  float norm_epsilon;
  bool parallel;           // of blocks, where not each of them says so by its tensors
  bool rope_adjacent;      // see Architecture
  RopeShape ropes[ROPES];  // the second is that of layers with a window, where it differs

  // What numbers are multiplied with; 1: nothing.
  float embedding_scale, residual_scale;  // rows of the embedding; what attention and feed-forward add
  float attention_scale;                  // scores
  float logit_scale;
  float attention_softcap, logit_softcap;  // scores and logits x become cap * tanh(x / cap); 0: they stay
  // Queries at position p are multiplied with 1 + temperature_scale * ln(1 + floor(p / temperature_length)).
  float temperature_scale, temperature_length;
  bool alibi;  // scores sink with the distance, by an own slope of each head
} Shape;

// Returns how many layers are computed. Each has KV pages of its own.
static inline int shape_layers(const Shape *shape) { return shape->blocks * shape->block_repeat * shape->loops; }

// Returns how many steps of a pass compute blocks: one each, in each loop. A step computes its block block_repeat
// times.
static inline int shape_steps(const Shape *shape) { return shape->blocks * shape->loops; }

// Returns the block whose weights a layer has.
static inline int shape_block(const Shape *shape, int layer) { return layer / shape->block_repeat % shape->blocks; }

static inline const BlockShape *shape_layer(const Shape *shape, int layer) {
  return &shape->block[shape_block(shape, layer)];
}

// Returns the most that a block has of each number.
BlockShape shape_most(const Shape *shape);

// Reads the hyper-parameters of a model whose header is parsed. False, and `error`, where a key is missing, of the
// wrong type or out of range, or contradicts another; then there is nothing to free.
bool shape_read(const Gguf *gguf, Shape *shape, NibbleError *error);
void shape_free(Shape *shape);  // safe on a zeroed shape

#endif
