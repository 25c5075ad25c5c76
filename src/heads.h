// The heads of queries and keys between their products and attention.
#ifndef NIBBLE_HEADS_H
#define NIBBLE_HEADS_H

#include "run.h"

// Normalises and rotates the batch's queries and keys, as the family does either, scales queries for attention, and
// writes keys and values to the layer's KV pages. A step.
void heads_rotate_and_store(Run *run, const Block *block, int layer, int thread);

#endif
