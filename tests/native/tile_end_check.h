// What the products of wasm's kernel sets read of memory: a part of the kernel check.
#ifndef NIBBLE_TILE_END_CHECK_H
#define NIBBLE_TILE_END_CHECK_H

#include "all_sets.h"
#include "check.h"
#include "random_product.h"

#ifdef NIBBLE_WASM_KERNELS
// Tiles at the very end of memory: whoever reads on behind them traps. Nothing else is allocated that far up.
TEST(readsNothingBehindTheTiles) {
  const Sets sets = all_sets();
  uint32_t state = 15;
  for (int type = 0; type < WEIGHT_TYPES; type++)
    for (int tiles = 1; tiles < 6; tiles++)
      for (int tokens = 1; tokens <= LEAST_PANELLED + 1; tokens += LEAST_PANELLED) {
        Product p = make_product(type, tiles * TILE_ROWS, tiles < 3 ? 4352 : 512, tokens, &state);
        const size_t bytes = tile_bytes(p.kind, p.columns) * (size_t)tiles;
        uint8_t *const own = p.tiles, *const end = (uint8_t *)(__builtin_wasm_memory_size(0) * 65536);
        float *expected = multiply(&kernels_reference, &p, false);
        p.tiles = memcpy(end - bytes, own, bytes);
        for (int s = 0; s < sets.count; s++) {
          float *found = multiply(sets.sets[s], &p, false);
          CHECK(memcmp(found, expected, p.y_floats * sizeof *found) == 0);
          free(found);
          MatmulKernel *const abreast = tokens == 1 ? sets.sets[s]->matmul_abreast[p.kind] : NULL;
          if (abreast == NULL) continue;
          found = multiply_by(abreast, &p, false);
          CHECK(memcmp(found, expected, p.y_floats * sizeof *found) == 0);
          free(found);
        }
        free(expected);
        p.tiles = own;
        free_product(&p);
      }
}
#endif

#endif
