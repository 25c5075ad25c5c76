// The matrix products of one kernel set, over quantised tiles (tiles.h draws them), by one template: a kind's row of
// tile_formats.h is a constant here, so that the compiler leaves of each step what that kind needs. The file that
// includes this has defined how four columns of four rows enter a dot product:
//
//   Dot              sums under way of four rows
//   dot_start(v)     begins with the number in each lane of v
//   DOT_STARTS_ANY   whether that may be any number; else one of 16 bits
//   dot_times_16(d)  16 times the sums, where they can begin with any
//   dot_add(d, a, w) adds, for row i = 0..3, the products of the 4 bytes of `a` (int8, the same for each row) with
//                    bytes 4 i .. 4 i + 3 of `w` (0 to 127)
//   dot_sum(d)       the four sums as i32x4
//   LOOKUP(t, i)     bytes of a table of sixteen by indices below 16
//   WIDE_SUMS        where it takes products out of wide_sums.c
//   WIDE_OPERANDS    1 where bytes of w may be 0 to 255
//   LINKAGE          static, or empty where another set takes products out of this one
//   DOT_CAPACITY     what a sum under way may hold; sums are emptied before they could exceed it
//   TOKEN_PARTS      in how many parts one token is multiplied with a block (see token_product.h)
//   TILES_ABREAST     how many tiles the other form of a product with one token reads side by side (see kernels.h)
//
// One token is multiplied with tiles as they are; panels with a stretch of a tile that was unpacked for all of them.
#include "panel_product.h"
#include "tile_unpack.h"
#include "token_product.h"
#include "wide_sums.h"
#if !WIDE_OPERANDS
// Needs what is above.
#include "lookup.h"
#endif

#if WIDE_OPERANDS
// Operands of any size enter these as they do there.
StretchProduct panels_plain, panels_header;

static StretchProduct *panel_product(TileKind kind, const ProductClass class) {
  (void)kind;
  return class.header ? panels_header : panels_plain;
}

static NOINLINE void unpack_wide_stretch(TileKind kind, const uint8_t *superblocks, int blocks, TileStretch *out) {
  switch (kind) {
    case TILE_Q8_0: unpack_stretch(&tile_formats[TILE_Q8_0], 1, superblocks, blocks, out); return;
    case TILE_IQ4_NL: unpack_stretch(&tile_formats[TILE_IQ4_NL], 1, superblocks, blocks, out); return;
    default: unpack_stretch(&tile_formats[TILE_IQ4_XS], 8, superblocks, blocks, out); return;
  }
}

#define UNPACK_STRETCH unpack_wide_stretch
#define token_any NULL  // one token is multiplied with tiles as they are
#else
STRETCH_PRODUCT(LINKAGE, panels_plain, SHAPE(false, false, false), kind.offset, PANEL_TOKENS)
STRETCH_PRODUCT(static, panels_split, SHAPE(true, false, false), kind.offset, PANEL_TOKENS)
STRETCH_PRODUCT(LINKAGE, panels_header, SHAPE(false, false, true), kind.offset, PANEL_TOKENS)
STRETCH_PRODUCT(static, panels_split_header, SHAPE(true, false, true), kind.offset, PANEL_TOKENS)

#if DOT_STARTS_ANY
STRETCH_PRODUCT(static, panels_halves_header, SHAPE(false, true, true), kind.offset, PANEL_TOKENS)
#else
// With scales for 16 columns sums of 16 bits would be emptied too often.
#define panels_halves_header wide_halves_header
#endif

// Q4_K and Q5_K, which only sums of 16 bits tell apart.
STRETCH_PRODUCT(static, panels_folded, product_class(&tile_formats[TILE_Q5_K]), 0, PANEL_TOKENS)

#ifdef WIDE_SUMS
// Those that most prompts meet: what they subtract is known, and sums of 16 bits need not be emptied on the way.
STRETCH_PRODUCT(static, panels_Q4_0, product_class(&tile_formats[TILE_Q4_0]), 8, PANEL_TOKENS)
#if !DOT_STARTS_ANY
STRETCH_PRODUCT(static, panels_Q4_K, product_class(&tile_formats[TILE_Q4_K]), 0, PANEL_TOKENS)
#endif
#if DOT_STARTS_ANY
STRETCH_PRODUCT(static, panels_Q6_K, product_class(&tile_formats[TILE_Q6_K]), 32, PANEL_TOKENS)
#else
#define panels_Q6_K wide_halves_header
#endif
#endif

#ifdef WIDE_SUMS
#define panels_halves wide_halves
#define panels_split_halves_header wide_split_halves_header
#define token_any wide_token
#else
STRETCH_PRODUCT(static, panels_halves, SHAPE(false, true, false), kind.offset, PANEL_TOKENS)
STRETCH_PRODUCT(static, panels_split_halves_header, SHAPE(true, true, true), kind.offset, PANEL_TOKENS)
STRETCH_PRODUCT(static, token_any, UNFOLDED, kind.offset, 1)
#endif

