// What happens where the platform refuses memory or threads. The linker wraps the allocator and pthread_create() (see
// CMakeLists.txt), so that a test can have the n-th call refused, for every n, and can count what is never freed.
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "check.h"
#include "engine.h"
#include "engine_fixture.h"
#include "kv_cache.h"
#include "kv_shapes.h"
#include "refusals.h"
#include "threads.h"
#include "tiny_model.h"

static const TinyConfig config = {
    .width = 64, .feed_forward = 96, .heads = 4, .kv_heads = 2, .vocabulary = 100, .mixed = true, .tied = true};

// Refuses the n-th allocation of `attempt` for n = 0, 1, ... until it succeeds without meeting a refusal. `attempt`
// frees what it makes, and returns whether all went well; `error` is its last error. Returns how many were refused.
typedef bool Attempt(Check *check, void *context, NibbleError *error);

static int refuse_each(Check *check, Attempt *attempt, void *context) {
  enum { MOST_CALLS = 5000 };
  for (int n = 0; n < MOST_CALLS; n++) {
    NibbleError error = {.code = NIBBLE_OK};
    const int before = live_allocations();
    atomic_store(&calls_left, n);
    const bool succeeded = attempt(check, context, &error);
    const bool met = atomic_load(&calls_left) < 0;
    atomic_store(&calls_left, -1);
    if (!CHECK_INT(live_allocations(), before)) printf("  allocation %d was refused\n", n);
    if (!met) {
      CHECK(succeeded);
      return n;
    }
    CHECK(!succeeded);
    if (!CHECK_STR(nibble_error_name((int)error.code), "OUT_OF_MEMORY")) printf("  allocation %d was refused\n", n);
  }
  CHECK(!"an end to the allocations");
  return MOST_CALLS;
}

static bool parse(Check *check, void *context, NibbleError *error) {
  (void)check;
  const TinyFile *tiny = context;
  Gguf gguf;
  if (!gguf_parse(tiny->file.bytes, tiny->file.size, tiny->file.size, &gguf, error)) return false;
  gguf_free(&gguf);
  return true;
}

static bool describe(Check *check, void *context, NibbleError *error) {
  (void)check;
  const TinyFile *tiny = context;
  const NibbleOptions options = tiny_options();
  NibbleMemory memory;
  return nibble_describe(&tiny->gguf, &options, NULL, &memory, error);
}

TEST(reads_headers_or_says_that_memory_is_short) {
  const TinyModel model = tiny_model(&config);
  TinyFile tiny;
  tiny_open(&tiny, &model);
  CHECK(refuse_each(check, parse, &tiny) >= 4);
  CHECK(refuse_each(check, describe, &tiny) >= 2);
  tiny_close(&tiny);
}

// The OUT_OF_MEMORY that threads_create() gives for a thread's own memory names threads, as any refused thread does.
static bool build(Check *check, void *context, NibbleError *error) {
  (void)check;
  const TinyFile *tiny = context;
  NibbleOptions options = tiny_options();
  options.threads = 3;
  NibbleEngine *engine = nibble_engine_create(&tiny->gguf, &options, error);
  if (engine == NULL && error->code == NIBBLE_THREADS_FAILED) error->code = NIBBLE_OUT_OF_MEMORY;
  nibble_engine_free(engine);
  return engine != NULL;
}

TEST(builds_engines_whole_or_not_at_all) {
  const TinyModel model = tiny_model(&config);
  TinyFile tiny;
  tiny_open(&tiny, &model);
  CHECK(refuse_each(check, build, &tiny) > 20);
  tiny_close(&tiny);
}

typedef struct {
  TinyFile tiny;
  uint64_t budget;
} SmallEngine;

// An engine that streams.
static bool build_small(Check *check, void *context, NibbleError *error) {
  (void)check;
  const SmallEngine *small = context;
  NibbleOptions options = tiny_options();
  options.memory_budget = small->budget;
  NibbleEngine *engine = nibble_engine_create(&small->tiny.gguf, &options, error);
  nibble_engine_free(engine);
  return engine != NULL;
}

TEST(builds_engines_under_a_budget_whole_or_not_at_all) {
  TinyConfig blocks = config;
  blocks.blocks = 5;
  const TinyModel model = tiny_model(&blocks);
  NibbleOptions options = tiny_options();
  NibbleModelInfo info;
  SmallEngine small;
  tiny_open(&small.tiny, &model);
  options.memory_budget = UINT64_MAX;
  CHECK(nibble_describe(&small.tiny.gguf, &options, &info, NULL, NULL));
  options.memory_budget = small.budget = info.budget.least_budget;
  CHECK(nibble_describe(&small.tiny.gguf, &options, &info, NULL, NULL) && info.budget.streams);
  CHECK(refuse_each(check, build_small, &small) > 20);
  tiny_close(&small.tiny);
}

