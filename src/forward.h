// The forward pass of a batch of tokens.
#ifndef NIBBLE_FORWARD_H
#define NIBBLE_FORWARD_H

#include "run.h"

// Looks up the embeddings of run->tokens and computes all layers: fills run->x, and the KV pages (which must be there)
// at positions run->position and on.
void forward_layers(Run *run);

// Logits of `count` tokens of the batch from `first` on, behind forward_layers(): logits [count, run->logits_stride].
// Uses run->normed and run->packed.
void forward_logits(Run *run, int first, int count, float *logits);

// The feed-forward products of one token in one block, on whatever the run's buffers hold, as a sample of what decode
// does to memory. Returns the weight bytes that they read.
uint64_t forward_sample(Run *run, int block);

#endif
