// The promises of engine.h about passes block by block, and about weights that stream under a memory budget.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "engine.h"
#include "engine_fixture.h"
#include "loader.h"
#include "model.h"
#include "streamer.h"

// Blocks enough for some to stay and some to stream.
static TinyConfig config_at(int index) {
  TinyConfig config = tiny_configs[index];
  config.blocks = 6;
  config.vocabulary = MOST_VOCABULARY;
  return config;
}

static NibbleOptions options_for(int batch, uint64_t budget) {
  NibbleOptions options = tiny_options();
  options.context_size = 300;
  options.batch_size = batch;
  options.memory_budget = budget;
  return options;
}

enum { TEXT = 150, PROMPT = 67, SINGLE = 3, BUDGETS = 12 };

// What an engine with all its weights gives: after a prompt, after each of a few single tokens, and after a scored
// text.
typedef struct {
  int32_t text[TEXT], targets[TEXT];
  float logits[SINGLE + 2][MOST_VOCABULARY], scores[TEXT];
} Expected;

static void expect(Check *check, const Rig *rig, Expected *expected) {
  fill_text(expected->text, TEXT, rig->vocabulary);
  for (int t = 0; t < TEXT; t++)
    expected->targets[t] = t % 5 == 0 ? -1 : expected->text[(t + 1) % TEXT];
  append(check, rig->session, expected->text, PROMPT);
  keep_logits(check, rig, expected->logits[0]);
  for (int t = 0; t < SINGLE; t++) {
    append(check, rig->session, expected->text + PROMPT + t, 1);
    keep_logits(check, rig, expected->logits[t + 1]);
  }
  CHECK(nibble_session_evaluate(rig->session, expected->text, TEXT, expected->targets, expected->scores, NULL));
  keep_logits(check, rig, expected->logits[SINGLE + 1]);
}

static void compare_streamed(Check *check, const Streamer *streamer, const Rig *rig, const Expected *expected) {
  float found[TEXT];
  pass_over(check, streamer, expected->text, PROMPT, NULL, NULL);
  CHECK(same_logits(streamer->session, expected->logits[0], rig->vocabulary));
  for (int t = 0; t < SINGLE; t++) {
    pass_over(check, streamer, expected->text + PROMPT + t, 1, NULL, NULL);
    CHECK(same_logits(streamer->session, expected->logits[t + 1], rig->vocabulary));
  }
  pass_over(check, streamer, expected->text, TEXT, expected->targets, found);
  CHECK(memcmp(expected->scores, found, sizeof found) == 0);
  CHECK(same_logits(streamer->session, expected->logits[SINGLE + 1], rig->vocabulary));
  CHECK_INT(nibble_session_length(streamer->session), PROMPT + SINGLE + TEXT);
  CHECK(memcmp(nibble_session_tokens(streamer->session), nibble_session_tokens(rig->session),
               (PROMPT + SINGLE + TEXT) * sizeof(int32_t)) == 0);
}

TEST(streamed_results_are_those_of_weights_in_memory_to_the_last_bit) {
  const int batches[] = {1, 7, 32};
  const int stride = check_stride(7);  // which leaves all sizes of batches, and all budgets to some model
  int streamed = 0, pinned = 0, output = 0, whole = 0;
  for (int i = 0; i < TINY_CONFIGS; i++) {
    Rig rig;
    Expected expected;
    NibbleOptions options = options_for(32, 0);
    const TinyConfig config = config_at(i);
    open_config(check, &rig, &config, &options);
    expect(check, &rig, &expected);
    for (int step = (i + 2) % stride; step <= BUDGETS; step += stride) {
      Streamer streamer;
      options.batch_size = batches[step % 3];
      options.memory_budget = budget_at(&rig, &options, step, BUDGETS);
      if (!streamer_open(check, &streamer, &rig, &options)) return;
      const NibbleBudget *budget = &streamer.info.budget;
      streamed += stride * (budget->streamed_blocks > 0);
      pinned += stride * (budget->streamed_blocks > 0 && budget->pinned_blocks > 0);
      output += stride * budget->output_streams;
      whole += stride * !budget->streams;
      compare_streamed(check, &streamer, &rig, &expected);
      streamer_close(&streamer);
    }
    rig_close(&rig);
  }
  CHECK(streamed > 20 && pinned > 20 && output > 10 && whole >= TINY_CONFIGS / stride * stride);
}

