#include "kernel_sets.h"

#define FOUR(x) \
  { x, x, x, x }
const uint32_t kernel_nibble_mask[4] = FOUR(0x0f0f0f0f);
const uint32_t kernel_half_mask[4] = FOUR(0x8fffe000);

const Kernels *const kernel_sets[] = {
#ifdef NIBBLE_RELAXED_SIMD
    &kernels_relaxed_i16,
    &kernels_relaxed_i32,
#else
    &kernels_simd128,
#endif
};

const int kernel_set_count = sizeof kernel_sets / sizeof *kernel_sets;
