// The scalar truth: every kernel as its contract in kernels.h says it, one operation at a time. Built with
// -ffp-contract=off, so that no compiler fuses a multiply and an add that the SIMD twins keep apart.
#include <math.h>
#include <string.h>

#include "float_math.h"
#include "kernels.h"
#include "page_kernels.h"

// Where one token's part of a packed panel is, and the strides within it.
typedef struct {
  const uint8_t *block;  // of the current block of 32 columns
  int tokens, token;     // of the panel
} PackedToken;

static PackedToken packed_token(const Activations *x, int token) {
  const size_t token_bytes = (size_t)(x->columns / TILE_BLOCK) * PACKED_BLOCK_BYTES;
  const int in_panels = x->tokens / PANEL_TOKENS * PANEL_TOKENS;
  const bool panel = token < in_panels;
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
  return scale;
}

static int32_t packed_offset(const PackedToken *p) {
  int32_t offset;
  memcpy(&offset, p->block + 36 * p->tokens + 4 * p->token, sizeof offset);
  return offset;
}

static void next_block(PackedToken *p) { p->block += (size_t)p->tokens * PACKED_BLOCK_BYTES; }

static float scale_at(const uint8_t *scales, int row) {
  uint16_t half;
  memcpy(&half, scales + 2 * (row % 4 * 2 + row / 4), 2);
  return f16_biased(half);
}

static int dot_nibbles(const uint8_t *block, int row, const PackedToken *a) {
  int dot = 0;
  for (int c = 0; c < 16; c++) {
    const uint8_t pair = block[(c / 4 * TILE_ROWS + row) * 4 + c % 4];
    dot += (pair & 15) * packed_value(a, c) + (pair >> 4) * packed_value(a, c + 16);
  }
  return dot;
}

static float row_q4_0(const uint8_t *tile, int row, PackedToken a, int blocks) {
  float sum = 0;
  for (int b = 0; b < blocks; b++, tile += 144, next_block(&a)) {
    const int dot = dot_nibbles(tile, row, &a) + packed_offset(&a);
    sum += (float)dot * (packed_scale(&a) * scale_at(tile + 128, row));
  }
  return sum;
}

static float row_q4_1(const uint8_t *tile, int row, PackedToken a, int blocks) {
  float sum = 0;
  for (int b = 0; b < blocks; b++, tile += 160, next_block(&a)) {
    sum += (float)dot_nibbles(tile, row, &a) * (packed_scale(&a) * scale_at(tile + 128, row));
    sum += (float)packed_offset(&a) * -0.125f * (packed_scale(&a) * scale_at(tile + 144, row));
  }
  return sum;
}

static float row_q8_0(const uint8_t *tile, int row, PackedToken a, int blocks) {
  float sum = 0;
  for (int b = 0; b < blocks; b++, tile += 272, next_block(&a)) {
    int dot = 0;
    for (int c = 0; c < 32; c++)
      dot += (tile[(c / 4 * TILE_ROWS + row) * 4 + c % 4] - 128) * packed_value(&a, c);
    sum += (float)dot * (packed_scale(&a) * scale_at(tile + 256, row));
  }
  return sum;
}

typedef float PackedRow(const uint8_t *tile, int row, PackedToken a, int blocks);

static void matmul_packed(PackedRow *product, TileKind kind, const uint8_t *tiles, int tile_count, const Activations *x,
                          float *y, size_t y_stride, bool add) {
  const size_t bytes = tile_bytes(kind, x->columns);
  for (int t = 0; t < x->tokens; t++)
    for (int r = 0; r < tile_count * TILE_ROWS; r++) {
      const uint8_t *tile = tiles + (size_t)(r / TILE_ROWS) * bytes;
      const float sum = product(tile, r % TILE_ROWS, packed_token(x, t), x->columns / TILE_BLOCK);
      float *out = y + (size_t)t * y_stride + r;
      *out = add ? *out + sum : sum;
    }
}

static void matmul_q4_0(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                        bool add) {
  matmul_packed(row_q4_0, TILE_Q4_0, tiles, tile_count, x, y, y_stride, add);
}

static void matmul_q4_1(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                        bool add) {
  matmul_packed(row_q4_1, TILE_Q4_1, tiles, tile_count, x, y, y_stride, add);
}

static void matmul_q8_0(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                        bool add) {
  matmul_packed(row_q8_0, TILE_Q8_0, tiles, tile_count, x, y, y_stride, add);
}

