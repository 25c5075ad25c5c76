// The formats below 4 bits whose weights come eight (or four) at a time out of a grid. One cell is one byte, `d` is
// binary16, `index` and `signs` a bit for each weight:
//
//   IQ1_S    50 bytes  | d  d | index[32] | u16 top[8] |        top: 3 bits of each of 4 indices, 3 bits of scale, a
//   sign IQ1_M    56 bytes  | index[32] | top[16] | u16 scales[4] |  top: 3 bits of an index and a sign, twice a byte
//   IQ2_XXS  66 bytes  | d  d | 8 x: index[4] | u32 |           u32: 7 bits of signs for each index, 4 bits of scale
//   IQ2_XS   74 bytes  | d  d | u16 index[32] | scales[8] |     index: 9 bits, and 7 bits of signs
//   IQ2_S    82 bytes  | d  d | index[32] | signs[32] | top[8] | scales[8] |
//   IQ3_XXS  98 bytes  | d  d | index[64] | u32[8] |            u32 as in IQ2_XXS
//   IQ3_S   110 bytes  | d  d | index[64] | top[8] | signs[32] | scales[4] |
//
// Seven bits of signs mean eight: the last makes their number even. IQ1's weights lie an eighth above or below a whole
// number, so `unit` is an eighth there, and an eighth or a quarter where a scale is a half more than the number stored.
#include <stdbool.h>

#include "bytes.h"
#include "quant.h"
#include "superblock.h"
#include "superblock_grids.h"

static uint32_t parity(uint32_t bits) {
  bits ^= bits >> 8;
  bits ^= bits >> 4;
  bits ^= bits >> 2;
  return (bits ^ bits >> 1) & 1;
}

typedef struct {
  const uint8_t *bits;
  int digit_bits;  // 2 of three values, or 3 of eight
  bool even;       // has no number whose digits' sum is odd
} Grid;

static void list_grid(Grid grid, uint16_t *list) {
  const bool pairs = grid.digit_bits == 2;
  const uint32_t end = pairs ? 1 << 16 : 1 << 12, lowest = pairs ? 0x5555 : 01111;
  uint32_t bit = 0;
  for (uint32_t number = 0; number < end; number++) {
    // A digit of three values carries from the fourth.
    for (int at = 0; pairs && (number >> at & 3) == 3; at += 2)
      number += UINT32_C(1) << at;
    if (number == end || (grid.even && parity(number & lowest))) continue;
    if (grid.bits[bit / 8] >> (bit % 8) & 1) *list++ = (uint16_t)number;
    bit++;
  }
}

void superblock_grid(uint32_t type, uint16_t list[SUPERBLOCK_GRID]) {
  switch (type) {
    case GGML_IQ1_S:
    case GGML_IQ1_M: list_grid((Grid){iq1_grid, 2, false}, list); break;
    case GGML_IQ2_XXS: list_grid((Grid){iq2_xxs_grid, 2, true}, list); break;
    case GGML_IQ2_XS: list_grid((Grid){iq2_xs_grid, 2, true}, list); break;
    case GGML_IQ2_S: list_grid((Grid){iq2_s_grid, 2, true}, list); break;
    case GGML_IQ3_XXS: list_grid((Grid){iq3_xxs_grid, 3, true}, list); break;
    case GGML_IQ3_S: list_grid((Grid){iq3_s_grid, 3, false}, list); break;
    default: break;
  }
}

static void begin_superblock(const uint8_t *scale, float unit, Superblock *out) {
  out->scale = load_u16(scale);
  out->minimum = 0;
  out->unit = unit;
  for (int g = 0; g < SUPERBLOCK_GROUPS; g++)
    out->minima[g] = 0;
}

static void set_scales(Superblock *out, int run, int first, int second) {
  out->scales[2 * run] = (int16_t)(2 * first + 1);
  out->scales[2 * run + 1] = (int16_t)(2 * second + 1);
}

// All eight signs of the seven that are stored.
static int whole_signs(uint32_t seven) {
  const uint32_t bits = seven & 127;
  return (int)(bits | parity(bits) << 7);
}

static int8_t with_sign(int value, int signs, int i) { return (int8_t)(signs >> i & 1 ? -value : value); }

static void put_eight(uint16_t grid, int signs, int8_t values[8]) {
  static const int8_t levels[] = {8, 25, 43, 0};
  for (int i = 0; i < 8; i++)
    values[i] = with_sign(levels[grid >> (2 * i) & 3], signs, i);
}

static void put_four(uint16_t grid, const int8_t levels[8], int signs, int8_t values[4]) {
  for (int i = 0; i < 4; i++)
    values[i] = with_sign(levels[grid >> (3 * i) & 7], signs, i);
}

