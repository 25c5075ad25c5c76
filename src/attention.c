#include "attention.h"

#include <math.h>
#include <string.h>

#include "activation.h"
#include "float_math.h"

// The queries of a block of tokens that share one KV head; row = head within the group * tokens + token.
typedef struct {
  Run *run;
  const BlockShape *shape;  // of the layer
  int layer, kv_head, group;
  int first, tokens;  // of the batch
} Queries;

// Positions that a query at `position` sees: [from, position].
static int visible_from(const BlockShape *shape, int position) { return kv_visible_from(shape->window, position); }

static AttentionState state_rows(const AttentionState *state, int row, int value_size) {
  return (AttentionState){state->max + row, state->sum + row, state->out + (size_t)row * (size_t)value_size};
}

static void state_reset(const AttentionState *state, int rows, int value_size) {
  for (int r = 0; r < rows; r++)
    state->max[r] = -INFINITY, state->sum[r] = 0;
  memset(state->out, 0, (size_t)rows * (size_t)value_size * sizeof(float));
}

// What a head's scores sink by with each token of distance (arXiv:2108.12409): a geometric row of numbers, and for
// heads beyond the largest power of 2 those between them.
static float alibi_slope(int head, int heads) {
  int power = 1;
  while (2 * power <= heads)
    power *= 2;
  const float ln2 = 0.69314718055994530942f, steps = head < power ? (float)(head + 1) : (float)(head - power) + 0.5f;
  return exp_f32(-8 * ln2 * steps / (float)power);
}

static void add_alibi(const Queries *queries, int row, int distance, int from, int to, float *scores) {
  const float slope = alibi_slope(queries->kv_head * queries->group + row / queries->tokens, queries->shape->heads);
  for (int t = from; t < to; t++)
    scores[t] -= slope * (float)(distance - t);
}

// Softmax of the rows' scores, token by token (each sees its own range of the page); returns the range that any sees.
static void weigh_rows(const Queries *queries, int begin, const AttentionScratch *scratch, const AttentionState *state,
                       int *from, int *to) {
  const Run *run = queries->run;
  const float scale = page_scale(kv_type(run->kv->shape)), softcap = run->model->shape.attention_softcap;
  *from = KV_PAGE_TOKENS;
  *to = 0;
  for (int r = 0; r < queries->tokens * queries->group; r++) {
    const int position = run->position + queries->first + r % queries->tokens;
    const int see_from = visible_from(queries->shape, position) - begin, see_to = position + 1 - begin;
    const int row_from = see_from > 0 ? see_from : 0, row_to = see_to < KV_PAGE_TOKENS ? see_to : KV_PAGE_TOKENS;
    float *scores = scratch->scores + (size_t)r * KV_PAGE_TOKENS;
    scratch->corrections[r] = 1;
    if (row_from >= row_to) {
      memset(scores, 0, KV_PAGE_TOKENS * sizeof *scores);
      continue;
    }
    if (run->model->shape.alibi) add_alibi(queries, r, position - begin, row_from, row_to, scores);
    if (softcap > 0) soft_cap(scores + row_from, row_to - row_from, softcap);
    const float before = state->max[r],
                sum = run->kernels->page_softmax(scores, row_from, row_to, &state->max[r], scale);
    scratch->corrections[r] = exp_f32(before - state->max[r]);
    state->sum[r] = state->sum[r] * scratch->corrections[r] + sum;
    if (row_from < *from) *from = row_from;
    if (row_to > *to) *to = row_to;
  }
}

static const float *query_row(const Queries *queries, int row) {
  const Run *run = queries->run;
  const int token = queries->first + row % queries->tokens;
  const int head = queries->kv_head * queries->group + row / queries->tokens;
  return run->query + (size_t)token * (size_t)run->query_stride + (size_t)head * (size_t)queries->shape->key_size;
}

// Queries over INT8 pages, quantised once for all pages that they see.
static void quantize_queries(const Queries *queries, const AttentionScratch *scratch) {
  const Run *run = queries->run;
  const BlockShape *shape = queries->shape;
  if (kv_type(run->kv->shape) != KV_INT8) return;
  for (int r = 0; r < queries->tokens * queries->group; r++)
    scratch->query_scales[r] =
        run->kernels->quantize(query_row(queries, r), shape->key_size, QUERY_LIMIT,
                               scratch->queries + (size_t)r * (size_t)attention_query_stride(shape));
}

