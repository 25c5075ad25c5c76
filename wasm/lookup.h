// One token with tiles of one-bit weights: sums of four activations are looked up instead of added. For each group of
// four columns a table has the sixteen sums that their bits choose; a vector of sixteen rows looks them up at once. The
// sums are exact, and so is the product bit-equal to the one by multiplication. The file that includes this has defined
// LOOKUP(table, indices), sixteen bytes out of a table by indices below 16, and LINKAGE.
#include <wasm_simd128.h>

#include "kernels.h"
#include "tile_formats.h"
#include "vectors.h"

enum {
  LOOKUP_BLOCKS = 128,      // of 32 columns whose tables are gone through at once: they take 32 KB
  LOOKUP_BIAS = 508,        // 4 x 127: no sum is below 0 with it
  LOOKUP_GROUP_BYTES = 32,  // a table of the sums' lower seven bits, and one of what is above
  LOOKUP_TILES = 128,       // whose sums are kept while the tables are there
};

typedef struct {
  v128_t sums[LOOKUP_TILES][2];  // of each tile the even rows and the odd ones
  uint32_t touched;
} LookupSpace;

// The tables of one group of four activations.
INLINE void tabulate_group(const uint8_t *activations, uint8_t *tables) {
  const v128_t a = wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(activations));
  const v128_t first = wasm_i16x8_shuffle(a, a, 0, 0, 0, 0, 0, 0, 0, 0),
               second = wasm_i16x8_shuffle(a, a, 1, 1, 1, 1, 1, 1, 1, 1);
  const v128_t third = wasm_i16x8_shuffle(a, a, 2, 2, 2, 2, 2, 2, 2, 2),
               fourth = wasm_i16x8_shuffle(a, a, 3, 3, 3, 3, 3, 3, 3, 3);
  const v128_t low = wasm_i16x8_add(wasm_i16x8_add(wasm_v128_and(first, wasm_i16x8_const(0, -1, 0, -1, 0, -1, 0, -1)),
                                                   wasm_v128_and(second, wasm_i16x8_const(0, 0, -1, -1, 0, 0, -1, -1))),
                                    wasm_i16x8_add(wasm_v128_and(third, wasm_i16x8_const(0, 0, 0, 0, -1, -1, -1, -1)),
                                                   wasm_i16x8_splat(LOOKUP_BIAS)));
  const v128_t high = wasm_i16x8_add(low, fourth), seven = wasm_i16x8_splat(127);
  wasm_v128_store(tables, wasm_u8x16_narrow_i16x8(wasm_v128_and(low, seven), wasm_v128_and(high, seven)));
  wasm_v128_store(tables + 16, wasm_u8x16_narrow_i16x8(wasm_u16x8_shr(low, 7), wasm_u16x8_shr(high, 7)));
}

// The tables of one token.
LINKAGE void tabulate(const uint8_t *packed, int columns, uint8_t *tables) {
  for (int b = 0; b < columns / TILE_BLOCK; b++, packed += PACKED_BLOCK_BYTES)
    for (int group = 0; group < 8; group++, tables += LOOKUP_GROUP_BYTES)
      tabulate_group(packed + 4 * group, tables);
}

// The integer dot products of a block of two tiles with a token: of even rows and of odd ones, the first tile's before
// the second's, as int16. `offset` is the activations' sum, negative.
INLINE void lookup_block(const uint8_t *first, const uint8_t *second, const uint8_t *tables, int offset,
                         v128_t dots[2]) {
  const v128_t mask = wasm_v128_load(kernel_nibble_mask);
  v128_t all = wasm_i16x8_splat(0), odd = all, tops = all;
#pragma unroll
  for (int i = 0; i < 4; i++, tables += 2 * LOOKUP_GROUP_BYTES) {
    const v128_t bits = wasm_v128_load64_lane(second + i * TILE_ROWS, wasm_v128_load64_zero(first + i * TILE_ROWS), 1);
    const v128_t low = wasm_v128_and(bits, mask), high = wasm_v128_and(wasm_u16x8_shr(bits, 4), mask);
    // Two sums of seven bits fit a byte.
    const v128_t pair = wasm_i8x16_add(LOOKUP(wasm_v128_load(tables), low), LOOKUP(wasm_v128_load(tables + 32), high));
    tops = wasm_i8x16_add(
        tops, wasm_i8x16_add(LOOKUP(wasm_v128_load(tables + 16), low), LOOKUP(wasm_v128_load(tables + 48), high)));
    all = wasm_i16x8_add(all, pair);
    odd = wasm_i16x8_add(odd, wasm_u16x8_shr(pair, 8));
  }
  const v128_t even = wasm_i16x8_sub(all, wasm_i16x8_shl(odd, 8));
  const v128_t top_even = wasm_v128_and(tops, wasm_i16x8_splat(0xff)), top_odd = wasm_u16x8_shr(tops, 8);
  // A weight is 2 x bit - 1.
  const v128_t constant = wasm_i16x8_splat((int16_t)(offset - 2 * 8 * LOOKUP_BIAS));
  dots[0] = wasm_i16x8_add(wasm_i16x8_shl(wasm_i16x8_add(even, wasm_i16x8_shl(top_even, 7)), 1), constant);
  dots[1] = wasm_i16x8_add(wasm_i16x8_shl(wasm_i16x8_add(odd, wasm_i16x8_shl(top_odd, 7)), 1), constant);
}