// Eight weights of IQ1, in eighths.
static void put_eighths(uint16_t grid, bool below, int8_t values[8]) {
  for (int i = 0; i < 8; i++)
    values[i] = (int8_t)(8 * ((grid >> (2 * i) & 3) - 1) + (below ? -1 : 1));
}

void superblock_read_iq1_s(const uint8_t *block, Superblock *out) {
  begin_superblock(block, 0.125f, out);
  for (int run = 0; run < 8; run++) {
    const int top = load_u16(block + 34 + 2 * run);
    set_scales(out, run, top >> 12 & 7, top >> 12 & 7);
    for (int l = 0; l < 4; l++) {
      const int index = block[2 + 4 * run + l] | (top >> (3 * l) & 7) << 8;
      put_eighths(out->grid[index], top >> 15, out->values + 32 * run + 8 * l);
    }
  }
}

void superblock_read_iq1_m(const uint8_t *block, Superblock *out) {
  const uint8_t *tops = block + 32, *scales = block + 48;
  uint8_t scale[2] = {0, 0};  // a nibble of it tops each of the four numbers
  for (int i = 0; i < 4; i++)
    scale[i / 2] |= (uint8_t)(load_u16(scales + 2 * i) >> 12 << (i % 2 * 4));
  begin_superblock(scale, 0.125f, out);
  for (int run = 0; run < 8; run++) {
    const int pair = load_u16(scales + run / 2 * 2) >> (run % 2 * 6);
    set_scales(out, run, pair & 7, pair >> 3 & 7);
    for (int l = 0; l < 4; l++) {
      const int top = tops[2 * run + l / 2] >> (l % 2 * 4) & 15;
      put_eighths(out->grid[block[4 * run + l] | (top & 7) << 8], top >> 3, out->values + 32 * run + 8 * l);
    }
  }
}

void superblock_read_iq2_xxs(const uint8_t *block, Superblock *out) {
  begin_superblock(block, 0.125f, out);
  for (int run = 0; run < 8; run++) {
    const uint8_t *index = block + 2 + 8 * run;
    const uint32_t rest = load_u32(index + 4);
    set_scales(out, run, (int)(rest >> 28), (int)(rest >> 28));
    for (int l = 0; l < 4; l++)
      put_eight(out->grid[index[l]], whole_signs(rest >> (7 * l)), out->values + 32 * run + 8 * l);
  }
}

void superblock_read_iq2_xs(const uint8_t *block, Superblock *out) {
  begin_superblock(block, 0.125f, out);
  for (int run = 0; run < 8; run++) {
    set_scales(out, run, block[66 + run] & 15, block[66 + run] >> 4);
    for (int l = 0; l < 4; l++) {
      const uint16_t index = load_u16(block + 2 + 2 * (4 * run + l));
      put_eight(out->grid[index & 511], whole_signs(index >> 9), out->values + 32 * run + 8 * l);
    }
  }
}

void superblock_read_iq2_s(const uint8_t *block, Superblock *out) {
  const uint8_t *signs = block + 34, *top = block + 66;
  begin_superblock(block, 0.125f, out);
  for (int run = 0; run < 8; run++) {
    set_scales(out, run, block[74 + run] & 15, block[74 + run] >> 4);
    for (int l = 0; l < 4; l++) {
      const int index = block[2 + 4 * run + l] | (top[run] >> (2 * l) & 3) << 8;
      put_eight(out->grid[index], signs[4 * run + l], out->values + 32 * run + 8 * l);
    }
  }
}

void superblock_read_iq3_xxs(const uint8_t *block, Superblock *out) {
  static const int8_t levels[] = {4, 12, 20, 28, 36, 44, 52, 62};
  begin_superblock(block, 0.25f, out);
  for (int run = 0; run < 8; run++) {
    const uint8_t *index = block + 2 + 8 * run;
    const uint32_t rest = load_u32(block + 66 + 4 * run);
    set_scales(out, run, (int)(rest >> 28), (int)(rest >> 28));
    for (int l = 0; l < 8; l++)
      put_four(out->grid[index[l]], levels, whole_signs(rest >> (l / 2 * 7)) >> (l % 2 * 4),
               out->values + 32 * run + 4 * l);
  }
}

void superblock_read_iq3_s(const uint8_t *block, Superblock *out) {
  static const int8_t levels[] = {1, 3, 5, 7, 9, 11, 13, 15};
  const uint8_t *top = block + 66, *signs = block + 74, *scales = block + 106;
  begin_superblock(block, 1, out);
  for (int run = 0; run < 8; run++) {
    const int scale = scales[run / 2] >> (run % 2 * 4) & 15;
    set_scales(out, run, scale, scale);
    for (int l = 0; l < 8; l++) {
      const int index = block[2 + 8 * run + l] | (top[run] >> l & 1) << 8;
      put_four(out->grid[index], levels, signs[4 * run + l / 2] >> (l % 2 * 4), out->values + 32 * run + 4 * l);
    }
  }
}
