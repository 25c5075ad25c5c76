// The transformer (arXiv:2302.13971), for a batch of tokens:
//
//   x = embedding[token]
//   each layer:
//     n = rms_norm(x)
//     q, k, v = n Wq, n Wk, n Wv           one pass: they share their input
//     q, k = rope(q), rope(k)              and k, v go into the KV pages
//     x += attention(q, pages) Wo
//     n = rms_norm(x)
//     x += (silu(n Wgate) * n Wup) Wdown
//   logits = rms_norm(x) Woutput           only where they are asked for
//
// Every thread runs the whole pass; they share out each step's pieces by threads_claim() and meet at a barrier behind
// it.
#include "forward.h"

#include <math.h>

#include "attention.h"

// Tiles of a matrix that are claimed at once: few enough to share out evenly, whole blocks of the next product's input,
// and what kernels take at once. One token's product takes as many as some bytes hold, so that claims cost next to
// nothing.
enum { CHUNK_TILES = 8, MOST_CHUNK_TILES = 64, CHUNK_BYTES = 320 << 10, LEAST_CHUNKS_A_THREAD = 4 };

// One product of a step: y = input @ W^T, or y += ....
typedef struct {
  const Matrix *matrix;
  float *y;
  int stride;
  bool add;
} Product;

static bool needs_packing(const Run *run, const Product *products, int count) {
  for (int i = 0; i < count; i++)
    if (run->kernels->packs && tile_is_quantized(products[i].matrix->kind)) return true;
  return false;
}

static size_t packed_bytes(int columns) { return (size_t)(columns / TILE_BLOCK) * PACKED_BLOCK_BYTES; }

static int panel_count(int tokens) { return tokens / PANEL_TOKENS + tokens % PANEL_TOKENS; }

// The first token of a panel, and how many it has.
static int panel_first(int tokens, int panel) {
  const int full = tokens / PANEL_TOKENS;
  return panel < full ? panel * PANEL_TOKENS : full * PANEL_TOKENS + (panel - full);
}

static int panel_tokens(int tokens, int panel) { return panel < tokens / PANEL_TOKENS ? PANEL_TOKENS : 1; }

// The rows that a step's products share as their input.
typedef struct {
  float *rows; /* [count, stride] */
  int stride, count, columns;
} Input;

// One token's rows with this thread's tables of them, where a product looks them up.
static Activations with_tables(const Run *run, int thread, Activations x, const Product *products, int count) {
  bool looks_up = false;
  for (int i = 0; i < count; i++)
    looks_up |= products[i].matrix->kind == TILE_Q1_0;
  if (!looks_up || x.tokens > 1 || run->kernels->tabulate == NULL) return x;
  uint8_t *tables = run->own_tables + (size_t)thread * run->own_table_bytes;
  run->kernels->tabulate(x.packed, x.columns, tables);
  x.tables = tables;
  return x;
}

// Normalises rows `first` to `first + tokens` into `target` (where there is a norm), and packs them (where there is
// `packed`).
static void prepare_rows(const Run *run, const Input *input, const float *norm, int first, int tokens, float *target,
                         uint8_t *packed) {
  const size_t stride = (size_t)input->stride;
  float *rows = input->rows + (size_t)first * stride;
  for (int t = 0; norm != NULL && t < tokens; t++)
    run->kernels->rms_norm(rows + (size_t)t * stride, norm, input->columns, run->model->shape.norm_epsilon,
                           target + (size_t)t * stride);
  if (packed != NULL) run->kernels->pack(norm != NULL ? target : rows, stride, tokens, input->columns, packed);
}

// The rows as products take them: normalised (where there is a norm), and packed where a product wants that. Of several
// a piece of work is a panel. One row each thread prepares for itself: the others would wait for it as long.
static Activations prepare(Run *run, int thread, const Input *input, const float *norm, const Product *products,
                           int count) {
  const bool packing = needs_packing(run, products, count), own = input->count == 1;
  const size_t stride = (size_t)input->stride;
  float *normed = own ? run->own_row + (size_t)thread * (size_t)run->width_stride : run->normed;
  uint8_t *packed = own ? run->own_packed + (size_t)thread * run->own_packed_bytes : run->packed;
  const Activations x = {.values = norm != NULL ? normed : input->rows,
                         .stride = stride,
                         .packed = packing ? packed : NULL,
                         .tokens = input->count,
                         .columns = input->columns};
  if (own) {
    prepare_rows(run, input, norm, 0, 1, normed, packing ? packed : NULL);
    const Activations tabulated = with_tables(run, thread, x, products, count);
    run_book_step(run, thread, PROFILE_NORM_AND_PACK);
    return tabulated;
  }
  for (int panel; (panel = threads_claim(run->threads, thread, panel_count(input->count))) >= 0;) {
    const int first = panel_first(input->count, panel), tokens = panel_tokens(input->count, panel);
    prepare_rows(run, input, norm, first, tokens, normed + (size_t)first * stride,
                 packing ? packed + (size_t)first * packed_bytes(input->columns) : NULL);
  }
  run_finish_step(run, thread, PROFILE_NORM_AND_PACK);
  return x;
}

