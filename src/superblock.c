// The K formats, IQ4_XS and the ternary ones. One cell is one byte, `d` (scale) and `m` (minimum) are binary16:
//
//   Q2_K    84 bytes  | scales[16] | qs[64] | d  d | m  m |            scales: low nibble scale, high nibble minimum
//   Q3_K   110 bytes  | high[32] | qs[64] | scales[12] | d  d |        value = 2 bits + 4 x (bit of high) - 4
//   Q4_K   144 bytes  | d  d | m  m | scales[12] | qs[128] |
//   Q5_K   176 bytes  | d  d | m  m | scales[12] | high[32] | qs[128] |
//   Q6_K   210 bytes  | qs[128] | high[64] | scales[16] | d  d |       value = 4 bits + 16 x (2 bits of high) - 32
//   IQ4_XS 136 bytes  | d  d | high scales[2] | scales[4] | qs[128] |  value = iq4_values[4 bits]
//   TQ1_0   54 bytes  | qs[48] | rest[4] | d  d |                      five ternary digits a byte
//   TQ2_0   66 bytes  | qs[64] | d  d |                                value = 2 bits - 1
//
// Layouts: https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h
#include "superblock.h"

#include <string.h>

#include "bytes.h"
#include "half.h"

const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void superblock_weights(const Superblock *block, float *weights) {
  const float scale = f16_to_f32(block->scale) * block->unit, minimum = f16_to_f32(block->minimum);
  for (int g = 0; g < SUPERBLOCK_GROUPS; g++) {
    const float group_scale = scale * (float)block->scales[g], group_minimum = minimum * (float)block->minima[g];
    for (int i = 0; i < SUPERBLOCK_GROUP; i++) {
      // Product and difference are separate statements, so that no compiler fuses them.
      const float product = group_scale * (float)block->values[g * SUPERBLOCK_GROUP + i];
      weights[g * SUPERBLOCK_GROUP + i] = product - group_minimum;
    }
  }
}

// Weight i's two bits where four runs of 32 weights share 32 bytes: Q2_K, Q3_K and TQ2_0.
static int two_bits(const uint8_t *qs, int i) { return qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3; }

