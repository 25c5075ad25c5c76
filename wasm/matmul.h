// The matrix products of one kernel set, over quantised tiles (tiles.h draws them), by one template: a kind's row of
// tile_formats.h is a constant here, so that the compiler leaves of each step what that kind needs. The file that
// includes this has defined how four columns of four rows enter a dot product:
//
//   Dot              sums under way of four rows
//   dot_start(v)     begins with the sum of the two int16 in each lane of v
//   dot_add(d, a, w) adds, for row i = 0..3, the products of the 4 bytes of `a` (int8, the same for each row) with
//                    bytes 4 i .. 4 i + 3 of `w` (0 to 127)
//   dot_sum(d)       the four sums as i32x4
//   LOOKUP(t, i)     bytes of a table of sixteen by indices below 16
//   DOT_CAPACITY     what a sum under way may hold; sums are emptied before they could exceed it
//   TILE_STREAMS     how many tiles the other form of a product with one token reads side by side (see kernels.h)
//
// One token is multiplied with tiles as they are; panels with a stretch of a tile that was unpacked for all of them. A
// panel of PANEL_TOKENS tokens and one tile are 8 vectors of sums. With two of weights, a splat and a product they just
// fit the 15 registers that V8 has on x64, where unrolled loops would not: LLVM makes one expression of each sum, and
// the vectors that all of them share are spilled. Hence loops that stay loops, and float sums that stay in memory.
#include "tile_stretch.h"
#include "tile_vectors.h"
// Needs what is above.
#include "lookup.h"

// Keeps vectors in memory, where they are aligned. V8 spills to wherever its stack happens to be.
#define IN_MEMORY(vectors) __asm__ volatile("" : : "r"(vectors) : "memory")

INLINE void store_rows(float *y, v128_t sum, bool add) {
  wasm_v128_store(y, add ? wasm_f32x4_add(wasm_v128_load(y), sum) : sum);
}

// Lane `u` (a constant) of four, in every lane.
INLINE v128_t splat_lane(v128_t four, const int u) {
  switch (u) {
    case 0: return wasm_i32x4_shuffle(four, four, 0, 0, 0, 0);
    case 1: return wasm_i32x4_shuffle(four, four, 1, 1, 1, 1);
    case 2: return wasm_i32x4_shuffle(four, four, 2, 2, 2, 2);
    default: return wasm_i32x4_shuffle(four, four, 3, 3, 3, 3);
  }
}

// What the products of a kind need: kinds that need the same share their code.
typedef struct {
  bool split;    // two operands to a code (see tile_vectors.h)
  bool halves;   // scales for 16 columns
  bool minima;   // there are some
  int interval;  // groups of four columns that a sum under way can take
} ProductClass;

INLINE ProductClass product_class(const TileFormat *format) {
  const int groups = DOT_CAPACITY / (4 * 127 * format_largest(format));
  return (ProductClass){format_is_split(format), tile_has_halves(format), format->minima != MINIMA_NONE,
                        groups >= 8   ? 8
                        : groups >= 4 ? 4
                                      : 2};
}

// The packed offsets (-8 x the activations' sums): of one half, or of both together.
INLINE v128_t offsets_sum(v128_t offsets, const bool halves, const int half) {
  if (!halves) return wasm_i32x4_extadd_pairwise_i16x8(offsets);
  return wasm_i32x4_shr(half == 0 ? wasm_i32x4_shl(offsets, 16) : offsets, 16);
}

// The same as a kind subtracts them.
INLINE v128_t offset_times(v128_t sum, int offset) {
  return wasm_i32x4_shr(wasm_i32x4_mul(sum, wasm_i32x4_splat(offset)), 3);
}

// One token's block of activations: each group of four columns in every lane. Two loads and eight shuffles are fewer
// instructions than eight splats from memory, whose addresses V8 computes one by one.
typedef struct {
  v128_t groups[BLOCK_GROUPS], offsets, scale;
} TokenBlock;

INLINE TokenBlock load_token(const uint8_t *a) {
  TokenBlock token;
  const v128_t first = wasm_v128_load(a), second = wasm_v128_load(a + 16);
#pragma unroll
  for (int j = 0; j < 4; j++) {
    token.groups[j] = splat_lane(first, j);
    token.groups[j + 4] = splat_lane(second, j);
  }
  token.scale = wasm_v128_load32_splat(a + 32);
  token.offsets = wasm_v128_load32_splat(a + 36);
  return token;
}

