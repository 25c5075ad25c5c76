// The promises of engine.h, kept on tiny models of every kind: results do not depend on threads, batches, pieces, pages
// or what else lives in the engine, and they are those of the formulas.
#include "engine.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "engine_fixture.h"
#include "engine_state.h"
#include "plain_forward.h"
#include "tiny_model.h"

enum { FORMULA_TEXT = 300 };

// The logits after each token of a text, by the formulas.
static double *expect_formulas(const TinyConfig *config) {
  const TinyModel model = tiny_model(config);
  TinyFile tiny;
  int32_t text[FORMULA_TEXT];
  tiny_open(&tiny, &model);
  fill_text(text, FORMULA_TEXT, config->vocabulary);
  double *expected = plain_forward(&tiny.gguf, tiny.file.bytes, config, text, FORMULA_TEXT);
  tiny_close(&tiny);
  return expected;
}

// Compares the logits after tokens 1, 2, 65, 130 and 300 (in the second split of attention) with the formulas'.
static void compare_with_formulas(Check *check, const TinyConfig *config, const double *expected, bool exact,
                                  NibbleKvType kv_type, double tolerance) {
  Rig rig;
  NibbleOptions options = tiny_options();
  options.exact = exact;
  options.kv_type = kv_type;
  open_config(check, &rig, config, &options);
  int32_t text[FORMULA_TEXT];
  fill_text(text, FORMULA_TEXT, rig.vocabulary);
  const int lengths[] = {1, 2, 65, 130, FORMULA_TEXT};
  for (int i = 0, done = 0; i < 5; done = lengths[i++]) {
    append(check, rig.session, text + done, lengths[i] - done);
    const double share = error_share(nibble_session_logits(rig.session),
                                     expected + (size_t)(lengths[i] - 1) * (size_t)rig.vocabulary, rig.vocabulary);
    if (!CHECK(share < tolerance))
      printf("  model %d, %d tokens: %g\n", (int)(config - tiny_configs), lengths[i], share);
  }
  rig_close(&rig);
}

TEST(computes_the_formulas_in_exact_mode_and_stays_close_to_them_in_the_default_mode) {
  for (int i = 0; i < TINY_CONFIGS; i++) {
    double *expected = expect_formulas(&tiny_configs[i]);
    compare_with_formulas(check, &tiny_configs[i], expected, true, NIBBLE_KV_F16, 2e-5);
    const bool quantized = tiny_configs[i].mixed || quant_format(tiny_configs[i].type)->block_elements > 1;
    compare_with_formulas(check, &tiny_configs[i], expected, false, NIBBLE_KV_F16, quantized ? 0.06 : 4e-3);
    compare_with_formulas(check, &tiny_configs[i], expected, false, NIBBLE_KV_INT8, quantized ? 0.06 : 0.03);
    free(expected);
  }
}

// Page borders (64) and split borders (256), and what lies beside them.
static const int stops[] = {1, 2, 3, 7, 63, 64, 65, 66, 128, 129, 191, 192, 193, 255, 256, 257, 258, 300, 320, 321};
enum { STOPS = sizeof stops / sizeof *stops, LONG_TEXT = 321 };

typedef struct {
  float logits[STOPS][MOST_VOCABULARY];
} StopLogits;

static void decode_to_stops(Check *check, Rig *rig, const int32_t *text, StopLogits *result) {
  for (int i = 0, done = 0; i < STOPS; i++) {
    for (; done < stops[i]; done++)
      append(check, rig->session, text + done, 1);
    keep_logits(check, rig, result->logits[i]);
  }
}

