#include "kv_cache.h"

#include <stdlib.h>
#include <string.h>

#include "zeroed.h"

// What a page begins with; its keys and values follow.
typedef struct {
  _Alignas(64) int tables;  // that it is in
  void *next;               // of the pool's spare pages
} PageHeader;

// The pages of a class.
typedef struct {
  size_t page_bytes;
  PageHeader *spare;
  uint64_t used, spares;
} PagesOf;

struct KvPool {
  int classes;
  PagesOf of[KV_PAGE_CLASSES];
  uint64_t most;  // bytes that may be in use
};

static PageHeader *page_header(uint8_t *page) { return (PageHeader *)page - 1; }

int kv_add_class(KvShape *shape, KvPageShape page) {
  for (int i = 0; i < shape->classes; i++)
    if (shape->pages[i].heads == page.heads && shape->pages[i].key_size == page.key_size &&
        shape->pages[i].value_size == page.value_size)
      return i;
  if (shape->classes == KV_PAGE_CLASSES) return -1;
  shape->pages[shape->classes] = page;
  return shape->classes++;
}

size_t kv_page_bytes(const KvPageShape *shape) { return sizeof(PageHeader) + kv_page_data_bytes(shape); }

uint64_t kv_pages_bytes(const KvShape *shape, const KvPages *pages) {
  const uint64_t most = UINT64_C(1) << 62;
  uint64_t bytes = 0;
  for (int i = 0; i < shape->classes; i++) {
    const uint64_t page = kv_page_bytes(&shape->pages[i]);
    if (pages->pages[i] > (most - bytes) / page) return most;
    bytes += pages->pages[i] * page;
  }
  return bytes;
}

int kv_first_page(const KvShape *shape, int layer, int position) {
  return kv_visible_from(kv_window(shape, layer), position) / KV_PAGE_TOKENS;
}

int kv_first_kept_page(const KvShape *shape, int layer, int tokens) {
  const int needed = kv_first_page(shape, layer, tokens);
  return needed > KV_SLACK_PAGES ? needed - KV_SLACK_PAGES : 0;
}

uint64_t kv_cache_bytes(const KvShape *shape, int tokens) {
  KvPages pages = {0};
  for (int layer = 0; layer < shape->layers; layer++)
    pages.pages[kv_class(shape, layer)] += (uint64_t)(kv_page_count(tokens) - kv_first_kept_page(shape, layer, tokens));
  return kv_pages_bytes(shape, &pages);
}

KvPool *kv_pool_create(const KvShape *shape) {
  KvPool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  pool->classes = shape->classes;
  for (int i = 0; i < shape->classes; i++)
    pool->of[i].page_bytes = kv_page_bytes(&shape->pages[i]);
  pool->most = KV_NO_LIMIT;
  return pool;
}

void kv_pool_limit(KvPool *pool, uint64_t bytes) { pool->most = bytes; }

static PageHeader *pop_spare(PagesOf *of) {
  PageHeader *header = of->spare;
  if (header == NULL) return NULL;
  of->spare = header->next;
  of->spares--;
  return header;
}

static void push_spare(PagesOf *of, PageHeader *header) {
  *header = (PageHeader){.next = of->spare};
  of->spare = header;
  of->spares++;
}

void kv_pool_trim(KvPool *pool) {
  for (int i = 0; i < pool->classes; i++)
    for (PageHeader *header; (header = pop_spare(&pool->of[i])) != NULL;)
      free(header);
}

void kv_pool_free(KvPool *pool) {
  if (pool == NULL) return;
  kv_pool_trim(pool);
  free(pool);
}

uint64_t kv_pool_used_bytes(const KvPool *pool) {
  uint64_t bytes = 0;
  for (int i = 0; i < pool->classes; i++)
    bytes += pool->of[i].used * pool->of[i].page_bytes;
  return bytes;
}

uint64_t kv_pool_spare_bytes(const KvPool *pool) {
  uint64_t bytes = 0;
  for (int i = 0; i < pool->classes; i++)
    bytes += pool->of[i].spares * pool->of[i].page_bytes;
  return bytes;
}

static PageHeader *new_page(const PagesOf *of) { return aligned_alloc(64, (size_t)round_up_bytes(of->page_bytes, 64)); }

// Whether so many pages more would be beyond the limit.
static bool is_beyond(const KvPool *pool, const KvPages *pages) {
  if (pool->most == KV_NO_LIMIT) return false;
  uint64_t left = pool->most;
  for (int i = 0; i < pool->classes; i++) {
    const PagesOf *of = &pool->of[i];
    const uint64_t room = left / of->page_bytes;
    if (of->used > room || pages->pages[i] > room - of->used) return true;
    left -= (of->used + pages->pages[i]) * of->page_bytes;
  }
  return false;
}

