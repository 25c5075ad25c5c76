// The promises of kv_cache.h.
#include "kv_cache.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "kv_shapes.h"
#include "quant.h"

enum { MOST_VALUES = 512, HEADER = 64 };

// A number that tells place and kind apart, and that F16 holds exactly.
static float number_at(int layer, int token, int head, int dimension, bool key) {
  const int n = layer * 331 + token * 17 + head * 5 + dimension * 3 + (key ? 0 : 1000);
  return (float)(n % 2039 - 1019) * 0.25f;
}

static void write_token(KvTable *table, int layer, int token, int from, int to) {
  const KvPageShape *shape = kv_page_of(table->shape, layer);
  float keys[MOST_VALUES], values[MOST_VALUES];
  for (int h = 0; h < shape->heads; h++)
    for (int d = 0; d < shape->key_size || d < shape->value_size; d++) {
      if (d < shape->key_size) keys[h * shape->key_size + d] = number_at(layer, token, h, d, true);
      if (d < shape->value_size) values[h * shape->value_size + d] = number_at(layer, token, h, d, false);
    }
  kv_table_write(table, layer, token, keys, values, from, to);
}

static void write_tokens(KvTable *table, int first, int end) {
  for (int layer = 0; layer < table->shape->layers; layer++)
    for (int token = first; token < end; token++)
      write_token(table, layer, token, 0, kv_page_of(table->shape, layer)->heads);
}

// How many of the first `tokens` tokens' numbers are not what write_tokens() wrote.
static int wrong_numbers(const KvTable *table, int tokens) {
  const KvShape *shape = table->shape;
  int wrong = 0;
  for (int layer = 0; layer < shape->layers; layer++)
    for (int t = 0; t < tokens; t++)
      for (int h = 0; h < kv_page_of(shape, layer)->heads; h++) {
        for (int d = 0; d < kv_page_of(shape, layer)->key_size; d++)
          wrong += kv_table_key(table, layer, t, h, d) != number_at(layer, t, h, d, true);
        for (int d = 0; d < kv_page_of(shape, layer)->value_size; d++)
          wrong += kv_table_value(table, layer, t, h, d) != number_at(layer, t, h, d, false);
      }
  return wrong;
}

typedef struct {
  KvPool *pool;
  KvTable table;
} Cache;

static bool begin_cache(Check *check, Cache *cache, const KvShape *shape, int tokens) {
  *cache = (Cache){.pool = kv_pool_create(shape)};
  return CHECK(cache->pool != NULL) && CHECK(kv_table_create(&cache->table, cache->pool, shape, tokens, NULL));
}

static void end_cache(Cache *cache) {
  kv_table_free(&cache->table);
  kv_pool_free(cache->pool);
}

TEST(gives_back_what_was_written) {
  const KvShape shapes[] = {
      kv_alike(2, 2, 8, KV_F16, NULL),  kv_alike(1, 1, 1, KV_F16, NULL),   kv_alike(3, 3, 5, KV_F16, NULL),
      kv_alike(2, 4, 80, KV_F16, NULL), kv_alike(2, 2, 8, KV_F32, NULL),   kv_alike(1, 1, 1, KV_F32, NULL),
      kv_alike(3, 3, 5, KV_F32, NULL),  kv_alike(1, 1, 256, KV_F32, NULL), kv_alike(1, 7, 33, KV_F32, NULL),
      kv_alike(1, 1, 2, KV_F16, NULL),  kv_alike(1, 5, 100, KV_F16, NULL)};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (int tokens = 63; tokens <= 130; tokens += tokens == 65 ? 63 : 1) {
      Cache cache;
      if (!begin_cache(check, &cache, &shapes[i], 200)) return;
      CHECK(kv_table_grow(&cache.table, 0, tokens, NULL));
      write_tokens(&cache.table, 0, tokens);
      CHECK_INT(wrong_numbers(&cache.table, tokens), 0);
      end_cache(&cache);
    }
}

