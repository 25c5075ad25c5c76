// Packed bytes: the same as the loader's, however the file comes and wherever one begins.
#include "packer.h"

#include <stdlib.h>

#include "check.h"
#include "checksum.h"
#include "engine.h"
#include "engine_fixture.h"
#include "model.h"
#include "tiny_model.h"

typedef struct {
  uint8_t *bytes;
  size_t count;
} Packed;

// The weights of a complete engine, in packed order.
static Packed packed_of(Check *check, NibbleEngine *engine) {
  NibbleMemory memory;
  nibble_engine_memory(engine, &memory);
  Packed packed = {malloc((size_t)memory.weights), (size_t)memory.weights};
  for (uint64_t at = 0, run; at < memory.weights; at += run) {
    const uint8_t *place = nibble_engine_packed_range(engine, at, &run);
    if (!CHECK(place != NULL && run > 0 && run <= memory.weights - at)) abort();
    memcpy(packed.bytes + at, place, (size_t)run);
  }
  return packed;
}

// Packs the file from `position` on, in pieces, and compares with what is expected from there on.
static void pack_from(Check *check, const TinyFile *tiny, const Packed *expected, uint64_t position, size_t piece) {
  NibbleError error = {.code = NIBBLE_OK};
  NibblePacker *packer = nibble_packer_create(&tiny->gguf, &error);
  if (!CHECK(packer != NULL)) abort();
  CHECK_INT((long long)nibble_packer_packed_bytes(packer), (long long)expected->count);
  CHECK_INT((long long)nibble_packer_file_position(packer), (long long)tiny->gguf.data_offset);
  if (position > 0) nibble_packer_seek(packer, position);
  uint64_t done = nibble_packer_position(packer);
  CHECK(done <= position);
  size_t at = (size_t)nibble_packer_file_position(packer);
  while (nibble_packer_position(packer) < expected->count) {
    if (!CHECK(at < tiny->file.size)) break;
    const size_t count = tiny->file.size - at < piece ? tiny->file.size - at : piece;
    // In a block of its own, so that sanitizers see any read past it.
    uint8_t *copy = malloc(count);
    memcpy(copy, tiny->file.bytes + at, count);
    const size_t taken = nibble_packer_push(packer, copy, count);
    free(copy);
    at += taken;
    CHECK_INT((long long)nibble_packer_file_position(packer), (long long)at);
    const size_t made = nibble_packer_output_bytes(packer);
    if (!CHECK(taken > 0 && made <= expected->count - done)) break;
    if (!CHECK(memcmp(nibble_packer_output(packer), expected->bytes + done, made) == 0)) break;
    done += made;
    CHECK_INT((long long)nibble_packer_position(packer), (long long)done);
  }
  CHECK_INT((long long)done, (long long)expected->count);
  CHECK_INT((long long)nibble_packer_push(packer, tiny->file.bytes, 1), 0);
  CHECK_INT((long long)nibble_packer_output_bytes(packer), 0);
  nibble_packer_free(packer);
}

TEST(packs_what_the_loader_places_from_pieces_of_any_size) {
  const size_t pieces[] = {1, 7, 100, 4096, SIZE_MAX / 2};
  const NibbleOptions options = tiny_options();
  for (int i = 0; i < TINY_CONFIGS; i++) {
    Rig rig;
    open_config(check, &rig, &tiny_configs[i], &options);
    Packed expected = packed_of(check, rig.engine);
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++)
      pack_from(check, &rig.tiny, &expected, 0, pieces[p]);
    free(expected.bytes);
    rig_close(&rig);
  }
}

TEST(begins_anywhere) {
  const NibbleOptions options = tiny_options();
  for (int i = 0; i < TINY_CONFIGS; i++) {
    Rig rig;
    open_config(check, &rig, &tiny_configs[i], &options);
    Packed expected = packed_of(check, rig.engine);
    // Steps with no factor in common with the sizes of tiles, and the edges.
    for (uint64_t position = 1; position < expected.count; position += 1 + expected.count / 61)
      pack_from(check, &rig.tiny, &expected, position, 777);
    pack_from(check, &rig.tiny, &expected, expected.count - 1, 50);
    pack_from(check, &rig.tiny, &expected, expected.count, 50);
    free(expected.bytes);
    rig_close(&rig);
  }
}

TEST(begins_at_the_group_of_rows_that_holds_the_position) {
  const TinyModel model = tiny_model(&tiny_configs[1]);
  NibbleError error;
  TinyFile tiny;
  Model plan;
  tiny_open(&tiny, &model);
  NibblePacker *packer = nibble_packer_create(&tiny.gguf, &error);
  CHECK(model_plan(&plan, &tiny.gguf, &error));
  for (int i = 0; i < plan.source_count; i++) {
    const WeightSource *source = &plan.sources[i];
    const Matrix *matrix = source->matrix;
    const uint64_t group = matrix == NULL ? source->arena_bytes : tile_bytes(matrix->kind, matrix->columns);
    const uint64_t last = matrix == NULL ? 0 : (uint64_t)tile_count(matrix) - 1;
    for (uint64_t offset = 0; offset < source->arena_bytes; offset++) {
      const uint64_t expected = offset / group < last ? offset / group : last;
      nibble_packer_seek(packer, source->packed_offset + offset);
      CHECK_INT((long long)nibble_packer_position(packer), (long long)(source->packed_offset + expected * group));
    }
  }
  nibble_packer_free(packer);
  model_free(&plan);
  tiny_close(&tiny);
}