// The dot products of one token with four rows over a block, or a half of it, what the kind subtracts included.
INLINE v128_t dot_token(const TileFormat *format, const ProductClass class, const uint8_t *block, Operands table,
                        const TokenBlock *token, const int g, const int half) {
  const int first = half * BLOCK_GROUPS / 2, count = class.halves ? BLOCK_GROUPS / 2 : BLOCK_GROUPS;
  const v128_t zero = wasm_i32x4_splat(0);
  // An offset of 8 of a whole block is what the packed offsets are: a sum begins with them.
  const int offset = format_offset(format);
  const bool starts = offset == 8 && !class.halves && class.interval == 8;
  Dot low = dot_start(starts && !class.split ? token->offsets : zero);
  Dot high = dot_start(starts ? token->offsets : zero);
  v128_t total = zero;
#pragma unroll
  for (int j = first; j < first + count; j++) {
    const Operands w = operands_of(format, table, block, g, j);
    if (j > first && (j - first) % class.interval == 0) {
      total = wasm_i32x4_add(total, dot_sum(low));
      low = dot_start(zero);
    }
    low = dot_add(low, token->groups[j], w.low);
    if (class.split) high = dot_add(high, token->groups[j], w.high);
  }
  total = count > class.interval ? wasm_i32x4_add(total, dot_sum(low)) : dot_sum(low);
  v128_t upper = class.split ? dot_sum(high) : total;
  if (!starts && offset != 0)
    upper = wasm_i32x4_add(upper, offset_times(offsets_sum(token->offsets, class.halves, half), offset));
  return class.split ? wasm_i32x4_add(total, wasm_i32x4_shl(upper, 4)) : upper;
}

// sum + dot * (the token's scale x the rows' scales)
INLINE v128_t add_scaled(v128_t sum, v128_t dot, v128_t scale, v128_t rows) {
  return wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_f32x4_convert_i32x4(dot), wasm_f32x4_mul(scale, rows)));
}

// sum + the activations' sum * (the token's scale x the rows' minima)
INLINE v128_t add_minima(v128_t sum, v128_t offsets, v128_t scale, v128_t minima) {
  const v128_t activations = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(offsets), wasm_f32x4_splat(-0.125f));
  return wasm_f32x4_add(sum, wasm_f32x4_mul(activations, wasm_f32x4_mul(scale, minima)));
}

// sums += a block of a tile with one token.
INLINE void add_token_block(const TileFormat *format, const uint8_t *superblock, const uint8_t *block, Operands table,
                            const TokenBlock *token, v128_t sums[GROUPS]) {
  const ProductClass class = product_class(format);
#pragma unroll
  for (int g = 0; g < GROUPS; g++) {
    const v128_t header = header_scales(format, superblock, g);
    v128_t sum = sums[g];
#pragma unroll
    for (int half = 0; half <= class.halves; half++)
      sum = add_scaled(sum, dot_token(format, class, block, table, token, g, half), token->scale,
                       scales_vector(format, header, block, g, half));
#pragma unroll
    for (int half = 0; class.minima && half <= class.halves; half++)
      sum = add_minima(sum, offsets_sum(token->offsets, class.halves, half), token->scale,
                       minima_vector(format, superblock, block, g, half));
    sums[g] = sum;
  }
}

// Up to TILE_STREAMS tiles, `bytes` apart, with one token, read side by side.
INLINE void token_tiles(const TileFormat *format, const uint8_t *tiles, size_t bytes, int count, int blocks,
                        const uint8_t *a, float *y, bool add) {
  v128_t sums[TILE_STREAMS][GROUPS];
  for (int i = 0; i < count; i++)
    sums[i][0] = sums[i][1] = wasm_f32x4_splat(0);
  for (int done = 0; done < blocks; done += format->blocks, tiles += tile_superblock_bytes(format)) {
    const uint8_t *block = tiles + format->header_bytes;
#pragma clang loop unroll(disable)
    for (int b = 0; b < format->blocks; b++, block += tile_block_bytes(format), a += PACKED_BLOCK_BYTES) {
      IN_MEMORY(sums);
      const TokenBlock token = load_token(a);
#pragma clang loop unroll(disable)
      for (int i = 0; i < count; i++) {
        const uint8_t *superblock = tiles + (size_t)i * bytes;
        add_token_block(format, superblock, block + (size_t)i * bytes, name_table(format, superblock), &token, sums[i]);
      }
    }
  }
  IN_MEMORY(sums);
  for (int i = 0; i < count; i++)
    for (int g = 0; g < GROUPS; g++)
      store_rows(y + i * TILE_ROWS + 4 * g, sums[i][g], add);
}

