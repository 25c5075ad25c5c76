// Every type that a matrix can be of, and random blocks of it as a file has them.
#ifndef NIBBLE_WEIGHT_TYPES_H
#define NIBBLE_WEIGHT_TYPES_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quant.h"

// Where in a block of the file the F16 scale and minimum stand, -1: it has none; and the largest weight of scale 1.
typedef struct {
  uint32_t type;
  int scale, minimum;
  float largest;
} WeightType;

static const WeightType weight_types[] = {
    {GGML_Q4_0, 0, -1, 8},    {GGML_Q4_1, 0, 2, 15},      {GGML_Q5_0, 0, -1, 16},     {GGML_Q5_1, 0, 2, 31},
    {GGML_Q8_0, 0, -1, 128},  {GGML_Q2_K, 80, 82, 45},    {GGML_Q3_K, 108, -1, 128},  {GGML_Q4_K, 0, 2, 945},
    {GGML_Q5_K, 0, 2, 1953},  {GGML_Q6_K, 208, -1, 4064}, {GGML_IQ4_NL, 0, -1, 127},  {GGML_IQ4_XS, 0, -1, 4064},
    {GGML_IQ1_S, 0, -1, 17},  {GGML_IQ1_M, -1, -1, 17},   {GGML_IQ2_XXS, 0, -1, 167}, {GGML_IQ2_XS, 0, -1, 167},
    {GGML_IQ2_S, 0, -1, 167}, {GGML_IQ3_S, 0, -1, 465},   {GGML_IQ3_XXS, 0, -1, 481}, {GGML_MXFP4, -1, -1, 12},
    {GGML_NVFP4, -1, -1, 12}, {GGML_Q1_0, 0, -1, 1},      {GGML_Q2_0, 0, -1, 2},      {GGML_TQ1_0, 52, -1, 1},
    {GGML_TQ2_0, 64, -1, 1},  {GGML_I2_S, -1, -1, 1},     {GGML_F32, -1, -1, 1},      {GGML_F16, 0, -1, 1},
    {GGML_BF16, -1, -1, 1},
};
enum { WEIGHT_TYPES = sizeof weight_types / sizeof *weight_types };

static inline const WeightType *weight_type(uint32_t type) {
  for (int i = 0; i < WEIGHT_TYPES; i++)
    if (weight_types[i].type == type) return &weight_types[i];
  abort();
}

// Gives a block of random bytes a scale with which its largest weights are of about `size`; `number` is from -1 to 1.
static inline void set_scales(const WeightType *weight, uint8_t *block, float size, float number) {
  const float scale = size * (0.75f + 0.25f * number) / weight->largest;
  const uint16_t half = f32_to_f16(weight->type == GGML_F16 ? size * number : scale);
  const float plain = size * number;
  // Minima lie half a range below: of K formats as what is subtracted, in steps as the scale's.
  const bool k_format = weight->type == GGML_Q2_K || weight->type == GGML_Q4_K || weight->type == GGML_Q5_K;
  const uint16_t minimum = f32_to_f16(k_format ? size / (weight->type == GGML_Q2_K ? 30.0f : 126.0f) : -size / 2);
  if (weight->scale >= 0) memcpy(block + weight->scale, &half, 2);
  if (weight->minimum >= 0) memcpy(block + weight->minimum, &minimum, 2);
  switch (weight->type) {
    case GGML_F32: memcpy(block, &plain, 4); break;
    case GGML_BF16: memcpy(block, (const uint8_t *)&plain + 2, 2); break;
    case GGML_MXFP4: block[0] = (uint8_t)(128 + ilogbf(scale) + block[0] % 2); break;
    case GGML_NVFP4:  // twice the scale, as E4M3
      for (int i = 0; i < 4; i++) {
        const int exponent = ilogbf(2 * scale) + 7 - block[i] % 2;
        block[i] = (uint8_t)(exponent < 0 ? block[i] % 8 : exponent << 3 | block[i] % 8);
      }
      break;
    case GGML_IQ1_M:  // a nibble of the scale in each of four numbers
      for (int i = 0; i < 4; i++)
        block[49 + 2 * i] = (uint8_t)((block[49 + 2 * i] & 15) | (half >> (4 * i) & 15) << 4);
      break;
    default: break;
  }
}

// Writes what stands behind all blocks of a tensor: its scale, where the type has one for the whole of it.
static inline void set_tensor_scale(uint32_t type, uint8_t *behind, float scale) {
  const size_t bytes = (size_t)quant_tensor_bytes(quant_format(type));
  if (bytes == 0) return;
  memset(behind, 0xa5, bytes);  // nobody looks at the padding
  memcpy(behind, &scale, sizeof scale);
}

static inline size_t file_row_bytes(uint32_t type, int columns) {
  const QuantFormat *format = quant_format(type);
  return (size_t)(columns / format->block_elements * format->block_bytes);
}

#endif
