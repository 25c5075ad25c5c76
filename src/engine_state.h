// What an engine and a session are made of, for engine.c, session.c and session_image.c alone.
#ifndef NIBBLE_ENGINE_STATE_H
#define NIBBLE_ENGINE_STATE_H

#include "engine.h"
#include "loader.h"
#include "run.h"
#include "tuning.h"

enum { MAX_KERNEL_SETS = 8 };

struct NibbleEngine {
  Model model;
  Run run;
  Loader loader;
  Threads *threads;
  KvShape kv_shape;
  int *windows;  // of kv_shape
  KvPool *pool;
  const Kernels *sets[MAX_KERNEL_SETS];
  double rates[MAX_KERNEL_SETS];
  int set_count;
  bool choose_threads;
  ThreadRate thread_rates[TUNING_THREAD_COUNTS];
  int thread_rate_count;
  bool complete;
  uint64_t session_bytes;
  uint64_t fingerprint;  // of the model; 0: not computed yet
};

struct NibbleSession {
  NibbleEngine *engine;
  KvTable kv;
  int length;
  bool has_logits;
  float *logits;   /* [logits_stride] */
  int32_t *tokens; /* [context_size] */
};

// Of one token's logits, padded as kernels store them.
static inline uint64_t engine_logits_bytes(const Shape *shape) {
  return (uint64_t)run_round_up(shape->vocabulary, TILE_ROWS) * sizeof(float);
}

#endif
