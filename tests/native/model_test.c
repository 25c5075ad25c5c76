// Which models the engine takes, and with which code it refuses the others: each test changes one thing about a tiny
// model that would run.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "engine.h"
#include "engine_fixture.h"
#include "tiny_model.h"

static const TinyConfig config = {.width = 64,
                                  .feed_forward = 96,
                                  .heads = 4,
                                  .kv_heads = 2,
                                  .vocabulary = 40,
                                  .type = GGML_Q4_0,
                                  .rope_factors = true};

// Checks that describing and creating both refuse the model with this code, in a sentence that holds these words.
static void refuse_model(Check *check, const TinyModel *model, const char *code, const char *words) {
  const NibbleOptions options = tiny_options();
  TinyFile tiny;
  tiny_open(&tiny, model);
  for (int i = 0; i < 2; i++) {
    NibbleError error = {.code = NIBBLE_OK};
    NibbleEngine *engine = NULL;
    if (i == 0)
      CHECK(!nibble_describe(&tiny.gguf, &options, NULL, NULL, &error));
    else
      CHECK((engine = nibble_engine_create(&tiny.gguf, &options, &error)) == NULL);
    const bool right = CHECK_STR(nibble_error_name((int)error.code), code);
    if (!right || !CHECK(strstr(error.message, words) != NULL))
      printf("  \"%s\", expected words: \"%s\"\n", error.message, words);
    nibble_engine_free(engine);
  }
  tiny_close(&tiny);
}

// The logits after a few tokens.
static void logits_of(Check *check, const TinyModel *model, float logits[64]) {
  const NibbleOptions options = tiny_options();
  Rig rig;
  rig_open(check, &rig, model, &options, SIZE_MAX / 2);
  append(check, rig.session, (int32_t[]){1, 5, 3, 8, 2}, 5);
  keep_logits(check, &rig, logits);
  rig_close(&rig);
}

static bool alike(Check *check, const TinyModel *a, const TinyModel *b) {
  float x[64], y[64];
  logits_of(check, a, x);
  logits_of(check, b, y);
  return memcmp(x, y, (size_t)config.vocabulary * sizeof *x) == 0;
}

TEST(refuses_models_with_a_tensor_missing) {
  const TinyModel whole = tiny_model(&config);
  for (int i = 0; i < whole.tensor_count; i++) {
    TinyModel model = whole;
    const char *name = whole.tensors[i].name;
    tiny_drop_tensor(&model, name);
    // These two are left out on purpose by some models.
    if (strcmp(name, "output.weight") == 0 || strcmp(name, "rope_freqs.weight") == 0)
      CHECK(!alike(check, &model, &whole));
    else
      refuse_model(check, &model, "MODEL_BAD_TENSOR", name);
  }
}

TEST(refuses_tensors_of_the_wrong_shape) {
  const TinyModel whole = tiny_model(&config);
  for (int i = 0; i < whole.tensor_count; i++) {
    const char *name = whole.tensors[i].name;
    TinyModel model = whole;
    model.tensors[i].size[0] += 32;
    refuse_model(check, &model, "MODEL_BAD_TENSOR", name);
    model = whole;
    if (model.tensors[i].dimensions == 1) {
      model.tensors[i].dimensions = 2;
      model.tensors[i].size[1] = 1;
      refuse_model(check, &model, "MODEL_BAD_TENSOR", name);
      continue;
    }
    model.tensors[i].size[1]++;
    // A longer embedding is a larger vocabulary, which the output then lacks.
    refuse_model(check, &model, "MODEL_BAD_TENSOR", strcmp(name, "token_embd.weight") == 0 ? "output.weight" : name);
    model = whole;
    model.tensors[i].dimensions = 1;
    refuse_model(check, &model, "MODEL_BAD_TENSOR", name);
    model = whole;
    model.tensors[i].dimensions = 3;
    model.tensors[i].size[2] = 1;
    refuse_model(check, &model, "MODEL_BAD_TENSOR", name);
  }
}

TEST(refuses_tensors_of_types_that_hold_no_weights) {
  enum { GGML_Q8_1 = 9, GGML_I32 = 26, GGML_F64 = 28 };
  const TinyModel whole = tiny_model(&config);
  for (int i = 0; i < whole.tensor_count; i++) {
    const char *name = whole.tensors[i].name;
    const uint32_t types[] = {GGML_F64, GGML_I32, GGML_Q8_1};
    for (int t = 0; t < 3; t++) {
      TinyModel model = whole;
      if (model.tensors[i].size[0] % (uint64_t)quant_format(types[t])->block_elements != 0) continue;
      model.tensors[i].type = types[t];
      refuse_model(check, &model, "MODEL_UNSUPPORTED", name);
      refuse_model(check, &model, "MODEL_UNSUPPORTED", quant_format(types[t])->name);
    }
  }
}

