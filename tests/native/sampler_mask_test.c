// What the sampler chooses, beside a plain one, on random options, logits, masks and biases; and where it may choose
// nothing.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "plain_sampler.h"
#include "sampler.h"

static const float slope[] = {0.5f, 2.0f, -1.0f, 1.5f, 1.0f, 0.0f};
enum { SLOPE = sizeof slope / sizeof *slope };

static NibbleSampler *make(Check *check, NibbleSamplerOptions options, int vocabulary) {
  NibbleSampler *sampler = nibble_sampler_create(&options, vocabulary, NULL);
  if (!CHECK(sampler != NULL)) abort();
  return sampler;
}

TEST(tells_where_no_token_may_come) {
  const float hopeless[SLOPE] = {NAN, -INFINITY, INFINITY, NAN, 1, 2};
  for (int greedy = 0; greedy < 2; greedy++) {
    NibbleSamplerOptions options = nibble_sampler_defaults();
    options.temperature = greedy ? 0 : 1;
    options.top_k = 3;
    NibbleSampler *sampler = make(check, options, SLOPE);
    const uint32_t none = 0, behind = 0xffffffc0, last = 0xffffffe0;
    CHECK_INT(nibble_sampler_sample(sampler, slope, &none), NIBBLE_NO_TOKEN);
    CHECK_INT(nibble_sampler_sample(sampler, slope, &behind), NIBBLE_NO_TOKEN);
    CHECK(!nibble_sampler_has_choice(sampler, &behind) && nibble_sampler_has_choice(sampler, &last));
    for (int token = 0; token < SLOPE; token++) {
      CHECK(nibble_sampler_has_choice(sampler, NULL));
      CHECK(nibble_sampler_bias(sampler, token, -INFINITY, NULL));
    }
    CHECK(!nibble_sampler_has_choice(sampler, NULL) && !nibble_sampler_has_choice(sampler, &last));
    CHECK_INT(nibble_sampler_sample(sampler, slope, NULL), NIBBLE_NO_TOKEN);
    CHECK_INT(nibble_sampler_sample(sampler, hopeless, NULL), NIBBLE_NO_TOKEN);
    CHECK_INT(nibble_sampler_sample(sampler, slope, &last), NIBBLE_NO_TOKEN);
    nibble_sampler_free(sampler);
  }
}

TEST(allows_what_the_mask_allows) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.temperature = 0;
  NibbleSampler *sampler = make(check, options, SLOPE);
  for (uint32_t mask = 1; mask < 1u << SLOPE; mask++) {
    int best = -1;
    for (int i = 0; i < SLOPE; i++)
      if ((mask >> i & 1) != 0 && (best < 0 || slope[i] > slope[best])) best = i;
    const uint32_t allowed = mask | 0xffffffc0;  // what is behind the vocabulary does not matter
    CHECK_INT(nibble_sampler_sample(sampler, slope, &allowed), best);
    CHECK_INT(nibble_sampler_sample(sampler, slope, NULL), 1);  // it holds for one token
  }
  // Allowed tokens without a finite logit: the lowest of them, and of infinite ones the lowest.
  const float hopeless[SLOPE] = {5, NAN, -INFINITY, 4, NAN, INFINITY};
  CHECK_INT(nibble_sampler_sample(sampler, hopeless, (uint32_t[]){1u << 2}), 2);
  CHECK_INT(nibble_sampler_sample(sampler, hopeless, (uint32_t[]){1u << 2 | 1u << 5}), 5);
  CHECK_INT(nibble_sampler_sample(sampler, hopeless, (uint32_t[]){1u << 1 | 1u << 3}), 3);
  nibble_sampler_free(sampler);
}

// A token that is forbidden anyway tells nothing of the model.
TEST(tells_where_the_model_has_computed_no_logit) {
  const float hopeless[SLOPE] = {5, NAN, -INFINITY, 4, -NAN, INFINITY};
  for (int greedy = 0; greedy < 2; greedy++) {
    NibbleSamplerOptions options = nibble_sampler_defaults();
    options.temperature = greedy ? 0 : 1;
    options.presence_penalty = 1;
    NibbleSampler *sampler = make(check, options, SLOPE);
    CHECK(nibble_sampler_accept(sampler, 1, NULL));
    CHECK_INT(nibble_sampler_sample(sampler, hopeless, (uint32_t[]){1u << 1}), NIBBLE_NO_LOGIT);
    CHECK_INT(nibble_sampler_sample(sampler, hopeless, (uint32_t[]){1u << 2 | 1u << 4}), NIBBLE_NO_LOGIT);
    CHECK_INT(nibble_sampler_sample(sampler, hopeless, (uint32_t[]){1u << 1 | 1u << 2}), NIBBLE_NO_LOGIT);
    CHECK_INT(nibble_sampler_sample(sampler, hopeless, (uint32_t[]){0}), NIBBLE_NO_TOKEN);
    CHECK(nibble_sampler_bias(sampler, 1, -INFINITY, NULL) && nibble_sampler_bias(sampler, 4, 3, NULL));
    CHECK_INT(nibble_sampler_sample(sampler, hopeless, (uint32_t[]){1u << 1 | 1u << 2}), 2);
    CHECK_INT(nibble_sampler_sample(sampler, hopeless, (uint32_t[]){1u << 2 | 1u << 4}), NIBBLE_NO_LOGIT);
    CHECK_INT(nibble_sampler_sample(sampler, (float[]){NAN, NAN, NAN, NAN, NAN, NAN}, NULL), NIBBLE_NO_LOGIT);
    nibble_sampler_free(sampler);
  }
}

