// One token with tiles as they are: the product that writing a text waits for.
#include "products.h"

// One token's block of activations: each group of four columns in every lane. Two loads and eight shuffles are fewer
// instructions than eight splats from memory, whose addresses V8 computes one by one. Of each half, or of the whole
// block alone: what is subtracted, and what minima are multiplied with.
typedef struct {
  v128_t groups[BLOCK_GROUPS], scale, offsets[2], factors[2];
} TokenBlock;

INLINE TokenBlock load_token(const ProductClass class, const int offset, const uint8_t *a) {
  TokenBlock token;
  const v128_t first = wasm_v128_load(a), second = wasm_v128_load(a + 16);
#pragma unroll
  for (int j = 0; j < 4; j++) {
    token.groups[j] = splat_lane(first, j);
    token.groups[j + 4] = splat_lane(second, j);
  }
  token.scale = packed_number(a, 1, 0, 0);
  if (class.header || class.folded) token.scale = wasm_f32x4_mul(token.scale, wasm_v128_load(kernel_true_scale));
#pragma unroll
  for (int half = 0; half <= class.halves; half++) {
    token.offsets[half] = offset_times(packed_offset(a, 1, 0, class.halves, half), offset);
    token.factors[half] = packed_sum(a, 1, 0, class.halves, half);
  }
  return token;
}

// A sum under way and what of it was emptied already.
typedef struct {
  Dot dot;
  v128_t total;
  int groups;  // that it took; all is unrolled, so that these are constants
  bool emptied;
} TokenDot;

INLINE void take_group(TokenDot *sum, const int interval, v128_t activations, v128_t operands) {
  if (sum->groups == interval) {
    sum->total = sum->emptied ? wasm_i32x4_add(sum->total, dot_sum(sum->dot)) : dot_sum(sum->dot);
    *sum = (TokenDot){dot_start(wasm_i32x4_splat(0)), sum->total, 0, true};
  }
  sum->dot = dot_add(sum->dot, activations, operands);
  sum->groups++;
}

INLINE v128_t token_dot_sum(const TokenDot *sum) {
  return sum->emptied ? wasm_i32x4_add(sum->total, dot_sum(sum->dot)) : dot_sum(sum->dot);
}

// In which order groups enter a dot product: what comes out of the same bytes stands together.
INLINE uint32_t nth_group(const TileFormat *format, const uint32_t i) {
  static const uint8_t five[] = {0, 1, 5, 2, 3, 6, 4, 7};
  switch (format->low_bits) {
    case 2:
    case 8: return i;
    case 5: return five[i];
    default: return i / 2 + i % 2 * 4;
  }
}

// The dot products of one token with four rows, of groups `first` to `end` of that order: over the halves of a block,
// or over the whole of it. What the kind subtracts is in them with the first group.
INLINE void dot_token(const TileFormat *format, const ProductClass class, const uint8_t *block, Operands table,
                      const TokenBlock *token, const int g, const uint32_t first, const uint32_t end, v128_t dots[2]) {
  const int offset = first == 0 ? format_offset(format) : 0;
  const bool starts = offset != 0 && dots_start_with_offset(class, offset);
  const v128_t zero = wasm_i32x4_splat(0);
  TokenDot low[2], high[2];
#pragma unroll
  for (int half = 0; half <= class.halves; half++) {
    const v128_t start = starts ? token->offsets[half] : zero;
    low[half] = (TokenDot){dot_start(class.split ? zero : start), zero, 0, false};
    high[half] = (TokenDot){dot_start(start), zero, 0, false};
  }
#pragma unroll
  for (uint32_t i = first; i < end; i++) {
    const uint32_t j = nth_group(format, i), half = class.halves ? j / 4 : 0;
    const Operands w = operands_of(format, table, block, g, (int)(j % 4), (int)(j / 4));
    take_group(&low[half], class.interval, token->groups[j], w.low);
    if (class.split) take_group(&high[half], class.interval, token->groups[j], w.high);
  }
#pragma unroll
  for (int half = 0; half <= class.halves; half++) {
    v128_t upper = token_dot_sum(class.split ? &high[half] : &low[half]);
    if (!starts && offset != 0) upper = wasm_i32x4_add(upper, token->offsets[half]);
    dots[half] = class.split ? wasm_i32x4_add(token_dot_sum(&low[half]), wasm_i32x4_shl(upper, 4)) : upper;
  }
}

