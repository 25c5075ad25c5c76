// Where the time of the forward pass goes: milliseconds of each operation, and of waiting for other threads at the
// barriers behind them. Costs two clock readings a step while it is on, and a null check while it is off.
#ifndef NIBBLE_PROFILE_H
#define NIBBLE_PROFILE_H

#include <stdbool.h>

typedef enum {
  PROFILE_EMBEDDING,         // and the position angles
  PROFILE_NORM_AND_PACK,     // norms, and quantising the activations
  PROFILE_QUERY_KEY_VALUE,   // projections
  PROFILE_ROPE_AND_STORE,    // rotation, and writing the KV pages
  PROFILE_ATTENTION,         // scores, softmax, values
  PROFILE_ATTENTION_OUTPUT,  // projection
  PROFILE_GATE_AND_UP,       // projections and SwiGLU
  PROFILE_DOWN,              // projection
  PROFILE_LOGITS,            // output projection
  PROFILE_WAIT,              // at barriers
  PROFILE_OPERATIONS
} ProfileOperation;

// One thread's share. Threads do not touch each other's.
typedef struct {
  _Alignas(64) double seconds[PROFILE_OPERATIONS];
  double last;  // when the operation under way began
} ProfileThread;

const char *profile_name(int operation);

// Begins a thread's clock, and books the time since the last call on an operation.
void profile_begin(ProfileThread *thread);
void profile_book(ProfileThread *thread, ProfileOperation operation);

// Seconds on a clock that never goes back.
double profile_clock(void);

#endif
