#include "shape.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "text.h"
#include "tiles.h"
#include "zeroed.h"

// Bounds that keep every product of two numbers far from overflow; no model comes near them.
enum {
  LIMIT_SIZE = MOST_COLUMNS,
  LIMIT_CONTEXT = 1 << 28,
  LIMIT_REPEAT = 64,
  LIMIT_HEAD_SIZE = 1 << 12,
};

// Blocks that the file counts.
static int stored_blocks(const Shape *shape) { return shape->blocks + shape->unused_blocks; }

// A count of each block: one number, or an array with one for each. `of` is where it stands in BlockShape.
static bool read_per_block(const KeyReader *reader, const char *suffix, int high, size_t of, Shape *shape) {
  char key[KEY_SIZE];
  const GgufPair *pair = keys_find(reader, suffix, key);
  const bool listed = pair != NULL && pair->type == GGUF_ARRAY;
  int common = 0;
  if (!listed && !keys_int(reader, suffix, 1, high, -1, &common)) return false;
  if (listed && pair->count != (uint64_t)stored_blocks(shape))
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s has %llu entries; one for each of the %d blocks was expected.", key,
                       (unsigned long long)pair->count, stored_blocks(shape));
  for (int i = 0; i < shape->blocks; i++) {
    uint64_t number = (uint64_t)common;
    if (listed && (!gguf_unsigned(pair, (uint64_t)i, &number) || number < 1 || number > (uint64_t)high))
      return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                         "Entry %d of the metadata key %s is not a whole number from 1 to %d.", i, key, high);
    *(int *)(void *)((uint8_t *)&shape->block[i] + of) = (int)number;
  }
  return true;
}

static bool read_scaling_type(const KeyReader *reader, RopeShape *rope) {
  char key[KEY_SIZE];
  const GgufPair *pair = keys_find(reader, "rope.scaling.type", key);
  if (pair == NULL) {
    // Files from before the key: a lone factor means linear scaling.
    rope->scaling = rope->factor != 1 ? ROPE_SCALING_LINEAR : ROPE_SCALING_NONE;
    return true;
  }
  GgufString type;
  if (!gguf_string(pair, &type))
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY, "The metadata key %s is of type %s; a string was expected.",
                       key, gguf_type_name(pair->type));
  if (gguf_string_is(type, "none"))
    rope->scaling = ROPE_SCALING_NONE;
  else if (gguf_string_is(type, "linear"))
    rope->scaling = ROPE_SCALING_LINEAR;
  else if (gguf_string_is(type, "yarn"))
    rope->scaling = ROPE_SCALING_YARN;
  else if (gguf_string_is(type, "longrope"))
    rope->scaling = ROPE_SCALING_LONG;
  else {
    char quoted[TEXT_QUOTED_SIZE];
    return nibble_fail(
        reader->error, NIBBLE_MODEL_UNSUPPORTED,
        "The metadata key %s is %s; this engine runs none, linear, yarn and longrope (Llama 3 scaling comes as a "
        "rope_freqs.weight tensor).",
        key, text_quote(type.data, type.length, quoted));
  }
  return true;
}

// What of the first RoPE the family has another way.
static bool read_other_ropes(const KeyReader *reader, Shape *shape) {
  RopeShape *rope = &shape->ropes[ROPE_OF_ALL], *windowed = &shape->ropes[ROPE_OF_WINDOWS];
  float alpha;
  if (!keys_float(reader, "rope.scaling.alpha", -1, 1e6, 0, &alpha)) return false;
  if (alpha > 0 && rope->dimensions > 2)
    rope->base *= powf(alpha, (float)rope->dimensions / (float)(rope->dimensions - 2));
  *windowed = *rope;
  windowed->scaling = ROPE_SCALING_NONE;
  windowed->factor = windowed->attention_factor = 1;
  return keys_float(reader, "rope.freq_base_swa", 0, 1e15,
                    shape->architecture->window_rope_base > 0 ? shape->architecture->window_rope_base : rope->base,
                    &windowed->base);
}