// dot_token() of a stretch, whose class is known as it runs.
INLINE v128_t dot_stretch(const ProductClass class, int offset, const TileStretch *stretch, int at, const uint8_t *a,
                          const int g, const int half) {
  const int first = half * BLOCK_GROUPS / 2, count = class.halves ? BLOCK_GROUPS / 2 : BLOCK_GROUPS;
  const int interval = class.interval < count ? class.interval : count;
  const v128_t zero = wasm_i32x4_splat(0);
  v128_t low = zero, high = zero;
  for (int begin = first; begin < first + count; begin += interval) {
    Dot low_dot = dot_start(zero), high_dot = dot_start(zero);
    for (int j = begin; j < begin + interval; j++) {
      const v128_t x = wasm_v128_load32_splat(a + 4 * j);
      const size_t from = (size_t)(j * GROUPS + g) * 16;
      low_dot = dot_add(low_dot, x, wasm_v128_load(stretch->low[at] + from));
      if (class.split) high_dot = dot_add(high_dot, x, wasm_v128_load(stretch->high[at] + from));
    }
    low = wasm_i32x4_add(low, dot_sum(low_dot));
    high = wasm_i32x4_add(high, dot_sum(high_dot));
  }
  const v128_t offsets = offset_times(offsets_sum(wasm_v128_load32_splat(a + 36), class.halves, half), offset);
  if (!class.split) return wasm_i32x4_add(low, offsets);
  return wasm_i32x4_add(low, wasm_i32x4_shl(wasm_i32x4_add(high, offsets), 4));
}

// sums += one block of a stretch with one token.
INLINE void add_stretch_block(const ProductClass class, int offset, const TileStretch *stretch, int at,
                              const uint8_t *a, v128_t sums[GROUPS]) {
  const v128_t scale = wasm_v128_load32_splat(a + 32), offsets = wasm_v128_load32_splat(a + 36);
#pragma clang loop unroll(disable)
  for (int g = 0; g < GROUPS; g++) {
#pragma clang loop unroll(disable)
    for (int half = 0; half <= class.halves; half++)
      sums[g] = add_scaled(sums[g], dot_stretch(class, offset, stretch, at, a, g, half), scale,
                           wasm_v128_load(stretch->scales[at][half] + 4 * g));
#pragma clang loop unroll(disable)
    for (int half = 0; class.minima && half <= class.halves; half++)
      sums[g] = add_minima(sums[g], offsets_sum(offsets, class.halves, half), scale,
                           wasm_v128_load(stretch->minima[at][half] + 4 * g));
  }
}

// What a panel and a tile have for each token and group of rows.
typedef v128_t PanelVectors[PANEL_TOKENS][GROUPS];

// totals += the products of `count` groups of four columns of a panel with a stretch's operands. They fit a sum under
// way.
INLINE void dot_panel(const uint8_t *operands, const uint8_t *groups, const int count, PanelVectors totals) {
  Dot dots[PANEL_TOKENS][GROUPS];
#pragma unroll
  for (int u = 0; u < PANEL_TOKENS; u++)
    for (int g = 0; g < GROUPS; g++)
      dots[u][g] = dot_start(wasm_i32x4_splat(0));
#pragma clang loop unroll(disable)
  for (int j = 0; j < count; j++) {
    const v128_t tokens = wasm_v128_load(groups + j * PANEL_TOKENS * 4);
    v128_t weights[GROUPS];
#pragma unroll
    for (int g = 0; g < GROUPS; g++)
      weights[g] = wasm_v128_load(operands + (j * GROUPS + g) * 16);
#pragma unroll
    for (int u = 0; u < PANEL_TOKENS; u++)
#pragma unroll
      for (int g = 0; g < GROUPS; g++)
        dots[u][g] = dot_add(dots[u][g], splat_lane(tokens, u), weights[g]);
  }
  IN_MEMORY(totals);
#pragma unroll
  for (int u = 0; u < PANEL_TOKENS; u++)
    for (int g = 0; g < GROUPS; g++)
      totals[u][g] = wasm_i32x4_add(totals[u][g], dot_sum(dots[u][g]));
  IN_MEMORY(totals);
}

