#include "shape.h"

#include <math.h>
#include <string.h>

#include "text.h"

// Bounds that keep every product of two numbers far from overflow; no model comes near them.
enum {
  LIMIT_SIZE = 1 << 20,
  LIMIT_CONTEXT = 1 << 28,
  LIMIT_REPEAT = 64,
  LIMIT_HEAD_SIZE = 1 << 12,
};

typedef struct {
  const Gguf *gguf;
  const char *prefix;  // the architecture's name
  NibbleError *error;
} Reader;

static const GgufPair *find(const Reader *reader, const char *suffix, char key[96]) {
  text_format(key, 96, "%s.%s", reader->prefix, suffix);
  return gguf_find(reader->gguf, key);
}

static bool missing(const Reader *reader, const char *key) {
  return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                     "The metadata key %s is missing, and a %s model needs it. The file is damaged or was converted "
                     "by a tool that does not know this family.",
                     key, reader->prefix);
}

// An integer key in [low, high]; where it is missing `fallback`, which other keys may have made, so that the same
// bounds hold for it, or an error if that is negative.
static bool read_int(const Reader *reader, const char *suffix, int64_t low, int64_t high, int64_t fallback,
                     int *value) {
  char key[96];
  const GgufPair *pair = find(reader, suffix, key);
  if (pair == NULL) {
    *value = (int)fallback;
    if (fallback < 0) return missing(reader, key);
    return (fallback >= low && fallback <= high) ||
           nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s is missing, and what the other keys make of it is %lld; a number from %lld "
                       "to %lld was expected.",
                       key, (long long)fallback, (long long)low, (long long)high);
  }
  uint64_t number = 0;
  if (pair->type == GGUF_ARRAY || !gguf_unsigned(pair, 0, &number))
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s is of type %s; a whole number was expected.", key,
                       gguf_type_name(pair->type));
  if (number < (uint64_t)low || number > (uint64_t)high)
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s is %llu; a number from %lld to %lld was expected.", key,
                       (unsigned long long)number, (long long)low, (long long)high);
  *value = (int)number;
  return true;
}

// A per-layer count: one number, or an array with one for each block. Only equal ones are run.
static bool read_per_block(const Reader *reader, const char *suffix, int64_t high, int64_t fallback, int blocks,
                           int *value) {
  char key[96];
  const GgufPair *pair = find(reader, suffix, key);
  if (pair == NULL || pair->type != GGUF_ARRAY) return read_int(reader, suffix, 1, high, fallback, value);
  if (pair->count != (uint64_t)blocks)
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s has %llu entries; one for each of the %d blocks was expected.", key,
                       (unsigned long long)pair->count, blocks);
  uint64_t first = 0;
  for (int i = 0; i < blocks; i++) {
    uint64_t number = 0;
    if (!gguf_unsigned(pair, (uint64_t)i, &number) || number < 1 || number > (uint64_t)high)
      return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                         "Entry %d of the metadata key %s is not a whole number from 1 to %lld.", i, key,
                         (long long)high);
    if (i == 0) first = number;
    if (number != first)
      return nibble_fail(reader->error, NIBBLE_MODEL_UNSUPPORTED,
                         "The metadata key %s differs from block to block (%llu, then %llu), which this engine does "
                         "not run. Use a model whose blocks are alike.",
                         key, (unsigned long long)first, (unsigned long long)number);
  }
  *value = (int)first;
  return true;
}

// A finite number above `low` and up to `high`, as a float too, which may be its bound where a double is not yet;
// `fallback` where the key is missing, or an error if that is NaN.
static bool read_float(const Reader *reader, const char *suffix, double low, double high, double fallback,
                       float *value) {
  char key[96];
  const GgufPair *pair = find(reader, suffix, key);
  if (pair == NULL) {
    *value = (float)fallback;
    return !isnan(fallback) || missing(reader, key);
  }
  double number = 0;
  if (pair->type == GGUF_ARRAY || !gguf_float(pair, 0, &number))
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY, "The metadata key %s is of type %s; a number was expected.",
                       key, gguf_type_name(pair->type));
  if (!(number > low && (float)number > (float)low && number <= high))
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s is %g; a number above %g and up to %g was expected.", key, number, low,
                       high);
  *value = (float)number;
  return true;
}

