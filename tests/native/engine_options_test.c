// What the engine says of itself and of models, and which options it takes.
#include <stdlib.h>

#include "check.h"
#include "engine.h"
#include "engine_fixture.h"
#include "tiny_model.h"

static void check_same_info(Check *check, const NibbleModelInfo *a, const NibbleModelInfo *b) {
  CHECK_STR(a->architecture, b->architecture);
  CHECK_INT((long long)a->parameters, (long long)b->parameters);
  CHECK_INT((long long)a->bytes_per_token, (long long)b->bytes_per_token);
  CHECK_INT(a->vocabulary, b->vocabulary);
  CHECK_INT(a->layers, b->layers);
  CHECK_INT(a->context_size, b->context_size);
  CHECK_INT(a->tied_output, b->tied_output);
  CHECK_INT(a->kv_type, b->kv_type);
}

TEST(describes_what_an_engine_then_uses) {
  for (int i = 0; i < TINY_CONFIGS * 2; i++) {
    const TinyModel model = tiny_model(&tiny_configs[i / 2]);
    NibbleOptions options = tiny_options();
    options.exact = i % 2 == 1;
    options.kv_type = (NibbleKvType)(i / 2 % 3);
    options.threads = 1 + i % 3;
    options.batch_size = 5 + i;
    options.context_size = 100 + i;
    Rig rig;
    rig_open(check, &rig, &model, &options, SIZE_MAX / 2);
    NibbleModelInfo info, live_info;
    NibbleMemory memory, live;
    CHECK(nibble_describe(&rig.tiny.gguf, &options, &info, &memory, NULL));
    CHECK(nibble_describe(&rig.tiny.gguf, &options, NULL, NULL, NULL));
    nibble_engine_info(rig.engine, &live_info);
    nibble_engine_memory(rig.engine, &live);
    check_same_info(check, &live_info, &info);
    CHECK_INT((long long)live.weights, (long long)memory.weights);
    CHECK_INT((long long)live.activations, (long long)memory.activations);
    CHECK_INT((long long)live.kv_cache, 0);
    int32_t text[100 + 2 * TINY_CONFIGS];
    fill_text(text, 100 + i, rig.vocabulary);
    append(check, rig.session, text, 100 + i);
    nibble_engine_memory(rig.engine, &live);
    CHECK_INT((long long)live.kv_cache, (long long)memory.kv_cache);
    const NibbleMemory with_session = live;
    NibbleSession *second = nibble_session_create(rig.engine, NULL);
    nibble_engine_memory(rig.engine, &live);
    CHECK(live.other > with_session.other);
    nibble_session_free(second);
    nibble_engine_memory(rig.engine, &live);
    CHECK(memcmp(&live, &with_session, sizeof live) == 0);
    nibble_session_free(rig.session);
    rig.session = NULL;
    nibble_engine_memory(rig.engine, &live);
    CHECK_INT((long long)(live.kv_cache + live.other), 0);
    rig_close(&rig);
  }
}

// Sessions let go of what lies behind a window only when a batch is through, so they hold the most in its midst.
TEST(tells_what_a_windowed_context_takes_at_most_at_any_time) {
  const int windowed[] = {4, 6, 9};
  for (int w = 0; w < 3; w++)
    for (int batch = 1; batch <= 100; batch += 33) {
      const TinyModel model = tiny_model(&tiny_configs[windowed[w]]);
      NibbleOptions options = tiny_options();
      options.batch_size = batch;
      options.context_size = 500;
      Rig rig;
      rig_open(check, &rig, &model, &options, SIZE_MAX / 2);
      int32_t text[500];
      fill_text(text, 500, rig.vocabulary);
      NibbleModelInfo info;
      NibbleMemory told, live;
      CHECK(nibble_describe(&rig.tiny.gguf, &options, &info, &told, NULL));
      append(check, rig.session, text, 1);
      nibble_engine_memory(rig.engine, &live);
      const uint64_t page_of_each_layer = live.kv_cache;
      uint64_t most = 0;
      for (int at = 1; at < 500; at += batch) {
        NibblePass *pass =
            nibble_pass_begin(rig.session, text + at, 500 - at < batch ? 500 - at : batch, NULL, NULL, NULL);
        if (!CHECK(pass != NULL)) break;
        nibble_engine_memory(rig.engine, &live);
        if (live.kv_cache > most) most = live.kv_cache;
        while (nibble_pass_next(pass) != NIBBLE_PASS_DONE)
          nibble_pass_step(pass, 0);
        nibble_pass_finish(pass);
      }
      CHECK_INT(nibble_session_length(rig.session), 500);
      // And the pages that a shift takes first.
      const uint64_t page = page_of_each_layer / (uint64_t)info.layers;
      CHECK(most < told.kv_cache && told.kv_cache - most <= page_of_each_layer + 2 * page);
      rig_close(&rig);
    }
}

