#include "kernel_choice.h"

#include <math.h>
#include <stdlib.h>

#include "profile.h"
#include "verification.h"

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
  float *x; /* [LEAST_PANELLED, MEASURE_COLUMNS] */
  float *y; /* [LEAST_PANELLED, MEASURE_ROWS] */
} Workbench;

static bool workbench_create(Workbench *bench) {
  const size_t bytes = tile_bytes(TILE_Q4_0, MEASURE_COLUMNS) * (MEASURE_ROWS / TILE_ROWS), tokens = LEAST_PANELLED;
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

// Products of a weight and an activation a second in one turn, for one token or LEAST_PANELLED, by one form of the
// product.
static double product_rate(MatmulKernel *matmul, const Kernels *kernels, const Workbench *bench, int tokens) {
  if (matmul == NULL) return 0;
  const Activations input = {bench->x, MEASURE_COLUMNS, bench->packed, tokens, MEASURE_COLUMNS, NULL};
  const int at_once = tokens < PANEL_TOKENS ? tokens : PANEL_TOKENS;
  for (int t = 0; t < tokens; t += at_once)
    kernels->pack(bench->x + t * MEASURE_COLUMNS, MEASURE_COLUMNS, at_once, MEASURE_COLUMNS,
                  bench->packed + t * (MEASURE_COLUMNS / TILE_BLOCK) * PACKED_BLOCK_BYTES);
  const double begin = profile_clock();
  double seconds = 0, products = 0;
  while (seconds < measure_seconds) {
    matmul(bench->tiles, MEASURE_ROWS / TILE_ROWS, &input, bench->y, MEASURE_ROWS, false);
    products += (double)MEASURE_ROWS * MEASURE_COLUMNS * tokens;
    seconds = profile_clock() - begin;
  }
  return products / seconds;
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
  MatmulKernel *const matmul = kernels->matmul[TILE_Q4_0], *const abreast = kernels->matmul_abreast[TILE_Q4_0];
  raise(&rates->one, fmax(product_rate(matmul, kernels, bench, 1), product_rate(abreast, kernels, bench, 1)), rates,
        round);
  raise(&rates->panel, product_rate(matmul, kernels, bench, LEAST_PANELLED), rates, round);
}

static void measure_all(const Kernels *const *sets, int count, const Workbench *bench, const bool *right,
                        Rates *found) {
  for (int round = 0, last = 0; round < MEASURE_ROUNDS && round <= last + MEASURE_QUIET_ROUNDS; round++)
    for (int i = 0; i < count; i++) {
      if (!right[i]) continue;
      measure_round(sets[i], bench, round, &found[i]);
      if (found[i].last > last) last = found[i].last;
    }
}

void kernels_measure(const Kernels *const *sets, int count, uint32_t kinds, double *rates) {
  Workbench bench;
  Rates found[MEASURE_SETS] = {{0}};
  bool right[MEASURE_SETS];
  Verification *verification = verification_create(kinds | 1 << TILE_Q4_0);
  const bool ready = workbench_create(&bench) && verification != NULL && count <= MEASURE_SETS;
  for (int i = 0; i < count && ready; i++)
    right[i] = verification_passes(verification, sets[i]);
  if (ready) measure_all(sets, count, &bench, right, found);
  // Looked at again, now that a browser's better compiler has had its turn: either may be the wrong one.
  for (int i = 0; i < count; i++) {
    const bool passes = ready && right[i] && verification_passes(verification, sets[i]);
    rates[i] = passes ? sqrt(found[i].one * found[i].panel) : 0;
  }
  verification_free(verification);
  workbench_free(&bench);
}

bool kernels_verify(const Kernels *kernels, uint32_t kinds, NibbleError *error) {
  if (kernels == &kernels_reference) return true;
  Verification *verification = verification_create(kinds);
  if (verification == NULL)
    return nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
                       "No memory is left to check the kernel set %s. Close other models first.", kernels->name);
  const bool right = verification_passes(verification, kernels);
  verification_free(verification);
  return right ||
         nibble_fail(
             error, NIBBLE_KERNELS_WRONG,
             "The kernel set %s computes wrong results on this platform. Use another, or let the engine choose.",
             kernels->name);
}
