#include "sampler.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "round_up.h"
#include "sampler_state.h"
#include "zeroed.h"

NibbleSamplerOptions nibble_sampler_defaults(void) {
  return (NibbleSamplerOptions){.temperature = 1, .top_p = 1, .repetition_penalty = 1};
}

// A setting with its bounds.
typedef struct {
  const char *name;
  double value, low, high;
} Setting;

// The least of a float's range is itself one of the values, as the nearest float.
static bool check(const Setting *setting, NibbleError *error) {
  return (setting->value >= (double)(float)setting->low && setting->value <= setting->high) ||
         nibble_fail(error, NIBBLE_INVALID_ARGUMENT,
                     "The sampling setting %s is %g; a number from %g to %g was expected.", setting->name,
                     setting->value, setting->low, setting->high);
}

static bool check_options(const NibbleSamplerOptions *options, int vocabulary, NibbleError *error) {
  const Setting settings[] = {{"temperature", options->temperature, 0, 100},
                              {"top-k", options->top_k, 0, INT32_MAX},
                              {"top-p", options->top_p, 0, 1},
                              {"min-p", options->min_p, 0, 1},
                              {"repetition penalty", options->repetition_penalty, 0.01, 100},
                              {"presence penalty", options->presence_penalty, -100, 100},
                              {"frequency penalty", options->frequency_penalty, -100, 100},
                              {"penalty window", options->penalty_window, 0, 1 << 24},
                              {"vocabulary", vocabulary, 1, INT32_MAX / 4}};
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    if (!check(&settings[i], error)) return false;
  return true;
}

static bool has_penalties(const NibbleSamplerOptions *options) {
  return options->repetition_penalty != 1 || options->presence_penalty != 0 || options->frequency_penalty != 0;
}

NibbleSampler *nibble_sampler_create(const NibbleSamplerOptions *options, int vocabulary, NibbleError *error) {
  if (!check_options(options, vocabulary, error)) return NULL;
  NibbleSampler *sampler = calloc(1, sizeof *sampler);
  if (sampler == NULL) goto fail;
  sampler->options = *options;
  sampler->vocabulary = vocabulary;
  sampler->random = options->seed;
  sampler->ranges = units_of(vocabulary, RANGE);
  sampler->logits = malloc((size_t)sampler->ranges * RANGE * sizeof *sampler->logits);
  sampler->largest = malloc((size_t)sampler->ranges * sizeof *sampler->largest);
  sampler->ranked = malloc((size_t)vocabulary * sizeof *sampler->ranked);
  if (sampler->logits == NULL || sampler->largest == NULL || sampler->ranked == NULL) goto fail;
  for (int i = vocabulary; i < sampler->ranges * RANGE; i++)
    sampler->logits[i] = -INFINITY;
  if (!has_penalties(options)) return sampler;
  sampler->counts = zeroed((uint64_t)vocabulary, sizeof *sampler->counts);
  sampler->window = zeroed((uint64_t)options->penalty_window + 1, sizeof *sampler->window);
  if (sampler->counts != NULL && sampler->window != NULL) return sampler;
fail:
  nibble_sampler_free(sampler);
  nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
              "No memory is left to sample tokens. Close other sessions and models first.");
  return NULL;
}

uint64_t nibble_sampler_bytes(int vocabulary) {
  // One entry each of the arrays that are as long as the vocabulary; ranges have one of 64.
  const NibbleSampler *sampler = NULL;
  return (uint64_t)vocabulary * (sizeof *sampler->logits + sizeof *sampler->ranked + sizeof *sampler->bias +
                                 sizeof *sampler->counts + sizeof *sampler->window);
}

void nibble_sampler_free(NibbleSampler *sampler) {
  if (sampler == NULL) return;
  free(sampler->bias);
  free(sampler->counts);
  free(sampler->window);
  free(sampler->logits);
  free(sampler->largest);
  free(sampler->ranked);
  free(sampler);
}

static bool check_token(const NibbleSampler *sampler, int token, NibbleError *error) {
  return (token >= 0 && token < sampler->vocabulary) ||
         nibble_fail(error, NIBBLE_INVALID_ARGUMENT, "Token %d is not in the vocabulary, which has %d tokens.", token,
                     sampler->vocabulary);
}

bool nibble_sampler_bias(NibbleSampler *sampler, int token, float bias, NibbleError *error) {
  if (!check_token(sampler, token, error)) return false;
  if (isnan(bias) || bias == INFINITY)
    return nibble_fail(error, NIBBLE_INVALID_ARGUMENT,
                       "The bias of token %d is %g; a finite number or -infinity was "
                       "expected.",
                       token, (double)bias);
  if (sampler->bias == NULL) sampler->bias = zeroed((uint64_t)sampler->vocabulary, sizeof *sampler->bias);
  if (sampler->bias == NULL) return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left for a logit bias.");
  // What is forbidden stays so, and the sum of large biases stays a number.
  const double sum = (double)sampler->bias[token] + (double)bias;
  sampler->bias[token] = sum > FLT_MAX ? FLT_MAX : sum < -FLT_MAX ? -INFINITY : (float)sum;
  return true;
}

bool nibble_sampler_accept(NibbleSampler *sampler, int token, NibbleError *error) {
  if (!check_token(sampler, token, error)) return false;
  if (sampler->counts == NULL) return true;
  const int window = sampler->options.penalty_window;
  if (window > 0) {
    if (sampler->window_length == window)
      sampler->counts[sampler->window[sampler->window_next]]--;
    else
      sampler->window_length++;
    sampler->window[sampler->window_next] = token;
    sampler->window_next = (sampler->window_next + 1) % window;
  }
  sampler->counts[token]++;
  return true;
}