static int chunk_tiles(const Run *run, const Matrix *matrix, int tokens) {
  const size_t bytes = tile_bytes(matrix->kind, matrix->columns);
  int tiles = CHUNK_TILES;
  while (tokens == 1 && tiles < MOST_CHUNK_TILES && 2 * (size_t)tiles * bytes <= CHUNK_BYTES &&
         tile_count(matrix) >= 2 * tiles * LEAST_CHUNKS_A_THREAD * threads_active(run->threads))
    tiles *= 2;
  return tiles;
}

static int chunk_count(const Run *run, const Matrix *matrix, int tokens) {
  const int tiles = chunk_tiles(run, matrix, tokens);
  return (tile_count(matrix) + tiles - 1) / tiles;
}

// `tiles` of a product's matrix from tile `first` on, or as many of them as there are.
static void multiply_tiles(const Run *run, const Product *product, const Activations *input, int first, int tiles) {
  const Matrix *matrix = product->matrix;
  const int left = tile_count(matrix) - first;
  MatmulKernel *const streams = run->kernels->matmul_streams[matrix->kind];
  const bool streamed = streams != NULL && run->tile_streams > 1 && input->tokens == 1;
  MatmulKernel *const matmul = streamed ? streams : run->kernels->matmul[matrix->kind];
  matmul(matrix->tiles + (size_t)first * tile_bytes(matrix->kind, matrix->columns), left < tiles ? left : tiles, input,
         product->y + first * TILE_ROWS, (size_t)product->stride, product->add);
}

// A step of products that share an input; a piece of work is a chunk of rows of one of them.
static void multiply(Run *run, int thread, ProfileOperation operation, const Activations *input,
                     const Product *products, int count) {
  int chunks = 0;
  for (int i = 0; i < count; i++)
    chunks += chunk_count(run, products[i].matrix, input->tokens);
  for (int chunk; (chunk = threads_claim(run->threads, thread, chunks)) >= 0;) {
    const Product *product = products;
    while (chunk >= chunk_count(run, product->matrix, input->tokens))
      chunk -= chunk_count(run, product++->matrix, input->tokens);
    const int tiles = chunk_tiles(run, product->matrix, input->tokens);
    multiply_tiles(run, product, input, chunk * tiles, tiles);
  }
  run_finish_step(run, thread, operation);
}

static void look_up(Run *run, int t) {
  matrix_row(&run->model->embedding, run->tokens[t], run->x + (size_t)t * (size_t)run->width_stride);
}

