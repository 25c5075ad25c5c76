// What fuzz targets do with models that are loaded: weights that stream, passes over tokens, saves.
#ifndef NIBBLE_FUZZ_MODEL_H
#define NIBBLE_FUZZ_MODEL_H

#include "engine.h"
#include "fuzz_target.h"
#include "packer.h"

// What an input of model_fuzz.c begins with, each a byte.
typedef struct {
  uint8_t kind;  // of pages and threads; see options_of()
  uint8_t batch, context;
  uint8_t budget;                        // a 128th of what the model takes; 0: none
  uint8_t data;                          // how the tensors' bytes are made; see fill_data()
  uint8_t piece;                         // bytes that come at once
  uint8_t tokens, keep, drop, truncate;  // how many, in this order
  uint8_t top_k, heat;                   // of the sampler
  uint8_t seed;                          // of weights and tokens
  uint8_t zeros[3];
} FuzzModelControl;

typedef struct {
  NibbleEngine *engine;
  const NibbleModelInfo *info;
  const uint8_t *store;  // packed bytes; NULL where all of them are in the engine
  bool limited;          // by a budget: there may be no pages for a second session
} FuzzModel;

// Whether it was done; where it was not, for want of pages alone.
static inline bool fuzz_done(const FuzzModel *model, bool done, const NibbleError *error) {
  if (!done && !(model->limited && error->code == NIBBLE_OUT_OF_MEMORY)) fprintf(stderr, "%s\n", error->message);
  PROMISE(done || (model->limited && error->code == NIBBLE_OUT_OF_MEMORY));
  return done;
}

static inline uint32_t fuzz_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

// The packed bytes of a file, for the caller to free; NULL, and `error`, where they are refused.
static inline uint8_t *fuzz_pack(const Gguf *gguf, const uint8_t *file, uint64_t bytes, NibbleError *error) {
  uint8_t *packed = malloc((size_t)bytes);
  NibblePacker *packer = nibble_packer_create(gguf, NULL);
  PROMISE(packed != NULL && packer != NULL && nibble_packer_packed_bytes(packer) == bytes);
  while (nibble_packer_position(packer) < bytes) {
    const uint64_t at = nibble_packer_file_position(packer), before = nibble_packer_position(packer);
    PROMISE(at <= gguf->file_size);
    const size_t taken = nibble_packer_push(packer, file + at, (size_t)(gguf->file_size - at));
    const size_t made = nibble_packer_output_bytes(packer);
    const uint64_t position = nibble_packer_position(packer);
    PROMISE((taken > 0 || made > 0) && position == before + made && position <= bytes);
    memcpy(packed + before, nibble_packer_output(packer), made);
    if (nibble_packer_check(packer, error)) continue;
    free(packed);
    packed = NULL;
    break;
  }
  nibble_packer_free(packer);
  return packed;
}

// Puts packed bytes into an engine.
static inline void fuzz_fill(NibbleEngine *engine, const uint8_t *packed, uint64_t bytes) {
  for (uint64_t at = 0, run; at < bytes; at += run) {
    uint8_t *place = nibble_engine_packed_range(engine, at, &run);
    PROMISE(run > 0 && run <= bytes - at);
    if (place != NULL)
      memcpy(place, packed + at, (size_t)run);
    else
      nibble_engine_pass_by(engine, at, packed + at, (size_t)run);
  }
}

static inline void fuzz_fill_slot(const FuzzModel *model, int segment, int slot) {
  uint8_t *bytes = nibble_engine_slot(model->engine, slot);
  PROMISE(bytes != NULL);
  uint64_t position, length, filled = 0;
  for (int i = 0; nibble_engine_segment(model->engine, segment, i, &position, &length); i++) {
    PROMISE(filled + length <= model->info->budget.slot_bytes && position + length <= model->info->packed_bytes);
    memcpy(bytes + filled, model->store + position, (size_t)length);
    filled += length;
  }
  PROMISE(filled > 0);
}

