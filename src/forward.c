// The transformer (arXiv:2302.13971), for a batch of tokens. What a family does not have is left out:
//
//   x = scale * embedding[token] + positions[position]
//   each layer:
//     n = norm(x)
//     q, k, v = n Wq + bq, n Wk + bk, n Wv + bv     one pass: they share their input
//     q, k = rope(norm(q)), rope(norm(k))           and k, v go into the KV pages
//     m = attention(q, pages)
//     x += scale * norm(m Wo + bo)                  of a parallel block, behind the next two lines
//     n = norm(x)
//     h = silu(n Wgate + bgate) * (n Wup + bup)
//     x += scale * norm(h Wdown + bdown)
//   logits = cap(scale * (norm(x) Woutput + boutput))   only where they are asked for
//
// Every thread runs the whole pass; they share out each step's pieces by threads_claim() and meet at a barrier behind
// it.
#include "forward.h"

#include "activation.h"
#include "attention.h"
#include "heads.h"
#include "hidden.h"

static void scale_row(float *x, int n, float scale) {
  for (int i = 0; i < n && scale != 1; i++)
    x[i] *= scale;
}

void forward_finish_embedding(const Run *run, int position, float *x, float *spare) {
  const Model *model = run->model;
  scale_row(x, model->shape.width, model->shape.embedding_scale);
  if (model->positions.rows == 0) return;
  matrix_row(&model->positions, position, spare);
  for (int i = 0; i < model->shape.width; i++)
    x[i] += spare[i];
}

static void look_up(Run *run, int t) {
  float *x = run_row(run->x, run->width_stride, t);
  matrix_row(&run->model->embedding, run->tokens[t], x);
  forward_finish_embedding(run, run->position + t, x, run_row(run->normed, run->width_stride, t));
}

