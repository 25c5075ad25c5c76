#include "kernel_sets.h"

#define FOUR(x) \
  { x, x, x, x }
const uint32_t kernel_nibble_mask[4] = FOUR(0x0f0f0f0f);
const uint32_t kernel_bit_masks[11][4] = {FOUR(0x0f0f0f0f), FOUR(0x03030303), FOUR(0x04040404), FOUR(0x1f1f1f1f),
                                          FOUR(0x07070707), FOUR(0x18181818), FOUR(0x08080808), FOUR(0x10101010),
                                          FOUR(0x3f3f3f3f), FOUR(0x0c0c0c0c), FOUR(0x30303030)};
const float kernel_true_scale[4] = FOUR(1 / F16_UNBIAS);
const float kernel_unbias[4] = FOUR(F16_UNBIAS);
const float kernel_sum_scale[2][4] = {FOUR(-0.125f), FOUR(-0.125f / F16_UNBIAS)};
const uint32_t kernel_low_halves[4] = FOUR(0xffff);
const uint32_t kernel_half_mask[4] = FOUR(0x8fffe000);
const uint32_t kernel_sign_bit[4] = FOUR(0x80000000);
const uint32_t kernel_half_rebias[4] = FOUR(112 << 23);
const float kernel_least_half[4] = FOUR(0x1p-14f);

const Kernels *const kernel_sets[] = {
#ifdef NIBBLE_RELAXED_SIMD
    &kernels_relaxed_i16,
    &kernels_relaxed_i32,
    &kernels_relaxed_u8,
#else
    &kernels_simd128,
#endif
};

const int kernel_set_count = sizeof kernel_sets / sizeof *kernel_sets;
