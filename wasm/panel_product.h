// Panels of tokens, or one token, with a stretch of a tile that was unpacked for all of them. A panel and a tile are 8
// vectors of sums. With two of weights, a splat and a product they just fit the 15 registers that V8 has on x64, where
// unrolled loops would not: LLVM makes one expression of each sum, and the vectors that all of them share are spilled.
// Hence loops that stay loops, and float sums that stay in memory.
#ifndef NIBBLE_PANEL_PRODUCT_H
#define NIBBLE_PANEL_PRODUCT_H

#include "products.h"
#include "tile_stretch.h"

// `tokens` is PANEL_TOKENS or 1 wherever it stands, and a constant.
typedef Dot PanelDots[PANEL_TOKENS][GROUPS];

#define EACH_SUM _Pragma("unroll") for (int u = 0; u < tokens; u++) _Pragma("unroll") for (int g = 0; g < GROUPS; g++)

// Four tokens' four columns, or one token's in every lane.
INLINE v128_t load_group(const uint8_t *group, const int tokens) {
  return tokens == 1 ? wasm_v128_load32_splat(group) : wasm_v128_load(group);
}

INLINE v128_t token_lane(v128_t group, const int tokens, const int u) {
  return tokens == 1 ? group : splat_lane(group, u);
}

// dots += the products of `count` groups of four columns with a stretch's operands.
INLINE void dot_groups(const uint8_t *operands, const uint8_t *groups, const int count, const int tokens,
                       PanelDots dots) {
  const uint8_t *const end = groups + count * tokens * 4;
#pragma clang loop unroll(disable)
  do {
    const v128_t activations = load_group(groups, tokens);
    v128_t weights[GROUPS];
#pragma unroll
    for (int g = 0; g < GROUPS; g++)
      weights[g] = wasm_v128_load(operands + g * 16);
    EACH_SUM dots[u][g] = dot_add(dots[u][g], token_lane(activations, tokens, u), weights[g]);
    groups += tokens * 4;
    operands += GROUPS * 16;
    POINTER(operands);
  } while (groups != end);
}

#if !DOT_STARTS_ANY
// The same, where sums under way cannot take all groups: they are emptied into `totals`.
static NOINLINE void dot_intervals(const uint8_t *operands, const uint8_t *groups, int count, int interval,
                                   PanelVectors totals) {
  enum { tokens = PANEL_TOKENS };
  const int each = interval < count ? interval : count;
#pragma clang loop unroll(disable)
  for (int done = 0; done < count; done += each) {
    PanelDots dots;
    EACH_SUM dots[u][g] = dot_start(wasm_i32x4_splat(0));
    dot_groups(operands + done * GROUPS * 16, groups + done * tokens * 4, each, tokens, dots);
    IN_MEMORY(totals);
    EACH_SUM totals[u][g] = wasm_i32x4_add(totals[u][g], dot_sum(dots[u][g]));
    IN_MEMORY(totals);
  }
}
#endif

// The whole dot products of one half of a block, or of all of it, what the kind subtracts included.
INLINE void dot_part(const ProductClass class, const int offset, const TileStretch *stretch, int at, const uint8_t *a,
                     const int half, const int tokens, PanelVectors totals) {
  const int first = half * BLOCK_GROUPS / 2, count = class.halves ? BLOCK_GROUPS / 2 : BLOCK_GROUPS;
  const uint8_t *groups = a + first * tokens * 4;
  const uint8_t *low = stretch->low[at] + first * GROUPS * 16, *high = stretch->high[at] + first * GROUPS * 16;
#if !DOT_STARTS_ANY
  // Where that depends on what is known late, both ways would be code.
  if (!__builtin_constant_p(offset) || !dots_start_with_offset(class, offset)) {
    EACH_SUM totals[u][g] = offset_times(packed_offset(a, tokens, u, class.halves, half), offset);
    if (class.split) {
      dot_intervals(high, groups, count, class.interval, totals);
      EACH_SUM totals[u][g] = wasm_i32x4_shl(totals[u][g], 4);
    }
    dot_intervals(low, groups, count, class.interval, totals);
    return;
  }
#endif
  PanelDots dots;
  EACH_SUM dots[u][g] = dot_start(offset_times(packed_offset(a, tokens, u, class.halves, half), offset));
  if (class.split) {
    dot_groups(high, groups, count, tokens, dots);
    EACH_SUM dots[u][g] = dot_times_16(dots[u][g]);
  }
  dot_groups(low, groups, count, tokens, dots);
  EACH_SUM totals[u][g] = dot_sum(dots[u][g]);
}