TEST(chooses_kernels_even_where_measuring_them_finds_no_memory) {
  const TinyModel model = tiny_model(&config);
  const NibbleOptions options = {.threads = 1};
  TinyFile tiny;
  tiny_open(&tiny, &model);
  for (int n = 1, refused = true; refused; n++) {
    NibbleEngine *engine = nibble_engine_create(&tiny.gguf, &options, NULL);
    if (!CHECK(engine != NULL) || !CHECK(n < 20 * TILE_KINDS)) break;
    const int before = live_allocations();
    atomic_store(&calls_left, n);
    nibble_engine_choose_kernels(engine);
    refused = atomic_exchange(&calls_left, -1) < 0;
    double rate = -1;
    CHECK_STR(nibble_engine_kernel_set(engine), "reference");
    CHECK(nibble_engine_kernel_rate(engine, 0, &rate) != NULL && (rate > 0) == !refused);
    CHECK(n > 1 || refused);
    CHECK_INT(live_allocations(), before);
    nibble_engine_free(engine);
  }
  tiny_close(&tiny);
}

static bool finish_loading(Check *check, void *context, NibbleError *error) {
  const TinyFile *tiny = context;
  const int allowed = atomic_exchange(&calls_left, -1);
  const NibbleOptions options = tiny_options();
  NibbleEngine *engine = nibble_engine_create(&tiny->gguf, &options, NULL);
  if (!CHECK(engine != NULL)) return false;
  const size_t begin = (size_t)tiny->gguf.data_offset;
  atomic_store(&calls_left, allowed);
  const bool loaded = nibble_engine_load(engine, tiny->file.bytes + begin, tiny->file.size - begin, error);
  const int left = atomic_exchange(&calls_left, -1);
  if (!loaded) {
    NibbleSession *early = nibble_session_create(engine, NULL);
    CHECK(early != NULL && nibble_save_create(early, NULL) == NULL);
    nibble_session_free(early);
    CHECK(nibble_engine_load(engine, NULL, 0, NULL));  // once there is memory, it goes on
  }
  NibbleSession *session = nibble_session_create(engine, NULL);
  CHECK(session != NULL);
  nibble_session_free(session);
  nibble_engine_free(engine);
  atomic_store(&calls_left, left);
  return loaded;
}

TEST(can_finish_loading_later) {
  const TinyModel model = tiny_model(&config);
  TinyFile tiny;
  tiny_open(&tiny, &model);
  CHECK_INT(refuse_each(check, finish_loading, &tiny), 1);
  tiny_close(&tiny);
}

// The frequencies' table comes first; whatever is refused behind it belongs to the measuring.
TEST(finishes_loading_where_measuring_threads_finds_no_memory) {
  const TinyModel model = tiny_model(&config);
  NibbleOptions options = tiny_options();
  options.threads = 2;
  options.choose_threads = true;
  TinyFile tiny;
  tiny_open(&tiny, &model);
  const size_t begin = (size_t)tiny.gguf.data_offset;
  int refused = 0;
  for (int n = 1; n < 100; n++) {
    const int before = live_allocations();
    NibbleEngine *engine = nibble_engine_create(&tiny.gguf, &options, NULL);
    if (!CHECK(engine != NULL)) break;
    atomic_store(&calls_left, n);
    CHECK(nibble_engine_load(engine, tiny.file.bytes + begin, tiny.file.size - begin, NULL));
    const bool met = atomic_exchange(&calls_left, -1) < 0;
    double rate;
    CHECK_INT(nibble_engine_thread_rate(engine, 0, &rate), met ? 0 : 1);
    if (met) CHECK_INT(nibble_engine_threads(engine), 2);
    nibble_engine_free(engine);
    CHECK_INT(live_allocations(), before);
    if (!met) break;
    refused++;
  }
  CHECK(refused > 0);
  tiny_close(&tiny);
}

enum { TEXT = 200, KEPT = 70 };

typedef struct {
  Rig rig;
  int32_t text[TEXT], targets[TEXT];
  float expected[100];
} Talk;