static StretchProduct *panel_product(TileKind kind, const ProductClass class) {
  static StretchProduct *const products[] = {
      panels_plain,  panels_split,        panels_halves,        NULL,
      panels_header, panels_split_header, panels_halves_header, panels_split_halves_header};
  (void)kind;
#ifdef WIDE_SUMS
  if (kind == TILE_Q4_0) return panels_Q4_0;
#if !DOT_STARTS_ANY
  if (kind == TILE_Q4_K) return panels_Q4_K;
#endif
  if (kind == TILE_Q6_K) return panels_Q6_K;
#endif
  if (class.folded) return panels_folded;
  return products[class.split + 2 * class.halves + 4 * class.header];
}

#define UNPACK_STRETCH tile_unpack_stretch
#endif

// Tiles of one kind with all tokens; `token` is NULL where a kind has no product with a tile as it is.
static NOINLINE void multiply(TileKind kind, TokenProduct *token, const uint8_t *tiles, int tile_count,
                              const Activations *x, float *y, size_t y_stride, bool add) {
  const TileFormat *format = tile_format(kind);
  const StretchKind stretch = {product_class(format), format_offset(format), format->blocks};
  const TileProducts products = {kind, stretch, panel_product(kind, stretch.class), token_any, UNPACK_STRETCH, token};
  multiply_tiles(&products, tiles, tile_count, x, y, y_stride, add);
}

// The product of one token with tiles side by side; `count` is at most TILES_ABREAST.
typedef void TokenAbreast(const uint8_t *tiles, size_t bytes, int count, int blocks, const uint8_t *a,
                          const uint8_t *folded, float *y, bool add);

static NOINLINE void multiply_abreast(TileKind kind, TokenAbreast *token, const uint8_t *tiles, int tile_count,
                                      const Activations *x, float *y, bool add) {
  const int blocks = x->columns / TILE_BLOCK;
  const size_t bytes = tile_bytes(kind, x->columns);
  uint8_t folded[FOLDED_MOST_BYTES];
  if (tile_folds(tile_format(kind))) fold_sums(x->packed, 1, blocks, folded);
  for (int i = 0; i < tile_count; i += TILES_ABREAST)
    token(tiles + (size_t)i * bytes, bytes, tile_count - i < TILES_ABREAST ? tile_count - i : TILES_ABREAST, blocks,
          x->packed, folded, y + i * TILE_ROWS, add);
}

// The kinds that most weights of most files are of multiply one token with tiles as they are; the others a stretch.
// Those that are met most have a form of their own for tiles one behind the other, whose sums stay in registers: it is
// worth a quarter of Q4_0's rate, a sixth of Q4_K's and a fifteenth of others', which on processors without a dot
// product of their own is not worth its code.
#if WIDE_OPERANDS
#define FASTEST_KINDS(X) X(IQ4_XS)
#define DIRECT_KINDS(X) X(Q8_0) X(IQ4_NL)
#define ABREAST_KINDS(X) DIRECT_KINDS(X)
#define STRETCH_KINDS(X)
// Products of relaxed-i32.
#define SHARED_ABREAST(X) X(Q4_0) X(Q4_1) X(Q5_0) X(Q4_K) X(Q5_K) X(Q6_K) X(Q2_0) X(TERNARY)
#define SHARED_KINDS(X) \
  SHARED_ABREAST(X)     \
  X(Q5_1) X(Q2_K) X(Q3_K) X(GRID) X(MXFP4) X(NVFP4) X(Q1_0)
#define DECLARE_MATMUL(kind) MatmulKernel matmul_##kind;
#define DECLARE_ABREAST(kind) MatmulKernel abreast_##kind;
SHARED_KINDS(DECLARE_MATMUL)
SHARED_ABREAST(DECLARE_ABREAST)
#else
#define SHARED_ABREAST(X)
#if DOT_STARTS_ANY
#define FASTEST_KINDS(X) X(Q4_0) X(Q4_K) X(Q5_K) X(Q6_K)
#define ABREAST_KINDS(X) X(Q4_1) X(Q5_0) X(Q8_0) X(IQ4_NL) X(IQ4_XS)
#else
#define FASTEST_KINDS(X) X(Q4_0) X(Q4_K)
#define ABREAST_KINDS(X) X(Q4_1) X(Q5_0) X(Q8_0) X(Q5_K) X(Q6_K) X(IQ4_NL) X(IQ4_XS)
#endif
#define DIRECT_KINDS(X) ABREAST_KINDS(X) X(Q2_0) X(TERNARY)
#define STRETCH_KINDS(X) X(Q5_1) X(Q2_K) X(Q3_K) X(GRID) X(MXFP4) X(NVFP4)
#endif

