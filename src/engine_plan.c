#include "engine_plan.h"

#include <stdlib.h>
#include <string.h>

#include "engine_state.h"
#include "segment.h"

enum {
  DEFAULT_CONTEXT = 4096,
  DEFAULT_BATCH = 128,
  LEAST_CONTEXT = 512,  // that the engine chooses under a memory budget
  KV_SHARE = 4,         // of the budget, that the context which it chooses takes at most
  RESIDUAL_SHARE = 32,  // of the budget, that the residual stream of a sweep takes at most
  SHIFT_PAGES = 2,      // that a shift takes before it gives pages back
};

// Of what a caller counts, so that no sum of it wraps: what a double holds exactly.
#define LIMIT_BYTES (UINT64_C(1) << 53)

static bool check_range(const char *name, int value, int low, int high, NibbleError *error) {
  return (value >= low && value <= high) ||
         nibble_fail(error, NIBBLE_INVALID_ARGUMENT, "%s is %d; a number from %d to %d was expected.", name, value, low,
                     high);
}

// The context where none is asked for.
static int choose_context(const NibbleOptions *options, const Shape *shape, const KvShape *kv) {
  int context = shape->trained_context < DEFAULT_CONTEXT ? shape->trained_context : DEFAULT_CONTEXT;
  const uint64_t most = options->memory_budget / KV_SHARE;
  while (options->memory_budget > 0 && context / 2 >= LEAST_CONTEXT && kv_cache_bytes(kv, context) > most)
    context /= 2;
  return context;
}

// Checks the options against the model, and fills in what they leave to the engine.
static bool settle_options(const NibbleOptions *options, const Shape *shape, const KvShape *kv, NibbleOptions *settled,
                           NibbleError *error) {
  *settled = *options;
  if (options->context_size == 0) settled->context_size = choose_context(options, shape, kv);
  if (options->batch_size == 0) settled->batch_size = DEFAULT_BATCH;
  if (!check_range("The number of threads", settled->threads, 1, NIBBLE_MAX_THREADS, error) ||
      !check_range("The batch size", settled->batch_size, 1, NIBBLE_MAX_BATCH, error) ||
      !check_range("The number of tiles side by side", settled->tiles_abreast, 0, NIBBLE_MAX_TILES_ABREAST, error) ||
      !check_range("The type of the KV cache", (int)settled->kv_type, NIBBLE_KV_DEFAULT, NIBBLE_KV_INT8, error))
    return false;
  if (settled->caller_bytes > LIMIT_BYTES || settled->loading_bytes > LIMIT_BYTES)
    return nibble_fail(error, NIBBLE_INVALID_ARGUMENT,
                       "The caller takes %llu bytes, and %llu while weights load; at most 2^53 were expected.",
                       (unsigned long long)settled->caller_bytes, (unsigned long long)settled->loading_bytes);
  if (settled->context_size < 1 || settled->context_size > shape->trained_context)
    return nibble_fail(error, NIBBLE_INVALID_ARGUMENT,
                       "The context size is %d; this model was trained for up to %d tokens. Ask for that or fewer.",
                       settled->context_size, shape->trained_context);
  if (settled->batch_size > settled->context_size) settled->batch_size = settled->context_size;
  return true;
}

static KvType kv_type_of(const NibbleOptions *options) {
  if (options->kv_type == NIBBLE_KV_INT8) return KV_INT8;
  return options->exact ? KV_F32 : KV_F16;
}

// `layers` becomes what the shape points to, to be freed by the caller.
static bool kv_shape_of(const Shape *shape, KvType type, KvShape *kv, void **layers, NibbleError *error) {
  const int count = shape_layers(shape);
  int *windows = *layers = malloc((size_t)count * (sizeof *windows + 1));
  if (*layers == NULL) return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to describe a KV cache.");
  uint8_t *class_of = (uint8_t *)(windows + count);
  *kv = (KvShape){.layers = count, .class_of = class_of, .windows = windows};
  for (int layer = 0; layer < count; layer++) {
    const BlockShape *block = shape_layer(shape, layer);
    const int class = kv_add_class(kv, (KvPageShape){block->kv_heads, block->key_size, block->value_size, type});
    if (class < 0) {
      free(*layers);
      return nibble_fail(error, NIBBLE_MODEL_UNSUPPORTED,
                         "The model's layers have more than %d different numbers of KV heads; this engine runs models "
                         "with as many.",
                         KV_PAGE_CLASSES);
    }
    windows[layer] = block->window;
    class_of[layer] = (uint8_t) class;
  }
  return true;
}

