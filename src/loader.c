#include "loader.h"

#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "quant.h"
#include "text.h"

// What stands behind a tensor's rows and goes into each of its tiles.
static size_t shared_bytes(const WeightSource *source) {
  return (size_t)quant_tensor_bytes(quant_format(source->type));
}

static size_t row_bytes(const WeightSource *source) {
  return (size_t)((source->file_bytes - shared_bytes(source)) / (uint64_t)source->rows);
}

// Rows that are re-tiled in one go: those of a tile; or all of them, where nothing can be done before the last byte.
static int group_step(const WeightSource *source) { return shared_bytes(source) > 0 ? source->rows : TILE_ROWS; }

static int group_rows(const WeightSource *source, int rows_done) {
  const int left = source->rows - rows_done, step = group_step(source);
  return left < step ? left : step;
}

static uint64_t group_bytes(const WeightSource *source, int rows_done) {
  return (uint64_t)row_bytes(source) * (uint64_t)group_rows(source, rows_done) + shared_bytes(source);
}

uint64_t loader_staging_bytes(const Model *model) {
  uint64_t largest = 1;
  for (int i = 0; i < model->source_count; i++) {
    const uint64_t bytes = group_bytes(&model->sources[i], 0);
    if (bytes > largest) largest = bytes;
  }
  return largest;
}

bool loader_create(Loader *loader, const Model *model, uint64_t data_offset, NibbleError *error) {
  const uint64_t bytes = loader_staging_bytes(model);
  *loader = (Loader){.model = model, .position = data_offset};
  if (bytes <= SIZE_MAX) loader->staging = malloc((size_t)bytes);
  return loader->staging != NULL ||
         nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to load weights through. Close others first.");
}

void loader_free(Loader *loader) {
  free(loader->staging);
  loader->staging = NULL;
}

// Packed bytes of the groups before the one at `rows_done`.
static uint64_t packed_before(const WeightSource *source, int rows_done) {
  const Matrix *matrix = source->matrix;
  return matrix == NULL ? 0 : (uint64_t)(rows_done / TILE_ROWS) * tile_bytes(matrix->kind, matrix->columns);
}

// Packed bytes of the group at `rows_done`; the last one has the padding.
static uint64_t packed_group(const WeightSource *source, int rows_done) {
  const int end = rows_done + group_rows(source, rows_done);
  const uint64_t next = end == source->rows ? source->arena_bytes : packed_before(source, end);
  return next - packed_before(source, rows_done);
}

uint64_t loader_group_bytes(const Model *model) {
  uint64_t largest = 1;
  for (int i = 0; i < model->source_count; i++) {
    const WeightSource *source = &model->sources[i];
    // Whole tiles, and one more group's padding.
    const uint64_t first = packed_group(source, 0),
                   last = packed_group(source, (source->rows - 1) / group_step(source) * group_step(source));
    if (first > largest) largest = first;
    if (last > largest) largest = last;
  }
  return largest;
}

// Whether all of a vector's numbers, little-endian floats, are finite.
static bool vector_is_finite(const uint8_t *numbers, int count) {
  bool finite = true;
  for (int i = 0; i < count; i++)
    finite &= (load_u32(numbers + (size_t)i * sizeof(float)) & 0x7f800000) != 0x7f800000;
  return finite;
}

uint64_t loader_packing_bytes(const Model *model) {
  const uint64_t group = loader_group_bytes(model);
  return group > PACKING_BYTES ? group - PACKING_BYTES + loader_staging_bytes(model) : 0;
}

// Tiles the rows of a group. Returns whether all their numbers are finite.
static bool tile_group(Loader *loader, const WeightSource *source, const uint8_t *bytes, int rows, uint8_t *target) {
  const Matrix *matrix = source->matrix;
  TileRowReader *reader = &loader->reader;
  if (reader->file == NULL || reader->type != source->type) tile_row_reader(source->type, reader);
  reader->tensor_scale = quant_tensor_scale(reader->file, bytes + row_bytes(source) * (size_t)rows);
  bool finite = true;
  for (int done = 0; done < rows; done += TILE_ROWS) {
    finite &= tile_pack(reader, matrix->columns, bytes, rows - done < TILE_ROWS ? rows - done : TILE_ROWS, target);
    bytes += row_bytes(source) * TILE_ROWS;
    target += tile_bytes(matrix->kind, matrix->columns);
  }
  return finite;
}