TEST(takes_norms_of_every_float_type) {
  const uint32_t types[] = {GGML_F16, GGML_BF16};
  for (int t = 0; t < 2; t++) {
    TinyModel model = tiny_model(&config);
    tiny_tensor(&model, "blk.1.ffn_norm.weight")->type = types[t];
    tiny_tensor(&model, "output_norm.weight")->type = types[t];
    float logits[64];
    logits_of(check, &model, logits);
    for (int i = 0; i < config.vocabulary; i++)
      CHECK(isfinite(logits[i]));
  }
}

TEST(refuses_tensors_that_nothing_would_use) {
  TinyModel model = tiny_model(&config);
  tiny_add(&model, "blk.0.attn_q_norm.weight", 16, 0, GGML_F32);
  refuse_model(check, &model, "MODEL_UNSUPPORTED", "blk.0.attn_q_norm.weight");
  model = tiny_model(&config);
  tiny_add(&model, "output.bias", 40, 0, GGML_F32);
  refuse_model(check, &model, "MODEL_UNSUPPORTED", "output.bias");
  model = tiny_model(&config);
  tiny_add(&model, "blk.2.attn_norm.weight", 64, 0, GGML_F32);
  refuse_model(check, &model, "MODEL_UNSUPPORTED", "blk.2.attn_norm.weight");
  model = tiny_model(&config);
  tiny_add(&model, "a", 1, 0, GGML_F32);
  refuse_model(check, &model, "MODEL_UNSUPPORTED", "tensor \"a\"");
}

TEST(refuses_models_that_lack_a_key) {
  const char *const keys[] = {"general.architecture",
                              "llama.block_count",
                              "llama.embedding_length",
                              "llama.feed_forward_length",
                              "llama.context_length",
                              "llama.attention.head_count",
                              "llama.attention.layer_norm_rms_epsilon"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    TinyModel model = tiny_model(&config);
    tiny_drop_pair(&model, keys[i]);
    refuse_model(check, &model, "MODEL_BAD_KEY", keys[i]);
    tiny_set_array(&model, keys[i], 1, (uint32_t[]){4});
    if (strstr(keys[i], "feed_forward") == NULL && strstr(keys[i], "head_count") == NULL)
      refuse_model(check, &model, "MODEL_BAD_KEY", keys[i]);
    if (i == 0) continue;
    tiny_set_string(&model, keys[i], "4");
    refuse_model(check, &model, "MODEL_BAD_KEY", keys[i]);
  }
}

TEST(refuses_numbers_out_of_range) {
  const struct {
    const char *key;
    uint32_t value;
  } cases[] = {{"llama.block_count", 0},
               {"llama.block_count", 5000},
               {"llama.block_count", UINT32_MAX},
               {"llama.embedding_length", 0},
               {"llama.embedding_length", MOST_COLUMNS + 1},
               {"llama.feed_forward_length", 0},
               {"llama.feed_forward_length", MOST_COLUMNS + 1},
               {"llama.feed_forward_length", UINT32_MAX},
               {"llama.context_length", 0},
               {"llama.context_length", UINT32_MAX},
               {"llama.attention.head_count", 0},
               {"llama.attention.head_count", UINT32_MAX},
               {"llama.attention.head_count_kv", 0},
               {"llama.attention.head_count_kv", 3},
               {"llama.attention.head_count_kv", 8},
               {"llama.attention.head_count", 5},
               {"llama.attention.key_length", 0},
               {"llama.attention.key_length", 5000},
               {"llama.attention.sliding_window", UINT32_MAX},
               {"llama.rope.dimension_count", 0},
               {"llama.rope.dimension_count", 7},
               {"llama.rope.dimension_count", 18},
               {"llama.expert_count", UINT32_MAX},
               {"nibble.block_repeat", 0},
               {"nibble.block_repeat", 65}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    TinyModel model = tiny_model(&config);
    tiny_set_u32(&model, cases[i].key, cases[i].value);
    refuse_model(check, &model, "MODEL_BAD_KEY", "");
  }
  const struct {
    const char *key;
    float value;
  } floats[] = {{"llama.attention.layer_norm_rms_epsilon", 0},
                {"llama.attention.layer_norm_rms_epsilon", NAN},
                {"llama.attention.layer_norm_rms_epsilon", -1},
                {"llama.attention.layer_norm_rms_epsilon", 2},
                {"llama.rope.freq_base", 0},
                {"llama.rope.freq_base", INFINITY},
                {"llama.rope.scaling.factor", 0},
                {"llama.rope.scaling.factor", NAN},
                {"llama.rope.scaling.original_context_length", 0}};
  for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
    TinyModel model = tiny_model(&config);
    tiny_set_f32(&model, floats[i].key, floats[i].value);
    refuse_model(check, &model, "MODEL_BAD_KEY", floats[i].key);
  }
}

