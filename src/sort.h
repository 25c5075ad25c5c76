// Sorting in place, for the few small lists there are: qsort() of some libraries is five times as much wasm.
#ifndef NIBBLE_SORT_H
#define NIBBLE_SORT_H

#include <stddef.h>

// Sorts `count` items of `size` bytes as qsort() does, in at most 2 count log2(count) comparisons. `size` is a multiple
// of 4.
void sort_items(void *items, size_t count, size_t size, int (*compare)(const void *a, const void *b));

#endif
