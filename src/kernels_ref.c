// The scalar truth: every kernel as its contract in kernels.h says it, one operation at a time. Built with
// -ffp-contract=off, so that no compiler fuses a multiply and an add that the SIMD twins keep apart.
#include <math.h>
#include <string.h>

#include "float_math.h"
#include "kernels.h"
#include "page_kernels.h"
#include "superblock.h"
#include "tile_formats.h"

// Where one token's part of a packed panel is, and the strides within it.
typedef struct {
  const uint8_t *block;  // of the current block of 32 columns
  int tokens, token;     // of the panel
} PackedToken;

static PackedToken packed_token(const Activations *x, int token) {
  const size_t token_bytes = (size_t)(x->columns / TILE_BLOCK) * PACKED_BLOCK_BYTES;
  const bool panel = token < packed_panels(x->tokens) * PANEL_TOKENS;
  return (PackedToken){.block = x->packed + (size_t)(panel ? token / PANEL_TOKENS * PANEL_TOKENS : token) * token_bytes,
                       .tokens = panel ? PANEL_TOKENS : 1,
                       .token = panel ? token % PANEL_TOKENS : 0};
}

static int packed_value(const PackedToken *p, int column) {
  return (int8_t)p->block[(column / 4 * p->tokens + p->token) * 4 + column % 4];
}

static float packed_scale(const PackedToken *p) {
  float scale;
  memcpy(&scale, p->block + 32 * p->tokens + 4 * p->token, sizeof scale);
  return p->tokens == 1 ? scale / F16_UNBIAS : scale;
}

// -8 x the sum of the values of the block, or of its first half.
static int packed_offset(const PackedToken *p, const bool first) {
  int32_t offset;
  memcpy(&offset, p->block + (first ? 40 : 36) * p->tokens + 4 * p->token, sizeof offset);
  return offset;
}

// The sum of the values of the block times its scale.
static float packed_sum(const PackedToken *p) {
  float sum;
  memcpy(&sum, p->block + 44 * p->tokens + 4 * p->token, sizeof sum);
  return sum;
}

static void next_block(PackedToken *p) { p->block += (size_t)p->tokens * PACKED_BLOCK_BYTES; }

// The sum of the activations of one half of a block.
static float half_sum(const PackedToken *a, int half) {
  const int first = packed_offset(a, true), offset = half == 0 ? first : packed_offset(a, false) - first;
  return (float)offset * -0.125f * packed_scale(a);
}

static int dot_columns(const int8_t *values, const PackedToken *a, int first, int count) {
  int dot = 0;
  for (int c = first; c < first + count; c++)
    dot += values[c] * packed_value(a, c);
  return dot;
}

// One row's product with one token over a block of 32 columns, added to `sum` as kernels.h says: of a kind without
// headers, or, but for its minima, of one that folds. `values` are the row's.
static float add_block(const TileFormat *format, const uint8_t *superblock, const uint8_t *block, const int8_t *values,
                       int row, const PackedToken *a, float sum) {
  const int halves = tile_has_halves(format) ? 2 : 1, columns = TILE_BLOCK / halves;
  const float unbias = tile_folds(format) ? 1 : F16_UNBIAS;
  for (int half = 0; half < halves; half++) {
    const float scale = tile_scale(format, superblock, block, row, half) / unbias;
    sum += (float)dot_columns(values, a, half * columns, columns) * (packed_scale(a) * unbias * scale);
  }
  if (format->minima != MINIMA_F16) return sum;
  return sum + packed_sum(a) * tile_minimum(format, block, block, row, 0);
}

// The same over a superblock, whose header's floats are multiplied with once.
static float add_superblock(const TileFormat *format, const uint8_t *superblock, const int8_t *values, int row,
                            PackedToken *a, float sum) {
  const int halves = tile_has_halves(format) ? 2 : 1, columns = TILE_BLOCK / halves;
  const uint8_t *block = superblock + format->header_bytes;
  float dots = 0, minima = 0;
  for (int b = 0; b < format->blocks; b++, block += tile_block_bytes(format), next_block(a), values += TILE_BLOCK) {
    const float scale = packed_scale(a);
    int dot = 0;
    for (int half = 0; half < halves; half++)
      dot += dot_columns(values, a, half * columns, columns) * tile_whole_scale(format, block, row, half);
    dots += (float)dot * scale;
    for (int half = 0; half < halves && format->minima != MINIMA_NONE; half++)
      minima += half_sum(a, half) * (float)tile_whole_minimum(format, block, row, half);
  }
  sum += dots * tile_header_scale(format, superblock, row);
  return format->minima == MINIMA_NONE ? sum : sum - minima * tile_header_minimum(superblock, row);
}

