#include "heads.h"

#include <math.h>

#include "norm.h"

// Norms over all heads of a token's queries and of its keys.
static void norm_all_heads(Run *run, const Block *block, const BlockShape *shape, int thread) {
  for (int t; (t = threads_claim(run->threads, thread, run->count)) >= 0;) {
    float *query = run_row(run->query, run->query_stride, t), *key = run_row(run->key, run->key_stride, t);
    norm_apply(run, &block->query_norm, query, shape->heads * shape->key_size, query);
    norm_apply(run, &block->key_norm, key, shape->kv_heads * shape->key_size, key);
  }
  run_finish_step(run, thread, PROFILE_ROPE_AND_STORE);
}

// Head `index` of a token's queries or keys: normalised and rotated, in the family's order.
static void rotate_head(const Run *run, int layer, int t, const Norm *norms, int index, float *heads) {
  const Shape *shape = &run->model->shape;
  const HeadNorms order = shape->architecture->head_norms;
  const BlockShape *block = shape_layer(shape, layer);
  const int rope = block->rope, size = block->key_size;
  float *head = heads + (size_t)index * (size_t)size;
  Norm norm = *norms;
  if (order == HEAD_NORMS_OF_EACH_HEAD && norm_is_there(norms)) norm.weight += (size_t)index * (size_t)size;
  const bool normed = norm_is_there(&norm) && order != HEAD_NORMS_OF_ALL_HEADS;
  if (normed && order != HEAD_NORMS_BEHIND_ROPE) norm_apply(run, &norm, head, size, head);
  if (rope != ROPE_NONE)
    run->kernels->rope(head, run_angles(run, run->cosine, rope, t), run_angles(run, run->sine, rope, t),
                       run->ropes[rope].pairs, shape->rope_adjacent);
  if (normed && order == HEAD_NORMS_BEHIND_ROPE) norm_apply(run, &norm, head, size, head);
}

// What a token's queries are multiplied with.
static float query_scale(const Run *run, int t) {
  const Shape *shape = &run->model->shape;
  const float scale = page_scale(kv_type(run->kv->shape)) * shape->attention_scale;
  if (shape->temperature_scale == 0) return scale;
  const double lengths = floor((run->position + t) / (double)shape->temperature_length);
  return scale * (float)(1 + (double)shape->temperature_scale * log(1 + lengths));
}

// A piece of work is a token and a KV head with its group of queries.
void heads_rotate_and_store(Run *run, const Block *block, int layer, int thread) {
  const BlockShape *shape = shape_layer(&run->model->shape, layer);
  const int group = shape->heads / shape->kv_heads, size = shape->key_size;
  if (run->model->shape.architecture->head_norms == HEAD_NORMS_OF_ALL_HEADS) norm_all_heads(run, block, shape, thread);
  for (int unit; (unit = threads_claim(run->threads, thread, run->count * shape->kv_heads)) >= 0;) {
    const int t = unit / shape->kv_heads, kv_head = unit % shape->kv_heads;
    float *queries = run_row(run->query, run->query_stride, t), *keys = run_row(run->key, run->key_stride, t);
    float *grouped = queries + (size_t)(kv_head * group) * (size_t)size;
    const float scale = query_scale(run, t);
    for (int h = kv_head * group; h < (kv_head + 1) * group; h++)
      rotate_head(run, layer, t, &block->query_norm, h, queries);
    for (int i = 0; i < group * size && scale != 1; i++)
      grouped[i] *= scale;
    rotate_head(run, layer, t, &block->key_norm, kv_head, keys);
    kv_table_write(run->kv, layer, run->position + t, keys, run_row(run->value, run->key_stride, t), kv_head,
                   kv_head + 1);
  }
  run_finish_step(run, thread, PROFILE_ROPE_AND_STORE);
}
