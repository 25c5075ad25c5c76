// A set with one wrong kernel is found out, whichever it is, in whichever form: the promises of verification.h. The
// wrong ones compute by the reference and then change a little.
#include "verification.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "kernel_choice.h"
#include "quant.h"
#include "tile_rows.h"

// A kernel that is added to the struct has to be verified and to get its line below.
typedef struct {
  const char *name;
  bool packs;
  void (*matmul[TILE_KINDS])(void);
  void (*matmul_abreast[TILE_KINDS])(void);
  int tiles_abreast;
  void (*rows[5])(void);
  bool f32_pages;
  void (*pages[6])(void);
} Known;
_Static_assert(sizeof(Known) == sizeof(Kernels), "a kernel is verified and tried here, or the set has no such kernel");

// Of which kind the product is that is wrong now, and how; kernels take no context.
static TileKind wrong_kind;
static enum { RIGHT, NOTHING, PANELS, FILLED, SINGLE, ADDS, SETS, LAST_TILE, BEHIND, ONES, LOW_BIT } wrong_how;
enum { WAYS = LOW_BIT + 1 };

static void wrong_matmul(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                         bool add) {
  if (wrong_how == NOTHING) return;
  kernels_reference.matmul[wrong_kind](tiles, tile_count, x, y, y_stride, add);
  const int full = x->tokens / PANEL_TOKENS * PANEL_TOKENS, in_panels = packed_panels(x->tokens) * PANEL_TOKENS,
            rows = tile_count * TILE_ROWS;
  for (int t = 0; t < x->tokens; t++) {
    float *row = y + (size_t)t * y_stride;
    const bool of_ones = x->values[(size_t)t * x->stride] == 1 && x->values[(size_t)t * x->stride + 1] == 1;
    if (wrong_how == PANELS && t < in_panels) row[3] += 1;
    if (wrong_how == FILLED && t >= full && t < in_panels) row[3] += 1;
    if (wrong_how == SINGLE && t >= in_panels) row[3] += 1;
    if ((wrong_how == ADDS && add) || (wrong_how == SETS && !add)) row[0] += 1;
    if (wrong_how == LAST_TILE) row[rows - 1] += 1;
    if (wrong_how == BEHIND) row[rows] = 0;
    if (wrong_how == ONES && of_ones) row[1] += 1;
    if (wrong_how == LOW_BIT) row[5] = nextafterf(row[5], INFINITY);
  }
}

static bool passes_with(Check *check, const Kernels *kernels, uint32_t kinds) {
  Verification *verification = verification_create(kinds);
  if (!CHECK(verification != NULL)) return false;
  const bool passes = verification_passes(verification, kernels);
  verification_free(verification);
  CHECK(passes == kernels_verify(kernels, kinds, NULL));
  return passes;
}

static bool passes(Check *check, const Kernels *kernels) { return passes_with(check, kernels, 1 << TILE_Q4_0); }

TEST(finds_a_wrong_product_of_every_kind_in_every_form) {
  Kernels set = kernels_reference;
  set.name = "wrong";
  CHECK(passes_with(check, &set, TILE_ALL_KINDS));
  const int stride = check_stride(3);
  for (int kind = 0; kind < TILE_KINDS; kind++)
    for (int how = kind % stride; how < WAYS; how += stride) {
      wrong_kind = (TileKind)kind;
      wrong_how = how;
      set.matmul[kind] = wrong_matmul;
      if (!CHECK(passes_with(check, &set, UINT32_C(1) << kind) == (how == RIGHT)))
        printf("  kind %d, wrong in way %d\n", kind, how);
      set.matmul[kind] = kernels_reference.matmul[kind];
      set.matmul_abreast[kind] = wrong_matmul;
      // No panel is read side by side.
      if (!CHECK(passes_with(check, &set, UINT32_C(1) << kind) == (how == RIGHT || how == PANELS || how == FILLED)))
        printf("  side by side, %d, way %d\n", kind, how);
      set.matmul_abreast[kind] = NULL;
    }
  set.matmul[TILE_Q8_0] = NULL;
  CHECK(!passes_with(check, &set, TILE_ALL_KINDS));
}

// The codebook whose values are misread now, and at which code.
static uint8_t wrong_book[16];
static int wrong_code;

static void wrong_grid_matmul(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                              bool add) {
  const size_t superblock = tile_bytes(TILE_GRID, TILE_SUPERBLOCK), bytes = tile_bytes(TILE_GRID, x->columns);
  uint8_t *misread = malloc((size_t)tile_count * bytes);
  if (misread == NULL) abort();
  memcpy(misread, tiles, (size_t)tile_count * bytes);
  for (size_t at = 0; at < (size_t)tile_count * bytes; at += superblock) {
    uint8_t *book = misread + at + 2 * TILE_ROWS;
    if (memcmp(book, wrong_book, sizeof wrong_book) == 0) book[wrong_code]++;
  }
  kernels_reference.matmul[TILE_GRID](misread, tile_count, x, y, y_stride, add);
  free(misread);
}

