#include "block_tensors.h"

// What rows and columns are.
typedef enum {
  EXTENT_ONE,
  EXTENT_WIDTH,
  EXTENT_QUERY,
  EXTENT_KEY,
  EXTENT_VALUE,
  EXTENT_MIXED,  // what attention gives
  EXTENT_ALL_HEADS,
  EXTENT_HEADS,
  EXTENT_HIDDEN,
  EXTENT_TWICE_HIDDEN,
  // Of norms of heads.
  EXTENT_QUERY_NORMS,
  EXTENT_KEY_NORMS,
  EXTENT_QUERY_NORM,
  EXTENT_KEY_NORM,
} Extent;

static int extent_of(const Shape *shape, const BlockShape *block, Extent extent) {
  const int query = block->heads * block->key_size, key = block->kv_heads * block->key_size,
            value = block->kv_heads * block->value_size;
  const HeadNorms norms = shape->architecture->head_norms;
  switch (extent) {
    case EXTENT_WIDTH: return shape->width;
    case EXTENT_QUERY: return query;
    case EXTENT_KEY: return key;
    case EXTENT_VALUE: return value;
    case EXTENT_MIXED: return block->heads * block->value_size;
    case EXTENT_ALL_HEADS: return query + key + value;
    case EXTENT_HEADS: return block->heads;
    case EXTENT_HIDDEN: return block->feed_forward;
    case EXTENT_TWICE_HIDDEN: return 2 * block->feed_forward;
    case EXTENT_QUERY_NORMS: return norms == HEAD_NORMS_OF_EACH_HEAD ? block->heads : 1;
    case EXTENT_KEY_NORMS: return norms == HEAD_NORMS_OF_EACH_HEAD ? block->kv_heads : 1;
    case EXTENT_QUERY_NORM: return norms == HEAD_NORMS_OF_ALL_HEADS ? query : block->key_size;
    case EXTENT_KEY_NORM: return norms == HEAD_NORMS_OF_ALL_HEADS ? key : block->key_size;
    default: return 1;
  }
}

typedef struct {
  const char *name;
  bool matrix;
  size_t field;
  Extent rows, columns;
} Row;

#define MATRIX(name, field, rows, columns) \
  { name ".weight", true, offsetof(Block, field), EXTENT_##rows, EXTENT_##columns }
#define FLOATS(name, field, columns) \
  { name, false, offsetof(Block, field), EXTENT_ONE, EXTENT_##columns }
#define HEADS(name, field, which) \
  { name ".weight", false, offsetof(Block, field.weight), EXTENT_##which##_NORMS, EXTENT_##which##_NORM }

static const Row table[BLOCK_TENSORS] = {
    [BLOCK_ATTENTION_NORM] = FLOATS("attn_norm.weight", attention_norm.weight, WIDTH),
    [BLOCK_ATTENTION_NORM_BIAS] = FLOATS("attn_norm.bias", attention_norm.bias, WIDTH),
    [BLOCK_QUERY] = MATRIX("attn_q", query, QUERY, WIDTH),
    [BLOCK_KEY] = MATRIX("attn_k", key, KEY, WIDTH),
    [BLOCK_VALUE] = MATRIX("attn_v", value, VALUE, WIDTH),
    [BLOCK_QUERY_KEY_VALUE] = MATRIX("attn_qkv", query_key_value, ALL_HEADS, WIDTH),
    [BLOCK_ATTENTION_OUTPUT] = MATRIX("attn_output", attention_output, WIDTH, MIXED),
    [BLOCK_FEED_FORWARD_NORM] = FLOATS("ffn_norm.weight", feed_forward_norm.weight, WIDTH),
    [BLOCK_FEED_FORWARD_NORM_BIAS] = FLOATS("ffn_norm.bias", feed_forward_norm.bias, WIDTH),
    [BLOCK_GATE] = MATRIX("ffn_gate", gate, HIDDEN, WIDTH),
    [BLOCK_UP] = MATRIX("ffn_up", up, HIDDEN, WIDTH),
    [BLOCK_GATE_UP] = MATRIX("ffn_up", gate_up, TWICE_HIDDEN, WIDTH),
    [BLOCK_DOWN] = MATRIX("ffn_down", down, WIDTH, HIDDEN),
    [BLOCK_QUERY_BIAS] = FLOATS("attn_q.bias", query_bias, QUERY),
    [BLOCK_KEY_BIAS] = FLOATS("attn_k.bias", key_bias, KEY),
    [BLOCK_VALUE_BIAS] = FLOATS("attn_v.bias", value_bias, VALUE),
    [BLOCK_QUERY_KEY_VALUE_BIAS] = FLOATS("attn_qkv.bias", query_key_value_bias, ALL_HEADS),
    [BLOCK_ATTENTION_OUTPUT_BIAS] = FLOATS("attn_output.bias", attention_output_bias, WIDTH),
    [BLOCK_GATE_BIAS] = FLOATS("ffn_gate.bias", gate_bias, HIDDEN),
    [BLOCK_UP_BIAS] = FLOATS("ffn_up.bias", up_bias, HIDDEN),
    [BLOCK_DOWN_BIAS] = FLOATS("ffn_down.bias", down_bias, WIDTH),
    [BLOCK_QUERY_NORM] = HEADS("attn_q_norm", query_norm, QUERY),
    [BLOCK_KEY_NORM] = HEADS("attn_k_norm", key_norm, KEY),
    [BLOCK_ATTENTION_POST_NORM] = FLOATS("post_attention_norm.weight", attention_post_norm.weight, WIDTH),
    [BLOCK_FEED_FORWARD_POST_NORM] = FLOATS("post_ffw_norm.weight", feed_forward_post_norm.weight, WIDTH),
    [BLOCK_FIRST_NORM] = FLOATS("attn_norm.weight", feed_forward_norm.weight, WIDTH),
    [BLOCK_FIRST_NORM_BIAS] = FLOATS("attn_norm.bias", feed_forward_norm.bias, WIDTH),
    [BLOCK_SECOND_NORM] = FLOATS("attn_norm_2.weight", attention_norm.weight, WIDTH),
    [BLOCK_SECOND_NORM_BIAS] = FLOATS("attn_norm_2.bias", attention_norm.bias, WIDTH),
    [BLOCK_SINKS] = FLOATS("attn_sinks.weight", sinks, HEADS),
};

BlockTensorPlan block_tensor_plan(const Shape *shape, int block, BlockTensor tensor) {
  const Row *row = &table[tensor];
  const bool rows = row->rows != EXTENT_ONE && shape->architecture->head_norms == HEAD_NORMS_OF_EACH_HEAD;
  return (BlockTensorPlan){.name = row->name,
                           .matrix = row->matrix,
                           .dimensions = row->matrix || rows ? 2 : 1,
                           .field = row->field,
                           .rows = extent_of(shape, &shape->block[block], row->rows),
                           .columns = extent_of(shape, &shape->block[block], row->columns)};
}

const Matrix *block_matrix(const Block *block, BlockTensor tensor) {
  const Matrix *matrix = (const Matrix *)(const void *)((const uint8_t *)block + table[tensor].field);
  return table[tensor].matrix && matrix->rows > 0 ? matrix : NULL;
}
