// SIMD128 twins of the attention kernels in src/page_kernels.c: the same operations in the same order, four at a time.
#include <math.h>
#include <stdbool.h>
#include <wasm_simd128.h>

#include "kernel_sets.h"
#include "kv_cache.h"
#include "vector_kernels.h"
#include "vectors.h"

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

// Rows of queries that share each vector of a page. More rows share a strip of it that was unpacked to floats: eight
// tokens' keys, or eight dimensions of all values, as far as they fit.
enum { PAGE_ROWS = 4, STRIP = 256 };

typedef struct {
  v128_t numbers[STRIP][2];
} Strip;

INLINE void unpack_eight(const uint16_t *halves, v128_t out[2]) {
  const v128_t eight = wasm_v128_load(halves), half_mask = wasm_v128_load(kernel_half_mask);
  out[0] = halves_biased(wasm_i32x4_shl(eight, 16), half_mask);
  out[1] = halves_biased(eight, half_mask);
}

INLINE void unpack_strip(const uint16_t *halves, int count, size_t step, Strip *strip) {
#pragma clang loop unroll(disable)
  for (int i = 0; i < count; i++, halves += step)
    unpack_eight(halves, strip->numbers[i]);
}

// sums += a factor of each row x the eight numbers that the rows share.
INLINE void add_eight(const v128_t eight[2], const float *factors, size_t stride, v128_t low[PAGE_ROWS],
                      v128_t high[PAGE_ROWS], const int rows) {
#pragma unroll
  for (int r = 0; r < rows; r++) {
    const v128_t factor = wasm_v128_load32_splat(factors + (size_t)r * stride);
    low[r] = wasm_f32x4_add(low[r], wasm_f32x4_mul(factor, eight[0]));
    high[r] = wasm_f32x4_add(high[r], wasm_f32x4_mul(factor, eight[1]));
  }
}

// sums += the products of `count` factors of each row with as many eights: those of a strip, or, where that is NULL, of
// numbers that lie `step` apart.
INLINE void add_eights(const Strip *strip, const uint16_t *halves, size_t step, int count, const float *factors,
                       size_t stride, v128_t low[PAGE_ROWS], v128_t high[PAGE_ROWS], const int rows) {
#pragma clang loop unroll(disable)
  for (int i = 0; i < count; i++) {
    v128_t eight[2];
    if (strip != NULL)
      eight[0] = strip->numbers[i][0], eight[1] = strip->numbers[i][1];
    else
      unpack_eight(halves + (size_t)i * step, eight);
    add_eight(eight, factors + i, stride, low, high, rows);
  }
}

INLINE void score_rows(const Strip *strip, const uint16_t *keys, const float *queries, size_t stride, int head_size,
                       float *scores, const int rows) {
  v128_t low[PAGE_ROWS], high[PAGE_ROWS];
  for (int r = 0; r < rows; r++)
    low[r] = high[r] = wasm_f32x4_splat(0);
  add_eights(strip, keys, 8, head_size, queries, stride, low, high, rows);
  for (int r = 0; r < rows; r++) {
    wasm_v128_store(scores + r * KV_PAGE_TOKENS, low[r]);
    wasm_v128_store(scores + r * KV_PAGE_TOKENS + 4, high[r]);
  }
}

void vector_page_scores(const float *queries, size_t stride, int rows, const void *keys, int head_size, int to,
                        float *scores) {
  Strip strip;
  const bool unpacks = rows > PAGE_ROWS && head_size <= STRIP;
  for (int t = 0; t < to; t += 8) {
    const uint16_t *eights = (const uint16_t *)keys + t * head_size;
    if (unpacks) unpack_strip(eights, head_size, 8, &strip);
    for (int r = 0; r < rows;) {
      const float *of_row = queries + (size_t)r * stride;
      float *out = scores + r * KV_PAGE_TOKENS + t;
      if (rows - r < PAGE_ROWS) {
        score_rows(NULL, eights, of_row, stride, head_size, out, 1);
        r++;
        continue;
      }
      if (unpacks)
        score_rows(&strip, NULL, of_row, stride, head_size, out, PAGE_ROWS);
      else
        score_rows(NULL, eights, of_row, stride, head_size, out, PAGE_ROWS);
      r += PAGE_ROWS;
    }
  }
}