TEST(tells_what_the_model_is) {
  const TinyConfig config = {.width = 64,
                             .feed_forward = 96,
                             .heads = 4,
                             .kv_heads = 2,
                             .vocabulary = 100,
                             .blocks = 3,
                             .type = GGML_Q4_0,
                             .tied = true,
                             .block_repeat = 2,
                             .sliding_window = 77,
                             .context = 5000};
  const TinyModel model = tiny_model(&config);
  const NibbleOptions options = tiny_options();
  TinyFile tiny;
  NibbleModelInfo info;
  tiny_open(&tiny, &model);
  CHECK(nibble_describe(&tiny.gguf, &options, &info, NULL, NULL));
  CHECK_STR(info.architecture, "llama");
  const int block = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 96;
  CHECK_INT((long long)info.parameters, 3 * (block + 2 * 64) + 64 + 100 * 64);
  // 18 bytes for 32 weights; the vocabulary is padded to 104 rows, and one embedding is looked up.
  CHECK_INT((long long)info.bytes_per_token, (2 * 3 * block + 104 * 64 + 64) / 32 * 18);
  CHECK_INT(info.vocabulary, 100);
  CHECK_INT(info.width, 64);
  CHECK_INT(info.blocks, 3);
  CHECK_INT(info.layers, 6);
  CHECK_INT(info.heads, 4);
  CHECK_INT(info.kv_heads, 2);
  CHECK_INT(info.head_size, 16);
  CHECK_INT(info.feed_forward, 96);
  CHECK_INT(info.trained_context, 5000);
  CHECK_INT(info.context_size, 4096);
  CHECK_INT(info.sliding_window, 77);
  CHECK(info.tied_output);
  tiny_close(&tiny);
}

TEST(measures_kernel_sets_unless_one_is_named) {
  const TinyModel model = tiny_model(&tiny_configs[2]);
  Kernels twin = kernels_reference;
  twin.name = "twin";
  const Kernels *const sets[] = {&twin};
  NibbleOptions options = {.threads = 1, .kernel_sets = sets, .kernel_set_count = 1};
  Rig rig;
  double rate = -1;
  rig_open(check, &rig, &model, &options, SIZE_MAX / 2);
  CHECK_STR(nibble_engine_kernel_set(rig.engine), "twin");
  CHECK_STR(nibble_engine_kernel_rate(rig.engine, 0, &rate), "twin");
  CHECK(rate > 0);
  CHECK_STR(nibble_engine_kernel_rate(rig.engine, 1, &rate), "reference");
  CHECK(rate == 0);
  CHECK(nibble_engine_kernel_rate(rig.engine, 2, &rate) == NULL);
  CHECK(nibble_engine_kernel_rate(rig.engine, -1, &rate) == NULL);
  rig_close(&rig);
  options.kernel_set = "reference";
  rig_open(check, &rig, &model, &options, SIZE_MAX / 2);
  CHECK_STR(nibble_engine_kernel_set(rig.engine), "reference");
  CHECK(nibble_engine_kernel_rate(rig.engine, 0, &rate) != NULL && rate == 0);
  rig_close(&rig);
}

static void wrong_matmul(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                         bool add) {
  kernels_reference.matmul[TILE_Q4_0](tiles, tile_count, x, y, y_stride, add);
  y[TILE_ROWS * tile_count - 1] *= 1.0001f;
}

static void twin_matmul(const uint8_t *tiles, int tile_count, const Activations *x, float *y, size_t y_stride,
                        bool add) {
  kernels_reference.matmul[TILE_Q4_0](tiles, tile_count, x, y, y_stride, add);
}

TEST(chooses_tiles_abreast_where_a_set_has_them) {
  const TinyModel model = tiny_model(&tiny_configs[2]);
  Kernels twin = kernels_reference;
  twin.name = "twin";
  const Kernels *const sets[] = {&twin};
  Rig rig;
  for (int has = 0; has < 2; has++) {
    twin.matmul_abreast[TILE_Q4_0] = has ? twin_matmul : NULL;
    twin.tiles_abreast = has ? 4 : 0;
    for (int asked = 0; asked < 3; asked++) {
      NibbleOptions options = {.threads = 2, .kernel_sets = sets, .kernel_set_count = 1, .tiles_abreast = asked};
      rig_open(check, &rig, &model, &options, SIZE_MAX / 2);
      const int found = nibble_engine_tiles_abreast(rig.engine);
      CHECK(found == 1 || (has && found == 4));
      if (has && asked == 2) CHECK_INT(found, 4);
      if (asked == 1) CHECK_INT(found, 1);
      rig_close(&rig);
    }
  }
}

