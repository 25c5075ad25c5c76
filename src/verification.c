#include "verification.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kv_cache.h"
#include "quant.h"
#include "tile_rows.h"
#include "zeroed.h"

// Nine tiles: side by side eight or two times four, and one. Two panels of tokens and one that is filled up.
enum { TILES = 9, ROWS = TILES * TILE_ROWS, POOL = 32 };
enum { TOKENS = 2 * PANEL_TOKENS + LEAST_PANEL_TOKENS, PACKED_TOKENS = 3 * PANEL_TOKENS };
enum { SINGLES = 3 };
enum { GUARD = 8, Y_STRIDE = ROWS + GUARD };  // floats behind each token's output, which nobody may touch

typedef struct {
  int columns;
  uint8_t *tiles;
  float *x;          // [TOKENS, columns]
  uint8_t *packed;   // the tokens in panels
  uint8_t *singles;  // the first SINGLES tokens one by one
  float *expected;   // [TOKENS, Y_STRIDE] by the reference
} KindExample;

struct Verification {
  uint32_t chosen;  // a set of kinds
  KindExample kinds[TILE_KINDS];
};

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static float random_float(uint32_t *state) { return (float)next_random(state) * 0x1p-23f - 1.0f; }

// The tensor types whose blocks a kind's example is made of: one for each meaning that codes have in it.
enum { MOST_TYPES = 4 };

static int types_of(TileKind kind, uint32_t types[MOST_TYPES]) {
  static const uint32_t codebooks[MOST_TYPES] = {GGML_IQ1_S, GGML_IQ2_XXS, GGML_IQ3_XXS, GGML_IQ3_S};
  if (kind == TILE_GRID) {
    memcpy(types, codebooks, sizeof codebooks);
    return MOST_TYPES;
  }
  types[0] = tile_type_of(kind);
  return 1;
}

// A superblock of each type and at least two, in blocks that can be packed.
static int example_columns(TileKind kind) {
  uint32_t types[MOST_TYPES];
  const int count = types_of(kind, types), block = tile_columns(kind);
  return (count > 2 ? count : 2) * (block < TILE_BLOCK ? TILE_BLOCK : block);
}

// Superblocks of one row as a file has them, whose numbers are of a usual size.
typedef struct {
  TileKind kind;
  int columns;
  TileRowReader reader;
  size_t bytes;
  uint8_t *blocks; /* [POOL, bytes] */
  uint8_t *rows;   /* [TILE_ROWS, bytes] */
  uint8_t *tile;   /* of one block of columns */
  float *values;   /* [columns] */
} Pool;

static bool pool_create(Pool *pool, TileKind kind, uint32_t type) {
  const QuantFormat *format = quant_format(type);
  *pool = (Pool){.kind = kind, .columns = tile_columns(kind)};
  tile_row_reader(type, &pool->reader);
  pool->bytes = (size_t)(pool->columns / format->block_elements * format->block_bytes);
  pool->blocks = malloc(POOL * pool->bytes);
  pool->rows = malloc(TILE_ROWS * pool->bytes);
  pool->tile = malloc(tile_bytes(kind, pool->columns));
  pool->values = malloc((size_t)pool->columns * sizeof *pool->values);
  return pool->blocks != NULL && pool->rows != NULL && pool->tile != NULL && pool->values != NULL;
}

static void pool_free(Pool *pool) {
  free(pool->blocks);
  free(pool->rows);
  free(pool->tile);
  free(pool->values);
}

static bool is_usual(const Pool *pool, const uint8_t *block) {
  tile_pack(&pool->reader, pool->columns, block, 1, pool->tile);
  tile_unpack_row(pool->kind, pool->columns, pool->tile, 0, pool->values);
  const float largest = quantize_largest(pool->values, pool->columns);
  return largest >= 0x1p-10f && largest <= 0x1p10f;
}

// Sets every byte of a block to `value` that leaves it usual: all of its quants, and of its scales what can be.
static void make_extreme(const Pool *pool, uint8_t *block, uint8_t value) {
  for (size_t i = 0; i < pool->bytes; i++) {
    const uint8_t before = block[i];
    block[i] = value;
    if (!is_usual(pool, block)) block[i] = before;
  }
}