// All ones in the lanes of tokens t .. t + 3 that are in [from, to).
INLINE v128_t lanes_within(int t, int from, int to) {
  const v128_t index = wasm_i32x4_add(wasm_i32x4_splat(t), wasm_i32x4_const(0, 1, 2, 3));
  return wasm_v128_and(wasm_i32x4_ge(index, wasm_i32x4_splat(from)), wasm_i32x4_lt(index, wasm_i32x4_splat(to)));
}

float vector_page_softmax(float *scores, int from, int to, float *max, float scale) {
  v128_t largest = wasm_f32x4_splat(*max);
  for (int t = from / 4 * 4; t < to; t += 4)
    largest = wasm_f32x4_pmax(largest, wasm_v128_bitselect(wasm_v128_load(scores + t), wasm_f32x4_splat(-INFINITY),
                                                           lanes_within(t, from, to)));
  largest = wasm_f32x4_pmax(largest, wasm_i32x4_shuffle(largest, largest, 2, 3, 0, 1));
  largest = wasm_f32x4_pmax(largest, wasm_i32x4_shuffle(largest, largest, 1, 0, 3, 2));
  *max = wasm_f32x4_extract_lane(largest, 0);
  largest = wasm_f32x4_splat(*max);
  const v128_t scales = wasm_f32x4_splat(scale);
  v128_t sums = wasm_f32x4_splat(0);
  for (int t = 0; t < KV_PAGE_TOKENS; t += 4) {
    v128_t weights = wasm_f32x4_splat(0);
    if (t + 4 > from && t < to)
      weights =
          wasm_v128_and(exp_f32x4(wasm_f32x4_sub(wasm_v128_load(scores + t), largest)), lanes_within(t, from, to));
    wasm_v128_store(scores + t, wasm_f32x4_mul(weights, scales));
    sums = wasm_f32x4_add(sums, weights);
  }
  return (wasm_f32x4_extract_lane(sums, 0) + wasm_f32x4_extract_lane(sums, 1)) +
         (wasm_f32x4_extract_lane(sums, 2) + wasm_f32x4_extract_lane(sums, 3));
}

// Eight dimensions of one head, and some rows.
INLINE void value_rows(const Strip *strip, const uint16_t *values, size_t value_stride, const float *scores, int count,
                       const float *corrections, float *out, size_t stride, const int rows) {
  v128_t low[PAGE_ROWS], high[PAGE_ROWS];
  for (int r = 0; r < rows; r++) {
    const v128_t correction = wasm_v128_load32_splat(corrections + r);
    low[r] = wasm_f32x4_mul(wasm_v128_load(out + (size_t)r * stride), correction);
    high[r] = wasm_f32x4_mul(wasm_v128_load(out + (size_t)r * stride + 4), correction);
  }
  add_eights(strip, values, value_stride, count, scores, KV_PAGE_TOKENS, low, high, rows);
  for (int r = 0; r < rows; r++) {
    wasm_v128_store(out + (size_t)r * stride, low[r]);
    wasm_v128_store(out + (size_t)r * stride + 4, high[r]);
  }
}

// The dimensions behind the last multiple of 8.
static void values_rest(const float *scores, const uint16_t *values, int from, int to, int head_size, int value_stride,
                        float correction, float *out) {
  for (int d = head_size / 8 * 8; d < head_size; d++) {
    float sum = out[d] * correction;
    SHORT_LOOP for (int t = from; t < to; t++) sum += scores[t] * f16_biased(values[t * value_stride + kv_slot(d)]);
    out[d] = sum;
  }
}

