// Compares every kernel of every set with its scalar twin, bit for bit, on odd sizes and with poisoned outputs; where
// there is only the reference (natively), it is compared with plain double arithmetic instead. With --bench or
// --bench=TYPE,TYPE it measures; with --skip-wrong it leaves out sets that this platform computes wrongly.
#include <math.h>
#include <stdlib.h>

#include "all_sets.h"
#include "check.h"
#include "float_math.h"
#include "kernel_bench.h"
#include "kernels.h"
#include "kv_cache.h"
#include "pack_check.h"
#include "quant.h"
#include "random_product.h"
#include "scale_check.h"
#include "tile_end_check.h"

static const struct {
  int rows, columns, tokens;
} shapes[] = {{1, 32, 1},    {7, 64, 2},   {8, 32, 3},    {9, 96, 4},     {24, 160, 5},
              {33, 1024, 1}, {50, 352, 9}, {16, 4096, 6}, {9, 1312, 271}, {41, 4352, 1},
              {17, 352, 7},  {8, 32, 131}, {17, 512, 8},  {17, 352, 10},  {17, 352, 11}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

TEST(matmulEqualsReference) {
  const Sets sets = all_sets();
  uint32_t state = 1;
  for (int type = 0; type < WEIGHT_TYPES; type++)
    for (int i = 0; i < SHAPES; i++)
      for (int add = 0; add < 2; add++) {
        const int odd = type < WEIGHT_TYPES - 3 ? 0 : 5;  // float weights take any number of columns
        Product p = make_product(type, shapes[i].rows, shapes[i].columns + odd, shapes[i].tokens, &state);
        float *expected = multiply(&kernels_reference, &p, add);
        for (int s = 0; s < sets.count; s++) {
          float *found = multiply(sets.sets[s], &p, add);
          if (!CHECK(memcmp(found, expected, p.y_floats * sizeof *found) == 0))
            printf("  set %s, %s, %d x %d, %d tokens\n", sets.sets[s]->name, quant_format(p.type)->name, p.rows,
                   p.columns, p.tokens);
          free(found);
        }
        free(expected);
        free_product(&p);
      }
}

// Tiles read side by side, and those that are left over.
TEST(tilesAbreastEqualReference) {
  const Sets sets = all_sets();
  uint32_t state = 5;
  for (int type = 0; type < WEIGHT_TYPES; type++)
    for (int tiles = 1; tiles < 20; tiles++)
      for (int add = 0; add < 2; add++) {
        Product p = make_product(type, tiles * TILE_ROWS - tiles % 3, 32 * tiles, 1, &state);
        float *expected = multiply(&kernels_reference, &p, add);
        for (int s = 0; s < sets.count; s++) {
          MatmulKernel *const abreast = sets.sets[s]->matmul_abreast[p.kind];
          CHECK(abreast != NULL || p.kind != TILE_Q4_0);
          if (abreast == NULL) continue;
          float *found = multiply_by(abreast, &p, add);
          CHECK(memcmp(found, expected, p.y_floats * sizeof *found) == 0);
          free(found);
        }
        free(expected);
        free_product(&p);
      }
}

// The largest activations and weights that can meet: nothing may overflow on the way. Scales stay as they are.
TEST(matmulHoldsExtremes) {
  const Sets sets = all_sets();
  enum { EXTREME_TOKENS = LEAST_PANELLED + 1 };
  static const uint8_t fills[] = {0, 0xff, 0x80, 0x7f};
  uint32_t state = 9;
  for (int type = 0; type < WEIGHT_TYPES; type++) {
    for (size_t fill = 0; fill < sizeof fills; fill++) {
      Product p = make_product(type, 8, 64, EXTREME_TOKENS, &state);
      if (!tile_is_quantized(p.kind)) {
        free_product(&p);
        continue;
      }
      const QuantFormat *format = quant_format(p.type);
      const size_t bytes = file_row_bytes(p.type, p.columns) * 8;
      memset(p.file, fills[fill], bytes);
      for (size_t i = 0; i < bytes; i += (size_t)format->block_bytes)
        set_scales(&weight_types[type], p.file + i, LARGEST_WEIGHT, random_float(&state));
      free(p.tiles);
      p.tiles = tile_up(p.type, p.columns, 8, p.file);
      for (size_t i = 0; i < EXTREME_TOKENS * p.stride; i++)
        p.x[i] = i % p.stride < 32 ? 3.0f : -3.0f;
      pack_tokens(&kernels_reference, &p, p.packed);
      float *expected = multiply(&kernels_reference, &p, false);
      float *exact = multiply(&kernels_exact, &p, false);
      for (int r = 0; r < 8; r++)
        if (!CHECK(fabsf(expected[r] - exact[r]) <= 2e-3f * (1 + fabsf(exact[r]))))
          printf("  %s, filled with %d: %g instead of %g\n", format->name, fills[fill], expected[r], exact[r]);
      for (int s = 0; s < sets.count; s++) {
        float *found = multiply(sets.sets[s], &p, false);
        CHECK(memcmp(found, expected, p.y_floats * sizeof *found) == 0);
        free(found);
      }
      free(expected);
      free(exact);
      free_product(&p);
    }
  }
}

// What int8 activations may be off: half a step in 127 of each block's largest value, at random.
TEST(referenceIsNearExact) {
  uint32_t state = 2;
  for (int type = 0; type < WEIGHT_TYPES; type++)
    for (int i = 0; i < SHAPES; i++) {
      Product p = make_product(type, shapes[i].rows + 15, shapes[i].columns, shapes[i].tokens, &state);
      float *found = multiply(&kernels_reference, &p, false), *exact = multiply(&kernels_exact, &p, false);
      double error = 0, size = 0;
      for (int t = 0; t < p.tokens; t++)
        for (int r = 0; r < p.rows; r++) {
          const size_t at = (size_t)t * p.y_stride + (size_t)r;
          error += pow((double)found[at] - (double)exact[at], 2);
          size += pow((double)exact[at], 2);
        }
      const double bound = tile_is_quantized(p.kind) ? 0.02 : 1e-5;
      if (!CHECK(sqrt(error) <= bound * sqrt(size)))
        printf("  %s, %d x %d: relative error %g\n", quant_format(p.type)->name, p.rows, p.columns, sqrt(error / size));
      CHECK(found[p.y_floats - 1] == poison);
      free(found);
      free(exact);
      free_product(&p);
    }
}

// Padding rows of the last tile come out as zeros.
TEST(paddingRowsAreZero) {
  uint32_t state = 3;
  for (int type = 0; type < WEIGHT_TYPES; type++) {
    Product p = make_product(type, 11, 64, 5, &state);
    float *y = multiply(&kernels_reference, &p, false);
    for (int t = 0; t < p.tokens; t++)
      for (int r = 11; r < 16; r++)
        CHECK(y[(size_t)t * p.y_stride + (size_t)r] == 0);
    free(y);
    free_product(&p);
  }
}

// Nothing is lost on the way into a tile.
TEST(tilesUnpackToTheFile) {
  uint32_t state = 4;
  for (int type = 0; type < WEIGHT_TYPES; type++) {
    Product p = make_product(type, 13, 96, 1, &state);
    const Matrix matrix = {p.kind, 13, p.columns, p.tiles};
    float *expected = allocate((size_t)p.columns * sizeof *expected);
    float *found = allocate((size_t)p.columns * sizeof *found);
    for (int r = 0; r < 13; r++) {
      const uint8_t *row = p.file + (size_t)r * file_row_bytes(p.type, p.columns);
      CHECK(quant_unpack(quant_format(p.type), row, expected, (size_t)p.columns));
      for (int c = 0; c < p.columns; c++)
        expected[c] *= quant_tensor_scale(quant_format(p.type), p.file + 13 * file_row_bytes(p.type, p.columns));
      matrix_row(&matrix, r, found);
      if (!CHECK(memcmp(found, expected, (size_t)p.columns * sizeof *found) == 0))
        printf("  %s, row %d\n", quant_format(p.type)->name, r);
    }
    free(expected);
    free(found);
    free_product(&p);
  }
}

// What the drawings in tiles.h say: no tile is larger than its part of the file but where a header or a wider code is.
TEST(tilesTakeTheBytesOfTheFile) {
  static const struct {
    uint32_t type;
    size_t bytes;  // of 8 rows of 256 columns
  } cases[] = {
      {GGML_Q4_0, 8 * 144},       {GGML_Q4_1, 8 * 160},  {GGML_Q5_0, 8 * 176},      {GGML_Q5_1, 8 * 192},
      {GGML_Q8_0, 8 * 272},       {GGML_Q2_K, 8 * 84},   {GGML_Q3_K, 16 + 8 * 112}, {GGML_Q4_K, 32 + 8 * 144},
      {GGML_Q5_K, 32 + 8 * 176},  {GGML_Q6_K, 8 * 210},  {GGML_IQ4_NL, 8 * 144},    {GGML_IQ4_XS, 16 + 8 * 136},
      {GGML_IQ3_S, 32 + 8 * 144}, {GGML_MXFP4, 8 * 136}, {GGML_NVFP4, 8 * 144},     {GGML_Q1_0, 8 * 36},
      {GGML_Q2_0, 8 * 72},        {GGML_TQ2_0, 8 * 66},  {GGML_I2_S, 16 + 8 * 64},  {GGML_F32, 8 * 1024},
      {GGML_F16, 8 * 512},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    TileKind kind;
    if (!CHECK(tile_kind_of(cases[i].type, 256, &kind))) continue;
    if (!CHECK_INT((int)tile_bytes(kind, 256), (int)cases[i].bytes))
      printf("  %s\n", quant_format(cases[i].type)->name);
  }
}

typedef struct {
  float *expected, *found;
  int count;
} Twins;

static Twins make_twins(int count, uint32_t *state) {
  Twins twins = {random_floats((size_t)count + GUARD, state), allocate(sizeof(float) * (size_t)(count + GUARD)), count};
  for (int i = 0; i < GUARD; i++)
    twins.expected[count + i] = poison;
  memcpy(twins.found, twins.expected, sizeof(float) * (size_t)(count + GUARD));
  return twins;
}

static bool twins_agree(const Twins *twins) {
  return memcmp(twins->found, twins->expected, sizeof(float) * (size_t)(twins->count + GUARD)) == 0;
}

static void free_twins(Twins *twins) {
  free(twins->expected);
  free(twins->found);
}

TEST(rowKernelsEqualReference) {
  const Sets sets = all_sets();
  uint32_t state = 6;
  for (int n = 1; n <= 133; n += n < 20 ? 1 : 37)
    for (int s = 0; s < sets.count; s++) {
      float *weight = random_floats((size_t)n, &state), *x = random_floats((size_t)n, &state);
      Twins norm = make_twins(n, &state), gate = make_twins(n, &state), head = make_twins(2 * n, &state);
      kernels_reference.rms_norm(x, weight, n, 1e-5f, norm.expected);
      sets.sets[s]->rms_norm(x, weight, n, 1e-5f, norm.found);
      CHECK(twins_agree(&norm));
      for (int i = 0; i < n; i++)
        gate.expected[i] = gate.found[i] = gate.expected[i] * 120;  // past exp's range
      kernels_reference.swiglu(gate.expected, weight, n);
      sets.sets[s]->swiglu(gate.found, weight, n);
      CHECK(twins_agree(&gate));
      for (int adjacent = 0; adjacent < 2; adjacent++) {
        kernels_reference.rope(head.expected, weight, x, n, adjacent);
        sets.sets[s]->rope(head.found, weight, x, n, adjacent);
        CHECK(twins_agree(&head));
      }
      free_twins(&norm);
      free_twins(&gate);
      free_twins(&head);
      free(weight);
      free(x);
    }
}

static uint16_t *random_halves(size_t count, float size, uint32_t *state) {
  uint16_t *halves = allocate(count * sizeof *halves);
  for (size_t i = 0; i < count; i++)
    halves[i] = f32_to_f16(random_float(state) * size);
  return halves;
}

// How large the numbers of a page are: queries, and keys and values.
typedef struct {
  float query, number;
} Sizes;

static void check_page(Check *check, const Kernels *kernels, int rows, int size, int from, int to, Sizes sizes,
                       uint32_t *state) {
  const int stride = size + 3;
  float *queries = random_floats((size_t)(rows * stride), state), *corrections = random_floats((size_t)rows, state);
  uint16_t *keys = random_halves((size_t)size * KV_PAGE_TOKENS, sizes.number, state);
  uint16_t *values = random_halves((size_t)kv_value_stride(size, KV_F16) * KV_PAGE_TOKENS, sizes.number, state);
  Twins scores = make_twins(rows * KV_PAGE_TOKENS, state), out = make_twins(rows * stride, state);
  for (int i = 0; i < rows * stride; i++)
    queries[i] *= sizes.query * F16_UNBIAS;
  kernels_reference.page_scores(queries, (size_t)stride, rows, keys, size, to, scores.expected);
  kernels->page_scores(queries, (size_t)stride, rows, keys, size, to, scores.found);
  CHECK(twins_agree(&scores));
  for (int r = 0; r < rows; r++) {
    float max_expected = 0.1f, max_found = 0.1f;
    float *expected = scores.expected + r * KV_PAGE_TOKENS, *found = scores.found + r * KV_PAGE_TOKENS;
    const float sum_expected = kernels_reference.page_softmax(expected, from, to, &max_expected, F16_UNBIAS);
    const float sum_found = kernels->page_softmax(found, from, to, &max_found, F16_UNBIAS);
    CHECK(memcmp(&sum_found, &sum_expected, sizeof sum_found) == 0);
    CHECK(memcmp(&max_found, &max_expected, sizeof max_found) == 0);
  }
  CHECK(twins_agree(&scores));
  kernels_reference.page_values(scores.expected, rows, values, from, to, size, corrections, out.expected,
                                (size_t)stride);
  kernels->page_values(scores.found, rows, values, from, to, size, corrections, out.found, (size_t)stride);
  CHECK(twins_agree(&out));
  free_twins(&scores);
  free_twins(&out);
  free(queries);
  free(corrections);
  free(keys);
  free(values);
}

static int8_t *random_bytes(size_t count, uint32_t *state) {
  int8_t *bytes = allocate(count);
  for (size_t i = 0; i < count; i++)
    bytes[i] = (int8_t)(random_float(state) * 127);
  return bytes;
}

static int16_t *quantized(const Kernels *kernels, const float *x, int rows, int n, int stride, int limit,
                          float *scales) {
  int16_t *q = allocate((size_t)(rows * stride) * sizeof *q);
  memset(q, 0x5a, (size_t)(rows * stride) * sizeof *q);
  for (int r = 0; r < rows; r++)
    scales[r] = kernels->quantize(x + r * n, n, limit, q + r * stride);
  return q;
}

static void check_int8_page(Check *check, const Kernels *kernels, int rows, int size, int from, int to,
                            uint32_t *state) {
  const int stride = kv_key_stride(size, KV_INT8) + 2, out_stride = size + 3;
  float *queries = random_floats((size_t)(rows * size), state), *corrections = random_floats((size_t)rows, state);
  float *scales = random_floats(KV_PAGE_TOKENS, state), *weights = random_floats((size_t)rows * KV_PAGE_TOKENS, state);
  int8_t *keys = random_bytes((size_t)kv_key_stride(size, KV_INT8) * KV_PAGE_TOKENS, state);
  int8_t *values = random_bytes((size_t)kv_value_stride(size, KV_INT8) * KV_PAGE_TOKENS, state);
  float q_scales[9], w_scales[9], other_scales[9];
  Twins scores = make_twins(rows * KV_PAGE_TOKENS, state), out = make_twins(rows * out_stride, state);
  int16_t *q = quantized(&kernels_reference, queries, rows, size, stride, QUERY_LIMIT, q_scales);
  int16_t *other = quantized(kernels, queries, rows, size, stride, QUERY_LIMIT, other_scales);
  CHECK(memcmp(q, other, (size_t)(rows * stride) * sizeof *q) == 0);
  CHECK(memcmp(q_scales, other_scales, (size_t)rows * sizeof *q_scales) == 0);
  kernels_reference.int8_scores(q, (size_t)stride, q_scales, rows, keys, scales, size, to, scores.expected);
  kernels->int8_scores(q, (size_t)stride, q_scales, rows, keys, scales, size, to, scores.found);
  CHECK(twins_agree(&scores));
  for (int i = 0; i < rows * KV_PAGE_TOKENS; i++)
    if (i % KV_PAGE_TOKENS < from || i % KV_PAGE_TOKENS >= to) weights[i] = 0;
  int16_t *w = quantized(kernels, weights, rows, KV_PAGE_TOKENS, KV_PAGE_TOKENS, WEIGHT_LIMIT, w_scales);
  kernels_reference.int8_values(w, w_scales, rows, values, from, to, size, corrections, out.expected,
                                (size_t)out_stride);
  kernels->int8_values(w, w_scales, rows, values, from, to, size, corrections, out.found, (size_t)out_stride);
  CHECK(twins_agree(&out));
  free_twins(&scores);
  free_twins(&out);
  free(queries), free(corrections), free(scales), free(weights), free(keys), free(values), free(q), free(other),
      free(w);
}

TEST(pageKernelsEqualReference) {
  const Sets sets = all_sets();
  static const int sizes[] = {1, 2, 6, 16, 20, 33, 64, 80, 128};
  static const int ranges[][2] = {{0, 1}, {0, 64}, {0, 5}, {3, 17}, {63, 64}, {16, 48}, {15, 33}};
  uint32_t state = 7;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++)
      for (int s = 0; s < sets.count; s++)
        for (int rows = 1; rows <= 9; rows += rows < 5 ? 1 : 4)
          check_page(check, sets.sets[s], rows, sizes[i], ranges[r][0], ranges[r][1], (Sizes){1, 1}, &state);
}

