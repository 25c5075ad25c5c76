#include "checksum.h"

#include "check.h"

enum { MOST = 1000 };

static void fill(uint8_t bytes[MOST]) {
  for (int i = 0; i < MOST; i++)
    bytes[i] = (uint8_t)(i * 37 + 11);
}

static uint64_t checksum_of(const uint8_t *bytes, size_t count) {
  Checksum checksum;
  checksum_begin(&checksum);
  checksum_update(&checksum, bytes, count);
  return checksum_end(&checksum);
}

// What another implementation of XXH64 gives.
static const struct {
  size_t count;
  uint64_t expected;
} known[] = {
    {0, 0xef46db3751d8e999u},    {1, 0xf592c0c7639c4cb6u},  {3, 0x22c08528601d4f27u},  {4, 0xfb1e5cf2f1ae4d95u},
    {7, 0x5613ac510496c04eu},    {8, 0x57cb2b7521f3e21au},  {31, 0xe4a0e629e519a4aeu}, {32, 0xcc6b8aaada790b2du},
    {33, 0x35ec49850475a832u},   {63, 0xbf9f0ba3cf95b28au}, {64, 0x155ccce4bf32befcu}, {100, 0x4826e367566ea023u},
    {1000, 0x128da10cfbdc59d9u},
};

TEST(gives_the_values_of_xxh64) {
  uint8_t bytes[MOST];
  fill(bytes);
  CHECK(checksum_of((const uint8_t *)"abc", 3) == 0x44bc2cf5ad770999u);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!CHECK(checksum_of(bytes, known[i].count) == known[i].expected)) printf("  of %zu bytes\n", known[i].count);
}

TEST(does_not_depend_on_the_pieces) {
  uint8_t bytes[MOST];
  fill(bytes);
  for (size_t piece = 1; piece < 100; piece++) {
    Checksum checksum;
    checksum_begin(&checksum);
    for (size_t at = 0; at < MOST; at += piece) {
      CHECK(checksum_end(&checksum) == checksum_of(bytes, at));
      checksum_update(&checksum, bytes + at, MOST - at < piece ? MOST - at : piece);
    }
    CHECK(checksum_end(&checksum) == checksum_of(bytes, MOST));
  }
}

TEST(changes_with_every_bit) {
  uint8_t bytes[100] = {0};
  const uint64_t before = checksum_of(bytes, sizeof bytes);
  for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    CHECK(checksum_of(bytes, sizeof bytes) != before);
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
}

int main(void) {
  Check check = {0};
  RUN(&check, gives_the_values_of_xxh64);
  RUN(&check, does_not_depend_on_the_pieces);
  RUN(&check, changes_with_every_bit);
  return check_finish(&check);
}
