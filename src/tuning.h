// Choices that only measuring on this machine and this model can make.
#ifndef NIBBLE_TUNING_H
#define NIBBLE_TUNING_H

#include "run.h"

// What these need: weights in place, the buffers as run_create() left them, and run->kv with the pages of a first
// token.

// Numbers of threads that are compared at most: 1, 2, 4, ... and all.
enum { TUNING_THREAD_COUNTS = 8 };

typedef struct {
  int threads;
  double rate;  // bytes of weights a second
} ThreadRate;

// Sets the active threads of run->threads to the number that decodes fastest, the smaller of two that are as good as
// equal; returns how many numbers were compared, and their rates. They take turns over the model's layers, some
// milliseconds each. With more threads than free processors, decode is many times slower.
int tuning_choose_threads(Run *run, ThreadRate rates[TUNING_THREAD_COUNTS]);

// Sets run->tiles_abreast to the number of tiles that the product with one token had better read side by side: 1, or
// that of the kernel set. Both forms take turns over the model's own weights, from memory where the model is larger
// than the cache, on the active threads. Takes some tens of milliseconds; none where the set has one form only.
void tuning_choose_abreast(Run *run);

#endif
