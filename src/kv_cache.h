// Keys and values of past tokens, in pages. A page holds KV_PAGE_TOKENS tokens of one layer, all KV heads; a session
// has a table of pages for each layer, and takes pages from the engine's pool as its text grows. Nothing is ever moved.
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
} KvShape;

size_t kv_page_bytes(const KvShape *shape);

// Bytes of a session that holds `tokens` tokens.
uint64_t kv_cache_bytes(const KvShape *shape, int tokens);

typedef struct KvPool KvPool;

// Pages come from the allocator one by one and stay in the pool for the next taker; kv_pool_trim() gives the spare ones
// back. The pool outlives its tables.
KvPool *kv_pool_create(const KvShape *shape);
void kv_pool_free(KvPool *pool);
void kv_pool_trim(KvPool *pool);
uint64_t kv_pool_used_bytes(const KvPool *pool);

// A session's pages: pages[layer * capacity + i] holds tokens from i * KV_PAGE_TOKENS on.
typedef struct {
  KvPool *pool;
  const KvShape *shape;
  uint8_t **pages;
  int capacity;  // pages a layer can have
  int count;     // pages each layer has
} KvTable;

// An empty table for up to `tokens` tokens.
bool kv_table_create(KvTable *table, KvPool *pool, const KvShape *shape, int tokens, NibbleError *error);
void kv_table_free(KvTable *table);  // safe on a zeroed table

// Has pages for the first `tokens` tokens in every layer; all or none are taken.
bool kv_table_grow(KvTable *table, int tokens, NibbleError *error);

// Gives back the pages that hold none of the first `tokens` tokens.
void kv_table_shrink(KvTable *table, int tokens);

// Writes one token's keys and values, [kv_heads, head_size] each, for heads from <= h < to.
void kv_table_write(KvTable *table, int layer, int token, const float *keys, const float *values, int from, int to);

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