static bool open_session(Check *check, void *context, NibbleError *error) {
  Talk *talk = context;
  NibbleMemory before, after;
  nibble_engine_memory(talk->rig.engine, &before);
  NibbleSession *session = nibble_session_create(talk->rig.engine, error);
  nibble_session_free(session);
  nibble_engine_memory(talk->rig.engine, &after);
  CHECK(memcmp(&before, &after, sizeof before) == 0);
  return session != NULL;
}

// Adds the rest of the text to a session that has its beginning.
static bool go_on(Check *check, void *context, NibbleError *error) {
  Talk *talk = context;
  NibbleSession *session = talk->rig.session;
  NibbleMemory before, after;
  const int allowed = atomic_exchange(&calls_left, -1);
  // A session's spare pages stay in the pool until a session is freed: with none spare, growing has to allocate.
  nibble_session_free(nibble_session_create(talk->rig.engine, NULL));
  nibble_engine_memory(talk->rig.engine, &before);
  const int live_before = live_allocations();
  float scores[TEXT];
  atomic_store(&calls_left, allowed);
  const bool done =
      nibble_session_evaluate(session, talk->text + KEPT, TEXT - KEPT, talk->targets + KEPT, scores, error);
  const int left = atomic_exchange(&calls_left, -1);
  if (!done) {
    nibble_engine_memory(talk->rig.engine, &after);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK_INT(nibble_session_length(session), KEPT);
    append(check, session, talk->text + KEPT, TEXT - KEPT);
  }
  CHECK(same_logits(session, talk->expected, talk->rig.vocabulary));
  nibble_session_truncate(session, KEPT);
  nibble_session_free(nibble_session_create(talk->rig.engine, NULL));
  CHECK_INT(live_allocations(), live_before);
  atomic_store(&calls_left, left);
  return done;
}

// The same in a pass.
static bool pass_on(Check *check, void *context, NibbleError *error) {
  Talk *talk = context;
  NibbleSession *session = talk->rig.session;
  enum { MORE = 20 };  // no new page, so that nothing of it stays in the pool
  float scores[MORE];
  NibblePass *pass = nibble_pass_begin(session, talk->text + KEPT, MORE, talk->targets + KEPT, scores, error);
  const int left = atomic_exchange(&calls_left, -1);
  while (pass != NULL && nibble_pass_next(pass) != NIBBLE_PASS_DONE)
    nibble_pass_step(pass, 0);
  nibble_pass_finish(pass);
  CHECK_INT(nibble_session_length(session), pass != NULL ? KEPT + MORE : KEPT);
  nibble_session_truncate(session, KEPT);
  atomic_store(&calls_left, left);
  return pass != NULL;
}

// A session that has computed the whole text once and kept the first KEPT tokens; NULL where memory is short.
static Talk *talk_open(Check *check, const TinyModel *model, const NibbleOptions *options) {
  Talk *talk = malloc(sizeof *talk);
  if (!CHECK(talk != NULL)) return NULL;
  rig_open(check, &talk->rig, model, options, SIZE_MAX / 2);
  fill_text(talk->text, TEXT, talk->rig.vocabulary);
  fill_text(talk->targets, TEXT, talk->rig.vocabulary);
  append(check, talk->rig.session, talk->text, TEXT);
  keep_logits(check, &talk->rig, talk->expected);
  nibble_session_truncate(talk->rig.session, KEPT);
  nibble_session_free(nibble_session_create(talk->rig.engine, NULL));  // gives the pool's spare pages back
  return talk;
}

static void talk_close(Talk *talk) {
  rig_close(&talk->rig);
  free(talk);
}

static void check_pass(Check *check, Talk *talk, NibblePass *pass) {
  nibble_pass_finish(pass);
  CHECK(same_logits(talk->rig.session, talk->expected, talk->rig.vocabulary));
  nibble_session_truncate(talk->rig.session, KEPT);
}

TEST(computes_a_pass_by_itself_where_it_gets_no_driver_for_it) {
  const TinyModel model = tiny_model(&config);
  const NibbleOptions options = tiny_options();
  Talk *talk = talk_open(check, &model, &options);
  if (talk == NULL) return;
  atomic_int *const refusals[] = {&calls_left, &threads_left};
  for (int i = 0; i <= 2; i++) {
    NibblePass *pass = nibble_pass_begin(talk->rig.session, talk->text + KEPT, TEXT - KEPT, NULL, NULL, NULL);
    if (!CHECK(pass != NULL)) break;
    const int before = live_allocations(), steps = nibble_pass_steps(pass);
    if (i < 2) atomic_store(refusals[i], 0);
    CHECK(nibble_pass_drive(pass, steps) == (i == 2));  // in the end there is a thread for it
    if (i < 2) {
      atomic_store(refusals[i], -1);
      CHECK_INT(live_allocations(), before);
      CHECK_INT(nibble_pass_driven(pass), 0);
      while (nibble_pass_next(pass) != NIBBLE_PASS_DONE)
        nibble_pass_step(pass, 0);
    }
    while (i == 2 && nibble_pass_driven(pass) < steps)
      sched_yield();
    check_pass(check, talk, pass);
  }
  talk_close(talk);
}