bool kv_pool_reserve(KvPool *pool, const KvPages *pages) {
  if (is_beyond(pool, pages)) return false;
  for (int i = 0; i < pool->classes; i++)
    while (pool->of[i].spares < pages->pages[i]) {
      PageHeader *header = new_page(&pool->of[i]);
      if (header == NULL) {
        kv_pool_trim(pool);  // memory is short, and nobody will need them now
        return false;
      }
      push_spare(&pool->of[i], header);
    }
  return true;
}

static uint8_t *take_spare_page(PagesOf *of) {
  PageHeader *header = pop_spare(of);
  if (header == NULL) abort();  // never: whoever takes one has reserved it
  // Kernels compute whole vectors of tokens and drop those that are not there: never on NaN, which is slow on some
  // CPUs.
  memset(header, 0, of->page_bytes);
  header->tables = 1;
  of->used++;
  return (uint8_t *)(header + 1);
}

static void give_page_back(PagesOf *of, uint8_t *page) {
  PageHeader *header = page_header(page);
  if (--header->tables > 0) return;
  push_spare(of, header);
  of->used--;
}

bool kv_table_create(KvTable *table, KvPool *pool, const KvShape *shape, int tokens, NibbleError *error) {
  *table = (KvTable){.pool = pool, .shape = shape, .capacity = kv_page_count(tokens)};
  const uint64_t row = (uint64_t)table->capacity * sizeof *table->pages + sizeof *table->from;
  table->pages = zeroed((uint64_t)shape->layers, row);
  if (table->pages == NULL)
    return nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
                       "No memory is left for the page table of a context of %d tokens. Close other sessions, or "
                       "create the engine with a smaller context or a larger memory budget.",
                       tokens);
  table->from = (int *)(table->pages + (size_t)shape->layers * (size_t)table->capacity);
  return true;
}

void kv_table_free(KvTable *table) {
  if (table->pages == NULL) return;
  kv_table_shrink(table, 0);
  free(table->pages);
  table->pages = NULL;
}

static PagesOf *pages_of(const KvTable *table, int layer) { return &table->pool->of[kv_class(table->shape, layer)]; }

static uint8_t **page_slot(const KvTable *table, int layer, int page) {
  return &table->pages[(size_t)layer * (size_t)table->capacity + (size_t)page];
}

uint8_t *kv_table_page(const KvTable *table, int layer, int page) { return *page_slot(table, layer, page); }

void kv_table_share(KvTable *table, const KvTable *other) {
  const size_t slots = (size_t)table->shape->layers * (size_t)table->capacity;
  table->count = other->count;
  memcpy(table->pages, other->pages, slots * sizeof *table->pages);
  memcpy(table->from, other->from, (size_t)table->shape->layers * sizeof *table->from);
  for (size_t i = 0; i < slots; i++)
    if (table->pages[i] != NULL) page_header(table->pages[i])->tables++;
}

bool kv_table_is_shared(const KvTable *table, int layer, int page) {
  return page_header(*page_slot(table, layer, page))->tables > 1;
}

void kv_table_own_page(KvTable *table, int layer, int page) {
  uint8_t **slot = page_slot(table, layer, page);
  if (*slot != NULL && !kv_table_is_shared(table, layer, page)) return;
  PagesOf *of = pages_of(table, layer);
  uint8_t *own = take_spare_page(of);
  if (*slot != NULL) {
    memcpy(own, *slot, of->page_bytes - sizeof(PageHeader));
    give_page_back(of, *slot);
  }
  *slot = own;
}

void kv_table_drop_page(KvTable *table, int layer, int page) {
  uint8_t **slot = page_slot(table, layer, page);
  if (*slot != NULL) give_page_back(pages_of(table, layer), *slot);
  *slot = NULL;
}

static int first_page(const KvTable *table, int layer) { return table->from[layer] / KV_PAGE_TOKENS; }

// The most pages that a layer takes from the pool at any time on its way from `length` to `tokens` tokens.
static int layer_demand(const KvTable *table, int layer, int length, int tokens, int batch) {
  const int begin = first_page(table, layer), count = table->count, last = length / KV_PAGE_TOKENS;
  const int copied = last < count && kv_table_is_shared(table, layer, last);
  // Only where pages fall behind the window on the way does it matter whether others share them: reading the headers of
  // all of a long context's pages for each token would cost more than the rest of this.
  const bool lets_go = kv_first_kept_page(table->shape, layer, tokens) > begin;
  int shared = 0, most = 0, first = begin;
  for (int page = begin; page < count && lets_go; page++)
    shared += kv_table_is_shared(table, layer, page);
  for (int at = length; at < tokens; at += batch) {
    const int end = tokens - at < batch ? tokens : at + batch;
    const int grown = kv_page_count(end) - (first > count ? first : count);
    // Pages that others share are not given back when this layer lets go of them.
    const int returned = shared > 0 ? 0 : (first < count ? first : count) - begin;
    if (grown - returned > most) most = grown - returned;
    const int kept = kv_first_kept_page(table->shape, layer, end);
    if (kept > first) first = kept;
  }
  return most + copied;
}

