#include "kv_shift.h"

#include <stdlib.h>

// The first token that the layer's tokens behind the shift need, as numbered then.
static int needed_from(const KvTable *table, int layer, int length) {
  return kv_visible_from(kv_window(table->shape, layer), length);
}

// Whether a layer still has all that it will need.
static bool has_needed(const KvTable *table, int layer, int length, int keep, int drop) {
  const int held = table->first[layer] * KV_PAGE_TOKENS, from = needed_from(table, layer, length);
  if (from < keep && from < held) return false;
  return length <= keep || (from > keep ? from : keep) + drop >= held;
}

static void move_token(KvTable *table, int layer, int from, int to, const KvRotation *rotation, float *rows) {
  const int n = table->shape->head_size;
  for (int h = 0; h < table->shape->kv_heads; h++) {
    float *keys = rows + (size_t)h * (size_t)n;
    for (int d = 0; d < n; d++)
      keys[d] = kv_table_key(table, layer, from, h, d);
    rotation->kernels->rope(keys, rotation->cosine, rotation->sine, rotation->pairs, rotation->adjacent);
    kv_table_write_key(table, layer, to, h, keys);
    kv_table_copy_value(table, layer, from, to, h);
  }
}

static void shift_layer(KvTable *table, int layer, int length, int keep, int drop, const KvRotation *rotation,
                        float *rows) {
  // Behind a window there may be tokens whose old places are gone; nobody will ask for them.
  const int first = needed_from(table, layer, length);
  for (int to = first > keep ? first : keep; to < length; to++)
    move_token(table, layer, to + drop, to, rotation, rows);
}

bool kv_table_shift(KvTable *table, int length, int keep, int drop, const KvRotation *rotation, NibbleError *error) {
  const KvShape *shape = table->shape;
  const int left = length - drop;
  for (int layer = 0; layer < shape->layers; layer++)
    if (!has_needed(table, layer, left, keep, drop))
      return nibble_fail(error, NIBBLE_INVALID_ARGUMENT,
                         "With %d tokens dropped, the sliding window of layer %d would reach tokens that it has let go "
                         "of. Drop fewer, or begin anew with the text that is to be kept.",
                         drop, layer);
  float *rows = malloc((size_t)shape->kv_heads * (size_t)shape->head_size * sizeof *rows);
  if (rows == NULL) return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to shift a session.");
  const bool owned = kv_table_own(table, keep, left, NULL);
  if (!owned)
    nibble_fail(
        error, NIBBLE_OUT_OF_MEMORY,
        "With %d tokens dropped, the %d that stay would have to be copied, since a fork or another session shares "
        "them, and there is no memory for both under the memory budget or on this device. Close the fork or that "
        "session, or create the engine with a larger context.",
        drop, left);
  for (int layer = 0; owned && layer < shape->layers; layer++)
    shift_layer(table, layer, left, keep, drop, rotation, rows);
  if (owned) kv_table_shrink(table, left);
  free(rows);
  return owned;
}
