// What a file's tensors are in a model: each is found, compared with what the metadata call for, and becomes a source.
// Where their weights go is model.c's.
#include <string.h>

#include "block_tensors.h"
#include "model.h"
#include "quant.h"
#include "sort.h"
#include "text.h"
#include "zeroed.h"

enum { LIMIT_VOCABULARY = 1 << 24 };  // far above any model's, and its logits stay far below a 32-bit size_t

typedef struct {
  Model *model;
  const Gguf *gguf;
  NibbleError *error;
  WeightStage stage;  // what is being planned, as in WeightSource
  int block;
} Plan;

static bool bad_shape(const Plan *plan, const GgufTensor *tensor, const char *name, int columns, int rows) {
  char found[100] = "";
  for (int i = 0; i < tensor->dimensions; i++)
    text_format(found + strlen(found), sizeof found - strlen(found), "%s%llu", i > 0 ? " x " : "",
                (unsigned long long)tensor->size[i]);
  if (rows == 1)
    return nibble_fail(plan->error, NIBBLE_MODEL_BAD_TENSOR,
                       "The tensor %s has the shape %s; its metadata call for %d. The file contradicts itself.", name,
                       found, columns);
  return nibble_fail(plan->error, NIBBLE_MODEL_BAD_TENSOR,
                     "The tensor %s has the shape %s; its metadata call for %d x %d. The file contradicts itself.",
                     name, found, columns, rows);
}

static bool bad_type(const Plan *plan, const GgufTensor *tensor, const char *name) {
  const QuantFormat *format = quant_format(tensor->type);
  return nibble_fail(plan->error, NIBBLE_MODEL_UNSUPPORTED,
                     "The tensor %s is of type %s, which holds no weights. Use a file whose weights are floats or of a "
                     "quantised type such as Q4_0, Q4_K or Q8_0.",
                     name, format == NULL ? "unknown" : format->name);
}

bool model_packing(const GgufTensor *tensor, TileKind *kind, uint64_t *bytes) {
  if (!tile_kind_of(tensor->type, tensor->size[0], kind)) return false;
  if (tensor->dimensions == 1) {
    *kind = TILE_F32;
    *bytes = model_aligned(tensor->size[0] * sizeof(float));
    return true;
  }
  const uint64_t rows = tensor->size[1] * tensor->size[2] * tensor->size[3];
  const uint64_t tiles = rows / TILE_ROWS + (rows % TILE_ROWS != 0);
  const int columns = tile_columns(*kind);
  *bytes = model_aligned(tiles * (tensor->size[0] / (uint64_t)columns) * tile_bytes(*kind, columns));
  return true;
}

static void add_source(Plan *plan, const GgufTensor *tensor, WeightSource source) {
  Model *model = plan->model;
  text_format(source.name, sizeof source.name, "%.*s", (int)tensor->name.length, tensor->name.data);
  source.file_offset = tensor->offset;
  source.file_bytes = tensor->bytes;
  source.type = tensor->type;
  source.stage = plan->stage;
  source.block = plan->block;
  TileKind kind;
  model_packing(tensor, &kind, &source.arena_bytes);
  if (source.floats != NULL) source.arena_bytes = model_aligned((uint64_t)source.columns * sizeof(float));
  model->sources[model->source_count++] = source;
}

static const GgufTensor *require_tensor(const Plan *plan, const char *name) {
  const GgufTensor *tensor = gguf_find_tensor(plan->gguf, name);
  if (tensor == NULL)
    nibble_fail(plan->error, NIBBLE_MODEL_BAD_TENSOR,
                "The tensor %s is missing, and a %s model needs it. The file is damaged or incomplete.", name,
                plan->model->shape.architecture->name);
  return tensor;
}

static bool plan_matrix(Plan *plan, const char *name, int columns, int rows, Matrix *matrix) {
  const GgufTensor *tensor = require_tensor(plan, name);
  if (tensor == NULL) return false;
  if (tensor->dimensions != 2 || tensor->size[0] != (uint64_t)columns || tensor->size[1] != (uint64_t)rows)
    return bad_shape(plan, tensor, name, columns, rows);
  TileKind kind;
  if (!tile_kind_of(tensor->type, tensor->size[0], &kind)) return bad_type(plan, tensor, name);
  *matrix = (Matrix){.kind = kind, .rows = rows, .columns = columns};
  add_source(plan, tensor, (WeightSource){.rows = rows, .columns = columns, .matrix = matrix});
  return true;
}

