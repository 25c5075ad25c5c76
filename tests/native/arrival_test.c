// The promises of engine.h about passes that run while the weights arrive.
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "engine.h"
#include "engine_fixture.h"

enum { TEXT = 150, PIECE = 700 };

// An engine whose weights are on their way.
typedef struct {
  NibbleEngine *engine;
  NibbleSession *session;
  const TinyFile *tiny;
  size_t loaded;  // bytes of the file that were given to it
} Arrival;

// Whatever is read too early is no number.
static void poison(NibbleEngine *engine) {
  uint64_t run;
  for (uint64_t at = 0; nibble_engine_packed_range(engine, at, &run) != NULL; at += run)
    memset(nibble_engine_packed_range(engine, at, &run), 0xff, (size_t)run);
}

static bool arrival_open(Check *check, Arrival *arrival, const TinyFile *tiny, const NibbleOptions *options) {
  *arrival = (Arrival){.engine = nibble_engine_create(&tiny->gguf, options, NULL), .tiny = tiny};
  if (!CHECK(arrival->engine != NULL)) return false;
  poison(arrival->engine);
  arrival->loaded = (size_t)tiny->gguf.data_offset;
  arrival->session = nibble_session_create(arrival->engine, NULL);
  return CHECK(arrival->session != NULL);
}

static void arrival_close(Arrival *arrival) {
  nibble_session_free(arrival->session);
  nibble_engine_free(arrival->engine);
}

// Loads on to where a step may begin, and no further than a piece behind it.
static void load_until(Check *check, Arrival *arrival, int block) {
  const uint64_t needed = nibble_engine_needs(arrival->engine, block);
  const Builder *file = &arrival->tiny->file;
  while (nibble_engine_position(arrival->engine) < needed) {
    const size_t left = file->size - arrival->loaded, count = left < PIECE ? left : PIECE;
    if (!CHECK(count > 0 && nibble_engine_load(arrival->engine, file->bytes + arrival->loaded, count, NULL))) return;
    arrival->loaded += count;
  }
}

// Computes tokens, each step as soon as it may be; returns how many steps began before the last weight had come.
static int pass_over(Check *check, Arrival *arrival, const int32_t *tokens, int count, const int32_t *targets,
                     float *scores) {
  int early = 0;
  load_until(check, arrival, -1);
  NibblePass *pass = nibble_pass_begin(arrival->session, tokens, count, targets, scores, NULL);
  if (!CHECK(pass != NULL)) return 0;
  for (int block = 0; nibble_pass_next(pass) != NIBBLE_PASS_DONE; block++) {
    CHECK_INT(nibble_pass_next(pass), NIBBLE_PASS_READY);
    load_until(check, arrival, block);
    early += nibble_engine_remaining(arrival->engine) > 0;
    nibble_pass_step(pass, 0);
  }
  nibble_pass_finish(pass);
  return early;
}

static void wait_a_moment(void) { nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL); }

// The same by the engine's driver, which is let as far as the weights have come.
static void drive_over(Check *check, Arrival *arrival, const int32_t *tokens, int count, const int32_t *targets,
                       float *scores) {
  load_until(check, arrival, -1);
  NibblePass *pass = nibble_pass_begin(arrival->session, tokens, count, targets, scores, NULL);
  if (!CHECK(pass != NULL)) return;
  const int steps = nibble_pass_steps(pass);
  CHECK_INT(nibble_pass_driven(pass), 0);
  for (int step = 0; step < steps; step++) {
    load_until(check, arrival, step);
    if (!CHECK(nibble_pass_drive(pass, step + 1))) break;
  }
  while (nibble_pass_driven(pass) < steps)
    wait_a_moment();
  CHECK(nibble_pass_halt(pass));
  CHECK_INT(nibble_pass_next(pass), NIBBLE_PASS_DONE);
  nibble_pass_finish(pass);
}

// As most files have it: the embedding first, then block after block.
static void reverse(TinyModel *model) {
  for (int i = 0, j = (int)model->tensor_count - 1; i < j; i++, j--) {
    const TinyTensor tensor = model->tensors[i];
    model->tensors[i] = model->tensors[j];
    model->tensors[j] = tensor;
  }
}

// The search for races looks at passes that are driven beside the loader, in some models: it takes ten times as long.
#ifdef NIBBLE_RACES
enum { FIRST_ROUND = 4, CONFIG_STEP = 3 };
#else
enum { FIRST_ROUND = 0, CONFIG_STEP = 1 };
#endif

