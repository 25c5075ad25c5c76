#include "page_kernels.h"

#include <math.h>

#include "float_math.h"
#include "kv_cache.h"

static float key_at(const void *keys, KvType type, int head_size, int d, int t) {
  const size_t index = kv_key_index(head_size, d, t, type);
  return type == KV_F32 ? ((const float *)keys)[index] : f16_biased(((const uint16_t *)keys)[index]);
}

static float value_at(const void *values, KvType type, int head_size, int d, int t) {
  const size_t index = kv_value_index(head_size, d, t, type);
  return type == KV_F32 ? ((const float *)values)[index] : f16_biased(((const uint16_t *)values)[index]);
}

static void scores_of(KvType type, const float *queries, size_t stride, int rows, const void *keys, int head_size,
                      int to, float *scores) {
  for (int r = 0; r < rows; r++)
    for (int t = 0; t < round_up(to, 8); t++) {
      float sum = 0;
      for (int d = 0; d < head_size; d++)
        sum += queries[(size_t)r * stride + (size_t)d] * key_at(keys, type, head_size, d, t);
      scores[r * KV_PAGE_TOKENS + t] = sum;
    }
}

static void values_of(KvType type, const float *scores, int rows, const void *values, int from, int to, int head_size,
                      const float *corrections, float *out, size_t stride) {
  for (int r = 0; r < rows; r++)
    for (int d = 0; d < head_size; d++) {
      float sum = out[(size_t)r * stride + (size_t)d] * corrections[r];
      for (int t = from; t < to; t++)
        sum += scores[r * KV_PAGE_TOKENS + t] * value_at(values, type, head_size, d, t);
      out[(size_t)r * stride + (size_t)d] = sum;
    }
}

void reference_page_scores(const float *queries, size_t stride, int rows, const void *keys, int head_size, int to,
                           float *scores) {
  scores_of(KV_F16, queries, stride, rows, keys, head_size, to, scores);
}

void reference_f32_page_scores(const float *queries, size_t stride, int rows, const void *keys, int head_size, int to,
                               float *scores) {
  scores_of(KV_F32, queries, stride, rows, keys, head_size, to, scores);
}

float reference_page_softmax(float *scores, int from, int to, float *max, float scale) {
  for (int t = from; t < to; t++)
    *max = *max < scores[t] ? scores[t] : *max;
  float lane[4] = {0};
  for (int t = 0; t < KV_PAGE_TOKENS; t++) {
    const float weight = t >= from && t < to ? exp_f32(scores[t] - *max) : 0;
    lane[t % 4] += weight;
    scores[t] = weight * scale;
  }
  return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

void reference_page_values(const float *scores, int rows, const void *values, int from, int to, int head_size,
                           const float *corrections, float *out, size_t stride) {
  values_of(KV_F16, scores, rows, values, from, to, head_size, corrections, out, stride);
}

void reference_f32_page_values(const float *scores, int rows, const void *values, int from, int to, int head_size,
                               const float *corrections, float *out, size_t stride) {
  values_of(KV_F32, scores, rows, values, from, to, head_size, corrections, out, stride);
}

float reference_quantize(const float *x, int n, int limit, int16_t *q) {
  const float largest = quantize_largest(x, n), factor = quantize_factor(largest, limit);
  for (int i = 0; i < n; i++)
    q[i] = factor == 0 ? 0 : (int16_t)(bits_of_float(x[i] * factor + ROUND_MAGIC) & 0xffff);
  if (n % 2 != 0) q[n] = 0;
  return largest / (float)limit;
}

void reference_int8_scores(const int16_t *q, size_t stride, const float *q_scales, int rows, const int8_t *keys,
                           const float *key_scales, int head_size, int to, float *scores) {
  for (int r = 0; r < rows; r++)
    for (int t = 0; t < round_up(to, 8); t++) {
      uint32_t sum = 0;  // a model that computes NaN may bring any numbers here
      for (int d = 0; d < head_size; d++)
        sum += (uint32_t)(q[(size_t)r * stride + (size_t)d] * keys[kv_key_index(head_size, d, t, KV_INT8)]);
      scores[r * KV_PAGE_TOKENS + t] = (float)(int32_t)sum * (q_scales[r] * key_scales[t]);
    }
}

void reference_int8_values(const int16_t *weights, const float *weight_scales, int rows, const int8_t *values, int from,
                           int to, int head_size, const float *corrections, float *out, size_t stride) {
  for (int r = 0; r < rows; r++)
    for (int d = 0; d < head_size; d++) {
      int32_t sum = 0;
      for (int t = from; t < to; t++)
        sum += weights[r * KV_PAGE_TOKENS + t] * values[kv_value_index(head_size, d, t, KV_INT8)];
      float *at = &out[(size_t)r * stride + (size_t)d];
      *at = *at * corrections[r] + (float)sum * weight_scales[r];
    }
}
