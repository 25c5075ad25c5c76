// What a product with a stretch of a tile (tile_stretch.h) is given, whatever kernel set computes it.
#ifndef NIBBLE_STRETCH_PRODUCT_H
#define NIBBLE_STRETCH_PRODUCT_H

#include <wasm_simd128.h>

#include "kernels.h"
#include "tile_stretch.h"

enum { GROUPS = TILE_ROWS / 4, BLOCK_GROUPS = TILE_BLOCK / 4 };

// What the products of a kind need: kinds that need the same share their code.
typedef struct {
  bool split;    // two operands to a code (see tile_vectors.h)
  bool halves;   // scales for 16 columns
  bool minima;   // there are some
  bool header;   // floats that a superblock's sums are multiplied with
  bool whole;    // whole scales, that dot products are multiplied with
  bool folded;   // none of the last three, but what kernels.h says of kinds that fold
  int interval;  // groups of four columns that a sum under way can take
} ProductClass;

// What a panel and a tile have for each token and group of rows.
typedef v128_t PanelVectors[PANEL_TOKENS][GROUPS];

// What of a kind products of its stretches need.
typedef struct {
  ProductClass class;
  int offset, superblock;  // what is subtracted; blocks of a superblock
} StretchKind;

// Sums of activations as kinds that fold multiply them with minima, of N tokens for each superblock:
//     int16 sum[4 pairs of blocks][N tokens][2]
//     f32   scale[N]
// At once they are made of all columns of a token, or of a stretch of up to 32 panels.
enum {
  FOLDED_PAIRS = 4,
  FOLDED_BYTES = 4 * (FOLDED_PAIRS + 1),
  FOLDED_MOST_BYTES = MOST_COLUMNS / TILE_SUPERBLOCK * FOLDED_BYTES + 12,  // the last number is written as four
};

// Makes them of `blocks` blocks of a packed panel, or of one token.
void fold_sums(const uint8_t *a, int tokens, int blocks, uint8_t *folded);

// One product of a stretch of `blocks` blocks: with the panels, or single tokens, that begin at `a`, `panel_bytes`
// apart. `folded` has the same panels' folded sums one behind the other.
typedef void StretchProduct(const TileStretch *stretch, StretchKind kind, int blocks, const uint8_t *a,
                            size_t panel_bytes, int panels, const uint8_t *folded, PanelVectors *sums);

// The product of one token with a tile as it is.
typedef void TokenProduct(const uint8_t *tile, int blocks, const uint8_t *a, const uint8_t *folded, float *y, bool add);

// What multiplies tiles of one kind in one kernel set.
typedef struct {
  TileKind kind;
  StretchKind stretch;
  StretchProduct *panels, *one;  // of panels of tokens, of single tokens; the second where there is no `token`
  StretchUnpack *unpack;
  TokenProduct *token;  // or NULL
} TileProducts;

// Multiplies tiles with all tokens, as Kernels.matmul does. All kernel sets share these loops.
void multiply_tiles(const TileProducts *products, const uint8_t *tiles, int tile_count, const Activations *x, float *y,
                    size_t y_stride, bool add);

#endif
