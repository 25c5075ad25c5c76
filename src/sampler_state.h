// What a sampler holds: settings and the text's tokens (sampler.c), and room for a choice among all tokens (choice.c).
#ifndef NIBBLE_SAMPLER_STATE_H
#define NIBBLE_SAMPLER_STATE_H

#include "sampler.h"

struct NibbleSampler {
  NibbleSamplerOptions options;
  int vocabulary, ranges;
  uint64_t random;
  float *bias;     /* [vocabulary], or NULL while there is none */
  int32_t *counts; /* [vocabulary] how often each token was seen, or NULL where no penalty is on */
  int32_t *window; /* [penalty_window] the latest tokens, a ring */
  int window_length, window_next;
  float *logits;   /* [ranges of RANGE, at least vocabulary] with bias and penalties; behind the last, -infinity */
  float *largest;  /* [ranges] of the logits */
  int32_t *ranked; /* [vocabulary] a heap, then the ranking, of candidates */
};

// Tokens that are looked at together: most ranges have none that is likely enough to be looked at alone.
enum { RANGE = 64 };

#endif
