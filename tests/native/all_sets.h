// The kernel sets of this build beside the reference: none natively.
#ifndef NIBBLE_ALL_SETS_H
#define NIBBLE_ALL_SETS_H

#include "kernel_choice.h"
#ifdef NIBBLE_WASM_KERNELS
#include "kernel_sets.h"
#endif

enum { MAX_SETS = 8 };

typedef struct {
  const Kernels *sets[MAX_SETS];
  int count;
} Sets;

// Where the platform itself is known to be wrong (see kernels_verify()), a caller may ask to leave such sets out.
static bool skip_wrong;

static inline Sets all_sets(void) {
  Sets sets = {{NULL}, 0};
#ifdef NIBBLE_WASM_KERNELS
  for (int i = 0; i < kernel_set_count; i++)
    if (!skip_wrong || kernels_verify(kernel_sets[i], TILE_ALL_KINDS, NULL)) sets.sets[sets.count++] = kernel_sets[i];
#else
  (void)skip_wrong;
#endif
  return sets;
}

#endif