TEST(rounds_keys_and_values_to_f16) {
  const KvShape shape = kv_alike(1, 1, 2, KV_F16, NULL);
  Cache cache;
  if (!begin_cache(check, &cache, &shape, 1)) return;
  CHECK(kv_table_grow(&cache.table, 0, 1, NULL));
  const float keys[] = {0.1f, -3.14159f}, values[] = {1e-6f, 65504.0f};
  kv_table_write(&cache.table, 0, 0, keys, values, 0, 1);
  for (int d = 0; d < 2; d++) {
    CHECK(kv_table_key(&cache.table, 0, 0, 0, d) == f16_to_f32(f32_to_f16(keys[d])));
    CHECK(kv_table_value(&cache.table, 0, 0, 0, d) == f16_to_f32(f32_to_f16(values[d])));
  }
  end_cache(&cache);
}

// Half a step in 127 of each token's largest number, whatever the other tokens hold.
TEST(rounds_keys_and_values_to_int8_token_by_token) {
  const KvShape shapes[] = {kv_alike(2, 2, 8, KV_INT8, NULL), kv_alike(1, 1, 1, KV_INT8, NULL),
                            kv_alike(1, 3, 5, KV_INT8, NULL), kv_alike(1, 2, 33, KV_INT8, NULL)};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const KvShape *shape = &shapes[i];
    Cache cache;
    if (!begin_cache(check, &cache, shape, 130)) return;
    CHECK(kv_table_grow(&cache.table, 0, 130, NULL));
    write_tokens(&cache.table, 0, 130);
    for (int layer = 0; layer < shape->layers; layer++)
      for (int t = 0; t < 130; t++)
        for (int h = 0; h < shape->pages[0].heads; h++)
          for (int key = 0; key < 2; key++) {
            float largest = 0, worst = 0;
            for (int d = 0; d < shape->pages[0].key_size; d++) {
              const float is = number_at(layer, t, h, d, key);
              largest = fmaxf(largest, fabsf(is));
              const float found =
                  key ? kv_table_key(&cache.table, layer, t, h, d) : kv_table_value(&cache.table, layer, t, h, d);
              worst = fmaxf(worst, fabsf(found - is));
            }
            CHECK(worst <= largest * 0.50001f / 127);
          }
    end_cache(&cache);
  }
}

TEST(stays_finite_where_int8_scales_would_not_be) {
  const KvShape shape = kv_alike(1, 1, 3, KV_INT8, NULL);
  Cache cache;
  if (!begin_cache(check, &cache, &shape, 1)) return;
  CHECK(kv_table_grow(&cache.table, 0, 1, NULL));
  const float keys[] = {1e30f, -INFINITY, 1}, values[] = {1e-40f, NAN, 0};
  kv_table_write(&cache.table, 0, 0, keys, values, 0, 1);
  const KvTable *table = &cache.table;
  for (int d = 0; d < 3; d++)
    CHECK(isfinite(kv_table_key(table, 0, 0, 0, d)) && isfinite(kv_table_value(table, 0, 0, 0, d)));
  CHECK(kv_table_key(table, 0, 0, 0, 0) > 60000 && kv_table_key(table, 0, 0, 0, 1) < -60000);
  end_cache(&cache);
}

TEST(stays_finite_where_f16_overflows) {
  const KvShape shape = kv_alike(1, 1, 2, KV_F16, NULL);
  Cache cache;
  if (!begin_cache(check, &cache, &shape, 1)) return;
  CHECK(kv_table_grow(&cache.table, 0, 1, NULL));
  const float keys[] = {1e30f, -INFINITY}, values[] = {70000.0f, -1e9f};
  kv_table_write(&cache.table, 0, 0, keys, values, 0, 1);
  const KvTable *table = &cache.table;
  for (int d = 0; d < 2; d++)
    CHECK(isfinite(kv_table_key(table, 0, 0, 0, d)) && isfinite(kv_table_value(table, 0, 0, 0, d)));
  CHECK(kv_table_key(table, 0, 0, 0, 0) > 60000 && kv_table_key(table, 0, 0, 0, 1) < -60000);
  end_cache(&cache);
}

