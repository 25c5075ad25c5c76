// Chooses the next token from logits. The order is that of llama.cpp, whose numbers are the usual defaults: the mask of
// allowed tokens, logit bias, penalties; then at temperature 0 the likeliest token, else top-k, top-p, min-p, the
// temperature and one draw. So what the three filters leave does not depend on the temperature: they look at the
// probabilities as the model has them, and only the draw among what is left is sharpened or flattened.
// The draw uses a generator of its own and no libm function whose last bit differs between platforms, so the same seed
// and the same logits give the same token in every wasm engine.
#ifndef NIBBLE_SAMPLER_H
#define NIBBLE_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

typedef struct {
  float temperature;  // divides the logits of what the filters leave; 0: greedy; up to 100
  int32_t top_k;      // keep the k most likely tokens; 0: all
  float top_p;        // keep the smallest set whose share of what top-k keeps reaches p; 1: all
  float min_p;        // drop tokens less likely than min_p times the likeliest; 0: none
  // Divides positive and multiplies negative logits of seen tokens; 1: off (arXiv:1909.05858).
  float repetition_penalty;
  float presence_penalty;   // subtracted once from the logit of a seen token; 0: off
  float frequency_penalty;  // subtracted once for each time a token was seen; 0: off
  int32_t penalty_window;   // how many of the latest accepted tokens count as seen; 0: all (in llama.cpp: none)
  uint64_t seed;
} NibbleSamplerOptions;

typedef struct NibbleSampler NibbleSampler;

// Returns the options that change nothing: temperature 1, every filter and penalty off, seed 0.
NibbleSamplerOptions nibble_sampler_defaults(void);

// Creates a sampler for logits of `vocabulary` entries, which is the caller's to free. NULL, and `error`, where an
// option is out of range or memory is short.
NibbleSampler *nibble_sampler_create(const NibbleSamplerOptions *options, int vocabulary, NibbleError *error);
void nibble_sampler_free(NibbleSampler *sampler);  // safe on NULL

// Returns the bytes that a sampler takes at most, with a bias and penalties over as many tokens as the vocabulary has.
uint64_t nibble_sampler_bytes(int vocabulary);

// Adds `bias` to a token's logit. Biases of one token add up; -infinity forbids the token for good. False, and `error`,
// for a token that is not in the vocabulary, a bias of NaN or infinity, or where memory is short.
bool nibble_sampler_bias(NibbleSampler *sampler, int token, float bias, NibbleError *error);

// Tells the sampler that a token (of the prompt, or a sampled one) is part of the text, for the penalties. A caller
// leaves out those that are not to be penalised, such as the markers that every turn ends with.
bool nibble_sampler_accept(NibbleSampler *sampler, int token, NibbleError *error);

// Returns how many words a mask of allowed tokens has. Token t may come where bit t % 32 of word t / 32 is set; bits
// behind the last token do not matter.
static inline size_t nibble_mask_words(int vocabulary) { return ((size_t)vocabulary + 31) / 32; }

// What nibble_sampler_sample() returns where no token may come, and where the model has computed no logit to go by.
enum { NIBBLE_NO_TOKEN = -1, NIBBLE_NO_LOGIT = -2 };

// Returns the next token, given logits [vocabulary] and the mask of the tokens that are allowed this time
// [nibble_mask_words(vocabulary)]; NULL: all are. NIBBLE_NO_TOKEN, and nothing is drawn, where mask and bias leave
// none. NaN counts as minus infinity, and the lowest token whose logit is infinite wins. Where all allowed tokens have
// a logit of minus infinity the result is the lowest of them, and NIBBLE_NO_LOGIT where one of these logits is NaN: it
// was computed with numbers that are none. Filters only leave tokens out: with one that keeps them all, a draw is as it
// is without it; so it is with a mask of all tokens.
int nibble_sampler_sample(NibbleSampler *sampler, const float *logits, const uint32_t *allowed);

// Returns whether mask (as above) and bias leave a token, whatever the logits are.
bool nibble_sampler_has_choice(const NibbleSampler *sampler, const uint32_t *allowed);

#endif
