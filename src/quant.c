// The blocks of fewer than 256 weights; superblock.c and superblock_grid.c have the others. Numbers are little-endian,
// `d` (scale) and `m` (minimum) are binary16, and one cell of `qs` is one byte:
//
//   Q4_0    32 weights, 18 bytes   | d  d | qs[16] |                     weight = d * (nibble - 8)
//   Q4_1    32 weights, 20 bytes   | d  d | m  m | qs[16] |              weight = d * nibble + m
//   Q5_0    32 weights, 22 bytes   | d  d | high[4] | qs[16] |           weight = d * (nibble + 16 * bit - 16)
//   Q5_1    32 weights, 24 bytes   | d  d | m  m | high[4] | qs[16] |    weight = d * (nibble + 16 * bit) + m
//   Q8_0    32 weights, 34 bytes   | d  d | qs[32] |                     weight = d * (int8) qs
//   IQ4_NL  32 weights, 18 bytes   | d  d | qs[16] |                     weight = d * iq4_values[nibble]
//   MXFP4   32 weights, 17 bytes   | e | qs[16] |                        weight = 2^(e - 128) * fp4_values[nibble]
//   NVFP4   64 weights, 36 bytes   | e4m3[4] | qs[32] |                  weight = e4m3 / 2 * fp4_values[nibble]
//   Q1_0   128 weights, 18 bytes   | d  d | qs[16] |                     weight = bit ? d : -d
//   Q2_0    64 weights, 18 bytes   | d  d | qs[16] |                     weight = d * (two bits - 1)
//   I2_S   128 weights, 32 bytes   | qs[32] |                            weight = scale * (0, 1, 2 and 3: -1, 0, 1, 0)
//
//   Nibbles: byte i of `qs` holds weight i (low nibble) and weight i + 16 (high nibble), with bits i and i + 16 of
//   `high`; those of NVFP4 weights i and i + 8 of each 16. Bits of Q1_0 and Q2_0 go from the lowest to the highest.
//   Byte i of I2_S holds weights i, i + 32, i + 64 and i + 96, from the highest bits to the lowest; its scale is a
//   binary32 behind the last block of the tensor, and 28 bytes of padding follow.
//
// F32, F16 and BF16 are "blocks" of one weight. BF16 is the upper half of a binary32.
// Layouts: https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h; of I2_S, as bitnet.cpp's
// dequantiser has it: https://github.com/microsoft/BitNet/blob/main/src/ggml-bitnet-mad.cpp
#include "quant.h"

#include <string.h>

#include "bytes.h"
#include "float_math.h"

#define BLOCK 32

const int8_t fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

float e8m0_half_to_f32(uint8_t exponent) {
  return float_of_bits(exponent < 2 ? UINT32_C(0x00200000) << exponent : (uint32_t)(exponent - 1) << 23);
}

float e4m3_half_to_f32(uint8_t number) {
  if (number == 0x7f) return 0;
  const int exponent = number >> 3 & 15, mantissa = number & 7;
  // Counted in steps of 2^-10, the least of them, half of E4M3's.
  const int steps = exponent == 0 ? mantissa : (8 + mantissa) << (exponent - 1);
  return (float)steps * 0x1p-10f;
}

static void unpack_f32(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t i = 0; i < elements; i++)
    values[i] = float_of_bits(load_u32(blocks + i * 4));
}

static void unpack_f16(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t i = 0; i < elements; i++)
    values[i] = f16_to_f32(load_u16(blocks + i * 2));
}

static void unpack_bf16(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t i = 0; i < elements; i++)
    values[i] = float_of_bits((uint32_t)load_u16(blocks + i * 2) << 16);
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

// The bits above the nibbles of Q5_0 and Q5_1: bit i belongs to weight i.
static int fifth_bit(uint32_t high, int i) { return (int)(high >> i & 1) << 4; }

static void unpack_q5_0(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t first = 0; first < elements; first += BLOCK, blocks += 22) {
    const float scale = f16_to_f32(load_u16(blocks));
    const uint32_t high = load_u32(blocks + 2);
    for (int i = 0; i < BLOCK / 2; i++) {
      const uint8_t pair = blocks[6 + i];
      values[first + i] = scale * (float)(((pair & 15) | fifth_bit(high, i)) - 16);
      values[first + i + BLOCK / 2] = scale * (float)((pair >> 4 | fifth_bit(high, i + BLOCK / 2)) - 16);
    }
  }
}

