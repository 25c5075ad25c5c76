// The transformer (arXiv:2302.13971), for a batch of tokens. What a family does not have is left out:
//
//   x = scale * embedding[token]
//   each layer:
//     n = norm(x)
//     q, k, v = n Wq + bq, n Wk + bk, n Wv + bv     one pass: they share their input
//     q, k = rope(norm(q)), rope(norm(k))           and k, v go into the KV pages
//     x += scale * norm(attention(q, pages) Wo + bo)
//     n = norm(x)
//     x += scale * norm((silu(n Wgate) * n Wup) Wdown)
//   logits = cap(scale * norm(x) Woutput)           only where they are asked for
//
// Every thread runs the whole pass; they share out each step's pieces by threads_claim() and meet at a barrier behind
// it.
#include "forward.h"

#include <math.h>

#include "activation.h"
#include "attention.h"
#include "product.h"

static float *row_of(float *buffer, int stride, int t) { return buffer + (size_t)t * (size_t)stride; }

static void scale_row(float *x, int n, float scale) {
  for (int i = 0; i < n && scale != 1; i++)
    x[i] *= scale;
}

void forward_scale_embedding(const Run *run, float *x) {
  scale_row(x, run->model->shape.width, run->model->shape.embedding_scale);
}

static void look_up(Run *run, int t) {
  float *x = row_of(run->x, run->width_stride, t);
  matrix_row(&run->model->embedding, run->tokens[t], x);
  forward_scale_embedding(run, x);
}

// A RoPE's cosines or sines of a token of the batch.
static float *angles_of(const Run *run, float *angles, int rope, int t) {
  return angles + ((size_t)rope * (size_t)run->batch_size + (size_t)t) * (size_t)run->ropes[ROPE_OF_ALL].pairs;
}

static void find_angles(Run *run, int t) {
  for (int rope = 0; rope < ROPES; rope++)
    if (run->ropes[rope].frequencies != NULL)
      rope_angles(&run->ropes[rope], run->position + t, angles_of(run, run->cosine, rope, t),
                  angles_of(run, run->sine, rope, t));
}

// Makes something for each token of the batch.
static void each_token(Run *run, int thread, void make(Run *run, int t)) {
  for (int t; (t = threads_claim(run->threads, thread, run->count)) >= 0;)
    make(run, t);
  run_finish_step(run, thread, PROFILE_EMBEDDING);
}

static void embed(Run *run, int t) {
  look_up(run, t);
  find_angles(run, t);
}

// What a step adds to the residual stream, where it is more than a product: normalised and scaled.
typedef struct {
  const float *norm;
  float scale;
} Branch;

static bool is_plain(const Branch *branch) { return branch->norm == NULL && branch->scale == 1; }

// x += product, as `branch` has it. The product's input is no longer in run->normed, which then holds its result.
static void add_branch(Run *run, int thread, ProfileOperation operation, const Input *x, const Activations *input,
                       Product product, const Branch *branch) {
  const bool plain = is_plain(branch);
  product.y = plain ? x->rows : run->normed;
  product.stride = x->stride;
  product.add = plain;
  product_multiply(run, thread, operation, input, &product, 1);
  if (plain) return;
  for (int t; (t = threads_claim(run->threads, thread, x->count)) >= 0;) {
    float *added = row_of(run->normed, x->stride, t), *row = row_of(x->rows, x->stride, t);
    if (branch->norm != NULL)
      run->kernels->rms_norm(added, branch->norm, x->columns, run->model->shape.norm_epsilon, added);
    for (int i = 0; i < x->columns; i++)
      row[i] += added[i] * branch->scale;
  }
  run_finish_step(run, thread, operation);
}

// Norms over all heads of a token's queries and of its keys.
static void norm_all_heads(Run *run, const Block *block, int thread) {
  const Shape *shape = &run->model->shape;
  for (int t; (t = threads_claim(run->threads, thread, run->count)) >= 0;) {
    float *query = row_of(run->query, run->query_stride, t), *key = row_of(run->key, run->key_stride, t);
    run->kernels->rms_norm(query, block->query_norm, shape->heads * shape->head_size, shape->norm_epsilon, query);
    run->kernels->rms_norm(key, block->key_norm, shape->kv_heads * shape->head_size, shape->norm_epsilon, key);
  }
  run_finish_step(run, thread, PROFILE_ROPE_AND_STORE);
}