// The same of a kind that folds.
static float add_folded(const TileFormat *format, const uint8_t *superblock, const int8_t *values, int row,
                        PackedToken *a, float sum) {
  const uint8_t *const blocks = superblock + format->header_bytes;
  float sums[SUPERBLOCK / TILE_BLOCK];
  int16_t whole[SUPERBLOCK / TILE_BLOCK];
  for (int b = 0; b < format->blocks; b++, next_block(a)) {
    sum = add_block(format, superblock, blocks + b * tile_block_bytes(format), values + b * TILE_BLOCK, row, a, sum);
    sums[b] = packed_sum(a);
  }
  const float scale = reference_quantize(sums, format->blocks, FOLDED_LIMIT, whole);
  int minimum = 0;
  for (int b = 0; b < format->blocks; b++)
    minimum += whole[b] * tile_whole_minimum(format, blocks + b * tile_block_bytes(format), row, 0);
  return sum - (float)minimum * (scale * tile_header_minimum(superblock, row));
}

// Tokens for which a row is unpacked once.
enum { ROW_TOKENS = 32 };

// One row's products with `tokens` tokens, each from its first block on.
static void row_quantized(const TileFormat *format, const uint8_t *tile, int row, PackedToken *a, int tokens,
                          int columns, float *sums) {
  for (int c = 0; c < columns; c += format->blocks * TILE_BLOCK, tile += tile_superblock_bytes(format)) {
    int8_t values[SUPERBLOCK];
    const uint8_t *const blocks = tile + format->header_bytes;
    for (int b = 0; b < format->blocks; b++)
      tile_values(format, tile, blocks + b * tile_block_bytes(format), row, values + b * TILE_BLOCK);
    for (int t = 0; t < tokens; t++) {
      if (tile_has_header(format)) {
        sums[t] = (tile_folds(format) ? add_folded : add_superblock)(format, tile, values, row, &a[t], sums[t]);
        continue;
      }
      for (int b = 0; b < format->blocks; b++, next_block(&a[t]))
        sums[t] = add_block(format, tile, blocks + b * tile_block_bytes(format), values + b * TILE_BLOCK, row, &a[t],
                            sums[t]);
    }
  }
}

static void matmul_quantized(TileKind kind, const uint8_t *tiles, int tile_count, const Activations *x, float *y,
                             size_t y_stride, bool add) {
  const size_t bytes = tile_bytes(kind, x->columns);
  for (int first = 0; first < x->tokens; first += ROW_TOKENS) {
    const int tokens = x->tokens - first < ROW_TOKENS ? x->tokens - first : ROW_TOKENS;
    for (int r = 0; r < tile_count * TILE_ROWS; r++) {
      PackedToken a[ROW_TOKENS];
      float sums[ROW_TOKENS] = {0};
      for (int t = 0; t < tokens; t++)
        a[t] = packed_token(x, first + t);
      row_quantized(tile_format(kind), tiles + (size_t)(r / TILE_ROWS) * bytes, r % TILE_ROWS, a, tokens, x->columns,
                    sums);
      for (int t = 0; t < tokens; t++) {
        float *out = y + (size_t)(first + t) * y_stride + r;
        *out = add ? *out + sums[t] : sums[t];
      }
    }
  }
}

