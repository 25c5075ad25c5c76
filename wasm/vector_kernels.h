// The kernels that are the same in every SIMD set: everything but the products of quantised weights. Contracts:
// kernels.h.
#ifndef NIBBLE_VECTOR_KERNELS_H
#define NIBBLE_VECTOR_KERNELS_H

#include "kernels.h"

MatmulKernel vector_matmul_f32, vector_matmul_f16, vector_matmul_bf16;

void vector_pack(const float *x, size_t stride, int tokens, int columns, uint8_t *packed);
void vector_rms_norm(const float *x, const float *weight, int n, float epsilon, float *y);
void vector_rope(float *head, const float *cosine, const float *sine, int pairs, bool adjacent);
void vector_swiglu(float *gate, const float *up, int n);
void vector_page_scores(const float *queries, size_t stride, int rows, const void *keys, int head_size, int to,
                        float *scores);
float vector_page_softmax(float *scores, int from, int to, float *max, float scale);
void vector_page_values(const float *scores, int rows, const void *values, int from, int to, int head_size,
                        const float *corrections, float *out, size_t stride);
float vector_quantize(const float *x, int n, int limit, int16_t *q);
void vector_int8_scores(const int16_t *q, size_t stride, const float *q_scales, int rows, const int8_t *keys,
                        const float *key_scales, int head_size, int to, float *scores);
void vector_int8_values(const int16_t *weights, const float *weight_scales, int rows, const int8_t *values, int from,
                        int to, int head_size, const float *corrections, float *out, size_t stride);

#define MATMUL_NUMBERS [TILE_F32] = vector_matmul_f32, [TILE_F16] = vector_matmul_f16, [TILE_BF16] = vector_matmul_bf16

#define VECTOR_KERNELS                                                                                                \
  .pack = vector_pack, .rms_norm = vector_rms_norm, .rope = vector_rope, .swiglu = vector_swiglu, .f32_pages = false, \
  .page_scores = vector_page_scores, .page_softmax = vector_page_softmax, .page_values = vector_page_values,          \
  .quantize = vector_quantize, .int8_scores = vector_int8_scores, .int8_values = vector_int8_values

#endif