// A head of a query or key: normalised and rotated, in the family's order.
static void rotate_head(const Run *run, int layer, int t, const float *norm, float *head) {
  const Shape *shape = &run->model->shape;
  const HeadNorms order = shape->architecture->head_norms;
  const int rope = shape_rope(shape, layer);
  if (norm != NULL && order == HEAD_NORMS_BEFORE_ROPE)
    run->kernels->rms_norm(head, norm, shape->head_size, shape->norm_epsilon, head);
  if (rope != ROPE_NONE)
    run->kernels->rope(head, angles_of(run, run->cosine, rope, t), angles_of(run, run->sine, rope, t),
                       run->ropes[rope].pairs, shape->architecture->rope_adjacent);
  if (norm != NULL && order == HEAD_NORMS_BEHIND_ROPE)
    run->kernels->rms_norm(head, norm, shape->head_size, shape->norm_epsilon, head);
}

// What a token's queries are multiplied with.
static float query_scale(const Run *run, int t) {
  const Shape *shape = &run->model->shape;
  const float scale = page_scale(run->kv->shape->type) * shape->attention_scale;
  if (shape->temperature_scale == 0) return scale;
  const double lengths = floor((run->position + t) / (double)shape->temperature_length);
  return scale * (float)(1 + (double)shape->temperature_scale * log(1 + lengths));
}

// Rotates queries and keys and writes the KV pages; a piece of work is a token and a KV head with its group of queries.
static void rotate_and_store(Run *run, const Block *block, int layer, int thread) {
  const Shape *shape = &run->model->shape;
  const int group = shape->heads / shape->kv_heads, size = shape->head_size;
  if (shape->architecture->head_norms == HEAD_NORMS_OF_ALL_HEADS) norm_all_heads(run, block, thread);
  for (int unit; (unit = threads_claim(run->threads, thread, run->count * shape->kv_heads)) >= 0;) {
    const int t = unit / shape->kv_heads, kv_head = unit % shape->kv_heads;
    float *queries = row_of(run->query, run->query_stride, t) + (size_t)(kv_head * group) * (size_t)size;
    float *keys = row_of(run->key, run->key_stride, t);
    for (int h = 0; h < group; h++)
      rotate_head(run, layer, t, block->query_norm, queries + (size_t)h * (size_t)size);
    scale_row(queries, group * size, query_scale(run, t));
    rotate_head(run, layer, t, block->key_norm, keys + (size_t)kv_head * (size_t)size);
    kv_table_write(run->kv, layer, run->position + t, keys, row_of(run->value, run->key_stride, t), kv_head,
                   kv_head + 1);
  }
  run_finish_step(run, thread, PROFILE_ROPE_AND_STORE);
}

static Input stream(const Run *run, int from) {
  return (Input){row_of(run->x, run->width_stride, from), run->width_stride, run->count - from,
                 run->model->shape.width};
}

// A matrix of its own, or the part of one that holds several: `rows` from row `first` on.
static Matrix part_of(const Matrix *own, const Matrix *whole, int first, int rows) {
  if (whole->rows == 0) return *own;
  return (Matrix){whole->kind, rows, whole->columns,
                  whole->tiles + (size_t)(first / TILE_ROWS) * tile_bytes(whole->kind, whole->columns)};
}