TEST(a_sweep_takes_more_tokens_than_a_batch) {
  Rig rig;
  Streamer streamer;
  NibbleOptions options = options_for(8, 0);
  const TinyConfig config = config_at(1);
  open_config(check, &rig, &config, &options);
  options.memory_budget = budget_at(&rig, &options, 3, 12);
  if (!streamer_open(check, &streamer, &rig, &options)) return;
  CHECK(streamer.info.budget.streams && streamer.info.budget.sweep_size > 8);
  CHECK_INT(describe(&rig, &options).budget.sweep_size, streamer.info.budget.sweep_size);
  streamer_close(&streamer);
  rig_close(&rig);
}

static uint64_t total(const NibbleMemory *memory) {
  return memory->weights + memory->ring + memory->kv_cache + memory->activations + memory->other;
}

TEST(an_engine_keeps_within_its_budget_and_tells_beforehand_what_it_takes) {
  enum { CONTEXT = 140 };  // three pages
  const int stride = check_stride(7);
  for (int i = 0; i < TINY_CONFIGS; i++)
    for (int step = (i + 2) % stride; step <= BUDGETS; step += stride) {
      Rig rig;
      Streamer streamer;
      NibbleOptions options = options_for(16, 0);
      options.context_size = CONTEXT;
      const TinyConfig config = config_at(i);
      open_config(check, &rig, &config, &options);
      options.memory_budget = budget_at(&rig, &options, step, BUDGETS) + 1000;
      options.caller_bytes = 1000;
      NibbleMemory planned, live;
      CHECK(nibble_describe(&rig.tiny.gguf, &options, NULL, &planned, NULL));
      CHECK(total(&planned) + options.caller_bytes <= options.memory_budget);
      if (!streamer_open(check, &streamer, &rig, &options)) return;
      int32_t text[CONTEXT];
      fill_text(text, CONTEXT, rig.vocabulary);
      pass_over(check, &streamer, text, CONTEXT, NULL, NULL);
      nibble_engine_memory(streamer.engine, &live);
      CHECK(live.weights == planned.weights && live.ring == planned.ring && live.activations == planned.activations);
      CHECK(live.kv_cache <= planned.kv_cache);
      streamer_close(&streamer);
      rig_close(&rig);
    }
}

TEST(what_only_loading_takes_counts_where_sessions_take_less) {
  Rig rig;
  NibbleOptions options = options_for(4, UINT64_MAX);
  const TinyConfig config = config_at(0);
  open_config(check, &rig, &config, &options);
  NibbleMemory without, little, much;
  CHECK(nibble_describe(&rig.tiny.gguf, &options, NULL, &without, NULL));
  options.loading_bytes = 1000;
  CHECK(nibble_describe(&rig.tiny.gguf, &options, NULL, &little, NULL));
  CHECK(little.other == without.other + 1000);  // its place may be too small for a page
  options.loading_bytes = (uint64_t)1 << 30;
  CHECK(nibble_describe(&rig.tiny.gguf, &options, NULL, &much, NULL));
  Model plan;
  NibbleError error;
  CHECK(model_plan(&plan, &rig.tiny.gguf, &error));
  CHECK(much.kv_cache + much.other == options.loading_bytes + loader_staging_bytes(&plan));
  model_free(&plan);
  rig_close(&rig);
}

TEST(a_budget_below_the_least_is_refused_with_what_would_do) {
  for (int i = 0; i < TINY_CONFIGS; i++) {
    Rig rig;
    NibbleError error = {.code = NIBBLE_OK};
    NibbleOptions options = options_for(4, 0);
    const TinyConfig config = config_at(i);
    open_config(check, &rig, &config, &options);
    options.memory_budget = budget_at(&rig, &options, 0, 1);
    CHECK(nibble_describe(&rig.tiny.gguf, &options, NULL, NULL, &error));
    options.memory_budget--;
    CHECK(!nibble_describe(&rig.tiny.gguf, &options, NULL, NULL, &error));
    CHECK_STR(nibble_error_name((int)error.code), "BUDGET_TOO_SMALL");
    CHECK(nibble_engine_create(&rig.tiny.gguf, &options, &error) == NULL);
    CHECK(strstr(error.message, "at least") != NULL);
    rig_close(&rig);
  }
}