TEST(writes_only_the_heads_that_were_asked_for) {
  const KvShape shape = kv_alike(1, 4, 3, KV_F32, NULL);
  Cache cache;
  if (!begin_cache(check, &cache, &shape, 70)) return;
  CHECK(kv_table_grow(&cache.table, 0, 70, NULL));
  write_token(&cache.table, 0, 65, 1, 3);
  for (int h = 0; h < 4; h++) {
    for (int d = 0; d < 3; d++) {
      const bool written = h == 1 || h == 2;
      CHECK(kv_table_key(&cache.table, 0, 65, h, d) == (written ? number_at(0, 65, h, d, true) : 0));
      CHECK(kv_table_value(&cache.table, 0, 65, h, d) == (written ? number_at(0, 65, h, d, false) : 0));
      CHECK(kv_table_key(&cache.table, 0, 64, h, d) == 0 && kv_table_key(&cache.table, 0, 66, h, d) == 0);
    }
  }
  end_cache(&cache);
}

TEST(counts_the_bytes_of_the_pages_in_use) {
  const KvShape shape = kv_alike(3, 2, 5, KV_F16, NULL);
  const uint64_t page = HEADER + 2 * (5 + 8) * KV_PAGE_TOKENS * 2;  // a head's values are padded to 8
  CHECK_INT((long long)kv_page_bytes(&shape.pages[0]), (long long)page);
  CHECK_INT((long long)kv_page_bytes(&(KvPageShape){2, 5, 3, KV_F32}), HEADER + 2 * (5 + 3) * KV_PAGE_TOKENS * 4);
  // Keys in pairs of dimensions, values padded to 8, two scales.
  CHECK_INT((long long)kv_page_bytes(&(KvPageShape){2, 5, 9, KV_INT8}), HEADER + 2 * (6 + 16 + 8) * KV_PAGE_TOKENS);
  CHECK_INT((long long)kv_cache_bytes(&shape, 1), (long long)(3 * page));
  CHECK_INT((long long)kv_cache_bytes(&shape, 64), (long long)(3 * page));
  CHECK_INT((long long)kv_cache_bytes(&shape, 65), (long long)(6 * page));
  Cache cache;
  if (!begin_cache(check, &cache, &shape, 300)) return;
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), 0);
  const int lengths[] = {1, 64, 65, 128, 129, 300};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    CHECK(kv_table_grow(&cache.table, 0, lengths[i], NULL));
    CHECK_INT((long long)kv_pool_used_bytes(cache.pool), (long long)kv_cache_bytes(&shape, lengths[i]));
  }
  CHECK(kv_table_grow(&cache.table, 0, 10, NULL));  // growing to less changes nothing
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), (long long)kv_cache_bytes(&shape, 300));
  end_cache(&cache);
}

TEST(gives_pages_back_when_it_shrinks) {
  const KvShape shape = kv_alike(2, 1, 4, KV_F16, NULL);
  Cache cache;
  if (!begin_cache(check, &cache, &shape, 300)) return;
  CHECK(kv_table_grow(&cache.table, 0, 300, NULL));
  write_tokens(&cache.table, 0, 300);
  const int lengths[] = {300, 257, 256, 129, 65, 64, 1};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    kv_table_shrink(&cache.table, lengths[i]);
    CHECK_INT((long long)kv_pool_used_bytes(cache.pool), (long long)kv_cache_bytes(&shape, lengths[i]));
    CHECK_INT(wrong_numbers(&cache.table, lengths[i]), 0);
  }
  kv_table_shrink(&cache.table, 0);
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), 0);
  kv_pool_trim(cache.pool);
  CHECK(kv_table_grow(&cache.table, 0, 200, NULL));
  write_tokens(&cache.table, 0, 200);
  CHECK_INT(wrong_numbers(&cache.table, 200), 0);
  end_cache(&cache);
}

