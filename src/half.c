#include "half.h"

#include "float_math.h"

float f16_to_f32(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 0x1f;
  const uint32_t mantissa = half & 0x3ff;
  if (exponent == 0) {
    // A subnormal counts steps of 2^-24, and every such count is exact in binary32.
    const float magnitude = (float)mantissa * 0x1p-24f;
    return float_of_bits(sign | bits_of_float(magnitude));
  }
  if (exponent == 0x1f) return float_of_bits(sign | 0x7f800000 | mantissa << 13);
  return float_of_bits(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

uint16_t f32_to_f16(float value) {
  const uint32_t bits = bits_of_float(value);
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