// Whether positions have a time, a height and a width, which are the same for text: then pairs are never adjacent.
static bool has_sections(const KeyReader *reader) {
  char key[KEY_SIZE];
  const GgufPair *pair = keys_find(reader, "rope.dimension_sections", key);
  uint64_t first = 0, second = 0;
  return pair != NULL && gguf_unsigned(pair, 0, &first) && gguf_unsigned(pair, 1, &second) && first > 0 && second > 0;
}

static bool read_rope(const KeyReader *reader, Shape *shape) {
  RopeShape *rope = &shape->ropes[ROPE_OF_ALL];
  float old_factor;
  const int size = shape->block[0].key_size;
  if (!keys_int(reader, "rope.dimension_count", 2, size, size, &rope->dimensions) ||
      !keys_float(reader, "rope.freq_base", 0, 1e15, 10000, &rope->base) ||
      !keys_float(reader, "rope.scale_linear", 0, 1e9, 1, &old_factor) ||
      !keys_float(reader, "rope.scaling.factor", 0, 1e9, old_factor, &rope->factor) ||
      !keys_float(reader, "rope.scaling.original_context_length", 0, LIMIT_CONTEXT, shape->trained_context,
                  &rope->original_context) ||
      !keys_float(reader, "rope.scaling.attn_factor", 0, 1e6, 1, &rope->attention_factor) ||
      !keys_float(reader, "rope.scaling.yarn_ext_factor", -1, 1e6, 1, &rope->extrapolation) ||
      !keys_float(reader, "rope.scaling.yarn_beta_fast", 0, 1e6, 32, &rope->beta_fast) ||
      !keys_float(reader, "rope.scaling.yarn_beta_slow", 0, 1e6, 1, &rope->beta_slow) ||
      !keys_float(reader, "rope.scaling.yarn_log_multiplier", -1, 1e3, 0, &rope->log_multiplier) ||
      !read_scaling_type(reader, rope))
    return false;
  shape->rope_adjacent = shape->architecture->rope_adjacent && !has_sections(reader);
  if (rope->scaling == ROPE_SCALING_NONE || rope->scaling == ROPE_SCALING_LONG) rope->factor = 1;
  if (rope->dimensions % 2 == 0 || shape->architecture->learned_positions) return read_other_ropes(reader, shape);
  return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                     "The model rotates %d of a head's dimensions (%s.rope.dimension_count, or all of them where it is "
                     "missing); an even number was expected.",
                     rope->dimensions, reader->prefix);
}

static bool check_heads(const KeyReader *reader, const BlockShape *block) {
  if (block->kv_heads > block->heads || block->heads % block->kv_heads != 0)
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The model has %d attention heads and %d KV heads; the second must divide the first.",
                       block->heads, block->kv_heads);
  const int size = block->key_size > block->value_size ? block->key_size : block->value_size;
  return size <= LIMIT_SIZE / block->heads ||
         nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                     "The model has %d attention heads of %d dimensions; at most %d dimensions in all were expected.",
                     block->heads, size, LIMIT_SIZE);
}

static bool read_heads(const KeyReader *reader, Shape *shape) {
  char key[KEY_SIZE];
  if (!read_per_block(reader, "attention.head_count", LIMIT_SIZE, offsetof(BlockShape, heads), shape)) return false;
  for (int i = 0; i < shape->blocks; i++)
    shape->block[i].kv_heads = shape->block[i].heads;
  if (keys_find(reader, "attention.head_count_kv", key) != NULL &&
      !read_per_block(reader, "attention.head_count_kv", LIMIT_SIZE, offsetof(BlockShape, kv_heads), shape))
    return false;
  const int heads = shape->block[0].heads;
  if (shape->width % heads != 0 && keys_find(reader, "attention.key_length", key) == NULL)
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The model's width is %d, which its %d attention heads do not divide; a width that they do, or "
                       "the key %s, was expected.",
                       shape->width, heads, key);
  int size, value_size;
  if (!keys_int(reader, "attention.key_length", 1, LIMIT_HEAD_SIZE, shape->width / heads, &size) ||
      !keys_int(reader, "attention.value_length", 1, LIMIT_HEAD_SIZE, size, &value_size))
    return false;
  for (int i = 0; i < shape->blocks; i++) {
    shape->block[i].key_size = size;
    shape->block[i].value_size = value_size;
    if (!check_heads(reader, &shape->block[i])) return false;
  }
  return true;
}

