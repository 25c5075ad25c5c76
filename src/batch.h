// How tokens are shared out among batches.
#ifndef NIBBLE_BATCH_H
#define NIBBLE_BATCH_H

#include "kernels.h"

// Tokens of the next batch where `left` (at least 1) are left and a batch takes `most`: all batches are about as long,
// since a last one of a token would read all weights for itself.
static inline int batch_tokens(int left, int most) {
  const int batches = (left - 1) / most + 1, even = (left - 1) / batches + 1;
  const int panels = (even + PANEL_TOKENS - 1) / PANEL_TOKENS * PANEL_TOKENS, limit = left < most ? left : most;
  return panels < limit ? panels : limit;
}

#endif
