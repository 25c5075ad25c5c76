#include "kv_cache.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "float_math.h"
#include "quant.h"

#define F16_LARGEST 65504.0f

// What a page begins with; its keys and values follow.
typedef struct {
  _Alignas(64) int tables;  // that it is in
  void *next;               // of the pool's spare pages
} PageHeader;

struct KvPool {
  size_t page_bytes;
  PageHeader *spare;
  uint64_t used, spares;  // pages
  uint64_t most;          // that may be in use; 0: any number
};

static PageHeader *header_of(uint8_t *page) { return (PageHeader *)page - 1; }

static size_t number_bytes(KvType type) { return type == KV_F32 ? 4 : type == KV_F16 ? 2 : 1; }

static size_t key_bytes(const KvShape *shape) {
  return (size_t)kv_key_stride(shape->head_size, shape->type) * KV_PAGE_TOKENS * number_bytes(shape->type);
}

static size_t value_bytes(const KvShape *shape) {
  return (size_t)kv_value_stride(shape->head_size, shape->type) * KV_PAGE_TOKENS * number_bytes(shape->type);
}

static size_t head_bytes(const KvShape *shape) {
  const size_t scales = shape->type == KV_INT8 ? 2 * KV_PAGE_TOKENS * sizeof(float) : 0;
  return key_bytes(shape) + value_bytes(shape) + scales;
}

size_t kv_page_data_bytes(const KvShape *shape) { return (size_t)shape->kv_heads * head_bytes(shape); }

size_t kv_page_bytes(const KvShape *shape) { return sizeof(PageHeader) + kv_page_data_bytes(shape); }

int kv_first_page(const KvShape *shape, int layer, int position) {
  return kv_visible_from(kv_window(shape, layer), position) / KV_PAGE_TOKENS;
}

// The first page that a layer with `tokens` tokens keeps.
static int kept_from(const KvShape *shape, int layer, int tokens) {
  const int needed = kv_first_page(shape, layer, tokens);
  return needed > KV_SLACK_PAGES ? needed - KV_SLACK_PAGES : 0;
}

uint64_t kv_cache_bytes(const KvShape *shape, int tokens) {
  uint64_t pages = 0;
  for (int layer = 0; layer < shape->layers; layer++)
    pages += (uint64_t)(kv_page_count(tokens) - kept_from(shape, layer, tokens));
  return pages * kv_page_bytes(shape);
}

KvPool *kv_pool_create(const KvShape *shape) {
  KvPool *pool = calloc(1, sizeof *pool);
  if (pool != NULL) pool->page_bytes = kv_page_bytes(shape);
  return pool;
}

void kv_pool_limit(KvPool *pool, uint64_t pages) { pool->most = pages; }

static PageHeader *pop_spare(KvPool *pool) {
  PageHeader *header = pool->spare;
  if (header == NULL) return NULL;
  pool->spare = header->next;
  pool->spares--;
  return header;
}

static void push_spare(KvPool *pool, PageHeader *header) {
  *header = (PageHeader){.next = pool->spare};
  pool->spare = header;
  pool->spares++;
}

void kv_pool_trim(KvPool *pool) {
  for (PageHeader *header; (header = pop_spare(pool)) != NULL;)
    free(header);
}

void kv_pool_free(KvPool *pool) {
  if (pool == NULL) return;
  kv_pool_trim(pool);
  free(pool);
}

uint64_t kv_pool_used_bytes(const KvPool *pool) { return pool->used * pool->page_bytes; }

uint64_t kv_pool_spare_bytes(const KvPool *pool) { return pool->spares * pool->page_bytes; }

static PageHeader *new_page(const KvPool *pool) { return aligned_alloc(64, (pool->page_bytes + 63) / 64 * 64); }

static bool is_beyond(const KvPool *pool, uint64_t pages) { return pool->most > 0 && pool->used + pages > pool->most; }

static bool pool_reserve(KvPool *pool, uint64_t pages) {
  if (is_beyond(pool, pages)) return false;
  while (pool->spares < pages) {
    PageHeader *header = new_page(pool);
    if (header == NULL) {
      kv_pool_trim(pool);  // memory is short, and nobody will need them now
      return false;
    }
    push_spare(pool, header);
  }
  return true;
}

static uint8_t *take_page(KvPool *pool) {
  PageHeader *header = pop_spare(pool);
  if (header == NULL) header = new_page(pool);
  if (header == NULL) return NULL;
  // Kernels compute whole vectors of tokens and drop those that are not there: never on NaN, which is slow on some
  // CPUs.
  memset(header, 0, pool->page_bytes);
  header->tables = 1;
  pool->used++;
  return (uint8_t *)(header + 1);
}