static void unpack_q5_1(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t first = 0; first < elements; first += BLOCK, blocks += 24) {
    const float scale = f16_to_f32(load_u16(blocks)), minimum = f16_to_f32(load_u16(blocks + 2));
    const uint32_t high = load_u32(blocks + 4);
    for (int i = 0; i < BLOCK / 2; i++) {
      const uint8_t pair = blocks[8 + i];
      const float first_half = scale * (float)((pair & 15) | fifth_bit(high, i));
      const float second_half = scale * (float)(pair >> 4 | fifth_bit(high, i + BLOCK / 2));
      values[first + i] = first_half + minimum;
      values[first + i + BLOCK / 2] = second_half + minimum;
    }
  }
}

// `count` weights whose nibbles name one of sixteen values: half of them low nibbles, then the high ones.
static void unpack_named(const uint8_t *pairs, int count, const int8_t names[16], float scale, float *values) {
  for (int i = 0; i < count / 2; i++) {
    values[i] = scale * (float)names[pairs[i] & 15];
    values[i + count / 2] = scale * (float)names[pairs[i] >> 4];
  }
}

static void unpack_iq4_nl(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t first = 0; first < elements; first += BLOCK, blocks += 18)
    unpack_named(blocks + 2, BLOCK, iq4_values, f16_to_f32(load_u16(blocks)), values + first);
}

static void unpack_mxfp4(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t first = 0; first < elements; first += BLOCK, blocks += 17)
    unpack_named(blocks + 1, BLOCK, fp4_values, e8m0_half_to_f32(blocks[0]), values + first);
}

static void unpack_nvfp4(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t first = 0; first < elements; first += 64, blocks += 36)
    for (int part = 0; part < 4; part++)
      unpack_named(blocks + 4 + 8 * part, 16, fp4_values, e4m3_half_to_f32(blocks[part]), values + first + 16 * part);
}

static void unpack_q1_0(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t first = 0; first < elements; first += 128, blocks += 18) {
    const float scale = f16_to_f32(load_u16(blocks));
    for (int i = 0; i < 128; i++)
      values[first + i] = blocks[2 + i / 8] >> (i % 8) & 1 ? scale : -scale;
  }
}

static void unpack_q2_0(const uint8_t *blocks, float *values, size_t elements) {
  for (size_t first = 0; first < elements; first += 64, blocks += 18) {
    const float scale = f16_to_f32(load_u16(blocks));
    for (int i = 0; i < 64; i++)
      values[first + i] = scale * (float)((blocks[2 + i / 4] >> (i % 4 * 2) & 3) - 1);
  }
}

void i2_s_codes(const uint8_t *blocks, size_t first, uint8_t codes[32]) {
  const uint8_t *bytes = blocks + first / 128 * 32;
  const int shift = 6 - (int)(first % 128) / 32 * 2;
  for (int i = 0; i < 32; i++) {
    const int code = bytes[i] >> shift & 3;
    codes[i] = (uint8_t)(code - (code & code >> 1) * 2);  // 3, which no converter writes, is the same as 1
  }
}

static void unpack_i2_s(const uint8_t *blocks, float *values, size_t elements) {
  uint8_t codes[32];
  for (size_t first = 0; first < elements; first += 32) {
    i2_s_codes(blocks, first, codes);
    for (int i = 0; i < 32; i++)
      values[first + (size_t)i] = (float)(codes[i] - 1);
  }
}

