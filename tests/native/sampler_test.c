// The promises of sampler.h. Options begin as nibble_sampler_defaults() and change what the test is about.
#include "sampler.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"

static NibbleSampler *make(Check *check, NibbleSamplerOptions options, int vocabulary) {
  NibbleError error = {.code = NIBBLE_OK};
  NibbleSampler *sampler = nibble_sampler_create(&options, vocabulary, &error);
  if (!CHECK(sampler != NULL)) {
    printf("  %s\n", error.message);
    abort();
  }
  return sampler;
}

// How often each of `vocabulary` tokens is drawn in `draws` draws.
static void count_draws(Check *check, NibbleSamplerOptions options, const float *logits, int vocabulary, int draws,
                        int *counts) {
  NibbleSampler *sampler = make(check, options, vocabulary);
  memset(counts, 0, (size_t)vocabulary * sizeof *counts);
  for (int i = 0; i < draws; i++) {
    const int token = nibble_sampler_sample(sampler, logits, NULL);
    if (CHECK(token >= 0 && token < vocabulary)) counts[token]++;
  }
  nibble_sampler_free(sampler);
}

// The one token that these options lead to, in a few draws; -1 where they lead to several.
static int only_token(Check *check, NibbleSamplerOptions options, const float *logits, int vocabulary) {
  NibbleSampler *sampler = make(check, options, vocabulary);
  const int token = nibble_sampler_sample(sampler, logits, NULL);
  bool only = true;
  for (int i = 0; i < 200; i++)
    only &= nibble_sampler_sample(sampler, logits, NULL) == token;
  nibble_sampler_free(sampler);
  return only ? token : NIBBLE_NO_TOKEN;
}

static const float slope[] = {0.5f, 2.0f, -1.0f, 1.5f, 1.0f, 0.0f};
enum { SLOPE = sizeof slope / sizeof *slope };

TEST(takes_the_likeliest_token_at_temperature_0) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.temperature = 0;
  CHECK_INT(only_token(check, options, slope, SLOPE), 1);
  const float ties[] = {-3, 7, 2, 7, 7};
  CHECK_INT(only_token(check, options, ties, 5), 1);
  CHECK_INT(only_token(check, options, (float[]){0, 0, 0}, 3), 0);
  CHECK_INT(only_token(check, options, (float[]){5}, 1), 0);
}

TEST(sharpens_and_flattens_by_temperature) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  int counts[SLOPE];
  const float cold[] = {1e-3f, 1e-20f, 1e-45f};
  for (int i = 0; i < 3; i++) {
    options.temperature = cold[i];
    CHECK_INT(only_token(check, options, slope, SLOPE), 1);
  }
  options.temperature = 100;
  count_draws(check, options, slope, SLOPE, 6000, counts);
  for (int i = 0; i < SLOPE; i++)
    CHECK(counts[i] > 850 && counts[i] < 1150);
}

TEST(splits_draws_between_equal_tokens_however_cold_it_is) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.temperature = 1e-30f;
  int counts[4];
  count_draws(check, options, (float[]){1, 3, 0, 3}, 4, 2000, counts);
  CHECK_INT(counts[0] + counts[2], 0);
  CHECK(counts[1] > 850 && counts[3] > 850);
}

// Pearson's statistic of 40,000 draws against the softmax over the tokens that `kept` names by bits.
static double chi_square(Check *check, NibbleSamplerOptions options, const float *logits, int vocabulary,
                         unsigned kept) {
  enum { DRAWS = 40000 };
  int counts[32];
  count_draws(check, options, logits, vocabulary, DRAWS, counts);
  double total = 0, statistic = 0;
  for (int i = 0; i < vocabulary; i++)
    if (kept >> i & 1) total += exp((double)logits[i] / options.temperature);
  for (int i = 0; i < vocabulary; i++) {
    if ((kept >> i & 1) == 0) {
      CHECK_INT(counts[i], 0);
      continue;
    }
    const double expected = DRAWS * exp((double)logits[i] / options.temperature) / total;
    statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return statistic;
}

TEST(draws_tokens_as_often_as_softmax_says) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  // 5 degrees of freedom: 25.7 is passed once in 10,000 seeds; the seeds here are fixed.
  const float temperatures[] = {0.5f, 1, 2};
  for (uint64_t seed = 1; seed <= 3; seed++)
    for (int t = 0; t < 3; t++) {
      options.seed = seed;
      options.temperature = temperatures[t];
      CHECK(chi_square(check, options, slope, SLOPE, 0x3f) < 25.7);
    }
}

