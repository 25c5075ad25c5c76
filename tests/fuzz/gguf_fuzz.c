// The GGUF reader with any bytes. Besides crashes this looks for broken promises: a tensor outside the file, a value
// outside the header, and a prefix judged otherwise than the whole.
#include "fuzz_target.h"
#include "gguf.h"
#include "quant.h"

// Of a file that is longer than any header.
#define FILE_BYTES ((uint64_t)1 << 62)

const size_t fuzz_header_at = 0;

// Parses the first `available` bytes in a block of exactly that size, so that no read behind it goes unnoticed.
static NibbleErrorCode parse_prefix(const uint8_t *data, size_t available, uint64_t file_size) {
  uint8_t *copy = fuzz_copy(data, available);
  Gguf gguf;
  NibbleError error = {.code = NIBBLE_OK};
  const bool parsed = gguf_parse(copy, available, file_size, &gguf, &error);
  PROMISE(parsed == (error.code == NIBBLE_OK));
  PROMISE(parsed || (gguf.pairs == NULL && gguf.tensors == NULL && strlen(error.message) > 0));
  gguf_free(&gguf);
  free(copy);
  return error.code;
}

static void visit_pair(const Gguf *gguf, const GgufPair *pair, const uint8_t *header, size_t available) {
  PROMISE(pair->key.length > 0 && strlen(gguf_type_name(pair->type)) > 0);
  PROMISE(pair->value >= header && pair->bytes <= available - (size_t)(pair->value - header));
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
  PROMISE(!gguf_unsigned(pair, pair->count, &number) && !gguf_float(pair, pair->count, &real));
  gguf_bool(pair, 0, &truth);
  if (gguf_string(pair, &string)) PROMISE(string.length + 8 == pair->bytes);

  // A key without NUL bytes can be looked up as a C string; it is found where it stands, since no other is equal.
  char *key = malloc(pair->key.length + 1);
  PROMISE(key != NULL);
  memcpy(key, pair->key.data, pair->key.length);
  key[pair->key.length] = '\0';
  PROMISE(gguf_find(gguf, key) == pair);
  free(key);
}

static void visit_tensor(const Gguf *gguf, const GgufTensor *tensor) {
  const QuantFormat *format = quant_format(tensor->type);
  PROMISE(format != NULL && tensor->name.length > 0 && tensor->name.length < 64);
  PROMISE(tensor->dimensions >= 1 && tensor->dimensions <= 4);
  PROMISE(tensor->size[0] % (uint64_t)format->block_elements == 0);
  PROMISE(tensor->bytes > 0 && tensor->offset >= gguf->data_offset && tensor->offset <= gguf->file_size);
  PROMISE(tensor->bytes <= gguf->file_size - tensor->offset);
  PROMISE((tensor->offset - gguf->data_offset) % gguf->alignment == 0);

  char name[64] = "";
  memcpy(name, tensor->name.data, tensor->name.length);
  PROMISE(gguf_find_tensor(gguf, name) == tensor);
}

// Whether it is a file of so many bytes.
static NibbleErrorCode parse_whole(const uint8_t *data, size_t size, uint64_t file_size) {
  Gguf gguf;
  NibbleError error = {.code = NIBBLE_OK};
  if (gguf_parse(data, size, file_size, &gguf, &error)) {
    for (size_t i = 0; i < gguf.pair_count; i++)
      visit_pair(&gguf, &gguf.pairs[i], data, size);
    for (size_t i = 0; i < gguf.tensor_count; i++)
      visit_tensor(&gguf, &gguf.tensors[i]);
    gguf_free(&gguf);
  }
  return error.code;
}

bool fuzz_one(const uint8_t *data, size_t size) {
  const NibbleErrorCode whole = parse_whole(data, size, size);
  PROMISE(whole != NIBBLE_GGUF_NEEDS_MORE);

  // What a prefix is refused for, the whole is refused for too, unless the prefix only asks for more. (Of a file that
  // is too short for the magic number, a prefix without its wrong byte says so, and the whole has a wrong byte.)
  const size_t cuts[] = {size / 4, size / 2, size - size / 8, size};
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
    const NibbleErrorCode code = parse_prefix(data, cuts[i], size);
    PROMISE(code == NIBBLE_GGUF_NEEDS_MORE || code == whole || size < 4);
    parse_prefix(data, cuts[i], cuts[i]);
    // Tensor data need not be there for a header to be read: this reaches the checks behind the tables.
    parse_prefix(data, cuts[i], FILE_BYTES);
  }
  return parse_whole(data, size, FILE_BYTES) == NIBBLE_OK;
}
