#include "kv_cache.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "float_math.h"
#include "quant.h"

#define F16_LARGEST 65504.0f

struct KvPool {
  size_t page_bytes;
  uint8_t *spare;  // a list: each spare page begins with the pointer to the next
  uint64_t used;   // pages
};

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

size_t kv_page_bytes(const KvShape *shape) { return (size_t)shape->kv_heads * head_bytes(shape); }

static int pages_for(int tokens) { return (tokens + KV_PAGE_TOKENS - 1) / KV_PAGE_TOKENS; }

uint64_t kv_cache_bytes(const KvShape *shape, int tokens) {
  return (uint64_t)pages_for(tokens) * (uint64_t)shape->layers * kv_page_bytes(shape);
}

KvPool *kv_pool_create(const KvShape *shape) {
  KvPool *pool = calloc(1, sizeof *pool);
  if (pool != NULL) pool->page_bytes = kv_page_bytes(shape);
  return pool;
}

void kv_pool_trim(KvPool *pool) {
  while (pool->spare != NULL) {
    uint8_t *page = pool->spare;
    memcpy(&pool->spare, page, sizeof pool->spare);
    free(page);
  }
}

void kv_pool_free(KvPool *pool) {
  if (pool == NULL) return;
  kv_pool_trim(pool);
  free(pool);
}

uint64_t kv_pool_used_bytes(const KvPool *pool) { return pool->used * pool->page_bytes; }

static uint8_t *take_page(KvPool *pool) {
  uint8_t *page = pool->spare;
  if (page != NULL)
    memcpy(&pool->spare, page, sizeof pool->spare);
  else
    page = aligned_alloc(64, (pool->page_bytes + 63) / 64 * 64);
  if (page == NULL) return NULL;
  // Kernels compute whole vectors of tokens and drop those that are not there: never on NaN, which is slow on some
  // CPUs.
  memset(page, 0, pool->page_bytes);
  pool->used++;
  return page;
}

static void give_page(KvPool *pool, uint8_t *page) {
  memcpy(page, &pool->spare, sizeof pool->spare);
  pool->spare = page;
  pool->used--;
}

bool kv_table_create(KvTable *table, KvPool *pool, const KvShape *shape, int tokens, NibbleError *error) {
  *table = (KvTable){.pool = pool, .shape = shape, .capacity = pages_for(tokens)};
  table->pages = calloc((size_t)shape->layers, (size_t)table->capacity * sizeof *table->pages);
  return table->pages != NULL ||
         nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
                     "No memory is left for the page table of a context of %d tokens. Ask for a smaller context.",
                     tokens);
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

static bool add_page(KvTable *table) {
  for (int layer = 0; layer < table->shape->layers; layer++) {
    uint8_t *page = take_page(table->pool);
    if (page == NULL) {
      while (layer-- > 0)
        give_page(table->pool, *page_slot(table, layer, table->count));
      return false;
    }
    *page_slot(table, layer, table->count) = page;
  }
  table->count++;
  return true;
}

bool kv_table_grow(KvTable *table, int tokens, NibbleError *error) {
  const int before = table->count;
  while (table->count < pages_for(tokens)) {
    if (add_page(table)) continue;
    kv_table_shrink(table, before * KV_PAGE_TOKENS);
    return nibble_fail(
        error, NIBBLE_OUT_OF_MEMORY,
        "No memory is left for the keys and values of %d tokens: %.1f MB more were asked for. Use a "
        "shorter text or a smaller model.",
        tokens, (double)(pages_for(tokens) - before) * table->shape->layers * (double)table->pool->page_bytes / 1e6);
  }
  return true;
}

void kv_table_shrink(KvTable *table, int tokens) {
  while (table->count > pages_for(tokens)) {
    table->count--;
    for (int layer = 0; layer < table->shape->layers; layer++) {
      uint8_t **slot = page_slot(table, layer, table->count);
      give_page(table->pool, *slot);
      *slot = NULL;
    }
  }
}

static void write_f32(float *page_keys, float *page_values, int at, const float *keys, const float *values, int n) {
  for (int d = 0; d < n; d++)
    page_keys[kv_key_index(n, d, at, KV_F32)] = keys[d];
  memcpy(page_values + kv_value_index(n, 0, at, KV_F32), values, (size_t)n * sizeof *values);
}

static void write_f16(uint16_t *page_keys, uint16_t *page_values, int at, const float *keys, const float *values,
                      int n) {
  for (int d = 0; d < n; d++) {
    page_keys[kv_key_index(n, d, at, KV_F16)] = f32_to_f16(keys[d]);
    page_values[kv_value_index(n, d, at, KV_F16)] = f32_to_f16(values[d]);
  }
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

static void write_int8(const KvHead *head, int at, const float *keys, const float *values, int n) {
  int8_t *page_keys = (int8_t *)head->keys, *page_values = (int8_t *)head->values;
  const float key_factor = int8_factor(keys, n, (float *)&head->key_scales[at]);
  const float value_factor = int8_factor(values, n, (float *)&head->value_scales[at]);
  for (int d = 0; d < n; d++) {
    page_keys[kv_key_index(n, d, at, KV_INT8)] = int8_of(keys[d], key_factor);
    page_values[kv_value_index(n, d, at, KV_INT8)] = int8_of(values[d], value_factor);
  }
}

KvHead kv_table_head(const KvTable *table, int layer, int page, int head) {
  const KvShape *shape = table->shape;
  const uint8_t *keys = *page_slot(table, layer, page) + (size_t)head * head_bytes(shape);
  const uint8_t *values = keys + key_bytes(shape);
  const float *scales = shape->type == KV_INT8 ? (const float *)(values + value_bytes(shape)) : NULL;
  return (KvHead){keys, values, scales, scales != NULL ? scales + KV_PAGE_TOKENS : NULL};
}

void kv_table_write(KvTable *table, int layer, int token, const float *keys, const float *values, int from, int to) {
  const int at = token % KV_PAGE_TOKENS, n = table->shape->head_size;
  for (int h = from; h < to; h++) {
    const KvHead head = kv_table_head(table, layer, token / KV_PAGE_TOKENS, h);
    const float *k = keys + (size_t)h * (size_t)n, *v = values + (size_t)h * (size_t)n;
    switch (table->shape->type) {
      case KV_F32: write_f32((float *)head.keys, (float *)head.values, at, k, v, n); break;
      case KV_F16: write_f16((uint16_t *)head.keys, (uint16_t *)head.values, at, k, v, n); break;
      case KV_INT8: write_int8(&head, at, k, v, n); break;
    }
  }
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
