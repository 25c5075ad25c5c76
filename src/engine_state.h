// What an engine and a session are made of, for engine.c, streaming.c, session.c, pass.c and session_image.c alone.
#ifndef NIBBLE_ENGINE_STATE_H
#define NIBBLE_ENGINE_STATE_H

#include "driver.h"
#include "engine.h"
#include "loader.h"
#include "run.h"
#include "scoring.h"
#include "tuning.h"

enum { MAX_KERNEL_SETS = 8 };

struct NibbleEngine {
  Model model;
  Run run;
  Loader loader;
  Threads *threads;
  KvShape kv_shape;
  void *kv_layers;  // of kv_shape
  KvPool *pool;
  const Kernels *sets[MAX_KERNEL_SETS];
  double rates[MAX_KERNEL_SETS];
  int set_count;
  bool choose_kernels;  // which is still to be done
  bool choose_threads;
  ThreadRate thread_rates[TUNING_THREAD_COUNTS];
  int thread_rate_count;
  bool arrived;   // every weight is in place
  bool complete;  // and sessions may use them
  bool tuned;     // and what was left to the engine has been measured
  uint64_t session_bytes;
  uint64_t fingerprint;  // of the model; 0: not computed yet
  uint8_t *samples;      /* [SAMPLES, SAMPLE_BYTES] of an engine that streams; see streaming.c */
  NibblePass *pass;      // under way
  Driver *driver;        // of passes that a caller does not wait for; NULL until there is one
  uint64_t pass_bytes;   // of its own residual stream
  uint64_t least_budget;
};

struct NibbleSession {
  NibbleEngine *engine;
  KvTable kv;
  int length;
  bool has_logits;
  bool in_pass;    // one is under way that appends to it
  float *logits;   /* [logits_stride] */
  int32_t *tokens; /* [context_size] */
};

// A sample of the weights, spread over all in packed order, by which saved sessions know their model.
enum { SAMPLES = 4096, SAMPLE_BYTES = 64 };

// Bytes that each token of a context takes beside its pages: a token on the timeline; a token, a target and a result of
// a pass.
enum { TOKEN_BYTES = 4 * sizeof(int32_t) };

// Tokens whose logits are held at once when all of a text is scored, and whose embedding rows when those are read.
enum { SCORED_TOKENS = 8, ROWS_AT_ONCE = 32 };

// Returns the packed position of a sample.
static inline uint64_t engine_sample_position(const Model *model, int index) {
  return model->packed_bytes / SAMPLE_BYTES * (uint64_t)index / SAMPLES * SAMPLE_BYTES;
}

// The bytes of a sample [SAMPLE_BYTES].
void engine_sample(NibbleEngine *engine, int index, uint8_t *sample);

// MODEL_INCOMPLETE where weights are missing.
bool engine_check_complete(const NibbleEngine *engine, NibbleError *error);

// Chooses the kernels and makes the position angles, once the weights these come from are in place.
bool engine_prepare(NibbleEngine *engine, NibbleError *error);

// Completes an engine whose weights are in place; between two passes.
void engine_settle(NibbleEngine *engine);

// Measures what was left to a complete engine, once; between two passes.
void engine_tune(NibbleEngine *engine);

// Checks tokens and targets that are to be evaluated: `count` is at least 1, all are in the vocabulary (targets may be
// negative), and the context has room for them.
bool engine_check_tokens(const NibbleSession *session, const int32_t *tokens, int count, const int32_t *targets,
                         NibbleError *error);

// Of one token's logits, padded as kernels store them.
static inline uint64_t engine_logits_bytes(const Shape *shape) {
  return (uint64_t)round_up(shape->vocabulary, TILE_ROWS) * sizeof(float);
}

#endif
