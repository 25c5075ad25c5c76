#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "engine_plan.h"
#include "engine_state.h"
#include "kernel_choice.h"
#include "segment.h"
#include "tuning.h"
#include "zeroed.h"

// The sets to choose from: the platform's, and the reference behind them.
static void list_kernel_sets(NibbleEngine *engine, const NibbleOptions *options) {
  for (int i = 0; i < options->kernel_set_count && engine->set_count < MAX_KERNEL_SETS - 1; i++)
    engine->sets[engine->set_count++] = options->kernel_sets[i];
  engine->sets[engine->set_count++] = &kernels_reference;
}

// The set that was asked for; where none was, the reference until nibble_engine_choose_kernels(). NULL, and `error`,
// for one that is not there or computes wrong results.
static const Kernels *first_kernels(NibbleEngine *engine, const NibbleOptions *options, NibbleError *error) {
  list_kernel_sets(engine, options);
  if (options->exact) return &kernels_exact;
  engine->choose_kernels = options->kernel_set == NULL;
  if (engine->choose_kernels) return &kernels_reference;
  for (int i = 0; i < engine->set_count; i++) {
    if (strcmp(engine->sets[i]->name, options->kernel_set) != 0) continue;
    return kernels_verify(engine->sets[i], model_kinds(&engine->model), error) ? engine->sets[i] : NULL;
  }
  nibble_fail(error, NIBBLE_INVALID_ARGUMENT, "The kernel set %.40s is not one of this build's. The first is %s.",
              options->kernel_set, engine->sets[0]->name);
  return NULL;
}

// Sets stand in the order in which one is preferred that is as fast with Q4_0, which is what is measured: the next one
// does better with other kinds.
static const double nearly = 0.95;

void nibble_engine_choose_kernels(NibbleEngine *engine) {
  if (!engine->choose_kernels) return;
  engine->choose_kernels = false;
  // The reference is there to compare with: it is not measured where the platform has sets of its own.
  const int candidates = engine->set_count > 1 ? engine->set_count - 1 : 1;
  kernels_measure(engine->sets, candidates, model_kinds(&engine->model), engine->rates);
  int best = 0;
  for (int i = 1; i < candidates; i++)
    if (engine->rates[i] > nearly * engine->rates[best]) best = i;
  if (engine->rates[best] > 0) engine->run.kernels = engine->sets[best];
}

static bool build_engine(NibbleEngine *engine, const Gguf *gguf, const NibbleOptions *options, NibbleError *error) {
  EnginePlan plan;
  if (!model_plan(&engine->model, gguf, error) || !engine_plan(&plan, &engine->model, options, error)) return false;
  engine->kv_shape = plan.kv;
  engine->kv_layers = plan.kv_layers;
  engine->least_budget = plan.least_budget;
  const Kernels *kernels = first_kernels(engine, &plan.options, error);
  if (kernels == NULL) return false;
  engine->pool = kv_pool_create(&engine->kv_shape);
  if (engine->pool == NULL) return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left for an engine.");
  if (plan.options.memory_budget > 0) kv_pool_limit(engine->pool, plan.kv_limit);
  engine->threads = threads_create(plan.options.threads, error);
  if (engine->threads == NULL || !run_create(&engine->run, &engine->model, kernels, engine->threads, plan.sizes, error))
    return false;
  // Under a budget there may be no memory to measure with once the weights have their places.
  if (plan.options.memory_budget > 0) nibble_engine_choose_kernels(engine);
  engine->run.tiles_abreast = plan.options.tiles_abreast;
  engine->choose_threads = plan.options.choose_threads;
  if (engine->model.residency.streams && (engine->samples = zeroed(SAMPLES, SAMPLE_BYTES)) == NULL)
    return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left for an engine.");
  return model_reserve(&engine->model, error) &&
         loader_create(&engine->loader, &engine->model, gguf->data_offset, error);
}

NibbleEngine *nibble_engine_create(const Gguf *gguf, const NibbleOptions *options, NibbleError *error) {
  NibbleEngine *engine = calloc(1, sizeof *engine);
  if (engine == NULL) {
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left for an engine. Close other models first.");
    return NULL;
  }
  if (build_engine(engine, gguf, options, error)) return engine;
  nibble_engine_free(engine);
  return NULL;
}

void nibble_engine_free(NibbleEngine *engine) {
  if (engine == NULL) return;
  driver_free(engine->driver);
  loader_free(&engine->loader);
  free(engine->run.profile);
  run_free(&engine->run);
  threads_free(engine->threads);
  kv_pool_free(engine->pool);
  free(engine->kv_layers);
  free(engine->samples);
  model_free(&engine->model);
  free(engine);
}

