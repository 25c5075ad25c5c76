#include "segment.h"

bool segment_at(const Model *model, int index, Segment *segment) {
  const Residency *residency = &model->residency;
  const int blocks = model->shape.blocks;
  if (!residency->streams || index < 0) return false;
  for (int step = 0; step < shape_steps(&model->shape); step++) {
    const Block *block = &model->blocks[step % blocks];
    if (!block->streams || index-- > 0) continue;
    *segment = (Segment){.stage = STAGE_BLOCK, .block = step % blocks, .bytes = block->arena_bytes};
    return true;
  }
  if (!residency->output_streams) return false;
  const Matrix *output = model_output(model);
  const size_t tile = tile_bytes(output->kind, output->columns);
  const uint64_t most = residency->slot_bytes / tile;
  const int count = tile_count(output), step = most < (uint64_t)count ? (int)most : count;
  if (index >= units_of(count, step)) return false;
  const int first = index * step, tiles = count - first < step ? count - first : step;
  *segment = (Segment){.stage = STAGE_OUTPUT, .first_tile = first, .tiles = tiles, .bytes = (uint64_t)tiles * tile};
  return true;
}

uint64_t segment_range(const Model *model, const Segment *segment, uint64_t *offset, uint64_t *position) {
  const uint64_t begin = *offset;
  if (begin >= segment->bytes) return 0;
  if (segment->stage == STAGE_OUTPUT) {
    const Matrix *output = model_output(model);
    *position = model_matrix_source(model, output)->packed_offset +
                (uint64_t)segment->first_tile * tile_bytes(output->kind, output->columns);
    *offset = segment->bytes;
    return segment->bytes;
  }
  for (int i = 0; i < model->source_count; i++) {
    const WeightSource *source = &model->sources[i];
    if (source->stage != STAGE_BLOCK || source->block != segment->block || source->block_offset < *offset) continue;
    if (*offset == begin)
      *position = source->packed_offset;
    else if (source->packed_offset != *position + (*offset - begin))
      break;
    *offset += source->arena_bytes;
  }
  return *offset - begin;
}

void segment_place_block(Model *model, int block, uint8_t *bytes) {
  for (int i = 0; i < model->source_count; i++) {
    const WeightSource *source = &model->sources[i];
    if (source->stage == STAGE_BLOCK && source->block == block) model_point(source, bytes + source->block_offset);
  }
}

Matrix segment_output(const Model *model, const Segment *segment, uint8_t *bytes) {
  const Matrix *output = model_output(model);
  const int first = segment->first_tile * TILE_ROWS, left = output->rows - first, rows = segment->tiles * TILE_ROWS;
  return (Matrix){output->kind, left < rows ? left : rows, output->columns, bytes};
}

uint64_t segment_embedding_tile(const Model *model, int32_t token, uint64_t *position) {
  const Matrix *embedding = &model->embedding;
  const uint64_t tile = tile_bytes(embedding->kind, embedding->columns);
  *position = model_matrix_source(model, embedding)->packed_offset + (uint64_t)(token / TILE_ROWS) * tile;
  return tile;
}