static void place_group(Loader *loader, const WeightSource *source, const uint8_t *bytes) {
  const int rows = group_rows(source, loader->rows_done);
  const size_t size = (size_t)packed_group(source, loader->rows_done);
  uint8_t *target = loader->output != NULL
                        ? loader->output + loader->written
                        : loader->model->arena + source->arena_offset + packed_before(source, loader->rows_done);
  size_t used;
  bool finite;
  if (source->matrix != NULL) {
    const size_t tiles = (size_t)units_of(rows, TILE_ROWS);
    used = tiles * tile_bytes(source->matrix->kind, source->matrix->columns);
    finite = tile_group(loader, source, bytes, rows, target);
  } else {
    used = (size_t)source->columns * sizeof(float);
    quant_unpack_tensor(quant_format(source->type), bytes, (float *)target, (size_t)source->columns);
    // What turns an angle is the quotient, which rope_create() looks at.
    finite = model_is_rope_source(loader->model, source) || vector_is_finite(target, source->columns);
  }
  if (!finite && loader->refused == NULL) {
    loader->refused = source;
    loader->refused_row = loader->rows_done;
  }
  memset(target + used, 0, size - used);
  loader->written += size;
  loader->rows_done += rows;
  if (loader->rows_done < source->rows) return;
  loader->rows_done = 0;
  loader->source++;
}

// Takes bytes for the group under way, and returns how many.
static size_t stage_bytes(Loader *loader, const WeightSource *source, const uint8_t *bytes, size_t count) {
  const size_t group = (size_t)group_bytes(source, loader->rows_done);
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

size_t loader_push(Loader *loader, const uint8_t *bytes, size_t count) {
  size_t taken = 0;
  while (taken < count && loader->source < loader->model->source_count) {
    const WeightSource *source = &loader->model->sources[loader->source];
    const size_t left = count - taken;
    size_t part;
    if (loader->position < source->file_offset) {
      const uint64_t gap = source->file_offset - loader->position;  // padding
      part = gap < left ? (size_t)gap : left;
    } else if (loader->output != NULL && loader->capacity - loader->written < packed_group(source, loader->rows_done)) {
      break;
    } else {
      part = stage_bytes(loader, source, bytes + taken, left);
    }
    taken += part;
    loader->position += part;
  }
  return taken;
}

bool loader_check(const Loader *loader, NibbleError *error) {
  const WeightSource *source = loader->refused;
  if (source == NULL) return true;
  const QuantFormat *format = quant_format(source->type);
  const int last_row = loader->refused_row + group_rows(source, loader->refused_row) - 1;
  char rows[64] = "";
  if (source->matrix != NULL)
    text_format(rows, sizeof rows, ", in rows %d to %d of %d", loader->refused_row, last_row, source->rows);
  return nibble_fail(
      error, NIBBLE_MODEL_BAD_TENSOR,
      "The tensor %s (%s) has a %s that is infinite or not a number%s: no text comes of such weights. The file is "
      "damaged or was converted wrongly; fetch it again or use another one.",
      source->name, format->name, format->block_elements == 1 ? "weight" : "scale", rows);
}

uint64_t loader_packed_position(const Loader *loader) {
  const Model *model = loader->model;
  if (loader->source == model->source_count) return model->packed_bytes;
  const WeightSource *source = &model->sources[loader->source];
  return source->packed_offset + packed_before(source, loader->rows_done);
}

void loader_seek(Loader *loader, uint64_t packed_position) {
  const Model *model = loader->model;
  const WeightSource *source = model_source_at(model, packed_position);
  loader->staged = 0;
  loader->rows_done = 0;
  loader->refused = NULL;
  if (source == NULL) {
    const WeightSource *last = &model->sources[model->source_count - 1];
    loader->source = model->source_count;
    loader->position = last->file_offset + last->file_bytes;
    return;
  }
  loader->source = (int)(source - model->sources);
  if (source->matrix != NULL) {
    const size_t tile = tile_bytes(source->matrix->kind, source->matrix->columns);
    const int step = group_step(source);
    const uint64_t group = (packed_position - source->packed_offset) / tile * TILE_ROWS / (uint64_t)step;
    const uint64_t last = (uint64_t)(source->rows - 1) / (uint64_t)step;  // the padding belongs to it
    loader->rows_done = (int)(group < last ? group : last) * step;
  }
  loader->position = source->file_offset + (uint64_t)loader->rows_done * row_bytes(source);
}

uint64_t loader_remaining(const Loader *loader) {
  const Model *model = loader->model;
  if (loader->source == model->source_count) return 0;
  const WeightSource *last = &model->sources[model->source_count - 1];
  return last->file_offset + last->file_bytes - loader->position;
}