// Scores so far apart that most weights are at the floor of exp_f32(), and halves of which some or all are below the
// least normal one, so that what they become and what they are multiplied to are denormal floats.
TEST(pageKernelsEqualReferenceAtTheFloorOfFloats) {
  const Sets sets = all_sets();
  static const Sizes sizes[] = {{100, 1}, {1e5f, 1e-3f}, {1e7f, 1e-5f}, {1, 1e-5f}};
  uint32_t state = 13;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int s = 0; s < sets.count; s++)
      for (int rows = 1; rows <= 5; rows++)
        check_page(check, sets.sets[s], rows, 20, 3, 61, sizes[i], &state);
}

TEST(int8PageKernelsEqualReference) {
  const Sets sets = all_sets();
  static const int sizes[] = {1, 2, 6, 16, 20, 33, 64, 80, 128};
  static const int ranges[][2] = {{0, 1}, {0, 64}, {0, 5}, {3, 17}, {63, 64}, {16, 48}, {15, 33}};
  uint32_t state = 11;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++)
      for (int s = 0; s < sets.count; s++)
        for (int rows = 1; rows <= 9; rows += rows < 5 ? 1 : 4)
          check_int8_page(check, sets.sets[s], rows, sizes[i], ranges[r][0], ranges[r][1], &state);
}