TEST(keeps_the_k_likeliest_tokens) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.top_k = 1;
  CHECK_INT(only_token(check, options, slope, SLOPE), 1);
  CHECK_INT(only_token(check, options, (float[]){1, 4, 4, 4}, 4), 1);
  options.top_k = 2;
  CHECK(chi_square(check, options, slope, SLOPE, 1u << 1 | 1u << 3) < 15.2);
  options.top_k = 3;
  CHECK(chi_square(check, options, slope, SLOPE, 1u << 1 | 1u << 3 | 1u << 4) < 18.5);
  CHECK(chi_square(check, options, (float[]){1, 1, 1, 1, 1}, 5, 7) < 18.5);
}

TEST(keeps_the_smallest_set_that_reaches_p) {
  // Probabilities 0.5, 0.25, 0.125, 0.125.
  const float logits[] = {-0.69314718f, 0, -1.38629436f, -1.38629436f};
  NibbleSamplerOptions options = nibble_sampler_defaults();
  const struct {
    float p;
    unsigned kept;
  } cases[] = {{0, 2}, {1e-6f, 2}, {0.45f, 2}, {0.55f, 3}, {0.74f, 3}, {0.8f, 7}, {0.9f, 15}, {1, 15}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    options.top_p = cases[i].p;
    CHECK(chi_square(check, options, logits, 4, cases[i].kept) < 21.2);
  }
}

TEST(measures_top_p_as_a_share_of_what_top_k_keeps) {
  // 0.4, 0.2, 0.2, 0.2: of the two that top-k keeps, the first has two thirds.
  const float logits[] = {0.69314718f, 0, 0, 0};
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.top_k = 2;
  options.top_p = 0.6f;
  CHECK_INT(only_token(check, options, logits, 4), 0);
  options.top_p = 0.7f;
  CHECK(chi_square(check, options, logits, 4, 3) < 15.2);
  // 0.3, 0.3, 0.2, 0.2: 0.45 of 0.8 takes two, and it is no matter that two alone have 0.6.
  options.top_k = 3;
  options.top_p = 0.45f;
  CHECK(chi_square(check, options, (float[]){0.40546511f, 0.40546511f, 0, 0}, 4, 3) < 15.2);
  options.top_k = 0;
  options.top_p = 0.5f;
  CHECK(chi_square(check, options, logits, 4, 3) < 15.2);
}

TEST(drops_tokens_below_min_p_of_the_likeliest) {
  // 1, 1/2, 1/4 and 1/4 of the likeliest.
  const float logits[] = {-0.69314718f, 0, -1.38629436f, -1.38629436f};
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.min_p = 1;
  CHECK_INT(only_token(check, options, logits, 4), 1);
  options.min_p = 0.4f;
  CHECK(chi_square(check, options, logits, 4, 3) < 15.2);
  options.min_p = 0.2f;
  CHECK(chi_square(check, options, logits, 4, 15) < 21.2);
  options.min_p = 0.4f;
  options.top_k = 3;
  options.top_p = 0.99f;
  CHECK(chi_square(check, options, logits, 4, 3) < 15.2);
}

// What the filters keep at temperature 1, they keep at any, however sharp or flat the draw is.
TEST(filters_before_the_temperature) {
  const float temperatures[] = {0.25f, 0.5f, 1, 1.5f, 3, 100};
  const float slopes[] = {3, 2, 1};  // 0.67, 0.24, 0.09
  for (size_t i = 0; i < sizeof temperatures / sizeof *temperatures; i++) {
    NibbleSamplerOptions options = nibble_sampler_defaults();
    options.temperature = temperatures[i];
    options.min_p = 0.3f;  // the second has 0.37 of the first
    CHECK(chi_square(check, options, slopes, 3, 3) < 15.2);
    options.min_p = 0.4f;
    CHECK_INT(only_token(check, options, slopes, 3), 0);
    options.min_p = 0;
    options.top_p = 0.8f;
    CHECK(chi_square(check, options, slopes, 3, 3) < 15.2);
    options.top_p = 0.6f;
    CHECK_INT(only_token(check, options, slopes, 3), 0);
    options.top_p = 0.95f;
    options.top_k = 2;
    CHECK(chi_square(check, options, slopes, 3, 3) < 15.2);
  }
}

