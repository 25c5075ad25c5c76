#include "run.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

int run_splits(int tokens) { return units_of(tokens, SPLIT_TOKENS); }

// Whether a block has the RoPE of windows.
static bool has_window_rope(const Shape *shape) {
  for (int block = 0; block < shape->blocks; block++)
    if (shape->block[block].rope == ROPE_OF_WINDOWS) return true;
  return false;
}

// One list of buffers serves measuring, allocating and freeing: visit(context, &pointer, bytes).
typedef bool VisitBuffer(void *context, void **buffer, uint64_t bytes);

static bool visit_buffers(Run *run, int threads, VisitBuffer *visit, void *context) {
  const Shape *shape = &run->model->shape;
  const uint64_t batch = (uint64_t)run->batch_size, f = sizeof(float), ropes = has_window_rope(shape) ? ROPES : 1;
  const BlockShape most = shape_most(shape);
  const uint64_t partials = (uint64_t)run_splits(run->context_size) * (uint64_t)most.heads;
  const uint64_t packed = run->own_packed_bytes, hidden = packed_bytes(run->forward_stride);
  const struct {
    void **buffer;
    uint64_t bytes;
  } buffers[] = {
      {(void **)&run->residual, (uint64_t)run->sweep_size * (uint64_t)run->width_stride * f},
      {(void **)&run->normed, batch * (uint64_t)run->width_stride * f},
      {(void **)&run->query, batch * (uint64_t)run->query_stride * f},
      {(void **)&run->key, batch * (uint64_t)run->key_stride * f},
      {(void **)&run->value, batch * (uint64_t)run->key_stride * f},
      {(void **)&run->mixed, batch * (uint64_t)run->query_stride * f},
      {(void **)&run->gate, batch * (uint64_t)run->forward_stride * f},
      {(void **)&run->up, batch * (uint64_t)run->forward_stride * f},
      {(void **)&run->packed, (uint64_t)packed_tokens(run->batch_size) * packed},
      {(void **)&run->packed_hidden, (uint64_t)packed_tokens(run->batch_size) * hidden},
      {(void **)&run->own_row, (uint64_t)threads * (uint64_t)run->width_stride * f},
      {(void **)&run->own_packed, (uint64_t)threads * packed},
      {(void **)&run->own_tables, (uint64_t)threads * run->own_table_bytes},
      {(void **)&run->cosine, ropes * batch * (uint64_t)(shape->ropes[ROPE_OF_ALL].dimensions / 2) * f},
      {(void **)&run->sine, ropes * batch * (uint64_t)(shape->ropes[ROPE_OF_ALL].dimensions / 2) * f},
      {(void **)&run->partial.max, partials * f},
      {(void **)&run->partial.sum, partials * f},
      {(void **)&run->partial.out, partials * (uint64_t)most.value_size * f},
      {(void **)&run->scratch, (uint64_t)threads * run->scratch_bytes},
  };
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
    if (!visit(context, buffers[i].buffer, round_up_bytes(buffers[i].bytes, ALIGNMENT))) return false;
  return true;
}

static bool count_buffer(void *context, void **buffer, uint64_t bytes) {
  (void)buffer;
  *(uint64_t *)context += bytes;
  return true;
}

static bool allocate_buffer(void *context, void **buffer, uint64_t bytes) {
  (void)context;
  if (bytes > SIZE_MAX / 2) return false;
  if (bytes == 0) return true;
  *buffer = aligned_alloc(ALIGNMENT, (size_t)bytes);
  // Rows that only pad a tile are read by nobody, but adding to them must not meet NaN.
  if (*buffer != NULL) memset(*buffer, 0, (size_t)bytes);
  return *buffer != NULL;
}

static bool free_buffer(void *context, void **buffer, uint64_t bytes) {
  (void)context, (void)bytes;
  free(*buffer);
  *buffer = NULL;
  return true;
}

