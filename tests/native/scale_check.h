// The kernel check's sweep over every scale that an F16 number can be, those below its normal numbers included: they
// are usual in the headers of K formats, and vectors turn them into floats in a way of their own.
#ifndef NIBBLE_SCALE_CHECK_H
#define NIBBLE_SCALE_CHECK_H

#include "all_sets.h"
#include "check.h"
#include "random_product.h"

enum { SCALE_ROWS = 2 * 0x7c00 };  // finite numbers of either sign

static inline uint16_t half_of_row(int row) { return (uint16_t)(row < 0x7c00 ? row : row - 0x7c00 + 0x8000); }

// Gives each row of a product's file a scale of its own, and a minimum.
static inline void sweep_scales(const WeightType *weight, Product *p) {
  const size_t bytes = file_row_bytes(p->type, p->columns);
  const size_t block = (size_t)quant_format(p->type)->block_bytes;
  for (size_t at = 0; at < SCALE_ROWS * bytes; at += block) {
    const int row = (int)(at / bytes);
    const uint16_t scale = half_of_row(row), minimum = half_of_row(SCALE_ROWS - 1 - row);
    memcpy(p->file + at + weight->scale, &scale, 2);
    if (weight->minimum >= 0) memcpy(p->file + at + weight->minimum, &minimum, 2);
  }
  free(p->tiles);
  p->tiles = tile_up(p->type, p->columns, SCALE_ROWS, p->file);
}

// A file is made for a panel of tokens, whose first is multiplied by itself too.
TEST(everyScaleEqualsReference) {
  const Sets sets = all_sets();
  uint32_t state = 11;
  for (int type = 0; type < WEIGHT_TYPES; type++) {
    if (weight_types[type].scale < 0) continue;
    Product p = make_product(type, SCALE_ROWS, 32, LEAST_PANELLED, &state);
    sweep_scales(&weight_types[type], &p);
    for (p.tokens = 1; p.tokens <= LEAST_PANELLED; p.tokens += LEAST_PANELLED - 1) {
      if (tile_is_quantized(p.kind)) pack_tokens(&kernels_reference, &p, p.packed);
      float *expected = multiply(&kernels_reference, &p, false);
      for (int s = 0; s < sets.count; s++) {
        float *found = multiply(sets.sets[s], &p, false);
        if (!CHECK(memcmp(found, expected, p.y_floats * sizeof *found) == 0))
          printf("  set %s, %s, %d tokens\n", sets.sets[s]->name, quant_format(p.type)->name, p.tokens);
        free(found);
      }
      free(expected);
    }
    free_product(&p);
  }
}

// A scale of the whole tensor: an F32 number, of which no F16 holds most.
TEST(everyTensorScaleEqualsReference) {
  static const float scales[] = {0, -0.0f, 1, -1.0f / 3, 0x1p-149f, 0x1.fffffep-127f, -0x1p-126f, 0x1.fffffep+100f};
  const Sets sets = all_sets();
  uint32_t state = 12;
  for (int type = 0; type < WEIGHT_TYPES; type++)
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
      for (int columns = 384; columns <= 512; columns += 128)
        for (int tokens = 1; tokens <= LEAST_PANELLED; tokens += LEAST_PANELLED - 1) {
          if (quant_tensor_bytes(quant_format(weight_types[type].type)) == 0) continue;
          Product p = make_product(type, 24, columns, tokens, &state);
          set_tensor_scale(p.type, p.file + 24 * file_row_bytes(p.type, p.columns), scales[i]);
          free(p.tiles);
          p.tiles = tile_up(p.type, p.columns, 24, p.file);
          float *expected = multiply(&kernels_reference, &p, false), *exact = multiply(&kernels_exact, &p, false);
          // Of the least scales a few steps of denormal floats are more than that.
          CHECK(fabsf(expected[0] - exact[0]) <= 0.05f * fabsf(scales[i]) * sqrtf((float)columns) + 8 * 0x1p-149f);
          for (int s = 0; s < sets.count; s++) {
            float *found = multiply(sets.sets[s], &p, false);
            if (!CHECK(memcmp(found, expected, p.y_floats * sizeof *found) == 0))
              printf("  set %s, %s, scale %g\n", sets.sets[s]->name, quant_format(p.type)->name, (double)scales[i]);
            free(found);
          }
          free(expected);
          free(exact);
          free_product(&p);
        }
}

#endif
