// The inner loops, as a struct of function pointers. src/kernels_ref.c is the scalar truth; the platform (wasm/) brings
// faster sets with the same contracts. Every kernel of every set gives bit-equal results: integer sums are exact, and
// every float operation is a plain IEEE multiply or add in the order stated here (no fused multiply-add, no libm).
#ifndef NIBBLE_KERNELS_H
#define NIBBLE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "error.h"
#include "float_math.h"
#include "round_up.h"
#include "tiles.h"

enum {
  PANEL_TOKENS = 4,         // tokens whose packed activations are interleaved
  LEAST_PANEL_TOKENS = 3,   // of a last panel, which is filled up: fewer are faster one by one
  LEAST_PANELLED = 8,       // tokens that are packed in panels: for fewer it does not pay to unpack the weights
  KV_PAGE_TOKENS = 64,      // tokens in a KV page
  PACKED_BLOCK_BYTES = 48,  // of one token: 32 int8 and four numbers
  FOLDED_LIMIT = 32767,     // of whole sums of activations
  QUERY_LIMIT = 4095,       // times 128 times 4096, the largest head, it stays within 32 bits
  WEIGHT_LIMIT = 32767,     // so it does times 128 times KV_PAGE_TOKENS
};

// Of numbers that are all this small nothing is kept: a quotient by the largest would overflow.
#define QUANTIZE_LEAST 1e-30f

// Returns the largest |x| of n numbers that are to be quantised; infinite where one of them is infinite or NaN.
static inline float quantize_largest(const float *x, int n) {
  uint32_t largest = 0;
  for (int i = 0; i < n; i++)
    largest = largest < magnitude_bits(x[i]) ? magnitude_bits(x[i]) : largest;
  return float_of_bits(largest < INFINITY_BITS ? largest : INFINITY_BITS);
}

// By what they are multiplied, so that the largest becomes `limit`; 0: all of them become 0, whatever they are.
static inline float quantize_factor(float largest, int limit) {
  return largest > QUANTIZE_LEAST ? (float)limit / largest : 0;
}

// Returns the scale of a packed block whose largest magnitude is given; infinite where F16_UNBIAS times it would be.
static inline float packed_scale_of(float largest, bool biased) {
  const float scale = largest / 127.0f * F16_UNBIAS;
  return biased ? scale : scale * (1 / F16_UNBIAS);
}

// What the numbers of a KV page are.
typedef enum { KV_F16, KV_F32, KV_INT8 } KvType;

// By what queries and weights are scaled for a kind of pages.
static inline float page_scale(KvType type) { return type == KV_F16 ? F16_UNBIAS : 1; }

// What a packed block has for each token beside its values; Activations draws where.
typedef struct {
  float scale;
  int32_t offset, first;
  float sum;
} PackedNumbers;

// Puts the numbers of one token into a block of a packed panel.
static inline void packed_put(uint8_t *block, int tokens, int token, const PackedNumbers *numbers) {
  for (int i = 0; i < 4; i++)
    memcpy(block + (32 + 4 * i) * tokens + 4 * token, (const uint8_t *)numbers + 4 * i, 4);
}

// The input of a matrix product: `tokens` rows of `columns` floats, and, for quantised weights, the same packed to
// int8. Packed, a token takes columns / 32 * PACKED_BLOCK_BYTES; token t begins at t times that. Fewer than
// LEAST_PANELLED tokens are packed one by one, more in panels of PANEL_TOKENS. What is left over is packed one by one,
// or, from LEAST_PANEL_TOKENS on, as a panel that is filled up: then there are packed_tokens() in memory, and nothing
// is computed of those beyond `tokens`. A panel of N tokens holds, for each block of 32 columns,
//     int8  value[8 groups of 4 columns][N tokens][4]
//     f32   scale[N]     the block's scale; of one token (N = 1) x F16_UNBIAS (see tiles.h)
//     int32 offset[N]    -8 x the sum of all values: what takes the 8 off each Q4_0 nibble
//     int32 first[N]     -8 x the sum of values 0-15, for kinds with scales for 16 columns
//     f32   sum[N]       the sum of all values x the block's scale: what minima are multiplied with
typedef struct {
  const float *values;  // [tokens, stride]
  size_t stride;
  const uint8_t *packed;  // NULL where no quantised weight is multiplied
  int tokens, columns;
  const uint8_t *tables;  // what tabulate() made of one token; NULL: nothing, which products with one-bit weights are
                          // slower without
} Activations;