// The header of a tile says what its codes mean; no type's header may be misread unseen.
TEST(finds_a_wrong_value_of_every_codebook) {
  enum { MOST_TYPES = 64, MOST_BYTES = 128 };
  int types = 0, codes = 0;
  for (uint32_t type = 0; type < MOST_TYPES; type++) {
    TileKind kind;
    if (!tile_kind_of(type, TILE_SUPERBLOCK, &kind) || kind != TILE_GRID) continue;
    const uint8_t block[MOST_BYTES] = {0};
    uint8_t *tile = malloc(tile_bytes(TILE_GRID, TILE_SUPERBLOCK));
    if (tile == NULL || !CHECK(quant_format(type)->block_bytes <= MOST_BYTES)) abort();
    TileRowReader reader;
    tile_row_reader(type, &reader);
    tile_pack(&reader, TILE_SUPERBLOCK, block, 1, tile);
    memcpy(wrong_book, tile + 2 * TILE_ROWS, sizeof wrong_book);
    free(tile);
    types++;
    // A value of 0 stands behind the last of a shorter book: no code names it.
    for (wrong_code = 0; wrong_code < 16 && wrong_book[wrong_code] != 0; wrong_code++, codes++)
      for (int abreast = 0; abreast < 2; abreast++) {
        Kernels set = kernels_reference;
        (abreast ? set.matmul_abreast : set.matmul)[TILE_GRID] = wrong_grid_matmul;
        if (!CHECK(!passes_with(check, &set, 1 << TILE_GRID))) printf("  type %u, code %d\n", type, wrong_code);
      }
  }
  CHECK_INT(types, 7);
  CHECK_INT(codes, 2 * 6 + 3 * 6 + 2 * 16);
}

static void wrong_pack(const float *x, size_t stride, int tokens, int columns, uint8_t *packed) {
  kernels_reference.pack(x, stride, tokens, columns, packed);
  for (int b = 0; b < columns / TILE_BLOCK; b++) {
    uint8_t *block = packed + b * packed_width(tokens) * PACKED_BLOCK_BYTES;
    const float *from = x + b * TILE_BLOCK;
    const float largest = quantize_largest(from, TILE_BLOCK);
    const bool odd = wrong_how == PANELS   ? tokens > 1
                     : wrong_how == FILLED ? tokens > 1 && tokens < PANEL_TOKENS
                     : wrong_how == SINGLE ? tokens == 1
                     : wrong_how == BEHIND ? largest == INFINITY
                     : wrong_how == ONES   ? largest > 0 && largest < QUANTIZE_LEAST
                                           : wrong_how != RIGHT;
    if (odd) block[0] ^= 1;
  }
}

TEST(finds_wrong_packing_of_panels_tokens_and_broken_blocks) {
  Kernels set = kernels_reference;
  set.pack = wrong_pack;
  wrong_how = RIGHT;
  CHECK(passes(check, &set));
  for (int how = PANELS; how < WAYS; how++) {
    wrong_how = how;
    CHECK(!passes(check, &set));
  }
}

static void wrong_tabulate(const uint8_t *packed, int columns, uint8_t *tables) {
  (void)packed;
  memset(tables, 1, (size_t)(columns / TILE_BLOCK) * TABLE_BLOCK_BYTES);
  tables[columns / TILE_BLOCK * TABLE_BLOCK_BYTES - 1] += wrong_how != RIGHT;
}

// Reads the tables, where there are some.
static void table_matmul(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                         bool add) {
  kernels_reference.matmul[TILE_Q1_0](tiles, tile_count, x, y, y_stride, add);
  for (int i = 0; x->tables != NULL && i < x->columns / TILE_BLOCK * TABLE_BLOCK_BYTES; i++)
    y[0] += (float)(x->tables[i] - 1);
}

TEST(finds_wrong_tables_of_sums) {
  Kernels set = kernels_reference;
  set.tabulate = wrong_tabulate;
  set.matmul[TILE_Q1_0] = table_matmul;
  wrong_how = RIGHT;
  CHECK(passes_with(check, &set, 1 << TILE_Q1_0));
  wrong_how = LOW_BIT;
  CHECK(!passes_with(check, &set, 1 << TILE_Q1_0));
}

static void wrong_rms_norm(const float *x, const float *weight, int n, float epsilon, float *y) {
  kernels_reference.rms_norm(x, weight, n, epsilon, y);
  y[n - 1] = nextafterf(y[n - 1], 9);
}

