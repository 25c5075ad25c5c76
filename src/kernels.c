#include "kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"

// 512 x 1024 weights take 288 KiB: beyond the first-level cache, within the second.
enum { MEASURE_ROWS = 512, MEASURE_COLUMNS = 1024 };

// Sets take turns of a millisecond (a browser's clock may tick only every 100 us). The first rounds measure the code of
// a browser's quick compiler, which would judge the sets wrongly: rounds go on until none has brought more than a
// twentieth for a while, which the better compiler may need to take over.
enum { MEASURE_ROUNDS = 40, MEASURE_QUIET_ROUNDS = 8, MEASURE_SETS = 8 };
static const double measure_gain = 1.05;
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

// Products of a weight and an activation a second in one turn, for one token or a panel, by one form of the product.
static double measure(MatmulKernel *matmul, const Kernels *kernels, const Workbench *bench, int tokens) {
  if (matmul == NULL) return 0;
  const Activations input = {bench->x, MEASURE_COLUMNS, bench->packed, tokens, MEASURE_COLUMNS};
  kernels->pack(bench->x, MEASURE_COLUMNS, tokens, MEASURE_COLUMNS, bench->packed);
  const double begin = profile_clock();
  double seconds = 0, products = 0;
  while (seconds < measure_seconds) {
    matmul(bench->tiles, MEASURE_ROWS / TILE_ROWS, &input, bench->y, MEASURE_ROWS, false);
    products += (double)MEASURE_ROWS * MEASURE_COLUMNS * tokens;
    seconds = profile_clock() - begin;
  }
  return products / seconds;
}

// A panel and a single token, over nine tiles (in streams: eight and one), by the set and by the reference.
static bool agrees(const Kernels *kernels, const Workbench *bench) {
  enum { TILES = 9, TOKENS = PANEL_TOKENS + 1, ROWS = TILES * TILE_ROWS };
  const size_t token_bytes = MEASURE_COLUMNS / TILE_BLOCK * PACKED_BLOCK_BYTES;
  const Activations input = {bench->x, MEASURE_COLUMNS, bench->packed, TOKENS, MEASURE_COLUMNS};
  kernels_reference.pack(bench->x, MEASURE_COLUMNS, PANEL_TOKENS, MEASURE_COLUMNS, bench->packed);
  kernels_reference.pack(bench->x + PANEL_TOKENS * MEASURE_COLUMNS, MEASURE_COLUMNS, 1, MEASURE_COLUMNS,
                         bench->packed + PANEL_TOKENS * token_bytes);
  float *found = bench->y, *expected = bench->y + TOKENS * ROWS;
  kernels->matmul[TILE_Q4_0](bench->tiles, TILES, &input, found, ROWS, false);
  kernels_reference.matmul[TILE_Q4_0](bench->tiles, TILES, &input, expected, ROWS, false);
  if (memcmp(found, expected, TOKENS * ROWS * sizeof *found) != 0) return false;
  if (kernels->matmul_streams[TILE_Q4_0] == NULL) return true;
  const Activations last = {bench->x + PANEL_TOKENS * MEASURE_COLUMNS, MEASURE_COLUMNS,
                            bench->packed + PANEL_TOKENS * token_bytes, 1, MEASURE_COLUMNS};
  kernels->matmul_streams[TILE_Q4_0](bench->tiles, TILES, &last, found, ROWS, false);
  return memcmp(found, expected + PANEL_TOKENS * ROWS, ROWS * sizeof *found) == 0;
}

// The best rates of a set so far, of one token and of a panel. `last` is the last round that raised one.
typedef struct {
  double one, panel;
  int last;
} Rates;

static void raise(double *best, double rate, Rates *rates, int round) {
  if (rate > *best * measure_gain) rates->last = round;
  *best = fmax(*best, rate);
}

static void measure_round(const Kernels *kernels, const Workbench *bench, int round, Rates *rates) {
  MatmulKernel *const matmul = kernels->matmul[TILE_Q4_0], *const streams = kernels->matmul_streams[TILE_Q4_0];
  raise(&rates->one, fmax(measure(matmul, kernels, bench, 1), measure(streams, kernels, bench, 1)), rates, round);
  raise(&rates->panel, measure(matmul, kernels, bench, PANEL_TOKENS), rates, round);
}

void kernels_measure(const Kernels *const *sets, int count, double *rates) {
  Workbench bench;
  Rates found[MEASURE_SETS] = {{0}};
  bool right[MEASURE_SETS];
  const bool ready = workbench_create(&bench) && count <= MEASURE_SETS;
  for (int i = 0; i < count && ready; i++)
    right[i] = agrees(sets[i], &bench);
  for (int round = 0, last = 0; ready && round < MEASURE_ROUNDS && round <= last + MEASURE_QUIET_ROUNDS; round++)
    for (int i = 0; i < count; i++) {
      if (!right[i]) continue;
      measure_round(sets[i], &bench, round, &found[i]);
      if (found[i].last > last) last = found[i].last;
    }
  // Looked at again, now that a browser's better compiler has had its turn: either may be the wrong one.
  for (int i = 0; i < count; i++)
    rates[i] = ready && right[i] && agrees(sets[i], &bench) ? sqrt(found[i].one * found[i].panel) : 0;
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