TEST(a_pass_that_ends_early_leaves_the_session_as_it_was) {
  for (int i = 0; i < TINY_CONFIGS; i++) {
    Rig rig;
    Streamer streamer;
    NibbleOptions options = options_for(16, 0);
    const TinyConfig config = config_at(i);
    open_config(check, &rig, &config, &options);
    options.memory_budget = budget_at(&rig, &options, 1, BUDGETS);
    if (!streamer_open(check, &streamer, &rig, &options)) return;
    int32_t text[120];
    float before[MOST_VOCABULARY];
    fill_text(text, 120, rig.vocabulary);
    append(check, rig.session, text, 70);
    pass_over(check, &streamer, text, 70, NULL, NULL);
    keep_logits(check, &rig, before);
    NibbleMemory memory, after;
    nibble_engine_memory(streamer.engine, &memory);
    for (int steps = 0, all = 1; steps < all; steps++) {
      NibblePass *pass = nibble_pass_begin(streamer.session, text + 70, 9, NULL, NULL, NULL);
      if (!CHECK(pass != NULL)) return;
      CHECK(nibble_pass_begin(streamer.session, text, 1, NULL, NULL, NULL) == NULL);
      CHECK_INT(drive(check, &streamer, pass, steps), steps);
      if (nibble_pass_next(pass) != NIBBLE_PASS_DONE) all = steps + 2;
      const bool done = nibble_pass_next(pass) == NIBBLE_PASS_DONE;
      nibble_pass_finish(pass);
      if (done) break;
      CHECK_INT(nibble_session_length(streamer.session), 70);
      CHECK(same_logits(streamer.session, before, rig.vocabulary));
      nibble_engine_memory(streamer.engine, &after);
      CHECK_INT((long long)total(&after), (long long)total(&memory));
    }
    CHECK_INT(nibble_session_length(streamer.session), 79);
    append(check, rig.session, text + 70, 50);
    pass_over(check, &streamer, text + 79, 41, NULL, NULL);
    CHECK(same_logits(streamer.session, nibble_session_logits(rig.session), rig.vocabulary));
    streamer_close(&streamer);
    rig_close(&rig);
  }
}

TEST(an_engine_that_streams_computes_in_passes_only_and_loads_from_a_store_only) {
  Rig rig;
  Streamer streamer;
  NibbleError error = {.code = NIBBLE_OK};
  NibbleOptions options = options_for(16, 0);
  const TinyConfig config = config_at(0);
  open_config(check, &rig, &config, &options);
  options.memory_budget = budget_at(&rig, &options, 1, BUDGETS);
  if (!streamer_open(check, &streamer, &rig, &options)) return;
  const int32_t token = 1;
  CHECK(!nibble_session_evaluate(streamer.session, &token, 1, NULL, NULL, &error));
  CHECK_STR(nibble_error_name((int)error.code), "INVALID_ARGUMENT");
  CHECK(nibble_engine_slot(streamer.engine, streamer.info.budget.slots) == NULL);
  NibbleEngine *engine = nibble_engine_create(&rig.tiny.gguf, &options, NULL);
  if (CHECK(engine != NULL)) {
    error.code = NIBBLE_OK;
    CHECK(!tiny_load(engine, &rig.tiny, 1000, &error));
    CHECK_STR(nibble_error_name((int)error.code), "INVALID_ARGUMENT");
  }
  nibble_engine_free(engine);
  streamer_close(&streamer);
  rig_close(&rig);
}

// A pass is for engines with all their weights too.
TEST(passes_of_weights_in_memory_give_the_same_as_evaluation) {
  for (int i = 0; i < TINY_CONFIGS; i++) {
    const NibbleOptions options = options_for(64, 0);
    Rig rig;
    const TinyConfig config = config_at(i);
    open_config(check, &rig, &config, &options);
    Streamer streamer = {.engine = rig.engine, .session = nibble_session_create(rig.engine, NULL)};
    nibble_engine_info(rig.engine, &streamer.info);
    int32_t text[100];
    fill_text(text, 100, rig.vocabulary);
    append(check, rig.session, text, 100);
    pass_over(check, &streamer, text, 100, NULL, NULL);
    CHECK(same_logits(streamer.session, nibble_session_logits(rig.session), rig.vocabulary));
    nibble_session_free(streamer.session);
    rig_close(&rig);
  }
}

static uint8_t *save_of(NibbleSession *session, size_t *bytes) {
  NibbleSave *save = nibble_save_create(session, NULL);
  *bytes = (size_t)nibble_save_bytes(save);
  uint8_t *image = malloc(*bytes);
  if (image == NULL || nibble_save_read(save, image, *bytes) != *bytes) abort();
  nibble_save_free(save);
  return image;
}

TEST(sessions_are_saved_alike_whether_weights_stream_or_not) {
  for (int step = 0; step < BUDGETS; step += 5) {
    Rig rig;
    Streamer streamer;
    NibbleOptions options = options_for(16, 0);
    const TinyConfig config = config_at(1);
    open_config(check, &rig, &config, &options);
    options.memory_budget = budget_at(&rig, &options, step, BUDGETS);
    if (!streamer_open(check, &streamer, &rig, &options)) return;
    int32_t text[90];
    fill_text(text, 90, rig.vocabulary);
    append(check, rig.session, text, 90);
    pass_over(check, &streamer, text, 90, NULL, NULL);
    size_t bytes, others;
    uint8_t *image = save_of(rig.session, &bytes), *other = save_of(streamer.session, &others);
    CHECK(bytes == others && memcmp(image, other, bytes) == 0);
    free(image);
    free(other);
    streamer_close(&streamer);
    rig_close(&rig);
  }
}