// The largest numbers that can meet, in the largest head: nothing may overflow on the way. No engine writes -128, but a
// forged page may have it.
TEST(int8PagesHoldExtremes) {
  enum { SIZE = 4096 };
  const Sets sets = all_sets();
  int8_t *numbers = allocate((size_t)SIZE * KV_PAGE_TOKENS);
  memset(numbers, -128, (size_t)SIZE * KV_PAGE_TOKENS);
  int16_t *q = allocate(SIZE * sizeof *q), weights[KV_PAGE_TOKENS];
  float scales[KV_PAGE_TOKENS], scores[KV_PAGE_TOKENS], out[8] = {0};
  for (int i = 0; i < SIZE; i++)
    q[i] = -QUERY_LIMIT;
  for (int t = 0; t < KV_PAGE_TOKENS; t++)
    weights[t] = WEIGHT_LIMIT, scales[t] = 1;
  for (int s = -1; s < sets.count; s++) {
    const Kernels *kernels = s < 0 ? &kernels_reference : sets.sets[s];
    kernels->int8_scores(q, SIZE, scales, 1, numbers, scales, SIZE, KV_PAGE_TOKENS, scores);
    CHECK(scores[0] == 128.0f * QUERY_LIMIT * SIZE && scores[KV_PAGE_TOKENS - 1] == scores[0]);
    kernels->int8_values(weights, scales, 1, numbers, 0, KV_PAGE_TOKENS, 8, (float[]){0}, out, 8);
    CHECK(out[0] == -128.0f * WEIGHT_LIMIT * KV_PAGE_TOKENS && out[7] == out[0]);
  }
  free(numbers);
  free(q);
}

