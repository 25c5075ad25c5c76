// Keys and values written to pages, which every token's are: the hot part of kv_page.h.
#include <math.h>
#include <string.h>

#include "float_math.h"
#include "kv_page.h"
#include "quant.h"

// The same range as F16's, so that nothing infinite gets in.
static float clamped(float x) { return x > KV_LARGEST ? KV_LARGEST : x < -KV_LARGEST ? -KV_LARGEST : x; }

// What a number of a row is multiplied with to become an INT8; *scale takes it back.
static float int8_factor(const float *row, int n, float *scale) {
  float largest = 0;
  for (int d = 0; d < n; d++) {
    const float size = fabsf(clamped(row[d]));
    largest = largest < size ? size : largest;
  }
  *scale = largest / KV_INT8_LARGEST;
  return largest > QUANTIZE_LEAST ? KV_INT8_LARGEST / largest : 0;
}

static int8_t int8_of(float x, float factor) {
  return (int8_t)(bits_of_float(clamped(x) * factor + ROUND_MAGIC) & 0xff);
}

void kv_page_write_key(const KvPageShape *shape, uint8_t *page, int head, int at, const float *key) {
  const KvHead there = kv_page_head(shape, page, head);
  const int n = shape->key_size;
  if (shape->type == KV_F32) {
    for (int d = 0; d < n; d++)
      ((float *)there.keys)[kv_key_index(n, d, at, KV_F32)] = key[d];
  } else if (shape->type == KV_F16) {
    for (int d = 0; d < n; d++)
      ((uint16_t *)there.keys)[kv_key_index(n, d, at, KV_F16)] = f32_to_f16(key[d]);
  } else {
    const float factor = int8_factor(key, n, (float *)&there.key_scales[at]);
    for (int d = 0; d < n; d++)
      ((int8_t *)there.keys)[kv_key_index(n, d, at, KV_INT8)] = int8_of(key[d], factor);
  }
}

void kv_page_write_value(const KvPageShape *shape, uint8_t *page, int head, int at, const float *value) {
  const KvHead there = kv_page_head(shape, page, head);
  const int n = shape->value_size;
  if (shape->type == KV_F32) {
    memcpy((float *)there.values + kv_value_index(n, 0, at, KV_F32), value, (size_t)n * sizeof *value);
  } else if (shape->type == KV_F16) {
    for (int d = 0; d < n; d++)
      ((uint16_t *)there.values)[kv_value_index(n, d, at, KV_F16)] = f32_to_f16(value[d]);
  } else {
    const float factor = int8_factor(value, n, (float *)&there.value_scales[at]);
    for (int d = 0; d < n; d++)
      ((int8_t *)there.values)[kv_value_index(n, d, at, KV_INT8)] = int8_of(value[d], factor);
  }
}