TEST(gives_the_same_logits_in_any_batches) {
  const int batch_sizes[] = {1, 3, 4, 7, 128}, stride = check_stride(5);
  StopLogits *expected = malloc(sizeof *expected);
  if (!CHECK(expected != NULL)) return;
  for (int i = 0; i < TINY_CONFIGS * 3; i++) {
    const TinyConfig *config = &tiny_configs[i / 3];
    NibbleOptions options = tiny_options();
    options.exact = i % 3 == 1;
    options.kv_type = i % 3 == 2 ? NIBBLE_KV_INT8 : NIBBLE_KV_F16;
    if (options.exact && i / 3 > 1) continue;  // exact mode differs in kernels and in the KV pages' type only
    if (!options.exact && stride > 1 && (i / 3 % 2 == 0) != (i % 3 == 0)) continue;  // pages of each type in turns
    int32_t text[LONG_TEXT];
    fill_text(text, LONG_TEXT, config->vocabulary);
    Rig rig;
    open_config(check, &rig, config, &options);
    decode_to_stops(check, &rig, text, expected);
    rig_close(&rig);
    for (int b = (i + i / 3) % stride; b < 5; b += stride) {
      options.batch_size = batch_sizes[b];
      open_config(check, &rig, config, &options);
      CHECK_INT(nibble_engine_batch_size(rig.engine), batch_sizes[b]);
      for (int s = 0, done = 0; s < STOPS; done = stops[s++]) {
        append(check, rig.session, text + done, stops[s] - done);
        if (!CHECK(same_logits(rig.session, expected->logits[s], rig.vocabulary)))
          printf("  model %d, batches of %d, after %d tokens\n", i / 3, batch_sizes[b], stops[s]);
      }
      nibble_session_truncate(rig.session, 0);
      append(check, rig.session, text, LONG_TEXT);
      CHECK(same_logits(rig.session, expected->logits[STOPS - 1], rig.vocabulary));
      rig_close(&rig);
    }
  }
  free(expected);
}

TEST(gives_the_same_logits_on_any_number_of_threads) {
  enum { PROMPT = 270, LENGTH = 273 };
  const int thread_counts[] = {1, 2, 3, 5};
  for (int i = 0; i < TINY_CONFIGS; i++) {
    if (i == 2 || i == 3 || i == 5 || i == 7) continue;  // the others have all of it; a busy machine takes long here
    int32_t text[LENGTH];
    fill_text(text, LENGTH, tiny_configs[i].vocabulary);
    float expected[LENGTH - PROMPT + 1][MOST_VOCABULARY];
    for (int n = 0; n < 4; n++) {
      NibbleOptions options = tiny_options();
      options.threads = thread_counts[n];
      options.kv_type = i % 3 == 0 ? NIBBLE_KV_F16 : NIBBLE_KV_INT8;
      Rig rig;
      open_config(check, &rig, &tiny_configs[i], &options);
      CHECK_INT(nibble_engine_threads(rig.engine), thread_counts[n]);
      append(check, rig.session, text, PROMPT);
      for (int t = PROMPT;; t++) {
        if (n == 0) keep_logits(check, &rig, expected[t - PROMPT]);
        if (!CHECK(same_logits(rig.session, expected[t - PROMPT], rig.vocabulary)))
          printf("  model %d, %d threads, after %d tokens\n", i, thread_counts[n], t);
        if (t == LENGTH) break;
        append(check, rig.session, text + t, 1);
      }
      rig_close(&rig);
    }
  }
}

TEST(takes_the_file_in_pieces_of_any_size) {
  const size_t pieces[] = {SIZE_MAX / 2, 1, 7, 100, 4096};
  for (int i = 0; i < TINY_CONFIGS; i++) {
    const TinyModel model = tiny_model(&tiny_configs[i]);
    const NibbleOptions options = tiny_options();
    float expected[MOST_VOCABULARY];
    int32_t text[20];
    fill_text(text, 20, tiny_configs[i].vocabulary);
    for (int p = 0; p < 5; p++) {
      Rig rig;
      rig_open(check, &rig, &model, &options, pieces[p]);
      append(check, rig.session, text, 20);
      if (p == 0) keep_logits(check, &rig, expected);
      CHECK(same_logits(rig.session, expected, rig.vocabulary));
      rig_close(&rig);
    }
  }
}