static void score_page(const Queries *queries, const KvHead *head, int filled, const AttentionScratch *scratch) {
  const Run *run = queries->run;
  const int key_size = queries->shape->key_size, tokens = queries->tokens;
  if (kv_type(run->kv->shape) == KV_INT8) {
    run->kernels->int8_scores(scratch->queries, (size_t)attention_query_stride(queries->shape), scratch->query_scales,
                              tokens * queries->group, head->keys, head->key_scales, key_size, filled, scratch->scores);
    return;
  }
  // The rows lie evenly apart either within a token, head by head, or within a head, token by token.
  const bool one = tokens == 1;
  const int lots = one ? 1 : queries->group, rows = one ? queries->group : tokens;
  for (int i = 0; i < lots; i++)
    run->kernels->page_scores(query_row(queries, i * tokens), (size_t)(one ? key_size : run->query_stride), rows,
                              head->keys, key_size, filled, scratch->scores + i * tokens * KV_PAGE_TOKENS);
}

static void add_page_values(const Queries *queries, const KvHead *head, int from, int to,
                            const AttentionScratch *scratch, const AttentionState *state) {
  const Run *run = queries->run;
  const int value_size = queries->shape->value_size, rows = queries->tokens * queries->group;
  if (kv_type(run->kv->shape) != KV_INT8) {
    run->kernels->page_values(scratch->scores, rows, head->values, from, to, value_size, scratch->corrections,
                              state->out, (size_t)value_size);
    return;
  }
  for (int r = 0; r < rows; r++) {
    float *scores = scratch->scores + r * KV_PAGE_TOKENS;
    for (int t = 0; t < KV_PAGE_TOKENS; t++)
      scores[t] *= head->value_scales[t];
    scratch->weight_scales[r] =
        run->kernels->quantize(scores, KV_PAGE_TOKENS, WEIGHT_LIMIT, scratch->weights + r * KV_PAGE_TOKENS);
  }
  run->kernels->int8_values(scratch->weights, scratch->weight_scales, rows, head->values, from, to, value_size,
                            scratch->corrections, state->out, (size_t)value_size);
}

static void attend_page(const Queries *queries, int page, const AttentionScratch *scratch,
                        const AttentionState *state) {
  const Run *run = queries->run;
  const int begin = page * KV_PAGE_TOKENS, last = run->position + queries->first + queries->tokens - 1;
  const int filled = last - begin + 1 < KV_PAGE_TOKENS ? last - begin + 1 : KV_PAGE_TOKENS;
  const KvHead head = kv_table_head(run->kv, queries->layer, page, queries->kv_head);
  int from, to;
  score_page(queries, &head, filled, scratch);
  weigh_rows(queries, begin, scratch, state, &from, &to);
  if (from < to) add_page_values(queries, &head, from, to, scratch, state);
}

// Computes one split from a fresh start.
static void attend_split(const Queries *queries, int split, const AttentionScratch *scratch,
                         const AttentionState *state) {
  const Run *run = queries->run;
  const BlockShape *shape = queries->shape;
  const int first = run->position + queries->first, last = first + queries->tokens - 1;
  const int from = visible_from(queries->shape, first), end = (split + 1) * SPLIT_TOKENS - 1;
  state_reset(state, queries->tokens * queries->group, shape->value_size);
  int page = split * SPLIT_TOKENS / KV_PAGE_TOKENS;
  if (page < from / KV_PAGE_TOKENS) page = from / KV_PAGE_TOKENS;
  for (; page <= (end < last ? end : last) / KV_PAGE_TOKENS; page++)
    attend_page(queries, page, scratch, state);
}

// Adds a split to what the splits before it gave, for one row. A split that saw nothing (sum 0) changes nothing.
static void merge_row(const AttentionState *total, const AttentionState *split, int value_size) {
  if (*split->sum == 0) return;
  if (*total->sum == 0) {
    *total->max = *split->max;
    *total->sum = *split->sum;
    memcpy(total->out, split->out, (size_t)value_size * sizeof(float));
    return;
  }
  const float max = *total->max < *split->max ? *split->max : *total->max;
  const float keep = exp_f32(*total->max - max), add = exp_f32(*split->max - max);
  *total->max = max;
  *total->sum = *total->sum * keep + *split->sum * add;
  for (int d = 0; d < value_size; d++)
    total->out[d] = total->out[d] * keep + split->out[d] * add;
}

// What a head's sum over all tokens comes to. A sink has a score and no value.
static void store_head(const Run *run, const BlockShape *shape, int layer, int head, const AttentionState *total,
                       float *mixed) {
  const float *sinks = run->model->blocks[shape_block(&run->model->shape, layer)].sinks;
  float scale = 1, sum = *total->sum;
  if (sinks != NULL) {
    const float max = *total->max < sinks[head] ? sinks[head] : *total->max;
    scale = exp_f32(*total->max - max);
    sum = sum * scale + exp_f32(sinks[head] - max);
  }
  const float inverse = scale / sum;
  mixed += (size_t)head * (size_t)shape->value_size;
  for (int d = 0; d < shape->value_size; d++)
    mixed[d] = total->out[d] * inverse;
}

