// libFuzzer entry for the GGUF reader. Build it alone with the reader, never into the library:
//   clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined src/gguf_fuzz.c src/gguf.c src/gguf_tables.c
//         src/gguf_value.c src/checksum.c src/quant.c src/text.c src/error.c -o build/gguf_fuzz
// Besides crashes it looks for broken promises: a tensor outside the file, a value outside the header, and a prefix
// judged otherwise than the whole.
#include <stdlib.h>
#include <string.h>

#include "gguf.h"
#include "quant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool holds) {
  if (!holds) abort();
}

// Parses the first `available` bytes in a block of exactly that size, so that no read behind it goes unnoticed.
static NibbleErrorCode parse_prefix(const uint8_t *data, size_t available, uint64_t file_size) {
  uint8_t *copy = malloc(available + 1);
  promise(copy != NULL);
  memcpy(copy + 1, data, available);
  Gguf gguf;
  NibbleError error = {.code = NIBBLE_OK};
  const bool parsed = gguf_parse(copy + 1, available, file_size, &gguf, &error);
  promise(parsed == (error.code == NIBBLE_OK));
  promise(parsed || (gguf.pairs == NULL && gguf.tensors == NULL && strlen(error.message) > 0));
  gguf_free(&gguf);
  free(copy);
  return error.code;
}

static void visit_pair(const Gguf *gguf, const GgufPair *pair, const uint8_t *header, size_t available) {
  promise(pair->key.length > 0 && strlen(gguf_type_name(pair->type)) > 0);
  promise(pair->value >= header && pair->bytes <= available - (size_t)(pair->value - header));
  uint64_t number;
  double real;
  bool truth;
  GgufString string;
  // Arrays may have millions of elements, all treated alike.
  const uint64_t visited = pair->count < 16 ? pair->count : 16;
  for (uint64_t i = 0; i < visited; i++) {
    gguf_unsigned(pair, pair->count - 1 - i, &number);
    gguf_float(pair, i, &real);
  }
  promise(!gguf_unsigned(pair, pair->count, &number) && !gguf_float(pair, pair->count, &real));
  gguf_bool(pair, &truth);
  if (gguf_string(pair, &string)) promise(string.length + 8 == pair->bytes);

  // A key without NUL bytes can be looked up as a C string; it is found where it stands, since no other is equal.
  char *key = malloc(pair->key.length + 1);
  promise(key != NULL);
  memcpy(key, pair->key.data, pair->key.length);
  key[pair->key.length] = '\0';
  if (gguf->pair_count < 64) promise(gguf_find(gguf, key) == pair);
  free(key);
}

static void visit_tensor(const Gguf *gguf, const GgufTensor *tensor) {
  const QuantFormat *format = quant_format(tensor->type);
  promise(format != NULL && tensor->name.length > 0 && tensor->name.length < 64);
  promise(tensor->dimensions >= 1 && tensor->dimensions <= 4);
  promise(tensor->size[0] % (uint64_t)format->block_elements == 0);
  promise(tensor->bytes > 0 && tensor->offset >= gguf->data_offset && tensor->offset <= gguf->file_size);
  promise(tensor->bytes <= gguf->file_size - tensor->offset);
  promise((tensor->offset - gguf->data_offset) % gguf->alignment == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Gguf gguf;
  NibbleError error = {.code = NIBBLE_OK};
  if (gguf_parse(data, size, size, &gguf, &error)) {
    for (size_t i = 0; i < gguf.pair_count; i++)
      visit_pair(&gguf, &gguf.pairs[i], data, size);
    for (size_t i = 0; i < gguf.tensor_count; i++)
      visit_tensor(&gguf, &gguf.tensors[i]);
    gguf_free(&gguf);
  }
  promise(error.code != NIBBLE_GGUF_NEEDS_MORE);

  // What a prefix is refused for, the whole is refused for too, unless the prefix only asks for more. (Of a file that
  // is too short for the magic number, a prefix without its wrong byte says so, and the whole has a wrong byte.)
  const size_t cuts[] = {size / 4, size / 2, size - size / 8, size};
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
    const NibbleErrorCode code = parse_prefix(data, cuts[i], size);
    promise(code == NIBBLE_GGUF_NEEDS_MORE || code == error.code || size < 4);
    parse_prefix(data, cuts[i], cuts[i]);
    // Tensor data need not be there for a header to be read: this reaches the checks behind the tables.
    parse_prefix(data, cuts[i], (uint64_t)1 << 62);
  }
  return 0;
}