TEST(packs_more_than_its_output_holds_piece_by_piece) {
  const TinyConfig large = {
      .width = 256, .feed_forward = 512, .heads = 4, .kv_heads = 4, .vocabulary = 3000, .type = GGML_F32, .tied = true};
  const NibbleOptions options = tiny_options();
  Rig rig;
  open_config(check, &rig, &large, &options);
  Packed expected = packed_of(check, rig.engine);
  CHECK(expected.count > 4u << 20);
  pack_from(check, &rig.tiny, &expected, 0, SIZE_MAX / 2);
  pack_from(check, &rig.tiny, &expected, expected.count / 2, SIZE_MAX / 2);
  free(expected.bytes);
  rig_close(&rig);
}

TEST(an_engine_filled_with_packed_bytes_computes_the_same) {
  const NibbleOptions options = tiny_options();
  for (int i = 0; i < TINY_CONFIGS; i++) {
    NibbleError error = {.code = NIBBLE_OK};
    Rig rig;
    open_config(check, &rig, &tiny_configs[i], &options);
    Packed packed = packed_of(check, rig.engine);
    NibbleEngine *engine = nibble_engine_create(&rig.tiny.gguf, &options, &error);
    if (!CHECK(engine != NULL)) abort();
    for (uint64_t at = 0, run; at < packed.count; at += run) {
      uint8_t *place = nibble_engine_packed_range(engine, at, &run);
      if (run > 1000) run = 1000;
      memcpy(place, packed.bytes + at, (size_t)run);
    }
    const int32_t tokens[] = {1, 2, 8, 3};
    NibbleSession *session = nibble_session_create(engine, &error);
    CHECK(session != NULL);
    CHECK(!nibble_session_evaluate(session, tokens, 4, NULL, NULL, &error));
    CHECK_INT(error.code, NIBBLE_MODEL_INCOMPLETE);
    error.code = NIBBLE_OK;
    CHECK(nibble_engine_finish(engine, &error));
    CHECK_INT((long long)nibble_engine_remaining(engine), 0);
    float expected[MOST_VOCABULARY];
    append(check, rig.session, tokens, 4);
    append(check, session, tokens, 4);
    keep_logits(check, &rig, expected);
    CHECK(same_logits(session, expected, rig.vocabulary));
    nibble_session_free(session);
    nibble_engine_free(engine);
    free(packed.bytes);
    rig_close(&rig);
  }
}

TEST(an_engine_gives_the_checksum_of_its_packed_bytes) {
  const NibbleOptions options = tiny_options();
  Rig rig;
  open_config(check, &rig, &tiny_configs[0], &options);
  Packed packed = packed_of(check, rig.engine);
  for (size_t at = 0; at < packed.count; at += 1 + packed.count / 13) {
    Checksum checksum;
    checksum_begin(&checksum);
    checksum_update(&checksum, packed.bytes + at, packed.count - at);
    CHECK(nibble_engine_packed_checksum(rig.engine, at, packed.count - at) == checksum_end(&checksum));
    CHECK(nibble_engine_packed_checksum(rig.engine, at, UINT64_MAX / 2) == checksum_end(&checksum));
  }
  uint64_t length = 1;
  CHECK(nibble_engine_packed_range(rig.engine, packed.count, &length) == NULL);
  CHECK_INT((long long)length, 0);
  free(packed.bytes);
  rig_close(&rig);
}

TEST(each_block_lies_in_one_piece_of_the_arena_and_its_sources_say_so) {
  for (int i = 0; i < TINY_CONFIGS; i++) {
    const TinyModel model = tiny_model(&tiny_configs[i]);
    NibbleError error;
    TinyFile tiny;
    Model plan;
    tiny_open(&tiny, &model);
    CHECK(model_plan(&plan, &tiny.gguf, &error));
    uint64_t packed = 0;
    for (int s = 0; s < plan.source_count; s++) {
      const WeightSource *source = &plan.sources[s];
      CHECK_INT((long long)source->packed_offset, (long long)packed);
      packed += source->arena_bytes;
      CHECK(source->arena_offset % 64 == 0 && source->arena_bytes % 64 == 0);
      if (source->stage != STAGE_BLOCK) continue;
      const Block *block = &plan.blocks[source->block];
      CHECK(source->arena_offset == block->arena_offset + source->block_offset);
      CHECK(source->arena_offset + source->arena_bytes <= block->arena_offset + block->arena_bytes);
    }
    CHECK_INT((long long)packed, (long long)plan.arena_bytes);
    for (int b = 1; b < plan.shape.blocks; b++) {
      const Block *before = &plan.blocks[b - 1];
      CHECK_INT((long long)plan.blocks[b].arena_offset, (long long)(before->arena_offset + before->arena_bytes));
    }
    model_free(&plan);
    tiny_close(&tiny);
  }
}

TEST(refuses_what_the_engine_refuses) {
  TinyModel model = tiny_model(&tiny_configs[0]);
  NibbleError error = {.code = NIBBLE_OK};
  TinyFile tiny;
  tiny_drop_tensor(&model, "blk.1.attn_q.weight");
  tiny_open(&tiny, &model);
  CHECK(nibble_packer_create(&tiny.gguf, &error) == NULL);
  CHECK_STR(nibble_error_name((int)error.code), "MODEL_BAD_TENSOR");
  tiny_close(&tiny);
}

int main(void) {
  Check check = {0};
  RUN(&check, packs_what_the_loader_places_from_pieces_of_any_size);
  RUN(&check, begins_anywhere);
  RUN(&check, begins_at_the_group_of_rows_that_holds_the_position);
  RUN(&check, packs_more_than_its_output_holds_piece_by_piece);
  RUN(&check, an_engine_filled_with_packed_bytes_computes_the_same);
  RUN(&check, an_engine_gives_the_checksum_of_its_packed_bytes);
  RUN(&check, each_block_lies_in_one_piece_of_the_arena_and_its_sources_say_so);
  RUN(&check, refuses_what_the_engine_refuses);
  return check_finish(&check);
}
