// A model of every weight type runs, in all of its matrices and in its norms, and computes what the formulas do with
// the weights that ggml has.
#include <stdlib.h>

#include "check.h"
#include "engine_fixture.h"
#include "model.h"
#include "packer.h"
#include "plain_forward.h"
#include "weight_types.h"

enum { LENGTH = 6 };

// Heads of 64, and rows that are one and two superblocks of the widest kind.
static const TinyConfig config_of_type = {
    .width = 256, .feed_forward = 512, .heads = 4, .kv_heads = 2, .vocabulary = 43};

static void compare_as(Check *check, const TinyConfig *config, const TinyModel *model, const char *what, bool exact,
                       double tolerance) {
  Rig rig;
  NibbleOptions options = tiny_options();
  options.exact = exact;
  rig_open(check, &rig, model, &options, 999);
  int32_t text[LENGTH];
  fill_text(text, LENGTH, rig.vocabulary);
  double *expected = plain_forward(&rig.tiny.gguf, rig.tiny.file.bytes, config, text, LENGTH);
  append(check, rig.session, text, LENGTH);
  const double share = error_share(nibble_session_logits(rig.session),
                                   expected + (size_t)(LENGTH - 1) * (size_t)rig.vocabulary, rig.vocabulary);
  if (!CHECK(share < tolerance)) printf("  %s: %g\n", what, share);
  free(expected);
  rig_close(&rig);
}

static void compare(Check *check, const TinyModel *model, const char *what, bool exact, double tolerance) {
  compare_as(check, &config_of_type, model, what, exact, tolerance);
}

TEST(everyTypeComputesTheFormulas) {
  for (int i = 0; i < WEIGHT_TYPES; i++) {
    TinyConfig config = config_of_type;
    config.type = weight_types[i].type;
    const TinyModel model = tiny_model(&config);
    compare(check, &model, quant_format(config.type)->name, true, 2e-5);
    compare(check, &model, quant_format(config.type)->name, false, 0.06);
  }
}

// Gate and up are multiplied together, run of rows by run of rows. One token's product takes longer runs of small
// types, where a matrix has rows enough for that.
TEST(gateAndUpMayBeOfDifferentTypes) {
  static const uint32_t types[] = {GGML_Q1_0, GGML_Q2_0, GGML_TQ1_0, GGML_Q8_0};
  enum { TYPES = sizeof types / sizeof *types };
  TinyConfig config = config_of_type;
  config.blocks = 1;
  config.feed_forward = 4096;
  for (int pair = 0; pair < TYPES * TYPES; pair += check_stride(3)) {
    const uint32_t gate = types[pair / TYPES], up = types[pair % TYPES];
    TinyModel model = tiny_model(&config);
    tiny_tensor(&model, "blk.0.ffn_gate.weight")->type = gate;
    tiny_tensor(&model, "blk.0.ffn_up.weight")->type = up;
    char what[64];
    snprintf(what, sizeof what, "%s with %s", quant_format(gate)->name, quant_format(up)->name);
    compare_as(check, &config, &model, what, true, 2e-5);
  }
}

// Superblocks of the kind that has most rows of I2_S would leave half a one over.
TEST(rowsOfI2_sMayBeAnyOfItsBlocks) {
  const TinyConfig config = {
      .width = 384, .feed_forward = 640, .heads = 6, .kv_heads = 2, .vocabulary = 43, .type = GGML_I2_S};
  const TinyModel model = tiny_model(&config);
  compare_as(check, &config, &model, "I2_S", true, 2e-5);
  compare_as(check, &config, &model, "I2_S", false, 0.06);
}

// Norms, which are floats in the engine, may be of any type too.
TEST(normsMayBeOfEveryType) {
  TinyConfig config = config_of_type;
  config.feed_forward = 32;
  for (int i = 0; i < WEIGHT_TYPES; i++) {
    TinyModel model = tiny_model(&config);
    tiny_tensor(&model, "output_norm.weight")->type = weight_types[i].type;
    tiny_tensor(&model, "blk.1.ffn_norm.weight")->type = weight_types[i].type;
    compare_as(check, &config, &model, quant_format(weight_types[i].type)->name, true, 2e-5);
  }
}

// Writes an F16 number over a block's scale or minimum, or what it means over a float; 0xff over the scale of MXFP4.
// I2_S has its scale behind all blocks, and there it is written.
static void spoil(const WeightType *weight, uint8_t *block, bool minimum, uint16_t half) {
  const int at = minimum ? weight->minimum : weight->scale;
  if (at >= 0) memcpy(block + at, &half, 2);
  if (weight->type == GGML_MXFP4) block[0] = 0xff;
  const float number = f16_to_f32(half);
  if (weight->type == GGML_F32 || weight->type == GGML_I2_S) memcpy(block, &number, 4);
  if (weight->type == GGML_BF16) memcpy(block, (const uint8_t *)&number + 2, 2);
  for (int i = 0; weight->type == GGML_IQ1_M && i < 4; i++)
    block[49 + 2 * i] = (uint8_t)((block[49 + 2 * i] & 15) | (half >> (4 * i) & 15) << 4);
}