TEST(refuses_more_blocks_than_there_are_tensors) {
  TinyModel model = tiny_model(&config);
  tiny_set_u32(&model, "llama.block_count", 3);
  refuse_model(check, &model, "MODEL_BAD_TENSOR", "blk.2.");
  tiny_set_u32(&model, "llama.block_count", 4096);
  refuse_model(check, &model, "MODEL_BAD_TENSOR", "4096");
  tiny_set_u32(&model, "llama.block_count", 1);
  refuse_model(check, &model, "MODEL_UNSUPPORTED", "blk.1.");
}

TEST(takes_rows_as_long_as_kernels_do) {
  TinyModel model = tiny_model(&config);
  tiny_set_u32(&model, "llama.feed_forward_length", MOST_COLUMNS);
  refuse_model(check, &model, "MODEL_BAD_TENSOR", "131072");  // for its tensors' sizes alone
}

TEST(refuses_heads_whose_sizes_overflow) {
  TinyModel model = tiny_model(&config);
  tiny_set_u32(&model, "llama.attention.head_count", 1 << 17);
  tiny_set_u32(&model, "llama.attention.head_count_kv", 1 << 17);
  tiny_set_u32(&model, "llama.attention.key_length", 4096);
  tiny_set_u32(&model, "llama.attention.value_length", 4096);
  refuse_model(check, &model, "MODEL_BAD_KEY", "131072");
}

// A file may leave numbers to be derived from others: they pass the checks that given ones pass.
TEST(refuses_derived_numbers_as_it_refuses_given_ones) {
  TinyModel model = tiny_model(&config);
  tiny_set_u32(&model, "llama.embedding_length", 4097);
  tiny_set_u32(&model, "llama.attention.head_count", 1);
  tiny_set_u32(&model, "llama.attention.head_count_kv", 1);
  refuse_model(check, &model, "MODEL_BAD_KEY", "llama.attention.key_length is missing");
  refuse_model(check, &model, "MODEL_BAD_KEY", "is 4097; a number from 1 to 4096");
  tiny_set_u32(&model, "llama.embedding_length", 4096);
  refuse_model(check, &model, "MODEL_BAD_TENSOR", "call for 4096");
  model = tiny_model(&config);
  tiny_set_u32(&model, "llama.attention.head_count", 64);
  refuse_model(check, &model, "MODEL_BAD_KEY", "llama.rope.dimension_count is missing");
  model = tiny_model(&config);
  tiny_set_u32(&model, "llama.embedding_length", 60);
  refuse_model(check, &model, "MODEL_BAD_KEY", "rotates 15 of a head's dimensions");
}

// As floats, in which they are computed with: what a double tells apart from its bound may be the bound.
TEST(refuses_numbers_that_are_out_of_range_once_they_are_floats) {
  const char *const keys[] = {"llama.attention.layer_norm_rms_epsilon", "llama.rope.freq_base",
                              "llama.rope.scale_linear", "llama.rope.scaling.factor",
                              "llama.rope.scaling.original_context_length"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    TinyModel model = tiny_model(&config);
    tiny_set_f64(&model, keys[i], 1e-60);
    refuse_model(check, &model, "MODEL_BAD_KEY", keys[i]);
    refuse_model(check, &model, "MODEL_BAD_KEY", "is 1e-60");
  }
  TinyModel model = tiny_model(&config), wide = model;
  tiny_set_f32(&model, "llama.rope.freq_base", 500);
  tiny_set_f64(&wide, "llama.rope.freq_base", 500);
  CHECK(alike(check, &wide, &model));
}

