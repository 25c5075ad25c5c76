// The engine's side of weights that stream: what is read where, and the sample by which saves know their model.
#include <stdlib.h>
#include <string.h>

#include "engine_state.h"
#include "segment.h"

bool nibble_engine_segment(const NibbleEngine *engine, int segment, int index, uint64_t *position, uint64_t *length) {
  Segment found;
  if (index < 0 || !segment_at(&engine->model, segment, &found)) return false;
  uint64_t offset = 0;
  for (int i = 0; i <= index; i++)
    *length = segment_range(&engine->model, &found, &offset, position);
  return *length > 0;
}

uint8_t *nibble_engine_slot(const NibbleEngine *engine, int index) {
  const Residency *residency = &engine->model.residency;
  if (index < 0 || index >= residency->slots) return NULL;
  return engine->model.ring + (uint64_t)index * residency->slot_bytes;
}

// Copies the part of a sample that lies in `length` bytes from `position` on.
static void copy_sample(uint64_t begin, uint64_t position, const uint8_t *bytes, uint64_t length, uint8_t *sample) {
  const uint64_t end = begin + SAMPLE_BYTES, last = position + length;
  const uint64_t from = begin > position ? begin : position, to = end < last ? end : last;
  if (from < to) memcpy(sample + (from - begin), bytes + (from - position), (size_t)(to - from));
}

void nibble_engine_pass_by(NibbleEngine *engine, uint64_t position, const uint8_t *bytes, size_t length) {
  for (int i = 0; engine->samples != NULL && i < SAMPLES; i++)
    copy_sample(engine_sample_position(&engine->model, i), position, bytes, length,
                engine->samples + (size_t)i * SAMPLE_BYTES);
}

void engine_sample(NibbleEngine *engine, int index, uint8_t *sample) {
  const uint64_t begin = engine_sample_position(&engine->model, index);
  if (engine->samples != NULL)
    memcpy(sample, engine->samples + (size_t)index * SAMPLE_BYTES, SAMPLE_BYTES);
  else
    memset(sample, 0, SAMPLE_BYTES);
  uint64_t run;
  for (uint64_t at = begin; at < begin + SAMPLE_BYTES; at += run) {
    const uint8_t *bytes = nibble_engine_packed_range(engine, at, &run);
    if (run == 0) break;
    if (bytes != NULL) copy_sample(begin, at, bytes, run, sample);
  }
}
