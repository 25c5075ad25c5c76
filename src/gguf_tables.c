#include "gguf_tables.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "quant.h"
#include "sort.h"
#include "text.h"

static int compare(const char *a, size_t a_length, const char *b, size_t b_length) {
  const int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
  return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_names(const void *left, const void *right) {
  const GgufString a = **(const GgufString *const *)left, b = **(const GgufString *const *)right;
  return compare(a.data, a.length, b.data, b.length);
}

// Sorts `count` names, of which `first` is the one inside the first of structs of `stride` bytes; NULL, and `error`,
// where two are equal.
static const GgufString **sort_names(const GgufString *first, size_t stride, size_t count, const char *what,
                                     NibbleError *error) {
  char quoted[TEXT_QUOTED_SIZE];
  const GgufString **sorted = malloc((count + 1) * sizeof *sorted);
  if (sorted == NULL) {
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to sort %zu %ss.", count, what);
    return NULL;
  }
  for (size_t i = 0; i < count; i++)
    sorted[i] = (const GgufString *)(const void *)((const char *)first + i * stride);
  sort_items(sorted, count, sizeof *sorted, compare_names);
  for (size_t i = 1; i < count; i++) {
    if (compare_names(&sorted[i - 1], &sorted[i]) != 0) continue;
    nibble_fail(error, NIBBLE_GGUF_DUPLICATE, "The %s %s stands in the file twice, expected once.", what,
                text_quote(sorted[i]->data, sorted[i]->length, quoted));
    free(sorted);
    return NULL;
  }
  return sorted;
}

bool gguf_sort_names(Gguf *gguf, NibbleError *error) {
  const GgufPair *pairs = gguf->pairs;
  const GgufTensor *tensors = gguf->tensors;
  gguf->keys = sort_names(&pairs->key, sizeof *pairs, gguf->pair_count, "metadata key", error);
  if (gguf->keys == NULL) return false;
  gguf->names = sort_names(&tensors->name, sizeof *tensors, gguf->tensor_count, "tensor name", error);
  return gguf->names != NULL;
}

// The name in its struct, or NULL.
static const GgufString *find_name(const GgufString *const *sorted, size_t count, const char *name) {
  const size_t length = strlen(name);
  size_t low = 0, high = count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const int order = compare(sorted[middle]->data, sorted[middle]->length, name, length);
    if (order == 0) return sorted[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

const GgufPair *gguf_find(const Gguf *gguf, const char *key) {
  const GgufString *found = find_name(gguf->keys, gguf->pair_count, key);
  return found == NULL ? NULL : (const GgufPair *)(const void *)((const char *)found - offsetof(GgufPair, key));
}

const GgufTensor *gguf_find_tensor(const Gguf *gguf, const char *name) {
  const GgufString *found = find_name(gguf->names, gguf->tensor_count, name);
  return found == NULL ? NULL : (const GgufTensor *)(const void *)((const char *)found - offsetof(GgufTensor, name));
}

static int compare_offsets(const void *left, const void *right) {
  const uint64_t a = (*(const GgufTensor *const *)left)->offset, b = (*(const GgufTensor *const *)right)->offset;
  return (a > b) - (a < b);
}

// Before ggml had Q2_0, files used its number for groups of 128 weights: 34 bytes each, where two groups of 64 take 36.
enum { OLD_GROUP = 128, OLD_GROUP_BYTES = 34 };

// Whether a tensor that has `room` bytes up to the next one, or to the end of the file, is of that kind.
static bool is_old_q2_0(const GgufTensor *tensor, uint64_t room, uint64_t alignment) {
  if (tensor->type != GGML_Q2_0 || tensor->size[0] % OLD_GROUP != 0) return false;
  const QuantFormat *format = quant_format(GGML_Q2_0);
  const uint64_t groups = tensor->bytes / (uint64_t)(format->block_bytes * OLD_GROUP / format->block_elements);
  const uint64_t bytes = groups * OLD_GROUP_BYTES, padded = (bytes + alignment - 1) & ~(alignment - 1);
  return room < tensor->bytes && (room == bytes || room == padded);
}

static bool refuse_old_q2_0(const GgufTensor *tensor, NibbleError *error) {
  char quoted[TEXT_QUOTED_SIZE];
  return nibble_fail(
      error, NIBBLE_GGUF_BAD_TYPE,
      "The type of tensor %s is Q2_0 (%u) with groups of 128 weights, as its size tells; only files from "
      "before llama.cpp had Q2_0, whose groups have 64, are like that: use the model's newer file (its "
      "name often says Q2_g64), or convert the model anew.",
      text_quote(tensor->name.data, tensor->name.length, quoted), (unsigned)GGML_Q2_0);
}

bool gguf_check_overlap(const Gguf *gguf, NibbleError *error) {
  char quoted[TEXT_QUOTED_SIZE];
  const size_t count = gguf->tensor_count;
  const GgufTensor **sorted = malloc((count + 1) * sizeof *sorted);
  if (sorted == NULL) return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to sort %zu tensors.", count);
  for (size_t i = 0; i < count; i++)
    sorted[i] = &gguf->tensors[i];
  sort_items(sorted, count, sizeof *sorted, compare_offsets);
  bool apart = true;
  for (size_t i = 1; i < count && apart; i++) {
    const uint64_t end = sorted[i - 1]->offset + sorted[i - 1]->bytes;
    if (end <= sorted[i]->offset) continue;
    if (is_old_q2_0(sorted[i - 1], sorted[i]->offset - sorted[i - 1]->offset, gguf->alignment)) {
      apart = refuse_old_q2_0(sorted[i - 1], error);
      break;
    }
    apart = nibble_fail(error, NIBBLE_GGUF_BAD_OFFSET,
                        "The data of tensor %s begins at byte %" PRIu64 ", expected byte %" PRIu64
                        " or later: another tensor's data ends there.",
                        text_quote(sorted[i]->name.data, sorted[i]->name.length, quoted), sorted[i]->offset, end);
  }
  free(sorted);
  return apart;
}

static uint64_t add_saturating(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

// Bytes up to the next tensor, or to the end of the file. Offsets still count from the start of the data section.
static uint64_t room_of(const Gguf *gguf, const GgufTensor *tensor) {
  const uint64_t begin = add_saturating(gguf->data_offset, tensor->offset);
  uint64_t room = begin < gguf->file_size ? gguf->file_size - begin : 0;
  for (size_t i = 0; i < gguf->tensor_count; i++) {
    const uint64_t offset = gguf->tensors[i].offset;
    if (offset > tensor->offset && offset - tensor->offset < room) room = offset - tensor->offset;
  }
  return room;
}

bool gguf_place_tensors(Gguf *gguf, NibbleError *error) {
  char quoted[TEXT_QUOTED_SIZE];
  // A file whose tensors follow each other closely ends at `dense`. A tensor up to there that the file does not hold
  // means that the file was cut; one behind it, that the offset lies.
  uint64_t dense = gguf->data_offset, end_of_all = 0;
  for (size_t i = 0; i < gguf->tensor_count; i++) {
    const GgufTensor *tensor = &gguf->tensors[i];
    dense = add_saturating(dense, (tensor->bytes + gguf->alignment - 1) & ~(gguf->alignment - 1));
    const uint64_t end = add_saturating(gguf->data_offset, add_saturating(tensor->offset, tensor->bytes));
    if (end > end_of_all) end_of_all = end;
  }
  for (size_t i = 0; i < gguf->tensor_count; i++) {
    const GgufTensor *tensor = &gguf->tensors[i];
    const uint64_t end = add_saturating(gguf->data_offset, add_saturating(tensor->offset, tensor->bytes));
    if (end > gguf->file_size && is_old_q2_0(tensor, room_of(gguf, tensor), gguf->alignment))
      return refuse_old_q2_0(tensor, error);
    if (end > gguf->file_size && end > dense) {
      return nibble_fail(error, NIBBLE_GGUF_BAD_OFFSET,
                         "The offset of tensor %s is %" PRIu64 ", but its %" PRIu64
                         " bytes have to end within the %" PRIu64 " of the file; the file is damaged.",
                         text_quote(tensor->name.data, tensor->name.length, quoted), tensor->offset, tensor->bytes,
                         gguf->file_size);
    }
    if (end > gguf->file_size) {
      return nibble_fail(error, NIBBLE_GGUF_TRUNCATED,
                         "The data of tensor %s ends at byte %" PRIu64 ", but the file has %" PRIu64
                         " bytes, expected %" PRIu64 "; it was cut short: fetch it again.",
                         text_quote(tensor->name.data, tensor->name.length, quoted), end, gguf->file_size, end_of_all);
    }
  }
  for (size_t i = 0; i < gguf->tensor_count; i++)
    gguf->tensors[i].offset += gguf->data_offset;
  return true;
}