TEST(refuses_vocabularies_whose_logits_overflow) {
  TinyModel model = tiny_model(&config);
  TinyFile tiny;
  tiny_open(&tiny, &model);
  for (size_t i = 0; i < tiny.gguf.tensor_count; i++)
    if (gguf_string_is(tiny.gguf.tensors[i].name, "token_embd.weight")) tiny.gguf.tensors[i].size[1] = 1u << 30;
  const NibbleOptions options = tiny_options();
  NibbleError error = {.code = NIBBLE_OK};
  CHECK(!nibble_describe(&tiny.gguf, &options, NULL, NULL, &error));
  CHECK_STR(nibble_error_name((int)error.code), "MODEL_BAD_TENSOR");
  CHECK(strstr(error.message, "1073741824") != NULL);
  tiny_close(&tiny);
}

TEST(refuses_values_of_a_size_that_the_tensors_do_not_have) {
  TinyModel model = tiny_model(&config);
  tiny_set_u32(&model, "llama.attention.value_length", 8);
  refuse_model(check, &model, "MODEL_BAD_TENSOR", "attn_v");
}

TEST(refuses_a_tokenizer_of_another_size) {
  TinyModel model = tiny_model(&config);
  tiny_set_array(&model, "tokenizer.ggml.tokens", 0, NULL);
  TinyPair *tokens = tiny_pair(&model, "tokenizer.ggml.tokens");
  tokens->element = GGUF_STRING;
  tokens->count = 40;
  const TinyModel plain = tiny_model(&config);
  CHECK(alike(check, &model, &plain));
  tokens->count = 39;
  refuse_model(check, &model, "MODEL_BAD_KEY", "39");
  tokens->count = 41;
  refuse_model(check, &model, "MODEL_BAD_KEY", "41");
  tokens->element = GGUF_U32;
  tokens->count = 8;
  refuse_model(check, &model, "MODEL_BAD_KEY", "tokenizer.ggml.tokens");
  tiny_set_string(&model, "tokenizer.ggml.tokens", "a b c");
  refuse_model(check, &model, "MODEL_BAD_KEY", "tokenizer.ggml.tokens");
}

TEST(refuses_families_and_features_it_does_not_run) {
  TinyModel model = tiny_model(&config);
  tiny_set_string(&model, "general.architecture", "mamba");
  refuse_model(check, &model, "MODEL_UNSUPPORTED", "mamba");
  tiny_set_string(&model, "general.architecture", "llam");
  refuse_model(check, &model, "MODEL_UNSUPPORTED", "llama");
  tiny_set_string(&model, "general.architecture", "");
  refuse_model(check, &model, "MODEL_UNSUPPORTED", "llama");
  model = tiny_model(&config);
  tiny_set_u32(&model, "llama.expert_count", 8);
  refuse_model(check, &model, "MODEL_UNSUPPORTED", "8 experts");
  tiny_set_u32(&model, "llama.expert_count", 0);
  const TinyModel plain = tiny_model(&config);
  CHECK(alike(check, &model, &plain));
  tiny_set_u32(&model, "split.count", 3);
  refuse_model(check, &model, "MODEL_UNSUPPORTED", "3 parts");
  const char *const scalings[] = {"dynamic", "llama3", "su", "", "Linear"};
  for (size_t i = 0; i < sizeof scalings / sizeof *scalings; i++) {
    model = tiny_model(&config);
    tiny_set_string(&model, "llama.rope.scaling.type", scalings[i]);
    refuse_model(check, &model, "MODEL_UNSUPPORTED", "rope.scaling.type");
  }
  tiny_set_u32(&model, "llama.rope.scaling.type", 1);
  refuse_model(check, &model, "MODEL_BAD_KEY", "rope.scaling.type");
}

TEST(refuses_long_positions_without_their_divisors) {
  TinyModel model = tiny_model(&config);
  tiny_set_string(&model, "llama.rope.scaling.type", "longrope");
  refuse_model(check, &model, "MODEL_BAD_TENSOR", "rope_factors_long.weight");
  tiny_add(&model, "rope_factors_long.weight", 8, 0, GGML_F32);
  refuse_model(check, &model, "MODEL_BAD_TENSOR", "rope_factors_short.weight");
  model = tiny_model(&config);
  tiny_add(&model, "rope_factors_short.weight", 8, 0, GGML_F32);
  refuse_model(check, &model, "MODEL_BAD_TENSOR", "rope_factors_long.weight");
  tiny_add(&model, "rope_factors_long.weight", 7, 0, GGML_F32);
  refuse_model(check, &model, "MODEL_BAD_TENSOR", "rope_factors_long.weight");
}

