// What the kernel check looks at in packing and quantising: blocks of usual numbers, and such as have tiny, infinite or
// no numbers in them.
#ifndef NIBBLE_PACK_CHECK_H
#define NIBBLE_PACK_CHECK_H

#include <math.h>
#include <stdlib.h>

#include "all_sets.h"
#include "check.h"
#include "float_math.h"
#include "random_product.h"

TEST(packEqualsReference) {
  const Sets sets = all_sets();
  uint32_t state = 5;
  for (int tokens = 1; tokens <= 9; tokens++) {
    Product p = make_product(TILE_Q4_0, 1, tokens == 6 ? 4096 : 32 * tokens, tokens, &state);
    for (int c = 0; c < 32; c++)
      p.x[c] = 0;  // an all-zero block
    const size_t bytes = (size_t)packed_tokens(p.tokens) * (size_t)(p.columns / TILE_BLOCK) * PACKED_BLOCK_BYTES;
    uint8_t *expected = allocate(bytes + GUARD), *found = allocate(bytes + GUARD);
    for (int s = 0; s < sets.count; s++) {
      memset(expected, 0xa5, bytes + GUARD);
      memset(found, 0xa5, bytes + GUARD);
      pack_tokens(&kernels_reference, &p, expected);
      pack_tokens(sets.sets[s], &p, found);
      CHECK(memcmp(found, expected, bytes + GUARD) == 0);
    }
    free(expected);
    free(found);
    free_product(&p);
  }
}

// A number for block `kind` of 32: blocks 0 to ODD_BLOCKS - 1 are odd ones, others are usual. A block may be mixed:
// only some of its numbers are odd then.
enum { ODD_BLOCKS = 14 };

static inline float odd_number(int kind, int column, uint32_t *state) {
  static const float all[] = {1e-38f, -1e-38f, 1e-45f, -0.0f, 0, 3e38f, 1e-30f, 1.1e-30f};
  const float usual = random_float(state);
  if (kind < 8) return all[kind] * (kind == 3 || kind == 4 ? 1 : column % 5 == 1 ? usual : 1);
  switch (kind) {
    case 8: return column == 31 ? INFINITY : usual;
    case 9: return column == 0 ? -INFINITY : usual;
    case 10: return column == 17 ? NAN : usual;
    case 11: return column == 2 ? float_of_bits(0xff812345) : usual * 1e-38f;  // a NaN with a payload, and tiny ones
    case 12: return column % 2 ? INFINITY : NAN;
    case 13: return column % 3 ? 1e-39f : usual;
    default: return usual;
  }
}

// Rows [tokens, columns] whose blocks are odd in turns, with usual ones between, in another order for every token.
static inline float *odd_rows(int tokens, int columns, uint32_t *state) {
  float *x = random_floats((size_t)(tokens * columns), state);
  for (int t = 0; t < tokens; t++)
    for (int c = 0; c < columns; c++)
      x[t * columns + c] = odd_number((c / TILE_BLOCK + 5 * t) % (ODD_BLOCKS + 2), c % TILE_BLOCK, state);
  return x;
}

TEST(packsWhatIsNoNumberAlike) {
  enum { COLUMNS = (ODD_BLOCKS + 2) * TILE_BLOCK };
  const Sets sets = all_sets();
  const size_t bytes = (size_t)PANEL_TOKENS * (COLUMNS / TILE_BLOCK) * PACKED_BLOCK_BYTES;
  uint8_t *expected = allocate(bytes), *found = allocate(bytes);
  uint32_t state = 12;
  for (int tokens = 1; tokens <= PANEL_TOKENS; tokens++)
    for (int s = 0; s < sets.count; s++) {
      float *x = odd_rows(tokens, COLUMNS, &state);
      memset(expected, 0xa5, bytes);
      memset(found, 0xa5, bytes);
      kernels_reference.pack(x, COLUMNS, tokens, COLUMNS, expected);
      sets.sets[s]->pack(x, COLUMNS, tokens, COLUMNS, found);
      CHECK(memcmp(found, expected, bytes) == 0);
      free(x);
    }
  free(expected);
  free(found);
}

// By the reference and every set.
TEST(packsTinyAndBrokenBlocksAsZeros) {
  const Sets sets = all_sets();
  uint32_t state = 13;
  for (int kind = 0; kind < ODD_BLOCKS; kind++)
    for (int s = -1; s < sets.count; s++) {
      float x[TILE_BLOCK], largest = 0;
      uint8_t packed[PACKED_BLOCK_BYTES];
      bool broken = false;
      PackedNumbers numbers;
      for (int c = 0; c < TILE_BLOCK; c++) {
        x[c] = odd_number(kind, c, &state);
        broken |= !isfinite(x[c]);
        if (fabsf(x[c]) > largest) largest = fabsf(x[c]);
      }
      (s < 0 ? &kernels_reference : sets.sets[s])->pack(x, TILE_BLOCK, 1, TILE_BLOCK, packed);
      memcpy(&numbers, packed + 32, sizeof numbers);
      CHECK(broken ? numbers.scale == INFINITY : numbers.scale == largest / 127.0f * F16_UNBIAS);
      int sums[2] = {0, 0}, furthest = 0;
      for (int c = 0; c < TILE_BLOCK; c++) {
        sums[c / TILE_HALF] += (int8_t)packed[c];
        if (abs((int8_t)packed[c]) > furthest) furthest = abs((int8_t)packed[c]);
      }
      CHECK_INT(furthest, broken || largest <= QUANTIZE_LEAST ? 0 : 127);
      CHECK_INT(numbers.offset, -8 * (sums[0] + sums[1]));
      CHECK_INT(numbers.first, -8 * sums[0]);
      CHECK(broken || numbers.sum == (float)(sums[0] + sums[1]) * (largest / 127.0f));
    }
}

TEST(quantizesWhatIsNoNumberAlike) {
  const Sets sets = all_sets();
  uint32_t state = 14;
  for (int kind = 0; kind < ODD_BLOCKS; kind++)
    for (int n = 1; n <= 32; n++) {
      float x[32];
      int16_t expected[34], found[34];
      bool broken = false;
      for (int i = 0; i < n; i++) {
        x[i] = odd_number(kind, 31 - i, &state);
        broken |= !isfinite(x[i]);
      }
      memset(expected, 0x5a, sizeof expected);
      const float scale = kernels_reference.quantize(x, n, QUERY_LIMIT, expected);
      CHECK((scale == INFINITY) == broken);
      for (int i = 0; i < n && broken; i++)
        CHECK_INT(expected[i], 0);
      for (int s = 0; s < sets.count; s++) {
        memset(found, 0x5a, sizeof found);
        CHECK(sets.sets[s]->quantize(x, n, QUERY_LIMIT, found) == scale);
        CHECK(memcmp(found, expected, sizeof found) == 0);
      }
    }
}

TEST(quantizesToTheNearest) {
  float x[] = {0.5f, -2, 1.2494f, 0.0001f, 2};
  int16_t q[6] = {7, 7, 7, 7, 7, 7};
  CHECK(kernels_reference.quantize(x, 5, 1000, q) == 2.0f / 1000);
  const int16_t expected[] = {250, -1000, 625, 0, 1000, 0};
  CHECK(memcmp(q, expected, sizeof q) == 0);
  x[0] = x[1] = x[2] = x[4] = 1e-38f, x[3] = 1e-42f;
  CHECK(kernels_reference.quantize(x, 5, 32767, q) < 1e-30f);
  for (int i = 0; i < 6; i++)
    CHECK_INT(q[i], 0);
}

#endif