// Plain floats: a row (of one dimension), or several (of two).
static bool plan_rows(Plan *plan, const char *name, int dimensions, int columns, int rows, float **floats) {
  const GgufTensor *tensor = require_tensor(plan, name);
  if (tensor == NULL) return false;
  if (tensor->dimensions != dimensions || tensor->size[0] != (uint64_t)columns || tensor->size[1] != (uint64_t)rows)
    return bad_shape(plan, tensor, name, columns, rows);
  TileKind kind;
  if (!tile_kind_of(tensor->type, tensor->size[0], &kind)) return bad_type(plan, tensor, name);
  add_source(plan, tensor, (WeightSource){.rows = 1, .columns = rows * columns, .floats = floats});
  return true;
}

static bool plan_floats(Plan *plan, const char *name, int count, float **floats) {
  return plan_rows(plan, name, 1, count, 1, floats);
}

static bool has_tensor(const Plan *plan, const char *name) { return gguf_find_tensor(plan->gguf, name) != NULL; }

static const char *block_tensor_name(const Plan *plan, const char *suffix, char name[64]) {
  text_format(name, 64, "blk.%d.%s", plan->block, suffix);
  return name;
}

#define TENSOR(name) (UINT64_C(1) << BLOCK_##name)

// Adds to a family's tensors what each file chooses: queries, keys and values in three matrices or in one, and their
// biases.
static void choose_tensors(const Plan *plan, BlockTensorSet *required, BlockTensorSet *allowed) {
  const Architecture *family = plan->model->shape.architecture;
  char name[64];
  const bool whole = has_tensor(plan, block_tensor_name(plan, "attn_qkv.weight", name));
  const bool whole_bias = whole && has_tensor(plan, block_tensor_name(plan, "attn_qkv.bias", name));
  *required = family->required | (whole ? TENSOR(QUERY_KEY_VALUE) : TENSOR(QUERY) | TENSOR(KEY) | TENSOR(VALUE));
  *allowed = family->allowed |
             (whole_bias ? TENSOR(QUERY_KEY_VALUE_BIAS) : TENSOR(QUERY_BIAS) | TENSOR(KEY_BIAS) | TENSOR(VALUE_BIAS));
}

static bool plan_block_tensor(Plan *plan, BlockTensor tensor, bool required) {
  const BlockTensorPlan spec = block_tensor_plan(&plan->model->shape, plan->block, tensor);
  char name[64];
  block_tensor_name(plan, spec.name, name);
  if (!required && !has_tensor(plan, name)) return true;
  uint8_t *const field = (uint8_t *)&plan->model->blocks[plan->block] + spec.field;
  return spec.matrix ? plan_matrix(plan, name, spec.columns, spec.rows, (Matrix *)(void *)field)
                     : plan_rows(plan, name, spec.dimensions, spec.columns, spec.rows, (float **)(void *)field);
}

// Matrices that are taken out of one have to begin with a tile.
static bool check_parts(const Plan *plan, const Block *block) {
  const BlockShape *shape = &plan->model->shape.block[plan->block];
  const bool heads =
      shape->heads * shape->key_size % TILE_ROWS == 0 && shape->kv_heads * shape->key_size % TILE_ROWS == 0;
  return ((heads || block->query_key_value.rows == 0) &&
          (shape->feed_forward % TILE_ROWS == 0 || block->gate_up.rows == 0)) ||
         nibble_fail(
             plan->error, NIBBLE_MODEL_UNSUPPORTED,
             "The model has several matrices in one, of heads of %d and a feed-forward width of %d; this engine "
             "takes multiples of %d rows of them.",
             shape->key_size, shape->feed_forward, TILE_ROWS);
}

static bool is_parallel(const Shape *shape, bool has_norm) {
  const Parallel parallel = shape->architecture->parallel;
  return parallel == PARALLEL_WITHOUT_NORM ? !has_norm : shape->parallel;
}