static void find_angles(Run *run, int t) {
  const int pairs = run->rope.pairs;
  rope_angles(&run->rope, run->position + t, run->cosine + t * pairs, run->sine + t * pairs);
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

// Rotates queries and keys and writes the KV pages; a piece of work is a token and a KV head with its group of queries.
static void rotate_and_store(Run *run, int layer, int thread) {
  const Shape *shape = &run->model->shape;
  const int group = shape->heads / shape->kv_heads, size = shape->head_size, pairs = run->rope.pairs;
  const float scale = page_scale(run->kv->shape->type) / sqrtf((float)size);
  for (int unit; (unit = threads_claim(run->threads, thread, run->count * shape->kv_heads)) >= 0;) {
    const int t = unit / shape->kv_heads, kv_head = unit % shape->kv_heads;
    const float *cosine = run->cosine + t * pairs, *sine = run->sine + t * pairs;
    float *query = run->query + (size_t)t * (size_t)run->query_stride + (size_t)(kv_head * group) * (size_t)size;
    float *keys = run->key + (size_t)t * (size_t)run->key_stride;
    for (int h = 0; h < group; h++)
      run->kernels->rope(query + (size_t)h * (size_t)size, cosine, sine, pairs, shape->architecture->rope_adjacent);
    for (int i = 0; i < group * size; i++)
      query[i] *= scale;
    run->kernels->rope(keys + (size_t)kv_head * (size_t)size, cosine, sine, pairs, shape->architecture->rope_adjacent);
    kv_table_write(run->kv, layer, run->position + t, keys, run->value + (size_t)t * (size_t)run->key_stride, kv_head,
                   kv_head + 1);
  }
  run_finish_step(run, thread, PROFILE_ROPE_AND_STORE);
}

// The rows of a buffer from token `from` on.
static float *rows_from(float *buffer, int stride, int from) { return buffer + (size_t)from * (size_t)stride; }

static Input stream(const Run *run, int from) {
  return (Input){rows_from(run->x, run->width_stride, from), run->width_stride, run->count - from,
                 run->model->shape.width};
}

// Keys and values of all tokens, and what those from `from` on read of them.
static void attention(Run *run, const Block *block, int layer, int from, int thread) {
  const Input x = stream(run, 0);
  const Product products[] = {{&block->query, run->query, run->query_stride, false},
                              {&block->key, run->key, run->key_stride, false},
                              {&block->value, run->value, run->key_stride, false}};
  const Activations normed = prepare(run, thread, &x, block->attention_norm, products, 3);
  multiply(run, thread, PROFILE_QUERY_KEY_VALUE, &normed, products, 3);
  rotate_and_store(run, layer, thread);
  if (from == run->count) return;
  attention_run(run, layer, from, thread);
  const Product output = {&block->attention_output, stream(run, from).rows, run->width_stride, true};
  const Input mixed = {rows_from(run->mixed, run->query_stride, from), run->query_stride, run->count - from,
                       block->attention_output.columns};
  const Activations attended = prepare(run, thread, &mixed, NULL, &output, 1);
  multiply(run, thread, PROFILE_ATTENTION_OUTPUT, &attended, &output, 1);
}

// Gate times up in rows `first` to `first + rows`, blocks of the next product's input, and packs it.
static void activate(const Run *run, const Block *block, int count, int first, int rows, uint8_t *packed) {
  const size_t stride = (size_t)run->forward_stride;
  float *gate = run->gate + first, *up = run->up + first;
  for (int t = 0; t < count; t++)
    run->kernels->swiglu(gate + (size_t)t * stride, up + (size_t)t * stride, rows);
  for (int panel = 0; packed != NULL && panel < panel_count(count); panel++) {
    const int token = panel_first(count, panel), tokens = panel_tokens(count, panel);
    run->kernels->pack(
        gate + (size_t)token * stride, stride, tokens, rows,
        packed + (size_t)token * packed_bytes(block->down.columns) + (size_t)tokens * packed_bytes(first));
  }
}

// Rows of gate and up: what of them is activated at once.
enum { HIDDEN_ROWS = CHUNK_TILES * TILE_ROWS };

// A piece of several tokens' rows is activated while it is in the cache. One token's is so small that it matters more
// to go through the weights in one run.
static void hidden(Run *run, const Block *block, const Activations *input, const Product *products, uint8_t *packed,
                   int thread) {
  const int rows = run->forward_stride, count = input->tokens;
  if (count == 1) multiply(run, thread, PROFILE_GATE_AND_UP, input, products, 2);
  for (int piece; (piece = threads_claim(run->threads, thread, (rows + HIDDEN_ROWS - 1) / HIDDEN_ROWS)) >= 0;) {
    const int first = piece * HIDDEN_ROWS, left = rows - first;
    for (int i = 0; count > 1 && i < 2; i++)
      multiply_tiles(run, &products[i], input, piece * CHUNK_TILES, CHUNK_TILES);
    activate(run, block, count, first, left < HIDDEN_ROWS ? left : HIDDEN_ROWS, packed);
  }
  run_finish_step(run, thread, PROFILE_GATE_AND_UP);
}

static void feed_forward(Run *run, const Block *block, int from, int thread) {
  if (from == run->count) return;
  const Input x = stream(run, from);
  const Product products[] = {{&block->gate, run->gate, run->forward_stride, false},
                              {&block->up, run->up, run->forward_stride, false}};
  const Product down = {&block->down, x.rows, run->width_stride, true};
  uint8_t *packed = needs_packing(run, &down, 1) ? run->packed_hidden : NULL;
  const Activations normed = prepare(run, thread, &x, block->feed_forward_norm, products, 2);
  hidden(run, block, &normed, products, packed, thread);
  const Activations activated = with_tables(run, thread,
                                            (Activations){.values = run->gate,
                                                          .stride = (size_t)run->forward_stride,
                                                          .packed = packed,
                                                          .tokens = x.count,
                                                          .columns = block->down.columns},
                                            &down, 1);
  multiply(run, thread, PROFILE_DOWN, &activated, &down, 1);
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

static void logits_task(void *context, int thread) {
  const LogitsTask *task = context;
  Run *run = task->run;
  if (run->profile != NULL) profile_begin(&run->profile[thread]);
  const Input x = {run->x + (size_t)task->first * (size_t)run->width_stride, run->width_stride, task->count,
                   run->model->shape.width};
  const Product output = {task->output, task->logits, task->stride, false};
  const Activations normed = prepare(run, thread, &x, run->model->output_norm, &output, 1);
  multiply(run, thread, PROFILE_LOGITS, &normed, &output, 1);
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
  const Block *block = layer_block(run, layer);
  const Matrix *const matrices[] = {&block->query, &block->key, &block->value, &block->attention_output,
                                    &block->gate,  &block->up,  &block->down};
  SampleTask task = {run, layer};
  run->count = 1;
  run->wanted = 0;
  run->position = 0;
  threads_run(run->threads, sample_task, &task);
  uint64_t bytes = 0;
  for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
    bytes += (uint64_t)tile_count(matrices[i]) * tile_bytes(matrices[i]->kind, matrices[i]->columns);
  return bytes;
}