// What a tile's rows have come to: without a header `rows` alone.
typedef struct {
  v128_t rows[GROUPS];  // over superblocks
  v128_t dots[GROUPS];  // of the superblock under way; of kinds that fold, its header's scales
} TokenSums;

// The scales of a block of a kind that folds.
INLINE v128_t folded_scales(const TileFormat *format, const uint8_t *block, const TokenSums *sums, const int g) {
  return wasm_f32x4_mul(wasm_f32x4_convert_i32x4(whole_scales(format, block, g, 0)), sums->dots[g]);
}

// A block of a tile with one token. LLVM has all operands of a sum ready before it adds the first, which are more
// vectors than there are registers: where that is so (TOKEN_PARTS is 2), the first half of every sum goes to memory
// before the second is begun. The two wait for half as many products each, besides. Halves of their own are short
// enough. Of kinds with a header and minima only those are here that fold: the others multiply a token with a
// stretch.
INLINE void add_token_block(const TileFormat *format, const ProductClass class, const uint8_t *block, Operands table,
                            const TokenBlock *token, TokenSums *sums) {
  const uint32_t parts = class.halves ? 1 : TOKEN_PARTS, part = BLOCK_GROUPS / parts;
  v128_t firsts[GROUPS][2];
#pragma unroll
  for (int g = 0; g < GROUPS && parts > 1; g++)
    dot_token(format, class, block, table, token, g, 0, part, firsts[g]);
  if (parts > 1) IN_MEMORY(firsts);
#pragma unroll
  for (int g = 0; g < GROUPS; g++) {
    v128_t dots[2];
    dot_token(format, class, block, table, token, g, BLOCK_GROUPS - part, BLOCK_GROUPS, dots);
    if (parts > 1) dots[0] = wasm_i32x4_add(dots[0], firsts[g][0]);
    if (class.header) {
#pragma unroll
      for (int half = 0; class.whole && half <= class.halves; half++)
        dots[half] = wasm_i32x4_mul(dots[half], whole_scales(format, block, g, half));
      const v128_t dot = class.halves ? wasm_i32x4_add(dots[0], dots[1]) : dots[0];
      sums->dots[g] = add_product(sums->dots[g], wasm_f32x4_convert_i32x4(dot), token->scale);
    } else {
#pragma unroll
      for (int half = 0; half <= class.halves; half++)
        sums->rows[g] = add_product(sums->rows[g], wasm_f32x4_convert_i32x4(dots[half]),
                                    wasm_f32x4_mul(token->scale, class.folded ? folded_scales(format, block, sums, g)
                                                                              : block_scales(format, block, g, half)));
      if (class.minima) sums->rows[g] = add_product(sums->rows[g], token->factors[0], block_minima(format, block, g));
    }
  }
}

INLINE void begin_superblock(const TileFormat *format, const uint8_t *superblock, TokenSums *sums) {
  for (int g = 0; g < GROUPS; g++)
    sums->dots[g] = tile_folds(format) ? header_scales(format, superblock, g) : wasm_f32x4_splat(0);
}

// rows -= the minima of a superblock of a kind that folds.
INLINE void subtract_folded_minima(const TileFormat *format, const uint8_t *superblock, const uint8_t *folded,
                                   TokenSums *sums) {
  const uint8_t *block = superblock + format->header_bytes;
  v128_t minima[GROUPS] = {wasm_i32x4_splat(0), wasm_i32x4_splat(0)};
#pragma clang loop unroll(disable)
  for (int pair = 0; pair < FOLDED_PAIRS; pair++, block += 2 * tile_block_bytes(format)) {
    const v128_t whole = wasm_v128_load32_splat(folded + 4 * pair);
#pragma unroll
    for (int g = 0; g < GROUPS; g++)
      minima[g] = wasm_i32x4_add(minima[g], wasm_i32x4_dot_i16x8(whole, minima_pairs(format, block, g)));
  }
  const v128_t scale = wasm_v128_load32_splat(folded + 4 * FOLDED_PAIRS);
  for (int g = 0; g < GROUPS; g++)
    sums->rows[g] = wasm_f32x4_sub(sums->rows[g], wasm_f32x4_mul(wasm_f32x4_convert_i32x4(minima[g]),
                                                                 wasm_f32x4_mul(scale, header_minima(superblock, g))));
}