const QuantFormat *quant_format(uint32_t type) {
  // Types that ggml removed, and those of forks, stand in foreign_types.c.
  static const QuantFormat formats[] = {
      [GGML_F32] = {GGML_F32, "F32", 1, 4, unpack_f32, NULL},
      [GGML_F16] = {GGML_F16, "F16", 1, 2, unpack_f16, NULL},
      [GGML_Q4_0] = {GGML_Q4_0, "Q4_0", BLOCK, 18, unpack_q4_0, NULL},
      [GGML_Q4_1] = {GGML_Q4_1, "Q4_1", BLOCK, 20, unpack_q4_1, NULL},
      [GGML_Q5_0] = {GGML_Q5_0, "Q5_0", BLOCK, 22, unpack_q5_0, NULL},
      [GGML_Q5_1] = {GGML_Q5_1, "Q5_1", BLOCK, 24, unpack_q5_1, NULL},
      [GGML_Q8_0] = {GGML_Q8_0, "Q8_0", BLOCK, 34, unpack_q8_0, NULL},
      [9] = {9, "Q8_1", 32, 36, NULL, NULL},
      [GGML_Q2_K] = {GGML_Q2_K, "Q2_K", SUPERBLOCK, 84, NULL, superblock_read_q2_k},
      [GGML_Q3_K] = {GGML_Q3_K, "Q3_K", SUPERBLOCK, 110, NULL, superblock_read_q3_k},
      [GGML_Q4_K] = {GGML_Q4_K, "Q4_K", SUPERBLOCK, 144, NULL, superblock_read_q4_k},
      [GGML_Q5_K] = {GGML_Q5_K, "Q5_K", SUPERBLOCK, 176, NULL, superblock_read_q5_k},
      [GGML_Q6_K] = {GGML_Q6_K, "Q6_K", SUPERBLOCK, 210, NULL, superblock_read_q6_k},
      [15] = {15, "Q8_K", 256, 292, NULL, NULL},
      [GGML_IQ2_XXS] = {GGML_IQ2_XXS, "IQ2_XXS", SUPERBLOCK, 66, NULL, superblock_read_iq2_xxs},
      [GGML_IQ2_XS] = {GGML_IQ2_XS, "IQ2_XS", SUPERBLOCK, 74, NULL, superblock_read_iq2_xs},
      [GGML_IQ3_XXS] = {GGML_IQ3_XXS, "IQ3_XXS", SUPERBLOCK, 98, NULL, superblock_read_iq3_xxs},
      [GGML_IQ1_S] = {GGML_IQ1_S, "IQ1_S", SUPERBLOCK, 50, NULL, superblock_read_iq1_s},
      [GGML_IQ4_NL] = {GGML_IQ4_NL, "IQ4_NL", 32, 18, unpack_iq4_nl, NULL},
      [GGML_IQ3_S] = {GGML_IQ3_S, "IQ3_S", SUPERBLOCK, 110, NULL, superblock_read_iq3_s},
      [GGML_IQ2_S] = {GGML_IQ2_S, "IQ2_S", SUPERBLOCK, 82, NULL, superblock_read_iq2_s},
      [GGML_IQ4_XS] = {GGML_IQ4_XS, "IQ4_XS", SUPERBLOCK, 136, NULL, superblock_read_iq4_xs},
      [24] = {24, "I8", 1, 1, NULL, NULL},
      [25] = {25, "I16", 1, 2, NULL, NULL},
      [26] = {26, "I32", 1, 4, NULL, NULL},
      [27] = {27, "I64", 1, 8, NULL, NULL},
      [28] = {28, "F64", 1, 8, NULL, NULL},
      [GGML_IQ1_M] = {GGML_IQ1_M, "IQ1_M", SUPERBLOCK, 56, NULL, superblock_read_iq1_m},
      [GGML_BF16] = {GGML_BF16, "BF16", 1, 2, unpack_bf16, NULL},
      [GGML_TQ1_0] = {GGML_TQ1_0, "TQ1_0", SUPERBLOCK, 54, NULL, superblock_read_tq1_0},
      [GGML_TQ2_0] = {GGML_TQ2_0, "TQ2_0", SUPERBLOCK, 66, NULL, superblock_read_tq2_0},
      [GGML_I2_S] = {GGML_I2_S, "I2_S", 128, 32, unpack_i2_s, NULL},
      [GGML_MXFP4] = {GGML_MXFP4, "MXFP4", 32, 17, unpack_mxfp4, NULL},
      [GGML_NVFP4] = {GGML_NVFP4, "NVFP4", 64, 36, unpack_nvfp4, NULL},
      [GGML_Q1_0] = {GGML_Q1_0, "Q1_0", 128, 18, unpack_q1_0, NULL},
      [GGML_Q2_0] = {GGML_Q2_0, "Q2_0", 64, 18, unpack_q2_0, NULL},
  };
  if (type >= sizeof formats / sizeof formats[0] || formats[type].name == NULL) return NULL;
  return &formats[type];
}

bool quant_unpack(const QuantFormat *format, const uint8_t *blocks, float *values, size_t elements) {
  if (format->unpack != NULL) {
    format->unpack(blocks, values, elements);
    return true;
  }
  if (format->read == NULL) return false;
  uint16_t grid[SUPERBLOCK_GRID];
  superblock_grid(format->type, grid);
  for (size_t first = 0; first < elements; first += SUPERBLOCK, blocks += format->block_bytes) {
    Superblock block;
    block.grid = grid;
    format->read(blocks, &block);
    superblock_weights(&block, values + first);
  }
  return true;
}

float quant_tensor_scale(const QuantFormat *format, const uint8_t *behind) {
  return quant_tensor_bytes(format) > 0 ? float_of_bits(load_u32(behind)) : 1;
}

bool quant_unpack_tensor(const QuantFormat *format, const uint8_t *tensor, float *values, size_t elements) {
  if (!quant_unpack(format, tensor, values, elements)) return false;
  if (quant_tensor_bytes(format) == 0) return true;
  const size_t blocks = elements / (size_t)format->block_elements;
  const float scale = quant_tensor_scale(format, tensor + blocks * (size_t)format->block_bytes);
  for (size_t i = 0; i < elements; i++)
    values[i] *= scale;
  return true;
}
