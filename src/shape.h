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

typedef struct {
  const Architecture *architecture;
  int vocabulary;
  int width;         // of the residual stream
  int blocks;        // layers whose weights are stored
  int block_repeat;  // how often each is computed in a row (nibble.block_repeat; MobileLLM-LS, arXiv:2402.14905)
  int heads, kv_heads, head_size;
  int feed_forward;
  int trained_context;
  int sliding_window;  // in layers with a window a token sees itself and the sliding_window - 1 before it; 0: all
  bool has_windows;    // there is a window, though it may be longer than any context
  uint32_t windowed[SHAPE_MOST_BLOCKS / 32];  // a bit for each block: whether its layers have the window
  float norm_epsilon;
  bool has_rope;
  bool parallel;           // of blocks, where not each of them says so by its tensors
  RopeShape ropes[ROPES];  // the second is that of layers with a window, where it differs

  // What numbers are multiplied with; 1: nothing.
  float embedding_scale, residual_scale;  // rows of the embedding; what attention and feed-forward add to the stream
  float attention_scale;                  // scores
  float logit_scale;
  float attention_softcap, logit_softcap;  // scores and logits x become cap * tanh(x / cap); 0: they stay
  // Queries at position p are multiplied with 1 + temperature_scale * ln(1 + floor(p / temperature_length)).
  float temperature_scale, temperature_length;
} Shape;

// Layers that are computed; each has KV pages of its own.
static inline int shape_layers(const Shape *shape) { return shape->blocks * shape->block_repeat; }

// Whether a layer is the last of its turn.
static inline bool shape_ends_turn(int period, int layer) { return period > 0 && layer % period == period - 1; }

static inline bool shape_is_windowed(const Shape *shape, int layer) {
  const int block = layer / shape->block_repeat;
  return shape->has_windows && (shape->windowed[block / 32] >> block % 32 & 1) != 0;
}

// Tokens that a token sees in a layer, itself included; 0: all.
static inline int shape_window(const Shape *shape, int layer) {
  return shape_is_windowed(shape, layer) ? shape->sliding_window : 0;
}

// Which RoPE a layer has, or ROPE_NONE.
static inline int shape_rope(const Shape *shape, int layer) {
  const Architecture *family = shape->architecture;
  const bool windowed = shape_is_windowed(shape, layer);
  if (!shape->has_rope || shape_ends_turn(family->nope_period, layer)) return ROPE_NONE;
  if (family->full_layers_nope && shape->has_windows && !windowed) return ROPE_NONE;
  return family->windows_unstretched && windowed ? ROPE_OF_WINDOWS : ROPE_OF_ALL;
}

bool shape_read(const Gguf *gguf, Shape *shape, NibbleError *error);

#endif