static void give_page(KvPool *pool, uint8_t *page) {
  PageHeader *header = header_of(page);
  if (--header->tables > 0) return;
  push_spare(pool, header);
  pool->used--;
}

bool kv_table_create(KvTable *table, KvPool *pool, const KvShape *shape, int tokens, NibbleError *error) {
  *table = (KvTable){.pool = pool, .shape = shape, .capacity = kv_page_count(tokens)};
  const size_t row = (size_t)table->capacity * sizeof *table->pages + sizeof *table->first;
  table->pages = calloc((size_t)shape->layers, row);
  if (table->pages == NULL)
    return nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
                       "No memory is left for the page table of a context of %d tokens. Close other sessions, or "
                       "create the engine with a smaller context or a larger memory budget.",
                       tokens);
  table->first = (int *)(table->pages + (size_t)shape->layers * (size_t)table->capacity);
  return true;
}

void kv_table_free(KvTable *table) {
  if (table->pages == NULL) return;
  kv_table_shrink(table, 0);
  free(table->pages);
  table->pages = NULL;
}

static uint8_t **page_slot(const KvTable *table, int layer, int page) {
  return &table->pages[(size_t)layer * (size_t)table->capacity + (size_t)page];
}

uint8_t *kv_table_page(const KvTable *table, int layer, int page) { return *page_slot(table, layer, page); }

void kv_table_share(KvTable *table, const KvTable *other) {
  const size_t slots = (size_t)table->shape->layers * (size_t)table->capacity;
  table->count = other->count;
  memcpy(table->pages, other->pages, slots * sizeof *table->pages);
  memcpy(table->first, other->first, (size_t)table->shape->layers * sizeof *table->first);
  for (size_t i = 0; i < slots; i++)
    if (table->pages[i] != NULL) header_of(table->pages[i])->tables++;
}

static bool is_shared(const KvTable *table, int layer, int page) {
  return header_of(*page_slot(table, layer, page))->tables > 1;
}

// Gives a slot a page that is its own: a new one where it is empty, a copy where it is shared.
static bool own_page(KvTable *table, int layer, int page) {
  uint8_t **slot = page_slot(table, layer, page);
  if (*slot != NULL && !is_shared(table, layer, page)) return true;
  uint8_t *own = take_page(table->pool);
  if (own == NULL) return false;
  if (*slot != NULL) {
    memcpy(own, *slot, kv_page_data_bytes(table->shape));
    give_page(table->pool, *slot);
  }
  *slot = own;
  return true;
}

// The most pages that a layer takes from the pool at any time on its way from `length` to `tokens` tokens.
static int layer_demand(const KvTable *table, int layer, int length, int tokens, int batch) {
  const int begin = table->first[layer], count = table->count, last = length / KV_PAGE_TOKENS;
  const int copied = last < count && is_shared(table, layer, last);
  int shared = 0, most = 0, first = begin;
  for (int page = begin; page < count; page++)
    shared += is_shared(table, layer, page);
  for (int at = length; at < tokens; at += batch) {
    const int end = tokens - at < batch ? tokens : at + batch;
    const int grown = kv_page_count(end) - (first > count ? first : count);
    // Pages that others share are not given back when this layer lets go of them.
    const int returned = shared > 0 ? 0 : (first < count ? first : count) - begin;
    if (grown - returned > most) most = grown - returned;
    const int kept = kept_from(table->shape, layer, end);
    if (kept > first) first = kept;
  }
  return most + copied;
}

static bool no_room(const KvTable *table, int tokens, uint64_t pages, NibbleError *error) {
  if (is_beyond(table->pool, pages))
    return nibble_fail(
        error, NIBBLE_OUT_OF_MEMORY,
        "The memory budget holds the keys and values of one full context, and all sessions together would "
        "take more with these %d tokens. Close a session or a fork, give the engine's own, which complete() and "
        "evaluate() of the engine work on, a shorter text, or create the engine with a larger context and a memory "
        "budget that holds it.",
        tokens);
  return nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
                     "No memory is left for the keys and values of %d tokens: %.2f MB more were asked for. Close other "
                     "sessions, use a shorter text or a smaller model, or create the engine with a larger memory "
                     "budget where it has one.",
                     tokens, (double)pages * (double)table->pool->page_bytes / 1e6);
}

bool kv_table_reserve(KvTable *table, int length, int tokens, int batch, NibbleError *error) {
  uint64_t pages = 0;
  for (int layer = 0; layer < table->shape->layers; layer++)
    pages += (uint64_t)layer_demand(table, layer, length, tokens, batch);
  return pool_reserve(table->pool, pages) || no_room(table, tokens, pages, error);
}