TEST(threads_share_out_streamed_blocks_without_a_change) {
  Rig rig;
  Streamer streamer;
  NibbleOptions options = options_for(16, 0);
  options.threads = 3;
  const TinyConfig config = config_at(9);
  open_config(check, &rig, &config, &options);
  options.memory_budget = budget_at(&rig, &options, 2, BUDGETS);
  if (!streamer_open(check, &streamer, &rig, &options)) return;
  int32_t text[90];
  fill_text(text, 90, rig.vocabulary);
  append(check, rig.session, text, 90);
  pass_over(check, &streamer, text, 90, NULL, NULL);
  CHECK(same_logits(streamer.session, nibble_session_logits(rig.session), rig.vocabulary));
  streamer_close(&streamer);
  rig_close(&rig);
}

TEST(the_engine_chooses_a_context_that_leaves_room_for_weights) {
  TinyConfig config = tiny_configs[0];
  config.context = 4096;
  Rig rig;
  NibbleOptions options = tiny_options();
  open_config(check, &rig, &config, &options);
  CHECK_INT(describe(&rig, &options).context_size, 4096);
  options.memory_budget = 1 << 30;
  CHECK_INT(describe(&rig, &options).context_size, 4096);
  options.memory_budget = 4 << 20;
  NibbleMemory memory;
  CHECK(nibble_describe(&rig.tiny.gguf, &options, NULL, &memory, NULL));
  const int context = describe(&rig, &options).context_size;
  CHECK(context >= 512 && context < 4096 && (memory.kv_cache <= (1 << 20) || context == 512));
  rig_close(&rig);
}

// 16,384 tokens of a width of 65,536 floats: 2^32 bytes, which a size of 32 bits takes for none.
TEST(a_pass_whose_residual_stream_no_memory_holds_is_refused) {
  if (SIZE_MAX > UINT32_MAX) SKIP("sizes have more than 32 bits here");
  enum { TOKENS = 1 << 14 };
  const TinyConfig config = {.width = 1 << 16,
                             .feed_forward = 1,
                             .heads = 1,
                             .kv_heads = 1,
                             .head_size = 2,
                             .vocabulary = 8,
                             .blocks = 1,
                             .context = TOKENS,
                             .type = GGML_F16,
                             .tied = true};
  const NibbleOptions options = {.threads = 1, .kernel_set = "reference", .context_size = TOKENS};
  Rig rig;
  open_config(check, &rig, &config, &options);
  int32_t *tokens = calloc(TOKENS, sizeof *tokens);
  NibbleMemory before, after;
  nibble_engine_memory(rig.engine, &before);
  NibbleError error = {.code = NIBBLE_OK};
  CHECK(tokens != NULL && nibble_pass_begin(rig.session, tokens, TOKENS, NULL, NULL, &error) == NULL);
  CHECK_STR(nibble_error_name((int)error.code), "OUT_OF_MEMORY");
  nibble_engine_memory(rig.engine, &after);
  CHECK(memcmp(&before, &after, sizeof before) == 0);
  append(check, rig.session, tokens, 2);
  free(tokens);
  rig_close(&rig);
}

int main(void) {
  Check check = {0};
  RUN(&check, streamed_results_are_those_of_weights_in_memory_to_the_last_bit);
  RUN(&check, a_sweep_takes_more_tokens_than_a_batch);
  RUN(&check, an_engine_keeps_within_its_budget_and_tells_beforehand_what_it_takes);
  RUN(&check, what_only_loading_takes_counts_where_sessions_take_less);
  RUN(&check, a_budget_below_the_least_is_refused_with_what_would_do);
  RUN(&check, a_pass_that_ends_early_leaves_the_session_as_it_was);
  RUN(&check, an_engine_that_streams_computes_in_passes_only_and_loads_from_a_store_only);
  RUN(&check, passes_of_weights_in_memory_give_the_same_as_evaluation);
  RUN(&check, sessions_are_saved_alike_whether_weights_stream_or_not);
  RUN(&check, threads_share_out_streamed_blocks_without_a_change);
  RUN(&check, the_engine_chooses_a_context_that_leaves_room_for_weights);
  RUN(&check, a_pass_whose_residual_stream_no_memory_holds_is_refused);
  return check_finish(&check);
}
