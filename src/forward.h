// The forward pass of a batch of tokens.
#ifndef NIBBLE_FORWARD_H
#define NIBBLE_FORWARD_H

#include "run.h"

// Looks up the embeddings of run->tokens and computes all layers: fills run->x, and the KV pages (which must be there)
// at positions run->position and on.
void forward_layers(Run *run);

// The same in parts. forward_embed() looks up the embeddings alone, where the embedding is in memory; rows that are
// unpacked elsewhere become what the family has at a position by forward_finish_embedding(), with `spare` [width] to
// write to. forward_block() computes one of the steps of shape_steps().
void forward_embed(Run *run);
void forward_finish_embedding(const Run *run, int position, float *x, float *spare);
void forward_block(Run *run, int step);

// Logits of `count` tokens of the batch from `first` on, behind forward_layers(): logits [count, run->logits_stride].
// Uses run->normed and run->packed.
void forward_logits(Run *run, int first, int count, float *logits);

// The same for some of the output's rows, [rows, width], which is row `row` and those behind it: logits [count, stride]
// of these alone.
void forward_output(Run *run, int first, int count, const Matrix *output, int row, float *logits, int stride);

// One token through one layer, from whatever run->x holds, as a sample of decode; the KV pages of a first token must be
// there. Returns the weight bytes that it reads.
uint64_t forward_sample(Run *run, int layer);

#endif
