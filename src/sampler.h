// Chooses the next token from logits. The order is: logit bias, penalties, then greedy (temperature 0) or temperature,
// top-k, top-p, min-p and one draw. The draw uses a generator of its own and no libm function whose last bit differs
// between platforms, so the same seed and the same logits give the same token in every wasm engine.
#ifndef NIBBLE_SAMPLER_H
#define NIBBLE_SAMPLER_H

#include <stdint.h>

#include "error.h"

typedef struct {
  float temperature;  // 0: greedy; up to 100
  int32_t top_k;      // keep the k most likely tokens; 0: all
  float top_p;        // keep the smallest set whose probabilities reach p; 1: all
  float min_p;        // drop tokens less likely than min_p times the likeliest; 0: none
  float
      repetition_penalty;   // divides positive and multiplies negative logits of seen tokens; 1: off (arXiv:1909.05858)
  float presence_penalty;   // subtracted once from the logit of a seen token; 0: off
  float frequency_penalty;  // subtracted once for each time a token was seen; 0: off
  int32_t penalty_window;   // how many of the latest tokens count as seen; 0: all of them
  uint64_t seed;
} NibbleSamplerOptions;

typedef struct NibbleSampler NibbleSampler;

// The options that change nothing: temperature 1, every filter and penalty off, seed 0.
NibbleSamplerOptions nibble_sampler_defaults(void);

// A sampler for logits of `vocabulary` entries. NULL, and `error`, where an option is out of range or memory is short.
NibbleSampler *nibble_sampler_create(const NibbleSamplerOptions *options, int vocabulary, NibbleError *error);
void nibble_sampler_free(NibbleSampler *sampler);

// Adds `bias` to a token's logit before anything else; -infinity forbids the token.
bool nibble_sampler_bias(NibbleSampler *sampler, int token, float bias, NibbleError *error);

// Tells the sampler that a token (of the prompt, or a sampled one) is part of the text, for the penalties.
bool nibble_sampler_accept(NibbleSampler *sampler, int token, NibbleError *error);

// The next token, given logits [vocabulary] (read only). NaN counts as minus infinity, and the lowest token whose logit
// is infinite wins. Where every logit is minus infinity the result is the lowest token that the bias does not forbid (0
// where it forbids all). Filters only leave tokens out: with one that keeps them all, a draw is as it is without it.
int nibble_sampler_sample(NibbleSampler *sampler, const float *logits);

#endif