#define REFERENCE(kind)                                                                                            \
  static void matmul_##kind(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride, \
                            bool add) {                                                                            \
    matmul_quantized(TILE_##kind, tiles, tile_count, x, y, y_stride, add);                                         \
  }
TILE_QUANTIZED_KINDS(REFERENCE)
#undef REFERENCE

static float float_weight(TileKind kind, const uint8_t *numbers, size_t index) {
  if (kind == TILE_F32) {
    float value;
    memcpy(&value, numbers + 4 * index, 4);
    return value;
  }
  uint16_t half;
  memcpy(&half, numbers + 2 * index, 2);
  return kind == TILE_F16 ? f16_finite(half) : float_of_bits((uint32_t)half << 16);
}

static void matmul_numbers(TileKind kind, const uint8_t *tiles, int tile_count, const Activations *x, float *y,
                           size_t y_stride, bool add) {
  const size_t bytes = tile_bytes(kind, x->columns);
  for (int t = 0; t < x->tokens; t++)
    for (int r = 0; r < tile_count * TILE_ROWS; r++) {
      const uint8_t *tile = tiles + (size_t)(r / TILE_ROWS) * bytes;
      const float *values = x->values + (size_t)t * x->stride;
      float sum = 0;
      for (int c = 0; c < x->columns; c++)
        sum += values[c] * float_weight(kind, tile, (size_t)(c * TILE_ROWS + r % TILE_ROWS));
      float *out = y + (size_t)t * y_stride + r;
      *out = add ? *out + sum : sum;
    }
}

static void matmul_f32(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                       bool add) {
  matmul_numbers(TILE_F32, tiles, tile_count, x, y, y_stride, add);
}

static void matmul_f16(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                       bool add) {
  matmul_numbers(TILE_F16, tiles, tile_count, x, y, y_stride, add);
}

static void matmul_bf16(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                        bool add) {
  matmul_numbers(TILE_BF16, tiles, tile_count, x, y, y_stride, add);
}

static void pack_block(const float *x, int8_t *values, int value_stride, bool biased, PackedNumbers *numbers) {
  const float largest = quantize_largest(x, TILE_BLOCK), factor = quantize_factor(largest, 127);
  const float scale = largest / 127.0f;
  int sums[2] = {0, 0};
  for (int c = 0; c < TILE_BLOCK; c++) {
    const int8_t value = factor == 0 ? 0 : (int8_t)(bits_of_float(x[c] * factor + ROUND_MAGIC) & 0xff);
    values[c / 4 * value_stride + c % 4] = value;
    sums[c / TILE_HALF] += value;
  }
  *numbers = (PackedNumbers){packed_scale_of(largest, biased), -8 * (sums[0] + sums[1]), -8 * sums[0],
                             (float)(sums[0] + sums[1]) * scale};
}

static void pack(const float *x, size_t stride, int tokens, int columns, uint8_t *packed) {
  const int width = packed_width(tokens);
  for (int b = 0; b < columns / TILE_BLOCK; b++, packed += width * PACKED_BLOCK_BYTES)
    for (int t = 0; t < width; t++) {
      const float *row = x + (size_t)(t < tokens ? t : tokens - 1) * stride;
      PackedNumbers numbers;
      pack_block(row + b * TILE_BLOCK, (int8_t *)packed + 4 * t, 4 * width, width == 1, &numbers);
      packed_put(packed, width, t, &numbers);
    }
}

static void rms_norm(const float *x, const float *weight, int n, float epsilon, float *y) {
  float lane[8] = {0};
  for (int i = 0; i < n; i++)
    lane[i % 8] += x[i] * x[i];
  const float sum = ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
  const float factor = 1.0f / sqrtf(sum / (float)n + epsilon);
  for (int i = 0; i < n; i++)
    y[i] = x[i] * factor * weight[i];
}

static void rope(float *head, const float *cosine, const float *sine, int pairs, bool adjacent) {
  for (int i = 0; i < pairs; i++) {
    float *a = adjacent ? head + 2 * i : head + i, *b = adjacent ? a + 1 : a + pairs;
    const float x = *a, y = *b;
    *a = x * cosine[i] - y * sine[i];
    *b = x * sine[i] + y * cosine[i];
  }
}

static void swiglu(float *gate, const float *up, int n) {
  for (int i = 0; i < n; i++)
    gate[i] = gate[i] / (1.0f + exp_f32(-gate[i])) * up[i];
}

#define MATMUL_OF(kind) [TILE_##kind] = matmul_##kind,
const Kernels kernels_reference = {
    .name = "reference",
    .packs = true,
    .matmul =
        {TILE_QUANTIZED_KINDS(MATMUL_OF)[TILE_F32] = matmul_f32, [TILE_F16] = matmul_f16, [TILE_BF16] = matmul_bf16},
    .pack = pack,
    .rms_norm = rms_norm,
    .rope = rope,
    .swiglu = swiglu,
    REFERENCE_F16_PAGES,
};

// The exact set multiplies float activations with unpacked weights, whatever the kind. A row is unpacked in pieces that
// stay on the stack, each once for several tokens; block formats never straddle a piece.
enum { EXACT_PIECE = 256, EXACT_TOKENS = 32 };

// Tokens whose sums do not wait for each other: each sum alone waits for the addition before.
enum { SIDE_BY_SIDE = 4 };

static void add_side_by_side(const float *values, size_t stride, const float *weights, int n, double *sums) {
  double a = sums[0], b = sums[1], c = sums[2], d = sums[3];
  for (int i = 0; i < n; i++) {
    const double weight = (double)weights[i];
    a += (double)values[i] * weight;
    b += (double)values[stride + (size_t)i] * weight;
    c += (double)values[2 * stride + (size_t)i] * weight;
    d += (double)values[3 * stride + (size_t)i] * weight;
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

// `x` has at most EXACT_TOKENS tokens.
static void exact_sums(TileKind kind, const uint8_t *tile, int row, const Activations *x, double *sums) {
  for (int begin = 0; begin < x->columns; begin += EXACT_PIECE) {
    float weights[EXACT_PIECE];
    const int n = x->columns - begin < EXACT_PIECE ? x->columns - begin : EXACT_PIECE;
    tile_unpack_row(kind, n, tile + tile_bytes(kind, begin), row, weights);
    const float *values = x->values + begin;
    int t = 0;
    for (; t + SIDE_BY_SIDE <= x->tokens; t += SIDE_BY_SIDE)
      add_side_by_side(values + (size_t)t * x->stride, x->stride, weights, n, sums + t);
    for (; t < x->tokens; t++)
      for (int c = 0; c < n; c++)
        sums[t] += (double)values[(size_t)t * x->stride + (size_t)c] * (double)weights[c];
  }
}

static void exact_row(TileKind kind, const uint8_t *tile, int row, const Activations *x, float *y, size_t y_stride,
                      bool add) {
  for (int first = 0; first < x->tokens; first += EXACT_TOKENS) {
    Activations some = *x;
    some.values += (size_t)first * x->stride;
    some.tokens = x->tokens - first < EXACT_TOKENS ? x->tokens - first : EXACT_TOKENS;
    double sums[EXACT_TOKENS] = {0};
    exact_sums(kind, tile, row, &some, sums);
    for (int t = 0; t < some.tokens; t++) {
      float *out = y + (size_t)(first + t) * y_stride;
      *out = add ? *out + (float)sums[t] : (float)sums[t];
    }
  }
}

static void exact_matmul(TileKind kind, const uint8_t *tiles, int tile_count, const Activations *x, float *y,
                         size_t y_stride, bool add) {
  const size_t bytes = tile_bytes(kind, x->columns);
  for (int r = 0; r < tile_count * TILE_ROWS; r++)
    exact_row(kind, tiles + (size_t)(r / TILE_ROWS) * bytes, r % TILE_ROWS, x, y + r, y_stride, add);
}

#define EXACT(kind)                                                                                               \
  static void exact_##kind(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride, \
                           bool add) {                                                                            \
    exact_matmul(TILE_##kind, tiles, tile_count, x, y, y_stride, add);                                            \
  }
TILE_QUANTIZED_KINDS(EXACT)
EXACT(F32)
EXACT(F16)
EXACT(BF16)
#undef EXACT

#define EXACT_OF(kind) [TILE_##kind] = exact_##kind,
const Kernels kernels_exact = {
    .name = "exact",
    .packs = false,
    .matmul = {TILE_QUANTIZED_KINDS(EXACT_OF) EXACT_OF(F32) EXACT_OF(F16) EXACT_OF(BF16)},
    .pack = pack,
    .rms_norm = rms_norm,
    .rope = rope,
    .swiglu = swiglu,
    REFERENCE_F32_PAGES,
};