// Panels among `tokens` packed tokens, the last one maybe filled up. One alone is not: weights would be unpacked for
// it.
static inline int packed_panels(int tokens) {
  return tokens < LEAST_PANELLED ? 0 : (tokens + PANEL_TOKENS - LEAST_PANEL_TOKENS) / PANEL_TOKENS;
}

// Returns how many tokens a panel of `tokens` has in memory.
static inline int packed_width(int tokens) { return tokens == 1 ? 1 : PANEL_TOKENS; }

// Returns how many tokens there are in memory when `tokens` tokens are packed.
static inline int packed_tokens(int tokens) {
  const int in_panels = packed_panels(tokens) * PANEL_TOKENS;
  return tokens < in_panels ? in_panels : tokens;
}

// Bytes of what tabulate() makes of a block of 32 columns.
enum { TABLE_BLOCK_BYTES = 256 };

// Returns the bytes of one packed token: `columns` / 32 blocks, the last maybe not full.
static inline size_t packed_bytes(int columns) { return (size_t)units_of(columns, TILE_BLOCK) * PACKED_BLOCK_BYTES; }

// y = x @ W^T (or y += x @ W^T), for `tile_count` tiles of TILE_ROWS rows each: y[t * y_stride + r] for every row r of
// the tiles, rows that only fill up the last tile included (their result is 0, or what was there).
// Quantised weights: the integer dot product of each block of 32 columns is exact. Without a header, its float is
// multiplied with (activation scale x weight scale) and added to a float sum, block after block from the first; a kind
// with scales for 16 columns has two such terms a block, the first half's first; a kind with minima then adds
// (activation sum x activation scale) x minimum. With a header, a superblock has a float sum of its own: each block
// adds the float of (dot product x whole scale, both halves' together) x activation scale. Times the header's scale it
// is added to the row's sum. So are minima: (activation sum x activation scale) x whole minimum, half after half, block
// after block, and their sum times the header's minimum is subtracted behind the scales' sum.
// Kinds that fold (tile_folds()) do without that sum: the header's scale times a whole scale is exact in a float, so a
// block is added as one without a header is. Behind a superblock's last block minima are subtracted: the eight sums of
// its blocks' activations are rounded to whole numbers as quantize() does with the limit FOLDED_LIMIT; their integer
// product with the whole minima, as a float, is multiplied with (scale of the sums x the header's minimum).
// Float weights: column after column from the first.
typedef void MatmulKernel(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                          bool add);