// sums += a block of a kind without headers.
INLINE void add_block(const ProductClass class, const int offset, const TileStretch *stretch, int at, const uint8_t *a,
                      const int tokens, PanelVectors sums) {
#pragma clang loop unroll(disable)
  for (int half = 0; half <= class.halves; half++) {
    PanelVectors totals;
    IN_MEMORY(sums);
    dot_part(class, offset, stretch, at, a, half, tokens, totals);
    IN_MEMORY(sums);
    v128_t rows[GROUPS];
    for (int g = 0; g < GROUPS; g++)
      rows[g] = wasm_v128_load(stretch->scales[at][half] + 16 * g);
    EACH_SUM sums[u][g] = add_product(sums[u][g], wasm_f32x4_convert_i32x4(totals[u][g]),
                                      wasm_f32x4_mul(packed_scale(a, tokens, u), rows[g]));
  }
  if (!class.minima) return;
  IN_MEMORY(sums);
  v128_t rows[GROUPS];
  for (int g = 0; g < GROUPS; g++)
    rows[g] = wasm_v128_load(stretch->minima[at][0] + 4 * g);
  EACH_SUM sums[u][g] = add_product(sums[u][g], packed_number(a, tokens, u, 3), rows[g]);
}

// The dot products of a part times its whole scales.
INLINE void dot_whole_part(const ProductClass class, const int offset, const TileStretch *stretch, int at,
                           const uint8_t *a, const int half, const int tokens, PanelVectors totals) {
  dot_part(class, offset, stretch, at, a, half, tokens, totals);
  if (!class.whole) return;
  v128_t rows[GROUPS];
  for (int g = 0; g < GROUPS; g++)
    rows[g] = wasm_v128_load(stretch->scales[at][half] + 16 * g);
  EACH_SUM totals[u][g] = wasm_i32x4_mul(totals[u][g], rows[g]);
}

// sums += a block of a kind with headers, its header's scale left out.
INLINE void add_whole_block(const ProductClass class, const int offset, const TileStretch *stretch, int at,
                            const uint8_t *a, const int tokens, PanelVectors sums) {
  PanelVectors totals, first;
  IN_MEMORY(sums);
  dot_whole_part(class, offset, stretch, at, a, 0, tokens, totals);
  if (class.halves) {
    EACH_SUM first[u][g] = totals[u][g];
    IN_MEMORY(first);
    dot_whole_part(class, offset, stretch, at, a, 1, tokens, totals);
    IN_MEMORY(first);
    EACH_SUM totals[u][g] = wasm_i32x4_add(totals[u][g], first[u][g]);
  }
  IN_MEMORY(sums);
  EACH_SUM sums[u][g] = add_product(sums[u][g], wasm_f32x4_convert_i32x4(totals[u][g]), packed_scale(a, tokens, u));
}

// sums -= the minima of a superblock.
INLINE void subtract_minima(const ProductClass class, const TileStretch *stretch, int at, int blocks, const uint8_t *a,
                            const int tokens, PanelVectors sums) {
  PanelVectors minima;
  EACH_SUM minima[u][g] = wasm_f32x4_splat(0);
#pragma clang loop unroll(disable)
  for (int b = 0; b < blocks; b++, a += tokens * PACKED_BLOCK_BYTES)
#pragma clang loop unroll(disable)
    for (int half = 0; half <= class.halves; half++) {
      v128_t rows[GROUPS];
      for (int g = 0; g < GROUPS; g++)
        rows[g] = wasm_v128_load(stretch->minima[at + b][half] + 4 * g);
      EACH_SUM minima[u][g] = add_product(minima[u][g], packed_sum(a, tokens, u, class.halves, half), rows[g]);
    }
  v128_t header[GROUPS];
  for (int g = 0; g < GROUPS; g++)
    header[g] = wasm_v128_load(stretch->headers[at][1] + 4 * g);
  EACH_SUM sums[u][g] = wasm_f32x4_sub(sums[u][g], wasm_f32x4_mul(minima[u][g], header[g]));
  IN_MEMORY(sums);
}

