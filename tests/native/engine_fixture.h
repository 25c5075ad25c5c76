// Engines with tiny models, and what tests of the engine have in common.
#ifndef NIBBLE_ENGINE_FIXTURE_H
#define NIBBLE_ENGINE_FIXTURE_H

#include "engine.h"
#include "tiny_model.h"

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

#endif
