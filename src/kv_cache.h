// Keys and values of past tokens, in pages. A page holds KV_PAGE_TOKENS tokens of one layer, all KV heads; a session
// has a table of pages for each layer, and takes pages from the engine's pool as its text grows. Nothing is ever moved.
// Sessions may share pages: each counts the tables it is in, and one that is in several is copied before it is written.
// A layer with a sliding window gives back the pages that lie behind it.
//
//   page:   for each KV head:   keys   [head_size][KV_PAGE_TOKENS]    so that a vector holds one dimension of many
//   tokens
//                               values [KV_PAGE_TOKENS][head_size]    so that a vector holds many dimensions of one
//                               token
//
// Numbers are F32 in the exact mode, else F16 or INT8. Of F16, each group of 8 tokens (of keys) or dimensions (of
// values) stands in the order 0, 4, 1, 5, 2, 6, 3, 7, so that one vector load brings 0 to 3 in the low and 4 to 7 in
// the high halves of its lanes; and a token's values are padded with zeros to a multiple of 8.
//
// INT8 numbers have a scale (F32) for each token's key and each token's value, behind the head's numbers: [2]
// [KV_PAGE_TOKENS]. They stand in pairs, for products of 16-bit pairs with 32-bit sums: keys of two dimensions of one
// token, values of two tokens in one dimension. An odd dimension's partner is 0, and values are padded as those of F16.
#ifndef NIBBLE_KV_CACHE_H
#define NIBBLE_KV_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "kernels.h"

// What all pages of an engine have in common.
typedef struct {
  int layers, kv_heads, head_size;
  KvType type;
  const int *windows; /* [layers] tokens that a token sees, itself included; 0: all. NULL: all in every layer */
} KvShape;

static inline int kv_window(const KvShape *shape, int layer) {
  return shape->windows != NULL ? shape->windows[layer] : 0;
}

// The first token that the one at `position` sees.
static inline int kv_visible_from(int window, int position) {
  return window > 0 && position >= window ? position - window + 1 : 0;
}

// Bytes of a page's keys and values, and of all that it takes.
size_t kv_page_data_bytes(const KvShape *shape);
size_t kv_page_bytes(const KvShape *shape);

// Bytes of a session that holds `tokens` tokens.
uint64_t kv_cache_bytes(const KvShape *shape, int tokens);

typedef struct KvPool KvPool;

// Pages come from the allocator one by one and stay in the pool for the next taker; kv_pool_trim() gives the spare ones
// back. The pool outlives its tables.
KvPool *kv_pool_create(const KvShape *shape);
void kv_pool_free(KvPool *pool);
void kv_pool_trim(KvPool *pool);
// From now on no more pages than that are reserved for all tables together; 0: as many as there is memory for.
void kv_pool_limit(KvPool *pool, uint64_t pages);
uint64_t kv_pool_used_bytes(const KvPool *pool);  // a shared page counts once
uint64_t kv_pool_spare_bytes(const KvPool *pool);

// A session's pages: pages[layer * capacity + i] holds tokens from i * KV_PAGE_TOKENS on.
typedef struct {
  KvPool *pool;
  const KvShape *shape;
  uint8_t **pages;
  int capacity;  // pages a layer can have
  int count;     // pages each layer has, those that were given back included
  int *first;    // [layers] the first page that was not
} KvTable;

// Behind a window so many pages are kept, so that a few tokens can be taken back.
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

// Gives an empty table the pages that a session of `tokens` tokens needs to go on.
bool kv_table_fill(KvTable *table, int tokens, NibbleError *error);

// Has pages of its own for those of the tokens `from` to `tokens`, which it has or had, that a token behind them needs;
// all or none are taken.
bool kv_table_own(KvTable *table, int from, int tokens, NibbleError *error);

// Gives back the pages behind the windows of a table that holds `tokens` tokens.
void kv_table_release(KvTable *table, int tokens);

// Gives back the pages that hold none of the first `tokens` tokens.
void kv_table_shrink(KvTable *table, int tokens);

// Whether the pages that a token at `position` needs are still there.
bool kv_table_reaches(const KvTable *table, int position);

// The pages of a layer that a token at `position` needs: from this one on.
int kv_first_page(const KvShape *shape, int layer, int position);

static inline int kv_page_count(int tokens) { return (tokens + KV_PAGE_TOKENS - 1) / KV_PAGE_TOKENS; }

// A page's kv_page_data_bytes() bytes. They are the table's to change where no other shares the page.
uint8_t *kv_table_page(const KvTable *table, int layer, int page);

// Makes the tokens of a page from `token` (of the page) on zeros.
void kv_page_clear(const KvShape *shape, uint8_t *page, int token);

// Writes one token's keys and values, [kv_heads, head_size] each, for heads from <= h < to.
void kv_table_write(KvTable *table, int layer, int token, const float *keys, const float *values, int from, int to);

// The same for the key of one head [head_size]; and a value as it is, from another token of the layer.
void kv_table_write_key(KvTable *table, int layer, int token, int head, const float *key);
void kv_table_copy_value(KvTable *table, int layer, int from, int to, int head);

// Where, in such a group order, element i stands.
static inline int kv_slot(int i) { return i / 8 * 8 + i % 4 * 2 + i / 4 % 2; }

// Numbers that a token's key, and its value, of one head take in a page.
static inline int kv_key_stride(int head_size, KvType type) {
  return type == KV_INT8 ? (head_size + 1) / 2 * 2 : head_size;
}
static inline int kv_value_stride(int head_size, KvType type) {
  return type == KV_F32 ? head_size : (head_size + 7) / 8 * 8;
}

// Where dimension d of token t's key stands among a head's keys.
static inline size_t kv_key_index(int head_size, int d, int t, KvType type) {
  const size_t group = (size_t)(t / 8) * (size_t)kv_key_stride(head_size, type) * 8;
  if (type == KV_INT8) return group + (size_t)(d / 2 * 16 + t % 8 * 2 + d % 2);
  return group + (size_t)d * 8 + (size_t)(type == KV_F32 ? t % 8 : kv_slot(t % 8));
}

// Where dimension d of token t's value stands among a head's values.
static inline size_t kv_value_index(int head_size, int d, int t, KvType type) {
  const size_t stride = (size_t)kv_value_stride(head_size, type);
  if (type == KV_INT8) return (size_t)(t / 2) * stride * 2 + (size_t)(d * 2 + t % 2);
  return (size_t)t * stride + (size_t)(type == KV_F32 ? d : kv_slot(d));
}

// One KV head of a page, as it stands there.
typedef struct {
  const void *keys, *values;
  const float *key_scales, *value_scales; /* [KV_PAGE_TOKENS]; NULL where numbers are not INT8 */
} KvHead;
KvHead kv_table_head(const KvTable *table, int layer, int page, int head);

// Reads a number back: dimension d of a token's key or value.
float kv_table_key(const KvTable *table, int layer, int token, int head, int d);
float kv_table_value(const KvTable *table, int layer, int token, int head, int d);

#endif