bool kv_table_grow(KvTable *table, int length, int tokens, NibbleError *error) {
  if (tokens <= length) return true;
  if (!kv_table_reserve(table, length, tokens, tokens - length, error)) return false;
  const int count = kv_page_count(tokens);
  for (int layer = 0; layer < table->shape->layers; layer++)
    for (int page = length / KV_PAGE_TOKENS; page < count; page++)
      if (!own_page(table, layer, page)) return no_room(table, tokens, 1, error);  // never: they were reserved
  if (count > table->count) table->count = count;
  return true;
}

bool kv_table_own(KvTable *table, int from, int tokens, NibbleError *error) {
  uint64_t pages = 0;
  for (int take = 0; take < 2; take++) {
    for (int layer = 0; layer < table->shape->layers; layer++) {
      const int needed = kv_first_page(table->shape, layer, tokens), begin = from / KV_PAGE_TOKENS;
      for (int page = needed > begin ? needed : begin; page < kv_page_count(tokens); page++) {
        const uint8_t *held = *page_slot(table, layer, page);
        if (!take) pages += held == NULL || is_shared(table, layer, page);
        if (take && !own_page(table, layer, page)) return no_room(table, tokens, 1, error);  // never: reserved
      }
      if (take && needed < table->first[layer]) table->first[layer] = needed;
    }
    if (!take && !pool_reserve(table->pool, pages)) return no_room(table, tokens, pages, error);
  }
  return true;
}

bool kv_table_fill(KvTable *table, int tokens, NibbleError *error) {
  // Pages behind a window are those that a table has already let go of.
  for (int layer = 0; layer < table->shape->layers; layer++)
    table->first[layer] = kv_page_count(tokens);
  if (!kv_table_own(table, 0, tokens, error)) {
    memset(table->first, 0, (size_t)table->shape->layers * sizeof *table->first);
    return false;
  }
  table->count = kv_page_count(tokens);
  return true;
}

static void drop_page(KvTable *table, int layer, int page) {
  uint8_t **slot = page_slot(table, layer, page);
  if (*slot != NULL) give_page(table->pool, *slot);
  *slot = NULL;
}

void kv_table_release(KvTable *table, int tokens) {
  for (int layer = 0; layer < table->shape->layers; layer++)
    for (const int kept = kept_from(table->shape, layer, tokens); table->first[layer] < kept; table->first[layer]++)
      drop_page(table, layer, table->first[layer]);
}

void kv_table_shrink(KvTable *table, int tokens) {
  for (; table->count > kv_page_count(tokens); table->count--)
    for (int layer = 0; layer < table->shape->layers; layer++)
      drop_page(table, layer, table->count - 1);
  for (int layer = 0; layer < table->shape->layers; layer++)
    if (table->first[layer] > table->count) table->first[layer] = table->count;
}

bool kv_table_reaches(const KvTable *table, int position) {
  for (int layer = 0; layer < table->shape->layers && position > 0; layer++)
    if (kv_first_page(table->shape, layer, position) < table->first[layer]) return false;
  return true;
}

// The same range as F16's, so that nothing infinite gets in.
static float clamped(float x) { return x > F16_LARGEST ? F16_LARGEST : x < -F16_LARGEST ? -F16_LARGEST : x; }

// What a number of a row is multiplied with to become an INT8; *scale takes it back.
static float int8_factor(const float *row, int n, float *scale) {
  float largest = 0;
  for (int d = 0; d < n; d++) {
    const float size = fabsf(clamped(row[d]));
    largest = largest < size ? size : largest;
  }
  *scale = largest / 127.0f;
  return largest > QUANTIZE_LEAST ? 127.0f / largest : 0;
}

static int8_t int8_of(float x, float factor) {
  return (int8_t)(bits_of_float(clamped(x) * factor + ROUND_MAGIC) & 0xff);
}

static void write_key(const KvShape *shape, const KvHead *head, int at, const float *key) {
  const int n = shape->head_size;
  if (shape->type == KV_F32) {
    for (int d = 0; d < n; d++)
      ((float *)head->keys)[kv_key_index(n, d, at, KV_F32)] = key[d];
  } else if (shape->type == KV_F16) {
    for (int d = 0; d < n; d++)
      ((uint16_t *)head->keys)[kv_key_index(n, d, at, KV_F16)] = f32_to_f16(key[d]);
  } else {
    const float factor = int8_factor(key, n, (float *)&head->key_scales[at]);
    for (int d = 0; d < n; d++)
      ((int8_t *)head->keys)[kv_key_index(n, d, at, KV_INT8)] = int8_of(key[d], factor);
  }
}