// Keys and values of all tokens, and what those from `from` on read of them.
static void attention(Run *run, const Block *block, int layer, int from, int thread) {
  const Shape *shape = &run->model->shape;
  const int queries = shape->heads * shape->head_size, keys = shape->kv_heads * shape->head_size;
  const Matrix query = part_of(&block->query, &block->query_key_value, 0, queries),
               key = part_of(&block->key, &block->query_key_value, queries, keys),
               value = part_of(&block->value, &block->query_key_value, queries + keys, keys);
  const Input x = stream(run, 0), rest = stream(run, from);
  const Product products[] = {{&query, block->query_bias, run->query, run->query_stride, false},
                              {&key, block->key_bias, run->key, run->key_stride, false},
                              {&value, block->value_bias, run->value, run->key_stride, false}};
  const Activations normed = product_prepare(run, thread, &x, block->attention_norm, products, 3);
  product_multiply(run, thread, PROFILE_QUERY_KEY_VALUE, &normed, products, 3);
  rotate_and_store(run, block, layer, thread);
  if (from == run->count) return;
  attention_run(run, layer, from, thread);
  const Product output = {.matrix = &block->attention_output, .bias = block->attention_output_bias};
  const Input mixed = {row_of(run->mixed, run->query_stride, from), run->query_stride, rest.count,
                       block->attention_output.columns};
  const Activations attended = product_prepare(run, thread, &mixed, NULL, &output, 1);
  add_branch(run, thread, PROFILE_ATTENTION_OUTPUT, &rest, &attended, output,
             &(Branch){block->attention_post_norm, shape->residual_scale});
}

// The feed-forward network's activation in rows `first` to `first + rows`, blocks of the next product's input, which it
// packs.
static void activate(const Run *run, const Block *block, int count, int first, int rows, uint8_t *packed) {
  const Activation activation = run->model->shape.architecture->activation;
  for (int t = 0; t < count; t++) {
    float *gate = row_of(run->gate, run->forward_stride, t) + first;
    const float *up = row_of(run->up, run->forward_stride, t) + first;
    if (activation == ACTIVATION_SWIGLU)
      run->kernels->swiglu(gate, up, rows);
    else
      activation_apply(activation, gate, up, rows);
  }
  if (packed != NULL)
    product_pack(run, run->gate + first, run->forward_stride, count, first, rows, block->down.columns, packed);
}

// Rows of gate and up: what of them is activated at once.
enum { HIDDEN_ROWS = CHUNK_TILES * TILE_ROWS };

// A piece of several tokens' rows is activated while it is in the cache. One token's is so small that it matters more
// to go through the weights in one run.
static void hidden(Run *run, const Block *block, const Activations *input, const Product *products, int product_count,
                   uint8_t *packed, int thread) {
  const int rows = run->forward_stride, count = input->tokens;
  if (count == 1) product_multiply(run, thread, PROFILE_GATE_AND_UP, input, products, product_count);
  for (int piece; (piece = threads_claim(run->threads, thread, (rows + HIDDEN_ROWS - 1) / HIDDEN_ROWS)) >= 0;) {
    const int first = piece * HIDDEN_ROWS, left = rows - first;
    for (int i = 0; count > 1 && i < product_count; i++)
      product_tiles(run, &products[i], input, piece * CHUNK_TILES, CHUNK_TILES);
    activate(run, block, count, first, left < HIDDEN_ROWS ? left : HIDDEN_ROWS, packed);
  }
  run_finish_step(run, thread, PROFILE_GATE_AND_UP);
}

static void feed_forward(Run *run, const Block *block, int from, int thread) {
  if (from == run->count) return;
  const Shape *shape = &run->model->shape;
  const int rows = shape->feed_forward;
  const Matrix gate = part_of(&block->gate, &block->gate_up, 0, rows),
               up = part_of(&block->up, &block->gate_up, rows, rows);
  const Input x = stream(run, from);
  const Product products[] = {{&up, block->up_bias, run->up, run->forward_stride, false},
                              {&gate, block->gate_bias, run->gate, run->forward_stride, false}};
  const int product_count = gate.rows > 0 ? 2 : 1;
  const Product down = {.matrix = &block->down, .bias = block->down_bias};
  uint8_t *packed = product_packs(run, &down, 1) ? run->packed_hidden : NULL;
  const Activations normed = product_prepare(run, thread, &x, block->feed_forward_norm, products, product_count);
  hidden(run, block, &normed, products, product_count, packed, thread);
  const Input activated = {run->gate, run->forward_stride, x.count, block->down.columns};
  const Activations taken = product_take(run, thread, &activated, packed, &down, 1);
  add_branch(run, thread, PROFILE_DOWN, &x, &taken, down,
             &(Branch){block->feed_forward_post_norm, shape->residual_scale});
}