// Weight i's four bits where two runs of 32 weights share 32 bytes: Q4_K and Q5_K.
static int four_bits(const uint8_t *qs, int i) { return qs[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15; }

// Scale and minimum of each run of 32 weights, six bits each, in the twelve bytes of Q4_K and Q5_K.
static void read_scales_and_minima(const uint8_t *bytes, Superblock *out) {
  for (int j = 0; j < 8; j++) {
    const int k = j - 4;
    const int scale = j < 4 ? bytes[j] & 63 : (bytes[j + 4] & 15) | bytes[k] >> 6 << 4;
    const int minimum = j < 4 ? bytes[j + 4] & 63 : bytes[j + 4] >> 4 | bytes[j] >> 6 << 4;
    out->scales[2 * j] = out->scales[2 * j + 1] = (int16_t)scale;
    out->minima[2 * j] = out->minima[2 * j + 1] = (uint8_t)minimum;
  }
}

static void clear_minima(Superblock *out) {
  out->minimum = 0;
  memset(out->minima, 0, sizeof out->minima);
}

void superblock_read_q2_k(const uint8_t *block, Superblock *out) {
  const uint8_t *scales = block, *qs = block + 16;
  out->scale = load_u16(block + 80);
  out->minimum = load_u16(block + 82);
  out->unit = 1;
  for (int g = 0; g < SUPERBLOCK_GROUPS; g++) {
    out->scales[g] = scales[g] & 15;
    out->minima[g] = scales[g] >> 4;
  }
  for (int i = 0; i < SUPERBLOCK; i++)
    out->values[i] = (int8_t)two_bits(qs, i);
}

void superblock_read_q3_k(const uint8_t *block, Superblock *out) {
  const uint8_t *high = block, *qs = block + 32, *scales = block + 96;
  out->scale = load_u16(block + 108);
  out->unit = 1;
  clear_minima(out);
  for (int g = 0; g < SUPERBLOCK_GROUPS; g++) {
    const int low = scales[g % 8] >> (g / 8 * 4) & 15, top = scales[8 + g % 4] >> (g / 4 * 2) & 3;
    out->scales[g] = (int16_t)((low | top << 4) - 32);
  }
  for (int i = 0; i < SUPERBLOCK; i++)
    out->values[i] = (int8_t)(two_bits(qs, i) + 4 * (high[i % 32] >> (i / 32) & 1) - 4);
}

void superblock_read_q4_k(const uint8_t *block, Superblock *out) {
  out->scale = load_u16(block);
  out->minimum = load_u16(block + 2);
  out->unit = 1;
  read_scales_and_minima(block + 4, out);
  for (int i = 0; i < SUPERBLOCK; i++)
    out->values[i] = (int8_t)four_bits(block + 16, i);
}

void superblock_read_q5_k(const uint8_t *block, Superblock *out) {
  const uint8_t *high = block + 16, *qs = block + 48;
  out->scale = load_u16(block);
  out->minimum = load_u16(block + 2);
  out->unit = 1;
  read_scales_and_minima(block + 4, out);
  for (int i = 0; i < SUPERBLOCK; i++)
    out->values[i] = (int8_t)(four_bits(qs, i) | (high[i % 32] >> (i / 32) & 1) << 4);
}

void superblock_read_q6_k(const uint8_t *block, Superblock *out) {
  const uint8_t *qs = block, *high = block + 128, *scales = block + 192;
  out->scale = load_u16(block + 208);
  out->unit = 1;
  clear_minima(out);
  for (int g = 0; g < SUPERBLOCK_GROUPS; g++)
    out->scales[g] = (int8_t)scales[g];
  for (int i = 0; i < SUPERBLOCK; i++) {
    const int half = i / 128, run = i % 128 / 32;
    const int low = qs[half * 64 + run % 2 * 32 + i % 32] >> (run / 2 * 4) & 15;
    const int top = high[half * 32 + i % 32] >> (run * 2) & 3;
    out->values[i] = (int8_t)((low | top << 4) - 32);
  }
}

void superblock_read_iq4_xs(const uint8_t *block, Superblock *out) {
  const int high = load_u16(block + 2);
  const uint8_t *scales = block + 4, *qs = block + 8;
  out->scale = load_u16(block);
  out->unit = 1;
  clear_minima(out);
  for (int j = 0; j < 8; j++) {
    const int scale = (scales[j / 2] >> (j % 2 * 4) & 15) | (high >> (j * 2) & 3) << 4;
    out->scales[2 * j] = out->scales[2 * j + 1] = (int16_t)(scale - 32);
  }
  for (int i = 0; i < SUPERBLOCK; i++)
    out->values[i] = iq4_values[qs[i / 32 * 16 + i % 16] >> (i % 32 / 16 * 4) & 15];
}

static void begin_ternary(const uint8_t *scale, Superblock *out) {
  out->scale = load_u16(scale);
  out->unit = 1;
  clear_minima(out);
  for (int g = 0; g < SUPERBLOCK_GROUPS; g++)
    out->scales[g] = 1;
}

// Digit n of a byte that counts 3^5 steps in 256: multiplied with 3^n, cut to a byte, it begins with that digit.
static int ternary_digit(uint8_t byte, int n) {
  static const uint8_t powers[] = {1, 3, 9, 27, 81};
  const uint8_t shifted = (uint8_t)(byte * powers[n]);
  return (shifted * 3 >> 8) - 1;
}

void superblock_read_tq1_0(const uint8_t *block, Superblock *out) {
  static const struct { int first_byte, bytes, digits; } runs[] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
  begin_ternary(block + 52, out);
  int8_t *value = out->values;
  for (int r = 0; r < 3; r++)
    for (int n = 0; n < runs[r].digits; n++)
      for (int i = 0; i < runs[r].bytes; i++)
        *value++ = (int8_t)ternary_digit(block[runs[r].first_byte + i], n);
}

void superblock_read_tq2_0(const uint8_t *block, Superblock *out) {
  begin_ternary(block + 64, out);
  for (int i = 0; i < SUPERBLOCK; i++)
    out->values[i] = (int8_t)(two_bits(block, i) - 1);
}
