#include "attention_scratch.h"

static int block_rows(const BlockShape *shape) { return ATTENTION_TOKENS * (shape->heads / shape->kv_heads); }

int attention_query_stride(const BlockShape *shape) { return kv_key_stride(shape->key_size, KV_INT8); }

static size_t state_floats(const BlockShape *shape) {
  return (size_t)block_rows(shape) * (size_t)(shape->value_size + 2);
}

size_t attention_scratch_bytes(const BlockShape *shape) {
  const size_t rows = (size_t)block_rows(shape), quantized = KV_PAGE_TOKENS + (size_t)attention_query_stride(shape);
  return sizeof(float) * (rows * (KV_PAGE_TOKENS + 3) + 2 * state_floats(shape)) + sizeof(int16_t) * rows * quantized;
}

AttentionScratch attention_scratch(const BlockShape *shape, float *memory) {
  const size_t rows = (size_t)block_rows(shape), out = rows * (size_t)shape->value_size;
  float *next = memory;
  AttentionScratch scratch = {.scores = next};
  scratch.corrections = next += rows * KV_PAGE_TOKENS;
  scratch.query_scales = next += rows;
  scratch.weight_scales = next += rows;
  scratch.split.out = next += rows;
  scratch.merged.out = next += out;
  scratch.split.max = next += out;
  scratch.split.sum = next += rows;
  scratch.merged.max = next += rows;
  scratch.merged.sum = next += rows;
  scratch.weights = (int16_t *)(next + rows);
  scratch.queries = scratch.weights + rows * KV_PAGE_TOKENS;
  return scratch;
}
