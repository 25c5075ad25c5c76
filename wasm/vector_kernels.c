// SIMD128 twins of the reference kernels in src/kernels_ref.c: the same operations in the same order, four at a time.
#include "vector_kernels.h"

#include <math.h>
#include <string.h>
#include <wasm_simd128.h>

#include "kernel_sets.h"
#include "vectors.h"

#define INLINE static inline __attribute__((always_inline))

INLINE v128_t load_numbers(TileKind kind, const uint8_t *numbers, int row) {
  if (kind == TILE_F32) return wasm_v128_load(numbers + row * 4);
  const v128_t upper = wasm_i32x4_shl(wasm_u32x4_load16x4(numbers + row * 2), 16);
  if (kind == TILE_BF16) return upper;
  return wasm_f32x4_mul(halves_biased(upper, wasm_v128_load(kernel_half_mask)), wasm_f32x4_splat(F16_UNBIAS));
}

INLINE void tile_numbers(TileKind kind, const uint8_t *tile, const Activations *x, int first, float *y, size_t y_stride,
                         bool add, const int tokens) {
  const size_t column_bytes = tile_bytes(kind, 1);
  const float *values = x->values + (size_t)first * x->stride;
  v128_t low[PANEL_TOKENS], high[PANEL_TOKENS];
  for (int u = 0; u < tokens; u++)
    low[u] = high[u] = wasm_f32x4_splat(0);
  for (int c = 0; c < x->columns; c++, tile += column_bytes) {
    const v128_t w0 = load_numbers(kind, tile, 0), w1 = load_numbers(kind, tile, 4);
#pragma unroll
    for (int u = 0; u < tokens; u++) {
      const v128_t value = wasm_v128_load32_splat(values + (size_t)u * x->stride + c);
      low[u] = wasm_f32x4_add(low[u], wasm_f32x4_mul(value, w0));
      high[u] = wasm_f32x4_add(high[u], wasm_f32x4_mul(value, w1));
    }
  }
  for (int u = 0; u < tokens; u++) {
    float *out = y + (size_t)(first + u) * y_stride;
    wasm_v128_store(out, add ? wasm_f32x4_add(wasm_v128_load(out), low[u]) : low[u]);
    wasm_v128_store(out + 4, add ? wasm_f32x4_add(wasm_v128_load(out + 4), high[u]) : high[u]);
  }
}

#define MATMUL_NUMBERS_OF(name, kind)                                                                          \
  void name(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride, bool add) { \
    const int in_panels = x->tokens / PANEL_TOKENS * PANEL_TOKENS;                                             \
    const size_t bytes = tile_bytes(kind, x->columns);                                                         \
    for (int i = 0; i < tile_count; i++, tiles += bytes, y += TILE_ROWS) {                                     \
      for (int t = 0; t < in_panels; t += PANEL_TOKENS)                                                        \
        tile_numbers(kind, tiles, x, t, y, y_stride, add, PANEL_TOKENS);                                       \
      for (int t = in_panels; t < x->tokens; t++)                                                              \
        tile_numbers(kind, tiles, x, t, y, y_stride, add, 1);                                                  \
    }                                                                                                          \
  }

MATMUL_NUMBERS_OF(vector_matmul_f32, TILE_F32)
MATMUL_NUMBERS_OF(vector_matmul_f16, TILE_F16)
MATMUL_NUMBERS_OF(vector_matmul_bf16, TILE_BF16)

static float largest_of(const float *x) {
  v128_t largest = wasm_i32x4_splat(0);
  for (int i = 0; i < TILE_BLOCK; i += 4)
    largest = wasm_i32x4_max(largest, magnitude_bits_x4(wasm_v128_load(x + i)));
  return largest_of_magnitudes(largest);
}

static v128_t round_to_int(const float *x, v128_t factor) {
  const v128_t magic = wasm_f32x4_splat(ROUND_MAGIC);
  return wasm_i32x4_sub(wasm_f32x4_add(wasm_f32x4_mul(wasm_v128_load(x), factor), magic), magic);
}