static void find_angles(Run *run, int t) {
  for (int rope = 0; rope < ROPES; rope++)
    if (run->ropes[rope].frequencies != NULL)
      rope_angles(&run->ropes[rope], run->position + t, run_angles(run, run->cosine, rope, t),
                  run_angles(run, run->sine, rope, t));
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

// x += scale * norm(product), where the family has a norm or a scale here. The product's input is no longer in
// run->normed, which then holds its result.
static void add_branch(Run *run, int thread, ProfileOperation operation, const Input *x, const Activations *input,
                       Product product, const Norm *norm) {
  const float scale = run->model->shape.residual_scale;
  const bool plain = !norm_is_there(norm) && scale == 1;
  product.y = plain ? x->rows : run->normed;
  product.stride = x->stride;
  product.add = plain;
  product_multiply(run, thread, operation, input, &product, 1);
  if (plain) return;
  for (int t; (t = threads_claim(run->threads, thread, x->count)) >= 0;) {
    float *added = run_row(run->normed, x->stride, t), *row = run_row(x->rows, x->stride, t);
    if (norm_is_there(norm)) norm_apply(run, norm, added, x->columns, added);
    for (int i = 0; i < x->columns; i++)
      row[i] += added[i] * scale;
  }
  run_finish_step(run, thread, operation);
}

static Input residual(const Run *run, int from) {
  return (Input){run_row(run->x, run->width_stride, from), run->width_stride, run->count - from,
                 run->model->shape.width};
}

// A matrix of its own, or the part of one that holds several: `rows` from row `first` on.
static Matrix part_of(const Matrix *own, const Matrix *whole, int first, int rows) {
  if (whole->rows == 0) return *own;
  return (Matrix){whole->kind, rows, whole->columns,
                  whole->tiles + (size_t)(first / TILE_ROWS) * tile_bytes(whole->kind, whole->columns)};
}

static const float *part_of_bias(const float *own, const float *whole, int first) {
  return whole != NULL ? whole + first : own;
}

// The norm before a branch: its own, or the other's where the branches of a parallel block share one.
static const Norm *norm_before(const Block *block, const Norm *own, const Norm *other) {
  return block->parallel && !norm_is_there(own) ? other : own;
}

// Keys and values of all tokens, and what those from `from` on read of them: run->mixed.
static void attend(Run *run, const Block *block, int layer, int from, int thread) {
  const BlockShape *shape = shape_layer(&run->model->shape, layer);
  const int queries = shape->heads * shape->key_size, keys = shape->kv_heads * shape->key_size;
  const Matrix *whole = &block->query_key_value;
  const float *bias = block->query_key_value_bias;
  const Matrix query = part_of(&block->query, whole, 0, queries), key = part_of(&block->key, whole, queries, keys),
               value = part_of(&block->value, whole, queries + keys, shape->kv_heads * shape->value_size);
  const Product products[] = {
      {&query, part_of_bias(block->query_bias, bias, 0), run->query, run->query_stride, false},
      {&key, part_of_bias(block->key_bias, bias, queries), run->key, run->key_stride, false},
      {&value, part_of_bias(block->value_bias, bias, queries + keys), run->value, run->key_stride, false}};
  const Input x = residual(run, 0);
  const Norm *norm = norm_before(block, &block->attention_norm, &block->feed_forward_norm);
  const Activations normed = product_prepare(run, thread, &x, norm, products, 3);
  product_multiply(run, thread, PROFILE_QUERY_KEY_VALUE, &normed, products, 3);
  heads_rotate_and_store(run, block, layer, thread);
  if (from < run->count) attention_run(run, layer, from, thread);
}

static void add_attention(Run *run, const Block *block, int from, int thread) {
  const Input x = residual(run, from), mixed = {run_row(run->mixed, run->query_stride, from), run->query_stride,
                                                x.count, block->attention_output.columns};
  const Product output = {.matrix = &block->attention_output, .bias = block->attention_output_bias};
  const Activations attended = product_prepare(run, thread, &mixed, NULL, &output, 1);
  add_branch(run, thread, PROFILE_ATTENTION_OUTPUT, &x, &attended, output, &block->attention_post_norm);
}

// Where the hidden layer is packed, if the next product wants that.
static uint8_t *packed_hidden(const Run *run, const Product *down) {
  return product_packs(run, down, 1) ? run->packed_hidden : NULL;
}

// The feed-forward network's hidden layer: run->gate.
static void hide(Run *run, const Block *block, int from, int thread) {
  const int rows = block->down.columns;
  const Matrix gate = part_of(&block->gate, &block->gate_up, 0, rows),
               up = part_of(&block->up, &block->gate_up, rows, rows);
  const Product products[] = {{&up, block->up_bias, run->up, run->forward_stride, false},
                              {&gate, block->gate_bias, run->gate, run->forward_stride, false}};
  const int count = gate.rows > 0 ? 2 : 1;
  const Product down = {.matrix = &block->down};
  const Input x = residual(run, from);
  const Norm *norm = norm_before(block, &block->feed_forward_norm, &block->attention_norm);
  const Activations normed = product_prepare(run, thread, &x, norm, products, count);
  hidden_compute(run, block, &normed, products, count, packed_hidden(run, &down), thread);
}

static void add_hidden(Run *run, const Block *block, int from, int thread) {
  const Input x = residual(run, from), hidden = {run->gate, run->forward_stride, x.count, block->down.columns};
  const Product down = {.matrix = &block->down, .bias = block->down_bias};
  const Activations taken = product_take(run, thread, &hidden, packed_hidden(run, &down), &down, 1);
  add_branch(run, thread, PROFILE_DOWN, &x, &taken, down, &block->feed_forward_post_norm);
}

// Of a parallel block, both branches have read the residual stream before either adds to it.
static void compute_layer(Run *run, const Block *block, int layer, int from, int thread) {
  attend(run, block, layer, from, thread);
  if (from == run->count) return;
  if (block->parallel) hide(run, block, from, thread);
  add_attention(run, block, from, thread);
  if (!block->parallel) hide(run, block, from, thread);
  add_hidden(run, block, from, thread);
}

static const Block *layer_block(const Run *run, int layer) {
  return &run->model->blocks[shape_block(&run->model->shape, layer)];
}

// x = norm(x), between two loops through all layers.
static void norm_residual(Run *run, int thread) {
  const Input x = residual(run, 0);
  for (int t; (t = threads_claim(run->threads, thread, x.count)) >= 0;) {
    float *row = run_row(x.rows, x.stride, t);
    norm_apply(run, &run->model->output_norm, row, x.columns, row);
  }
  run_finish_step(run, thread, PROFILE_NORM_AND_PACK);
}

// Of the last layer, nobody reads more than the wanted tokens' output.
static void layers(Run *run, int first, int end, int thread) {
  const Shape *shape = &run->model->shape;
  for (int layer = first; layer < end; layer++) {
    const bool last = layer == shape_layers(shape) - 1;
    compute_layer(run, layer_block(run, layer), layer, last ? run->wanted : 0, thread);
    if (!last && shape->loop_norms && (layer + 1) % (shape->blocks * shape->block_repeat) == 0)
      norm_residual(run, thread);
  }
}

typedef struct {
  Run *run;
  int first, end;
  bool embeds;
} BlocksTask;

static void blocks_task(void *context, int thread) {
  const BlocksTask *task = context;
  Run *run = task->run;
  const int repeat = run->model->shape.block_repeat;
  if (run->profile != NULL) profile_begin(&run->profile[thread]);
  each_token(run, thread, task->embeds ? embed : find_angles);
  layers(run, task->first * repeat, task->end * repeat, thread);
}

void forward_blocks(Run *run, int first, int end, bool embeds) {
  BlocksTask task = {run, first, end, embeds};
  threads_run(run->threads, blocks_task, &task);
}

typedef struct {
  Run *run;
  int first, count;
  const Matrix *output;
  const float *bias; /* [output->rows], or NULL */
  float *logits;
  int stride;
} LogitsTask;

// Scales and caps the logits, where the family does.
static void finish_logits(const LogitsTask *task, int thread) {
  enum { PIECE = 4096 };
  Run *run = task->run;
  const Shape *shape = &run->model->shape;
  if (shape->logit_scale == 1 && shape->logit_softcap == 0) return;
  const int pieces = units_of(task->output->rows, PIECE);
  for (int unit; (unit = threads_claim(run->threads, thread, task->count * pieces)) >= 0;) {
    const int first = unit % pieces * PIECE, left = task->output->rows - first;
    float *logits = run_row(task->logits, task->stride, unit / pieces) + first;
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
  const Product output = {task->output, task->bias, task->logits, task->stride, false};
  const Activations normed = product_prepare(run, thread, &x, &run->model->output_norm, &output, 1);
  product_multiply(run, thread, PROFILE_LOGITS, &normed, &output, 1);
  finish_logits(task, thread);
}

void forward_output(Run *run, int first, int count, const Matrix *output, int row, float *logits, int stride) {
  const float *bias = run->model->output_bias;
  LogitsTask task = {run, first, count, output, bias != NULL ? bias + row : NULL, logits, stride};
  threads_run(run->threads, logits_task, &task);
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
