// The blocks of the formats that unpack here. Numbers are little-endian, `d` (scale) and `m` (minimum) are binary16,
// and one cell of `qs` is one byte:
//
//   Q4_0  32 weights, 18 bytes   | d  d | qs[16]        |   weight = d * (nibble - 8)
//   Q4_1  32 weights, 20 bytes   | d  d | m  m | qs[16] |   weight = d * nibble + m
//   Q8_0  32 weights, 34 bytes   | d  d | qs[32]        |   weight = d * (int8) qs
//
//   The nibbles of Q4_0 and Q4_1: byte i of `qs` holds weight i (low nibble) and weight i + 16 (high nibble).
//
// F32, F16 and BF16 are "blocks" of one weight. BF16 is the upper half of a binary32.
// Layouts: https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h
#include "quant.h"

#include <string.h>

#define BLOCK 32

static uint16_t load_u16(const uint8_t *bytes) { return (uint16_t)(bytes[0] | bytes[1] << 8); }

static uint32_t load_u32(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static float float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static uint32_t bits_from_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

float f16_to_f32(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 0x1f;
  const uint32_t mantissa = half & 0x3ff;
  if (exponent == 0) {
    // A subnormal counts steps of 2^-24, and every such count is exact in binary32.
    const float magnitude = (float)mantissa * 0x1p-24f;
    return float_from_bits(sign | bits_from_float(magnitude));
  }
  if (exponent == 0x1f) return float_from_bits(sign | 0x7f800000 | mantissa << 13);
  return float_from_bits(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

uint16_t f32_to_f16(float value) {
  const uint32_t bits = bits_from_float(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  // A NaN becomes a quiet one, as in hardware, which also keeps a payload whose upper bits are 0 from reading as inf.
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x47800000) return (uint16_t)(sign | 0x7c00);  // 2^16 and above
  if (magnitude < 0x33000000) return (uint16_t)sign;              // below 2^-25, half the smallest subnormal

  // Both cases drop `shift` bits and round; a carry out of the mantissa rightly lands in the exponent, up to inf.
  const uint32_t exponent = magnitude >> 23;
  const int normal = exponent >= 127 - 14;
  const uint32_t kept = normal ? magnitude - ((127u - 15u) << 23) : (magnitude & 0x7fffff) | 0x800000;
  const uint32_t shift = normal ? 13 : 13 + (127 - 14 - exponent);
  const uint32_t dropped = kept & ((1u << shift) - 1);
  const uint32_t middle = 1u << (shift - 1);
  uint32_t half = kept >> shift;
  if (dropped > middle || (dropped == middle && (half & 1))) half++;
  return (uint16_t)(sign | half);
}

static void unpack_f32(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t i = 0; i < elements; i++)
    values[i] = float_from_bits(load_u32(blocks + i * 4));
}

static void unpack_f16(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t i = 0; i < elements; i++)
    values[i] = f16_to_f32(load_u16(blocks + i * 2));
}

static void unpack_bf16(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t i = 0; i < elements; i++)
    values[i] = float_from_bits((uint32_t)load_u16(blocks + i * 2) << 16);
}

static void unpack_q8_0(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t first = 0; first < elements; first += BLOCK, blocks += 34) {
    const float scale = f16_to_f32(load_u16(blocks));
    for (int i = 0; i < BLOCK; i++)
      values[first + i] = scale * (float)(int8_t)blocks[2 + i];
  }
}

static void unpack_q4_0(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t first = 0; first < elements; first += BLOCK, blocks += 18) {
    const float scale = f16_to_f32(load_u16(blocks));
    for (int i = 0; i < BLOCK / 2; i++) {
      const uint8_t pair = blocks[2 + i];
      values[first + i] = scale * (float)((pair & 15) - 8);
      values[first + i + BLOCK / 2] = scale * (float)((pair >> 4) - 8);
    }
  }
}

static void unpack_q4_1(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t first = 0; first < elements; first += BLOCK, blocks += 20) {
    const float scale = f16_to_f32(load_u16(blocks));
    const float minimum = f16_to_f32(load_u16(blocks + 2));
    for (int i = 0; i < BLOCK / 2; i++) {
      // Product and sum are separate statements, so that no compiler fuses them and every machine gets equal values.
      const float low = scale * (float)(blocks[4 + i] & 15);
      const float high = scale * (float)(blocks[4 + i] >> 4);
      values[first + i] = low + minimum;
      values[first + i + BLOCK / 2] = high + minimum;
    }
  }
}

const QuantFormat *quant_format(uint32_t type) {
  // Removed from ggml and never to be used again: 4, 5 (Q4_2, Q4_3), 31-33 (Q4_0 interleaved), 36-38 (IQ4_NL
  // interleaved). They, and numbers not given out yet, have no name here.
  static const QuantFormat formats[] = {
      [GGML_F32] = {GGML_F32, "F32", 1, 4, unpack_f32},
      [GGML_F16] = {GGML_F16, "F16", 1, 2, unpack_f16},
      [GGML_Q4_0] = {GGML_Q4_0, "Q4_0", BLOCK, 18, unpack_q4_0},
      [GGML_Q4_1] = {GGML_Q4_1, "Q4_1", BLOCK, 20, unpack_q4_1},
      [6] = {6, "Q5_0", 32, 22, NULL},
      [7] = {7, "Q5_1", 32, 24, NULL},
      [GGML_Q8_0] = {GGML_Q8_0, "Q8_0", BLOCK, 34, unpack_q8_0},
      [9] = {9, "Q8_1", 32, 36, NULL},
      [10] = {10, "Q2_K", 256, 84, NULL},
      [11] = {11, "Q3_K", 256, 110, NULL},
      [12] = {12, "Q4_K", 256, 144, NULL},
      [13] = {13, "Q5_K", 256, 176, NULL},
      [14] = {14, "Q6_K", 256, 210, NULL},
      [15] = {15, "Q8_K", 256, 292, NULL},
      [16] = {16, "IQ2_XXS", 256, 66, NULL},
      [17] = {17, "IQ2_XS", 256, 74, NULL},
      [18] = {18, "IQ3_XXS", 256, 98, NULL},
      [19] = {19, "IQ1_S", 256, 50, NULL},
      [20] = {20, "IQ4_NL", 32, 18, NULL},
      [21] = {21, "IQ3_S", 256, 110, NULL},
      [22] = {22, "IQ2_S", 256, 82, NULL},
      [23] = {23, "IQ4_XS", 256, 136, NULL},
      [24] = {24, "I8", 1, 1, NULL},
      [25] = {25, "I16", 1, 2, NULL},
      [26] = {26, "I32", 1, 4, NULL},
      [27] = {27, "I64", 1, 8, NULL},
      [28] = {28, "F64", 1, 8, NULL},
      [29] = {29, "IQ1_M", 256, 56, NULL},
      [GGML_BF16] = {GGML_BF16, "BF16", 1, 2, unpack_bf16},
      [34] = {34, "TQ1_0", 256, 54, NULL},
      [35] = {35, "TQ2_0", 256, 66, NULL},
      [39] = {39, "MXFP4", 32, 17, NULL},
      [40] = {40, "NVFP4", 64, 36, NULL},
      [41] = {41, "Q1_0", 128, 18, NULL},
      [42] = {42, "Q2_0", 64, 18, NULL},
  };
  if (type >= sizeof formats / sizeof formats[0] || formats[type].name == NULL) return NULL;
  return &formats[type];
}