static void check_softmax(Check *check, float spread) {
  uint32_t state = 8;
  float *scores = random_floats(KV_PAGE_TOKENS, &state), plain[KV_PAGE_TOKENS];
  for (int t = 0; t < KV_PAGE_TOKENS; t++)
    plain[t] = scores[t] *= spread;
  float max = -INFINITY;
  const float sum = kernels_reference.page_softmax(scores, 3, 60, &max, F16_UNBIAS);
  double expected_sum = 0;
  for (int t = 3; t < 60; t++)
    expected_sum += exp((double)plain[t] - (double)max);
  CHECK(fabs((double)sum - expected_sum) < 1e-5 * expected_sum);
  for (int t = 0; t < KV_PAGE_TOKENS; t++) {
    const double expected = t >= 3 && t < 60 ? exp((double)plain[t] - (double)max) : 0;
    CHECK(fabs((double)(scores[t] / F16_UNBIAS) - expected) < 1e-6);
  }
  free(scores);
}

// Where the scores lie far apart too, though no weight is below exp_f32()'s least.
TEST(softmaxIsASoftmax) {
  check_softmax(check, 20);
  check_softmax(check, 200);
}

// A page by the reference, against the formula in double.
TEST(pagesAttendAsTheFormulaSays) {
  enum { SIZE = 11, TO = 37 };
  uint32_t state = 10;
  float *query = random_floats(SIZE, &state), scores[KV_PAGE_TOKENS], out[SIZE] = {0};
  uint16_t *keys = random_halves(SIZE * KV_PAGE_TOKENS, 1, &state);
  uint16_t *values = random_halves((size_t)kv_value_stride(SIZE, KV_F16) * KV_PAGE_TOKENS, 1, &state);
  double weights[TO], total = 0;
  for (int t = 0; t < TO; t++) {
    double score = 0;
    for (int d = 0; d < SIZE; d++)
      score += (double)query[d] * f16_to_f32(keys[kv_key_index(SIZE, d, t, KV_F16)]);
    total += weights[t] = exp(score);
  }
  for (int d = 0; d < SIZE; d++)
    query[d] *= F16_UNBIAS;
  float max = -INFINITY;
  const float correction = 1;
  kernels_reference.page_scores(query, SIZE, 1, keys, SIZE, TO, scores);
  const float sum = kernels_reference.page_softmax(scores, 0, TO, &max, F16_UNBIAS);
  kernels_reference.page_values(scores, 1, values, 0, TO, SIZE, &correction, out, SIZE);
  for (int d = 0; d < SIZE; d++) {
    double expected = 0;
    for (int t = 0; t < TO; t++)
      expected += weights[t] / total * f16_to_f32(values[kv_value_index(SIZE, d, t, KV_F16)]);
    CHECK(fabs((double)(out[d] / sum) - expected) < 1e-5);
  }
  free(query);
  free(keys);
  free(values);
}

