// Vectors out of a tile, the same in every kernel set: codes of four columns of four rows, scales, minima. `format` is
// a constant wherever these are called, so that only what a kind has is left of them. The file that includes this has
// defined LOOKUP(table, indices), sixteen bytes out of a table by indices below 16, and WIDE_OPERANDS.
#ifndef NIBBLE_TILE_VECTORS_H
#define NIBBLE_TILE_VECTORS_H

#include <wasm_simd128.h>

#include "kernel_sets.h"
#include "quant.h"
#include "stretch_product.h"
#include "tile_formats.h"
#include "vectors.h"

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))  // code that several kinds share, or that would be laid down twice

// Codes of 8 bits, value + 128. Where a set's operands have 7 bits (WIDE_OPERANDS is 0) they take two products: value +
// 128 = 16 x high + low, of 4 bits each.
INLINE bool format_has_bytes(const TileFormat *format) {
  return format->low_bits == 8 || format->codes == CODES_IQ4 || format->codes == CODES_HEADER;
}

INLINE bool format_is_split(const TileFormat *format) { return !WIDE_OPERANDS && format_has_bytes(format); }

// The largest operand that the dot product meets.
INLINE int format_largest(const TileFormat *format) {
  if (format_is_split(format)) return 15;
  if (format_has_bytes(format)) return 255;
  if (format->codes == CODES_FP4) return 24;
  return ((1 << (format->low_bits + format->high_bits)) - 1) * format->step;
}

// What is subtracted from the operands: of split codes 8 from the high halves.
INLINE int format_offset(const TileFormat *format) {
  if (format_is_split(format)) return 8;
  if (format_has_bytes(format)) return 128;
  return format->codes == CODES_FP4 ? 12 : format->offset;
}

// Which of kernel_bit_masks has `bits` bits from bit `to` on.
INLINE int bit_mask(const int bits, const int to) {
  switch (((1 << bits) - 1) << to) {
    case 0x0f: return 0;
    case 0x03: return 1;
    case 0x04: return 2;
    case 0x1f: return 3;
    case 0x07: return 4;
    case 0x18: return 5;
    case 0x08: return 6;
    case 0x10: return 7;
    case 0x3f: return 8;
    case 0x0c: return 9;
    default: return 10;  // 0x30
  }
}

// So that an address has a constant offset: those of bytes lose it.
typedef struct {
  uint8_t bytes[16];
} Sixteen;

// The bits that a plane has of group i + 4 k of four columns (i below 4, k 0 or 1), of rows 4 g to 4 g + 3, at bit `to`
// of each byte. Shifting 16-bit lanes and masking beats i8x16.shr_u, which V8 expands. Shifts of planes of four bits
// are constants where k is one, those of others where i is one too.
INLINE v128_t plane_vector(const uint8_t *plane, const int bits, const int g, const int i, const int k, const int to) {
  const int vector = bits == 1 ? 0 : bits == 2 ? k : bits == 4 ? i : i + 4 * k;
  const int from = bits == 1 ? i + 4 * k : bits == 2 ? i * 2 : bits == 4 ? 4 * k : 0;
  const v128_t bytes = wasm_v128_load((const Sixteen *)plane + vector * GROUPS + g);
  if (bits == 8) return bytes;
  const v128_t mask = wasm_v128_load(kernel_bit_masks[bit_mask(bits, to)]);
  if (!__builtin_constant_p(from) && to > 0)
    return wasm_v128_and(wasm_i16x8_shl(wasm_u16x8_shr(bytes, (uint32_t)from), (uint32_t)to), mask);
  return wasm_v128_and(from > to   ? wasm_u16x8_shr(bytes, (uint32_t)(from - to))
                       : from < to ? wasm_i16x8_shl(bytes, (uint32_t)(to - from))
                                   : bytes,
                       mask);
}

