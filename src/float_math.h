// Scalar float helpers whose every step is a plain IEEE operation, so that a SIMD twin of the same steps is bit-equal.
#ifndef NIBBLE_FLOAT_MATH_H
#define NIBBLE_FLOAT_MATH_H

#include <stdint.h>
#include <string.h>

static inline float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// |x| as a whole number that grows with it: numbers, then infinity, then NaN.
#define INFINITY_BITS 0x7f800000u
static inline uint32_t magnitude_bits(float x) { return bits_of_float(x) & 0x7fffffffu; }

// Adding this to |x| < 2^22 leaves x, rounded to nearest with ties to even, in the low bits of the sum.
#define ROUND_MAGIC 12582912.0f

// Returns a binary16 number as a float 2^112 too small: exact for every finite half, wrong for infinities and NaN.
static inline float f16_biased(uint16_t half) {
  return float_of_bits((uint32_t)(half & 0x8000u) << 16 | (uint32_t)(half & 0x7fffu) << 13);
}

// The same as a float of the right size.
static inline float f16_finite(uint16_t half) { return f16_biased(half) * 0x1p112f; }

// exp(x) for x in [-87.3, 88.3] (clamped to it), within 2 ulp: x = n ln 2 + r, a polynomial in r, times 2^n.
#define EXP_LOW -87.3f
#define EXP_HIGH 88.3f
#define EXP_LOG2E 1.44269504f
#define EXP_LN2_HIGH 0.693359375f
#define EXP_LN2_LOW -2.12194440e-4f
#define EXP_C0 1.9875691500e-4f
#define EXP_C1 1.3981999507e-3f
#define EXP_C2 8.3334519073e-3f
#define EXP_C3 4.1665795894e-2f
#define EXP_C4 1.6666665459e-1f
#define EXP_C5 5.0000001201e-1f
static inline float exp_f32(float x) {
  x = x < EXP_LOW ? EXP_LOW : x;
  x = EXP_HIGH < x ? EXP_HIGH : x;
  const float shifted = x * EXP_LOG2E + ROUND_MAGIC;
  const float n = shifted - ROUND_MAGIC;
  const float r = (x - n * EXP_LN2_HIGH) - n * EXP_LN2_LOW;
  float p = EXP_C0;
  p = p * r + EXP_C1;
  p = p * r + EXP_C2;
  p = p * r + EXP_C3;
  p = p * r + EXP_C4;
  p = p * r + EXP_C5;
  p = (p * (r * r) + r) + 1.0f;
  return p * float_of_bits((bits_of_float(shifted) << 23) + 0x3f800000u);
}

#endif