static float number_at(TileKind kind, const uint8_t *numbers, size_t index) {
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
        sum += values[c] * number_at(kind, tile, (size_t)(c * TILE_ROWS + r % TILE_ROWS));
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

static void pack_block(const float *x, int8_t *values, int value_stride, float *scale, int32_t *offset) {
  const float largest = quantize_largest(x, TILE_BLOCK), factor = quantize_factor(largest, 127);
  *scale = largest / 127.0f * F16_UNBIAS;
  int32_t sum = 0;
  for (int c = 0; c < TILE_BLOCK; c++) {
    const int8_t value = factor == 0 ? 0 : (int8_t)(bits_of_float(x[c] * factor + ROUND_MAGIC) & 0xff);
    values[c / 4 * value_stride + c % 4] = value;
    sum += value;
  }
  *offset = -8 * sum;
}

static void pack(const float *x, size_t stride, int tokens, int columns, uint8_t *packed) {
  for (int b = 0; b < columns / TILE_BLOCK; b++, packed += tokens * PACKED_BLOCK_BYTES)
    for (int t = 0; t < tokens; t++) {
      float scale;
      int32_t offset;
      pack_block(x + (size_t)t * stride + b * TILE_BLOCK, (int8_t *)packed + 4 * t, 4 * tokens, &scale, &offset);
      memcpy(packed + 32 * tokens + 4 * t, &scale, sizeof scale);
      memcpy(packed + 36 * tokens + 4 * t, &offset, sizeof offset);
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

const Kernels kernels_reference = {
    .name = "reference",
    .packs = true,
    .matmul = {[TILE_Q4_0] = matmul_q4_0,
               [TILE_Q4_1] = matmul_q4_1,
               [TILE_Q8_0] = matmul_q8_0,
               [TILE_F32] = matmul_f32,
               [TILE_F16] = matmul_f16,
               [TILE_BF16] = matmul_bf16},
    .pack = pack,
    .rms_norm = rms_norm,
    .rope = rope,
    .swiglu = swiglu,
    REFERENCE_F16_PAGES,
};

// The exact set multiplies float activations with unpacked weights, whatever the kind. A row is unpacked in pieces that
// stay on the stack; block formats never straddle a piece.
enum { EXACT_PIECE = 256 };

static void exact_row(TileKind kind, const uint8_t *tile, int row, const Activations *x, float *y, size_t y_stride,
                      bool add) {
  for (int t = 0; t < x->tokens; t++) {
    double sum = 0;
    for (int begin = 0; begin < x->columns; begin += EXACT_PIECE) {
      float weights[EXACT_PIECE];
      const int n = x->columns - begin < EXACT_PIECE ? x->columns - begin : EXACT_PIECE;
      tile_unpack_row(kind, n, tile + tile_bytes(kind, begin), row, weights);
      const float *values = x->values + (size_t)t * x->stride + begin;
      for (int c = 0; c < n; c++)
        sum += (double)values[c] * (double)weights[c];
    }
    float *out = y + (size_t)t * y_stride;
    *out = add ? *out + (float)sum : (float)sum;
  }
}

static void exact_matmul(TileKind kind, const uint8_t *tiles, int tile_count, const Activations *x, float *y,
                         size_t y_stride, bool add) {
  const size_t bytes = tile_bytes(kind, x->columns);
  for (int r = 0; r < tile_count * TILE_ROWS; r++)
    exact_row(kind, tiles + (size_t)(r / TILE_ROWS) * bytes, r % TILE_ROWS, x, y + r, y_stride, add);
}

#define EXACT(name, kind)                                                                                             \
  static void name(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride, bool add) { \
    exact_matmul(kind, tiles, tile_count, x, y, y_stride, add);                                                       \
  }
EXACT(exact_q4_0, TILE_Q4_0)
EXACT(exact_q4_1, TILE_Q4_1)
EXACT(exact_q8_0, TILE_Q8_0)
EXACT(exact_f32, TILE_F32)
EXACT(exact_f16, TILE_F16)
EXACT(exact_bf16, TILE_BF16)
#undef EXACT

const Kernels kernels_exact = {
    .name = "exact",
    .packs = false,
    .matmul = {[TILE_Q4_0] = exact_q4_0,
               [TILE_Q4_1] = exact_q4_1,
               [TILE_Q8_0] = exact_q8_0,
               [TILE_F32] = exact_f32,
               [TILE_F16] = exact_f16,
               [TILE_BF16] = exact_bf16},
    .pack = pack,
    .rms_norm = rms_norm,
    .rope = rope,
    .swiglu = swiglu,
    REFERENCE_F32_PAGES,
};
