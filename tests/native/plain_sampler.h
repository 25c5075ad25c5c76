// The sampler as src/sampler.h tells it, without a thought for speed: everything in double, every token looked at in
// turn.
#ifndef NIBBLE_PLAIN_SAMPLER_H
#define NIBBLE_PLAIN_SAMPLER_H

#include <math.h>

#include "sampler.h"

typedef struct {
  NibbleSamplerOptions options;
  const float *logits, *bias;  // [vocabulary]
  const int *counts;           // [vocabulary] how often each was seen
  const uint32_t *allowed;     // as nibble_sampler_sample() takes it
  int vocabulary;
  uint64_t random;
} Plain;

enum { PLAIN_MOST = 300 };

static inline double plain_logit(const Plain *plain, int token) {
  const NibbleSamplerOptions *options = &plain->options;
  if (plain->allowed != NULL && (plain->allowed[token / 32] & 1u << token % 32) == 0) return -INFINITY;
  double logit = (double)(plain->logits[token] + plain->bias[token]);
  if (isnan(logit)) return -INFINITY;
  if (plain->counts[token] == 0) return logit;
  logit = logit > 0 ? logit / options->repetition_penalty : logit * options->repetition_penalty;
  return logit - options->presence_penalty - options->frequency_penalty * plain->counts[token];
}

static inline double plain_draw(Plain *plain) {
  uint64_t z = plain->random += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

static inline bool about(double a, double b) { return fabs(a - b) <= 1e-5 * (fabs(a) + fabs(b)); }

// The place of a token among all by likelihood; 0: the likeliest.
static inline int plain_rank(const double *logits, int vocabulary, int token) {
  int rank = 0;
  for (int i = 0; i < vocabulary; i++)
    rank += logits[i] > logits[token] || (logits[i] == logits[token] && i < token);
  return rank;
}

// Marks what the three filters keep of tokens with these logits, the likeliest of which has the logit `max`.
static inline void plain_filter(const Plain *plain, const double *logits, double max, bool *kept, bool *near) {
  const NibbleSamplerOptions *options = &plain->options;
  const int most = options->top_k > 0 ? options->top_k : plain->vocabulary;
  double total = 0, above[PLAIN_MOST];
  for (int i = 0; i < plain->vocabulary; i++) {
    kept[i] = logits[i] > -INFINITY && plain_rank(logits, plain->vocabulary, i) < most;
    if (kept[i]) total += exp(logits[i] - max);
  }
  for (int i = 0; i < plain->vocabulary; i++) {
    above[i] = 0;
    for (int j = 0; j < plain->vocabulary && kept[i]; j++)
      if (kept[j] && (logits[j] > logits[i] || (logits[j] == logits[i] && j < i))) above[i] += exp(logits[j] - max);
  }
  for (int i = 0; i < plain->vocabulary; i++) {
    if (!kept[i]) continue;
    *near |= options->top_p < 1 && about(above[i], options->top_p * total);
    *near |= about(exp(logits[i] - max), options->min_p);
    const bool in_top_p = options->top_p >= 1 || above[i] == 0 || above[i] < options->top_p * total;
    kept[i] = in_top_p && exp(logits[i] - max) >= options->min_p;
  }
}

// The next token. `near` becomes true where rounding could have decided otherwise.
static inline int plain_sample(Plain *plain, bool *near) {
  double logits[PLAIN_MOST], max = -INFINITY, total = 0;
  int best = NIBBLE_NO_TOKEN, lowest = NIBBLE_NO_TOKEN;
  bool has_nan = false;
  for (int i = plain->vocabulary - 1; i >= 0; i--) {
    logits[i] = plain_logit(plain, i);
    if (logits[i] >= max && logits[i] > -INFINITY) max = logits[best = i];
    const bool in_mask = plain->allowed == NULL || (plain->allowed[i / 32] & 1u << i % 32) != 0;
    if (!in_mask || plain->bias[i] == -INFINITY) continue;
    lowest = i;
    has_nan |= isnan(plain->logits[i]);
  }
  if (best == NIBBLE_NO_TOKEN) return has_nan ? NIBBLE_NO_LOGIT : lowest;
  if (isinf(max) || plain->options.temperature == 0) return best;
  bool kept[PLAIN_MOST];
  plain_filter(plain, logits, max, kept, near);
  for (int i = 0; i < plain->vocabulary; i++)
    if (kept[i]) total += exp((logits[i] - max) / plain->options.temperature);
  double left = plain_draw(plain) * total;
  for (int i = 0; i < plain->vocabulary; i++) {
    if (!kept[i]) continue;
    const double weight = exp((logits[i] - max) / plain->options.temperature);
    *near |= fabs(left) < 1e-5 * total || fabs(left - weight) < 1e-5 * total;
    left -= weight;
    best = i;
    if (left < 0) break;
  }
  return best;
}

#endif