// rows += a superblock's sums, of even rows and of odd ones, times the tile's scales.
INLINE void add_lookup_rows(const TileFormat *format, const uint8_t *superblock, const v128_t sums[2], v128_t *rows) {
  const v128_t low = header_scales(format, superblock, 0), high = header_scales(format, superblock, 1);
  rows[0] = add_product(rows[0], sums[0], wasm_i32x4_shuffle(low, high, 0, 2, 4, 6));
  rows[1] = add_product(rows[1], sums[1], wasm_i32x4_shuffle(low, high, 1, 3, 5, 7));
}

// What memory is asked for ahead of its use, since wasm has no prefetch and two tiles side by side leave the
// processor's own to guess wrong: the two tiles that come next, block by block. Where they lie in one piece they are
// touched as one.
typedef struct {
  const uint8_t *first;
  size_t apart, step;
} Ahead;

// Two tiles over the blocks that there are tables of.
INLINE void lookup_tiles(const TileFormat *format, const uint8_t *first, const uint8_t *second, int blocks,
                         const uint8_t *a, const uint8_t *tables, LookupSpace *space, const Ahead *next,
                         v128_t *first_rows, v128_t *second_rows) {
  const uint8_t *ahead = next->first;
  uint32_t touched = 0;
  for (int at = 0; at < blocks;) {
    const uint8_t *one = first + format->header_bytes, *two = second + format->header_bytes;
    v128_t sums[4] = {wasm_f32x4_splat(0), wasm_f32x4_splat(0), wasm_f32x4_splat(0), wasm_f32x4_splat(0)};
#pragma clang loop unroll(disable)
    for (int b = 0; b < format->blocks; b++, at++, a += PACKED_BLOCK_BYTES) {
      int32_t offset;
      memcpy(&offset, a + 36, sizeof offset);
      touched ^= *(const uint32_t *)ahead ^ *(const uint32_t *)(ahead + next->apart);
      ahead += next->step;
      v128_t dots[2];
      lookup_block(one, two, tables + at * TABLE_BLOCK_BYTES, offset / 8, dots);
      const v128_t scale = wasm_f32x4_mul(wasm_v128_load32_splat(a + 32), wasm_v128_load(kernel_true_scale));
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const v128_t dot = i < 2 ? wasm_i32x4_extend_low_i16x8(dots[i]) : wasm_i32x4_extend_high_i16x8(dots[i - 2]);
        sums[i] = add_product(sums[i], wasm_f32x4_convert_i32x4(dot), scale);
      }
      one += tile_block_bytes(format);
      two += tile_block_bytes(format);
    }
    add_lookup_rows(format, first, sums, first_rows);
    add_lookup_rows(format, second, sums + 2, second_rows);
    first += tile_superblock_bytes(format);
    second += tile_superblock_bytes(format);
  }
  space->touched = touched;
}

// One token with up to LOOKUP_TILES tiles, `bytes` apart. The last of an odd number is computed twice.
INLINE void lookup_run(const TileFormat *format, const uint8_t *tiles, size_t bytes, int count, int blocks,
                       const uint8_t *a, const uint8_t *tables, float *y, bool add, LookupSpace *space) {
  v128_t unused[2] = {wasm_f32x4_splat(0), wasm_f32x4_splat(0)};
  for (int i = 0; i < count; i++)
    space->sums[i][0] = space->sums[i][1] = wasm_f32x4_splat(0);
  for (int begin = 0; begin < blocks; begin += LOOKUP_BLOCKS, a += LOOKUP_BLOCKS * PACKED_BLOCK_BYTES) {
    const int length = blocks - begin < LOOKUP_BLOCKS ? blocks - begin : LOOKUP_BLOCKS;
    const size_t skip = (size_t)(begin / format->blocks) * (size_t)tile_superblock_bytes(format);
    for (int i = 0; i < count; i += 2) {
      const uint8_t *tile = tiles + (size_t)i * bytes + skip;
      const bool alone = i + 1 == count;
      const size_t block = (size_t)tile_superblock_bytes(format) / (size_t)format->blocks;
      // Where no two tiles come next, the same place again: behind the last one there may be no memory.
      Ahead next = {tile, 0, 0};
      if (i + 4 <= count)
        next = length == blocks ? (Ahead){tile + 2 * bytes, block, 2 * block} : (Ahead){tile + 2 * bytes, bytes, block};
      lookup_tiles(format, tile, alone ? tile : tile + bytes, length, a, tables + begin * TABLE_BLOCK_BYTES, space,
                   &next, space->sums[i], alone ? unused : space->sums[i + 1]);
    }
  }
  for (int i = 0; i < count; i++, y += TILE_ROWS) {
    const v128_t even = space->sums[i][0], odd = space->sums[i][1];
    const v128_t rows[2] = {wasm_i32x4_shuffle(even, odd, 0, 4, 1, 5), wasm_i32x4_shuffle(even, odd, 2, 6, 3, 7)};
    for (int g = 0; g < 2; g++)
      wasm_v128_store(y + 4 * g, add ? wasm_f32x4_add(wasm_v128_load(y + 4 * g), rows[g]) : rows[g]);
  }
}