int main(int argc, char **argv) {
  bool benching = false;
  const char *types = NULL;
  for (int i = 1; i < argc; i++) {
    benching |= strncmp(argv[i], "--bench", 7) == 0;
    if (strncmp(argv[i], "--bench=", 8) == 0) types = argv[i] + 8;
    skip_wrong |= strcmp(argv[i], "--skip-wrong") == 0;
  }
  if (benching) {
    const Sets sets = all_sets();
    kernel_bench(sets.sets, sets.count, types);
    return 0;
  }
  Check checks = {0}, *check = &checks;
  // A native build has the reference only, and nothing to compare with it.
  if (all_sets().count > 0) {
#ifdef NIBBLE_WASM_KERNELS
    RUN(check, readsNothingBehindTheTiles);
#endif
    RUN(check, matmulEqualsReference);
    RUN(check, tilesAbreastEqualReference);
    RUN(check, everyScaleEqualsReference);
    RUN(check, everyTensorScaleEqualsReference);
    RUN(check, rowKernelsEqualReference);
    RUN(check, pageKernelsEqualReference);
    RUN(check, pageKernelsEqualReferenceAtTheFloorOfFloats);
    RUN(check, int8PageKernelsEqualReference);
    RUN(check, packsWhatIsNoNumberAlike);
    RUN(check, packEqualsReference);
  }
  RUN(check, matmulHoldsExtremes);
  RUN(check, referenceIsNearExact);
  RUN(check, paddingRowsAreZero);
  RUN(check, tilesUnpackToTheFile);
  RUN(check, tilesTakeTheBytesOfTheFile);
  RUN(check, packsTinyAndBrokenBlocksAsZeros);
  RUN(check, quantizesWhatIsNoNumberAlike);
  RUN(check, int8PagesHoldExtremes);
  RUN(check, quantizesToTheNearest);
  RUN(check, softmaxIsASoftmax);
  RUN(check, pagesAttendAsTheFormulaSays);
  return check_finish(check);
}
