// The forward pass of a batch of tokens.
#ifndef NIBBLE_FORWARD_H
#define NIBBLE_FORWARD_H

#include "run.h"

// Computes steps first <= step < end of shape_steps(): reads and writes run->x, and writes the KV pages (which must be
// there) at positions run->position and on. Where `embeds`, run->x becomes the embeddings of run->tokens before.
// Of the last layer, only tokens from run->wanted on are computed to its end.
void forward_blocks(Run *run, int first, int end, bool embeds);

// Makes the embedding of a token at `position` of its row x [width] of the embedding, as the family has it. `spare`
// [width] is written to.
void forward_finish_embedding(const Run *run, int position, float *x, float *spare);

// Computes logits [count, stride] of `count` tokens of the batch from `first` on, behind its last step. `output` is the
// output projection [rows, width], or the part of it from row `row` on. Uses run->normed and run->packed.
void forward_output(Run *run, int first, int count, const Matrix *output, int row, float *logits, int stride);

// Computes one token through one layer, from whatever run->x holds, as a sample of decode. The KV pages of a first
// token must be there. Returns the weight bytes that it reads.
uint64_t forward_sample(Run *run, int layer);

#endif
