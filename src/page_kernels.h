// The scalar attention kernels over KV pages, for the reference and the exact set. Contracts: kernels.h.
#ifndef NIBBLE_PAGE_KERNELS_H
#define NIBBLE_PAGE_KERNELS_H

#include "kernels.h"

void reference_page_scores(const float *queries, size_t stride, int rows, const void *keys, int head_size, int to,
                           float *scores);
void reference_f32_page_scores(const float *queries, size_t stride, int rows, const void *keys, int head_size, int to,
                               float *scores);
float reference_page_softmax(float *scores, int from, int to, float *max, float scale);
void reference_page_values(const float *scores, int rows, const void *values, int from, int to, int head_size,
                           const float *corrections, float *out, size_t stride);
void reference_f32_page_values(const float *scores, int rows, const void *values, int from, int to, int head_size,
                               const float *corrections, float *out, size_t stride);
float reference_quantize(const float *x, int n, int limit, int16_t *q);
void reference_int8_scores(const int16_t *q, size_t stride, const float *q_scales, int rows, const int8_t *keys,
                           const float *key_scales, int head_size, int to, float *scores);
void reference_int8_values(const int16_t *weights, const float *weight_scales, int rows, const int8_t *values, int from,
                           int to, int head_size, const float *corrections, float *out, size_t stride);

#define REFERENCE_PAGES                                                                                         \
  .page_softmax = reference_page_softmax, .quantize = reference_quantize, .int8_scores = reference_int8_scores, \
  .int8_values = reference_int8_values

#define REFERENCE_F16_PAGES \
  REFERENCE_PAGES, .f32_pages = false, .page_scores = reference_page_scores, .page_values = reference_page_values

#define REFERENCE_F32_PAGES \
  REFERENCE_PAGES, .f32_pages = true, .page_scores = reference_f32_page_scores, .page_values = reference_f32_page_values

#endif