INLINE void end_superblock(const TileFormat *format, const uint8_t *superblock, const uint8_t *folded,
                           TokenSums *sums) {
  if (tile_folds(format)) {
    subtract_folded_minima(format, superblock, folded, sums);
    return;
  }
#pragma unroll
  for (int g = 0; g < GROUPS; g++)
    sums->rows[g] = add_product(sums->rows[g], sums->dots[g], header_scales(format, superblock, g));
}

// One tile: its sums stay in registers.
INLINE void token_tile(const TileFormat *format, const uint8_t *tile, int blocks, const uint8_t *a,
                       const uint8_t *folded, float *y, bool add) {
  const ProductClass class = product_class(format);
  TokenSums sums = {{wasm_f32x4_splat(0), wasm_f32x4_splat(0)}, {0}};
  for (int done = 0; done < blocks; done += format->blocks) {
    const Operands table = name_table(format, tile);
    const uint8_t *block = tile + format->header_bytes;
    if (tile_has_header(format)) begin_superblock(format, tile, &sums);
#pragma clang loop unroll(disable)
    for (int b = 0; b < format->blocks; b++, block += tile_block_bytes(format), a += PACKED_BLOCK_BYTES) {
      const TokenBlock token = load_token(class, format_offset(format), a);
      add_token_block(format, class, block, table, &token, &sums);
    }
    if (tile_has_header(format)) end_superblock(format, tile, folded, &sums);
    if (class.folded) folded += FOLDED_BYTES;
    tile += tile_superblock_bytes(format);
  }
  for (int g = 0; g < GROUPS; g++)
    store_rows(y + 4 * g, sums.rows[g], add);
}

// Up to TILES_ABREAST tiles, `bytes` apart, read side by side. `superblock` is the number of blocks in one: kinds that
// differ in nothing else share their code.
INLINE void token_abreast(const TileFormat *format, int superblock, const uint8_t *tiles, size_t bytes, int count,
                          int blocks, const uint8_t *a, const uint8_t *folded, float *y, bool add) {
  const ProductClass class = product_class(format);
  const int superblock_bytes = format->header_bytes + superblock * tile_block_bytes(format);
  TokenSums sums[TILES_ABREAST];
#pragma clang loop unroll(disable)
  for (int i = 0; i < count; i++)
    sums[i].rows[0] = sums[i].rows[1] = wasm_f32x4_splat(0);
  for (int done = 0; done < blocks; done += superblock, tiles += superblock_bytes) {
    const uint8_t *block = tiles + format->header_bytes;
#pragma clang loop unroll(disable)
    for (int i = 0; tile_has_header(format) && i < count; i++)
      begin_superblock(format, tiles + (size_t)i * bytes, &sums[i]);
#pragma clang loop unroll(disable)
    for (int b = 0; b < superblock; b++, block += tile_block_bytes(format), a += PACKED_BLOCK_BYTES) {
      IN_MEMORY(sums);
      const TokenBlock token = load_token(class, format_offset(format), a);
#pragma clang loop unroll(disable)
      for (int i = 0; i < count; i++)
        add_token_block(format, class, block + (size_t)i * bytes, name_table(format, tiles + (size_t)i * bytes), &token,
                        &sums[i]);
    }
    IN_MEMORY(sums);
#pragma clang loop unroll(disable)
    for (int i = 0; tile_has_header(format) && i < count; i++)
      end_superblock(format, tiles + (size_t)i * bytes, folded, &sums[i]);
    if (class.folded) folded += FOLDED_BYTES;
  }
  IN_MEMORY(sums);
#pragma clang loop unroll(disable)
  for (int i = 0; i < count; i++)
    for (int g = 0; g < GROUPS; g++)
      store_rows(y + i * TILE_ROWS + 4 * g, sums[i].rows[g], add);
}