TEST(appends_whole_texts_or_nothing) {
  static const NibbleOptions options = {.threads = 2, .kernel_set = "reference"};
  const TinyModel model = tiny_model(&config);
  Talk *talk = talk_open(check, &model, &options);
  if (talk == NULL) return;
  CHECK_INT(refuse_each(check, open_session, talk), 4);
  // Scores, and two more pages in each of two layers.
  CHECK_INT(refuse_each(check, go_on, talk), 5);
  CHECK_INT(refuse_each(check, pass_on, talk), 3);
  talk_close(talk);
}

// A fork of a session that ends within a page, and appending to it: the shared pages are copied first.
static bool branch(Check *check, void *context, NibbleError *error) {
  Talk *talk = context;
  NibbleSession *fork = nibble_session_fork(talk->rig.session, error);
  const bool done = fork != NULL && nibble_session_evaluate(fork, talk->text + KEPT, TEXT - KEPT, NULL, NULL, error);
  const int left = atomic_exchange(&calls_left, -1);
  CHECK_INT(nibble_session_length(talk->rig.session), KEPT);
  if (fork != NULL) {
    CHECK_INT(nibble_session_length(fork), done ? TEXT : KEPT);
    if (!done) append(check, fork, talk->text + KEPT, TEXT - KEPT);
    CHECK(same_logits(fork, talk->expected, talk->rig.vocabulary));
  }
  nibble_session_free(fork);
  atomic_store(&calls_left, left);
  return done;
}

// A shift of a session whose pages another has too.
static bool shift(Check *check, void *context, NibbleError *error) {
  Talk *talk = context;
  const int allowed = atomic_exchange(&calls_left, -1);
  NibbleSession *fork = nibble_session_fork(talk->rig.session, NULL);
  if (!CHECK(fork != NULL)) return false;
  atomic_store(&calls_left, allowed);
  const bool done = nibble_session_shift(fork, 4, 10, error);
  const int left = atomic_exchange(&calls_left, -1);
  CHECK_INT(nibble_session_length(fork), done ? KEPT - 10 : KEPT);
  if (!done) append(check, fork, talk->text + KEPT, TEXT - KEPT);
  if (!done) CHECK(same_logits(fork, talk->expected, talk->rig.vocabulary));
  nibble_session_free(fork);
  atomic_store(&calls_left, left);
  return done;
}

static bool save_and_restore(Check *check, void *context, NibbleError *error) {
  Talk *talk = context;
  NibbleSession *restored = NULL;
  NibbleSave *save = nibble_save_create(talk->rig.session, error);
  NibbleRestore *restore = save != NULL ? nibble_restore_create(talk->rig.engine, error) : NULL;
  bool good = restore != NULL;
  uint8_t piece[333];
  for (size_t count; good && (count = nibble_save_read(save, piece, sizeof piece)) > 0;)
    good = nibble_restore_write(restore, piece, count, error);
  if (good) restored = nibble_restore_finish(restore, error);
  const int left = atomic_exchange(&calls_left, -1);
  CHECK(good == (restored != NULL));
  if (restored != NULL) {
    append(check, restored, talk->text + KEPT, TEXT - KEPT);
    CHECK(same_logits(restored, talk->expected, talk->rig.vocabulary));
  }
  nibble_session_free(restored);
  nibble_restore_free(restore);
  nibble_save_free(save);
  atomic_store(&calls_left, left);
  return good;
}

TEST(forks_shifts_and_saves_whole_or_not_at_all) {
  static const NibbleOptions options = {.threads = 2, .kernel_set = "reference", .kv_type = NIBBLE_KV_INT8};
  const TinyModel model = tiny_model(&config);
  Talk *talk = talk_open(check, &model, &options);
  if (talk == NULL) return;
  // A session, and three more pages in each of two layers, the copied one included.
  CHECK_INT(refuse_each(check, branch, talk), 10);
  // The angles, the keys on their way, and a page in each layer.
  CHECK_INT(refuse_each(check, shift, talk), 4);
  // Two sessions, two objects with a buffer each, where the layers begin, and two pages in each of two layers.
  CHECK_INT(refuse_each(check, save_and_restore, talk), 17);
  talk_close(talk);
}