// Prefill: a piece of work is a block of tokens and a KV head, all splits in order.
static void attend_block(const Queries *queries, const AttentionScratch *scratch) {
  Run *run = queries->run;
  const BlockShape *shape = queries->shape;
  const int rows = queries->tokens * queries->group, first = run->position + queries->first;
  state_reset(&scratch->merged, rows, shape->value_size);
  quantize_queries(queries, scratch);
  for (int split = visible_from(queries->shape, first) / SPLIT_TOKENS; split < run_splits(first + queries->tokens);
       split++) {
    attend_split(queries, split, scratch, &scratch->split);
    for (int r = 0; r < rows; r++) {
      const AttentionState total = state_rows(&scratch->merged, r, shape->value_size);
      const AttentionState part = state_rows(&scratch->split, r, shape->value_size);
      merge_row(&total, &part, shape->value_size);
    }
  }
  for (int r = 0; r < rows; r++) {
    const AttentionState total = state_rows(&scratch->merged, r, shape->value_size);
    const int token = queries->first + r % queries->tokens;
    const int head = queries->kv_head * queries->group + r / queries->tokens;
    store_head(run, shape, queries->layer, head, &total, run_row(run->mixed, run->query_stride, token));
  }
}

static void attend_many(Run *run, int layer, int from, int thread, const AttentionScratch *scratch) {
  const BlockShape *shape = shape_layer(&run->model->shape, layer);
  const int blocks = units_of(run->count - from, ATTENTION_TOKENS);
  for (int unit; (unit = threads_claim(run->threads, thread, blocks * shape->kv_heads)) >= 0;) {
    const int first = from + unit / shape->kv_heads * ATTENTION_TOKENS, left = run->count - first;
    const Queries queries = {run,
                             shape,
                             layer,
                             unit % shape->kv_heads,
                             shape->heads / shape->kv_heads,
                             first,
                             left < ATTENTION_TOKENS ? left : ATTENTION_TOKENS};
    attend_block(&queries, scratch);
  }
  run_finish_step(run, thread, PROFILE_ATTENTION);
}

// What a head's splits of one token come to.
static void merge_head(const Run *run, const BlockShape *shape, int layer, int head, int splits,
                       const AttentionScratch *scratch, float *mixed) {
  const AttentionState total = state_rows(&scratch->merged, 0, shape->value_size);
  state_reset(&total, 1, shape->value_size);
  for (int split = 0; split < splits; split++) {
    const AttentionState part = state_rows(&run->partial, split * shape->heads + head, shape->value_size);
    merge_row(&total, &part, shape->value_size);
  }
  store_head(run, shape, layer, head, &total, mixed);
}

// Decode: one token has few KV heads to share out, so its splits are pieces of work too, and are merged afterwards: at
// once where there is only one.
static void attend_one(Run *run, int layer, int token, int thread, const AttentionScratch *scratch) {
  const BlockShape *shape = shape_layer(&run->model->shape, layer);
  const int group = shape->heads / shape->kv_heads, size = shape->value_size, position = run->position + token;
  const int first = visible_from(shape, position) / SPLIT_TOKENS, splits = run_splits(position + 1) - first;
  float *mixed = run->mixed + (size_t)token * (size_t)run->query_stride;
  for (int unit; (unit = threads_claim(run->threads, thread, splits * shape->kv_heads)) >= 0;) {
    const int split = unit / shape->kv_heads, kv_head = unit % shape->kv_heads;
    const Queries queries = {run, shape, layer, kv_head, group, token, 1};
    const AttentionState state = state_rows(&run->partial, split * shape->heads + kv_head * group, size);
    quantize_queries(&queries, scratch);
    attend_split(&queries, first + split, scratch, &state);
    for (int head = kv_head * group; splits == 1 && head < (kv_head + 1) * group; head++)
      merge_head(run, shape, layer, head, 1, scratch, mixed);
  }
  run_finish_step(run, thread, PROFILE_ATTENTION);
  if (splits == 1) return;
  for (int head; (head = threads_claim(run->threads, thread, shape->heads)) >= 0;)
    merge_head(run, shape, layer, head, splits, scratch, mixed);
  run_finish_step(run, thread, PROFILE_ATTENTION);
}

void attention_run(Run *run, int layer, int from, int thread) {
  const AttentionScratch scratch = attention_scratch(shape_layer(&run->model->shape, layer), run_scratch(run, thread));
  if (run->count - from == 1)
    attend_one(run, layer, from, thread, &scratch);
  else
    attend_many(run, layer, from, thread, &scratch);
}