enum { SEQUENCE = 64 };

static void draw_sequence(Check *check, NibbleSamplerOptions options, const float *logits, int vocabulary,
                          int tokens[SEQUENCE]) {
  NibbleSampler *sampler = make(check, options, vocabulary);
  for (int i = 0; i < SEQUENCE; i++)
    tokens[i] = nibble_sampler_sample(sampler, logits, NULL);
  nibble_sampler_free(sampler);
}

TEST(repeats_a_sequence_for_the_same_seed_only) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  const uint64_t seeds[] = {0, 1, 2, UINT64_C(1) << 32, UINT64_MAX};
  int sequences[5][SEQUENCE], again[SEQUENCE];
  for (int i = 0; i < 5; i++) {
    options.seed = seeds[i];
    draw_sequence(check, options, slope, SLOPE, sequences[i]);
    draw_sequence(check, options, slope, SLOPE, again);
    CHECK(memcmp(sequences[i], again, sizeof again) == 0);
    for (int j = 0; j < i; j++)
      CHECK(memcmp(sequences[i], sequences[j], sizeof again) != 0);
  }
}

TEST(draws_alike_whether_filters_keep_all_or_are_off) {
  const NibbleSamplerOptions plain = nibble_sampler_defaults();
  const float flat[] = {0.1f, 0, 0.2f, -0.1f, 0.15f, 0.05f};
  int expected[SEQUENCE], found[SEQUENCE];
  draw_sequence(check, plain, flat, 6, expected);
  NibbleSamplerOptions all[4] = {plain, plain, plain, plain};
  all[0].top_k = 6;
  all[1].top_k = 1000;
  all[2].top_p = 0.999f;
  all[3].min_p = 0.01f;
  for (int i = 0; i < 4; i++) {
    draw_sequence(check, all[i], flat, 6, found);
    CHECK(memcmp(expected, found, sizeof found) == 0);
  }
}

TEST(adds_biases_before_anything_else) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.temperature = 0;
  NibbleSampler *sampler = make(check, options, SLOPE);
  CHECK(nibble_sampler_bias(sampler, 5, 1, NULL));
  CHECK_INT(nibble_sampler_sample(sampler, slope, NULL), 1);
  CHECK(nibble_sampler_bias(sampler, 5, 1.5f, NULL));  // biases of one token add up
  CHECK_INT(nibble_sampler_sample(sampler, slope, NULL), 5);
  CHECK(nibble_sampler_bias(sampler, 5, -INFINITY, NULL));
  CHECK(nibble_sampler_bias(sampler, 5, 100, NULL));  // forbidden for good
  CHECK_INT(nibble_sampler_sample(sampler, slope, NULL), 1);
  nibble_sampler_free(sampler);
}

TEST(never_draws_a_forbidden_token) {
  NibbleSampler *sampler = make(check, nibble_sampler_defaults(), SLOPE);
  CHECK(nibble_sampler_bias(sampler, 1, -INFINITY, NULL) && nibble_sampler_bias(sampler, 3, -INFINITY, NULL));
  for (int i = 0; i < 2000; i++) {
    const int token = nibble_sampler_sample(sampler, slope, NULL);
    CHECK(token != 1 && token != 3);
  }
  // All that is not forbidden has no finite logit: the lowest of those.
  const float hopeless[] = {-INFINITY, NAN, -INFINITY, 2, -INFINITY, -INFINITY};
  CHECK_INT(nibble_sampler_sample(sampler, hopeless, NULL), 0);
  CHECK(nibble_sampler_bias(sampler, 0, -INFINITY, NULL));
  CHECK_INT(nibble_sampler_sample(sampler, hopeless, NULL), 2);
  nibble_sampler_free(sampler);
}