bool nibble_engine_load(NibbleEngine *engine, const uint8_t *bytes, size_t count, NibbleError *error) {
  if (engine->arrived) return true;
  if (engine->model.residency.streams)
    return nibble_fail(error, NIBBLE_INVALID_ARGUMENT,
                       "Not all weights stay in memory under this budget: they have to come from a store.");
  loader_push(&engine->loader, bytes, count);
  if (!loader_check(&engine->loader, error)) return false;
  return loader_remaining(&engine->loader) > 0 || nibble_engine_finish(engine, error);
}

// Gives blocks that stream something to be measured on: a slot of zeros.
static void place_zeros(Model *model) {
  if (model->ring == NULL) return;
  memset(model->ring, 0, (size_t)model->residency.slot_bytes);
  for (int i = 0; i < model->shape.blocks; i++)
    if (model->blocks[i].streams) segment_place_block(model, i, model->ring);
}

// Measures what was left to the engine, on a first token's KV pages that are given back. Where there is no memory for
// those, nothing is measured: that is no reason to refuse a model.
static void tune(NibbleEngine *engine) {
  Run *run = &engine->run;
  const bool choose_abreast = run->tiles_abreast == 0 && run->kernels->tiles_abreast > 1;
  if (!engine->choose_threads && !choose_abreast) return;
  place_zeros(&engine->model);
  KvTable kv = {0};
  if (kv_table_create(&kv, engine->pool, &engine->kv_shape, 1, NULL) && kv_table_grow(&kv, 0, 1, NULL)) {
    run->kv = &kv;
    if (engine->choose_threads) engine->thread_rate_count = tuning_choose_threads(run, engine->thread_rates);
    if (choose_abreast) tuning_choose_abreast(run);
    run->kv = NULL;
  }
  kv_table_free(&kv);
  kv_pool_trim(engine->pool);
}

bool engine_check_complete(const NibbleEngine *engine, NibbleError *error) {
  return engine->complete ||
         nibble_fail(error, NIBBLE_MODEL_INCOMPLETE,
                     "%llu bytes of the model's weights have not arrived yet. Load the whole file first.",
                     (unsigned long long)nibble_engine_remaining(engine));
}

bool engine_prepare(NibbleEngine *engine, NibbleError *error) {
  nibble_engine_choose_kernels(engine);
  return engine->run.ropes[ROPE_OF_ALL].frequencies != NULL || run_create_ropes(&engine->run, error);
}

void engine_settle(NibbleEngine *engine) {
  if (!engine->arrived || engine->complete) return;
  engine->complete = true;
}

void engine_tune(NibbleEngine *engine) {
  if (!engine->complete || engine->tuned) return;
  engine->tuned = true;
  tune(engine);
}

bool nibble_engine_finish(NibbleEngine *engine, NibbleError *error) {
  if (!engine->arrived) {
    if (!loader_check(&engine->loader, error) || !engine_prepare(engine, error)) return false;
    loader_free(&engine->loader);
    engine->arrived = true;
  }
  // What is measured would spoil the buffers of a pass, and hold up the token that it is for: the next one does it.
  if (engine->pass != NULL) return true;
  engine_settle(engine);
  engine_tune(engine);
  return true;
}

uint64_t nibble_engine_position(const NibbleEngine *engine) { return loader_packed_position(&engine->loader); }

// Whether a source is needed to begin a pass (-1), for a step through a block, or for the output.
static bool is_needed(const Model *model, const WeightSource *source, int step) {
  const int blocks = model->shape.blocks;
  if (step < 0) return source->stage == STAGE_EMBEDDING || model_is_rope_source(model, source);
  if (step == shape_steps(&model->shape)) return source->stage == STAGE_OUTPUT || source->matrix == model_output(model);
  return (source->stage == STAGE_BLOCK && source->block == step % blocks) ||
         (model->shape.loop_norms && step >= blocks - 1 && model_is_output_norm(model, source));
}

uint64_t nibble_engine_needs(const NibbleEngine *engine, int step) {
  const Model *model = &engine->model;
  uint64_t end = 0;
  for (int i = 0; i < model->source_count; i++) {
    const WeightSource *source = &model->sources[i];
    if (is_needed(model, source, step)) end = source->packed_offset + source->arena_bytes;
  }
  return end;
}

uint8_t *nibble_engine_packed_range(NibbleEngine *engine, uint64_t position, uint64_t *length) {
  const Model *model = &engine->model;
  const WeightSource *first = model_source_at(model, position), *end = model->sources + model->source_count;
  *length = 0;
  if (first == NULL) return NULL;
  const WeightSource *next = first + 1;
  while (next < end && next->streams == first->streams &&
         (first->streams || next->arena_offset == next[-1].arena_offset + next[-1].arena_bytes))
    next++;
  *length = next[-1].packed_offset + next[-1].arena_bytes - position;
  if (first->streams) return NULL;
  return model->arena + first->arena_offset + (position - first->packed_offset);
}

