// A model's hyper-parameters, read from its metadata and checked against each other.
#ifndef NIBBLE_SHAPE_H
#define NIBBLE_SHAPE_H

#include <stdbool.h>

#include "arch.h"
#include "error.h"
#include "gguf.h"

typedef enum { ROPE_SCALING_NONE, ROPE_SCALING_LINEAR, ROPE_SCALING_YARN } RopeScaling;

typedef struct {
  int dimensions;  // of a head that are rotated, even; the rest passes through
  float base;
  RopeScaling scaling;
  float factor;            // by which the context was stretched
  float original_context;  // tokens, before it was
  float attention_factor;  // YaRN (arXiv:2309.00071): scales rotated queries and keys
  float extrapolation, beta_fast, beta_slow;
} RopeShape;

typedef struct {
  const Architecture *architecture;
  int vocabulary;
  int width;         // of the residual stream
  int blocks;        // layers whose weights are stored
  int block_repeat;  // how often each is computed in a row (nibble.block_repeat; MobileLLM-LS, arXiv:2402.14905)
  int heads, kv_heads, head_size;
  int feed_forward;
  int trained_context;
  int sliding_window;  // a token sees itself and the sliding_window - 1 before it; 0: all
  float norm_epsilon;
  RopeShape rope;
} Shape;

// Layers that are computed; each has KV pages of its own.
static inline int shape_layers(const Shape *shape) { return shape->blocks * shape->block_repeat; }

// Tokens that a token sees in a layer, itself included; 0: all.
static inline int shape_window(const Shape *shape, int layer) {
  (void)layer;
  return shape->sliding_window;
}

bool shape_read(const Gguf *gguf, Shape *shape, NibbleError *error);

#endif