typedef struct Kernels {
  const char *name;
  bool packs;  // whether matmul of quantised kinds reads Activations.packed; else it reads .values

  MatmulKernel *matmul[TILE_KINDS];

  // The same products for one token, with `tiles_abreast` tiles read side by side instead of one behind the other:
  // which of the two keeps memory busier depends on the CPU's prefetchers (measured: twice the rate, either way round).
  // NULL where a set has only the one form.
  MatmulKernel *matmul_abreast[TILE_KINDS];
  int tiles_abreast;

  // Packs `tokens` rows x[t * stride], `columns` a multiple of 32: one token alone, several (up to
  // PANEL_TOKENS) as a panel, which is filled up with the last of them. Per block: scale =
  // max|x| / 127, values rounded to nearest, ties to even. All values are 0 where no |x| is above QUANTIZE_LEAST, and
  // where one is infinite or NaN: then the scale is infinite, so that products become NaN, as those of floats do; so it
  // is where F16_UNBIAS times it would be.
  void (*pack)(const float *x, size_t stride, int tokens, int columns, uint8_t *packed);

  // Makes tables of one packed token's sums, which products with one-bit weights look up: of `columns` / 32 blocks,
  // aligned to 16 bytes. NULL where a set looks nothing up.
  void (*tabulate)(const uint8_t *packed, int columns, uint8_t *tables);

  // y[i] = x[i] * weight[i] / sqrt(mean(x^2) + epsilon); the sum of squares runs in 8 lanes (lane i % 8), added up as
  // ((0+4)+(2+6)) + ((1+5)+(3+7)). Any n.
  void (*rms_norm)(const float *x, const float *weight, int n, float epsilon, float *y);

  // Rotates the pairs of one head in place by angles given as cosine and sine [pairs]: pair i is (2i, 2i + 1) where
  // `adjacent`, else (i, i + pairs).
  void (*rope)(float *head, const float *cosine, const float *sine, int pairs, bool adjacent);

  // gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i], by exp_f32().
  void (*swiglu)(float *gate, const float *up, int n);

  // Attention of `rows` queries over one page of one KV head (kv_cache.h draws it), in three steps: scores, softmax,
  // values. The float pages of a set hold F32 where f32_pages, else F16, whose numbers enter 2^112 too small
  // (f16_biased()): the caller scales queries by page_scale(), and has page_softmax do the same to what it leaves for
  // page_values.
  bool f32_pages;

  // scores[r * KV_PAGE_TOKENS + t] = sum over d of queries[r * stride + d] * key d of token t, d from the first, for t
  // < round_up(to, 8).
  void (*page_scores)(const float *queries, size_t stride, int rows, const void *keys, int head_size, int to,
                      float *scores);

  // One row. Over tokens from <= t < to: *max becomes the larger of itself and all scores, then scores[t] =
  // exp(scores[t] - *max) * scale; the sum of the exp() (4 lanes, lane t % 4, added up as (0+1)+(2+3)) is returned. The
  // page's other scores become 0.
  float (*page_softmax)(float *scores, int from, int to, float *max, float scale);

  // out[r * stride + d] = out[...] * corrections[r], then += scores[r * KV_PAGE_TOKENS + t] * value d of token t, for t
  // from `from` to the last before `to`.
  void (*page_values)(const float *scores, int rows, const void *values, int from, int to, int head_size,
                      const float *corrections, float *out, size_t stride);

  // The same steps over INT8 pages. Their sums are exact: queries and weights are quantised too, finely enough that the
  // pages' own rounding is all that counts.

  // q[i] = x[i] / scale, rounded to nearest, ties to even, with scale = max|x| / limit, which is returned; all 0 where
  // no |x| is above QUANTIZE_LEAST, and, with an infinite scale, where one is infinite or NaN. `n` any; where it is
  // odd, a zero follows.
  float (*quantize)(const float *x, int n, int limit, int16_t *q);

  // scores[r * KV_PAGE_TOKENS + t] = (sum over d of q[r * stride + d] * key d of token t) * (q_scales[r] *
  // key_scales[t]), for t < round_up(to, 8). Queries are quantised to QUERY_LIMIT.
  void (*int8_scores)(const int16_t *q, size_t stride, const float *q_scales, int rows, const int8_t *keys,
                      const float *key_scales, int head_size, int to, float *scores);

  // out[r * stride + d] = out[...] * corrections[r] + (sum over t of weights[r * KV_PAGE_TOKENS + t] * value d of token
  // t) * weight_scales[r], for from <= t < to; weights of other tokens must be 0. They are quantised to WEIGHT_LIMIT.
  void (*int8_values)(const int16_t *weights, const float *weight_scales, int rows, const int8_t *values, int from,
                      int to, int head_size, const float *corrections, float *out, size_t stride);
} Kernels;

// The scalar reference.
extern const Kernels kernels_reference;

// The yardstick of --exact: products of float activations with unpacked weights, summed in double.
extern const Kernels kernels_exact;

#endif
