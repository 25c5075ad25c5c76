#include "tile_stretch.h"

#include <wasm_simd128.h>

#define LOOKUP wasm_i8x16_swizzle
#define WIDE_OPERANDS 0
#include "tile_unpack.h"

void tile_unpack_stretch(TileKind kind, const uint8_t *superblocks, int blocks, TileStretch *out) {
  switch (kind) {
#define UNPACK(kind) \
  case TILE_##kind: unpack_stretch(&tile_formats[TILE_##kind], superblocks, blocks, out); return;
    TILE_QUANTIZED_KINDS(UNPACK)
#undef UNPACK
    default: return;
  }
}