TEST(counts_down_the_bytes_that_are_missing) {
  const TinyModel model = tiny_model(&tiny_configs[0]);
  const NibbleOptions options = tiny_options();
  TinyFile tiny;
  tiny_open(&tiny, &model);
  NibbleEngine *engine = nibble_engine_create(&tiny.gguf, &options, NULL);
  if (!CHECK(engine != NULL)) return;
  const size_t begin = (size_t)tiny.gguf.data_offset, size = tiny.file.size - begin;
  CHECK_INT((long long)nibble_engine_remaining(engine), (long long)size);
  CHECK(nibble_engine_load(engine, tiny.file.bytes + begin, 1000, NULL));
  CHECK_INT((long long)nibble_engine_remaining(engine), (long long)size - 1000);
  NibbleError error = {.code = NIBBLE_OK};
  NibbleSession *session = nibble_session_create(engine, NULL);
  const int32_t token = 1;
  CHECK(session != NULL && !nibble_session_evaluate(session, &token, 1, NULL, NULL, &error));
  CHECK_STR(nibble_error_name((int)error.code), "MODEL_INCOMPLETE");
  CHECK(nibble_engine_load(engine, tiny.file.bytes + begin + 1000, size - 1001, NULL));
  CHECK_INT((long long)nibble_engine_remaining(engine), 1);
  CHECK(!nibble_session_evaluate(session, &token, 1, NULL, NULL, NULL));
  CHECK(nibble_save_create(session, NULL) == NULL);
  CHECK(nibble_restore_create(engine, NULL) == NULL);
  CHECK(nibble_engine_load(engine, tiny.file.bytes + tiny.file.size - 1, 1, NULL));
  CHECK_INT((long long)nibble_engine_remaining(engine), 0);
  CHECK(nibble_engine_load(engine, tiny.file.bytes, 500, NULL));  // what follows the last tensor is ignored
  CHECK(nibble_session_evaluate(session, &token, 1, NULL, NULL, NULL));
  nibble_session_free(session);
  nibble_engine_free(engine);
  tiny_close(&tiny);
}

TEST(can_be_freed_half_loaded) {
  const TinyModel model = tiny_model(&tiny_configs[1]);
  const NibbleOptions options = tiny_options();
  TinyFile tiny;
  tiny_open(&tiny, &model);
  const size_t begin = (size_t)tiny.gguf.data_offset;
  for (size_t count = 0; begin + count < tiny.file.size; count = count * 3 + 1) {
    NibbleEngine *engine = nibble_engine_create(&tiny.gguf, &options, NULL);
    if (!CHECK(engine != NULL)) return;
    CHECK(nibble_engine_load(engine, tiny.file.bytes + begin, count, NULL));
    nibble_engine_free(engine);
  }
  nibble_engine_free(NULL);
  nibble_session_free(NULL);
  tiny_close(&tiny);
}

TEST(goes_on_after_a_truncation_as_if_the_rest_had_never_been) {
  for (int i = 0; i < TINY_CONFIGS; i++) {
    const NibbleOptions options = tiny_options();
    Rig rig;
    open_config(check, &rig, &tiny_configs[i], &options);
    int32_t text[150], other[150];
    fill_text(text, 150, rig.vocabulary);
    for (int t = 0; t < 150; t++)
      other[t] = rig.vocabulary - 1 - text[t];
    float expected[MOST_VOCABULARY];
    append(check, rig.session, text, 130);
    keep_logits(check, &rig, expected);
    const int lengths[] = {129, 128, 65, 64, 63, 1, 0};
    for (int k = 0; k < 7; k++) {
      nibble_session_truncate(rig.session, lengths[k]);
      append(check, rig.session, other, 150);  // something else in between
      const int kept = nibble_session_truncate(rig.session, lengths[k]);
      // A window may have let go of what would be needed.
      CHECK(kept == lengths[k] || (kept == 0 && tiny_configs[i].sliding_window > 0));
      CHECK_INT(nibble_session_length(rig.session), kept);
      CHECK(nibble_session_logits(rig.session) == NULL);
      append(check, rig.session, text + kept, 130 - kept);
      CHECK(same_logits(rig.session, expected, rig.vocabulary));
    }
    nibble_session_truncate(rig.session, 130);  // no effect
    nibble_session_truncate(rig.session, 1000);
    CHECK(same_logits(rig.session, expected, rig.vocabulary));
    nibble_session_truncate(rig.session, -5);
    CHECK_INT(nibble_session_length(rig.session), 0);
    rig_close(&rig);
  }
}

