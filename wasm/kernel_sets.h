// The kernel sets of this build, which nibble_engine_create() chooses from. There are two builds, since a browser
// without the relaxed instructions refuses a module that holds any: the relaxed sets, or plain SIMD128.
#ifndef NIBBLE_KERNEL_SETS_H
#define NIBBLE_KERNEL_SETS_H

#include "kernels.h"

extern const Kernels kernels_simd128;      // every browser with SIMD
extern const Kernels kernels_relaxed_i16;  // relaxed dot product, 16-bit sums: best where it becomes pmaddubsw
extern const Kernels kernels_relaxed_i32;  // relaxed dot product with 32-bit sums: best on AVX-VNNI and Arm dotprod
extern const Kernels kernels_relaxed_u8;   // the same with weights of 8 bits: best on AVX-VNNI, wrong elsewhere

extern const Kernels *const kernel_sets[];
extern const int kernel_set_count;

// Constants that the kernels load instead of writing them as literals: V8 rebuilds a v128.const at every use, but keeps
// a loaded one in a register (measured: 20-24 against 14-15 G weights/s). Defined in another file, so that no compiler
// folds the load back into a literal.
extern const uint32_t kernel_nibble_mask[4];    // 0x0f in every byte
extern const uint32_t kernel_bit_masks[11][4];  // bits of every byte: see bit_mask()
extern const float kernel_true_scale[4];    // 1 / F16_UNBIAS: what takes from one token's scale the factor it carries
extern const float kernel_unbias[4];        // F16_UNBIAS
extern const float kernel_sum_scale[2][4];  // -1/8, for the activations' sums, and for one token's 1 / F16_UNBIAS of it
extern const uint32_t kernel_low_halves[4];  // the lower half of each of four numbers
extern const uint32_t kernel_half_mask[4];   // the sign and the magnitude of an F16 number that was shifted into place
extern const uint32_t kernel_sign_bit[4];
extern const uint32_t kernel_half_rebias[4];  // what takes a normal F16 number's exponent to a float's
extern const float kernel_least_half[4];      // the least normal F16 number, 2^-14

#endif
