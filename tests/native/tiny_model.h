// Complete small llama models in memory. tiny_model() writes the description of one; a test may then change, drop or
// add pairs and tensors, and tiny_build() turns it into the bytes of a GGUF file. A tensor's weights depend on its
// name, type and size only, so changes elsewhere leave them as they were.
#ifndef NIBBLE_TINY_MODEL_H
#define NIBBLE_TINY_MODEL_H

#include <math.h>
#include <stdio.h>

#include "gguf_builder.h"
#include "tiles.h"
#include "weight_types.h"

enum { TINY_PAIRS = 40, TINY_TENSORS = 64, TINY_ALIGNMENT = 32 };

typedef struct {
  char key[64];
  uint32_t type;     // GGUF_U32, GGUF_F32, GGUF_F64, GGUF_STRING, or GGUF_ARRAY: of `count` numbers, bools or strings
  uint32_t element;  // of an array
  uint64_t count;    // of an array
  uint32_t numbers[8];
  double number;
  char text[32];
} TinyPair;

typedef struct {
  char name[64];
  uint32_t dimensions;
  uint64_t size[4];
  uint32_t type;
  bool zeros;
} TinyTensor;

typedef struct {
  TinyPair pairs[TINY_PAIRS];
  int pair_count;
  TinyTensor tensors[TINY_TENSORS];
  int tensor_count;
} TinyModel;

// Zeros mean what the comments say.
typedef struct {
  int width, feed_forward, heads, kv_heads, vocabulary;
  int blocks;           // 0: 2
  int head_size;        // 0: width / heads, and no key says so
  int context;          // 0: 512
  int rope_dimensions;  // 0: all
  int sliding_window, block_repeat;
  bool tied, rope_factors;
  uint32_t type;  // of every matrix that has none of its own below
  bool mixed;     // q, k, v, o, gate, up, down and the outer matrices: each of another type
} TinyConfig;

static inline TinyPair *tiny_pair(TinyModel *model, const char *key) {
  for (int i = 0; i < model->pair_count; i++)
    if (strcmp(model->pairs[i].key, key) == 0) return &model->pairs[i];
  if (model->pair_count == TINY_PAIRS) abort();
  TinyPair *pair = &model->pairs[model->pair_count++];
  memset(pair, 0, sizeof *pair);
  snprintf(pair->key, sizeof pair->key, "%s", key);
  return pair;
}

static inline void tiny_set_u32(TinyModel *model, const char *key, uint32_t value) {
  TinyPair *pair = tiny_pair(model, key);
  pair->type = GGUF_U32;
  pair->numbers[0] = value;
}

static inline void tiny_set_f32(TinyModel *model, const char *key, float value) {
  TinyPair *pair = tiny_pair(model, key);
  pair->type = GGUF_F32;
  pair->number = value;
}

static inline void tiny_set_f64(TinyModel *model, const char *key, double value) {
  TinyPair *pair = tiny_pair(model, key);
  pair->type = GGUF_F64;
  pair->number = value;
}

static inline void tiny_set_string(TinyModel *model, const char *key, const char *value) {
  TinyPair *pair = tiny_pair(model, key);
  pair->type = GGUF_STRING;
  snprintf(pair->text, sizeof pair->text, "%s", value);
}

// An array of up to 8 numbers.
static inline void tiny_set_array(TinyModel *model, const char *key, uint64_t count, const uint32_t *numbers) {
  TinyPair *pair = tiny_pair(model, key);
  pair->type = GGUF_ARRAY;
  pair->element = GGUF_U32;
  pair->count = count;
  if (count > 0) memcpy(pair->numbers, numbers, count * sizeof *numbers);
}

// An array of up to 8 of type bool.
static inline void tiny_set_bools(TinyModel *model, const char *key, uint64_t count, const uint32_t *values) {
  tiny_set_array(model, key, count, values);
  tiny_pair(model, key)->element = GGUF_BOOL;
}

static inline void tiny_drop_pair(TinyModel *model, const char *key) {
  TinyPair *pair = tiny_pair(model, key);
  *pair = model->pairs[--model->pair_count];
}

static inline TinyTensor *tiny_add(TinyModel *model, const char *name, int columns, int rows, uint32_t type) {
  if (model->tensor_count == TINY_TENSORS) abort();
  TinyTensor *tensor = &model->tensors[model->tensor_count++];
  *tensor = (TinyTensor){.dimensions = rows > 0 ? 2 : 1, .size = {(uint64_t)columns, (uint64_t)rows}, .type = type};
  snprintf(tensor->name, sizeof tensor->name, "%s", name);
  return tensor;
}

static inline TinyTensor *tiny_tensor(TinyModel *model, const char *name) {
  for (int i = 0; i < model->tensor_count; i++)
    if (strcmp(model->tensors[i].name, name) == 0) return &model->tensors[i];
  abort();
}