TEST(keeps_sessions_apart) {
  const NibbleOptions options = tiny_options();
  Rig rig;
  open_config(check, &rig, &tiny_configs[0], &options);
  int32_t text[200], other[200];
  fill_text(text, 200, rig.vocabulary);
  for (int t = 0; t < 200; t++)
    other[t] = text[199 - t];
  float first[MOST_VOCABULARY], second[MOST_VOCABULARY];
  NibbleMemory empty, emptied;
  nibble_engine_memory(rig.engine, &empty);
  append(check, rig.session, text, 200);
  keep_logits(check, &rig, first);
  nibble_session_truncate(rig.session, 0);
  nibble_engine_memory(rig.engine, &emptied);
  CHECK(emptied.kv_cache == empty.kv_cache && emptied.other == empty.other);  // all pages were given back
  append(check, rig.session, other, 200);
  keep_logits(check, &rig, second);
  nibble_session_truncate(rig.session, 0);
  NibbleSession *beside = nibble_session_create(rig.engine, NULL);
  if (!CHECK(beside != NULL)) return;
  CHECK(nibble_session_logits(beside) == NULL);
  for (int t = 0; t < 200; t += 25) {
    append(check, rig.session, text + t, 25);
    append(check, beside, other + t, 25);
  }
  CHECK(same_logits(rig.session, first, rig.vocabulary));
  CHECK(same_logits(beside, second, rig.vocabulary));
  nibble_session_free(beside);
  CHECK(same_logits(rig.session, first, rig.vocabulary));
  rig_close(&rig);
}

TEST(keeps_engines_apart) {
  NibbleOptions options = tiny_options();
  Rig a, b;
  int32_t text[40];
  fill_text(text, 40, 31);
  float expected[2][MOST_VOCABULARY];
  open_config(check, &a, &tiny_configs[0], &options);
  append(check, a.session, text, 40);
  keep_logits(check, &a, expected[0]);
  rig_close(&a);
  options.threads = 2;
  open_config(check, &a, &tiny_configs[0], &options);
  options.exact = true;
  open_config(check, &b, &tiny_configs[6], &options);
  append(check, b.session, text, 40);
  keep_logits(check, &b, expected[1]);
  nibble_session_truncate(b.session, 0);
  for (int t = 0; t < 40; t++) {
    append(check, a.session, text + t, 1);
    append(check, b.session, text + t, 1);
  }
  CHECK(same_logits(a.session, expected[0], a.vocabulary));
  rig_close(&a);
  append(check, b.session, text, 1);
  nibble_session_truncate(b.session, 20);
  append(check, b.session, text + 20, 20);
  CHECK(same_logits(b.session, expected[1], b.vocabulary));
  rig_close(&b);
}

static double log_softmax(const float *logits, int vocabulary, int token) {
  double max = -INFINITY, sum = 0;
  for (int i = 0; i < vocabulary; i++)
    max = fmax(max, (double)logits[i]);
  for (int i = 0; i < vocabulary; i++)
    sum += exp((double)logits[i] - max);
  return (double)logits[token] - max - log(sum);
}

TEST(scores_targets_as_log_softmax_does) {
  enum { LENGTH = 45 };
  for (int i = 0; i < TINY_CONFIGS; i++) {
    NibbleOptions options = tiny_options();
    options.batch_size = 19;
    Rig rig;
    open_config(check, &rig, &tiny_configs[i], &options);
    int32_t text[LENGTH], targets[LENGTH];
    fill_text(text, LENGTH, rig.vocabulary);
    double expected[LENGTH];
    for (int t = 0; t < LENGTH; t++) {
      targets[t] = t % 5 == 3 || (t >= 8 && t < 16) ? -1 : (t * 31 + 5) % rig.vocabulary;
      append(check, rig.session, text + t, 1);
      const float *logits = nibble_session_logits(rig.session);
      expected[t] = targets[t] < 0 ? 0 : log_softmax(logits, rig.vocabulary, targets[t]);
    }
    float last[MOST_VOCABULARY], scores[LENGTH];
    keep_logits(check, &rig, last);
    nibble_session_truncate(rig.session, 0);
    CHECK(nibble_session_evaluate(rig.session, text, LENGTH, targets, scores, NULL));
    for (int t = 0; t < LENGTH; t++)
      if (!CHECK(fabs((double)scores[t] - expected[t]) < 2e-6 * (1 + fabs(expected[t]))))
        printf("  model %d, token %d: %g, expected %g\n", i, t, (double)scores[t], expected[t]);
    CHECK(same_logits(rig.session, last, rig.vocabulary));  // scoring leaves the logits of the last token
    rig_close(&rig);
  }
}

