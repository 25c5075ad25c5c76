// Keys and values of past tokens, in pages (kv_page.h). A session has a table of pages for each layer, and takes pages
// from the engine's pool as its text grows. Sessions may share pages: each counts the tables it is in, and one that is
// in several is copied before it is written. A layer with a sliding window gives back the pages that lie behind it.
//
//   a layer's tokens:   0 . . . . . from . . . . . . length
//                       given back  |  there         |  to come
//   its pages:          NULL NULL  [page][page][page]             from / KV_PAGE_TOKENS is the first that is there
#ifndef NIBBLE_KV_CACHE_H
#define NIBBLE_KV_CACHE_H

#include <stdbool.h>

#include "error.h"
#include "kv_page.h"

// Layers whose pages are alike make a class: their pages take each other's place.
enum { KV_PAGE_CLASSES = 16 };

// The layers of a model, and what their pages are like.
typedef struct {
  int layers, classes;
  KvPageShape pages[KV_PAGE_CLASSES]; /* [classes] */
  const uint8_t *class_of;            /* [layers]; NULL: all are of class 0 */
  const int *windows; /* [layers] tokens that a token sees, itself included; 0: all. NULL: all in every layer */
} KvShape;

static inline int kv_class(const KvShape *shape, int layer) {
  return shape->class_of != NULL ? shape->class_of[layer] : 0;
}

static inline const KvPageShape *kv_page_of(const KvShape *shape, int layer) {
  return &shape->pages[kv_class(shape, layer)];
}

// All pages hold numbers of one type.
static inline KvType kv_type(const KvShape *shape) { return shape->pages[0].type; }

// The class of pages like these, a new one where there is none; -1 where there are too many.
int kv_add_class(KvShape *shape, KvPageShape page);

static inline int kv_window(const KvShape *shape, int layer) {
  return shape->windows != NULL ? shape->windows[layer] : 0;
}

// The first token that the one at `position` sees.
static inline int kv_visible_from(int window, int position) {
  return window > 0 && position >= window ? position - window + 1 : 0;
}

// The first page that a token at `position` needs in a layer.
int kv_first_page(const KvShape *shape, int layer, int position);

// The first page that a layer of `tokens` tokens keeps, so that a few of them can be taken back.
int kv_first_kept_page(const KvShape *shape, int layer, int tokens);

// Bytes that a page takes, its keys and values included.
size_t kv_page_bytes(const KvPageShape *shape);

// So many pages of each class.
typedef struct {
  uint64_t pages[KV_PAGE_CLASSES];
} KvPages;

// Their bytes; 2^62 where they are more, so that sums with other sizes do not wrap.
uint64_t kv_pages_bytes(const KvShape *shape, const KvPages *pages);

// Bytes of a session that holds `tokens` tokens.
uint64_t kv_cache_bytes(const KvShape *shape, int tokens);

typedef struct KvPool KvPool;

// Pages come from the allocator one by one and stay in the pool for the next taker; kv_pool_trim() gives the spare ones
// back. The pool outlives its tables.
KvPool *kv_pool_create(const KvShape *shape);
void kv_pool_free(KvPool *pool);
void kv_pool_trim(KvPool *pool);
// From now on the pages in use by all tables together take no more bytes than that, none where it is 0. KV_NO_LIMIT, as
// a pool begins: as many as there is memory for.
#define KV_NO_LIMIT UINT64_MAX
void kv_pool_limit(KvPool *pool, uint64_t bytes);
// Has so many spare pages in the pool; false where the limit or memory is short.
bool kv_pool_reserve(KvPool *pool, const KvPages *pages);
uint64_t kv_pool_used_bytes(const KvPool *pool);  // a shared page counts once
uint64_t kv_pool_spare_bytes(const KvPool *pool);

// A session's pages: pages[layer * capacity + i] holds tokens from i * KV_PAGE_TOKENS on.
typedef struct {
  KvPool *pool;
  const KvShape *shape;
  uint8_t **pages;
  int capacity;  // pages a layer can have
  int count;     // pages each layer has, those that were given back included
  int *from;     // [layers] the first token whose key and value are there; those behind it are too
} KvTable;

// So many pages are kept behind a window.
enum { KV_SLACK_PAGES = 1 };

// An empty table for up to `tokens` tokens.
bool kv_table_create(KvTable *table, KvPool *pool, const KvShape *shape, int tokens, NibbleError *error);
void kv_table_free(KvTable *table);  // safe on a zeroed table

// Makes an empty table of the same pool hold the pages of another, shared.
void kv_table_share(KvTable *table, const KvTable *other);

// Has the pool hold what a table of `length` tokens will take to reach `tokens` tokens in batches: kv_table_grow()
// cannot fail until then, whatever kv_table_release() gives back in between.
bool kv_table_reserve(KvTable *table, int length, int tokens, int batch, NibbleError *error);

// Has pages for the tokens from `length` to `tokens` in every layer, shared with no other table; all or none are taken.
bool kv_table_grow(KvTable *table, int length, int tokens, NibbleError *error);

// Gives an empty table the pages of a session of `tokens` tokens, in each layer from token from[layer] on. All or none
// are taken.
bool kv_table_fill(KvTable *table, const int *from, int tokens, NibbleError *error);

// Gives back the pages behind the windows of a table that holds `tokens` tokens.
void kv_table_release(KvTable *table, int tokens);

// Gives back the pages that hold none of the first `tokens` tokens.
void kv_table_shrink(KvTable *table, int tokens);

// Whether all that a token at `position` needs is still there.
bool kv_table_reaches(const KvTable *table, int position);

// A page's kv_page_data_bytes() bytes; NULL where it was given back. They are the table's to change where no other
// shares the page.
uint8_t *kv_table_page(const KvTable *table, int layer, int page);
bool kv_table_is_shared(const KvTable *table, int layer, int page);

// Gives a slot a page of its own: a new one where it is empty, a copy where it is shared. One must have been reserved.
void kv_table_own_page(KvTable *table, int layer, int page);
void kv_table_drop_page(KvTable *table, int layer, int page);  // no effect where it is empty

// Writes one token's keys [heads, key_size] and values [heads, value_size], for heads from <= h < to.
void kv_table_write(KvTable *table, int layer, int token, const float *keys, const float *values, int from, int to);

// One KV head of a page.
KvHead kv_table_head(const KvTable *table, int layer, int page, int head);

// Reads a number back: dimension d of a token's key or value.
float kv_table_key(const KvTable *table, int layer, int token, int head, int d);
float kv_table_value(const KvTable *table, int layer, int token, int head, int d);

#endif