static void size_buffers(Run *run, const Model *model, RunSizes sizes) {
  const Shape *shape = &model->shape;
  int queries = 0, keys = 0;
  size_t scratch = 0;
  for (int i = 0; i < shape->blocks; i++) {
    const BlockShape *block = &shape->block[i];
    const size_t bytes = attention_scratch_bytes(block);
    const int size = block->key_size > block->value_size ? block->key_size : block->value_size;
    if (block->heads * size > queries) queries = block->heads * size;
    if (block->kv_heads * size > keys) keys = block->kv_heads * size;
    if (bytes > scratch) scratch = bytes;
  }
  *run = (Run){.model = model,
               .context_size = sizes.context,
               .batch_size = sizes.batch,
               .sweep_size = sizes.sweep,
               .width_stride = round_up(shape->width, TILE_ROWS),
               .query_stride = round_up(queries, TILE_ROWS),
               .key_stride = round_up(keys, TILE_ROWS),
               .forward_stride = round_up(shape_most(shape).feed_forward, TILE_ROWS),
               .logits_stride = round_up(shape->vocabulary, TILE_ROWS)};
  const int widest = run->width_stride > run->query_stride ? run->width_stride : run->query_stride;
  run->own_packed_bytes = packed_bytes(widest);
  if ((model_kinds(model) >> TILE_Q1_0 & 1) != 0) {
    const int columns = widest > run->forward_stride ? widest : run->forward_stride;
    run->own_table_bytes = (size_t)units_of(columns, TILE_BLOCK) * TABLE_BLOCK_BYTES;
  }
  run->scratch_bytes = (size_t)round_up_bytes(scratch, ALIGNMENT);
}

bool run_create(Run *run, const Model *model, const Kernels *kernels, Threads *threads, RunSizes sizes,
                NibbleError *error) {
  size_buffers(run, model, sizes);
  run->kernels = kernels;
  run->threads = threads;
  visit_buffers(run, threads_count(threads), count_buffer, &run->bytes);
  // Splits and heads are counted together, and their rows are numbered by int.
  const bool counted = (int64_t)run_splits(run->context_size) * shape_most(&model->shape).heads <= INT32_MAX;
  const bool allocated = counted && visit_buffers(run, threads_count(threads), allocate_buffer, NULL);
  run->x = run->residual;
  if (allocated) return true;
  const double megabytes = (double)run->bytes / 1e6;
  run_free(run);
  return nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
                     "No memory is left for %.1f MB of activations. Ask for a smaller batch or context, or close other "
                     "models.",
                     megabytes);
}

bool run_create_ropes(Run *run, NibbleError *error) {
  const Model *model = run->model;
  const Shape *shape = &model->shape;
  const RopeShape *rope = &shape->ropes[ROPE_OF_ALL];
  RopeFactors factors = {model->rope_factors, "rope_freqs.weight"};
  if (factors.values == NULL && (float)run->context_size > rope->original_context)
    factors = (RopeFactors){model->long_factors, "rope_factors_long.weight"};
  else if (factors.values == NULL)
    factors = (RopeFactors){model->short_factors, "rope_factors_short.weight"};
  if (!rope_create(&run->ropes[ROPE_OF_ALL], rope, factors, error)) return false;
  if (!has_window_rope(shape) ||
      rope_create(&run->ropes[ROPE_OF_WINDOWS], &shape->ropes[ROPE_OF_WINDOWS], (RopeFactors){0}, error))
    return true;
  rope_free(&run->ropes[ROPE_OF_ALL]);
  return false;
}

void run_free(Run *run) {
  if (run->model == NULL) return;
  visit_buffers(run, 1, free_buffer, NULL);
  for (int i = 0; i < ROPES; i++)
    rope_free(&run->ropes[i]);
  run->model = NULL;
}

uint64_t run_bytes(const Model *model, int threads, RunSizes sizes) {
  Run run;
  uint64_t bytes = 0;
  size_buffers(&run, model, sizes);
  visit_buffers(&run, threads, count_buffer, &bytes);
  return bytes;
}

void *run_scratch(const Run *run, int thread) { return run->scratch + (size_t)thread * run->scratch_bytes; }

void run_book_step(Run *run, int thread, ProfileOperation operation) {
  if (run->profile != NULL) profile_book(&run->profile[thread], operation);
}

void run_finish_step(Run *run, int thread, ProfileOperation operation) {
  run_book_step(run, thread, operation);
  threads_barrier(run->threads);
  run_book_step(run, thread, PROFILE_WAIT);
}
