// The run state: what the forward pass of one batch reads and writes, shared by attention.c and forward.c.
#ifndef NIBBLE_RUN_H
#define NIBBLE_RUN_H

#include "attention_scratch.h"
#include "kernels.h"
#include "kv_cache.h"
#include "model.h"
#include "profile.h"
#include "rope.h"
#include "round_up.h"
#include "threads.h"

// Attention runs over splits of this many tokens, each from a fresh start, and merges them in order. The partition does
// not depend on threads or batch, so neither do the results.
enum { SPLIT_TOKENS = 4 * KV_PAGE_TOKENS };

// Rows of activations are `stride` floats apart, so that a whole tile of outputs can always be stored.
typedef struct {
  const Model *model;
  const Kernels *kernels;
  Threads *threads;
  Rope ropes[ROPES];  // the second is empty where no layer has it
  int batch_size, context_size;
  int sweep_size;     // tokens that a pass block by block takes; at least batch_size
  int tiles_abreast;  // the tiles that a product with one token reads side by side; 0: not chosen yet

  // The batch under way.
  KvTable *kv;
  const int32_t *tokens;
  int count, position;  // tokens in the batch; position of its first
  int wanted;           // the first of them whose output of the last layer is read; count: none is

  // Buffers, for the layers that have the most of each. Strides are the sizes rounded up to TILE_ROWS.
  int width_stride, query_stride, key_stride, forward_stride, logits_stride;
  float *residual;         /* [sweep, width] the residual stream */
  float *x;                /* [batch, width] the batch's part of it */
  float *normed;           /* [batch, width] */
  float *query;            /* [batch, heads * key_size] */
  float *key;              /* [batch, kv_heads * key_size] */
  float *value;            /* [batch, kv_heads * value_size] in rows as far apart as the keys' */
  float *mixed;            /* [batch, heads * value_size] attention's result, in rows as far apart as the queries' */
  float *gate, *up;        /* [batch, feed_forward] */
  uint8_t *packed;         // the input of the product under way, as kernels.h packs it
  uint8_t *packed_hidden;  // the same of gate, while packed is still read
  float *own_row;          /* [threads, width] one token's input, which each thread prepares for itself */
  uint8_t *own_packed;     // the same packed, own_packed_bytes for each thread
  size_t own_packed_bytes;
  uint8_t *own_tables;  // tables of it, own_table_bytes for each thread; none where no weights have one bit
  size_t own_table_bytes;
  float *cosine, *sine;   /* [batch, rope.pairs] */
  AttentionState partial; /* [splits, heads]: one token's splits, computed side by side */
  uint8_t *scratch;       // scratch_bytes for each thread
  size_t scratch_bytes;
  uint64_t bytes;          // of all buffers
  ProfileThread *profile;  // one for each thread; NULL while it is off
} Run;

// Returns how many splits a context of so many tokens has.
int run_splits(int tokens);

// What the buffers are made for. `sweep` is at least `batch`.
typedef struct {
  int context, batch, sweep;
} RunSizes;

// Creates a run with its buffers. `model` and `threads` are borrowed. run->ropes stay empty until run_create_ropes().
// False, and `error`, where memory is short.
bool run_create(Run *run, const Model *model, const Kernels *kernels, Threads *threads, RunSizes sizes,
                NibbleError *error);
void run_free(Run *run);  // safe on a zeroed run

// Makes the position angles, once the weights that these come from are in place. False, and `error`, where memory is
// short or a divisor of an angle is no number that divides.
bool run_create_ropes(Run *run, NibbleError *error);

// Returns the bytes that run_create() allocates for so many threads.
uint64_t run_bytes(const Model *model, int threads, RunSizes sizes);

// Returns row t of a buffer of rows.
static inline float *run_row(float *buffer, int stride, int t) { return buffer + (size_t)t * (size_t)stride; }

// Returns the cosines or sines (`angles` is run->cosine or run->sine) of one RoPE for token t of the batch.
static inline float *run_angles(const Run *run, float *angles, int rope, int t) {
  return angles + ((size_t)rope * (size_t)run->batch_size + (size_t)t) * (size_t)run->ropes[ROPE_OF_ALL].pairs;
}

// Ends a step of the pass: all threads meet, and the profile is told what this one did.
void run_finish_step(Run *run, int thread, ProfileOperation operation);

// Ends a step behind which nobody has to wait: only the profile is told.
void run_book_step(Run *run, int thread, ProfileOperation operation);

// Returns a thread's scratch memory, run->scratch_bytes long.
void *run_scratch(const Run *run, int thread);

#endif
