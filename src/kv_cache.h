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

// Returns the class of pages like these, and adds it where there is none; -1 where there are too many.
int kv_add_class(KvShape *shape, KvPageShape page);

static inline int kv_window(const KvShape *shape, int layer) {
  return shape->windows != NULL ? shape->windows[layer] : 0;
}

// Returns the first token that the one at `position` sees.
static inline int kv_visible_from(int window, int position) {
  return window > 0 && position >= window ? position - window + 1 : 0;
}

// Returns the first page that a token at `position` needs in a layer.
int kv_first_page(const KvShape *shape, int layer, int position);

// Returns the first page that a layer of `tokens` tokens keeps: KV_SLACK_PAGES more than it needs, so that some tokens
// can be taken back.
int kv_first_kept_page(const KvShape *shape, int layer, int tokens);

// Returns the bytes that a page takes: its header, keys and values.
size_t kv_page_bytes(const KvPageShape *shape);

// Bytes that a page takes beside these at most: its place in a table, and what aligning it costs.
enum { KV_PAGE_BESIDES = 80 };

// So many pages of each class.
typedef struct {
  uint64_t pages[KV_PAGE_CLASSES];
} KvPages;

// Returns their bytes, 2^62 at most: so sums with other sizes do not wrap.
uint64_t kv_pages_bytes(const KvShape *shape, const KvPages *pages);

// Returns the bytes of the pages of a session that holds `tokens` tokens.
uint64_t kv_cache_bytes(const KvShape *shape, int tokens);

typedef struct KvPool KvPool;

// Creates an empty pool, which is the caller's to free. Pages come from the allocator one by one, and stay in the pool
// for the next taker when a table gives them back. NULL where memory is short.
KvPool *kv_pool_create(const KvShape *shape);

// Frees a pool behind all of its tables. Safe on NULL.
void kv_pool_free(KvPool *pool);

// Gives the spare pages back to the allocator.
void kv_pool_trim(KvPool *pool);

// Limits the bytes that pages in use by all tables together take; 0: there can be none. A pool begins with KV_NO_LIMIT:
// as many as there is memory for.
#define KV_NO_LIMIT UINT64_MAX
void kv_pool_limit(KvPool *pool, uint64_t bytes);

// Makes sure that the pool has so many spare pages. False where the limit or memory is short.
bool kv_pool_reserve(KvPool *pool, const KvPages *pages);

// Return the bytes of the pages in use, where a shared page counts once, and of the spare ones.
uint64_t kv_pool_used_bytes(const KvPool *pool);
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

// Creates an empty table for up to `tokens` tokens. False, and `error`, where memory is short.
bool kv_table_create(KvTable *table, KvPool *pool, const KvShape *shape, int tokens, NibbleError *error);

// Gives back the pages of a table and frees it. Safe on a zeroed table.
void kv_table_free(KvTable *table);

// Makes an empty table of the same pool hold the pages of another, shared.
void kv_table_share(KvTable *table, const KvTable *other);

// Reserves the pages that a table of `length` tokens takes on its way to `tokens` tokens, in batches of `batch`. Until
// then kv_table_grow() cannot fail, whatever kv_table_release() gives back in between. False, and `error`, where the
// limit or memory is short.
bool kv_table_reserve(KvTable *table, int length, int tokens, int batch, NibbleError *error);

// Makes the pages of tokens length <= t < tokens the table's own in every layer: takes those that are missing, copies
// those that others share. All or nothing. False, and `error`, where the limit or memory is short.
bool kv_table_grow(KvTable *table, int length, int tokens, NibbleError *error);

// Takes, for an empty table, the pages of a session of `tokens` tokens, in each layer from token from[layer] on. All or
// nothing. False, and `error`, where the limit or memory is short.
bool kv_table_fill(KvTable *table, const int *from, int tokens, NibbleError *error);

// Gives back the pages behind the windows of a table that holds `tokens` tokens.
void kv_table_release(KvTable *table, int tokens);

// Gives back the pages that hold none of the first `tokens` tokens.
void kv_table_shrink(KvTable *table, int tokens);

// Returns whether all that a token at `position` needs is still there.
bool kv_table_reaches(const KvTable *table, int position);

// Returns the kv_page_data_bytes() bytes of a page; NULL where it was given back. They may be written where no other
// table shares the page.
uint8_t *kv_table_page(const KvTable *table, int layer, int page);
bool kv_table_is_shared(const KvTable *table, int layer, int page);

// Makes a layer's page the table's own: takes one where there is none, copies one that is shared. The pool must have a
// spare page for that.
void kv_table_own_page(KvTable *table, int layer, int page);

// Gives a page back. No effect where there is none.
void kv_table_drop_page(KvTable *table, int layer, int page);

// Writes the keys [heads, key_size] and values [heads, value_size] of heads from <= h < to of one token.
void kv_table_write(KvTable *table, int layer, int token, const float *keys, const float *values, int from, int to);

// Returns one KV head of a page, as it stands there.
KvHead kv_table_head(const KvTable *table, int layer, int page, int head);

// Reads a number back: dimension d of a token's key or value.
float kv_table_key(const KvTable *table, int layer, int token, int head, int d);
float kv_table_value(const KvTable *table, int layer, int token, int head, int d);

#endif