// sums += a superblock of a kind with headers.
INLINE void add_superblock(const ProductClass class, const int offset, const TileStretch *stretch, int at, int blocks,
                           const uint8_t *a, const int tokens, PanelVectors sums) {
  PanelVectors dots;
  EACH_SUM dots[u][g] = wasm_f32x4_splat(0);
#pragma clang loop unroll(disable)
  for (int b = 0; b < blocks; b++) {
    IN_MEMORY(dots);
    add_whole_block(class, offset, stretch, at + b, a + (size_t)b * (size_t)(tokens * PACKED_BLOCK_BYTES), tokens,
                    dots);
    IN_MEMORY(dots);
  }
  v128_t header[GROUPS];
  for (int g = 0; g < GROUPS; g++)
    header[g] = wasm_v128_load(stretch->headers[at][0] + 4 * g);
  EACH_SUM sums[u][g] = add_product(sums[u][g], dots[u][g], header[g]);
  IN_MEMORY(sums);
  if (class.minima) subtract_minima(class, stretch, at, blocks, a, tokens, sums);
}

// sums -= the minima of a superblock of a kind that folds.
static NOINLINE void subtract_folded(const TileStretch *stretch, int at, const uint8_t *folded, PanelVectors sums) {
  enum { tokens = PANEL_TOKENS };
  PanelVectors minima;
  EACH_SUM minima[u][g] = wasm_i32x4_splat(0);
#pragma clang loop unroll(disable)
  for (int pair = 0; pair < FOLDED_PAIRS; pair++, folded += tokens * 4, at += 2) {
    const v128_t whole = load_group(folded, tokens);
    v128_t rows[GROUPS];
    for (int g = 0; g < GROUPS; g++)
      rows[g] = wasm_v128_load(stretch->minima[at][0] + 4 * g);
    EACH_SUM minima[u][g] = wasm_i32x4_add(minima[u][g], wasm_i32x4_dot_i16x8(token_lane(whole, tokens, u), rows[g]));
  }
  v128_t header[GROUPS];
  for (int g = 0; g < GROUPS; g++)
    header[g] = wasm_v128_load(stretch->headers[at - 2 * FOLDED_PAIRS][1] + 4 * g);
  EACH_SUM sums[u][g] =
      wasm_f32x4_sub(sums[u][g], wasm_f32x4_mul(wasm_f32x4_convert_i32x4(minima[u][g]),
                                                wasm_f32x4_mul(wasm_v128_load32_splat(folded + 4 * u), header[g])));
  IN_MEMORY(sums);
}

INLINE void multiply_stretch(const TileStretch *stretch, const ProductClass class, const int offset, int superblock,
                             int blocks, const uint8_t *a, size_t panel_bytes, int panels, const uint8_t *folded,
                             const int tokens, PanelVectors *sums) {
  const size_t block_bytes = (size_t)tokens * PACKED_BLOCK_BYTES;
  for (int p = 0; p < panels; p++, a += panel_bytes) {
    if (class.header) {
      for (int at = 0; at < blocks; at += superblock)
        add_superblock(class, offset, stretch, at, superblock, a + (size_t)at * block_bytes, tokens, sums[p]);
    } else {
      for (int at = 0; at < blocks; at++) {
        add_block(class, offset, stretch, at, a + (size_t)at * block_bytes, tokens, sums[p]);
        if (!class.folded || (at + 1) % (2 * FOLDED_PAIRS) != 0) continue;
        subtract_folded(stretch, at + 1 - 2 * FOLDED_PAIRS, folded, sums[p]);
        folded += FOLDED_BYTES * tokens;
      }
    }
  }
}

#define STRETCH_PRODUCT(linkage, name, kind_class, kind_offset, tokens)                                         \
  linkage NOINLINE void name(const TileStretch *stretch, StretchKind kind, int blocks, const uint8_t *a,        \
                             size_t panel_bytes, int panels, const uint8_t *folded, PanelVectors *sums) {       \
    multiply_stretch(stretch, kind_class, kind_offset, kind.superblock, blocks, a, panel_bytes, panels, folded, \
                     tokens, sums);                                                                             \
  }

// What a class says in three bits; the rest of it may be told as late as a product runs. Minima are met with neither
// or both of the last two.
#define SHAPE(split, halves, header)                                                                           \
  ((ProductClass){split, halves, !(split) && (halves) == (header) && kind.class.minima, header, header, false, \
                  DOT_STARTS_ANY ? BLOCK_GROUPS : kind.class.interval})

// All of it as late, but for kinds that fold, whose tiles one token is multiplied with as they are.
#define UNFOLDED                                                                                                      \
  ((ProductClass){kind.class.split, kind.class.halves, kind.class.minima, kind.class.header, kind.class.whole, false, \
                  kind.class.interval})

#endif