static void fill_pool(const Pool *pool, uint32_t *state) {
  for (int b = 0; b < POOL; b++) {
    uint8_t *block = pool->blocks + (size_t)b * pool->bytes;
    do {
      for (size_t i = 0; i < pool->bytes; i++)
        block[i] = (uint8_t)next_random(state);
    } while (!is_usual(pool, block));
  }
  make_extreme(pool, pool->blocks, 0xff);
  make_extreme(pool, pool->blocks + pool->bytes, 0x00);
  make_extreme(pool, pool->blocks + 2 * pool->bytes, 0x80);
}

// Fills every `count`-th superblock, a later one in each next tile: so every tile has all types, and no two neighbours
// begin alike.
static void fill_tiles(const Pool *pool, int index, int count, KindExample *example, uint32_t *state) {
  const size_t superblock = tile_bytes(pool->kind, pool->columns);
  const int superblocks = example->columns / pool->columns;
  for (int t = 0; t < TILES; t++)
    for (int s = 0; s < superblocks; s++) {
      if ((s + t) % count != index) continue;
      for (size_t row = 0; row < TILE_ROWS; row++)
        memcpy(pool->rows + row * pool->bytes, pool->blocks + next_random(state) % POOL * pool->bytes, pool->bytes);
      tile_pack(&pool->reader, pool->columns, pool->rows, TILE_ROWS,
                example->tiles + (size_t)(t * superblocks + s) * superblock);
    }
}

static bool make_tiles(TileKind kind, KindExample *example, uint32_t *state) {
  uint32_t types[MOST_TYPES];
  const int count = types_of(kind, types);
  bool ready = true;
  for (int i = 0; i < count && ready; i++) {
    Pool pool;
    ready = pool_create(&pool, kind, types[i]);
    if (ready) {
      fill_pool(&pool, state);
      fill_tiles(&pool, i, count, example, state);
    }
    pool_free(&pool);
  }
  return ready;
}

// The largest sums of activations either way, such as cancel each other, and random ones.
static float activation(int token, int column, uint32_t *state) {
  switch (token) {
    case 1: return 1;
    case 2: return -1;
    case 3: return column % 2 ? 1 : -1;
    default: return random_float(state);
  }
}

static void pack_all(const Kernels *kernels, const KindExample *example, uint8_t *packed, uint8_t *singles) {
  const int columns = example->columns;
  const size_t bytes = (size_t)(columns / TILE_BLOCK) * PACKED_BLOCK_BYTES, stride = (size_t)columns;
  for (int t = 0; t < TOKENS; t += PANEL_TOKENS)
    kernels->pack(example->x + (size_t)t * stride, stride, TOKENS - t < PANEL_TOKENS ? TOKENS - t : PANEL_TOKENS,
                  columns, packed + (size_t)t * bytes);
  for (int t = 0; t < SINGLES; t++)
    kernels->pack(example->x + (size_t)t * stride, stride, 1, columns, singles + (size_t)t * bytes);
}

static bool make_example(TileKind kind, KindExample *example, uint32_t *state) {
  const int columns = example->columns = example_columns(kind);
  const size_t token_bytes = (size_t)(columns / TILE_BLOCK) * PACKED_BLOCK_BYTES;
  example->tiles = malloc(tile_bytes(kind, columns) * TILES);
  example->x = malloc((size_t)(TOKENS * columns) * sizeof *example->x);
  example->packed = malloc(PACKED_TOKENS * token_bytes);
  example->singles = malloc(SINGLES * token_bytes);
  example->expected = zeroed(TOKENS * Y_STRIDE, sizeof *example->expected);
  if (example->tiles == NULL || example->x == NULL || example->packed == NULL || example->singles == NULL ||
      example->expected == NULL || !make_tiles(kind, example, state))
    return false;
  for (int i = 0; i < TOKENS * columns; i++)
    example->x[i] = activation(i / columns, i % columns, state);
  pack_all(&kernels_reference, example, example->packed, example->singles);
  const Activations input = {example->x, (size_t)columns, example->packed, TOKENS, columns, NULL};
  kernels_reference.matmul[kind](example->tiles, TILES, &input, example->expected, Y_STRIDE, false);
  return true;
}

