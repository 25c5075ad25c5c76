// Relaxed SIMD with 32-bit sums: one instruction where the CPU has a dot product of its own.
#include <wasm_simd128.h>

typedef v128_t Dot;

static inline Dot dot_zero(void) { return wasm_i32x4_splat(0); }

static inline Dot dot_add(Dot dot, v128_t a, v128_t w) { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(a, w, dot); }

static inline v128_t dot_sum(Dot dot) { return dot; }

#include "matmul.h"
#include "vector_kernels.h"

const Kernels kernels_relaxed_i32 = {
    .name = "relaxed-i32",
    .packs = true,
    .matmul = {[TILE_Q4_0] = matmul_q4_0, [TILE_Q4_1] = matmul_q4_1, [TILE_Q8_0] = matmul_q8_0, MATMUL_NUMBERS},
    VECTOR_KERNELS,
};
