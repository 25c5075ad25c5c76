// Shapes of KV caches for tests.
#ifndef KV_SHAPES_H
#define KV_SHAPES_H

#include "kv_cache.h"

// All layers alike.
static inline KvShape kv_alike(int layers, int heads, int head_size, KvType type, const int *windows) {
  return (KvShape){.layers = layers, .classes = 1, .pages = {{heads, head_size, head_size, type}}, .windows = windows};
}

#endif