// Whether a number of this type may be one that tiles know no answer to.
static bool may_be_spoilt(const WeightType *weight) {
  return weight->type != GGML_NVFP4;  // whose NaN is 0
}

// What of a block holds the number: its one weight, or its scale.
static const char *spoilt_part(const WeightType *weight) {
  return quant_format(weight->type)->block_elements == 1 ? "weight" : "scale";
}

static bool loads(const TinyFile *tiny, size_t piece, NibbleError *error) {
  const NibbleOptions options = tiny_options();
  NibbleEngine *engine = nibble_engine_create(&tiny->gguf, &options, error);
  if (engine == NULL) abort();
  const bool loaded = tiny_load(engine, tiny, piece, error);
  // Whoever says that all is there anyway is told the same.
  const bool finished = nibble_engine_finish(engine, loaded ? NULL : error);
  nibble_engine_free(engine);
  return loaded || finished;
}

static bool packs(const TinyFile *tiny, NibbleError *error) {
  NibblePacker *packer = nibble_packer_create(&tiny->gguf, error);
  if (packer == NULL) abort();
  bool good = true;
  while (good && nibble_packer_position(packer) < nibble_packer_packed_bytes(packer)) {
    const size_t at = (size_t)nibble_packer_file_position(packer);
    nibble_packer_push(packer, tiny->file.bytes + at, tiny->file.size - at);
    good = nibble_packer_check(packer, error);
  }
  // What it finds elsewhere is no matter of what it found here.
  nibble_packer_seek(packer, nibble_packer_packed_bytes(packer));
  if (!nibble_packer_check(packer, NULL)) abort();
  nibble_packer_free(packer);
  return good;
}

// Every way to load or pack it tells of the same tensor.
static void refuse_by_all_ways(Check *check, const TinyFile *tiny, const char *words) {
  const size_t pieces[] = {777, SIZE_MAX / 2};
  for (int way = 0; way < 3; way++) {
    NibbleError error = {.code = NIBBLE_OK};
    CHECK(!(way == 2 ? packs(tiny, &error) : loads(tiny, pieces[way], &error)));
    CHECK_STR(nibble_error_name((int)error.code), "MODEL_BAD_TENSOR");
    if (!CHECK(strncmp(error.message, words, strlen(words)) == 0)) printf("  %s\n", error.message);
  }
}

static void refuse_numbers(Check *check, const WeightType *weight, TinyFile *tiny, bool minimum, uint16_t half) {
  const QuantFormat *format = quant_format(weight->type);
  const GgufTensor *tensor = gguf_find_tensor(&tiny->gguf, "blk.1.attn_k.weight");
  // In row 21 of 128, which is in the tile of rows 16 to 23; its last block. Or behind all blocks.
  const size_t row = (size_t)tensor->bytes / (size_t)tensor->size[1];
  const bool whole = quant_tensor_bytes(format) > 0;
  uint8_t *end = tiny->file.bytes + (size_t)tensor->offset + (whole ? (size_t)tensor->bytes : 22 * row);
  uint8_t *block = end - format->block_bytes, kept[512];
  memcpy(kept, block, (size_t)format->block_bytes);
  spoil(weight, block, minimum, half);
  char words[160];
  snprintf(words, sizeof words,
           "The tensor blk.1.attn_k.weight (%s) has a %s that is infinite or not a number, in rows %s of 128:",
           format->name, spoilt_part(weight), whole ? "0 to 127" : "16 to 23");
  refuse_by_all_ways(check, tiny, words);
  memcpy(block, kept, (size_t)format->block_bytes);
}

static const uint16_t halves[] = {0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xffff};

TEST(refusesScalesAndWeightsThatAreInfiniteOrNoNumbers) {
  int refused = 0;
  for (int i = 0; i < WEIGHT_TYPES; i++) {
    const WeightType *weight = &weight_types[i];
    if (!may_be_spoilt(weight)) continue;
    refused++;
    TinyConfig config = config_of_type;
    config.feed_forward = 256;  // loaded again and again: no more than its blocks ask for
    config.type = weight->type;
    const TinyModel model = tiny_model(&config);
    TinyFile tiny;
    tiny_open(&tiny, &model);
    for (size_t h = 0; h < sizeof halves / sizeof *halves; h += (size_t)check_stride(3))
      for (int minimum = 0; minimum <= (weight->minimum >= 0); minimum++)
        refuse_numbers(check, weight, &tiny, minimum, halves[h]);
    NibbleError error = {.code = NIBBLE_OK};
    CHECK(loads(&tiny, SIZE_MAX / 2, &error) && packs(&tiny, &error));
    tiny_close(&tiny);
  }
  CHECK_INT(refused, WEIGHT_TYPES - 1);
}