static bool read_architecture(const Gguf *gguf, Shape *shape, NibbleError *error) {
  const GgufPair *pair = gguf_find(gguf, "general.architecture");
  GgufString name;
  if (pair == NULL || !gguf_string(pair, &name))
    return nibble_fail(error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key general.architecture is %s; the family's name was expected.",
                       pair == NULL ? "missing" : "not a string");
  shape->architecture = architecture_find(name.data, name.length);
  if (shape->architecture != NULL) return true;
  char quoted[TEXT_QUOTED_SIZE], known[400] = "";
  for (size_t i = 0; architecture_at(i) != NULL; i++)
    text_format(known + strlen(known), sizeof known - strlen(known), "%s%s", i > 0 ? ", " : "",
                architecture_at(i)->name);
  return nibble_fail(error, NIBBLE_MODEL_UNSUPPORTED,
                     "The model is of the family %s; this engine runs: %s. Choose a model of one of these.",
                     text_quote(name.data, name.length, quoted), known);
}

// Features of later files of the family that change the maths: running without them would give wrong text.
static bool refuse_unknown_features(const KeyReader *reader) {
  int experts = 0, splits = 0;
  if (!keys_int(reader, "expert_count", 0, LIMIT_SIZE, 0, &experts)) return false;
  if (experts > 0)
    return nibble_fail(reader->error, NIBBLE_MODEL_UNSUPPORTED,
                       "The model is a mixture of %d experts; this engine runs dense models.", experts);
  int pooling = 0;
  bool causal = true;
  if (!keys_int(reader, "pooling_type", 0, INT32_MAX, 0, &pooling) ||
      !keys_bool(reader, "attention.causal", true, &causal))
    return false;
  if (pooling > 0 || !causal)
    return nibble_fail(reader->error, NIBBLE_MODEL_UNSUPPORTED,
                       "The model makes vectors of texts, or grades them, and writes none (%s.%s); this engine runs "
                       "models that write. Take one that does.",
                       reader->prefix, causal ? "pooling_type" : "attention.causal");
  const KeyReader split = {reader->gguf, "split", reader->error};
  if (!keys_int(&split, "count", 0, 65535, 0, &splits)) return false;
  if (splits > 1)
    return nibble_fail(reader->error, NIBBLE_MODEL_UNSUPPORTED,
                       "The file is one of %d parts of a model. Merge the parts into one file first.", splits);
  return true;
}

// Whether a block is the last of its turn.
static bool ends_turn(int period, int block) { return period > 0 && block % period == period - 1; }

// Which blocks have the window: an entry for each, or one number as Architecture.window_period.
static bool read_window_pattern(const KeyReader *reader, Shape *shape, bool *windowed) {
  char key[KEY_SIZE];
  const GgufPair *pair = keys_find(reader, "attention.sliding_window_pattern", key);
  if (pair != NULL && pair->type == GGUF_ARRAY) return keys_flags(reader, key, pair, stored_blocks(shape), windowed);
  int period = 0;
  if (!keys_int(reader, "attention.sliding_window_pattern", 0, SHAPE_MOST_BLOCKS, shape->architecture->window_period,
                &period))
    return false;
  for (int block = 0; block < shape->blocks; block++)
    windowed[block] = !ends_turn(period, block);
  return true;
}