TEST(a_text_read_while_weights_arrive_gives_the_same_to_the_last_bit) {
  const int stride = check_stride(3);
  int early = 0;
  for (int i = 0; i < TINY_CONFIGS; i += CONFIG_STEP)
    for (int round = FIRST_ROUND + i % stride; round < 6; round += stride) {
      const bool scored = round % 2 == 1, forwards = round >= 2, driven = round >= 4;
      TinyConfig config = tiny_configs[i];
      config.blocks = 5;
      TinyModel model = tiny_model(&config);
      if (forwards) reverse(&model);
      NibbleOptions options = tiny_options();
      options.context_size = 2 * TEXT;
      options.batch_size = 32;
      options.threads = 2;
      options.choose_threads = true;
      Rig rig;
      Arrival arrival;
      rig_open(check, &rig, &model, &options, 1000);
      if (!arrival_open(check, &arrival, &rig.tiny, &options)) return;
      int32_t text[TEXT], targets[TEXT];
      float expected[TEXT] = {0}, found[TEXT] = {0};
      fill_text(text, TEXT, rig.vocabulary);
      for (int t = 0; t < TEXT; t++)
        targets[t] = text[(t + 1) % TEXT];
      CHECK(nibble_session_evaluate(rig.session, text, TEXT, scored ? targets : NULL, expected, NULL));
      if (driven)
        drive_over(check, &arrival, text, TEXT, scored ? targets : NULL, found);
      else
        early += stride * pass_over(check, &arrival, text, TEXT, scored ? targets : NULL, found);
      CHECK(same_logits(arrival.session, nibble_session_logits(rig.session), rig.vocabulary));
      CHECK(memcmp(expected, found, sizeof expected) == 0);
      // The engine is complete: it goes on as any other.
      CHECK_INT((long long)nibble_engine_remaining(arrival.engine), 0);
      append(check, rig.session, text, 3);
      append(check, arrival.session, text, 3);
      CHECK(same_logits(arrival.session, nibble_session_logits(rig.session), rig.vocabulary));
      arrival_close(&arrival);
      rig_close(&rig);
    }
  CHECK(FIRST_ROUND > 0 || early >= 4 * TINY_CONFIGS);
}

TEST(a_pass_whose_weights_never_come_leaves_the_session_as_it_was) {
  const TinyModel model = tiny_model(&tiny_configs[0]);
  NibbleOptions options = tiny_options();
  options.batch_size = 8;
  TinyFile tiny;
  Arrival arrival;
  tiny_open(&tiny, &model);
  if (!arrival_open(check, &arrival, &tiny, &options)) return;
  int32_t text[50];
  fill_text(text, 50, 90);
  NibbleMemory before, during, after;
  nibble_engine_memory(arrival.engine, &before);
  load_until(check, &arrival, 0);
  NibblePass *pass = nibble_pass_begin(arrival.session, text, 50, NULL, NULL, NULL);
  if (!CHECK(pass != NULL)) return;
  nibble_engine_memory(arrival.engine, &during);
  nibble_pass_step(pass, 0);
  nibble_pass_finish(pass);
  nibble_engine_memory(arrival.engine, &after);
  CHECK(during.activations > before.activations && during.kv_cache > before.kv_cache);
  CHECK(after.activations == before.activations && after.kv_cache == before.kv_cache);
  CHECK_INT(nibble_session_length(arrival.session), 0);
  CHECK(nibble_session_logits(arrival.session) == NULL);
  NibbleError error = {.code = NIBBLE_OK};
  CHECK(!nibble_session_evaluate(arrival.session, text, 50, NULL, NULL, &error));
  CHECK_STR(nibble_error_name((int)error.code), "MODEL_INCOMPLETE");
  arrival_close(&arrival);
  tiny_close(&tiny);
}

TEST(a_driven_pass_that_is_halted_leaves_the_session_as_it_was_and_the_next_one_begins_anew) {
  const TinyModel model = tiny_model(&tiny_configs[0]);
  NibbleOptions options = tiny_options();
  TinyFile tiny;
  Arrival arrival;
  tiny_open(&tiny, &model);
  if (!arrival_open(check, &arrival, &tiny, &options)) return;
  int32_t text[50];
  fill_text(text, 50, 90);
  load_until(check, &arrival, 0);
  for (int waits = 0; waits < 2; waits++) {
    NibblePass *pass = nibble_pass_begin(arrival.session, text, 50, NULL, NULL, NULL);
    if (!CHECK(pass != NULL) || !CHECK(nibble_pass_drive(pass, 1))) return;
    while (waits && nibble_pass_driven(pass) == 0)
      wait_a_moment();
    nibble_pass_halt(pass);
    nibble_pass_finish(pass);
    CHECK_INT(nibble_session_length(arrival.session), 0);
    CHECK(nibble_session_logits(arrival.session) == NULL);
  }
  drive_over(check, &arrival, text, 50, NULL, NULL);
  CHECK_INT(nibble_session_length(arrival.session), 50);
  arrival_close(&arrival);
  tiny_close(&tiny);
}

// What was left to the engine to measure takes a while, which the first token does not wait for.
TEST(an_early_pass_ends_before_anything_is_measured) {
  TinyModel model = tiny_model(&tiny_configs[0]);
  reverse(&model);
  NibbleOptions options = tiny_options();
  options.threads = 2;
  options.choose_threads = true;
  TinyFile tiny;
  Arrival arrival;
  tiny_open(&tiny, &model);
  if (!arrival_open(check, &arrival, &tiny, &options)) return;
  int32_t text[20];
  double rate;
  fill_text(text, 20, 90);
  pass_over(check, &arrival, text, 20, NULL, NULL);
  CHECK_INT((long long)nibble_engine_remaining(arrival.engine), 0);
  CHECK(nibble_session_logits(arrival.session) != NULL);
  CHECK_INT(nibble_engine_thread_rate(arrival.engine, 0, &rate), 0);
  append(check, arrival.session, text, 1);
  CHECK(nibble_engine_thread_rate(arrival.engine, 0, &rate) > 0 && rate > 0);
  arrival_close(&arrival);
  tiny_close(&tiny);
}

int main(void) {
  Check check = {0};
  RUN(&check, a_text_read_while_weights_arrive_gives_the_same_to_the_last_bit);
  RUN(&check, a_pass_whose_weights_never_come_leaves_the_session_as_it_was);
  RUN(&check, a_driven_pass_that_is_halted_leaves_the_session_as_it_was_and_the_next_one_begins_anew);
  RUN(&check, an_early_pass_ends_before_anything_is_measured);
  return check_finish(&check);
}
