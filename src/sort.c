// Heapsort.
#include "sort.h"

#include <stdint.h>
#include <string.h>

typedef struct {
  char *items;
  size_t size;
  int (*compare)(const void *a, const void *b);
} List;

static void swap(const List *list, size_t a, size_t b) {
  char *x = list->items + a * list->size, *y = list->items + b * list->size;
  for (size_t i = 0; i < list->size; i += sizeof(uint32_t)) {
    uint32_t kept;
    memcpy(&kept, x + i, sizeof kept);
    memcpy(x + i, y + i, sizeof kept);
    memcpy(y + i, &kept, sizeof kept);
  }
}

static int compare_at(const List *list, size_t a, size_t b) {
  return list->compare(list->items + a * list->size, list->items + b * list->size);
}

// Restores the heap of the first `count` items, the greatest on top, below `root`.
static void sift_item(const List *list, size_t root, size_t count) {
  for (size_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && compare_at(list, child + 1, child) > 0) child++;
    if (compare_at(list, child, root) <= 0) return;
    swap(list, child, root);
  }
}

void sort_items(void *items, size_t count, size_t size, int (*compare)(const void *a, const void *b)) {
  const List list = {items, size, compare};
  for (size_t root = count / 2; root > 0; root--)
    sift_item(&list, root - 1, count);
  for (size_t left = count; left > 1; left--) {
    swap(&list, 0, left - 1);
    sift_item(&list, 0, left - 1);
  }
}