static bool read_scaling_type(const Reader *reader, RopeShape *rope) {
  char key[96];
  const GgufPair *pair = find(reader, "rope.scaling.type", key);
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

static bool read_bool(const Reader *reader, const char *suffix, bool fallback, bool *value) {
  char key[96];
  const GgufPair *pair = find(reader, suffix, key);
  *value = fallback;
  return pair == NULL || (pair->type == GGUF_BOOL && gguf_bool(pair, 0, value)) ||
         nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                     "The metadata key %s is of type %s; true or false was expected.", key, gguf_type_name(pair->type));
}

// What of the first RoPE the family has another way.
static bool read_other_ropes(const Reader *reader, Shape *shape) {
  RopeShape *rope = &shape->ropes[ROPE_OF_ALL], *windowed = &shape->ropes[ROPE_OF_WINDOWS];
  float alpha;
  if (!read_bool(reader, "rope.scaling.finetuned", true, &shape->has_rope) ||
      !read_float(reader, "rope.scaling.alpha", -1, 1e6, 0, &alpha))
    return false;
  if (!shape->architecture->rope_switch) shape->has_rope = !shape->architecture->learned_positions;
  if (alpha > 0 && rope->dimensions > 2)
    rope->base *= powf(alpha, (float)rope->dimensions / (float)(rope->dimensions - 2));
  *windowed = *rope;
  windowed->scaling = ROPE_SCALING_NONE;
  windowed->factor = windowed->attention_factor = 1;
  return read_float(reader, "rope.freq_base_swa", 0, 1e15,
                    shape->architecture->window_rope_base > 0 ? shape->architecture->window_rope_base : rope->base,
                    &windowed->base);
}

static bool read_rope(const Reader *reader, Shape *shape) {
  RopeShape *rope = &shape->ropes[ROPE_OF_ALL];
  float old_factor;
  if (!read_int(reader, "rope.dimension_count", 2, shape->head_size, shape->head_size, &rope->dimensions) ||
      !read_float(reader, "rope.freq_base", 0, 1e15, 10000, &rope->base) ||
      !read_float(reader, "rope.scale_linear", 0, 1e9, 1, &old_factor) ||
      !read_float(reader, "rope.scaling.factor", 0, 1e9, old_factor, &rope->factor) ||
      !read_float(reader, "rope.scaling.original_context_length", 0, LIMIT_CONTEXT, shape->trained_context,
                  &rope->original_context) ||
      !read_float(reader, "rope.scaling.attn_factor", 0, 1e6, 1, &rope->attention_factor) ||
      !read_float(reader, "rope.scaling.yarn_ext_factor", -1, 1e6, 1, &rope->extrapolation) ||
      !read_float(reader, "rope.scaling.yarn_beta_fast", 0, 1e6, 32, &rope->beta_fast) ||
      !read_float(reader, "rope.scaling.yarn_beta_slow", 0, 1e6, 1, &rope->beta_slow) ||
      !read_float(reader, "rope.scaling.yarn_log_multiplier", -1, 1e3, 0, &rope->log_multiplier) ||
      !read_scaling_type(reader, rope))
    return false;
  if (rope->scaling == ROPE_SCALING_NONE || rope->scaling == ROPE_SCALING_LONG) rope->factor = 1;
  if (rope->dimensions % 2 == 0 || shape->architecture->learned_positions) return read_other_ropes(reader, shape);
  return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                     "The model rotates %d of a head's dimensions (%s.rope.dimension_count, or all of them where it is "
                     "missing); an even number was expected.",
                     rope->dimensions, reader->prefix);
}

