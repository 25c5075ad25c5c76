// What attention has in memory while it runs: sums under way, and each thread's scratch.
#ifndef NIBBLE_ATTENTION_SCRATCH_H
#define NIBBLE_ATTENTION_SCRATCH_H

#include "kv_page.h"
#include "shape.h"

// Query tokens of one head that go through a page together in prefill.
enum { ATTENTION_TOKENS = 8 };

// A softmax-weighted sum under way (arXiv:2112.05682): the largest score, the sum of exp(score - max), and the sum of
// values weighted alike.
typedef struct {
  float *max, *sum; /* [rows] */
  float *out;       /* [rows, value_size] */
} AttentionState;

// A thread's scratch; a row is a query token of one of the heads that share a KV head.
typedef struct {
  float *scores;          /* [rows, KV_PAGE_TOKENS] */
  float *corrections;     /* [rows] */
  float *query_scales;    /* [rows] */
  float *weight_scales;   /* [rows] */
  AttentionState split;   // rows: ATTENTION_TOKENS * group
  AttentionState merged;  // the same
  int16_t *weights;       /* [rows, KV_PAGE_TOKENS] scores times the values' scales, over INT8 pages */
  int16_t *queries;       /* [rows, key stride] */
} AttentionScratch;

// Returns how many bytes a thread needs in layers of this shape.
size_t attention_scratch_bytes(const BlockShape *shape);

// Returns the parts of `memory`, which has attention_scratch_bytes() and stays the caller's.
AttentionScratch attention_scratch(const BlockShape *shape, float *memory);

// Returns how many numbers a query's row is away from the next, quantized for INT8 pages.
int attention_query_stride(const BlockShape *shape);

#endif