static bool plan_block(Plan *plan) {
  BlockTensorSet required, allowed;
  choose_tensors(plan, &required, &allowed);
  for (int tensor = 0; tensor < BLOCK_TENSORS; tensor++)
    if (((required | allowed) >> tensor & 1) != 0 &&
        !plan_block_tensor(plan, (BlockTensor)tensor, (required >> tensor & 1) != 0))
      return false;
  Block *block = &plan->model->blocks[plan->block];
  char name[64];
  block->parallel =
      is_parallel(&plan->model->shape, has_tensor(plan, block_tensor_name(plan, "ffn_norm.weight", name)));
  return check_parts(plan, block);
}

static bool plan_outer(Plan *plan) {
  Model *model = plan->model;
  const Shape *shape = &model->shape;
  if (!plan_floats(plan, "output_norm.weight", shape->width, &model->output_norm.weight)) return false;
  if (shape->architecture->norm == NORM_LAYER && has_tensor(plan, "output_norm.bias") &&
      !plan_floats(plan, "output_norm.bias", shape->width, &model->output_norm.bias))
    return false;
  if (shape->architecture->output_bias && has_tensor(plan, "output.bias") &&
      !plan_floats(plan, "output.bias", shape->vocabulary, &model->output_bias))
    return false;
  const struct {
    const char *name;
    float **factors;
  } ropes[] = {{"rope_freqs.weight", &model->rope_factors},
               {"rope_factors_long.weight", &model->long_factors},
               {"rope_factors_short.weight", &model->short_factors}};
  // LongRoPE's two come together.
  bool stretched = shape->ropes[ROPE_OF_ALL].scaling == ROPE_SCALING_LONG;
  for (size_t i = 1; i < sizeof ropes / sizeof *ropes; i++)
    stretched |= has_tensor(plan, ropes[i].name);
  for (size_t i = 0; i < sizeof ropes / sizeof *ropes; i++)
    if ((i == 0 ? has_tensor(plan, ropes[i].name) : stretched) &&
        !plan_floats(plan, ropes[i].name, shape->ropes[ROPE_OF_ALL].dimensions / 2, ropes[i].factors))
      return false;
  model->tied_output = !has_tensor(plan, "output.weight");
  return model->tied_output || plan_matrix(plan, "output.weight", shape->width, shape->vocabulary, &model->output);
}

