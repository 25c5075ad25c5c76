// Moves the tokens of a KV table down over others that are dropped.
#ifndef NIBBLE_KV_SHIFT_H
#define NIBBLE_KV_SHIFT_H

#include "kv_cache.h"
#include "model.h"

// The rotations that take a layer's keys to their new positions.
typedef struct {
  const Kernels *kernels;
  const Model *model;                       // says which a layer has, and which dimensions make a pair
  const float *cosine[ROPES], *sine[ROPES]; /* [pairs] */
  int pairs;
} KvRotation;

// In a table of `length` tokens, removes the `drop` tokens behind the first `keep`, and moves the rest to their places.
// Values stay bit for bit; keys are read, rotated, and written again. On an error nothing has changed.
bool kv_table_shift(KvTable *table, int length, int keep, int drop, const KvRotation *rotation, NibbleError *error);

#endif