TEST(keeps_biases_within_numbers_and_forbidden_tokens_forbidden) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.temperature = 0;
  NibbleSampler *sampler = make(check, options, 3);
  CHECK(nibble_sampler_bias(sampler, 2, 3e38f, NULL) && nibble_sampler_bias(sampler, 2, 3e38f, NULL));
  CHECK_INT(nibble_sampler_sample(sampler, (float[]){0, 1, 2}, NULL), 2);
  CHECK(nibble_sampler_bias(sampler, 2, -INFINITY, NULL));
  CHECK_INT(nibble_sampler_sample(sampler, (float[]){0, 1, INFINITY}, NULL), 1);
  CHECK_INT(nibble_sampler_sample(sampler, (float[]){0, 1, 2}, (uint32_t[]){4}), NIBBLE_NO_TOKEN);
  nibble_sampler_free(sampler);
}

static uint32_t random_bits(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static uint32_t random_word(uint32_t *state) { return random_bits(state) << 16 ^ random_bits(state); }

static float random_between(uint32_t *state, float low, float high) {
  return low + (high - low) * (float)random_bits(state) * 0x1p-24f;
}

static NibbleSamplerOptions random_options(uint32_t *state) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  static const float temperatures[] = {0, 0.3f, 0.8f, 1, 1.7f, 5};
  options.temperature = temperatures[random_bits(state) % 6];
  if (random_bits(state) % 2) options.top_k = (int)(random_bits(state) % 50);
  if (random_bits(state) % 2) options.top_p = random_between(state, 0, 1);
  if (random_bits(state) % 2) options.min_p = random_between(state, 0, 0.5f);
  if (random_bits(state) % 2) options.repetition_penalty = random_between(state, 0.7f, 1.6f);
  if (random_bits(state) % 2) options.presence_penalty = random_between(state, -1, 1);
  if (random_bits(state) % 2) options.frequency_penalty = random_between(state, -1, 1);
  options.seed = random_bits(state);
  return options;
}

static float random_logit(uint32_t *state) {
  switch (random_bits(state) % 40) {
    case 0: return NAN;
    case 1: return -INFINITY;
    case 2: return random_bits(state) % 64 == 0 ? INFINITY : 0;
    default: return random_between(state, -6, 6);
  }
}

// A few tokens by the sampler and by the plain one, with the same logits, mask, biases and seen tokens; returns how
// many of them rounding could have decided.
static int compare_with_plain(Check *check, int vocabulary, uint32_t *state) {
  float logits[PLAIN_MOST], bias[PLAIN_MOST] = {0};
  int counts[PLAIN_MOST] = {0}, near_ones = 0;
  Plain plain = {.options = random_options(state), .logits = logits, .bias = bias, .counts = counts};
  plain.vocabulary = vocabulary;
  plain.random = plain.options.seed;
  NibbleSampler *sampler = make(check, plain.options, vocabulary);
  for (uint32_t i = 0, biases = random_bits(state) % 20; i < biases; i++) {
    const int token = (int)(random_bits(state) % (uint32_t)vocabulary);
    const float value = random_bits(state) % 2 ? -INFINITY : random_between(state, -3, 3);
    CHECK(nibble_sampler_bias(sampler, token, value, NULL));
    bias[token] += value;
  }
  for (int draws = 0; draws < 8; draws++) {
    uint32_t allowed[(PLAIN_MOST + 31) / 32];
    const uint32_t density = random_bits(state) % 4;  // all, about one in two, few, none
    for (int i = 0; i < vocabulary; i++)
      logits[i] = random_logit(state);
    for (size_t i = 0; i < nibble_mask_words(vocabulary); i++)
      allowed[i] = density == 3 ? 0 : random_word(state) & (density == 2 ? random_word(state) : ~0u);
    plain.allowed = density == 0 ? NULL : allowed;
    // What is behind the vocabulary in the last word does not matter.
    if (vocabulary % 32 != 0) allowed[vocabulary / 32] |= ~0u << vocabulary % 32;
    bool near = false;
    const int expected = plain_sample(&plain, &near);
    const int found = nibble_sampler_sample(sampler, logits, plain.allowed);
    near_ones += near;
    if (!near) CHECK_INT(found, expected);
    if (found < 0) continue;
    CHECK(nibble_sampler_accept(sampler, found, NULL));
    counts[found]++;
  }
  nibble_sampler_free(sampler);
  return near_ones;
}

TEST(chooses_what_a_plain_sampler_chooses) {
  static const int vocabularies[] = {1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 97, 128, 299};
  enum { SIZES = sizeof vocabularies / sizeof *vocabularies, ROUNDS = 120 };
  uint32_t state = 17;
  int near_ones = 0;
  for (int round = 0; round < ROUNDS; round++)
    for (int i = 0; i < SIZES; i++)
      near_ones += compare_with_plain(check, vocabularies[i], &state);
  CHECK(near_ones < ROUNDS * SIZES * 8 / 50);
}

int main(void) {
  Check check = {0};
  RUN(&check, tells_where_no_token_may_come);
  RUN(&check, allows_what_the_mask_allows);
  RUN(&check, tells_where_the_model_has_computed_no_logit);
  RUN(&check, keeps_biases_within_numbers_and_forbidden_tokens_forbidden);
  RUN(&check, chooses_what_a_plain_sampler_chooses);
  return check_finish(&check);
}