TEST(chooses_a_number_of_threads_where_it_is_asked_to) {
  const int pools[] = {1, 2, 3, 5, 8}, compared[] = {0, 2, 3, 4, 4};
  for (int i = 0; i < 5; i++) {
    const TinyModel model = tiny_model(&tiny_configs[i * 2]);
    for (int choose = 0; choose < 2; choose++) {
      NibbleOptions options = tiny_options();
      options.threads = pools[i];
      options.choose_threads = choose;
      Rig rig;
      double rate = -1;
      rig_open(check, &rig, &model, &options, SIZE_MAX / 2);
      const int threads = nibble_engine_threads(rig.engine);
      CHECK(threads >= 1 && threads <= pools[i]);
      if (!choose) CHECK_INT(threads, pools[i]);
      int count = 0, known = 0;
      for (int found; (found = nibble_engine_thread_rate(rig.engine, count, &rate)) != 0; count++) {
        CHECK(rate > 0);
        CHECK_INT(found, 1 << count < pools[i] ? 1 << count : pools[i]);
        known += found == threads;
      }
      CHECK_INT(count, choose ? compared[i] : 0);
      CHECK_INT(known, count > 0);
      CHECK_INT(nibble_engine_thread_rate(rig.engine, -1, &rate), 0);
      NibbleMemory memory;
      nibble_session_free(rig.session);
      rig.session = NULL;
      nibble_engine_memory(rig.engine, &memory);
      CHECK_INT((long long)(memory.kv_cache + memory.other), 0);
      rig_close(&rig);
    }
  }
}

TEST(gives_the_same_logits_with_chosen_threads) {
  for (int i = 0; i < TINY_CONFIGS; i++) {
    const TinyModel model = tiny_model(&tiny_configs[i]);
    NibbleOptions options = tiny_options();
    Rig given, chosen;
    rig_open(check, &given, &model, &options, SIZE_MAX / 2);
    options.threads = 4;
    options.choose_threads = true;
    rig_open(check, &chosen, &model, &options, SIZE_MAX / 2);
    int32_t text[20];
    fill_text(text, 20, given.vocabulary);
    append(check, given.session, text, 20);
    append(check, chosen.session, text, 20);
    const size_t bytes = (size_t)given.vocabulary * sizeof(float);
    CHECK(memcmp(nibble_session_logits(given.session), nibble_session_logits(chosen.session), bytes) == 0);
    rig_close(&given);
    rig_close(&chosen);
  }
}

TEST(uses_no_kernel_set_that_computes_wrongly) {
  const TinyModel model = tiny_model(&tiny_configs[2]);
  Kernels wrong = kernels_reference, right = kernels_reference;
  wrong.name = "wrong";
  wrong.matmul[TILE_Q4_0] = wrong_matmul;
  right.name = "right";
  const Kernels *const sets[] = {&wrong, &right};
  NibbleOptions options = {.threads = 1, .kernel_sets = sets, .kernel_set_count = 2};
  Rig rig;
  double rate = -1;
  rig_open(check, &rig, &model, &options, SIZE_MAX / 2);
  CHECK_STR(nibble_engine_kernel_set(rig.engine), "right");
  CHECK_STR(nibble_engine_kernel_rate(rig.engine, 0, &rate), "wrong");
  CHECK(rate == 0);
  rig_close(&rig);
  wrong.matmul[TILE_Q4_0] = kernels_reference.matmul[TILE_Q4_0];
  wrong.matmul_abreast[TILE_Q4_0] = wrong_matmul;  // one wrong form is enough
  options.kernel_set_count = 1;
  rig_open(check, &rig, &model, &options, SIZE_MAX / 2);
  CHECK_STR(nibble_engine_kernel_set(rig.engine), "reference");
  options.kernel_set = "wrong";
  NibbleError error = {.code = NIBBLE_OK};
  CHECK(nibble_engine_create(&rig.tiny.gguf, &options, &error) == NULL);
  CHECK_STR(nibble_error_name((int)error.code), "KERNELS_WRONG");
  rig_close(&rig);
}