TEST(survives_logits_that_are_no_numbers) {
  const float temperatures[] = {0, 1};
  for (int i = 0; i < 2; i++) {
    NibbleSamplerOptions options = nibble_sampler_defaults();
    options.temperature = temperatures[i];
    options.top_k = 3;
    options.top_p = 0.9f;
    CHECK_INT(only_token(check, options, (float[]){NAN, NAN, 3, NAN}, 4), 2);
    CHECK_INT(only_token(check, options, (float[]){NAN, -INFINITY, -INFINITY, -1e30f}, 4), 3);
    CHECK_INT(only_token(check, options, (float[]){NAN, NAN, NAN}, 3), NIBBLE_NO_LOGIT);
    CHECK_INT(only_token(check, options, (float[]){-INFINITY, -INFINITY}, 2), 0);
    CHECK_INT(only_token(check, options, (float[]){1, INFINITY, NAN, INFINITY}, 4), 1);
    CHECK_INT(only_token(check, options, (float[]){3e38f, -3e38f, 3.3e38f}, 3), 2);
  }
}

// The token that greedy sampling takes after accepting `history`.
static int after(Check *check, NibbleSamplerOptions options, const float *logits, int vocabulary, const int *history,
                 int length) {
  options.temperature = 0;
  NibbleSampler *sampler = make(check, options, vocabulary);
  for (int i = 0; i < length; i++)
    CHECK(nibble_sampler_accept(sampler, history[i], NULL));
  const int token = nibble_sampler_sample(sampler, logits, NULL);
  nibble_sampler_free(sampler);
  return token;
}

TEST(penalises_seen_tokens) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  const int history[] = {1, 1, 3};
  CHECK_INT(after(check, options, slope, SLOPE, history, 3), 1);
  options.repetition_penalty = 1.4f;  // 2 becomes 1.43, 1.5 becomes 1.07
  CHECK_INT(after(check, options, slope, SLOPE, history, 3), 1);
  options.repetition_penalty = 2.5f;  // 0.8 and 0.6, below 1
  CHECK_INT(after(check, options, slope, SLOPE, history, 3), 4);
  options.repetition_penalty = 2;  // negative logits grow: -2 against -1.5
  CHECK_INT(after(check, options, (float[]){-1, -1.5f}, 2, (int[]){0}, 1), 1);
  options.repetition_penalty = 0.5f;  // below 1 it rewards
  CHECK_INT(after(check, options, slope, SLOPE, (int[]){3}, 1), 3);

  options = nibble_sampler_defaults();
  options.presence_penalty = 0.7f;  // once, however often: 1.3, 0.8, against 1
  CHECK_INT(after(check, options, slope, SLOPE, history, 3), 1);
  options.presence_penalty = 1.1f;
  CHECK_INT(after(check, options, slope, SLOPE, history, 3), 4);

  options = nibble_sampler_defaults();
  options.frequency_penalty = 0.4f;  // 2 - 2 * 0.4 = 1.2, 1.5 - 0.4 = 1.1
  CHECK_INT(after(check, options, slope, SLOPE, history, 3), 1);
  options.frequency_penalty = 0.49f;  // 1.02, 1.01
  CHECK_INT(after(check, options, slope, SLOPE, history, 3), 1);
  options.frequency_penalty = 0.6f;  // 0.8, 0.9, against 1
  CHECK_INT(after(check, options, slope, SLOPE, history, 3), 4);
}

TEST(forgets_tokens_that_left_the_penalty_window) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.presence_penalty = 50;
  options.penalty_window = 3;
  const int history[] = {1, 3, 4, 0, 5, 2, 1};
  const int expected[] = {1, 3, 4, 0, 1, 1, 1, 3};  // after 0, 1, ... tokens of it
  for (int length = 0; length <= 7; length++)
    CHECK_INT(after(check, options, slope, SLOPE, history, length), expected[length]);
  options.penalty_window = 0;
  const int all[] = {1, 3, 4, 0, 5, 2, 1};  // after six tokens all are penalised alike
  for (int length = 0; length <= 6; length++)
    CHECK_INT(after(check, options, slope, SLOPE, history, length), all[length]);
  options.penalty_window = 1;
  CHECK_INT(after(check, options, slope, SLOPE, (int[]){1, 1, 1}, 3), 3);
  CHECK_INT(after(check, options, slope, SLOPE, (int[]){1, 1, 3}, 3), 1);
}