// Takes RoPE away from the blocks that an array says have none.
static bool read_rope_pattern(const KeyReader *reader, Shape *shape) {
  char key[KEY_SIZE];
  bool turned[SHAPE_MOST_BLOCKS];
  const GgufPair *pair = keys_find(reader, "attention.rope_pattern", key);
  if (pair == NULL) return true;
  if (!keys_flags(reader, key, pair, stored_blocks(shape), turned)) return false;
  for (int block = 0; block < shape->blocks; block++)
    if (!turned[block]) shape->block[block].rope = ROPE_NONE;
  return true;
}

// Which RoPE a block has. `windowed`: it has a window, though that may be longer than any context; `windows`: some
// blocks have one.
static int rope_of(const Architecture *family, int block, bool alibi, bool windowed, bool windows) {
  if (family->learned_positions || alibi || ends_turn(family->nope_period, block)) return ROPE_NONE;
  if (family->full_layers_nope && windows && !windowed) return ROPE_NONE;
  return family->windows_unstretched && windowed ? ROPE_OF_WINDOWS : ROPE_OF_ALL;
}

// The windows of blocks, and their RoPEs, which go by them. A window that no context fills hides nothing.
static bool read_windows(const KeyReader *reader, Shape *shape) {
  const Architecture *family = shape->architecture;
  bool has_rope = true, windowed[SHAPE_MOST_BLOCKS] = {false};
  int window = 0;
  if (family->windows && (!keys_int(reader, "attention.sliding_window", 0, INT32_MAX, family->window, &window) ||
                          !read_window_pattern(reader, shape, windowed)))
    return false;
  if (family->rope_switch && !keys_bool(reader, "rope.scaling.finetuned", true, &has_rope)) return false;
  shape->alibi = shape->blocks == family->alibi_blocks;
  shape->sliding_window = window < shape->trained_context ? window : 0;
  for (int block = 0; block < shape->blocks; block++) {
    const bool has_window = window > 0 && windowed[block];
    shape->block[block].window = has_window ? shape->sliding_window : 0;
    shape->block[block].rope = has_rope ? rope_of(family, block, shape->alibi, has_window, window > 0) : ROPE_NONE;
  }
  return !family->rope_pattern || read_rope_pattern(reader, shape);
}

// How often all blocks are computed.
static bool read_loops(const KeyReader *reader, Shape *shape) {
  bool skips = false;
  shape->loops = 1;
  if (!shape->architecture->loops) return true;
  if (!keys_int(reader, "num_loops", 1, LIMIT_REPEAT / shape->block_repeat, 1, &shape->loops) ||
      !keys_bool(reader, "skip_loop_final_norm", false, &skips))
    return false;
  shape->loop_norms = !skips;
  return true;
}

static bool read_scales(const KeyReader *reader, Shape *shape) {
  const Architecture *family = shape->architecture;
  const double width = shape->width, layers = shape_layers(shape);
  const double embedding = family->embedding_by_root     ? sqrt(width)
                           : family->embedding_scale > 0 ? (double)family->embedding_scale
                                                         : 1;
  const double residual = family->residual_by_depth > 0 ? (double)family->residual_by_depth / sqrt(layers) : 1;
  const double logit = family->logits_multiplied ? (double)NAN : family->logit_by_width ? width / 256 : 1;
  float divisor;
  if (!keys_float(reader, "embedding_scale", -1e6, 1e6, embedding, &shape->embedding_scale) ||
      !keys_float(reader, "residual_scale", -1e6, 1e6, residual, &shape->residual_scale) ||
      !keys_float(reader, "attention.scale", -1e6, 1e6, 0, &shape->attention_scale) ||
      !keys_float(reader, "logit_scale", 0, 1e6, logit, &divisor) ||
      !keys_float(reader, "attn_logit_softcapping", -1, 1e6, (double)family->attention_softcap,
                  &shape->attention_softcap) ||
      !keys_float(reader, "final_logit_softcapping", -1, 1e6, (double)family->logit_softcap, &shape->logit_softcap) ||
      !keys_float(reader, "attention.temperature_scale", -1e6, 1e6, 0, &shape->temperature_scale) ||
      !keys_float(reader, "attention.temperature_length", 0, LIMIT_CONTEXT,
                  (double)shape->ropes[ROPE_OF_ALL].original_context, &shape->temperature_length))
    return false;
  // The largest Gemma 2 and 3 are told by their depth alone.
  const bool by_width = shape->blocks == family->scores_by_width_blocks;
  const int divided = by_width ? shape->width / shape->block[0].heads : shape->block[0].key_size;
  if (shape->attention_scale == 0) shape->attention_scale = 1 / sqrtf((float)divided);
  shape->logit_scale = family->logits_multiplied ? divisor : 1 / divisor;
  return true;
}