static const Block *layer_block(const Run *run, int layer) {
  return &run->model->blocks[layer / run->model->shape.block_repeat];
}

// Of the last layer, nobody reads more than the wanted tokens' output.
static void layers(Run *run, int first, int end, int thread) {
  for (int layer = first; layer < end; layer++) {
    const int from = layer == shape_layers(&run->model->shape) - 1 ? run->wanted : 0;
    attention(run, layer_block(run, layer), layer, from, thread);
    feed_forward(run, layer_block(run, layer), from, thread);
  }
}

static void layers_task(void *context, int thread) {
  Run *run = context;
  if (run->profile != NULL) profile_begin(&run->profile[thread]);
  each_token(run, thread, embed);
  layers(run, 0, shape_layers(&run->model->shape), thread);
}

void forward_layers(Run *run) { threads_run(run->threads, layers_task, run); }

static void embed_task(void *context, int thread) {
  Run *run = context;
  if (run->profile != NULL) profile_begin(&run->profile[thread]);
  each_token(run, thread, look_up);
}

void forward_embed(Run *run) { threads_run(run->threads, embed_task, run); }

typedef struct {
  Run *run;
  int block;
} BlockTask;

static void block_task(void *context, int thread) {
  const BlockTask *task = context;
  Run *run = task->run;
  const int repeat = run->model->shape.block_repeat, first = task->block * repeat;
  if (run->profile != NULL) profile_begin(&run->profile[thread]);
  each_token(run, thread, find_angles);
  layers(run, first, first + repeat, thread);
}

void forward_block(Run *run, int block) {
  BlockTask task = {run, block};
  threads_run(run->threads, block_task, &task);
}

typedef struct {
  Run *run;
  int first, count;
  const Matrix *output;
  float *logits;
  int stride;
} LogitsTask;

// Scales and caps the logits, where the family does.
static void finish_logits(const LogitsTask *task, int thread) {
  enum { PIECE = 4096 };
  Run *run = task->run;
  const Shape *shape = &run->model->shape;
  if (shape->logit_scale == 1 && shape->logit_softcap == 0) return;
  const int pieces = (task->output->rows + PIECE - 1) / PIECE;
  for (int unit; (unit = threads_claim(run->threads, thread, task->count * pieces)) >= 0;) {
    const int first = unit % pieces * PIECE, left = task->output->rows - first;
    float *logits = row_of(task->logits, task->stride, unit / pieces) + first;
    scale_row(logits, left < PIECE ? left : PIECE, shape->logit_scale);
    if (shape->logit_softcap > 0) soft_cap(logits, left < PIECE ? left : PIECE, shape->logit_softcap);
  }
  run_finish_step(run, thread, PROFILE_LOGITS);
}

static void logits_task(void *context, int thread) {
  const LogitsTask *task = context;
  Run *run = task->run;
  if (run->profile != NULL) profile_begin(&run->profile[thread]);
  const Input x = {run->x + (size_t)task->first * (size_t)run->width_stride, run->width_stride, task->count,
                   run->model->shape.width};
  const Product output = {task->output, NULL, task->logits, task->stride, false};
  const Activations normed = product_prepare(run, thread, &x, run->model->output_norm, &output, 1);
  product_multiply(run, thread, PROFILE_LOGITS, &normed, &output, 1);
  finish_logits(task, thread);
}

void forward_output(Run *run, int first, int count, const Matrix *output, float *logits, int stride) {
  LogitsTask task = {run, first, count, output, logits, stride};
  threads_run(run->threads, logits_task, &task);
}

void forward_logits(Run *run, int first, int count, float *logits) {
  forward_output(run, first, count, &run->model->output, logits, run->logits_stride);
}

typedef struct {
  Run *run;
  int layer;
} SampleTask;

static void sample_task(void *context, int thread) {
  const SampleTask *task = context;
  layers(task->run, task->layer, task->layer + 1, thread);
}

uint64_t forward_sample(Run *run, int layer) {
  SampleTask task = {run, layer};
  run->count = 1;
  run->wanted = 0;
  run->position = 0;
  threads_run(run->threads, sample_task, &task);
  return model_block_bytes(layer_block(run, layer));
}
