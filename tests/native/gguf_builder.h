// Writes the bytes of GGUF files, right or wrong as the test wants them (nothing is checked or corrected here), and
// states what the reader has to say of them.
#ifndef NIBBLE_GGUF_BUILDER_H
#define NIBBLE_GGUF_BUILDER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "gguf.h"
#include "quant.h"

typedef struct {
  uint8_t *bytes;
  size_t size, capacity;
} Builder;

static inline void put_bytes(Builder *file, const void *bytes, size_t count) {
  if (file->size + count > file->capacity) {
    file->capacity = (file->size + count) * 2;
    file->bytes = realloc(file->bytes, file->capacity);
    if (file->bytes == NULL) abort();
  }
  if (count > 0) memcpy(file->bytes + file->size, bytes, count);
  file->size += count;
}

static inline void put_integer(Builder *file, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++)
    put_bytes(file, &(uint8_t){(uint8_t)(value >> (8 * i))}, 1);
}

static inline void put_u32(Builder *file, uint32_t value) { put_integer(file, value, 4); }
static inline void put_u64(Builder *file, uint64_t value) { put_integer(file, value, 8); }

static inline void put_string(Builder *file, const char *text, size_t length) {
  put_u64(file, length);
  put_bytes(file, text, length);
}

// Magic number, version, counts.
static inline Builder begin_file(uint32_t version, uint64_t tensors, uint64_t pairs) {
  Builder file = {NULL, 0, 0};
  put_bytes(&file, "GGUF", 4);
  put_u32(&file, version);
  put_u64(&file, tensors);
  put_u64(&file, pairs);
  return file;
}

// Key and type of a pair; its value has to follow.
static inline void put_key(Builder *file, const char *key, uint32_t type) {
  put_string(file, key, strlen(key));
  put_u32(file, type);
}

static inline void put_pair_u32(Builder *file, const char *key, uint32_t value) {
  put_key(file, key, GGUF_U32);
  put_u32(file, value);
}

static inline void put_pair_string(Builder *file, const char *key, const char *value) {
  put_key(file, key, GGUF_STRING);
  put_string(file, value, strlen(value));
}

// Key, type, element type and count of an array; its elements have to follow.
static inline void put_array(Builder *file, const char *key, uint32_t element, uint64_t count) {
  put_key(file, key, GGUF_ARRAY);
  put_u32(file, element);
  put_u64(file, count);
}

static inline void put_tensor(Builder *file, const char *name, uint32_t dimensions, const uint64_t *size, uint32_t type,
                              uint64_t offset) {
  put_string(file, name, strlen(name));
  put_u32(file, dimensions);
  for (uint32_t i = 0; i < dimensions; i++)
    put_u64(file, size[i]);
  put_u32(file, type);
  put_u64(file, offset);
}

static inline void put_vector(Builder *file, const char *name, uint64_t length, uint32_t type, uint64_t offset) {
  put_tensor(file, name, 1, &length, type, offset);
}

static inline void put_zeros(Builder *file, size_t count) {
  for (size_t i = 0; i < count; i++)
    put_bytes(file, "", 1);
}

static inline void pad_to(Builder *file, size_t alignment) {
  while (file->size % alignment != 0)
    put_zeros(file, 1);
}

// Parses a copy in a block of its own that ends where the bytes end, so that sanitizers see any read past them.
static inline bool parse_prefix(const Builder *file, size_t available, uint64_t file_size, Gguf *gguf,
                                NibbleError *error, uint8_t **copy) {
  *copy = malloc(available + 1);
  if (*copy == NULL) abort();
  if (available > 0) memcpy(*copy + 1, file->bytes, available);
  *error = (NibbleError){.code = NIBBLE_OK};
  return gguf_parse(*copy + 1, available, file_size, gguf, error);
}

static inline NibbleErrorCode prefix_code(const Builder *file, size_t available, uint64_t file_size) {
  Gguf gguf;
  NibbleError error;
  uint8_t *copy;
  if (parse_prefix(file, available, file_size, &gguf, &error, &copy)) gguf_free(&gguf);
  free(copy);
  return error.code;
}

// Checks that the file is refused with this code, in a sentence that holds these words, and frees the file.
static inline void refuse(Check *check, Builder *file, NibbleErrorCode code, const char *words) {
  Gguf gguf;
  NibbleError error;
  uint8_t *copy;
  const bool parsed = parse_prefix(file, file->size, file->size, &gguf, &error, &copy);
  CHECK(!parsed);
  CHECK_STR(nibble_error_name((int)error.code), nibble_error_name((int)code));
  if (!CHECK(parsed || strstr(error.message, words) != NULL)) printf("  \"%s\" lacks \"%s\"\n", error.message, words);
  CHECK(parsed || (gguf.pairs == NULL && gguf.tensors == NULL));
  if (parsed) gguf_free(&gguf);
  free(copy);
  free(file->bytes);
  *file = (Builder){NULL, 0, 0};
}

static inline void accept(Check *check, Builder *file) {
  Gguf gguf;
  NibbleError error;
  uint8_t *copy;
  if (CHECK(parse_prefix(file, file->size, file->size, &gguf, &error, &copy))) {
    gguf_free(&gguf);
  } else {
    printf("  %s: %s\n", nibble_error_name((int)error.code), error.message);
  }
  free(copy);
  free(file->bytes);
  *file = (Builder){NULL, 0, 0};
}

#endif