TEST(hands_out_used_pages_clean) {
  const KvShape shape = kv_alike(2, 2, 5, KV_F32, NULL);
  Cache cache;
  if (!begin_cache(check, &cache, &shape, 128)) return;
  CHECK(kv_table_grow(&cache.table, 0, 128, NULL));
  write_tokens(&cache.table, 0, 128);
  kv_table_shrink(&cache.table, 0);
  CHECK(kv_table_grow(&cache.table, 0, 128, NULL));
  for (int layer = 0; layer < 2; layer++)
    for (int t = 0; t < 128; t++)
      for (int h = 0; h < 2; h++)
        for (int d = 0; d < 5; d++)
          CHECK(kv_table_key(&cache.table, layer, t, h, d) == 0 && kv_table_value(&cache.table, layer, t, h, d) == 0);
  end_cache(&cache);
}

TEST(keeps_tables_of_one_pool_apart) {
  const KvShape shape = kv_alike(2, 2, 6, KV_F16, NULL);
  Cache cache;
  KvTable other;
  if (!begin_cache(check, &cache, &shape, 256)) return;
  if (!CHECK(kv_table_create(&other, cache.pool, &shape, 256, NULL))) return;
  for (int tokens = 50; tokens <= 250; tokens += 50) {
    CHECK(kv_table_grow(&cache.table, 0, tokens, NULL) && kv_table_grow(&other, 0, tokens, NULL));
    write_tokens(&cache.table, tokens - 50, tokens);
    write_tokens(&other, tokens - 50, tokens);
  }
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), 2 * (long long)kv_cache_bytes(&shape, 250));
  kv_table_shrink(&other, 70);
  CHECK_INT(wrong_numbers(&cache.table, 250), 0);
  kv_table_shrink(&cache.table, 130);
  CHECK(kv_table_grow(&other, 0, 256, NULL));  // takes up what the first gave back
  write_tokens(&other, 70, 256);
  CHECK_INT(wrong_numbers(&cache.table, 130), 0);
  CHECK_INT(wrong_numbers(&other, 256), 0);
  kv_table_free(&other);
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), (long long)kv_cache_bytes(&shape, 130));
  CHECK_INT(wrong_numbers(&cache.table, 130), 0);
  end_cache(&cache);
}

// Layers with and without windows in one table, grown in batches: each holds what it needs and a page more.
TEST(lets_go_of_what_lies_behind_each_layers_window) {
  static const int windows[] = {0, 70, 5, 1};
  const KvShape shape = kv_alike(4, 2, 5, KV_F16, windows);
  for (int batch = 1; batch <= 500; batch = batch * 3 + 20) {
    Cache cache;
    if (!begin_cache(check, &cache, &shape, 500)) return;
    KvTable *table = &cache.table;
    CHECK(kv_table_reserve(table, 0, 500, batch, NULL));
    uint64_t most = kv_pool_spare_bytes(cache.pool);
    for (int done = 0; done < 500; done += batch) {
      const int end = done + batch < 500 ? done + batch : 500;
      CHECK(kv_table_grow(table, done, end, NULL));
      write_tokens(table, done, end);
      CHECK(kv_pool_used_bytes(cache.pool) + kv_pool_spare_bytes(cache.pool) <= most);  // nothing beyond the reserve
      kv_table_release(table, end);
      CHECK_INT((long long)kv_pool_used_bytes(cache.pool), (long long)kv_cache_bytes(&shape, end));
    }
    for (int layer = 0; layer < 4; layer++)
      for (int t = kv_visible_from(windows[layer], 500); t < 500; t++)
        CHECK(kv_table_key(table, layer, t, 1, 4) == number_at(layer, t, 1, 4, true) &&
              kv_table_value(table, layer, t, 1, 4) == number_at(layer, t, 1, 4, false));
    CHECK(kv_table_reaches(table, 500) && kv_table_reaches(table, 460) && !kv_table_reaches(table, 300));
    kv_table_shrink(table, 460);
    CHECK(kv_table_grow(table, 460, 500, NULL));
    end_cache(&cache);
  }
}