Verification *verification_create(uint32_t kinds) {
  Verification *verification = calloc(1, sizeof *verification);
  uint32_t state = 1;
  if (verification != NULL) verification->chosen = kinds;
  for (int kind = 0; kind < TILE_KINDS && verification != NULL; kind++) {
    if ((kinds >> kind & 1) == 0) continue;
    if (make_example((TileKind)kind, &verification->kinds[kind], &state)) continue;
    verification_free(verification);
    return NULL;
  }
  return verification;
}

void verification_free(Verification *verification) {
  if (verification == NULL) return;
  for (int kind = 0; kind < TILE_KINDS; kind++) {
    KindExample *example = &verification->kinds[kind];
    free(example->tiles);
    free(example->x);
    free(example->packed);
    free(example->singles);
    free(example->expected);
  }
  free(verification);
}

// What stands in an output before a product is added to it, or is not to be left there.
static float before_at(int index, bool add) { return add ? (float)(index % 13) : -1.2345e30f; }

// One product of `tokens` tokens from `first` on, in `packed`, by one form of the product.
static bool product_agrees(MatmulKernel *matmul, const KindExample *example, const uint8_t *packed,
                           const uint8_t *tables, int first, int tokens, bool add) {
  float y[TOKENS * Y_STRIDE];
  const size_t stride = (size_t)example->columns;
  const Activations input = {example->x + (size_t)first * stride, stride, packed, tokens, example->columns, tables};
  for (int i = 0; i < tokens * Y_STRIDE; i++)
    y[i] = before_at(i, add);
  matmul(example->tiles, TILES, &input, y, Y_STRIDE, add);
  for (int i = 0; i < tokens * Y_STRIDE; i++) {
    const float product = example->expected[first * Y_STRIDE + i], before = before_at(i, add);
    const float expected = i % Y_STRIDE >= ROWS ? before : add ? before + product : product;
    if (bits_of_float(y[i]) != bits_of_float(expected)) return false;
  }
  return true;
}

// One token's product with one-bit weights, whose sums are looked up.
static bool lookups_agree(const Kernels *kernels, const KindExample *example) {
  enum { BLOCKS = 8 };
  _Alignas(16) uint8_t tables[BLOCKS * TABLE_BLOCK_BYTES];
  if (example->columns > BLOCKS * TILE_BLOCK) return false;
  kernels->tabulate(example->singles, example->columns, tables);
  for (int add = 0; add < 2; add++)
    if (!product_agrees(kernels->matmul[TILE_Q1_0], example, example->singles, tables, 0, 1, add)) return false;
  return true;
}

static bool kind_agrees(const Kernels *kernels, TileKind kind, const KindExample *example) {
  MatmulKernel *const matmul = kernels->matmul[kind], *const abreast = kernels->matmul_abreast[kind];
  const size_t token_bytes = (size_t)(example->columns / TILE_BLOCK) * PACKED_BLOCK_BYTES;
  if (matmul == NULL) return false;
  for (int add = 0; add < 2 && matmul != kernels_reference.matmul[kind]; add++)
    if (!product_agrees(matmul, example, example->packed, NULL, 0, TOKENS, add) ||
        !product_agrees(matmul, example, example->singles, NULL, 0, SINGLES, add))
      return false;
  for (int t = 0; t < SINGLES && abreast != NULL; t++)
    for (int add = 0; add < 2; add++)
      if (!product_agrees(abreast, example, example->singles + (size_t)t * token_bytes, NULL, t, 1, add)) return false;
  return kind != TILE_Q1_0 || kernels->tabulate == NULL || lookups_agree(kernels, example);
}

// Numbers of a usual size, none at all, tiny and denormal ones, and such as are no numbers: what packing takes apart.
static float odd_float(int block, int i, uint32_t *state) {
  const float usual = random_float(state);
  switch (block % 6) {
    case 1: return 0;
    case 2: return usual * 1e-38f;
    case 3: return i == 7 ? INFINITY : usual;
    case 4: return i == 30 ? NAN : usual;
    case 5: return i % 2 ? usual * 1e-42f : -0.0f;
    default: return usual * 1e3f;
  }
}