// Codes of one bit times two, of the bytes that hold eight columns of a row each.
INLINE v128_t row_bits_vector(const uint8_t *plane, const int g, const int i, const int k) {
  const int j = i + 4 * k;
  const v128_t rows = wasm_v128_load32_splat(plane + j / 2 * TILE_ROWS + g * 4);
  const v128_t bytes = wasm_i8x16_shuffle(rows, rows, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  const v128_t bits = wasm_i32x4_splat(j % 2 == 0 ? 0x08040201 : (int32_t)0x80402010);
  return wasm_v128_and(wasm_i8x16_ne(wasm_v128_and(bytes, bits), wasm_i8x16_splat(0)), wasm_i8x16_splat(2));
}

// Group i + 4 k of a dense plane.
INLINE v128_t dense_vector(const uint8_t *plane, const int bits, const int g, const int i, const int k) {
  const int group = i + 4 * k, count = bits == 5 ? DENSE_FIVE_PARTS : DENSE_SIX_PARTS;
  const DensePart *const parts = bits == 5 ? dense_five : dense_six;
  if (group < bits)
    return wasm_v128_and(wasm_v128_load((const Sixteen *)plane + group * GROUPS + g),
                         wasm_v128_load(kernel_bit_masks[bit_mask(bits, 0)]));
  v128_t codes = wasm_i8x16_splat(0);
#pragma unroll
  for (int p = 0; p < count; p++) {
    if (parts[p].group != group) continue;
    const v128_t bytes = wasm_v128_load((const Sixteen *)plane + parts[p].vector * GROUPS + g);
    const v128_t part = wasm_v128_and(wasm_u16x8_shr(bytes, (uint32_t)(parts[p].at - parts[p].from)),
                                      wasm_v128_load(kernel_bit_masks[bit_mask(parts[p].count, parts[p].from)]));
    codes = parts[p].from == 0 ? part : wasm_v128_or(codes, part);
  }
  return codes;
}

INLINE v128_t codes_vector(const TileFormat *format, const uint8_t *block, const int g, const int i, const int k) {
  if (format->low_bits == 1) return row_bits_vector(block, g, i, k);
  if (plane_is_dense(format->low_bits)) return dense_vector(block, format->low_bits, g, i, k);
  const v128_t low = plane_vector(block, format->low_bits, g, i, k, 0);
  if (format->high_bits == 0) return low;
  return wasm_v128_or(low, plane_vector(block + tile_low_bytes(format), format->high_bits, g, i, k, format->low_bits));
}

// The codebooks as operands: +12, or +128 and then halves of it.
INLINE v128_t named_values(const TileFormat *format, const uint8_t *superblock) {
  if (format->codes == CODES_FP4) return wasm_i8x16_add(wasm_v128_load(fp4_values), wasm_i8x16_splat(12));
  const v128_t values = wasm_v128_load(format->codes == CODES_IQ4 ? (const void *)iq4_values
                                                                  : (const void *)(superblock + 2 * TILE_ROWS));
  return wasm_v128_xor(values, wasm_i8x16_splat((int8_t)0x80));
}

typedef struct {
  v128_t low, high;  // the second of split codes alone
} Operands;

// What of a superblock all its vectors need: sixteen values, where codes name them, as operands.
INLINE Operands name_table(const TileFormat *format, const uint8_t *superblock) {
  Operands table = {wasm_i8x16_splat(0), wasm_i8x16_splat(0)};
  if (format->codes == CODES_OFFSET) return table;
  const v128_t values = named_values(format, superblock);
  if (format->codes == CODES_FP4 || WIDE_OPERANDS) {
    table.low = values;
  } else {
    table.low = wasm_v128_and(values, wasm_v128_load(kernel_nibble_mask));
    table.high = wasm_v128_and(wasm_u16x8_shr(values, 4), wasm_v128_load(kernel_nibble_mask));
  }
  return table;
}

INLINE Operands operands_of(const TileFormat *format, Operands table, const uint8_t *block, const int g, const int i,
                            const int k) {
  const v128_t codes = codes_vector(format, block, g, i, k), mask = wasm_v128_load(kernel_nibble_mask);
  if (format->low_bits == 8 && WIDE_OPERANDS) return (Operands){codes, codes};
  if (format->low_bits == 8)
    return (Operands){wasm_v128_and(codes, mask), wasm_v128_and(wasm_u16x8_shr(codes, 4), mask)};
  if (format->codes == CODES_OFFSET) return (Operands){codes, codes};
  return (Operands){LOOKUP(table.low, codes), LOOKUP(table.high, codes)};
}

// Eight F16 numbers: those of rows 4 g to 4 g + 3, 2^112 too small.
INLINE v128_t halves_vector(const uint8_t *halves, const int g) {
  const v128_t eight = wasm_v128_load(halves);
  return halves_biased(g == 0 ? wasm_i32x4_shl(eight, 16) : eight, wasm_v128_load(kernel_half_mask));
}

// Eight bytes: those of rows 4 g to 4 g + 3, widened.
INLINE v128_t bytes_vector(const uint8_t *bytes, const bool is_signed, const int g) {
  if (is_signed) {
    const v128_t eight = wasm_i16x8_load8x8(bytes);
    return g == 0 ? wasm_i32x4_extend_low_i16x8(eight) : wasm_i32x4_extend_high_i16x8(eight);
  }
  const v128_t eight = wasm_u16x8_load8x8(bytes);
  return g == 0 ? wasm_u32x4_extend_low_u16x8(eight) : wasm_u32x4_extend_high_u16x8(eight);
}

// Eight F16 numbers of a header, which are often below F16's normal ones: those of rows 4 g to 4 g + 3 as floats, by no
// product of denormal numbers, for which processors take up to 150 cycles. A normal number's bits are a float's, its
// exponent moved. Below, that float f stands for 2 f - 2^-14; and of the two the smaller one is right.
INLINE v128_t header_vector(const uint8_t *halves, const int g) {
  const v128_t eight = wasm_v128_load(halves), upper = g == 0 ? wasm_i32x4_shl(eight, 16) : eight;
  const v128_t biased = halves_biased(upper, wasm_v128_load(kernel_half_mask));
  const v128_t sign = wasm_v128_and(upper, wasm_v128_load(kernel_sign_bit));
  const v128_t moved = wasm_i32x4_add(wasm_v128_xor(biased, sign), wasm_v128_load(kernel_half_rebias));
  const v128_t below = wasm_f32x4_sub(wasm_f32x4_add(moved, moved), wasm_v128_load(kernel_least_half));
  return wasm_v128_or(wasm_f32x4_pmin(moved, below), sign);
}

// The header's scales of rows 4 g to 4 g + 3.
INLINE v128_t header_scales(const TileFormat *format, const uint8_t *superblock, const int g) {
  if (tile_has_float_scale(format, superblock)) return wasm_v128_load32_splat(superblock + FLOAT_SCALE_AT);
  const v128_t scales = header_vector(superblock, g);
  return format->unit == 1 ? scales : wasm_f32x4_mul(scales, wasm_f32x4_splat(format->unit));
}

// What a sum of minima is multiplied with.
INLINE v128_t header_minima(const uint8_t *superblock, const int g) {
  return header_vector(superblock + 2 * TILE_ROWS, g);
}

// The twin of tile_whole_scale() of four rows.
INLINE v128_t whole_scales(const TileFormat *format, const uint8_t *block, const int g, const int half) {
  const uint8_t *scales = block + tile_scales_at(format) + half * TILE_ROWS;
  if (format->scales == SCALES_NONE) return wasm_i32x4_splat(1);
  if (format->scales == SCALES_U4_HALVES) return wasm_v128_and(bytes_vector(scales, false, g), wasm_i32x4_splat(15));
  return bytes_vector(scales, format->scales == SCALES_I8 || format->scales == SCALES_I8_HALVES, g);
}

// The twin of tile_whole_minimum() of four rows, as floats.
INLINE v128_t whole_minima(const TileFormat *format, const uint8_t *block, const int g, const int half) {
  return wasm_f32x4_convert_i32x4(
      format->minima == MINIMA_U8
          ? bytes_vector(block + tile_minima_at(format), false, g)
          : wasm_u32x4_shr(bytes_vector(block + tile_scales_at(format) + half * TILE_ROWS, false, g), 4));
}

// Of kinds that fold: the minima of rows 4 g to 4 g + 3 of a block and the next one, int16 beside each other.
INLINE v128_t minima_pairs(const TileFormat *format, const uint8_t *block, const int g) {
  const uint8_t *minima = block + tile_minima_at(format);
  const v128_t pairs =
      wasm_i8x16_shuffle(wasm_v128_load64_zero(minima), wasm_v128_load64_zero(minima + tile_block_bytes(format)), 0, 16,
                         1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  return g == 0 ? wasm_u16x8_extend_low_u8x16(pairs) : wasm_u16x8_extend_high_u8x16(pairs);
}

// The twin of tile_scale() of four rows where there is no header, 2^112 too small.
INLINE v128_t block_scales(const TileFormat *format, const uint8_t *block, const int g, const int half) {
  const uint8_t *scales = block + tile_scales_at(format);
  if (format->scales == SCALES_F16) return halves_vector(scales, g);
  if (format->scales == SCALES_E8M0) {
    // Exponents 0 and 1 mean numbers that are 0 anyway, 2^112 too small.
    const v128_t exponents = wasm_i32x4_max(bytes_vector(scales, false, g), wasm_i32x4_splat(1));
    const v128_t powers = wasm_i32x4_shl(wasm_i32x4_sub(exponents, wasm_i32x4_splat(1)), 23);
    return wasm_f32x4_mul(powers, wasm_f32x4_splat(0x1p-112f));
  }
  const v128_t numbers = wasm_v128_and(bytes_vector(scales + half * TILE_ROWS, false, g), wasm_i32x4_splat(0x7f));
  return wasm_f32x4_mul(wasm_i32x4_shl(numbers, 20), wasm_f32x4_splat(0x1p7f));
}

// Minima of F16.
INLINE v128_t block_minima(const TileFormat *format, const uint8_t *block, const int g) {
  return wasm_f32x4_mul(halves_vector(block + tile_minima_at(format), g), wasm_f32x4_splat(F16_UNBIAS));
}

#endif