TEST(gives_a_window_to_the_layers_that_the_file_says) {
  const char *const pattern = "llama.attention.sliding_window_pattern";
  TinyConfig windowed = config;
  windowed.sliding_window = 2;
  const TinyModel all = tiny_model(&windowed), none = tiny_model(&config);
  CHECK(!alike(check, &all, &none));
  TinyModel model = all, other = all;
  tiny_set_bools(&model, pattern, 2, (uint32_t[]){1, 1});
  CHECK(alike(check, &model, &all));
  tiny_set_bools(&model, pattern, 2, (uint32_t[]){0, 0});
  CHECK(alike(check, &model, &none));
  tiny_set_u32(&other, pattern, 1);
  CHECK(alike(check, &other, &none));
  tiny_set_bools(&model, pattern, 2, (uint32_t[]){1, 0});
  tiny_set_u32(&other, pattern, 2);
  CHECK(alike(check, &model, &other) && !alike(check, &model, &all) && !alike(check, &model, &none));
  tiny_set_bools(&other, pattern, 2, (uint32_t[]){0, 1});
  CHECK(!alike(check, &model, &other));
  tiny_set_bools(&model, pattern, 3, (uint32_t[]){1, 0, 1});
  refuse_model(check, &model, "MODEL_BAD_KEY", "3 entries");
  tiny_set_array(&model, pattern, 2, (uint32_t[]){1, 0});
  refuse_model(check, &model, "MODEL_BAD_KEY", "true or false");
  tiny_set_string(&model, pattern, "1");
  refuse_model(check, &model, "MODEL_BAD_KEY", pattern);
}

TEST(stretches_positions_only_where_the_model_says_so) {
  const TinyModel plain = tiny_model(&config);
  TinyModel model = plain, other;
  tiny_set_string(&model, "llama.rope.scaling.type", "none");
  tiny_set_f32(&model, "llama.rope.scaling.factor", 4);
  CHECK(alike(check, &model, &plain));
  tiny_set_string(&model, "llama.rope.scaling.type", "linear");
  CHECK(!alike(check, &model, &plain));
  other = plain;  // the old spelling of the same
  tiny_set_f32(&other, "llama.rope.scale_linear", 4);
  CHECK(alike(check, &model, &other));
  tiny_set_f32(&model, "llama.rope.scaling.factor", 1);
  CHECK(alike(check, &model, &plain));
  tiny_set_string(&model, "llama.rope.scaling.type", "yarn");
  CHECK(alike(check, &model, &plain));  // YaRN by a factor of 1 changes nothing
  tiny_set_f32(&model, "llama.rope.scaling.factor", 4);
  CHECK(!alike(check, &model, &plain) && !alike(check, &model, &other));
}

TEST(refuses_position_factors_that_are_no_divisors) {
  const float factors[] = {0, NAN};
  for (int i = 0; i < 2; i++) {
    const TinyModel model = tiny_model(&config);
    const NibbleOptions options = tiny_options();
    TinyFile tiny;
    tiny_open(&tiny, &model);
    const GgufTensor *tensor = gguf_find_tensor(&tiny.gguf, "rope_freqs.weight");
    memcpy(tiny.file.bytes + tensor->offset + 8, &factors[i], sizeof *factors);
    NibbleEngine *engine = nibble_engine_create(&tiny.gguf, &options, NULL);
    if (!CHECK(engine != NULL)) return;
    NibbleError error = {.code = NIBBLE_OK};
    CHECK(!tiny_load(engine, &tiny, 1000, &error));
    CHECK_STR(nibble_error_name((int)error.code), "MODEL_BAD_TENSOR");
    CHECK(strstr(error.message, "entry 2") != NULL);
    NibbleSession *session = nibble_session_create(engine, NULL);
    const int32_t token = 1;
    CHECK(session != NULL && !nibble_session_evaluate(session, &token, 1, NULL, NULL, &error));
    CHECK_STR(nibble_error_name((int)error.code), "MODEL_INCOMPLETE");
    CHECK(nibble_pass_begin(session, &token, 1, NULL, NULL, &error) == NULL);
    CHECK_STR(nibble_error_name((int)error.code), "MODEL_BAD_TENSOR");
    nibble_session_free(session);
    nibble_engine_free(engine);
    tiny_close(&tiny);
  }
}