static bool read_heads(const Reader *reader, Shape *shape) {
  if (!read_per_block(reader, "attention.head_count", LIMIT_SIZE, -1, shape->blocks, &shape->heads) ||
      !read_per_block(reader, "attention.head_count_kv", LIMIT_SIZE, shape->heads, shape->blocks, &shape->kv_heads))
    return false;
  if (shape->kv_heads > shape->heads || shape->heads % shape->kv_heads != 0)
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The model has %d attention heads and %d KV heads; the second must divide the first.",
                       shape->heads, shape->kv_heads);
  char key[96];
  if (shape->width % shape->heads != 0 && find(reader, "attention.key_length", key) == NULL)
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The model's width is %d, which its %d attention heads do not divide; a width that they do, or "
                       "the key %s, was expected.",
                       shape->width, shape->heads, key);
  int value_size;
  if (!read_int(reader, "attention.key_length", 1, LIMIT_HEAD_SIZE, shape->width / shape->heads, &shape->head_size) ||
      !read_int(reader, "attention.value_length", 1, LIMIT_HEAD_SIZE, shape->head_size, &value_size))
    return false;
  if (shape->head_size > LIMIT_SIZE / shape->heads)
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The model has %d attention heads of %d dimensions; at most %d dimensions in all were expected.",
                       shape->heads, shape->head_size, LIMIT_SIZE);
  if (value_size == shape->head_size) return true;
  return nibble_fail(reader->error, NIBBLE_MODEL_UNSUPPORTED,
                     "The model's keys have %d and its values %d dimensions a head; this engine runs models where both "
                     "are equal.",
                     shape->head_size, value_size);
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
static bool refuse_unknown_features(const Reader *reader, const Shape *shape) {
  int experts = 0, splits = 0;
  if (!read_int(reader, "expert_count", 0, LIMIT_SIZE, 0, &experts)) return false;
  if (experts > 0)
    return nibble_fail(reader->error, NIBBLE_MODEL_UNSUPPORTED,
                       "The model is a mixture of %d experts; this engine runs dense models.", experts);
  if (shape->blocks == shape->architecture->alibi_blocks)
    return nibble_fail(reader->error, NIBBLE_MODEL_UNSUPPORTED,
                       "A %s model of %d blocks tells positions by ALiBi; this engine runs those with RoPE.",
                       reader->prefix, shape->blocks);
  const Reader split = {reader->gguf, "split", reader->error};
  if (!read_int(&split, "count", 0, 65535, 0, &splits)) return false;
  if (splits > 1)
    return nibble_fail(reader->error, NIBBLE_MODEL_UNSUPPORTED,
                       "The file is one of %d parts of a model. Merge the parts into one file first.", splits);
  return true;
}

// Which blocks have the window: an entry for each, or one number as Architecture.window_period.
static bool read_window_pattern(const Reader *reader, Shape *shape) {
  char key[96];
  const GgufPair *pair = find(reader, "attention.sliding_window_pattern", key);
  const bool listed = pair != NULL && pair->type == GGUF_ARRAY;
  int period = 0;
  if (listed && pair->count != (uint64_t)shape->blocks)
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s has %llu entries; one for each of the %d blocks was expected.", key,
                       (unsigned long long)pair->count, shape->blocks);
  if (!listed && !read_int(reader, "attention.sliding_window_pattern", 0, SHAPE_MOST_BLOCKS,
                           shape->architecture->window_period, &period))
    return false;
  for (int block = 0; block < shape->blocks; block++) {
    bool windowed = !shape_ends_turn(period, block);
    if (listed && !gguf_bool(pair, (uint64_t)block, &windowed))
      return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                         "The entries of the metadata key %s are of type %s; true or false was expected.", key,
                         gguf_type_name(pair->element));
    if (windowed) shape->windowed[block / 32] |= UINT32_C(1) << block % 32;
  }
  return true;
}

// A window that no context fills hides nothing.
static bool read_window(const Reader *reader, Shape *shape) {
  int window;
  if (!shape->architecture->windows) return true;
  if (!read_int(reader, "attention.sliding_window", 0, INT32_MAX, shape->architecture->window, &window)) return false;
  shape->has_windows = window > 0;
  shape->sliding_window = window < shape->trained_context ? window : 0;
  return read_window_pattern(reader, shape);
}