enum { PACK_COLUMNS = 12 * TILE_BLOCK, PACK_BYTES = PACK_COLUMNS / TILE_BLOCK * PACKED_BLOCK_BYTES * PANEL_TOKENS };

static bool packing_agrees(const Kernels *kernels) {
  float x[PANEL_TOKENS * PACK_COLUMNS];
  uint8_t found[PACK_BYTES], expected[PACK_BYTES];
  uint32_t state = 3;
  for (int i = 0; i < PANEL_TOKENS * PACK_COLUMNS; i++)
    x[i] = odd_float(i / TILE_BLOCK, i % TILE_BLOCK, &state);
  for (int tokens = 1; tokens <= PANEL_TOKENS && kernels->pack != kernels_reference.pack; tokens++) {
    memset(found, 0xa5, sizeof found);
    memset(expected, 0xa5, sizeof expected);
    kernels->pack(x, PACK_COLUMNS, tokens, PACK_COLUMNS, found);
    kernels_reference.pack(x, PACK_COLUMNS, tokens, PACK_COLUMNS, expected);
    if (memcmp(found, expected, sizeof found) != 0) return false;
  }
  for (int block = 0; block < 6 && kernels->quantize != kernels_reference.quantize; block++) {
    int16_t q[TILE_BLOCK], right[TILE_BLOCK];
    const float *from = x + block * TILE_BLOCK;
    const float scale = kernels->quantize(from, TILE_BLOCK - 1, QUERY_LIMIT, q);
    if (scale != kernels_reference.quantize(from, TILE_BLOCK - 1, QUERY_LIMIT, right) ||
        memcmp(q, right, sizeof q) != 0)
      return false;
  }
  return true;
}

enum { ROW = 37, HEAD = 20, QUERIES = 5, PAGE_FROM = 3, PAGE_TO = 61, SCORES = QUERIES * KV_PAGE_TOKENS };

static void fill(float *values, int count, float size, uint32_t *state) {
  for (int i = 0; i < count; i++)
    values[i] = random_float(state) * size;
}

static bool rows_agree(const Kernels *kernels) {
  float x[ROW], weight[ROW], start[2 * ROW], found[2 * ROW], expected[2 * ROW];
  uint32_t state = 5;
  fill(x, ROW, 1, &state);
  fill(weight, ROW, 1, &state);
  fill(start, 2 * ROW, 100, &state);
  kernels->rms_norm(x, weight, ROW, 1e-5f, found);
  kernels_reference.rms_norm(x, weight, ROW, 1e-5f, expected);
  if (memcmp(found, expected, sizeof x) != 0) return false;
  memcpy(found, start, sizeof start);
  memcpy(expected, start, sizeof start);
  kernels->swiglu(found, x, ROW);
  kernels_reference.swiglu(expected, x, ROW);
  if (memcmp(found, expected, sizeof start) != 0) return false;
  for (int adjacent = 0; adjacent < 2; adjacent++) {
    kernels->rope(found, x, weight, ROW, adjacent != 0);
    kernels_reference.rope(expected, x, weight, ROW, adjacent != 0);
    if (memcmp(found, expected, sizeof start) != 0) return false;
  }
  return true;
}

// A page of float keys or values: F32, or F16 with exponents of a usual size.
typedef union {
  float f32[(HEAD + 8) * KV_PAGE_TOKENS];
  uint16_t f16[(HEAD + 8) * KV_PAGE_TOKENS];
} FloatPage;

static void fill_page(FloatPage *page, bool f32, uint32_t *state) {
  for (int i = 0; i < (HEAD + 8) * KV_PAGE_TOKENS; i++) {
    if (f32)
      page->f32[i] = random_float(state);
    else
      page->f16[i] = (uint16_t)((next_random(state) & 0x8fff) | 0x3000);
  }
}

