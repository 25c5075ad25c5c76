// Choices that only measuring on this machine and this model can make.
#ifndef NIBBLE_TUNING_H
#define NIBBLE_TUNING_H

#include "run.h"

// Sets run->tile_streams to the number of tiles that the product with one token had better read side by side: 1, or
// that of the kernel set. Both forms take turns over the model's own weights, from memory where the model is larger
// than the cache, on all threads. For a run whose weights are in place and whose buffers still hold the zeros that
// run_create() left there. Takes some tens of milliseconds; none where the set has one form only.
void tuning_choose_streams(Run *run);

#endif
