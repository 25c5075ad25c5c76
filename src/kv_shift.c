#include "kv_shift.h"

#include <stdlib.h>

// What a shift does to one layer, in tokens as they are numbered behind it.
typedef struct {
  int begin, end;  // these are moved, each from `drop` tokens further on
  int from;        // the first that is there afterwards
} LayerShift;

// Everything that is held is moved, as far back as a table keeps it: truncations live on what lies behind a window.
static LayerShift plan_layer(const KvTable *table, int layer, int length, int keep, int drop) {
  const int held = table->from[layer], kept = kv_first_kept_page(table->shape, layer, length) * KV_PAGE_TOKENS;
  const int first = held - drop > kept ? held - drop : kept, begin = first > keep ? first : keep;
  return (LayerShift){begin, length, held < keep && kept <= keep ? held : begin};
}

// Whether the layer will have all that its next token sees.
static bool has_needed(const KvTable *table, int layer, int length, const LayerShift *shift) {
  return kv_visible_from(kv_window(table->shape, layer), length) >= shift->from;
}

static int page_of(int token) { return token / KV_PAGE_TOKENS; }

// The walk through a layer's pages, from the first that is written on: page by page it is made the table's own,
// written, and what has been read goes back to the pool, so that a shift takes little beyond what it moves.
typedef struct {
  int page, first, end;  // the page being written, and the tokens that go there
  int given;             // pages between `page` and this one are given back before the next step
} Walk;

static bool next_page(Walk *walk, const LayerShift *shift, int drop, int count) {
  walk->page = walk->page < 0 ? page_of(shift->begin) : walk->page + 1;
  walk->first = walk->page * KV_PAGE_TOKENS > shift->begin ? walk->page * KV_PAGE_TOKENS : shift->begin;
  walk->end = (walk->page + 1) * KV_PAGE_TOKENS < shift->end ? (walk->page + 1) * KV_PAGE_TOKENS : shift->end;
  walk->given = walk->end == shift->end ? count : page_of(walk->end + drop);
  // Where nothing is moved, the page that the next token goes to has to be there all the same.
  return walk->first < walk->end || (walk->first == shift->begin && shift->begin % KV_PAGE_TOKENS != 0);
}

// Adds to *taken the pages that the layer's shift takes from the pool and gives back, and keeps the most of it.
static void count_pages(const KvTable *table, int layer, const LayerShift *shift, int drop, int64_t *taken,
                        uint64_t *most) {
  const int held = page_of(table->from[layer]), begin = page_of(shift->begin) + 1;
  int given = begin > held ? begin : held;  // pages from `begin` to here are back in the pool
  for (Walk walk = {.page = -1}; next_page(&walk, shift, drop, table->count);) {
    const bool there = walk.page >= held && (walk.page < begin || walk.page >= given);
    *taken += !there || kv_table_is_shared(table, layer, walk.page);
    if (*taken > 0 && (uint64_t)*taken > *most) *most = (uint64_t)*taken;
    if (given <= walk.page) given = walk.page + 1;
    for (; given < walk.given; given++)
      *taken -= !kv_table_is_shared(table, layer, given);
  }
}

// Weights of norms behind the rotation, which come off a key before it is rotated further, and go on again: the norm
// itself is the same for both.
static const float *weights_behind(const KvRotation *rotation, int layer) {
  const Shape *shape = &rotation->model->shape;
  const bool behind = shape->architecture->head_norms == HEAD_NORMS_BEHIND_ROPE;
  return behind ? rotation->model->blocks[shape_block(shape, layer)].key_norm.weight : NULL;
}

static void move_token(KvTable *table, int layer, int from, int to, const KvRotation *rotation, float *key) {
  const KvPageShape *shape = kv_page_of(table->shape, layer);
  const uint8_t *source = kv_table_page(table, layer, page_of(from));
  uint8_t *target = kv_table_page(table, layer, page_of(to));
  const int read = from % KV_PAGE_TOKENS, written = to % KV_PAGE_TOKENS,
            rope = shape_layer(&rotation->model->shape, layer)->rope;
  const float *weights = weights_behind(rotation, layer);
  for (int h = 0; h < shape->heads; h++) {
    for (int d = 0; d < shape->key_size; d++)
      key[d] = kv_page_key(shape, source, h, read, d) / (weights != NULL ? weights[d] : 1);
    if (rope != ROPE_NONE)
      rotation->kernels->rope(key, rotation->cosine[rope], rotation->sine[rope], rotation->pairs,
                              rotation->model->shape.rope_adjacent);
    for (int d = 0; weights != NULL && d < shape->key_size; d++)
      key[d] *= weights[d];
    kv_page_write_key(shape, target, h, written, key);
    kv_page_copy_value(shape, source, read, target, written, h);
  }
}

static void shift_layer(KvTable *table, int layer, const LayerShift *shift, int drop, const KvRotation *rotation,
                        float *key) {
  int given = page_of(table->from[layer]);
  for (Walk walk = {.page = -1}; next_page(&walk, shift, drop, table->count);) {
    kv_table_own_page(table, layer, walk.page);
    for (int to = walk.first; to < walk.end; to++)
      move_token(table, layer, to + drop, to, rotation, key);
    if (given <= walk.page) given = walk.page + 1;
    for (; given < walk.given; given++)
      kv_table_drop_page(table, layer, given);
  }
  table->from[layer] = shift->from;
}

bool kv_table_shift(KvTable *table, int length, int keep, int drop, const KvRotation *rotation, NibbleError *error) {
  const KvShape *shape = table->shape;
  const int left = length - drop;
  int64_t taken[KV_PAGE_CLASSES] = {0};
  KvPages most = {0};
  for (int layer = 0; layer < shape->layers; layer++) {
    const LayerShift shift = plan_layer(table, layer, left, keep, drop);
    if (!has_needed(table, layer, left, &shift))
      return nibble_fail(error, NIBBLE_INVALID_ARGUMENT,
                         "With %d tokens dropped, the sliding window of layer %d would reach tokens that it has let go "
                         "of. Drop fewer, or begin anew with the text that is to be kept.",
                         drop, layer);
    const int class = kv_class(shape, layer);
    count_pages(table, layer, &shift, drop, &taken[class], &most.pages[class]);
  }
  int largest = 0;
  for (int i = 0; i < shape->classes; i++)
    if (shape->pages[i].key_size > largest) largest = shape->pages[i].key_size;
  float *key = malloc((size_t)largest * sizeof *key);
  if (key == NULL) return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to shift a session.");
  const bool reserved = kv_pool_reserve(table->pool, &most);
  if (!reserved)
    nibble_fail(
        error, NIBBLE_OUT_OF_MEMORY,
        "With %d tokens dropped, the %d that stay would have to be copied, since a fork or another session shares "
        "them, and there is no memory for both under the memory budget or on this device. Close the fork or that "
        "session, or create the engine with a larger context.",
        drop, left);
  for (int layer = 0; reserved && layer < shape->layers; layer++) {
    const LayerShift shift = plan_layer(table, layer, left, keep, drop);
    shift_layer(table, layer, &shift, drop, rotation, key);
  }
  if (reserved) {
    kv_table_shrink(table, left);
    kv_table_release(table, left);
  }
  free(key);
  return reserved;
}