TEST(counts_a_token_twice_in_the_window_twice) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.frequency_penalty = 0.3f;
  options.penalty_window = 4;
  // 2 - 4 * 0.3 = 0.8; then one leaves for each that comes: 1.1, 1.4, ...
  CHECK_INT(after(check, options, slope, SLOPE, (int[]){1, 1, 1, 1}, 4), 3);
  CHECK_INT(after(check, options, slope, SLOPE, (int[]){1, 1, 1, 1, 2}, 5), 3);
  CHECK_INT(after(check, options, slope, SLOPE, (int[]){1, 1, 1, 1, 2, 2, 2}, 7), 1);
}

static void refuse(Check *check, NibbleSamplerOptions options, int vocabulary, const char *words) {
  NibbleError error = {.code = NIBBLE_OK};
  NibbleSampler *sampler = nibble_sampler_create(&options, vocabulary, &error);
  CHECK(sampler == NULL);
  CHECK_STR(nibble_error_name((int)error.code), "INVALID_ARGUMENT");
  if (!CHECK(strstr(error.message, words) != NULL)) printf("  \"%s\" lacks \"%s\"\n", error.message, words);
  nibble_sampler_free(sampler);
}

TEST(refuses_options_out_of_range) {
  const NibbleSamplerOptions defaults = nibble_sampler_defaults();
  NibbleSamplerOptions o;
#define REFUSE(field, value, words) \
  do {                              \
    o = defaults;                   \
    o.field = value;                \
    refuse(check, o, 10, words);    \
  } while (0)
  REFUSE(temperature, -0.1f, "temperature");
  REFUSE(temperature, 100.5f, "temperature");
  REFUSE(temperature, NAN, "temperature");
  REFUSE(temperature, INFINITY, "temperature");
  REFUSE(top_k, -1, "top-k");
  REFUSE(top_p, -0.01f, "top-p");
  REFUSE(top_p, 1.01f, "top-p");
  REFUSE(top_p, NAN, "top-p");
  REFUSE(min_p, -0.01f, "min-p");
  REFUSE(min_p, 1.01f, "min-p");
  REFUSE(repetition_penalty, 0, "repetition penalty");
  REFUSE(repetition_penalty, -1, "repetition penalty");
  REFUSE(repetition_penalty, 101, "repetition penalty");
  REFUSE(presence_penalty, 101, "presence penalty");
  REFUSE(presence_penalty, NAN, "presence penalty");
  REFUSE(frequency_penalty, -101, "frequency penalty");
  REFUSE(penalty_window, -1, "penalty window");
  REFUSE(penalty_window, (1 << 24) + 1, "penalty window");
#undef REFUSE
  refuse(check, defaults, 0, "vocabulary");
  refuse(check, defaults, -5, "vocabulary");
}

TEST(takes_the_first_and_the_last_value_of_each_range) {
  const NibbleSamplerOptions ends[] = {
      {.repetition_penalty = 0.01f, .presence_penalty = -100, .frequency_penalty = -100},
      {.temperature = 100,
       .top_k = INT32_MAX,
       .top_p = 1,
       .min_p = 1,
       .repetition_penalty = 100,
       .presence_penalty = 100,
       .frequency_penalty = 100,
       .penalty_window = 64},
  };
  const float logits[] = {1, 3, 2};
  for (int i = 0; i < 2; i++) {
    NibbleSampler *sampler = make(check, ends[i], 3);
    if (sampler == NULL) continue;
    CHECK(nibble_sampler_accept(sampler, 0, NULL));
    // The strongest rewards and the strongest penalties.
    CHECK_INT(nibble_sampler_sample(sampler, logits, NULL), i == 0 ? 0 : 1);
    nibble_sampler_free(sampler);
  }
}