// The most pages that a layer holds at any time while a context fills: those behind its window leave only when a sweep
// is through.
static int most_pages(const KvShape *kv, int layer, int context, int sweep) {
  const int window = kv_window(kv, layer), all = kv_page_count(context);
  int most = 0;
  // From where the first page can go, the count repeats with every page.
  for (int length = window; window > 0 && length < window + (2 + KV_SLACK_PAGES) * KV_PAGE_TOKENS; length++) {
    const int first = kv_first_page(kv, layer, length) - KV_SLACK_PAGES;
    const int held = kv_page_count(length + sweep) - (first > 0 ? first : 0);
    if (held > most) most = held;
  }
  return window == 0 || most > all ? all : most;
}

// Of all layers.
static KvPages kv_pages(const EnginePlan *plan) {
  KvPages pages = {0}, all = {0};
  for (int layer = 0; layer < plan->kv.layers; layer++) {
    const int class = kv_class(&plan->kv, layer);
    pages.pages[class] += (uint64_t)most_pages(&plan->kv, layer, plan->options.context_size, plan->sizes.sweep);
    all.pages[class] += (uint64_t)kv_page_count(plan->options.context_size);
  }
  // A shift that moves tokens to other places within a page reads two pages for one that it writes: it has taken two
  // before it gives the first one back. No layer has a page twice.
  for (int i = 0; i < plan->kv.classes; i++) {
    const uint64_t shifted = pages.pages[i] + SHIFT_PAGES;
    pages.pages[i] = shifted < all.pages[i] ? shifted : all.pages[i];
  }
  return pages;
}

static uint64_t kv_bytes(const EnginePlan *plan) {
  const KvPages pages = kv_pages(plan);
  return kv_pages_bytes(&plan->kv, &pages);
}

// What does not lie in the arena, the run state or the KV pages while sessions run: tables, a session, a pass.
static uint64_t running_bytes(const EnginePlan *plan, const Model *model) {
  const uint64_t logits = engine_logits_bytes(&model->shape);
  uint64_t position, bytes = logits;
  if (plan->options.memory_budget == 0) return bytes;
  const uint64_t context = (uint64_t)plan->options.context_size;
  const KvPages of = kv_pages(plan);
  uint64_t pages = 0;
  for (int i = 0; i < plan->kv.classes; i++)
    pages += of.pages[i];
  bytes += context * TOKEN_BYTES + pages * KV_PAGE_BESIDES + nibble_sampler_bytes(model->shape.vocabulary);
  bytes += (uint64_t)plan->sizes.sweep * sizeof(Score);
  return bytes + logits * (1 + SCORED_TOKENS) + SAMPLES * SAMPLE_BYTES +
         ROWS_AT_ONCE * segment_embedding_tile(model, 0, &position);
}

// The same and what loading takes beyond all that sessions take, since it is gone before they begin: unless the caller
// counts none of its own as such. A page may not fit into the place that it leaves.
static uint64_t other_bytes(const EnginePlan *plan, const Model *model) {
  const uint64_t loader = loader_staging_bytes(model) + loader_packing_bytes(model);
  const bool meanwhile = plan->options.loading_bytes == 0;
  const uint64_t running = running_bytes(plan, model) + (meanwhile ? loader : 0);
  const uint64_t loading = meanwhile ? 0 : plan->options.loading_bytes + loader;
  if (plan->options.memory_budget == 0) return running + loading;
  uint64_t page = 0;
  for (int i = 0; i < plan->kv.classes; i++)
    if (kv_page_bytes(&plan->kv.pages[i]) > page) page = kv_page_bytes(&plan->kv.pages[i]);
  const uint64_t lost = loading < page ? loading : page;
  const uint64_t later = kv_bytes(plan) + running + lost;
  return loading > later ? running + lost + (loading - later) : running + lost;
}

static uint64_t fixed_bytes(const EnginePlan *plan, const Model *model) {
  return plan->options.caller_bytes + other_bytes(plan, model) + kv_bytes(plan) +
         run_bytes(model, plan->options.threads, plan->sizes);
}

// Tokens whose residual stream takes its share of the budget at most.
static int sweep_size(const EnginePlan *plan, const Shape *shape) {
  const uint64_t row = (uint64_t)round_up(shape->width, TILE_ROWS) * sizeof(float);
  const uint64_t most = plan->options.memory_budget / RESIDUAL_SHARE / row;
  if (most < (uint64_t)plan->sizes.batch) return plan->sizes.batch;
  return most < (uint64_t)plan->sizes.context ? (int)most : plan->sizes.context;
}