static bool float_pages_agree(const Kernels *kernels) {
  const Kernels *truth = kernels->f32_pages ? &kernels_exact : &kernels_reference;
  FloatPage page;
  float queries[QUERIES * HEAD], start[QUERIES * HEAD], corrections[QUERIES], found[SCORES] = {0},
                                                                              expected[SCORES] = {0};
  float out[QUERIES * HEAD], right[QUERIES * HEAD];
  uint32_t state = 7;
  fill_page(&page, kernels->f32_pages, &state);
  fill(queries, QUERIES * HEAD, page_scale(kernels->f32_pages ? KV_F32 : KV_F16), &state);
  fill(start, QUERIES * HEAD, 1, &state);
  fill(corrections, QUERIES, 1, &state);
  kernels->page_scores(queries, HEAD, QUERIES, &page, HEAD, PAGE_TO, found);
  truth->page_scores(queries, HEAD, QUERIES, &page, HEAD, PAGE_TO, expected);
  if (memcmp(found, expected, sizeof found) != 0) return false;
  for (int r = 0; r < QUERIES; r++) {
    float max = 0.1f, right_max = 0.1f;
    const float sum = kernels->page_softmax(found + r * KV_PAGE_TOKENS, PAGE_FROM, PAGE_TO, &max, 2);
    if (sum != truth->page_softmax(expected + r * KV_PAGE_TOKENS, PAGE_FROM, PAGE_TO, &right_max, 2) ||
        max != right_max)
      return false;
  }
  if (memcmp(found, expected, sizeof found) != 0) return false;
  memcpy(out, start, sizeof start);
  memcpy(right, start, sizeof start);
  kernels->page_values(found, QUERIES, &page, PAGE_FROM, PAGE_TO, HEAD, corrections, out, HEAD);
  truth->page_values(expected, QUERIES, &page, PAGE_FROM, PAGE_TO, HEAD, corrections, right, HEAD);
  return memcmp(out, right, sizeof out) == 0;
}

static bool int8_pages_agree(const Kernels *kernels) {
  int8_t page[(HEAD + 8) * KV_PAGE_TOKENS];
  int16_t q[QUERIES * HEAD], weights[SCORES] = {0};
  float scales[KV_PAGE_TOKENS], corrections[QUERIES], out[QUERIES * HEAD], right[QUERIES * HEAD];
  float found[SCORES] = {0}, expected[SCORES] = {0};
  uint32_t state = 9;
  for (size_t i = 0; i < sizeof page; i++)
    page[i] = (int8_t)((int)(next_random(&state) % 255) - 127);
  for (int i = 0; i < QUERIES * HEAD; i++)
    q[i] = (int16_t)((int)(next_random(&state) % (2 * QUERY_LIMIT + 1)) - QUERY_LIMIT);
  for (int i = 0; i < SCORES; i++)
    if (i % KV_PAGE_TOKENS >= PAGE_FROM && i % KV_PAGE_TOKENS < PAGE_TO)
      weights[i] = (int16_t)(next_random(&state) % (WEIGHT_LIMIT + 1));
  fill(scales, KV_PAGE_TOKENS, 1, &state);
  fill(corrections, QUERIES, 1, &state);
  fill(out, QUERIES * HEAD, 1, &state);
  memcpy(right, out, sizeof out);
  kernels->int8_scores(q, HEAD, scales, QUERIES, page, scales, HEAD, PAGE_TO, found);
  kernels_reference.int8_scores(q, HEAD, scales, QUERIES, page, scales, HEAD, PAGE_TO, expected);
  kernels->int8_values(weights, scales, QUERIES, page, PAGE_FROM, PAGE_TO, HEAD, corrections, out, HEAD);
  kernels_reference.int8_values(weights, scales, QUERIES, page, PAGE_FROM, PAGE_TO, HEAD, corrections, right, HEAD);
  return memcmp(found, expected, sizeof found) == 0 && memcmp(out, right, sizeof out) == 0;
}

bool verification_passes(const Verification *verification, const Kernels *kernels) {
  if (kernels == &kernels_reference) return true;
  for (int kind = 0; kind < TILE_KINDS; kind++)
    if ((verification->chosen >> kind & 1) != 0 && !kind_agrees(kernels, (TileKind)kind, &verification->kinds[kind]))
      return false;
  return packing_agrees(kernels) && rows_agree(kernels) && float_pages_agree(kernels) && int8_pages_agree(kernels);
}
