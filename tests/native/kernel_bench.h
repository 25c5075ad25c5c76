// The kernel check's benchmark: one thread, each set, each kind of weights.
#ifndef NIBBLE_KERNEL_BENCH_H
#define NIBBLE_KERNEL_BENCH_H

#include <stdio.h>

#include "profile.h"
#include "random_product.h"

static inline double rate_of(const Kernels *set, MatmulKernel *matmul, Product *p) {
  free(multiply(set, p, false));  // makes the tables
  const Activations input = {p->x, p->stride, p->packed, p->tokens, p->columns, p->tables};
  float *y = allocate(p->y_floats * sizeof *y);
  double best = 0;
  // Short turns: between what else runs on the machine there are some that nothing disturbs.
  for (int run = 0; run < 80; run++) {
    const double begin = profile_clock();
    int times = 0;
    do {
      matmul(p->tiles, p->rows / TILE_ROWS, &input, y, p->y_stride, false);
      times++;
    } while (profile_clock() - begin < 0.003);
    const double rate = (double)times * p->rows * p->columns * p->tokens / (profile_clock() - begin);
    if (rate > best) best = rate;
  }
  free(y);
  return best;
}

// 64 bytes a step. Called again and again: a browser's better compiler takes over between two calls, not within one.
static __attribute__((noinline)) uint64_t read_words(const uint64_t *memory, size_t words) {
  uint64_t sum[8] = {0};
  for (size_t i = 0; i < words; i += 8)
    for (int j = 0; j < 8; j++)
      sum[j] ^= memory[i + (size_t)j];
  return sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}

// One thread reading 64 MB of memory: the wall for decode.
static inline double read_rate(void) {
  const size_t words = (size_t)1 << 23, piece = (size_t)1 << 17;
  uint64_t *memory = allocate(words * sizeof *memory);
  for (size_t i = 0; i < words; i++)
    memory[i] = i;
  double best = 0;
  volatile uint64_t sink = 0;
  for (int run = 0; run < 20; run++) {
    const double begin = profile_clock();
    for (size_t i = 0; i < words; i += piece)
      sink = sink ^ read_words(memory + i, piece);
    const double rate = (double)(words * sizeof *memory) / (profile_clock() - begin);
    if (rate > best) best = rate;
  }
  free(memory);
  return best;
}

// One line of the table: a set's product of one kind, or the form of it that reads tiles side by side.
static inline void bench_product(const Kernels *set, int type, bool abreast) {
  TileKind kind;
  if (!tile_kind_of(weight_types[type].type, 256, &kind)) return;
  MatmulKernel *const matmul = abreast ? set->matmul_abreast[kind] : set->matmul[kind];
  if (matmul == NULL) return;
  const int columns = 2048;
  const double bytes = (double)tile_bytes(kind, columns) / TILE_ROWS / columns;
  const int rows = (int)(64e6 / bytes / columns) / TILE_ROWS * TILE_ROWS;
  uint32_t state = 1;
  Product large = make_product(type, rows, columns, 1, &state);
  Product small = make_product(type, 256, columns, 1, &state);
  Product wide = make_product(type, 128, columns, 128, &state);
  const double rate = rate_of(set, matmul, &large);
  printf("| %s | %s | %d | %.2f | %.2f | %.2f |", set->name, quant_format(weight_types[type].type)->name,
         abreast ? set->tiles_abreast : 1, rate * 1e-9, rate * bytes * 1e-9, rate_of(set, matmul, &small) * 1e-9);
  if (abreast)
    printf(" |\n");
  else
    printf(" %.2f |\n", rate_of(set, matmul, &wide) * 1e-9);
  free_product(&large);
  free_product(&small);
  free_product(&wide);
}

// Whether a list of names, set apart by commas, has this one. NULL has all.
static inline bool is_listed(const char *list, const char *name) {
  const size_t length = strlen(name);
  for (const char *at = list; at != NULL; at = strchr(at, ','), at += at != NULL)
    if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == 0)) return true;
  return list == NULL;
}

// Prints a table: G weights a second and GMAC a second of every set, the reference last. `types` is a list of weight
// types, which the reference is spared, or NULL for all.
static inline void kernel_bench(const Kernels *const *platform_sets, int count, const char *types) {
  printf(
      "read loop, one thread: %.1f GB/s\n\n| set | weights | tiles side by side | matrix x vector, 64 MB: G weights/s "
      "| "
      "GB/s | in cache | matrix x 128: GMAC/s |\n|---|---|---|---|---|---|---|\n",
      read_rate() * 1e-9);
  for (int s = 0; s < count + (types == NULL); s++)
    for (int type = 0; type < WEIGHT_TYPES; type++)
      for (int abreast = 0; abreast < 2 && is_listed(types, quant_format(weight_types[type].type)->name); abreast++)
        bench_product(s < count ? platform_sets[s] : &kernels_reference, type, abreast);
}

#endif