// Shares out the budget: first for sweeps of one batch, which is all there is where nothing streams.
static bool plan_budget(EnginePlan *plan, Model *model, NibbleError *error) {
  const uint64_t budget = plan->options.memory_budget;
  if (budget == 0) return true;
  uint64_t *block_bytes = malloc((size_t)model->shape.blocks * sizeof *block_bytes);
  if (block_bytes == NULL) return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to plan a model's.");
  BudgetNeed need;
  Residency residency;
  model_need(model, block_bytes, &need);
  need.fixed = fixed_bytes(plan, model);
  plan->least_budget = budget_least(&need);
  bool fits = budget_plan(&need, budget, &residency, error);
  const int batch = plan->sizes.batch;
  for (int sweep = sweep_size(plan, &model->shape); fits && residency.streams && sweep > batch; sweep /= 2) {
    plan->sizes.sweep = sweep;
    need.fixed = fixed_bytes(plan, model);
    Residency larger;
    if (budget_plan(&need, budget, &larger, NULL)) {
      residency = larger;
      break;
    }
    plan->sizes.sweep = batch;
  }
  free(block_bytes);
  if (fits) model_limit(model, &residency);
  return fits;
}

bool engine_plan(EnginePlan *plan, Model *model, const NibbleOptions *options, NibbleError *error) {
  *plan = (EnginePlan){.kv_layers = NULL};
  if (!kv_shape_of(&model->shape, kv_type_of(options), &plan->kv, &plan->kv_layers, error)) return false;
  if (settle_options(options, &model->shape, &plan->kv, &plan->options, error)) {
    plan->sizes = (RunSizes){plan->options.context_size, plan->options.batch_size, plan->options.batch_size};
    if (plan_budget(plan, model, error)) {
      plan->kv_limit = kv_bytes(plan);
      return true;
    }
  }
  free(plan->kv_layers);
  plan->kv_layers = NULL;
  return false;
}

static NibbleBudget budget_of(const Model *model, uint64_t least_budget, int sweep) {
  const Residency *residency = &model->residency;
  NibbleBudget budget = {.least_budget = least_budget,
                         .streams = residency->streams,
                         .output_streams = residency->output_streams,
                         .slots = residency->slots,
                         .slot_bytes = residency->slot_bytes,
                         .sweep_size = sweep};
  for (int i = 0; i < model->shape.blocks; i++)
    budget.streamed_blocks += model->blocks[i].streams;
  budget.pinned_blocks = model->shape.blocks - budget.streamed_blocks;
  Segment segment;
  for (int i = 0; segment_at(model, i, &segment); i++)
    budget.streamed_bytes += segment.bytes;
  return budget;
}

void engine_describe(const Model *model, RunSizes sizes, KvType kv_type, uint64_t least_budget, NibbleModelInfo *info) {
  const Shape *shape = &model->shape;
  const BlockShape most = shape_most(shape);
  *info = (NibbleModelInfo){.parameters = model->parameters,
                            .bytes_per_token = model_bytes_per_token(model),
                            .vocabulary = shape->vocabulary,
                            .width = shape->width,
                            .blocks = shape->blocks,
                            .layers = shape_layers(shape),
                            .heads = most.heads,
                            .kv_heads = most.kv_heads,
                            .head_size = most.key_size,
                            .value_size = most.value_size,
                            .feed_forward = most.feed_forward,
                            .trained_context = shape->trained_context,
                            .context_size = sizes.context,
                            .sliding_window = shape->sliding_window,
                            .tied_output = model->tied_output,
                            .kv_type = kv_type,
                            .packed_bytes = model->packed_bytes,
                            .budget = budget_of(model, least_budget, sizes.sweep)};
  const char *name = shape->architecture->name;
  const size_t length = strlen(name), limit = sizeof info->architecture - 1;
  memcpy(info->architecture, name, length < limit ? length : limit);
}

bool nibble_describe(const Gguf *gguf, const NibbleOptions *options, NibbleModelInfo *info, NibbleMemory *memory,
                     NibbleError *error) {
  Model model;
  EnginePlan plan;
  if (!model_plan(&model, gguf, error)) return false;
  const bool fits = engine_plan(&plan, &model, options, error);
  if (fits && info != NULL) engine_describe(&model, plan.sizes, kv_type(&plan.kv), plan.least_budget, info);
  if (fits && memory != NULL) {
    const uint64_t ring = model_ring_bytes(&model);
    *memory = (NibbleMemory){.weights = model.arena_bytes - ring,
                             .ring = ring,
                             .kv_cache = kv_bytes(&plan),
                             .activations = run_bytes(&model, plan.options.threads, plan.sizes),
                             .other = other_bytes(&plan, &model)};
  }
  if (fits) free(plan.kv_layers);
  model_free(&model);
  return fits;
}