static bool no_room(const KvTable *table, int tokens, const KvPages *pages, NibbleError *error) {
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
                     tokens, (double)kv_pages_bytes(table->shape, pages) / 1e6);
}

bool kv_table_reserve(KvTable *table, int length, int tokens, int batch, NibbleError *error) {
  KvPages pages = {0};
  for (int layer = 0; layer < table->shape->layers; layer++)
    pages.pages[kv_class(table->shape, layer)] += (uint64_t)layer_demand(table, layer, length, tokens, batch);
  return kv_pool_reserve(table->pool, &pages) || no_room(table, tokens, &pages, error);
}

bool kv_table_grow(KvTable *table, int length, int tokens, NibbleError *error) {
  if (tokens <= length) return true;
  if (!kv_table_reserve(table, length, tokens, tokens - length, error)) return false;
  const int count = kv_page_count(tokens);
  for (int layer = 0; layer < table->shape->layers; layer++)
    for (int page = length / KV_PAGE_TOKENS; page < count; page++)
      kv_table_own_page(table, layer, page);
  if (count > table->count) table->count = count;
  return true;
}

bool kv_table_fill(KvTable *table, const int *from, int tokens, NibbleError *error) {
  const int count = kv_page_count(tokens);
  KvPages pages = {0};
  for (int layer = 0; layer < table->shape->layers; layer++)
    pages.pages[kv_class(table->shape, layer)] += (uint64_t)(count - from[layer] / KV_PAGE_TOKENS);
  if (!kv_pool_reserve(table->pool, &pages)) return no_room(table, tokens, &pages, error);
  for (int layer = 0; layer < table->shape->layers; layer++)
    for (int page = from[layer] / KV_PAGE_TOKENS; page < count; page++)
      kv_table_own_page(table, layer, page);
  memcpy(table->from, from, (size_t)table->shape->layers * sizeof *from);
  table->count = count;
  return true;
}

void kv_table_release(KvTable *table, int tokens) {
  for (int layer = 0; layer < table->shape->layers; layer++) {
    const int kept = kv_first_kept_page(table->shape, layer, tokens);
    for (int page = first_page(table, layer); page < kept; page++)
      kv_table_drop_page(table, layer, page);
    if (table->from[layer] < kept * KV_PAGE_TOKENS) table->from[layer] = kept * KV_PAGE_TOKENS;
  }
}

void kv_table_shrink(KvTable *table, int tokens) {
  for (; table->count > kv_page_count(tokens); table->count--)
    for (int layer = 0; layer < table->shape->layers; layer++)
      kv_table_drop_page(table, layer, table->count - 1);
  for (int layer = 0; layer < table->shape->layers; layer++)
    if (table->from[layer] > tokens) table->from[layer] = tokens;
}

bool kv_table_reaches(const KvTable *table, int position) {
  for (int layer = 0; layer < table->shape->layers && position > 0; layer++)
    if (kv_visible_from(kv_window(table->shape, layer), position) < table->from[layer]) return false;
  return true;
}

KvHead kv_table_head(const KvTable *table, int layer, int page, int head) {
  return kv_page_head(kv_page_of(table->shape, layer), *page_slot(table, layer, page), head);
}

void kv_table_write(KvTable *table, int layer, int token, const float *keys, const float *values, int from, int to) {
  const KvPageShape *shape = kv_page_of(table->shape, layer);
  uint8_t *page = *page_slot(table, layer, token / KV_PAGE_TOKENS);
  for (int h = from; h < to; h++) {
    kv_page_write_key(shape, page, h, token % KV_PAGE_TOKENS, keys + (size_t)h * (size_t)shape->key_size);
    kv_page_write_value(shape, page, h, token % KV_PAGE_TOKENS, values + (size_t)h * (size_t)shape->value_size);
  }
}

float kv_table_key(const KvTable *table, int layer, int token, int head, int d) {
  const uint8_t *page = *page_slot(table, layer, token / KV_PAGE_TOKENS);
  return kv_page_key(kv_page_of(table->shape, layer), page, head, token % KV_PAGE_TOKENS, d);
}

float kv_table_value(const KvTable *table, int layer, int token, int head, int d) {
  const uint8_t *page = *page_slot(table, layer, token / KV_PAGE_TOKENS);
  return kv_page_value(kv_page_of(table->shape, layer), page, head, token % KV_PAGE_TOKENS, d);
}