static inline void fuzz_fill_rows(const FuzzModel *model, NibblePass *pass) {
  uint64_t position, length;
  uint8_t *row;
  for (int i = 0; (row = nibble_pass_row(pass, i, &position, &length)) != NULL; i++) {
    PROMISE(position + length <= model->info->packed_bytes);
    memcpy(row, model->store + position, (size_t)length);
  }
}

static inline bool fuzz_pass(const FuzzModel *model, NibbleSession *session, const int32_t *tokens, int count) {
  NibbleError error = {.code = NIBBLE_OK};
  NibblePass *pass = nibble_pass_begin(session, tokens, count, NULL, NULL, &error);
  if (!fuzz_done(model, pass != NULL, &error)) return false;
  const int slots = model->info->budget.slots;
  for (int need, done = 0; (need = nibble_pass_next(pass)) != NIBBLE_PASS_DONE; done++) {
    const int slot = slots > 0 ? done % slots : 0;
    if (need == NIBBLE_PASS_ROWS) fuzz_fill_rows(model, pass);
    if (need >= 0) fuzz_fill_slot(model, need, slot);
    nibble_pass_step(pass, slot);
  }
  nibble_pass_finish(pass);
  return true;
}

// Appends tokens, of which the context has room for all.
static inline bool fuzz_evaluate(const FuzzModel *model, NibbleSession *session, const int32_t *tokens, int count) {
  NibbleError error = {.code = NIBBLE_OK};
  if (count == 0) return true;
  if (model->store == NULL)
    return fuzz_done(model, nibble_session_evaluate(session, tokens, count, NULL, NULL, &error), &error);
  const int sweep = model->info->budget.sweep_size;
  PROMISE(sweep > 0);
  for (int done = 0; done < count; done += sweep)
    if (!fuzz_pass(model, session, tokens + done, count - done < sweep ? count - done : sweep)) return false;
  return true;
}

// Writes all of a save.
static inline bool fuzz_rewrite(const FuzzModel *model, NibbleSave *save, NibbleRestore *restore) {
  NibbleError error = {.code = NIBBLE_OK};
  uint8_t bytes[1021];
  uint64_t total = 0;
  for (size_t count; (count = nibble_save_read(save, bytes, sizeof bytes)) > 0; total += count)
    if (!fuzz_done(model, nibble_restore_write(restore, bytes, count, &error), &error)) return false;
  PROMISE(total == nibble_save_bytes(save));
  return true;
}

// Another session with the same tokens, by way of a save; NULL for want of pages.
static inline NibbleSession *fuzz_restored(const FuzzModel *model, const NibbleSession *session) {
  NibbleSave *save = nibble_save_create(session, NULL);
  NibbleRestore *restore = nibble_restore_create(model->engine, NULL);
  PROMISE(save != NULL && restore != NULL);
  NibbleSession *restored = NULL;
  if (fuzz_rewrite(model, save, restore)) {
    restored = nibble_restore_finish(restore, NULL);
    PROMISE(restored != NULL);
  }
  nibble_restore_free(restore);
  nibble_save_free(save);
  return restored;
}

// What is saved can be restored, and goes on as what was saved does, to the bit.
static inline void fuzz_save_and_restore(const FuzzModel *model, NibbleSession *session) {
  NibbleSession *restored = fuzz_restored(model, session);
  if (restored == NULL) return;
  const int length = nibble_session_length(session);
  PROMISE(nibble_session_length(restored) == length);
  PROMISE(memcmp(nibble_session_tokens(restored), nibble_session_tokens(session), (size_t)length * 4) == 0);
  const int32_t token = model->info->vocabulary - 1;
  if (length < model->info->context_size && fuzz_evaluate(model, session, &token, 1) &&
      fuzz_evaluate(model, restored, &token, 1)) {
    const size_t bytes = (size_t)model->info->vocabulary * sizeof(float);
    PROMISE(memcmp(nibble_session_logits(session), nibble_session_logits(restored), bytes) == 0);
  }
  nibble_session_free(restored);
}

#endif
