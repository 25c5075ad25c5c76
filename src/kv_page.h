// A page of keys and values: KV_PAGE_TOKENS tokens of one layer, all KV heads.
//
//   for each KV head:   keys   [key_size][KV_PAGE_TOKENS]   so that a vector holds one dimension of many tokens
//                       values [KV_PAGE_TOKENS][value_size]   so that a vector holds many dimensions of one token
//
// Numbers are F32 in the exact mode, else F16 or INT8. Of F16, each group of 8 tokens (of keys) or dimensions (of
// values) stands in the order 0, 4, 1, 5, 2, 6, 3, 7, so that one vector load brings 0 to 3 in the low and 4 to 7 in
// the high halves of its lanes; and a token's values are padded with zeros to a multiple of 8.
//
// INT8 numbers have a scale (F32) for each token's key and each token's value, behind the head's numbers: [2]
// [KV_PAGE_TOKENS]. They stand in pairs, for products of 16-bit pairs with 32-bit sums: keys of two dimensions of one
// token, values of two tokens in one dimension. An odd dimension's partner is 0, and values are padded as those of F16.
#ifndef NIBBLE_KV_PAGE_H
#define NIBBLE_KV_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

// What a page holds of each of its tokens.
typedef struct {
  int heads;                 // of keys and values
  int key_size, value_size;  // of each head's
  KvType type;
} KvPageShape;

// The largest number that a page keeps, whatever its type: F16's; and the largest that stands for one in INT8.
#define KV_LARGEST 65504.0f
#define KV_INT8_LARGEST 127.0f

static inline int kv_page_count(int tokens) { return units_of(tokens, KV_PAGE_TOKENS); }

// Returns the bytes of a page's keys and values.
size_t kv_page_data_bytes(const KvPageShape *shape);

// Returns where, in the order of groups of 8, element i stands.
static inline int kv_slot(int i) { return i / 8 * 8 + i % 4 * 2 + i / 4 % 2; }

// Return how many numbers a token's key, and its value, of one head take in a page.
static inline int kv_key_stride(int key_size, KvType type) {
  return type == KV_INT8 ? round_up(key_size, 2) : key_size;
}
static inline int kv_value_stride(int value_size, KvType type) {
  return type == KV_F32 ? value_size : round_up(value_size, 8);
}

// Returns where dimension d of token t's key stands among a head's keys.
static inline size_t kv_key_index(int key_size, int d, int t, KvType type) {
  const size_t group = (size_t)(t / 8) * (size_t)kv_key_stride(key_size, type) * 8;
  if (type == KV_INT8) return group + (size_t)(d / 2 * 16 + t % 8 * 2 + d % 2);
  return group + (size_t)d * 8 + (size_t)(type == KV_F32 ? t % 8 : kv_slot(t % 8));
}

// Returns where dimension d of token t's value stands among a head's values.
static inline size_t kv_value_index(int value_size, int d, int t, KvType type) {
  const size_t stride = (size_t)kv_value_stride(value_size, type);
  if (type == KV_INT8) return (size_t)(t / 2) * stride * 2 + (size_t)(d * 2 + t % 2);
  return (size_t)t * stride + (size_t)(type == KV_F32 ? d : kv_slot(d));
}

// One KV head of a page, as it stands there.
typedef struct {
  const void *keys, *values;
  const float *key_scales, *value_scales; /* [KV_PAGE_TOKENS]; NULL where numbers are not INT8 */
} KvHead;
KvHead kv_page_head(const KvPageShape *shape, const uint8_t *page, int head);

// Writes the key [key_size], and the value [value_size], of one head of token `at` of the page.
void kv_page_write_key(const KvPageShape *shape, uint8_t *page, int head, int at, const float *key);
void kv_page_write_value(const KvPageShape *shape, uint8_t *page, int head, int at, const float *value);

// Copies the value of one head bit for bit, from token `from` of one page to token `to` of another, or of the same.
void kv_page_copy_value(const KvPageShape *shape, const uint8_t *source, int from, uint8_t *target, int to, int head);

// Makes the page's tokens from <= t < to zeros.
void kv_page_clear(const KvPageShape *shape, uint8_t *page, int from, int to);

// Returns whether a page that came from outside has only scales that writing keys and values can have made: none is
// NaN, infinite, negative or too large. Its other numbers need no check: any INT8 is one, kernels read any F16 as a
// finite number, and F32 ones may be NaN or infinite where a model computes such.
bool kv_page_scales_hold(const KvPageShape *shape, const uint8_t *page);

// Return dimension d of the key, and of the value, of token `at`.
float kv_page_key(const KvPageShape *shape, const uint8_t *page, int head, int at, int d);
float kv_page_value(const KvPageShape *shape, const uint8_t *page, int head, int at, int d);

#endif
