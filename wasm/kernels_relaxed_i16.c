// Relaxed SIMD with 16-bit sums. The second operand holds 0 to 15, so a pair of products is at most 2 * 128 * 15 and
// eight of them fit 16 bits: the instruction has one meaning on every CPU.
#include <wasm_simd128.h>

typedef v128_t Dot;

// Even 16-bit lanes begin with the value: it has 16 bits, and the eight products in a lane cannot carry it out of them.
static inline Dot dot_start(v128_t value) { return wasm_v128_and(value, wasm_i32x4_splat(0xffff)); }

static inline Dot dot_add(Dot dot, v128_t a, v128_t w) {
  return wasm_i16x8_add(dot, wasm_i16x8_relaxed_dot_i8x16_i7x16(a, w));
}

static inline v128_t dot_sum(Dot dot) { return wasm_i32x4_extadd_pairwise_i16x8(dot); }

#define TILE_STREAMS 8
#include "matmul.h"
#include "vector_kernels.h"

const Kernels kernels_relaxed_i16 = {
    .name = "relaxed-i16",
    .packs = true,
    .matmul = {MATMUL_QUANTIZED_KINDS, MATMUL_NUMBERS},
    .matmul_streams = {[TILE_Q4_0] = matmul_streams_q4_0},
    .tile_streams = TILE_STREAMS,
    VECTOR_KERNELS,
};