// A vector becomes floats, whatever its type; here the last of its numbers is spoilt.
TEST(refusesVectorsThatAreInfiniteOrNoNumbers) {
  static const char *const names[] = {"output_norm.weight", "blk.1.ffn_norm.weight", "blk.0.attn_norm.weight"};
  TinyConfig config = config_of_type;
  config.feed_forward = 32;
  for (int i = 0; i < WEIGHT_TYPES * 3; i += check_stride(2)) {
    const WeightType *weight = &weight_types[i / 3];
    if (!may_be_spoilt(weight)) continue;
    TinyModel model = tiny_model(&config);
    tiny_tensor(&model, names[i % 3])->type = weight->type;
    TinyFile tiny;
    tiny_open(&tiny, &model);
    const GgufTensor *tensor = gguf_find_tensor(&tiny.gguf, names[i % 3]);
    const QuantFormat *format = quant_format(weight->type);
    char words[160];
    snprintf(words, sizeof words, "The tensor %s (%s) has a %s that is infinite or not a number: no text", names[i % 3],
             format->name, spoilt_part(weight));
    for (size_t h = 0; h < sizeof halves / sizeof *halves; h += (size_t)check_stride(3)) {
      spoil(weight, tiny.file.bytes + tensor->offset + tensor->bytes - (size_t)format->block_bytes, false, halves[h]);
      refuse_by_all_ways(check, &tiny, words);
    }
    tiny_close(&tiny);
  }
}

// All finite scales that an F32 number can be are taken, those too that no F16 holds.
TEST(takesEveryFiniteScaleOfATensor) {
  static const uint32_t scales[] = {0, 0x80000000, 1, 0x00800000, 0x7f7fffff, 0xff7fffff};
  TinyConfig config = config_of_type;
  config.type = GGML_I2_S;
  const TinyModel model = tiny_model(&config);
  TinyFile tiny;
  tiny_open(&tiny, &model);
  const GgufTensor *tensor = gguf_find_tensor(&tiny.gguf, "blk.1.attn_k.weight");
  for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
    NibbleError error = {.code = NIBBLE_OK};
    memcpy(tiny.file.bytes + (size_t)tensor->offset + (size_t)tensor->bytes - 32, &scales[i], 4);
    CHECK(loads(&tiny, SIZE_MAX / 2, &error) && packs(&tiny, &error));
  }
  tiny_close(&tiny);
}

// What a matrix becomes is told of each tensor, and adds up to what the model takes.
TEST(tellsWhatEveryTypeBecomes) {
  for (int i = 0; i < WEIGHT_TYPES; i++) {
    TinyConfig config = config_of_type;
    config.type = weight_types[i].type;
    const TinyModel model = tiny_model(&config);
    NibbleError error = {.code = NIBBLE_OK};
    TinyFile tiny;
    Model plan;
    tiny_open(&tiny, &model);
    if (!CHECK(model_plan(&plan, &tiny.gguf, &error))) abort();
    uint64_t all = 0;
    for (size_t t = 0; t < tiny.gguf.tensor_count; t++) {
      const GgufTensor *tensor = &tiny.gguf.tensors[t];
      TileKind kind, expected;
      uint64_t bytes = 0;
      CHECK(model_packing(tensor, &kind, &bytes) && tile_kind_of(config.type, tensor->size[0], &expected));
      CHECK_INT((int)kind, (int)(tensor->dimensions == 1 ? TILE_F32 : expected));
      all += bytes;
    }
    CHECK_INT((long long)all, (long long)plan.packed_bytes);
    model_free(&plan);
    tiny_close(&tiny);
  }
}

int main(void) {
  Check check = {0};
  RUN(&check, everyTypeComputesTheFormulas);
  RUN(&check, gateAndUpMayBeOfDifferentTypes);
  RUN(&check, rowsOfI2_sMayBeAnyOfItsBlocks);
  RUN(&check, normsMayBeOfEveryType);
  RUN(&check, refusesScalesAndWeightsThatAreInfiniteOrNoNumbers);
  RUN(&check, refusesVectorsThatAreInfiniteOrNoNumbers);
  RUN(&check, takesEveryFiniteScaleOfATensor);
  RUN(&check, tellsWhatEveryTypeBecomes);
  return check_finish(&check);
}
