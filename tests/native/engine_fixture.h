// Engines with tiny models, and what tests of the engine have in common.
#ifndef NIBBLE_ENGINE_FIXTURE_H
#define NIBBLE_ENGINE_FIXTURE_H

#include "engine.h"
#include "tiny_model.h"

// Every kind of weights, head groups, odd sizes, windows and repeats.
// clang-format off
static const TinyConfig tiny_configs[] = {
    {.width = 64, .feed_forward = 96, .heads = 4, .kv_heads = 2, .vocabulary = 100, .mixed = true, .tied = true},
    {.width = 32, .feed_forward = 64, .heads = 2, .kv_heads = 2, .vocabulary = 65, .mixed = true, .blocks = 3},
    {.width = 64, .feed_forward = 32, .heads = 8, .kv_heads = 1, .vocabulary = 40, .type = GGML_Q4_0},
    {.width = 32, .feed_forward = 160, .heads = 2, .kv_heads = 1, .vocabulary = 33, .type = GGML_Q8_0, .tied = true},
    {.width = 32, .feed_forward = 64, .heads = 4, .kv_heads = 4, .vocabulary = 64, .type = GGML_Q4_1, .sliding_window = 70},
    {.width = 20, .feed_forward = 13, .heads = 5, .kv_heads = 5, .vocabulary = 33, .type = GGML_F32},
    {.width = 36, .feed_forward = 50, .heads = 3, .kv_heads = 1, .vocabulary = 31, .type = GGML_F16, .sliding_window = 5},
    {.width = 10, .feed_forward = 7, .heads = 3, .kv_heads = 3, .head_size = 14, .vocabulary = 9, .type = GGML_BF16, .tied = true},
    {.width = 32, .feed_forward = 32, .heads = 2, .kv_heads = 1, .vocabulary = 50, .type = GGML_F32, .rope_dimensions = 6, .block_repeat = 3},
    {.width = 32, .feed_forward = 32, .heads = 2, .kv_heads = 2, .vocabulary = 50, .mixed = true, .block_repeat = 2, .rope_factors = true, .sliding_window = 260},
    {.width = 128, .feed_forward = 256, .heads = 4, .kv_heads = 2, .vocabulary = 27, .type = GGML_I2_S},
};
// clang-format on
enum { TINY_CONFIGS = sizeof tiny_configs / sizeof *tiny_configs, MOST_VOCABULARY = 100 };

static inline NibbleOptions tiny_options(void) { return (NibbleOptions){.threads = 1, .kernel_set = "reference"}; }

// A file in memory with its parsed header.
typedef struct {
  Builder file;
  Gguf gguf;
} TinyFile;

static inline void tiny_open(TinyFile *tiny, const TinyModel *model) {
  NibbleError error = {.code = NIBBLE_OK};
  tiny->file = tiny_build(model);
  if (gguf_parse(tiny->file.bytes, tiny->file.size, tiny->file.size, &tiny->gguf, &error)) return;
  printf("the tiny model is no GGUF: %s\n", error.message);
  fflush(stdout);
  abort();
}

static inline void tiny_close(TinyFile *tiny) {
  gguf_free(&tiny->gguf);
  free(tiny->file.bytes);
}

// Loads the weights in pieces of `piece` bytes, each in a block of its own, so that sanitizers see any read past it.
static inline bool tiny_load(NibbleEngine *engine, const TinyFile *tiny, size_t piece, NibbleError *error) {
  for (size_t at = (size_t)tiny->gguf.data_offset; at < tiny->file.size; at += piece) {
    const size_t count = tiny->file.size - at < piece ? tiny->file.size - at : piece;
    uint8_t *copy = malloc(count);
    if (copy == NULL) abort();
    memcpy(copy, tiny->file.bytes + at, count);
    const bool loaded = nibble_engine_load(engine, copy, count, error);
    free(copy);
    if (!loaded) return false;
  }
  return true;
}

// A complete engine with one session.
typedef struct {
  TinyFile tiny;
  NibbleEngine *engine;
  NibbleSession *session;
  int vocabulary;
} Rig;

static inline void rig_open(Check *check, Rig *rig, const TinyModel *model, const NibbleOptions *options,
                            size_t piece) {
  NibbleError error = {.code = NIBBLE_OK};
  NibbleModelInfo info;
  *rig = (Rig){.engine = NULL};
  tiny_open(&rig->tiny, model);
  rig->engine = nibble_engine_create(&rig->tiny.gguf, options, &error);
  const bool loaded = rig->engine != NULL && tiny_load(rig->engine, &rig->tiny, piece, &error);
  if (loaded) rig->session = nibble_session_create(rig->engine, &error);
  if (!CHECK(rig->session != NULL)) {
    printf("  %s: %s\n", nibble_error_name((int)error.code), error.message);
    fflush(stdout);
    abort();
  }
  nibble_engine_info(rig->engine, &info);
  rig->vocabulary = info.vocabulary;
}

static inline void open_config(Check *check, Rig *rig, const TinyConfig *config, const NibbleOptions *options) {
  const TinyModel model = tiny_model(config);
  rig_open(check, rig, &model, options, SIZE_MAX / 2);
}

static inline void rig_close(Rig *rig) {
  nibble_session_free(rig->session);
  nibble_engine_free(rig->engine);
  tiny_close(&rig->tiny);
}

static inline void append(Check *check, NibbleSession *session, const int32_t *tokens, int count) {
  NibbleError error = {.code = NIBBLE_OK};
  if (!CHECK(nibble_session_evaluate(session, tokens, count, NULL, NULL, &error))) printf("  %s\n", error.message);
}

// A text that wanders over the vocabulary, the same every time.
static inline void fill_text(int32_t *tokens, int count, int vocabulary) {
  uint64_t state = 7;
  for (int i = 0; i < count; i++)
    tokens[i] = (int32_t)(tiny_random(&state) % (uint32_t)vocabulary);
}

static inline void keep_logits(Check *check, const Rig *rig, float *logits) {
  const float *found = nibble_session_logits(rig->session);
  if (CHECK(found != NULL)) memcpy(logits, found, (size_t)rig->vocabulary * sizeof *logits);
}

// Bit-equal, with NaN equal to nothing: a forward pass of NaN must not pass for agreement.
static inline bool same_logits(const NibbleSession *session, const float *expected, int vocabulary) {
  const float *found = nibble_session_logits(session);
  if (found == NULL) return false;
  for (int i = 0; i < vocabulary; i++)
    if (!(found[i] == expected[i])) return false;
  return memcmp(found, expected, (size_t)vocabulary * sizeof *found) == 0;
}

// Largest difference from what is expected, as a share of the largest expected logit.
static inline double error_share(const float *found, const double *expected, int vocabulary) {
  double largest = 0, difference = 0;
  for (int i = 0; i < vocabulary; i++) {
    largest = fmax(largest, fabs(expected[i]));
    const double d = fabs((double)found[i] - expected[i]);
    if (!(d <= difference)) difference = d;
  }
  return difference / largest;
}

#endif