uint64_t nibble_engine_packed_checksum(NibbleEngine *engine, uint64_t position, uint64_t length) {
  Checksum checksum;
  checksum_begin(&checksum);
  for (uint64_t run, end = position + length; position < end; position += run) {
    const uint8_t *bytes = nibble_engine_packed_range(engine, position, &run);
    if (bytes == NULL) break;
    if (run > end - position) run = end - position;
    checksum_update(&checksum, bytes, (size_t)run);
  }
  return checksum_end(&checksum);
}

uint64_t nibble_engine_remaining(const NibbleEngine *engine) {
  return engine->arrived ? 0 : loader_remaining(&engine->loader);
}

void nibble_engine_info(const NibbleEngine *engine, NibbleModelInfo *info) {
  const Run *run = &engine->run;
  const RunSizes sizes = {run->context_size, run->batch_size, run->sweep_size};
  engine_describe(&engine->model, sizes, kv_type(&engine->kv_shape), engine->least_budget, info);
}

void nibble_engine_memory(const NibbleEngine *engine, NibbleMemory *memory) {
  const uint64_t ring = model_ring_bytes(&engine->model);
  *memory = (NibbleMemory){
      .weights = engine->model.arena_bytes - ring,
      .ring = ring,
      .kv_cache = kv_pool_used_bytes(engine->pool),
      .activations = engine->run.bytes + engine->pass_bytes,
      .other = engine->session_bytes + kv_pool_spare_bytes(engine->pool) +
               (engine->samples != NULL ? SAMPLES * SAMPLE_BYTES : 0) +
               (engine->arrived ? 0 : loader_staging_bytes(&engine->model)),
  };
}

int nibble_engine_threads(const NibbleEngine *engine) { return threads_active(engine->threads); }

int nibble_engine_thread_rate(const NibbleEngine *engine, int index, double *rate) {
  if (index < 0 || index >= engine->thread_rate_count) return 0;
  *rate = engine->thread_rates[index].rate;
  return engine->thread_rates[index].threads;
}

int nibble_engine_batch_size(const NibbleEngine *engine) { return engine->run.batch_size; }

int nibble_engine_tiles_abreast(const NibbleEngine *engine) {
  const Kernels *kernels = engine->run.kernels;
  return engine->run.tiles_abreast > 1 && kernels->tiles_abreast > 1 ? kernels->tiles_abreast : 1;
}

const char *nibble_engine_kernel_set(const NibbleEngine *engine) { return engine->run.kernels->name; }

const char *nibble_engine_kernel_rate(const NibbleEngine *engine, int index, double *rate) {
  if (index < 0 || index >= engine->set_count) return NULL;
  *rate = engine->rates[index];
  return engine->sets[index]->name;
}

bool nibble_engine_profile(NibbleEngine *engine, bool on, NibbleError *error) {
  free(engine->run.profile);
  engine->run.profile = NULL;
  if (!on) return true;
  const size_t bytes = (size_t)threads_count(engine->threads) * sizeof(ProfileThread);
  engine->run.profile = aligned_alloc(_Alignof(ProfileThread), bytes);
  if (engine->run.profile == NULL) return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left for a profile.");
  memset(engine->run.profile, 0, bytes);
  return true;
}

const char *nibble_engine_profile_entry(const NibbleEngine *engine, int index, double *milliseconds) {
  const char *name = profile_name(index);
  *milliseconds = 0;
  for (int t = 0; name != NULL && engine->run.profile != NULL && t < threads_count(engine->threads); t++)
    *milliseconds += engine->run.profile[t].seconds[index] * 1e3;
  return name;
}

typedef struct {
  const NibbleEngine *engine;
  uint64_t sums[NIBBLE_MAX_THREADS];  // so that no compiler leaves the reading out
} ReadTask;

static void read_task(void *context, int thread) {
  ReadTask *task = context;
  const Model *model = &task->engine->model;
  const uint64_t threads = (uint64_t)threads_active(task->engine->threads), lines = model->arena_bytes / 64;
  const uint64_t *words = (const uint64_t *)(model->arena + lines * (uint64_t)thread / threads * 64);
  const uint64_t count = lines * (uint64_t)(thread + 1) / threads - lines * (uint64_t)thread / threads;
  uint64_t sum[8] = {0};
  for (uint64_t i = 0; i < count; i++, words += 8)
    for (int j = 0; j < 8; j++)
      sum[j] ^= words[j];
  for (int j = 0; j < 8; j++)
    task->sums[thread] ^= sum[j];
}

double nibble_engine_read_rate(NibbleEngine *engine) {
  if (!engine->complete) return 0;
  ReadTask task = {.engine = engine};
  const double begin = profile_clock();
  threads_run(engine->threads, read_task, &task);
  const double seconds = profile_clock() - begin;
  return seconds > 0 ? (double)engine->model.arena_bytes / seconds : 0;
}