static void wrong_rope(float *head, const float *cosine, const float *sine, int pairs, bool adjacent) {
  kernels_reference.rope(head, cosine, sine, pairs, adjacent);
  if (adjacent == (wrong_how == PANELS)) head[0] += 1;
}

static void wrong_swiglu(float *gate, const float *up, int n) {
  kernels_reference.swiglu(gate, up, n);
  gate[n - 1] += 1;
}

static void wrong_page_scores(const float *queries, size_t stride, int rows, const void *keys, int head_size, int to,
                              float *scores) {
  kernels_reference.page_scores(queries, stride, rows, keys, head_size, to, scores);
  scores[(rows - 1) * KV_PAGE_TOKENS] += 1;
}

static float wrong_page_softmax(float *scores, int from, int to, float *max, float scale) {
  const float sum = kernels_reference.page_softmax(scores, from, to, max, scale);
  if (wrong_how == PANELS) *max += 1;
  if (wrong_how == SINGLE) scores[from] = nextafterf(scores[from], 9);
  return wrong_how == ADDS ? sum * 2 : sum;
}

static void wrong_page_values(const float *scores, int rows, const void *values, int from, int to, int head_size,
                              const float *corrections, float *out, size_t stride) {
  kernels_reference.page_values(scores, rows, values, from, to, head_size, corrections, out, stride);
  out[head_size - 1] += 1;
}

static float wrong_quantize(const float *x, int n, int limit, int16_t *q) {
  const float scale = kernels_reference.quantize(x, n, limit, q);
  if (wrong_how == PANELS) q[n - 1]++;
  return wrong_how == PANELS ? scale : scale * 2;
}

static void wrong_int8_scores(const int16_t *q, size_t stride, const float *q_scales, int rows, const int8_t *keys,
                              const float *key_scales, int head_size, int to, float *scores) {
  kernels_reference.int8_scores(q, stride, q_scales, rows, keys, key_scales, head_size, to, scores);
  scores[to - 1] += 1;
}

static void wrong_int8_values(const int16_t *weights, const float *weight_scales, int rows, const int8_t *values,
                              int from, int to, int head_size, const float *corrections, float *out, size_t stride) {
  kernels_reference.int8_values(weights, weight_scales, rows, values, from, to, head_size, corrections, out, stride);
  out[0] += 1;
}

TEST(finds_every_wrong_kernel_of_rows_and_pages) {
#define WRONG(kernel, how)           \
  do {                               \
    Kernels set = kernels_reference; \
    wrong_how = how;                 \
    set.kernel = wrong_##kernel;     \
    CHECK(!passes(check, &set));     \
  } while (0)
  WRONG(rms_norm, NOTHING);
  WRONG(rope, PANELS);
  WRONG(rope, SINGLE);
  WRONG(swiglu, NOTHING);
  WRONG(page_scores, NOTHING);
  WRONG(page_softmax, PANELS);
  WRONG(page_softmax, SINGLE);
  WRONG(page_softmax, ADDS);
  WRONG(page_values, NOTHING);
  WRONG(quantize, PANELS);
  WRONG(quantize, SINGLE);
  WRONG(int8_scores, NOTHING);
  WRONG(int8_values, NOTHING);
#undef WRONG
}

TEST(measures_no_set_with_a_wrong_kernel) {
  Kernels right = kernels_reference, wrong = kernels_reference;
  right.name = "right";
  wrong.name = "wrong";
  wrong.matmul[TILE_BF16] = wrong_matmul;
  wrong_kind = TILE_BF16;
  wrong_how = LOW_BIT;
  double rates[2];
  kernels_measure((const Kernels *const[]){&wrong, &right}, 2, TILE_ALL_KINDS, rates);
  CHECK(rates[0] == 0 && rates[1] > 0);
  NibbleError error = {.code = NIBBLE_OK};
  CHECK(!kernels_verify(&wrong, TILE_ALL_KINDS, &error));
  CHECK_STR(nibble_error_name((int)error.code), "KERNELS_WRONG");
  CHECK(strstr(error.message, "The kernel set wrong computes") != NULL);
}

int main(void) {
  Check check = {0};
  RUN(&check, finds_a_wrong_product_of_every_kind_in_every_form);
  RUN(&check, finds_a_wrong_value_of_every_codebook);
  RUN(&check, finds_wrong_tables_of_sums);
  RUN(&check, finds_wrong_packing_of_panels_tokens_and_broken_blocks);
  RUN(&check, finds_every_wrong_kernel_of_rows_and_pages);
  RUN(&check, measures_no_set_with_a_wrong_kernel);
  return check_finish(&check);
}