void vector_page_values(const float *scores, int rows, const void *values, int from, int to, int head_size,
                        const float *corrections, float *out, size_t stride) {
  const int value_stride = kv_value_stride(head_size, KV_F16), count = to - from;
  Strip strip;
  const bool unpacks = rows > PAGE_ROWS;
  for (int d = 0; d + 8 <= head_size; d += 8) {
    const uint16_t *eights = (const uint16_t *)values + (size_t)from * (size_t)value_stride + d;
    if (unpacks) unpack_strip(eights, count, (size_t)value_stride, &strip);
    for (int r = 0; r < rows;) {
      const float *weights = scores + r * KV_PAGE_TOKENS + from;
      float *of_row = out + (size_t)r * stride + d;
      if (rows - r < PAGE_ROWS) {
        value_rows(NULL, eights, (size_t)value_stride, weights, count, corrections + r, of_row, stride, 1);
        r++;
        continue;
      }
      if (unpacks)
        value_rows(&strip, NULL, 0, weights, count, corrections + r, of_row, stride, PAGE_ROWS);
      else
        value_rows(NULL, eights, (size_t)value_stride, weights, count, corrections + r, of_row, stride, PAGE_ROWS);
      r += PAGE_ROWS;
    }
  }
  for (int r = 0; r < rows; r++)
    values_rest(scores + r * KV_PAGE_TOKENS, values, from, to, head_size, value_stride, corrections[r],
                out + (size_t)r * stride);
}

float vector_quantize(const float *x, int n, int limit, int16_t *q) {
  v128_t magnitudes = wasm_i32x4_splat(0);
  int i = 0;
  for (; i + 4 <= n; i += 4)
    magnitudes = wasm_i32x4_max(magnitudes, magnitude_bits_x4(wasm_v128_load(x + i)));
  const float rest = quantize_largest(x + i, n - i), most = largest_of_magnitudes(magnitudes);
  const float largest = most < rest ? rest : most, factor = quantize_factor(largest, limit);
  const v128_t factors = wasm_f32x4_splat(factor), magic = wasm_f32x4_splat(ROUND_MAGIC);
  const v128_t kept = wasm_i32x4_splat(factor == 0 ? 0 : -1);
  for (i = 0; i + 4 <= n; i += 4) {
    const v128_t sum = wasm_f32x4_add(wasm_f32x4_mul(wasm_v128_load(x + i), factors), magic);
    const v128_t bits = wasm_v128_and(sum, kept);
    // The number is in the low half of each lane.
    wasm_v128_store64_lane(q + i, wasm_i16x8_shuffle(bits, bits, 0, 2, 4, 6, 0, 2, 4, 6), 0);
  }
  SHORT_LOOP for (; i < n; i++) q[i] = factor == 0 ? 0 : (int16_t)(bits_of_float(x[i] * factor + ROUND_MAGIC) & 0xffff);
  if (n % 2 != 0) q[n] = 0;
  return largest / (float)limit;
}

// Eight tokens and some rows; dimensions come in pairs.
INLINE void int8_scores_block(const int16_t *q, size_t stride, const float *q_scales, const int8_t *keys,
                              const float *key_scales, int pairs, int to, float *scores, const int rows) {
  for (int t = 0; t < to; t += 8) {
    v128_t low[PAGE_ROWS], high[PAGE_ROWS];
    for (int r = 0; r < rows; r++)
      low[r] = high[r] = wasm_i32x4_splat(0);
    const int8_t *key = keys + t * pairs * 2;
    for (int p = 0; p < pairs; p++, key += 16) {
      const v128_t k0 = wasm_i16x8_load8x8(key), k1 = wasm_i16x8_load8x8(key + 8);
#pragma unroll
      for (int r = 0; r < rows; r++) {
        const v128_t pair = wasm_v128_load32_splat(q + (size_t)r * stride + 2 * p);
        low[r] = wasm_i32x4_add(low[r], wasm_i32x4_dot_i16x8(pair, k0));
        high[r] = wasm_i32x4_add(high[r], wasm_i32x4_dot_i16x8(pair, k1));
      }
    }
    const v128_t s0 = wasm_v128_load(key_scales + t), s1 = wasm_v128_load(key_scales + t + 4);
    for (int r = 0; r < rows; r++) {
      const v128_t scale = wasm_v128_load32_splat(q_scales + r);
      float *out = scores + r * KV_PAGE_TOKENS + t;
      wasm_v128_store(out, wasm_f32x4_mul(wasm_f32x4_convert_i32x4(low[r]), wasm_f32x4_mul(scale, s0)));
      wasm_v128_store(out + 4, wasm_f32x4_mul(wasm_f32x4_convert_i32x4(high[r]), wasm_f32x4_mul(scale, s1)));
    }
  }
}