// What turns an angle is one divided by them.
TEST(takes_infinite_position_factors) {
  const TinyModel model = tiny_model(&config);
  const NibbleOptions options = tiny_options();
  const float factor = INFINITY;
  TinyFile tiny;
  tiny_open(&tiny, &model);
  memcpy(tiny.file.bytes + gguf_find_tensor(&tiny.gguf, "rope_freqs.weight")->offset + 8, &factor, sizeof factor);
  NibbleEngine *engine = nibble_engine_create(&tiny.gguf, &options, NULL);
  if (!CHECK(engine != NULL)) return;
  NibbleError error = {.code = NIBBLE_OK};
  if (!CHECK(tiny_load(engine, &tiny, 1000, &error))) printf("  %s\n", error.message);
  nibble_engine_free(engine);
  tiny_close(&tiny);
}

TEST(takes_numbers_per_block_that_the_tensors_bear_out) {
  const char *const keys[] = {"llama.attention.head_count", "llama.attention.head_count_kv",
                              "llama.feed_forward_length"};
  const uint32_t values[] = {4, 2, 96};
  const TinyModel plain = tiny_model(&config);
  for (int i = 0; i < 3; i++) {
    TinyModel model = plain;
    tiny_set_array(&model, keys[i], 2, (uint32_t[]){values[i], values[i]});
    CHECK(alike(check, &model, &plain));
    tiny_set_array(&model, keys[i], 2, (uint32_t[]){values[i], values[i] * 2});
    refuse_model(check, &model, "MODEL_BAD_TENSOR", "blk.1.");
    tiny_set_array(&model, keys[i], 2, (uint32_t[]){values[i], 0});
    refuse_model(check, &model, "MODEL_BAD_KEY", keys[i]);
    tiny_set_array(&model, keys[i], 1, (uint32_t[]){values[i]});
    refuse_model(check, &model, "MODEL_BAD_KEY", keys[i]);
    tiny_set_array(&model, keys[i], 3, (uint32_t[]){values[i], values[i], values[i]});
    refuse_model(check, &model, "MODEL_BAD_KEY", keys[i]);
    tiny_set_array(&model, keys[i], 0, NULL);
    refuse_model(check, &model, "MODEL_BAD_KEY", keys[i]);
  }
}

TEST(assumes_as_many_kv_heads_as_heads) {
  TinyConfig all_heads = config;
  all_heads.kv_heads = 4;
  const TinyModel plain = tiny_model(&all_heads);
  TinyModel model = plain;
  tiny_drop_pair(&model, "llama.attention.head_count_kv");
  CHECK(alike(check, &model, &plain));
}

int main(void) {
  Check check = {0};
  RUN(&check, refuses_models_with_a_tensor_missing);
  RUN(&check, refuses_tensors_of_the_wrong_shape);
  RUN(&check, refuses_tensors_of_types_that_hold_no_weights);
  RUN(&check, takes_norms_of_every_float_type);
  RUN(&check, refuses_tensors_that_nothing_would_use);
  RUN(&check, refuses_models_that_lack_a_key);
  RUN(&check, refuses_numbers_out_of_range);
  RUN(&check, refuses_more_blocks_than_there_are_tensors);
  RUN(&check, takes_rows_as_long_as_kernels_do);
  RUN(&check, refuses_heads_whose_sizes_overflow);
  RUN(&check, refuses_derived_numbers_as_it_refuses_given_ones);
  RUN(&check, refuses_numbers_that_are_out_of_range_once_they_are_floats);
  RUN(&check, refuses_vocabularies_whose_logits_overflow);
  RUN(&check, refuses_values_of_a_size_that_the_tensors_do_not_have);
  RUN(&check, refuses_a_tokenizer_of_another_size);
  RUN(&check, refuses_families_and_features_it_does_not_run);
  RUN(&check, refuses_long_positions_without_their_divisors);
  RUN(&check, gives_a_window_to_the_layers_that_the_file_says);
  RUN(&check, stretches_positions_only_where_the_model_says_so);
  RUN(&check, refuses_position_factors_that_are_no_divisors);
  RUN(&check, takes_infinite_position_factors);
  RUN(&check, takes_numbers_per_block_that_the_tensors_bear_out);
  RUN(&check, assumes_as_many_kv_heads_as_heads);
  return check_finish(&check);
}