static bool read_norm(const KeyReader *reader, Shape *shape) {
  const bool layer = shape->architecture->norm == NORM_LAYER;
  return keys_float(reader, layer ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", 0, 1, NAN,
                    &shape->norm_epsilon);
}

static bool read_parallel(const KeyReader *reader, Shape *shape) {
  char key[KEY_SIZE];
  shape->parallel = shape->architecture->parallel == PARALLEL_ALWAYS;
  if (shape->architecture->parallel != PARALLEL_BY_KEY) return true;
  return keys_find(reader, "use_parallel_residual", key) != NULL
             ? keys_bool(reader, "use_parallel_residual", true, &shape->parallel)
             : keys_missing(reader, key);
}

static bool read_blocks(const KeyReader *reader, Shape *shape) {
  int stored;
  if (!keys_int(reader, "block_count", 1, SHAPE_MOST_BLOCKS, -1, &stored) ||
      !keys_int(reader, "nextn_predict_layers", 0, stored - 1, 0, &shape->unused_blocks))
    return false;
  shape->blocks = stored - shape->unused_blocks;
  return true;
}

static bool allocate_blocks(const KeyReader *reader, Shape *shape) {
  shape->block = zeroed((uint64_t)shape->blocks, sizeof *shape->block);
  return shape->block != NULL || nibble_fail(reader->error, NIBBLE_OUT_OF_MEMORY,
                                             "No memory is left to describe the model. Close others first.");
}

static bool read_all(const KeyReader *reader, Shape *shape) {
  const KeyReader own = {reader->gguf, "nibble", reader->error};
  return read_blocks(reader, shape) && allocate_blocks(reader, shape) &&
         keys_int(&own, "block_repeat", 1, LIMIT_REPEAT, 1, &shape->block_repeat) && read_loops(reader, shape) &&
         keys_int(reader, "embedding_length", 1, LIMIT_SIZE, -1, &shape->width) &&
         read_per_block(reader, "feed_forward_length", LIMIT_SIZE, offsetof(BlockShape, feed_forward), shape) &&
         keys_int(reader, "context_length", 1, LIMIT_CONTEXT, -1, &shape->trained_context) &&
         read_windows(reader, shape) && read_norm(reader, shape) && read_heads(reader, shape) &&
         read_rope(reader, shape) && read_scales(reader, shape) && read_parallel(reader, shape) &&
         refuse_unknown_features(reader);
}

bool shape_read(const Gguf *gguf, Shape *shape, NibbleError *error) {
  memset(shape, 0, sizeof *shape);
  if (!read_architecture(gguf, shape, error)) return false;
  const KeyReader reader = {gguf, shape->architecture->name, error};
  if (read_all(&reader, shape)) return true;
  shape_free(shape);
  return false;
}

void shape_free(Shape *shape) {
  free(shape->block);
  shape->block = NULL;
}

static void keep_larger(int *most, int number) { *most = *most < number ? number : *most; }

BlockShape shape_most(const Shape *shape) {
  BlockShape most = {0};
  for (int i = 0; i < shape->blocks; i++) {
    keep_larger(&most.heads, shape->block[i].heads);
    keep_larger(&most.kv_heads, shape->block[i].kv_heads);
    keep_larger(&most.key_size, shape->block[i].key_size);
    keep_larger(&most.value_size, shape->block[i].value_size);
    keep_larger(&most.feed_forward, shape->block[i].feed_forward);
  }
  return most;
}