static bool read_scales(const Reader *reader, Shape *shape) {
  const Architecture *family = shape->architecture;
  const double width = shape->width, layers = shape_layers(shape);
  const double embedding = family->embedding_by_root     ? sqrt(width)
                           : family->embedding_scale > 0 ? (double)family->embedding_scale
                                                         : 1;
  const double residual = family->residual_by_depth > 0 ? (double)family->residual_by_depth / sqrt(layers) : 1;
  const double logit = family->logits_multiplied ? (double)NAN : family->logit_by_width ? width / 256 : 1;
  float divisor;
  if (!read_float(reader, "embedding_scale", -1e6, 1e6, embedding, &shape->embedding_scale) ||
      !read_float(reader, "residual_scale", -1e6, 1e6, residual, &shape->residual_scale) ||
      !read_float(reader, "attention.scale", -1e6, 1e6, 0, &shape->attention_scale) ||
      !read_float(reader, "logit_scale", 0, 1e6, logit, &divisor) ||
      !read_float(reader, "attn_logit_softcapping", -1, 1e6, (double)family->attention_softcap,
                  &shape->attention_softcap) ||
      !read_float(reader, "final_logit_softcapping", -1, 1e6, (double)family->logit_softcap, &shape->logit_softcap) ||
      !read_float(reader, "attention.temperature_scale", -1e6, 1e6, 0, &shape->temperature_scale) ||
      !read_float(reader, "attention.temperature_length", 0, LIMIT_CONTEXT,
                  (double)shape->ropes[ROPE_OF_ALL].original_context, &shape->temperature_length))
    return false;
  // The largest Gemma 2 and 3 are told by their depth alone.
  const bool by_width = shape->blocks == family->scores_by_width_blocks;
  const int divided = by_width ? shape->width / shape->heads : shape->head_size;
  if (shape->attention_scale == 0) shape->attention_scale = 1 / sqrtf((float)divided);
  shape->logit_scale = family->logits_multiplied ? divisor : 1 / divisor;
  return true;
}

static bool read_norm(const Reader *reader, Shape *shape) {
  const bool layer = shape->architecture->norm == NORM_LAYER;
  return read_float(reader, layer ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", 0, 1, NAN,
                    &shape->norm_epsilon);
}

static bool read_parallel(const Reader *reader, Shape *shape) {
  char key[96];
  shape->parallel = shape->architecture->parallel == PARALLEL_ALWAYS;
  if (shape->architecture->parallel != PARALLEL_BY_KEY) return true;
  return find(reader, "use_parallel_residual", key) != NULL
             ? read_bool(reader, "use_parallel_residual", true, &shape->parallel)
             : missing(reader, key);
}

bool shape_read(const Gguf *gguf, Shape *shape, NibbleError *error) {
  memset(shape, 0, sizeof *shape);
  if (!read_architecture(gguf, shape, error)) return false;
  const Reader reader = {gguf, shape->architecture->name, error};
  const Reader own = {gguf, "nibble", error};
  return read_int(&reader, "block_count", 1, SHAPE_MOST_BLOCKS, -1, &shape->blocks) &&
         read_int(&own, "block_repeat", 1, LIMIT_REPEAT, 1, &shape->block_repeat) &&
         read_int(&reader, "embedding_length", 1, LIMIT_SIZE, -1, &shape->width) &&
         read_per_block(&reader, "feed_forward_length", LIMIT_SIZE, -1, shape->blocks, &shape->feed_forward) &&
         read_int(&reader, "context_length", 1, LIMIT_CONTEXT, -1, &shape->trained_context) &&
         read_window(&reader, shape) && read_norm(&reader, shape) && read_heads(&reader, shape) &&
         read_rope(&reader, shape) && read_scales(&reader, shape) && read_parallel(&reader, shape) &&
         refuse_unknown_features(&reader, shape);
}
