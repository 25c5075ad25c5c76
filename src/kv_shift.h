// Moves the tokens of a KV table down over others that are dropped.
#ifndef NIBBLE_KV_SHIFT_H
#define NIBBLE_KV_SHIFT_H

#include "kv_cache.h"

// The rotation that takes a key to its new position.
typedef struct {
  const Kernels *kernels;
  const float *cosine, *sine; /* [pairs] */
  int pairs;
  bool adjacent;  // which dimensions make a pair, as in Kernels.rope
} KvRotation;

// In a table of `length` tokens, removes the `drop` tokens behind the first `keep`, and moves the rest to their places.
// Values stay bit for bit; keys are read, rotated, and written again. On an error nothing has changed.
bool kv_table_shift(KvTable *table, int length, int keep, int drop, const KvRotation *rotation, NibbleError *error);

#endif