INLINE void start_totals(v128_t four, PanelVectors totals) {
#pragma unroll
  for (int u = 0; u < PANEL_TOKENS; u++)
    for (int g = 0; g < GROUPS; g++)
      totals[u][g] = splat_lane(four, u);
}

// The whole dot products of one half of a block, or of all of it, with a panel.
INLINE void dot_panel_part(const ProductClass class, int offset, const TileStretch *stretch, int at, const uint8_t *a,
                           const int half, PanelVectors totals) {
  const int first = half * BLOCK_GROUPS / 2, count = class.halves ? BLOCK_GROUPS / 2 : BLOCK_GROUPS;
  const int interval = class.interval < count ? class.interval : count;
  const uint8_t *groups = a + first * PANEL_TOKENS * 4, *low = stretch->low[at] + first * GROUPS * 16;
  start_totals(offset_times(offsets_sum(wasm_v128_load(a + 36 * PANEL_TOKENS), class.halves, half), offset), totals);
  if (class.split) {
    dot_panel(stretch->high[at] + first * GROUPS * 16, groups, count, totals);
#pragma unroll
    for (int u = 0; u < PANEL_TOKENS; u++)
      for (int g = 0; g < GROUPS; g++)
        totals[u][g] = wasm_i32x4_shl(totals[u][g], 4);
  }
#pragma clang loop unroll(disable)
  for (int done = 0; done < count; done += interval)
    dot_panel(low + done * GROUPS * 16, groups + done * PANEL_TOKENS * 4, interval, totals);
}

// sums += one block of a stretch with a panel.
INLINE void add_panel_block(const ProductClass class, int offset, const TileStretch *stretch, int at, const uint8_t *a,
                            PanelVectors sums) {
  const v128_t scales = wasm_v128_load(a + 32 * PANEL_TOKENS);
#pragma clang loop unroll(disable)
  for (int half = 0; half <= class.halves; half++) {
    PanelVectors totals;
    dot_panel_part(class, offset, stretch, at, a, half, totals);
    v128_t rows[GROUPS];
    for (int g = 0; g < GROUPS; g++)
      rows[g] = wasm_v128_load(stretch->scales[at][half] + 4 * g);
#pragma unroll
    for (int u = 0; u < PANEL_TOKENS; u++)
      for (int g = 0; g < GROUPS; g++)
        sums[u][g] = add_scaled(sums[u][g], totals[u][g], splat_lane(scales, u), rows[g]);
    IN_MEMORY(sums);
  }
#pragma clang loop unroll(disable)
  for (int half = 0; class.minima && half <= class.halves; half++) {
    const v128_t activations = offsets_sum(wasm_v128_load(a + 36 * PANEL_TOKENS), class.halves, half);
#pragma unroll
    for (int u = 0; u < PANEL_TOKENS; u++)
      for (int g = 0; g < GROUPS; g++)
        sums[u][g] = add_minima(sums[u][g], splat_lane(activations, u), splat_lane(scales, u),
                                wasm_v128_load(stretch->minima[at][half] + 4 * g));
    IN_MEMORY(sums);
  }
}

// Tokens that share a stretch: their sums take 4 KB.
enum { RUN_PANELS = 32 };

typedef struct {
  TileStretch stretch;
  union {
    PanelVectors panels[RUN_PANELS];
    v128_t token[GROUPS];
  } sums;
} Workspace;

// One product of a stretch: with the panels that begin at `a`, `panel_bytes` apart, or, where `panels` is 0, with one
// token.
typedef void StretchProduct(Workspace *work, ProductClass class, int offset, int blocks, const uint8_t *a,
                            size_t panel_bytes, int panels);

INLINE void multiply_stretch(Workspace *work, const ProductClass class, int offset, int blocks, const uint8_t *a,
                             size_t panel_bytes, int panels) {
  for (int p = 0; p < panels; p++, a += panel_bytes)
    for (int at = 0; at < blocks; at++)
      add_panel_block(class, offset, &work->stretch, at, a + (size_t)at * PANEL_TOKENS * PACKED_BLOCK_BYTES,
                      work->sums.panels[p]);
}