static inline void tiny_drop_tensor(TinyModel *model, const char *name) {
  TinyTensor *tensor = tiny_tensor(model, name);
  *tensor = model->tensors[--model->tensor_count];
}

static inline void tiny_add_block(TinyModel *model, const TinyConfig *config, int head_size, int index) {
  const int query = config->heads * head_size, key = config->kv_heads * head_size;
  const struct {
    const char *name;
    int columns, rows;
    uint32_t mixed_type;
  } parts[] = {{"attn_norm", config->width, 0, GGML_F32},
               {"attn_q", config->width, query, GGML_Q4_0},
               {"attn_k", config->width, key, GGML_Q8_0},
               {"attn_v", config->width, key, GGML_F16},
               {"attn_output", query, config->width, index % 2 == 0 ? GGML_Q4_1 : GGML_BF16},
               {"ffn_norm", config->width, 0, GGML_F32},
               {"ffn_gate", config->width, config->feed_forward, GGML_F32},
               {"ffn_up", config->width, config->feed_forward, GGML_Q4_0},
               {"ffn_down", config->feed_forward, config->width, index % 2 == 0 ? GGML_Q8_0 : GGML_Q4_0}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    char name[64];
    snprintf(name, sizeof name, "blk.%d.%s.weight", index, parts[i].name);
    const uint32_t matrix_type = config->mixed ? parts[i].mixed_type : config->type;
    tiny_add(model, name, parts[i].columns, parts[i].rows, parts[i].rows > 0 ? matrix_type : GGML_F32);
  }
}