void vector_int8_scores(const int16_t *q, size_t stride, const float *q_scales, int rows, const int8_t *keys,
                        const float *key_scales, int head_size, int to, float *scores) {
  const int pairs = (head_size + 1) / 2;
  for (int r = 0, count; r < rows; r += count) {
    const int16_t *from = q + (size_t)r * stride;
    float *row_scores = scores + r * KV_PAGE_TOKENS;
    count = rows - r < PAGE_ROWS ? rows - r : PAGE_ROWS;
    switch (count) {
#define ROWS(n) \
  case n: int8_scores_block(from, stride, q_scales + r, keys, key_scales, pairs, to, row_scores, n); break;
      ROWS(1) ROWS(2) ROWS(3) ROWS(4)
#undef ROWS
    }
  }
}

// The dimensions of a row that has fewer than 8 left.
static NOINLINE void add_last_values(const v128_t sums[2], float correction, float *row, int dimensions) {
  float values[8];
  wasm_v128_store(values, sums[0]);
  wasm_v128_store(values + 4, sums[1]);
  SHORT_LOOP for (int d = 0; d < dimensions; d++) row[d] = row[d] * correction + values[d];
}

// A strip of 8 dimensions (whether or not all of them exist) and some rows; tokens come in pairs.
INLINE void int8_values_block(const int16_t *weights, const float *weight_scales, const int8_t *values, int from,
                              int to, int pair_stride, const float *corrections, float *out, size_t stride,
                              int dimensions, const int rows) {
  v128_t low[PAGE_ROWS], high[PAGE_ROWS];
  for (int r = 0; r < rows; r++)
    low[r] = high[r] = wasm_i32x4_splat(0);
  const int8_t *value = values + from / 2 * pair_stride;
  for (int t = from / 2 * 2; t < to; t += 2, value += pair_stride) {
    const v128_t v0 = wasm_i16x8_load8x8(value), v1 = wasm_i16x8_load8x8(value + 8);
#pragma unroll
    for (int r = 0; r < rows; r++) {
      const v128_t pair = wasm_v128_load32_splat(weights + r * KV_PAGE_TOKENS + t);
      low[r] = wasm_i32x4_add(low[r], wasm_i32x4_dot_i16x8(pair, v0));
      high[r] = wasm_i32x4_add(high[r], wasm_i32x4_dot_i16x8(pair, v1));
    }
  }
  for (int r = 0; r < rows; r++) {
    const v128_t scale = wasm_v128_load32_splat(weight_scales + r);
    const v128_t correction = wasm_v128_load32_splat(corrections + r);
    const v128_t sums[2] = {wasm_f32x4_mul(wasm_f32x4_convert_i32x4(low[r]), scale),
                            wasm_f32x4_mul(wasm_f32x4_convert_i32x4(high[r]), scale)};
    float *row = out + (size_t)r * stride;
    if (dimensions < 8) {
      add_last_values(sums, corrections[r], row, dimensions);
      continue;
    }
    for (int half = 0; half < 2; half++)
      wasm_v128_store(row + 4 * half,
                      wasm_f32x4_add(wasm_f32x4_mul(wasm_v128_load(row + 4 * half), correction), sums[half]));
  }
}

void vector_int8_values(const int16_t *weights, const float *weight_scales, int rows, const int8_t *values, int from,
                        int to, int head_size, const float *corrections, float *out, size_t stride) {
  const int pair_stride = 2 * kv_value_stride(head_size, KV_INT8);
  for (int r = 0, count; r < rows; r += count) {
    count = rows - r < PAGE_ROWS ? rows - r : PAGE_ROWS;
    for (int d = 0; d < head_size; d += 8) {
      float *to_rows = out + (size_t)r * stride + d;
      const int dimensions = head_size - d < 8 ? head_size - d : 8;
      switch (count) {
#define ROWS(n)                                                                                               \
  case n:                                                                                                     \
    int8_values_block(weights + r * KV_PAGE_TOKENS, weight_scales + r, values + 2 * d, from, to, pair_stride, \
                      corrections + r, to_rows, stride, dimensions, n);                                       \
    break;
        ROWS(1) ROWS(2) ROWS(3) ROWS(4)
#undef ROWS
      }
    }
  }
}