TEST(refuses_tokens_outside_the_vocabulary_and_impossible_biases) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.presence_penalty = 1;
  NibbleSampler *sampler = make(check, options, SLOPE);
  const int tokens[] = {-1, SLOPE, INT32_MAX, INT32_MIN};
  for (int i = 0; i < 4; i++) {
    NibbleError error = {.code = NIBBLE_OK};
    CHECK(!nibble_sampler_accept(sampler, tokens[i], &error));
    CHECK_STR(nibble_error_name((int)error.code), "INVALID_ARGUMENT");
    error.code = NIBBLE_OK;
    CHECK(!nibble_sampler_bias(sampler, tokens[i], 1, &error));
    CHECK_STR(nibble_error_name((int)error.code), "INVALID_ARGUMENT");
  }
  NibbleError error = {.code = NIBBLE_OK};
  CHECK(!nibble_sampler_bias(sampler, 0, NAN, &error));
  CHECK(!nibble_sampler_bias(sampler, 0, INFINITY, &error));
  CHECK_STR(nibble_error_name((int)error.code), "INVALID_ARGUMENT");
  options.temperature = 0;
  CHECK_INT(only_token(check, options, slope, SLOPE), 1);
  nibble_sampler_free(sampler);
}

TEST(samples_from_a_huge_vocabulary) {
  enum { HUGE_VOCABULARY = 150000 };
  float *logits = malloc(HUGE_VOCABULARY * sizeof *logits);
  if (!CHECK(logits != NULL)) return;
  for (int i = 0; i < HUGE_VOCABULARY; i++)
    logits[i] = (float)((i * 7919LL) % HUGE_VOCABULARY) * 1e-4f;  // a permutation: 0 to 15
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.top_k = 40;
  options.top_p = 0.95f;
  options.presence_penalty = 0.5f;
  NibbleSampler *sampler = make(check, options, HUGE_VOCABULARY);
  for (int i = 0; i < 50; i++) {
    const int token = nibble_sampler_sample(sampler, logits, NULL);
    CHECK(logits[token] > 14.995f);
    CHECK(nibble_sampler_accept(sampler, i, NULL));
  }
  nibble_sampler_free(sampler);
  free(logits);
}

TEST(leaves_the_logits_alone) {
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.presence_penalty = 1;
  options.top_k = 2;
  NibbleSampler *sampler = make(check, options, SLOPE);
  float logits[SLOPE];
  memcpy(logits, slope, sizeof slope);
  CHECK(nibble_sampler_accept(sampler, 1, NULL) && nibble_sampler_bias(sampler, 2, -1, NULL));
  nibble_sampler_sample(sampler, logits, NULL);
  CHECK(memcmp(logits, slope, sizeof slope) == 0);
  nibble_sampler_free(sampler);
  nibble_sampler_free(NULL);
}

int main(void) {
  Check check = {0};
  RUN(&check, takes_the_likeliest_token_at_temperature_0);
  RUN(&check, sharpens_and_flattens_by_temperature);
  RUN(&check, splits_draws_between_equal_tokens_however_cold_it_is);
  RUN(&check, draws_tokens_as_often_as_softmax_says);
  RUN(&check, keeps_the_k_likeliest_tokens);
  RUN(&check, keeps_the_smallest_set_that_reaches_p);
  RUN(&check, measures_top_p_as_a_share_of_what_top_k_keeps);
  RUN(&check, drops_tokens_below_min_p_of_the_likeliest);
  RUN(&check, filters_before_the_temperature);
  RUN(&check, repeats_a_sequence_for_the_same_seed_only);
  RUN(&check, draws_alike_whether_filters_keep_all_or_are_off);
  RUN(&check, adds_biases_before_anything_else);
  RUN(&check, never_draws_a_forbidden_token);
  RUN(&check, survives_logits_that_are_no_numbers);
  RUN(&check, penalises_seen_tokens);
  RUN(&check, forgets_tokens_that_left_the_penalty_window);
  RUN(&check, counts_a_token_twice_in_the_window_twice);
  RUN(&check, refuses_options_out_of_range);
  RUN(&check, takes_the_first_and_the_last_value_of_each_range);
  RUN(&check, refuses_tokens_outside_the_vocabulary_and_impossible_biases);
  RUN(&check, samples_from_a_huge_vocabulary);
  RUN(&check, leaves_the_logits_alone);
  return check_finish(&check);
}