// Of the classes that most prompts meet, each with code of its own; and of any.
#define STRETCH_PRODUCT(name, ...)                                                                         \
  static NOINLINE void name(Workspace *work, ProductClass class, int offset, int blocks, const uint8_t *a, \
                            size_t panel_bytes, int panels) {                                              \
    (void)class;                                                                                           \
    multiply_stretch(work, (ProductClass)__VA_ARGS__, offset, blocks, a, panel_bytes, panels);             \
  }
STRETCH_PRODUCT(panels_nibbles, {false, false, false, 8})
STRETCH_PRODUCT(panels_nibbles_minima, {false, false, true, 8})

static NOINLINE void panels_any(Workspace *work, ProductClass class, int offset, int blocks, const uint8_t *a,
                                size_t panel_bytes, int panels) {
  multiply_stretch(work, class, offset, blocks, a, panel_bytes, panels);
}

static NOINLINE void token_any(Workspace *work, ProductClass class, int offset, int blocks, const uint8_t *a,
                               size_t panel_bytes, int panels) {
  (void)panel_bytes, (void)panels;
  for (int at = 0; at < blocks; at++, a += PACKED_BLOCK_BYTES)
    add_stretch_block(class, offset, &work->stretch, at, a, work->sums.token);
}

static StretchProduct *stretch_product(ProductClass class, int panels) {
  if (panels == 0) return token_any;
  if (class.split || class.halves || class.interval < 8) return panels_any;
  return class.minima ? panels_nibbles_minima : panels_nibbles;
}

// One tile with panels of tokens (or, where `panels` is 0, with one token), a stretch at a time.
static NOINLINE void multiply_stretches(TileKind kind, const uint8_t *tile, int blocks, const uint8_t *a,
                                        size_t panel_bytes, int panels, float *y, size_t y_stride, bool add,
                                        Workspace *work) {
  const TileFormat *format = &tile_formats[kind];
  const ProductClass class = product_class(format);
  StretchProduct *const product = stretch_product(class, panels);
  const int tokens = panels == 0 ? 1 : panels * PANEL_TOKENS, offset = format_offset(format);
  v128_t *sums = work->sums.token;  // [tokens, GROUPS]
  for (int i = 0; i < tokens * GROUPS; i++)
    sums[i] = wasm_f32x4_splat(0);
  for (int first = 0; first < blocks; first += STRETCH_BLOCKS) {
    const int count = blocks - first < STRETCH_BLOCKS ? blocks - first : STRETCH_BLOCKS;
    const size_t begin = (size_t)first * PACKED_BLOCK_BYTES * (panels == 0 ? 1 : PANEL_TOKENS);
    tile_unpack_stretch(kind, tile + (size_t)(first / format->blocks) * (size_t)tile_superblock_bytes(format), count,
                        &work->stretch);
    product(work, class, offset, count, a + begin, panel_bytes, panels);
  }
  for (int i = 0; i < tokens * GROUPS; i++)
    store_rows(y + (size_t)(i / GROUPS) * y_stride + 4 * (i % GROUPS), sums[i], add);
}

// A product of tiles as they are, with one token; `count` is at most TILE_STREAMS.
typedef void TokenProduct(const uint8_t *tiles, size_t bytes, int count, int blocks, const uint8_t *a, float *y,
                          bool add);

// Panels of tokens first, then those that are left over, one by one.
static NOINLINE void multiply_tiles(TileKind kind, TokenProduct *token, const uint8_t *tiles, int tile_count,
                                    const Activations *x, float *y, size_t y_stride, bool add) {
  const int blocks = x->columns / TILE_BLOCK, all_panels = x->tokens / PANEL_TOKENS;
  const size_t token_bytes = (size_t)blocks * PACKED_BLOCK_BYTES, panel_bytes = token_bytes * PANEL_TOKENS;
  const size_t bytes = tile_bytes(kind, x->columns);
  Workspace work;
  for (int i = 0; i < tile_count; i++, tiles += bytes, y += TILE_ROWS) {
    for (int p = 0; p < all_panels; p += RUN_PANELS)
      multiply_stretches(kind, tiles, blocks, x->packed + (size_t)p * panel_bytes, panel_bytes,
                         all_panels - p < RUN_PANELS ? all_panels - p : RUN_PANELS,
                         y + (size_t)(p * PANEL_TOKENS) * y_stride, y_stride, add, &work);
    for (int t = all_panels * PANEL_TOKENS; t < x->tokens; t++) {
      const uint8_t *a = x->packed + (size_t)t * token_bytes;
      float *out = y + (size_t)t * y_stride;
      if (token != NULL)
        token(tiles, bytes, 1, blocks, a, out, add);
      else
        multiply_stretches(kind, tiles, blocks, a, panel_bytes, 0, out, y_stride, add, &work);
    }
  }
}