#define TOKEN(kind)                                                                                           \
  static NOINLINE void token_##kind(const uint8_t *tile, int blocks, const uint8_t *a, const uint8_t *folded, \
                                    float *y, bool add) {                                                     \
    token_tile(&tile_formats[TILE_##kind], tile, blocks, a, folded, y, add);                                  \
  }
#define TOKEN_ABREAST(kind)                                                                                    \
  static void token_##kind(const uint8_t *tile, int blocks, const uint8_t *a, const uint8_t *folded, float *y, \
                           bool add) {                                                                         \
    side_by_side_##kind(tile, 0, 1, blocks, a, folded, y, add);                                                \
  }
#define ABREAST(kind)                                                                                           \
  static NOINLINE void side_by_side_##kind(const uint8_t *tiles, size_t bytes, int count, int blocks,           \
                                           const uint8_t *a, const uint8_t *folded, float *y, bool add) {       \
    token_abreast(&tile_formats[TILE_##kind], tile_formats[TILE_##kind].blocks, tiles, bytes, count, blocks, a, \
                  folded, y, add);                                                                              \
  }
#define DIRECT(kind)                                                                                                 \
  LINKAGE void matmul_##kind(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,  \
                             bool add) {                                                                             \
    multiply(TILE_##kind, token_##kind, tiles, tile_count, x, y, y_stride, add);                                     \
  }                                                                                                                  \
  LINKAGE void abreast_##kind(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride, \
                              bool add) {                                                                            \
    (void)y_stride;                                                                                                  \
    multiply_abreast(TILE_##kind, side_by_side_##kind, tiles, tile_count, x, y, add);                                \
  }
FASTEST_KINDS(TOKEN)
FASTEST_KINDS(ABREAST)
ABREAST_KINDS(ABREAST)
#if !WIDE_OPERANDS
// Two kinds of two bits, whose superblocks differ in length alone.
static NOINLINE void two_bits_side_by_side(int superblock, const uint8_t *tiles, size_t bytes, int count, int blocks,
                                           const uint8_t *a, const uint8_t *folded, float *y, bool add) {
  token_abreast(&tile_formats[TILE_TERNARY], superblock, tiles, bytes, count, blocks, a, folded, y, add);
}
#define TWO_BITS(kind)                                                                                         \
  static void side_by_side_##kind(const uint8_t *tiles, size_t bytes, int count, int blocks, const uint8_t *a, \
                                  const uint8_t *folded, float *y, bool add) {                                 \
    two_bits_side_by_side(tile_formats[TILE_##kind].blocks, tiles, bytes, count, blocks, a, folded, y, add);   \
  }
TWO_BITS(Q2_0)
TWO_BITS(TERNARY)
#endif
DIRECT_KINDS(TOKEN_ABREAST)
FASTEST_KINDS(DIRECT)
DIRECT_KINDS(DIRECT)

#define STRETCH(kind)                                                                                               \
  LINKAGE void matmul_##kind(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride, \
                             bool add) {                                                                            \
    multiply(TILE_##kind, NULL, tiles, tile_count, x, y, y_stride, add);                                            \
  }
STRETCH_KINDS(STRETCH)

#if !WIDE_OPERANDS
// One-bit weights look one token's sums up.
static NOINLINE void lookup_Q1_0(const uint8_t *tiles, int tile_count, const Activations *x, float *y, bool add) {
  const TileFormat *format = &tile_formats[TILE_Q1_0];
  const size_t bytes = tile_bytes(TILE_Q1_0, x->columns);
  LookupSpace space;
  for (int i = 0; i < tile_count; i += LOOKUP_TILES)
    lookup_run(format, tiles + (size_t)i * bytes, bytes, tile_count - i < LOOKUP_TILES ? tile_count - i : LOOKUP_TILES,
               x->columns / TILE_BLOCK, x->packed, x->tables, y + i * TILE_ROWS, add, &space);
}

LINKAGE void matmul_Q1_0(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                         bool add) {
  if (x->tokens == 1 && x->tables != NULL)
    lookup_Q1_0(tiles, tile_count, x, y, add);
  else
    multiply(TILE_Q1_0, NULL, tiles, tile_count, x, y, y_stride, add);
}
#endif

#define MATMUL_OF(kind) [TILE_##kind] = matmul_##kind,
#define ABREAST_OF(kind) [TILE_##kind] = abreast_##kind,
#if WIDE_OPERANDS
void tabulate(const uint8_t *packed, int columns, uint8_t *tables);
#endif
#define MATMUL_KERNELS                                                                               \
  .matmul = {TILE_QUANTIZED_KINDS(MATMUL_OF) MATMUL_NUMBERS},                                        \
  .matmul_abreast = {FASTEST_KINDS(ABREAST_OF) DIRECT_KINDS(ABREAST_OF) SHARED_ABREAST(ABREAST_OF)}, \
  .tabulate = tabulate, .tiles_abreast = TILES_ABREAST