static void write_value(const KvShape *shape, const KvHead *head, int at, const float *value) {
  const int n = shape->head_size;
  if (shape->type == KV_F32) {
    memcpy((float *)head->values + kv_value_index(n, 0, at, KV_F32), value, (size_t)n * sizeof *value);
  } else if (shape->type == KV_F16) {
    for (int d = 0; d < n; d++)
      ((uint16_t *)head->values)[kv_value_index(n, d, at, KV_F16)] = f32_to_f16(value[d]);
  } else {
    const float factor = int8_factor(value, n, (float *)&head->value_scales[at]);
    for (int d = 0; d < n; d++)
      ((int8_t *)head->values)[kv_value_index(n, d, at, KV_INT8)] = int8_of(value[d], factor);
  }
}

static KvHead head_of(const KvShape *shape, const uint8_t *page, int head) {
  const uint8_t *keys = page + (size_t)head * head_bytes(shape);
  const uint8_t *values = keys + key_bytes(shape);
  const float *scales = shape->type == KV_INT8 ? (const float *)(values + value_bytes(shape)) : NULL;
  return (KvHead){keys, values, scales, scales != NULL ? scales + KV_PAGE_TOKENS : NULL};
}

KvHead kv_table_head(const KvTable *table, int layer, int page, int head) {
  return head_of(table->shape, *page_slot(table, layer, page), head);
}

void kv_page_clear(const KvShape *shape, uint8_t *page, int token) {
  const size_t bytes = number_bytes(shape->type);
  for (int h = 0; h < shape->kv_heads; h++) {
    const KvHead head = head_of(shape, page, h);
    for (int t = token; t < KV_PAGE_TOKENS; t++) {
      for (int d = 0; d < shape->head_size; d++) {
        memset((uint8_t *)head.keys + kv_key_index(shape->head_size, d, t, shape->type) * bytes, 0, bytes);
        memset((uint8_t *)head.values + kv_value_index(shape->head_size, d, t, shape->type) * bytes, 0, bytes);
      }
      if (shape->type == KV_INT8) memset((float *)head.key_scales + t, 0, sizeof(float));
      if (shape->type == KV_INT8) memset((float *)head.value_scales + t, 0, sizeof(float));
    }
  }
}

void kv_table_write(KvTable *table, int layer, int token, const float *keys, const float *values, int from, int to) {
  const size_t n = (size_t)table->shape->head_size;
  for (int h = from; h < to; h++) {
    const KvHead head = kv_table_head(table, layer, token / KV_PAGE_TOKENS, h);
    write_key(table->shape, &head, token % KV_PAGE_TOKENS, keys + (size_t)h * n);
    write_value(table->shape, &head, token % KV_PAGE_TOKENS, values + (size_t)h * n);
  }
}

void kv_table_write_key(KvTable *table, int layer, int token, int head, const float *key) {
  const KvHead at = kv_table_head(table, layer, token / KV_PAGE_TOKENS, head);
  write_key(table->shape, &at, token % KV_PAGE_TOKENS, key);
}

void kv_table_copy_value(KvTable *table, int layer, int from, int to, int head) {
  const KvShape *shape = table->shape;
  const KvHead source = kv_table_head(table, layer, from / KV_PAGE_TOKENS, head);
  const KvHead target = kv_table_head(table, layer, to / KV_PAGE_TOKENS, head);
  const size_t bytes = number_bytes(shape->type);
  const int n = shape->head_size, s = from % KV_PAGE_TOKENS, t = to % KV_PAGE_TOKENS;
  for (int d = 0; d < n; d++)
    memcpy((uint8_t *)target.values + kv_value_index(n, d, t, shape->type) * bytes,
           (const uint8_t *)source.values + kv_value_index(n, d, s, shape->type) * bytes, bytes);
  if (shape->type == KV_INT8) ((float *)target.value_scales)[t] = source.value_scales[s];
}

static float number_at(KvType type, const void *numbers, size_t index, const float *scales, int token) {
  switch (type) {
    case KV_F32: return ((const float *)numbers)[index];
    case KV_F16: return f16_finite(((const uint16_t *)numbers)[index]);
    default: return (float)((const int8_t *)numbers)[index] * scales[token];
  }
}

float kv_table_key(const KvTable *table, int layer, int token, int head, int d) {
  const KvHead at = kv_table_head(table, layer, token / KV_PAGE_TOKENS, head);
  const int t = token % KV_PAGE_TOKENS;
  const KvType type = table->shape->type;
  return number_at(type, at.keys, kv_key_index(table->shape->head_size, d, t, type), at.key_scales, t);
}

float kv_table_value(const KvTable *table, int layer, int token, int head, int d) {
  const KvHead at = kv_table_head(table, layer, token / KV_PAGE_TOKENS, head);
  const int t = token % KV_PAGE_TOKENS;
  const KvType type = table->shape->type;
  return number_at(type, at.values, kv_value_index(table->shape->head_size, d, t, type), at.value_scales, t);
}
