// sort_items() against qsort().
#include "sort.h"

#include <stdint.h>

#include "check.h"

typedef struct {
  int32_t key, rest[5];
} Item;

static int by_key(const void *a, const void *b) {
  const int32_t x = ((const Item *)a)->key, y = ((const Item *)b)->key;
  return x < y ? -1 : x > y;
}

static int by_number(const void *a, const void *b) {
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return x < y ? -1 : x > y;
}

// As many numbers as `range` are told apart.
static int32_t number(uint32_t *state, uint32_t range) {
  *state = *state * UINT32_C(1664525) + UINT32_C(1013904223);
  return (int32_t)((*state >> 8) % range) - (int32_t)(range / 2);
}

TEST(sorts_numbers_of_any_count) {
  uint32_t state = 1;
  for (size_t count = 0; count < 300; count++) {
    int32_t found[300], expected[300];
    for (size_t i = 0; i < count; i++)
      found[i] = expected[i] = number(&state, count % 3 == 0 ? 5 : 1 << 20);
    sort_items(found, count, sizeof *found, by_number);
    qsort(expected, count, sizeof *expected, by_number);
    CHECK(memcmp(found, expected, count * sizeof *found) == 0);
  }
}

TEST(moves_whole_items) {
  enum { COUNT = 100 };
  uint32_t state = 2;
  Item items[COUNT];
  for (int i = 0; i < COUNT; i++) {
    items[i].key = number(&state, 1 << 20);
    for (int k = 0; k < 5; k++)
      items[i].rest[k] = items[i].key + k;
  }
  sort_items(items, COUNT, sizeof *items, by_key);
  for (int i = 0; i < COUNT; i++) {
    CHECK(i == 0 || items[i - 1].key <= items[i].key);
    for (int k = 0; k < 5; k++)
      CHECK_INT(items[i].rest[k], items[i].key + k);
  }
}

int main(void) {
  Check check = {0};
  RUN(&check, sorts_numbers_of_any_count);
  RUN(&check, moves_whole_items);
  return check_finish(&check);
}
