#include "loader.h"

#include <stdlib.h>
#include <string.h>

#include "quant.h"

static size_t row_bytes(const WeightSource *source) { return (size_t)(source->file_bytes / (uint64_t)source->rows); }

static int group_rows(const WeightSource *source, int rows_done) {
  const int left = source->rows - rows_done;
  return left < TILE_ROWS ? left : TILE_ROWS;
}

size_t loader_staging_bytes(const Model *model) {
  size_t largest = 1;
  for (int i = 0; i < model->source_count; i++) {
    const size_t bytes = row_bytes(&model->sources[i]) * (size_t)group_rows(&model->sources[i], 0);
    if (bytes > largest) largest = bytes;
  }
  return largest;
}

bool loader_create(Loader *loader, const Model *model, uint64_t data_offset, NibbleError *error) {
  *loader = (Loader){.model = model, .position = data_offset, .staging = malloc(loader_staging_bytes(model))};
  return loader->staging != NULL ||
         nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to load weights through. Close others first.");
}

void loader_free(Loader *loader) {
  free(loader->staging);
  loader->staging = NULL;
}

static void place_group(Loader *loader, const WeightSource *source, const uint8_t *bytes) {
  const int rows = group_rows(source, loader->rows_done);
  uint8_t *target = loader->model->arena + source->arena_offset;
  if (source->matrix != NULL) {
    const Matrix *matrix = source->matrix;
    target += (size_t)(loader->rows_done / TILE_ROWS) * tile_bytes(matrix->kind, matrix->columns);
    tile_pack(matrix->kind, matrix->columns, bytes, rows, target);
  } else {
    quant_format(source->type)->unpack(bytes, (float *)target, (size_t)source->columns);
  }
  loader->rows_done += rows;
  if (loader->rows_done < source->rows) return;
  loader->rows_done = 0;
  loader->source++;
}

// Takes bytes for the group under way, and returns how many.
static size_t take(Loader *loader, const WeightSource *source, const uint8_t *bytes, size_t count) {
  const size_t group = row_bytes(source) * (size_t)group_rows(source, loader->rows_done);
  if (loader->staged == 0 && count >= group) {
    place_group(loader, source, bytes);
    return group;
  }
  const size_t part = group - loader->staged < count ? group - loader->staged : count;
  memcpy(loader->staging + loader->staged, bytes, part);
  loader->staged += part;
  if (loader->staged == group) {
    loader->staged = 0;
    place_group(loader, source, loader->staging);
  }
  return part;
}

void loader_push(Loader *loader, const uint8_t *bytes, size_t count) {
  while (count > 0 && loader->source < loader->model->source_count) {
    const WeightSource *source = &loader->model->sources[loader->source];
    size_t part;
    if (loader->position < source->file_offset) {
      const uint64_t gap = source->file_offset - loader->position;  // padding
      part = gap < count ? (size_t)gap : count;
    } else {
      part = take(loader, source, bytes, count);
    }
    bytes += part;
    count -= part;
    loader->position += part;
  }
}

uint64_t loader_remaining(const Loader *loader) {
  const Model *model = loader->model;
  if (loader->source == model->source_count) return 0;
  const WeightSource *last = &model->sources[model->source_count - 1];
  return last->file_offset + last->file_bytes - loader->position;
}
