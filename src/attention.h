// Causal attention of a batch over the KV pages of one layer: mixed = softmax(query . keys) . values, head by head,
// with an online softmax, so nothing grows with the square of the context.
#ifndef NIBBLE_ATTENTION_H
#define NIBBLE_ATTENTION_H

#include "run.h"

// Part of a task: every thread of run->threads calls it. Reads run->query (scaled by page_scale() / sqrt(key_size)) of
// the batch's tokens from `from` on and the pages of `layer`, writes run->mixed of them. Ends with a barrier.
void attention_run(Run *run, int layer, int from, int thread);

#endif
