#include "kv_page.h"

#include <string.h>

#include "float_math.h"

static size_t kv_number_bytes(KvType type) { return type == KV_F32 ? 4 : type == KV_F16 ? 2 : 1; }

static size_t key_bytes(const KvPageShape *shape) {
  return (size_t)kv_key_stride(shape->key_size, shape->type) * KV_PAGE_TOKENS * kv_number_bytes(shape->type);
}

static size_t value_bytes(const KvPageShape *shape) {
  return (size_t)kv_value_stride(shape->value_size, shape->type) * KV_PAGE_TOKENS * kv_number_bytes(shape->type);
}

static size_t head_bytes(const KvPageShape *shape) {
  const size_t scales = shape->type == KV_INT8 ? 2 * KV_PAGE_TOKENS * sizeof(float) : 0;
  return key_bytes(shape) + value_bytes(shape) + scales;
}

size_t kv_page_data_bytes(const KvPageShape *shape) { return (size_t)shape->heads * head_bytes(shape); }

KvHead kv_page_head(const KvPageShape *shape, const uint8_t *page, int head) {
  const uint8_t *keys = page + (size_t)head * head_bytes(shape);
  const uint8_t *values = keys + key_bytes(shape);
  const float *scales = shape->type == KV_INT8 ? (const float *)(values + value_bytes(shape)) : NULL;
  return (KvHead){keys, values, scales, scales != NULL ? scales + KV_PAGE_TOKENS : NULL};
}

void kv_page_copy_value(const KvPageShape *shape, const uint8_t *source, int from, uint8_t *target, int to, int head) {
  const KvHead read = kv_page_head(shape, source, head), written = kv_page_head(shape, target, head);
  const size_t bytes = kv_number_bytes(shape->type);
  const int n = shape->value_size;
  for (int d = 0; d < n; d++)
    memcpy((uint8_t *)written.values + kv_value_index(n, d, to, shape->type) * bytes,
           (const uint8_t *)read.values + kv_value_index(n, d, from, shape->type) * bytes, bytes);
  if (shape->type == KV_INT8) ((float *)written.value_scales)[to] = read.value_scales[from];
}

void kv_page_clear(const KvPageShape *shape, uint8_t *page, int from, int to) {
  const size_t bytes = kv_number_bytes(shape->type);
  for (int h = 0; h < shape->heads; h++) {
    const KvHead head = kv_page_head(shape, page, h);
    for (int t = from; t < to; t++) {
      for (int d = 0; d < shape->key_size; d++)
        memset((uint8_t *)head.keys + kv_key_index(shape->key_size, d, t, shape->type) * bytes, 0, bytes);
      for (int d = 0; d < shape->value_size; d++)
        memset((uint8_t *)head.values + kv_value_index(shape->value_size, d, t, shape->type) * bytes, 0, bytes);
      if (shape->type == KV_INT8) memset((float *)head.key_scales + t, 0, sizeof(float));
      if (shape->type == KV_INT8) memset((float *)head.value_scales + t, 0, sizeof(float));
    }
  }
}

bool kv_page_scales_hold(const KvPageShape *shape, const uint8_t *page) {
  for (int h = 0; h < shape->heads && shape->type == KV_INT8; h++) {
    const float *scales = kv_page_head(shape, page, h).key_scales;  // and those of values behind them
    for (int t = 0; t < 2 * KV_PAGE_TOKENS; t++)
      if (!(scales[t] >= 0 && scales[t] <= KV_LARGEST / KV_INT8_LARGEST)) return false;
  }
  return true;
}

static float kv_number(KvType type, const void *numbers, size_t index, const float *scales, int token) {
  switch (type) {
    case KV_F32: return ((const float *)numbers)[index];
    case KV_F16: return f16_finite(((const uint16_t *)numbers)[index]);
    default: return (float)((const int8_t *)numbers)[index] * scales[token];
  }
}

float kv_page_key(const KvPageShape *shape, const uint8_t *page, int head, int at, int d) {
  const KvHead there = kv_page_head(shape, page, head);
  return kv_number(shape->type, there.keys, kv_key_index(shape->key_size, d, at, shape->type), there.key_scales, at);
}

float kv_page_value(const KvPageShape *shape, const uint8_t *page, int head, int at, int d) {
  const KvHead there = kv_page_head(shape, page, head);
  return kv_number(shape->type, there.values, kv_value_index(shape->value_size, d, at, shape->type), there.value_scales,
                   at);
}
