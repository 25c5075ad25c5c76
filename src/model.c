#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "block_tensors.h"

void model_visit_matrices(const Block *block, VisitMatrix *visit, void *context) {
  for (int tensor = 0; tensor < BLOCK_TENSORS; tensor++) {
    const Matrix *matrix = block_matrix(block, (BlockTensor)tensor);
    if (matrix != NULL) visit(context, matrix);
  }
}

uint64_t model_ring_bytes(const Model *model) { return (uint64_t)model->residency.slots * model->residency.slot_bytes; }

static void place_source(WeightSource *source, uint64_t *arena) {
  if (source->streams) return;
  source->arena_offset = *arena;
  *arena += source->arena_bytes;
}

static bool source_streams(const Model *model, const WeightSource *source) {
  switch (source->stage) {
    case STAGE_EMBEDDING: return source->matrix == &model->embedding && model->residency.embedding_streams;
    case STAGE_BLOCK: return model->blocks[source->block].streams;
    default: return source->matrix == &model->output && model->residency.output_streams;
  }
}

// Lays out packed order and arena, for sources in the order of the file: embedding, blocks, the rest. Each block lies
// in one piece, so that it can be streamed by itself, and inside of it the order is the file's: where the blocks of the
// file are in order too, packed order and arena are the same, and a stored chunk goes into place in one read.
static void place_weights(Model *model) {
  WeightSource *const end = model->sources + model->source_count;
  const int blocks = model->shape.blocks;
  const Residency *residency = &model->residency;
  uint64_t packed = 0, arena = 0;
  for (int i = 0; i < blocks; i++) {
    model->blocks[i].arena_bytes = 0;
    model->blocks[i].streams = !residency_pins(residency, i, blocks);
  }
  for (WeightSource *source = model->sources; source < end; source++) {
    source->packed_offset = packed;
    source->streams = source_streams(model, source);
    packed += source->arena_bytes;
    if (source->stage == STAGE_EMBEDDING) place_source(source, &arena);
    if (source->stage != STAGE_BLOCK) continue;
    source->block_offset = model->blocks[source->block].arena_bytes;
    model->blocks[source->block].arena_bytes += source->arena_bytes;
  }
  for (int i = 0; i < blocks; i++) {
    if (model->blocks[i].streams) continue;
    model->blocks[i].arena_offset = arena;
    arena += model->blocks[i].arena_bytes;
  }
  for (WeightSource *source = model->sources; source < end; source++) {
    if (source->stage == STAGE_OUTPUT) place_source(source, &arena);
    if (source->stage == STAGE_BLOCK && !source->streams)
      source->arena_offset = model->blocks[source->block].arena_offset + source->block_offset;
  }
  model->packed_bytes = packed;
  model->arena_bytes = arena + model_ring_bytes(model);
}

void model_point(const WeightSource *source, uint8_t *bytes) {
  if (source->matrix != NULL)
    source->matrix->tiles = bytes;
  else
    *source->floats = (float *)bytes;
}

bool model_reserve(Model *model, NibbleError *error) {
  // A margin below the address space: the caller's own allocations and the page-aligned heap need some of it.
  const uint64_t limit = (uint64_t)SIZE_MAX - (16u << 20);
  if (model->arena_bytes <= limit) model->arena = aligned_alloc(MODEL_ALIGNMENT, (size_t)model->arena_bytes);
  if (model->arena == NULL)
    return nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
                       "The weights take %.0f MB, more than can be had here. Choose a smaller model, close others, or "
                       "set a memory budget.",
                       (double)model->arena_bytes / 1e6);
  const uint64_t ring_bytes = model_ring_bytes(model);
  if (ring_bytes > 0) model->ring = model->arena + (model->arena_bytes - ring_bytes);
  for (int i = 0; i < model->source_count; i++)
    if (!model->sources[i].streams) model_point(&model->sources[i], model->arena + model->sources[i].arena_offset);
  if (model->tied_output) model->output = model->embedding;
  return true;
}

void model_free(Model *model) {
  shape_free(&model->shape);
  free(model->blocks);
  free(model->sources);
  free(model->arena);
  memset(model, 0, sizeof *model);
}

const WeightSource *model_source_at(const Model *model, uint64_t packed_position) {
  if (packed_position >= model->packed_bytes) return NULL;
  int low = 0, high = model->source_count;  // the source is in [low, high)
  while (high - low > 1) {
    const int middle = low + (high - low) / 2;
    if (model->sources[middle].packed_offset <= packed_position)
      low = middle;
    else
      high = middle;
  }
  return &model->sources[low];
}

static uint64_t matrix_bytes(const Matrix *matrix) {
  return (uint64_t)tile_count(matrix) * tile_bytes(matrix->kind, matrix->columns);
}

uint32_t model_kinds(const Model *model) {
  uint32_t kinds = 0;
  for (int i = 0; i < model->source_count; i++)
    if (model->sources[i].matrix != NULL) kinds |= UINT32_C(1) << model->sources[i].matrix->kind;
  return kinds;
}

bool model_is_rope_source(const Model *model, const WeightSource *source) {
  return source->floats != NULL && (source->floats == &model->rope_factors || source->floats == &model->long_factors ||
                                    source->floats == &model->short_factors);
}

bool model_is_output_norm(const Model *model, const WeightSource *source) {
  return source->floats != NULL &&
         (source->floats == &model->output_norm.weight || source->floats == &model->output_norm.bias);
}

static void add_matrix_bytes(void *context, const Matrix *matrix) { *(uint64_t *)context += matrix_bytes(matrix); }

uint64_t model_block_bytes(const Block *block) {
  uint64_t bytes = 0;
  model_visit_matrices(block, add_matrix_bytes, &bytes);
  return bytes;
}

uint64_t model_bytes_per_token(const Model *model) {
  uint64_t bytes = matrix_bytes(model->tied_output ? &model->embedding : &model->output) +
                   tile_bytes(model->embedding.kind, model->embedding.columns) / TILE_ROWS;
  for (int i = 0; i < model->shape.blocks; i++)
    bytes += (uint64_t)(model->shape.block_repeat * model->shape.loops) * model_block_bytes(&model->blocks[i]);
  return bytes;
}

const WeightSource *model_matrix_source(const Model *model, const Matrix *matrix) {
  for (int i = 0; i < model->source_count; i++)
    if (model->sources[i].matrix == matrix) return &model->sources[i];
  return NULL;
}

const Matrix *model_output(const Model *model) { return model->tied_output ? &model->embedding : &model->output; }

void model_need(const Model *model, uint64_t *block_bytes, BudgetNeed *need) {
  const Matrix *output = model_output(model);
  *need = (BudgetNeed){.embedding = model_matrix_source(model, &model->embedding)->arena_bytes,
                       .output = model->tied_output ? 0 : model_matrix_source(model, &model->output)->arena_bytes,
                       .output_unit = model_aligned(tile_bytes(output->kind, output->columns)),
                       .blocks = model->shape.blocks,
                       .block_bytes = block_bytes};
  uint64_t all = need->embedding + need->output;
  for (int i = 0; i < model->shape.blocks; i++)
    all += block_bytes[i] = model->blocks[i].arena_bytes;
  need->outer = model->packed_bytes - all;
}

void model_limit(Model *model, const Residency *residency) {
  model->residency = *residency;
  place_weights(model);
}