// As the sampler and evaluate() of the library take such logits.
TEST(scores_logits_that_are_no_numbers) {
  const float some[] = {NAN, 1, -INFINITY, 1, NAN}, none[] = {-INFINITY, NAN, -INFINITY},
              most[] = {INFINITY, 3, INFINITY};
  CHECK(fabsf(score_log_probability(some, 5, 1) + logf(2)) < 1e-6f);
  CHECK(score_log_probability(some, 5, 0) == -INFINITY && score_log_probability(some, 5, 2) == -INFINITY);
  for (int target = 0; target < 3; target++)
    CHECK(isnan(score_log_probability(none, 3, target)));
  CHECK(fabsf(score_log_probability(most, 3, 2) + logf(2)) < 1e-6f);
  CHECK(score_log_probability(most, 3, 1) == -INFINITY);
}

TEST(refuses_tokens_that_do_not_fit_and_appends_nothing) {
  TinyConfig config = tiny_configs[0];
  config.context = 70;
  const NibbleOptions options = tiny_options();
  Rig rig;
  open_config(check, &rig, &config, &options);
  int32_t text[71];
  fill_text(text, 71, rig.vocabulary);
  float expected[MOST_VOCABULARY], scores[2];
  append(check, rig.session, text, 68);
  keep_logits(check, &rig, expected);
  const struct {
    int32_t tokens[3], targets[3];
    int count;
    bool scored;
    const char *code;
  } cases[] = {
      {{1, 2, 3}, {0}, 3, false, "CONTEXT_FULL"},      {{1}, {0}, 0, false, "INVALID_ARGUMENT"},
      {{1}, {0}, -1, false, "INVALID_ARGUMENT"},       {{1, -1}, {0}, 2, false, "INVALID_ARGUMENT"},
      {{100}, {0}, 1, false, "INVALID_ARGUMENT"},      {{INT32_MAX}, {0}, 1, false, "INVALID_ARGUMENT"},
      {{1, 2}, {3, 100}, 2, true, "INVALID_ARGUMENT"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    NibbleError error = {.code = NIBBLE_OK};
    CHECK(!nibble_session_evaluate(rig.session, cases[i].tokens, cases[i].count,
                                   cases[i].scored ? cases[i].targets : NULL, scores, &error));
    CHECK_STR(nibble_error_name((int)error.code), cases[i].code);
    CHECK_INT(nibble_session_length(rig.session), 68);
    CHECK(same_logits(rig.session, expected, rig.vocabulary));
  }
  append(check, rig.session, text + 68, 2);
  CHECK_INT(nibble_session_length(rig.session), 70);
  CHECK(!nibble_session_evaluate(rig.session, text, 1, NULL, NULL, NULL));
  nibble_session_truncate(rig.session, 69);
  append(check, rig.session, text, 1);
  rig_close(&rig);
}

int main(void) {
  Check check = {0};
  RUN(&check, computes_the_formulas_in_exact_mode_and_stays_close_to_them_in_the_default_mode);
  RUN(&check, gives_the_same_logits_in_any_batches);
  RUN(&check, gives_the_same_logits_on_any_number_of_threads);
  RUN(&check, takes_the_file_in_pieces_of_any_size);
  RUN(&check, counts_down_the_bytes_that_are_missing);
  RUN(&check, can_be_freed_half_loaded);
  RUN(&check, goes_on_after_a_truncation_as_if_the_rest_had_never_been);
  RUN(&check, keeps_sessions_apart);
  RUN(&check, keeps_engines_apart);
  RUN(&check, scores_targets_as_log_softmax_does);
  RUN(&check, scores_logits_that_are_no_numbers);
  RUN(&check, refuses_tokens_that_do_not_fit_and_appends_nothing);
  return check_finish(&check);
}
