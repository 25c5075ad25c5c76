// Model families. A family is a row in a table of choices, not a copy of the forward pass: forward.c asks the row.
#ifndef NIBBLE_ARCH_H
#define NIBBLE_ARCH_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
  const char *name;  // as in general.architecture, and the prefix of the family's metadata keys

  // RoPE rotates pairs of neighbours (2i, 2i + 1), as in the RoFormer paper (arXiv:2104.09864), or else (i, i + half).
  bool rope_adjacent;
} Architecture;

// The row of a family, or NULL for one that is not there.
const Architecture *architecture_find(const char *name, size_t length);

// Row `index`, or NULL behind the last: for messages that list what is supported.
const Architecture *architecture_at(size_t index);

#endif