TEST(shares_pages_and_copies_those_that_are_written) {
  const KvShape shape = kv_alike(2, 2, 5, KV_INT8, NULL);
  Cache cache;
  KvTable other;
  if (!begin_cache(check, &cache, &shape, 300)) return;
  if (!CHECK(kv_table_create(&other, cache.pool, &shape, 300, NULL))) return;
  CHECK(kv_table_grow(&cache.table, 0, 100, NULL));
  write_tokens(&cache.table, 0, 100);
  const long long used = (long long)kv_pool_used_bytes(cache.pool), page = (long long)kv_page_bytes(&shape.pages[0]);
  kv_table_share(&other, &cache.table);
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), used);
  CHECK(kv_table_page(&other, 1, 1) == kv_table_page(&cache.table, 1, 1));
  CHECK(kv_table_grow(&other, 100, 101, NULL));
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), used + 2 * page);
  CHECK(kv_table_page(&other, 1, 0) == kv_table_page(&cache.table, 1, 0));
  CHECK(kv_table_page(&other, 1, 1) != kv_table_page(&cache.table, 1, 1));
  CHECK(memcmp(kv_table_page(&other, 1, 1), kv_table_page(&cache.table, 1, 1), kv_page_data_bytes(&shape.pages[0])) ==
        0);
  const float before = kv_table_key(&cache.table, 1, 99, 0, 0);
  kv_table_write(&other, 1, 99, (float[10]){9}, (float[10]){9}, 0, 2);
  CHECK(kv_table_key(&cache.table, 1, 99, 0, 0) == before && before != 9);
  kv_table_free(&cache.table);
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), used);
  kv_table_free(&other);
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), 0);
  end_cache(&cache);
}

TEST(takes_no_more_pages_than_its_limit_and_none_where_that_is_0) {
  const KvShape shape = kv_alike(2, 1, 4, KV_F16, NULL);
  for (int limit = 0; limit < 5; limit++) {
    Cache cache;
    NibbleError error = {.code = NIBBLE_OK};
    if (!begin_cache(check, &cache, &shape, 300)) return;
    kv_pool_limit(cache.pool, (uint64_t)limit * kv_page_bytes(&shape.pages[0]));
    CHECK(kv_table_grow(&cache.table, 0, 64, &error) == (limit >= 2));
    CHECK(kv_table_grow(&cache.table, 64, 65, &error) == (limit >= 4));
    CHECK_STR(nibble_error_name((int)error.code), limit < 4 ? "OUT_OF_MEMORY" : "OK");
    kv_table_shrink(&cache.table, 0);
    kv_pool_limit(cache.pool, KV_NO_LIMIT);
    CHECK(kv_table_grow(&cache.table, 0, 300, NULL));
    end_cache(&cache);
  }
}

// Layers of three classes, of which the first and the last are alike.
static KvShape of_three_classes(const int *windows) {
  static const uint8_t classes[] = {0, 1, 2, 0};
  return (KvShape){.layers = 4,
                   .classes = 3,
                   .pages = {{1, 4, 4, KV_F16}, {3, 9, 4, KV_F16}, {2, 4, 7, KV_F16}},
                   .class_of = classes,
                   .windows = windows};
}

TEST(keeps_layers_of_different_heads_apart) {
  const KvShape shape = of_three_classes(NULL);
  uint64_t a_row = 0;
  for (int layer = 0; layer < 4; layer++)
    a_row += kv_page_bytes(kv_page_of(&shape, layer));
  Cache cache;
  KvTable fork;
  if (!begin_cache(check, &cache, &shape, 300)) return;
  if (!CHECK(kv_table_create(&fork, cache.pool, &shape, 300, NULL))) return;
  CHECK_INT((long long)kv_cache_bytes(&shape, 130), (long long)(3 * a_row));
  kv_pool_limit(cache.pool, 4 * a_row);
  CHECK(kv_table_grow(&cache.table, 0, 130, NULL));
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), (long long)(3 * a_row));
  write_tokens(&cache.table, 0, 130);
  kv_table_share(&fork, &cache.table);
  CHECK(kv_table_grow(&fork, 130, 131, NULL));
  write_tokens(&fork, 130, 131);
  CHECK_INT(wrong_numbers(&cache.table, 130), 0);
  CHECK_INT(wrong_numbers(&fork, 131), 0);
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), (long long)(4 * a_row));
  // Of no class is there room for more, and what a table gives back is there for another of the same class.
  CHECK(!kv_table_grow(&cache.table, 130, 193, NULL));
  kv_table_free(&fork);
  CHECK_INT((long long)kv_pool_used_bytes(cache.pool), (long long)(3 * a_row));
  CHECK(kv_table_grow(&cache.table, 130, 193, NULL));
  CHECK_INT((long long)kv_pool_spare_bytes(cache.pool), 0);
  end_cache(&cache);
}