TEST(refuses_options_out_of_range) {
  const TinyModel model = tiny_model(&tiny_configs[0]);
  TinyFile tiny;
  tiny_open(&tiny, &model);
  NibbleOptions cases[11];
  for (int i = 0; i < 11; i++)
    cases[i] = tiny_options();
  cases[0].threads = 0;
  cases[1].threads = NIBBLE_MAX_THREADS + 1;
  cases[2].threads = -3;
  cases[3].context_size = 513;
  cases[4].context_size = -1;
  cases[5].batch_size = -1;
  cases[6].batch_size = NIBBLE_MAX_BATCH + 1;
  cases[7].kernel_set = "no such set";
  cases[8].kernel_set = "";
  cases[9].tiles_abreast = -1;
  cases[10].tiles_abreast = NIBBLE_MAX_TILES_ABREAST + 1;
  for (int i = 0; i < 11; i++) {
    NibbleError error = {.code = NIBBLE_OK};
    NibbleEngine *engine = nibble_engine_create(&tiny.gguf, &cases[i], &error);
    CHECK(engine == NULL);
    CHECK_STR(nibble_error_name((int)error.code), "INVALID_ARGUMENT");
    CHECK(i >= 7 || !nibble_describe(&tiny.gguf, &cases[i], NULL, NULL, NULL));
    nibble_engine_free(engine);
  }
  NibbleOptions small = tiny_options();
  small.context_size = 1;
  NibbleEngine *engine = nibble_engine_create(&tiny.gguf, &small, NULL);
  if (CHECK(engine != NULL)) CHECK_INT(nibble_engine_batch_size(engine), 1);
  nibble_engine_free(engine);
  tiny_close(&tiny);
}

// Also where the numbers are so large that sums of them would wrap.
TEST(a_window_that_no_context_fills_is_none) {
  const uint32_t windows[] = {512, 513, 1000000, 2147483500, 2147483647};
  NibbleOptions options = tiny_options();
  options.memory_budget = 1 << 30;
  NibbleModelInfo info;
  NibbleMemory expected, memory;
  TinyModel model = tiny_model(&tiny_configs[0]);  // its context is 512
  TinyFile tiny;
  tiny_open(&tiny, &model);
  CHECK(nibble_describe(&tiny.gguf, &options, NULL, &expected, NULL));
  tiny_close(&tiny);
  for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
    tiny_set_u32(&model, "llama.attention.sliding_window", windows[i]);
    tiny_open(&tiny, &model);
    CHECK(nibble_describe(&tiny.gguf, &options, &info, &memory, NULL));
    CHECK_INT(info.sliding_window, 0);
    CHECK(memcmp(&memory, &expected, sizeof memory) == 0);
    tiny_close(&tiny);
  }
  tiny_set_u32(&model, "llama.attention.sliding_window", 511);
  tiny_open(&tiny, &model);
  CHECK(nibble_describe(&tiny.gguf, &options, &info, NULL, NULL));
  CHECK_INT(info.sliding_window, 511);
  tiny_close(&tiny);
}

TEST(bytes_that_a_caller_cannot_take_are_refused) {
  const TinyModel model = tiny_model(&tiny_configs[0]);
  TinyFile tiny;
  tiny_open(&tiny, &model);
  for (int loading = 0; loading < 2; loading++) {
    NibbleOptions options = tiny_options();
    NibbleError error = {.code = NIBBLE_OK};
    options.memory_budget = 1 << 20;
    *(loading ? &options.loading_bytes : &options.caller_bytes) = UINT64_MAX - 100;
    CHECK(!nibble_describe(&tiny.gguf, &options, NULL, NULL, &error));
    CHECK_STR(nibble_error_name((int)error.code), "INVALID_ARGUMENT");
  }
  tiny_close(&tiny);
}

int main(void) {
  Check check = {0};
  RUN(&check, describes_what_an_engine_then_uses);
  RUN(&check, tells_what_a_windowed_context_takes_at_most_at_any_time);
  RUN(&check, tells_what_the_model_is);
  RUN(&check, measures_kernel_sets_unless_one_is_named);
  RUN(&check, chooses_tiles_abreast_where_a_set_has_them);
  RUN(&check, chooses_a_number_of_threads_where_it_is_asked_to);
  RUN(&check, gives_the_same_logits_with_chosen_threads);
  RUN(&check, uses_no_kernel_set_that_computes_wrongly);
  RUN(&check, refuses_options_out_of_range);
  RUN(&check, a_window_that_no_context_fills_is_none);
  RUN(&check, bytes_that_a_caller_cannot_take_are_refused);
  return check_finish(&check);
}
