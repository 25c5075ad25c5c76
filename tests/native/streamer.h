// Engines that stream their weights, from the packed bytes of one that has them all.
#ifndef NIBBLE_STREAMER_H
#define NIBBLE_STREAMER_H

#include "check.h"
#include "engine.h"
#include "engine_fixture.h"

// An engine under a budget, whose weights come from the packed bytes of another.
typedef struct {
  NibbleEngine *engine;
  NibbleSession *session;
  NibbleModelInfo info;
  uint8_t *packed;  // the store
} Streamer;

static inline uint8_t *packed_bytes_of(const Rig *rig) {
  NibbleModelInfo info;
  nibble_engine_info(rig->engine, &info);
  uint8_t *packed = malloc((size_t)info.packed_bytes);
  if (packed == NULL) abort();
  for (uint64_t at = 0, run; at < info.packed_bytes; at += run) {
    const uint8_t *place = nibble_engine_packed_range(rig->engine, at, &run);
    memcpy(packed + at, place, (size_t)run);
  }
  return packed;
}

static inline void streamer_load(Streamer *streamer) {
  for (uint64_t at = 0, run; at < streamer->info.packed_bytes; at += run) {
    uint8_t *place = nibble_engine_packed_range(streamer->engine, at, &run);
    if (place != NULL)
      memcpy(place, streamer->packed + at, (size_t)run);
    else
      nibble_engine_pass_by(streamer->engine, at, streamer->packed + at, (size_t)run);
  }
  if (!nibble_engine_finish(streamer->engine, NULL)) abort();
}

static inline NibbleModelInfo describe(const Rig *rig, const NibbleOptions *options) {
  NibbleModelInfo info;
  if (!nibble_describe(&rig->tiny.gguf, options, &info, NULL, NULL)) abort();
  return info;
}

static inline bool streamer_open(Check *check, Streamer *streamer, const Rig *rig, const NibbleOptions *options) {
  NibbleError error = {.code = NIBBLE_OK};
  *streamer = (Streamer){.engine = nibble_engine_create(&rig->tiny.gguf, options, &error)};
  if (!CHECK(streamer->engine != NULL)) {
    printf("  %s\n", error.message);
    return false;
  }
  nibble_engine_info(streamer->engine, &streamer->info);
  streamer->packed = packed_bytes_of(rig);
  streamer_load(streamer);
  streamer->session = nibble_session_create(streamer->engine, &error);
  return CHECK(streamer->session != NULL);
}

static inline void streamer_close(Streamer *streamer) {
  nibble_session_free(streamer->session);
  nibble_engine_free(streamer->engine);
  free(streamer->packed);
}

// What a pass needs goes into a slot, which is poisoned before, so that nothing is read that was not asked for.
static inline void fill_slot(Check *check, const Streamer *streamer, int segment, int slot) {
  uint8_t *bytes = nibble_engine_slot(streamer->engine, slot);
  if (!CHECK(bytes != NULL)) return;
  memset(bytes, 0xff, (size_t)streamer->info.budget.slot_bytes);
  uint64_t position, length, filled = 0;
  for (int i = 0; nibble_engine_segment(streamer->engine, segment, i, &position, &length); i++) {
    if (!CHECK(filled + length <= streamer->info.budget.slot_bytes)) return;
    memcpy(bytes + filled, streamer->packed + position, (size_t)length);
    filled += length;
  }
  CHECK(filled > 0);
}

static inline void fill_rows(const Streamer *streamer, NibblePass *pass) {
  uint64_t position, length;
  uint8_t *row;
  for (int i = 0; (row = nibble_pass_row(pass, i, &position, &length)) != NULL; i++)
    memcpy(row, streamer->packed + position, (size_t)length);
}

// Runs at most `steps` steps; returns how many there were.
static inline int drive(Check *check, const Streamer *streamer, NibblePass *pass, int steps) {
  int done = 0;
  for (int need; done < steps && (need = nibble_pass_next(pass)) != NIBBLE_PASS_DONE; done++) {
    const int slots = streamer->info.budget.slots, slot = slots > 0 ? done % slots : 0;
    if (need == NIBBLE_PASS_ROWS) fill_rows(streamer, pass);
    if (need >= 0) fill_slot(check, streamer, need, slot);
    nibble_pass_step(pass, slot);
  }
  return done;
}

static inline void pass_over(Check *check, const Streamer *streamer, const int32_t *tokens, int count,
                             const int32_t *targets, float *scores) {
  NibbleError error = {.code = NIBBLE_OK};
  for (int done = 0; done < count;) {
    const int left = count - done, most = streamer->info.budget.sweep_size, part = left < most ? left : most;
    NibblePass *pass = nibble_pass_begin(streamer->session, tokens + done, part, targets ? targets + done : NULL,
                                         scores ? scores + done : NULL, &error);
    if (!CHECK(pass != NULL)) {
      printf("  %s\n", error.message);
      return;
    }
    drive(check, streamer, pass, INT32_MAX);
    nibble_pass_finish(pass);
    done += part;
  }
}

// From the least budget to one that holds all.
static inline uint64_t budget_at(const Rig *rig, const NibbleOptions *wanted, int step, int steps) {
  NibbleOptions options = *wanted;
  options.memory_budget = UINT64_MAX;
  NibbleMemory all;
  nibble_describe(&rig->tiny.gguf, &options, NULL, &all, NULL);
  const uint64_t least = describe(rig, &options).budget.least_budget;
  const uint64_t most = all.weights + all.kv_cache + all.activations + all.other;
  return least + (most > least ? (most - least) * (uint64_t)step / (uint64_t)steps : 0);
}

#endif
