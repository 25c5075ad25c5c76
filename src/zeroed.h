// Allocates arrays whose count and size of an entry a file or a caller gives.
#ifndef NIBBLE_ZEROED_H
#define NIBBLE_ZEROED_H

#include <stdint.h>
#include <stdlib.h>

// `count` entries of `bytes` each, all zero; NULL where no memory has them. To be freed with free(). The calloc() of
// some C libraries (Emscripten's emmalloc) gives a block that is too small where the product has more than 32 bits.
static inline void *zeroed(uint64_t count, uint64_t bytes) {
  if (bytes != 0 && count > SIZE_MAX / 2 / bytes) return NULL;
  return calloc(1, (size_t)(count * bytes));
}

#endif