static bool sample(Check *check, void *context, NibbleError *error) {
  (void)context;
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.presence_penalty = 1;
  options.penalty_window = 10;
  NibbleSampler *sampler = nibble_sampler_create(&options, 4, error);
  if (sampler == NULL) return false;
  const bool biased = nibble_sampler_bias(sampler, 1, -INFINITY, error);
  CHECK(nibble_sampler_accept(sampler, 2, NULL));
  CHECK(nibble_sampler_sample(sampler, (float[]){0, 50, 0, -100}, NULL) < (biased ? 3 : 2));
  nibble_sampler_free(sampler);
  return biased;
}

TEST(makes_samplers_whole_or_not_at_all) { CHECK_INT(refuse_each(check, sample, NULL), 7); }

TEST(says_how_many_threads_the_platform_gave) {
  for (int count = 2; count <= 6; count++)
    for (int given = 1; given < count; given++) {
      const int before = live_allocations();
      NibbleError error = {.code = NIBBLE_OK};
      atomic_store(&threads_left, given - 1);
      Threads *threads = threads_create(count, &error);
      atomic_store(&threads_left, -1);
      CHECK(threads == NULL);
      CHECK_STR(nibble_error_name((int)error.code), "THREADS_FAILED");
      char words[40];
      snprintf(words, sizeof words, "%d of %d threads", given, count);
      CHECK(strstr(error.message, words) != NULL);
      CHECK_INT(live_allocations(), before);
    }
}

TEST(takes_no_pages_where_it_cannot_have_all) {
  const KvShape shape = kv_alike(3, 2, 8, KV_F16, NULL);
  KvPool *pool = kv_pool_create(&shape);
  KvTable table;
  if (!CHECK(pool != NULL) || !CHECK(kv_table_create(&table, pool, &shape, 400, NULL))) return;
  CHECK(kv_table_grow(&table, 0, 100, NULL));
  const long long used = (long long)kv_pool_used_bytes(pool);
  for (int n = 0; n < 12; n++) {  // four more pages in each of three layers
    NibbleError error = {.code = NIBBLE_OK};
    kv_pool_trim(pool);
    atomic_store(&calls_left, n);
    CHECK(!kv_table_grow(&table, 0, 350, &error));
    atomic_store(&calls_left, -1);
    CHECK_STR(nibble_error_name((int)error.code), "OUT_OF_MEMORY");
    CHECK_INT((long long)kv_pool_used_bytes(pool), used);
    CHECK_INT(table.count, 2);
  }
  CHECK(kv_table_grow(&table, 0, 350, NULL));
  kv_table_free(&table);
  CHECK_INT((long long)kv_pool_used_bytes(pool), 0);
  kv_pool_free(pool);
}

// The address sanitizer stops at an allocation beyond its limits unless it is told to refuse it as an allocator does.
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

TEST(refuses_page_tables_larger_than_any_memory) {
  const KvShape shape = kv_alike(1 << 30, 1, 8, KV_F16, NULL);
  KvPool *pool = kv_pool_create(&shape);
  KvTable table;
  NibbleError error = {.code = NIBBLE_OK};
  CHECK(!kv_table_create(&table, pool, &shape, 1 << 28, &error));
  CHECK_STR(nibble_error_name((int)error.code), "OUT_OF_MEMORY");
  kv_table_free(&table);
  kv_pool_free(pool);
}

int main(void) {
  Check check = {0};
  refusing = true;
  RUN(&check, reads_headers_or_says_that_memory_is_short);
  RUN(&check, builds_engines_whole_or_not_at_all);
  RUN(&check, builds_engines_under_a_budget_whole_or_not_at_all);
  RUN(&check, chooses_kernels_even_where_measuring_them_finds_no_memory);
  RUN(&check, can_finish_loading_later);
  RUN(&check, finishes_loading_where_measuring_threads_finds_no_memory);
  RUN(&check, computes_a_pass_by_itself_where_it_gets_no_driver_for_it);
  RUN(&check, appends_whole_texts_or_nothing);
  RUN(&check, forks_shifts_and_saves_whole_or_not_at_all);
  RUN(&check, makes_samplers_whole_or_not_at_all);
  RUN(&check, says_how_many_threads_the_platform_gave);
  RUN(&check, takes_no_pages_where_it_cannot_have_all);
  RUN(&check, refuses_page_tables_larger_than_any_memory);
  return check_finish(&check);
}