void vector_pack(const float *x, size_t stride, int tokens, int columns, uint8_t *packed) {
  const int width = packed_width(tokens);
  for (int b = 0; b < columns / TILE_BLOCK; b++, packed += width * PACKED_BLOCK_BYTES)
    for (int t = 0; t < width; t++) {
      const float *from = x + (size_t)(t < tokens ? t : tokens - 1) * stride + b * TILE_BLOCK;
      const float largest = largest_of(from), scale = largest / 127.0f;
      const float factor = quantize_factor(largest, 127);
      const v128_t factors = wasm_f32x4_splat(factor), kept = wasm_i32x4_splat(factor == 0 ? 0 : -1);
      int32_t of_half[2];
      for (int half = 0; half < 2; half++) {
        v128_t values[4], sums = wasm_i32x4_splat(0);
        for (int i = 0; i < 4; i++) {
          values[i] = wasm_v128_and(round_to_int(from + half * 16 + i * 4, factors), kept);
          sums = wasm_i32x4_add(sums, values[i]);
        }
        const v128_t bytes = wasm_i8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(values[0], values[1]),
                                                     wasm_i16x8_narrow_i32x4(values[2], values[3]));
        uint8_t *to = packed + (half * 4 * width + t) * 4;
        wasm_v128_store32_lane(to, bytes, 0);
        wasm_v128_store32_lane(to + 4 * width, bytes, 1);
        wasm_v128_store32_lane(to + 8 * width, bytes, 2);
        wasm_v128_store32_lane(to + 12 * width, bytes, 3);
        of_half[half] = wasm_i32x4_extract_lane(sums, 0) + wasm_i32x4_extract_lane(sums, 1) +
                        wasm_i32x4_extract_lane(sums, 2) + wasm_i32x4_extract_lane(sums, 3);
      }
      const int32_t sum = of_half[0] + of_half[1];
      const PackedNumbers numbers = {packed_scale_of(largest, width == 1), -8 * sum, -8 * of_half[0],
                                     (float)sum * scale};
      packed_put(packed, width, t, &numbers);
    }
}

void vector_rms_norm(const float *x, const float *weight, int n, float epsilon, float *y) {
  v128_t low = wasm_f32x4_splat(0), high = low;
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    const v128_t a = wasm_v128_load(x + i), b = wasm_v128_load(x + i + 4);
    low = wasm_f32x4_add(low, wasm_f32x4_mul(a, a));
    high = wasm_f32x4_add(high, wasm_f32x4_mul(b, b));
  }
  float lane[8];
  wasm_v128_store(lane, low);
  wasm_v128_store(lane + 4, high);
  SHORT_LOOP for (; i < n; i++) lane[i % 8] += x[i] * x[i];
  const float sum = ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
  const float factor = 1.0f / sqrtf(sum / (float)n + epsilon);
  const v128_t factors = wasm_f32x4_splat(factor);
  for (i = 0; i + 4 <= n; i += 4)
    wasm_v128_store(y + i, wasm_f32x4_mul(wasm_f32x4_mul(wasm_v128_load(x + i), factors), wasm_v128_load(weight + i)));
  SHORT_LOOP for (; i < n; i++) y[i] = x[i] * factor * weight[i];
}

void vector_rope(float *head, const float *cosine, const float *sine, int pairs, bool adjacent) {
  int i = 0;
  for (; i + 4 <= pairs; i += 4) {
    float *first = adjacent ? head + 2 * i : head + i, *second = adjacent ? first + 4 : first + pairs;
    const v128_t a = wasm_v128_load(first), b = wasm_v128_load(second);
    const v128_t x = adjacent ? wasm_i32x4_shuffle(a, b, 0, 2, 4, 6) : a;
    const v128_t y = adjacent ? wasm_i32x4_shuffle(a, b, 1, 3, 5, 7) : b;
    const v128_t c = wasm_v128_load(cosine + i), s = wasm_v128_load(sine + i);
    const v128_t u = wasm_f32x4_sub(wasm_f32x4_mul(x, c), wasm_f32x4_mul(y, s));
    const v128_t v = wasm_f32x4_add(wasm_f32x4_mul(x, s), wasm_f32x4_mul(y, c));
    wasm_v128_store(first, adjacent ? wasm_i32x4_shuffle(u, v, 0, 4, 1, 5) : u);
    wasm_v128_store(second, adjacent ? wasm_i32x4_shuffle(u, v, 2, 6, 3, 7) : v);
  }
  SHORT_LOOP for (; i < pairs; i++) {
    float *a = adjacent ? head + 2 * i : head + i, *b = adjacent ? a + 1 : a + pairs;
    const float x = *a, y = *b;
    *a = x * cosine[i] - y * sine[i];
    *b = x * sine[i] + y * cosine[i];
  }
}

void vector_swiglu(float *gate, const float *up, int n) {
  int i = 0;
  for (; i + 4 <= n; i += 4) {
    const v128_t g = wasm_v128_load(gate + i);
    const v128_t silu = wasm_f32x4_div(g, wasm_f32x4_add(wasm_f32x4_splat(1.0f), exp_f32x4(wasm_f32x4_neg(g))));
    wasm_v128_store(gate + i, wasm_f32x4_mul(silu, wasm_v128_load(up + i)));
  }
  SHORT_LOOP for (; i < n; i++) gate[i] = gate[i] / (1.0f + exp_f32(-gate[i])) * up[i];
}
