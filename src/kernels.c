#include "kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"

// 512 x 1024 weights take 288 KiB: beyond the first-level cache, within the second.
enum { MEASURE_ROWS = 512, MEASURE_COLUMNS = 1024 };

// Sets take turns of a millisecond (a browser's clock may tick only every 100 us), for as many rounds as a browser
// takes to hand hot code to its better compiler: the first rounds would judge the sets by the code of the quick one.
enum { MEASURE_ROUNDS = 12 };
static const double measure_seconds = 1e-3;

// Real magnitudes: denormal scales would slow a CPU down and lie about the set.
static void fill_weights(uint8_t *tiles, size_t bytes) {
  uint32_t state = 1;
  for (size_t i = 0; i < bytes; i++) {
    state = state * 1664525u + 1013904223u;
    tiles[i] = (uint8_t)(state >> 24);
  }
  const size_t block = tile_bytes(TILE_Q4_0, TILE_BLOCK);
  for (size_t i = 0; i < bytes; i += block)
    for (size_t s = block - 2 * TILE_ROWS; s < block; s += 2)
      tiles[i + s] = 0x1f, tiles[i + s + 1] = 0x21;
}

typedef struct {
  uint8_t *tiles, *packed;
  float *x; /* [PANEL_TOKENS + 1, MEASURE_COLUMNS] */
  float *y; /* [PANEL_TOKENS + 1, MEASURE_ROWS] */
} Workbench;

static bool workbench_create(Workbench *bench) {
  const size_t bytes = tile_bytes(TILE_Q4_0, MEASURE_COLUMNS) * (MEASURE_ROWS / TILE_ROWS), tokens = PANEL_TOKENS + 1;
  bench->tiles = malloc(bytes);
  bench->packed = malloc(tokens * (MEASURE_COLUMNS / TILE_BLOCK) * PACKED_BLOCK_BYTES);
  bench->x = malloc(tokens * MEASURE_COLUMNS * sizeof *bench->x);
  bench->y = malloc(tokens * MEASURE_ROWS * sizeof *bench->y);
  if (bench->tiles == NULL || bench->packed == NULL || bench->x == NULL || bench->y == NULL) return false;
  fill_weights(bench->tiles, bytes);
  for (size_t i = 0; i < tokens * MEASURE_COLUMNS; i++)
    bench->x[i] = (float)((int)(i * 7 % 31) - 15) * 0.1f;
  return true;
}

static void workbench_free(Workbench *bench) {
  free(bench->tiles);
  free(bench->packed);
  free(bench->x);
  free(bench->y);
}

// Products of a weight and an activation a second in one turn, for one token or a panel.
static double measure(const Kernels *kernels, const Workbench *bench, int tokens) {
  const Activations input = {bench->x, MEASURE_COLUMNS, bench->packed, tokens, MEASURE_COLUMNS};
  kernels->pack(bench->x, MEASURE_COLUMNS, tokens, MEASURE_COLUMNS, bench->packed);
  const double begin = profile_clock();
  double seconds = 0, products = 0;
  while (seconds < measure_seconds) {
    kernels->matmul[TILE_Q4_0](bench->tiles, MEASURE_ROWS / TILE_ROWS, &input, bench->y, MEASURE_ROWS, false);
    products += (double)MEASURE_ROWS * MEASURE_COLUMNS * tokens;
    seconds = profile_clock() - begin;
  }
  return products / seconds;
}

// A panel and a single token, over two tiles, by the set and by the reference.
static bool agrees(const Kernels *kernels, const Workbench *bench) {
  enum { TILES = 2, TOKENS = PANEL_TOKENS + 1, ROWS = TILES * TILE_ROWS };
  const size_t token_bytes = MEASURE_COLUMNS / TILE_BLOCK * PACKED_BLOCK_BYTES;
  const Activations input = {bench->x, MEASURE_COLUMNS, bench->packed, TOKENS, MEASURE_COLUMNS};
  kernels_reference.pack(bench->x, MEASURE_COLUMNS, PANEL_TOKENS, MEASURE_COLUMNS, bench->packed);
  kernels_reference.pack(bench->x + PANEL_TOKENS * MEASURE_COLUMNS, MEASURE_COLUMNS, 1, MEASURE_COLUMNS,
                         bench->packed + PANEL_TOKENS * token_bytes);
  float *found = bench->y, *expected = bench->y + TOKENS * ROWS;
  kernels->matmul[TILE_Q4_0](bench->tiles, TILES, &input, found, ROWS, false);
  kernels_reference.matmul[TILE_Q4_0](bench->tiles, TILES, &input, expected, ROWS, false);
  return memcmp(found, expected, TOKENS * ROWS * sizeof *found) == 0;
}

void kernels_measure(const Kernels *const *sets, int count, double *rates) {
  Workbench bench;
  for (int i = 0; i < count; i++)
    rates[i] = 0;
  const int rounds = workbench_create(&bench) ? MEASURE_ROUNDS : 0;
  for (int i = 0; i < count && rounds > 0; i++) {
    double one = 0, panel = 0;
    for (int round = 0; round < rounds && agrees(sets[i], &bench); round++) {
      one = fmax(one, measure(sets[i], &bench, 1));
      panel = fmax(panel, measure(sets[i], &bench, PANEL_TOKENS));
    }
    // Looked at again, now that a browser's better compiler has had its turn: either may be the wrong one.
    rates[i] = agrees(sets[i], &bench) ? sqrt(one * panel) : 0;
  }
  workbench_free(&bench);
}

bool kernels_verify(const Kernels *kernels, NibbleError *error) {
  Workbench bench;
  bool right = workbench_create(&bench);
  if (!right)
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to check the kernel set %s. Close other models first.",
                kernels->name);
  else if (!(right = agrees(kernels, &bench)))
    nibble_fail(error, NIBBLE_KERNELS_WRONG,
                "The kernel set %s computes wrong results on this platform. Use another, or let the engine choose.",
                kernels->name);
  workbench_free(&bench);
  return right;
}