static inline TinyModel tiny_model(const TinyConfig *config) {
  TinyModel model = {.pair_count = 0};
  const int blocks = config->blocks > 0 ? config->blocks : 2;
  const int head_size = config->head_size > 0 ? config->head_size : config->width / config->heads;
  tiny_set_string(&model, "general.architecture", "llama");
  tiny_set_u32(&model, "llama.block_count", (uint32_t)blocks);
  tiny_set_u32(&model, "llama.embedding_length", (uint32_t)config->width);
  tiny_set_u32(&model, "llama.feed_forward_length", (uint32_t)config->feed_forward);
  tiny_set_u32(&model, "llama.context_length", config->context > 0 ? (uint32_t)config->context : 512);
  tiny_set_u32(&model, "llama.attention.head_count", (uint32_t)config->heads);
  tiny_set_u32(&model, "llama.attention.head_count_kv", (uint32_t)config->kv_heads);
  tiny_set_f32(&model, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
  if (config->head_size > 0) {
    tiny_set_u32(&model, "llama.attention.key_length", (uint32_t)head_size);
    tiny_set_u32(&model, "llama.attention.value_length", (uint32_t)head_size);
  }
  if (config->rope_dimensions > 0)
    tiny_set_u32(&model, "llama.rope.dimension_count", (uint32_t)config->rope_dimensions);
  if (config->sliding_window > 0)
    tiny_set_u32(&model, "llama.attention.sliding_window", (uint32_t)config->sliding_window);
  if (config->block_repeat > 0) tiny_set_u32(&model, "nibble.block_repeat", (uint32_t)config->block_repeat);
  // Not the order in which the engine keeps them.
  if (!config->tied)
    tiny_add(&model, "output.weight", config->width, config->vocabulary, config->mixed ? GGML_Q4_1 : config->type);
  for (int i = blocks - 1; i >= 0; i--)
    tiny_add_block(&model, config, head_size, i);
  tiny_add(&model, "output_norm.weight", config->width, 0, GGML_F32);
  if (config->rope_factors) {
    const int dimensions = config->rope_dimensions > 0 ? config->rope_dimensions : head_size;
    tiny_add(&model, "rope_freqs.weight", dimensions / 2, 0, GGML_F32);
  }
  tiny_add(&model, "token_embd.weight", config->width, config->vocabulary, config->mixed ? GGML_Q8_0 : config->type);
  return model;
}

static inline uint32_t tiny_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

// In [-1, 1).
static inline float tiny_random_float(uint64_t *state) { return (float)tiny_random(state) * 0x1p-30f - 1; }

static inline uint64_t tiny_elements(const TinyTensor *tensor) {
  uint64_t elements = 1;
  for (uint32_t i = 0; i < tensor->dimensions; i++)
    elements *= tensor->size[i];
  return elements;
}

static inline uint64_t tiny_bytes(const TinyTensor *tensor) {
  const QuantFormat *format = quant_format(tensor->type);
  return tiny_elements(tensor) / (uint64_t)format->block_elements * (uint64_t)format->block_bytes +
         (uint64_t)quant_tensor_bytes(format);
}

static inline void put_f32(Builder *file, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_u32(file, bits);
}

static inline void put_f64(Builder *file, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_integer(file, bits, sizeof bits);
}

// One block of weights of about `size`; zeros of a type that holds no weights.
static inline void put_weights(Builder *file, uint32_t type, float size, uint64_t *state) {
  const QuantFormat *format = quant_format(type);
  TileKind kind;
  uint8_t block[512];
  const float number = tiny_random_float(state);
  if (!tile_kind_of(type, TILE_SUPERBLOCK, &kind)) {
    put_zeros(file, (size_t)format->block_bytes);
    return;
  }
  for (int i = 0; i < format->block_bytes && format->block_elements > 1; i++)
    block[i] = (uint8_t)(tiny_random(state) & 255);
  set_scales(weight_type(type), block, size, number);
  put_bytes(file, block, (size_t)format->block_bytes);
}

static inline void put_tensor_data(Builder *file, const TinyTensor *tensor) {
  const QuantFormat *format = quant_format(tensor->type);
  uint64_t state = tensor->type;
  for (const char *c = tensor->name; *c != 0; c++)
    state = state * 31 + (uint64_t)*c;
  const float size = strstr(tensor->name, "embd") != NULL ? 1 : 2 / sqrtf((float)tensor->size[0]);
  const uint64_t blocks = tiny_elements(tensor) / (uint64_t)format->block_elements;
  for (uint64_t i = 0; i < blocks; i++) {
    if (tensor->zeros)
      put_zeros(file, (size_t)format->block_bytes);
    else if (strstr(tensor->name, "norm") != NULL && tensor->type == GGML_F32)
      put_f32(file, 1 + 0.3f * tiny_random_float(&state));
    else if (strcmp(tensor->name, "rope_freqs.weight") == 0 && tensor->type == GGML_F32)
      put_f32(file, 2.5f + 1.5f * tiny_random_float(&state));
    else
      put_weights(file, tensor->type, size, &state);
  }
  uint8_t behind[64];
  set_tensor_scale(tensor->type, behind, size * (0.75f + 0.25f * tiny_random_float(&state)));
  put_bytes(file, behind, (size_t)quant_tensor_bytes(format));
}

static inline void put_tiny_pair(Builder *file, const TinyPair *pair) {
  if (pair->type == GGUF_STRING) {
    put_pair_string(file, pair->key, pair->text);
  } else if (pair->type == GGUF_F32) {
    put_key(file, pair->key, GGUF_F32);
    put_f32(file, (float)pair->number);
  } else if (pair->type == GGUF_F64) {
    put_key(file, pair->key, GGUF_F64);
    put_f64(file, pair->number);
  } else if (pair->type != GGUF_ARRAY) {
    put_key(file, pair->key, pair->type);
    put_u32(file, pair->numbers[0]);
  } else {
    put_array(file, pair->key, pair->element, pair->count);
    for (uint64_t i = 0; i < pair->count; i++) {
      if (pair->element == GGUF_STRING)
        put_string(file, "x", 1);
      else if (pair->element == GGUF_BOOL)
        put_integer(file, pair->numbers[i], 1);
      else
        put_u32(file, pair->numbers[i]);
    }
  }
}

// Makes a llama model one of another family: its keys are named after that. Tensors stay.
static inline void tiny_set_family(TinyModel *model, const char *name) {
  tiny_set_string(model, "general.architecture", name);
  for (int i = 0; i < model->pair_count; i++) {
    char *key = model->pairs[i].key, rest[64];
    if (strncmp(key, "llama.", 6) != 0) continue;
    snprintf(rest, sizeof rest, "%s", key + 6);
    snprintf(key, sizeof model->pairs[i].key, "%.20s.%.40s", name, rest);
  }
}

// The bytes of the file, to be freed by the caller.
static inline Builder tiny_build(const TinyModel *model) {
  Builder file = begin_file(3, (uint64_t)model->tensor_count, (uint64_t)model->pair_count);
  for (int i = 0; i < model->pair_count; i++)
    put_tiny_pair(&file, &model->pairs[i]);
  uint64_t offset = 0;
  for (int i = 0; i < model->tensor_count; i++) {
    const TinyTensor *tensor = &model->tensors[i];
    put_tensor(&file, tensor->name, tensor->dimensions, tensor->size, tensor->type, offset);
    offset += (tiny_bytes(tensor) + TINY_ALIGNMENT - 1) / TINY_ALIGNMENT * TINY_ALIGNMENT;
  }
  for (int i = 0; i < model->tensor_count; i++) {
    pad_to(&file, TINY_ALIGNMENT);
    put_tensor_data(&file, &model->tensors[i]);
  }
  return file;
}

#endif
