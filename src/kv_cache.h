// Keys and values of past tokens, in pages. A page holds KV_PAGE_TOKENS tokens of one layer, all KV heads; a session
// has a table of pages for each layer, and takes pages from the engine's pool as its text grows. Nothing is ever moved.
//
//   page:   for each KV head:   keys   [head_size][KV_PAGE_TOKENS]    so that a vector holds one dimension of many
//   tokens
//                               values [KV_PAGE_TOKENS][head_size]    so that a vector holds many dimensions of one
//                               token
//
// Elements are F16, or F32 in the exact mode.
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
  bool f32;
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

// One KV head's keys and values of a page as floats, in the page's own layout: pointers into the page where it is F32,
// else unpacked into `scratch` (2 * head_size * KV_PAGE_TOKENS floats). Only the first `tokens` tokens are valid.
typedef struct {
  const float *keys, *values;
} KvHead;
KvHead kv_table_read(const KvTable *table, const Kernels *kernels, int layer, int page, int head, int tokens,
                     float *scratch);

#endif