static NOINLINE void multiply_streams(TileKind kind, TokenProduct *token, const uint8_t *tiles, int tile_count,
                                      const Activations *x, float *y, bool add) {
  const int blocks = x->columns / TILE_BLOCK;
  const size_t bytes = tile_bytes(kind, x->columns);
  for (int i = 0; i < tile_count; i += TILE_STREAMS)
    token(tiles + (size_t)i * bytes, bytes, tile_count - i < TILE_STREAMS ? tile_count - i : TILE_STREAMS, blocks,
          x->packed, y + i * TILE_ROWS, add);
}

// The kinds that most weights of most files are of multiply one token with tiles as they are; the others a stretch.
#define DIRECT_KINDS(X) X(Q4_0) X(Q4_1) X(Q5_0) X(Q8_0) X(Q4_K) X(Q5_K) X(Q6_K) X(IQ4_NL) X(IQ4_XS)
#define STRETCH_KINDS(X) X(Q5_1) X(Q2_K) X(Q3_K) X(GRID) X(MXFP4) X(NVFP4) X(Q2_0) X(TERNARY)

#define DIRECT(kind)                                                                                                \
  static NOINLINE void token_##kind(const uint8_t *tiles, size_t bytes, int count, int blocks, const uint8_t *a,    \
                                    float *y, bool add) {                                                           \
    token_tiles(&tile_formats[TILE_##kind], tiles, bytes, count, blocks, a, y, add);                                \
  }                                                                                                                 \
  static void matmul_##kind(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,  \
                            bool add) {                                                                             \
    multiply_tiles(TILE_##kind, token_##kind, tiles, tile_count, x, y, y_stride, add);                              \
  }                                                                                                                 \
  static void streams_##kind(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride, \
                             bool add) {                                                                            \
    (void)y_stride;                                                                                                 \
    multiply_streams(TILE_##kind, token_##kind, tiles, tile_count, x, y, add);                                      \
  }
DIRECT_KINDS(DIRECT)

#define STRETCH(kind)                                                                                              \
  static void matmul_##kind(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride, \
                            bool add) {                                                                            \
    multiply_tiles(TILE_##kind, NULL, tiles, tile_count, x, y, y_stride, add);                                     \
  }
STRETCH_KINDS(STRETCH)

// One-bit weights look one token's sums up.
static NOINLINE void lookup_Q1_0(const uint8_t *tiles, int tile_count, const Activations *x, float *y, bool add) {
  const TileFormat *format = &tile_formats[TILE_Q1_0];
  const size_t bytes = tile_bytes(TILE_Q1_0, x->columns);
  LookupSpace space;
  for (int i = 0; i < tile_count; i += LOOKUP_TILES)
    lookup_run(format, tiles + (size_t)i * bytes, bytes, tile_count - i < LOOKUP_TILES ? tile_count - i : LOOKUP_TILES,
               x->columns / TILE_BLOCK, x->packed, y + i * TILE_ROWS, add, &space);
}

static void matmul_Q1_0(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                        bool add) {
  if (x->tokens == 1)
    lookup_Q1_0(tiles, tile_count, x, y, add);
  else
    multiply_tiles(TILE_Q1_0, NULL, tiles, tile_count, x, y, y_stride, add);
}

#define MATMUL_OF(kind) [TILE_##kind] = matmul_##kind,
#define STREAMS_OF(kind) [TILE_##kind] = streams_##kind,
#define MATMUL_KERNELS                                                                                      \
  .matmul = {TILE_QUANTIZED_KINDS(MATMUL_OF) MATMUL_NUMBERS}, .matmul_streams = {DIRECT_KINDS(STREAMS_OF)}, \
  .tile_streams = TILE_STREAMS