// The vocabulary is as long as the embedding, and the tokenizer, where the file has one, must agree.
static bool read_vocabulary(Plan *plan) {
  const GgufTensor *embedding = require_tensor(plan, "token_embd.weight");
  if (embedding == NULL) return false;
  if (embedding->dimensions != 2)
    return nibble_fail(plan->error, NIBBLE_MODEL_BAD_TENSOR,
                       "The tensor token_embd.weight has %d dimensions; 2 were expected. The file contradicts itself.",
                       embedding->dimensions);
  if (embedding->size[1] > LIMIT_VOCABULARY)
    return nibble_fail(plan->error, NIBBLE_MODEL_BAD_TENSOR,
                       "The tensor token_embd.weight has rows for %llu tokens; at most %d were expected.",
                       (unsigned long long)embedding->size[1], LIMIT_VOCABULARY);
  plan->model->shape.vocabulary = (int)embedding->size[1];
  const GgufPair *tokens = gguf_find(plan->gguf, "tokenizer.ggml.tokens");
  if (tokens == NULL) return true;
  if (tokens->type != GGUF_ARRAY || tokens->element != GGUF_STRING)
    return nibble_fail(plan->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key tokenizer.ggml.tokens is not an array of strings.");
  if (tokens->count == embedding->size[1]) return true;
  return nibble_fail(plan->error, NIBBLE_MODEL_BAD_KEY,
                     "The vocabulary has %llu tokens (tokenizer.ggml.tokens), but token_embd.weight has rows for %llu. "
                     "The file contradicts itself.",
                     (unsigned long long)tokens->count, (unsigned long long)embedding->size[1]);
}

// Whether a tensor belongs to one of the blocks that are left out.
static bool is_left_out(const Plan *plan, const GgufTensor *tensor) {
  const Shape *shape = &plan->model->shape;
  const char *name = tensor->name.data;
  const size_t length = tensor->name.length;
  if (length < 4 || memcmp(name, "blk.", 4) != 0) return false;
  int block = 0;
  size_t at = 4;
  for (; at < length && name[at] >= '0' && name[at] <= '9' && block < SHAPE_MOST_BLOCKS; at++)
    block = block * 10 + (name[at] - '0');
  return at < length && name[at] == '.' && block >= shape->blocks && block < shape->blocks + shape->unused_blocks;
}

// A tensor that nobody asked for (a bias, a query norm) would change the maths: running without it gives wrong text.
static bool refuse_unused_tensors(const Plan *plan) {
  for (size_t i = 0; i < plan->gguf->tensor_count; i++) {
    const GgufTensor *tensor = &plan->gguf->tensors[i];
    bool used = false;
    // Sources are sorted by offset, and offsets are unique (tensors do not overlap and are never empty).
    int low = 0, high = plan->model->source_count;
    while (!used && low < high) {
      const int middle = low + (high - low) / 2;
      const uint64_t offset = plan->model->sources[middle].file_offset;
      used = offset == tensor->offset;
      if (offset < tensor->offset)
        low = middle + 1;
      else
        high = middle;
    }
    if (used || is_left_out(plan, tensor)) continue;
    char quoted[TEXT_QUOTED_SIZE];
    return nibble_fail(
        plan->error, NIBBLE_MODEL_UNSUPPORTED,
        "The file has a tensor %s that a %s model, as this engine knows it, does not use: running without "
        "it would give wrong text.",
        text_quote(tensor->name.data, tensor->name.length, quoted), plan->model->shape.architecture->name);
  }
  return true;
}

static int by_file_offset(const void *a, const void *b) {
  const WeightSource *x = a, *y = b;
  return x->file_offset < y->file_offset ? -1 : x->file_offset > y->file_offset;
}

static bool plan_weights(Plan *plan) {
  Model *model = plan->model;
  plan->stage = STAGE_EMBEDDING;
  if (!plan_matrix(plan, "token_embd.weight", model->shape.width, model->shape.vocabulary, &model->embedding))
    return false;
  if (model->shape.architecture->learned_positions &&
      !plan_matrix(plan, "position_embd.weight", model->shape.width, model->shape.trained_context, &model->positions))
    return false;
  plan->stage = STAGE_BLOCK;
  for (plan->block = 0; plan->block < model->shape.blocks; plan->block++)
    if (!plan_block(plan)) return false;
  plan->stage = STAGE_OUTPUT;
  if (!plan_outer(plan)) return false;
  sort_items(model->sources, (size_t)model->source_count, sizeof *model->sources, by_file_offset);
  if (!refuse_unused_tensors(plan)) return false;
  model_limit(model, &(Residency){0});
  for (size_t i = 0; i < plan->gguf->tensor_count; i++) {
    if (is_left_out(plan, &plan->gguf->tensors[i])) continue;
    uint64_t elements = 1;
    for (int d = 0; d < plan->gguf->tensors[i].dimensions; d++)
      elements *= plan->gguf->tensors[i].size[d];
    model->parameters += elements;
  }
  return true;
}

static bool allocate_plan(Plan *plan) {
  Model *model = plan->model;
  // The header itself bounds both: the table of tensors has been read, and each block needs some of its own.
  if ((size_t)model->shape.blocks > plan->gguf->tensor_count)
    return nibble_fail(plan->error, NIBBLE_MODEL_BAD_TENSOR,
                       "The metadata call for %d blocks, but the file has only %zu tensors. The file is damaged or "
                       "incomplete.",
                       model->shape.blocks, plan->gguf->tensor_count);
  model->blocks = zeroed((uint64_t)model->shape.blocks, sizeof *model->blocks);
  model->sources = zeroed((uint64_t)plan->gguf->tensor_count + 1, sizeof *model->sources);
  return (model->blocks != NULL && model->sources != NULL) ||
         nibble_fail(plan->error, NIBBLE_OUT_OF_MEMORY, "No memory is left to lay out the model. Close others first.");
}

bool model_plan(Model *model, const Gguf *gguf, NibbleError *error) {
  memset(model, 0, sizeof *model);
  model->header_checksum = gguf->checksum;
  Plan plan = {.model = model, .gguf = gguf, .error = error};
  if (gguf->tensor_count == 0)
    return nibble_fail(
        error, NIBBLE_MODEL_UNSUPPORTED,
        "The file has no weights: it holds a vocabulary, or the first part of a model in parts. Take the "
        "model's own file, or all of its parts.");
  if (shape_read(gguf, &model->shape, error) && read_vocabulary(&plan) && allocate_plan(&plan) && plan_weights(&plan))
    return true;
  model_free(model);
  return false;
}
