// What is checked of a header's tables as a whole, for gguf.c: names, and where the tensors lie.
#ifndef NIBBLE_GGUF_TABLES_H
#define NIBBLE_GGUF_TABLES_H

#include "gguf.h"

// Sorts the keys of the pairs and the names of the tensors, for gguf_find() and gguf_find_tensor(). False, and `error`,
// where one stands twice; what was allocated is gguf_free()'s.
bool gguf_sort_names(Gguf *gguf, NibbleError *error);

// Turns the tensors' offsets into offsets from the start of the file, once they are known to lie inside it.
bool gguf_place_tensors(Gguf *gguf, NibbleError *error);

// Returns whether no two tensors share bytes. Needs offsets and extents that are known to lie inside the file.
bool gguf_check_overlap(const Gguf *gguf, NibbleError *error);

#endif
