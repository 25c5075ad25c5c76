// The kernel check's benchmark: one thread, each set, each kind of weights.
#ifndef NIBBLE_KERNEL_BENCH_H
#define NIBBLE_KERNEL_BENCH_H

#include <stdio.h>

#include "profile.h"
#include "random_product.h"

static inline double rate_of(const Kernels *kernels, const Product *p) {
  const Activations input = {p->x, p->stride, p->packed, p->tokens, p->columns};
  float *y = allocate(p->y_floats * sizeof *y);
  double best = 0;
  for (int run = 0; run < 7; run++) {
    const double begin = profile_clock();
    int times = 0;
    do {
      kernels->matmul[p->kind](p->tiles, p->rows / TILE_ROWS, &input, y, p->y_stride, false);
      times++;
    } while (profile_clock() - begin < 0.05);
    const double rate = (double)times * p->rows * p->columns * p->tokens / (profile_clock() - begin);
    if (rate > best) best = rate;
  }
  free(y);
  return best;
}

// One thread reading memory, 64 bytes a step: the wall for decode.
static inline double read_rate(void) {
  const size_t words = (size_t)1 << 23;
  uint64_t *memory = allocate(words * sizeof *memory);
  for (size_t i = 0; i < words; i++)
    memory[i] = i;
  double best = 0;
  volatile uint64_t sink = 0;
  for (int run = 0; run < 7; run++) {
    uint64_t sum[8] = {0};
    const double begin = profile_clock();
    for (size_t i = 0; i < words; i += 8)
      for (int j = 0; j < 8; j++)
        sum[j] ^= memory[i + (size_t)j];
    const double rate = (double)(words * sizeof *memory) / (profile_clock() - begin);
    for (int j = 0; j < 8; j++)
      sink = sink ^ sum[j];
    if (rate > best) best = rate;
  }
  free(memory);
  return best;
}

// Prints a table: G weights a second and GMAC a second of every set, the reference last.
static inline void kernel_bench(const Kernels *const *platform_sets, int count) {
  const char *names[TILE_KINDS] = {"Q4_0", "Q4_1", "Q8_0", "F32", "F16", "BF16"};
  uint32_t state = 1;
  printf(
      "read loop, one thread: %.1f GB/s\n\n| set | weights | matrix x vector, 64 MB: G weights/s | GB/s | in cache | "
      "matrix x 32: GMAC/s |\n|---|---|---|---|---|---|\n",
      read_rate() * 1e-9);
  for (int s = 0; s <= count; s++)
    for (int kind = 0; kind < TILE_KINDS; kind++) {
      const Kernels *set = s < count ? platform_sets[s] : &kernels_reference;
      const int columns = 2048;
      const double bytes = (double)tile_row_bytes((TileKind)kind, columns) / columns;
      const int rows = (int)(64e6 / bytes / columns) / TILE_ROWS * TILE_ROWS;
      Product large = make_product((TileKind)kind, rows, columns, 1, &state);
      Product small = make_product((TileKind)kind, 256, columns, 1, &state);
      Product wide = make_product((TileKind)kind, 256, columns, 32, &state);
      const double rate = rate_of(set, &large);
      printf("| %s | %s | %.2f | %.2f | %.2f | %.2f |\n", set->name, names[kind], rate * 1e-9, rate * bytes * 1e-9,
             rate_of(set, &small) * 1e-9, rate_of(set, &wide) * 1e-9);
      free_product(&large);
      free_product(&small);
      free_product(&wide);
    }
}

#endif