TEST(makes_a_class_of_each_kind_of_page_and_no_more_than_there_can_be) {
  KvShape shape = {.layers = 1};
  for (int i = 0; i < KV_PAGE_CLASSES; i++) {
    CHECK_INT(kv_add_class(&shape, (KvPageShape){1 + i / 4, 4 + i / 2 % 2, 4 + i % 2, KV_F16}), i);
    CHECK_INT(kv_add_class(&shape, (KvPageShape){1, 4, 4, KV_F16}), 0);
  }
  CHECK_INT(kv_add_class(&shape, (KvPageShape){99, 4, 4, KV_F16}), -1);
  CHECK_INT(shape.classes, KV_PAGE_CLASSES);
}

TEST(counts_bytes_that_no_number_holds_as_too_many) {
  const KvShape shape = kv_alike(1 << 18, 1 << 16, 16, KV_F32, NULL);
  CHECK(kv_cache_bytes(&shape, 1 << 28) >= UINT64_C(1) << 62);
  CHECK(kv_pages_bytes(&shape, &(KvPages){{UINT64_MAX}}) >= UINT64_C(1) << 62);
  CHECK_INT((long long)kv_pages_bytes(&shape, &(KvPages){{3}}), 3 * (long long)kv_page_bytes(&shape.pages[0]));
}

// 4,096 layers of 2^18 pages and an entry: 2^32 bytes and 2^14, which a size of 32 bits takes for the latter.
TEST(refuses_a_table_that_no_memory_holds) {
  if (SIZE_MAX > UINT32_MAX) SKIP("sizes have more than 32 bits here");
  const KvShape shape = kv_alike(4096, 1, 2, KV_F32, NULL);
  const int tokens = (1 << 18) * KV_PAGE_TOKENS;
  KvPool *pool = kv_pool_create(&shape);
  KvTable table;
  NibbleError error = {.code = NIBBLE_OK};
  CHECK(pool != NULL && !kv_table_create(&table, pool, &shape, tokens, &error));
  CHECK_STR(nibble_error_name((int)error.code), "OUT_OF_MEMORY");
  kv_pool_free(pool);
}

TEST(frees_what_was_never_made) {
  KvTable table = {0};
  kv_table_free(&table);
  kv_pool_free(NULL);
  CHECK(table.pages == NULL);
}

int main(void) {
  Check check = {0};
  RUN(&check, gives_back_what_was_written);
  RUN(&check, rounds_keys_and_values_to_f16);
  RUN(&check, rounds_keys_and_values_to_int8_token_by_token);
  RUN(&check, stays_finite_where_int8_scales_would_not_be);
  RUN(&check, stays_finite_where_f16_overflows);
  RUN(&check, writes_only_the_heads_that_were_asked_for);
  RUN(&check, counts_the_bytes_of_the_pages_in_use);
  RUN(&check, gives_pages_back_when_it_shrinks);
  RUN(&check, hands_out_used_pages_clean);
  RUN(&check, keeps_tables_of_one_pool_apart);
  RUN(&check, lets_go_of_what_lies_behind_each_layers_window);
  RUN(&check, shares_pages_and_copies_those_that_are_written);
  RUN(&check, takes_no_more_pages_than_its_limit_and_none_where_that_is_0);
  RUN(&check, keeps_layers_of_different_heads_apart);
  RUN(&check, makes_a_class_of_each_kind_of_page_and_no_more_than_there_can_be);
  RUN(&check, counts_bytes_that_no_number_holds_as_too_many);
  RUN(&check, refuses_a_table_that_no_memory_holds);
  RUN(&check, frees_what_was_never_made);
  return check_finish(&check);
}
