// One cursor walks the header from front to back. Only require_bytes() decides whether bytes may be looked at, so a
// length from the file is compared with what is there before anything is read, skipped or allocated. What concerns the
// header as a whole (names that stand twice, where the tensors lie) is checked once, after the walk has reached its
// end.
#include "gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "foreign_types.h"
#include "gguf_tables.h"
#include "quant.h"
#include "text.h"
#include "zeroed.h"

// No header comes near this: a vocabulary of 262,144 tokens takes 16 MB. What claims more lies, and is refused before
// anyone fetches it; the limit also keeps every position and size below within a 32-bit size_t.
#define HEADER_LIMIT (UINT64_C(256) << 20)
#define KEY_LIMIT 65535       // of the format
#define TENSOR_NAME_LIMIT 63  // of ggml, whose names are 64 bytes with their NUL
#define PAIR_MINIMUM 14       // key of one byte (8 + 1), type (4), value of one byte
#define TENSOR_MINIMUM 33     // name of one byte (8 + 1), dimension count (4), one dimension (8), type (4), offset (8)
#define STRING_MINIMUM 8      // the length of an empty one
#define DEFAULT_ALIGNMENT 32  // where the file has no general.alignment
#define ALIGNMENT_LIMIT (1u << 20)      // 1 MiB, far above a page; larger ones only make padding overflow
#define SIZE_LIMIT (UINT64_C(1) << 63)  // dimensions and extents lie below: they are signed in ggml
#define PLACE_SIZE (TEXT_QUOTED_SIZE + 96)

typedef struct {
  const uint8_t *data;
  uint64_t position;  // at most `available` and HEADER_LIMIT
  uint64_t available;
  uint64_t file_size;
  NibbleError *error;
  // What is being read, for messages.
  const char *entry;   // "metadata pair", "tensor", or NULL before the tables
  uint64_t index;      // of the entry, from 0
  GgufString subject;  // its key or name; empty while that is being read
} Cursor;

static const char *quote_string(GgufString string, char quoted[TEXT_QUOTED_SIZE]) {
  return text_quote(string.data, string.length, quoted);
}

// Names a field of what is being read, to begin a sentence: `The value of metadata pair 3 ("general.name")`.
static const char *field_place(const Cursor *cursor, const char *field, char text[PLACE_SIZE]) {
  char quoted[TEXT_QUOTED_SIZE];
  if (cursor->entry == NULL) {
    text_format(text, PLACE_SIZE, "The %s", field);
  } else if (cursor->subject.length == 0) {
    text_format(text, PLACE_SIZE, "The %s of %s %" PRIu64, field, cursor->entry, cursor->index);
  } else {
    text_format(text, PLACE_SIZE, "The %s of %s %" PRIu64 " (%s)", field, cursor->entry, cursor->index,
                quote_string(cursor->subject, quoted));
  }
  return text;
}

// Whether the next `bytes` may be read.
static bool require_bytes(Cursor *cursor, uint64_t bytes, const char *field) {
  char text[PLACE_SIZE];
  if (bytes > HEADER_LIMIT - cursor->position) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_COUNT,
                       "%s takes %" PRIu64 " bytes from byte %" PRIu64 " on, but no header is larger than %" PRIu64
                       " bytes; the file is damaged.",
                       field_place(cursor, field, text), bytes, cursor->position, HEADER_LIMIT);
  }
  if (bytes > cursor->file_size - cursor->position) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_TRUNCATED,
                       "%s takes %" PRIu64 " bytes from byte %" PRIu64 " on, but the file ends at byte %" PRIu64
                       "; it was cut short or is damaged: fetch it again.",
                       field_place(cursor, field, text), bytes, cursor->position, cursor->file_size);
  }
  if (bytes > cursor->available - cursor->position) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_NEEDS_MORE,
                       "%s takes %" PRIu64 " bytes from byte %" PRIu64 " on, but only the first %" PRIu64
                       " of the file are here; call again with more.",
                       field_place(cursor, field, text), bytes, cursor->position, cursor->available);
  }
  return true;
}

// The next `bytes`, stepped over; NULL where they may not be read.
static const uint8_t *take_bytes(Cursor *cursor, uint64_t bytes, const char *field) {
  if (!require_bytes(cursor, bytes, field)) return NULL;
  const uint8_t *taken = cursor->data + (size_t)cursor->position;
  cursor->position += bytes;
  return taken;
}

static uint64_t load_little_endian(const uint8_t *bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; i++)
    value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

static bool read_u32(Cursor *cursor, const char *field, uint32_t *value) {
  const uint8_t *bytes = take_bytes(cursor, 4, field);
  if (bytes == NULL) return false;
  *value = (uint32_t)load_little_endian(bytes, 4);
  return true;
}

static bool read_u64(Cursor *cursor, const char *field, uint64_t *value) {
  const uint8_t *bytes = take_bytes(cursor, 8, field);
  if (bytes == NULL) return false;
  *value = load_little_endian(bytes, 8);
  return true;
}

static bool read_string(Cursor *cursor, const char *field, uint64_t limit, GgufString *string) {
  char text[PLACE_SIZE];
  uint64_t length;
  if (!read_u64(cursor, field, &length)) return false;
  if (length > limit && length <= HEADER_LIMIT) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_STRING, "%s has %" PRIu64 " bytes, expected at most %" PRIu64 ".",
                       field_place(cursor, field, text), length, limit);
  }
  const uint8_t *bytes = take_bytes(cursor, length, field);
  if (bytes == NULL) return false;
  *string = (GgufString){(const char *)bytes, (size_t)length};
  const size_t valid = text_utf8_prefix(string->data, string->length);
  if (valid < string->length) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_STRING,
                       "%s is not UTF-8: found 0x%02x at byte %" PRIu64 " of the file; the file is damaged.",
                       field_place(cursor, field, text), bytes[valid], cursor->position - length + valid);
  }
  return true;
}

// A key or a tensor's name; it becomes the cursor's subject.
static bool read_name(Cursor *cursor, const char *field, uint64_t limit, GgufString *name) {
  char text[PLACE_SIZE];
  if (!read_string(cursor, field, limit, name)) return false;
  if (name->length == 0) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_STRING, "%s is empty, expected at least one byte.",
                       field_place(cursor, field, text));
  }
  cursor->subject = *name;
  if (memchr(name->data, 0, name->length) != NULL) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_STRING, "%s has a NUL byte in it, expected none.",
                       field_place(cursor, field, text));
  }
  return true;
}

static bool read_start(Cursor *cursor, uint32_t *version) {
  static const char magic[] = {'G', 'G', 'U', 'F'};
  char quoted[TEXT_QUOTED_SIZE];
  const size_t there = cursor->available < sizeof magic ? (size_t)cursor->available : sizeof magic;
  if (there > 0 && memcmp(cursor->data, magic, there) != 0) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_MAGIC,
                       "The file begins with %s, expected \"GGUF\"; it is not a GGUF model.",
                       text_quote((const char *)cursor->data, there, quoted));
  }
  if (take_bytes(cursor, sizeof magic, "magic number") == NULL || !read_u32(cursor, "version", version)) return false;
  if (*version != 0 && (*version & 0xffff) == 0) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_VERSION,
                       "The version is 0x%08" PRIx32
                       ": the file is big-endian, expected little-endian; "
                       "convert its byte order (gguf-py has gguf_convert_endian) or use the little-endian file.",
                       *version);
  }
  if (*version != 2 && *version != 3) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_VERSION, "The version is %" PRIu32 ", expected 2 or 3; %s.",
                       *version,
                       *version == 1 ? "convert the model anew" : "the file is damaged or newer than this reader");
  }
  return true;
}

// A count of things that take at least `minimum` bytes each, bounded so that count * minimum cannot wrap.
static bool read_count(Cursor *cursor, const char *field, uint64_t minimum, uint64_t *count) {
  char text[PLACE_SIZE];
  if (!read_u64(cursor, field, count)) return false;
  if (*count > HEADER_LIMIT / minimum) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_COUNT,
                       "%s is %" PRIu64 ", expected at most %" PRIu64 ", what a header can hold; the file is damaged.",
                       field_place(cursor, field, text), *count, HEADER_LIMIT / minimum);
  }
  return true;
}

static bool read_type(Cursor *cursor, const char *field, GgufType *type) {
  char text[PLACE_SIZE];
  uint32_t number;
  if (!read_u32(cursor, field, &number)) return false;
  if (number > GGUF_F64) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_TYPE, "%s is %" PRIu32 ", expected 0 to %d.",
                       field_place(cursor, field, text), number, GGUF_F64);
  }
  *type = (GgufType)number;
  return true;
}

// The elements of an array, or the one of a scalar.
static bool read_elements(Cursor *cursor, GgufPair *pair) {
  char text[PLACE_SIZE];
  const uint64_t begin = cursor->position;
  pair->value = cursor->data + (size_t)begin;
  if (pair->element == GGUF_STRING) {
    if (!require_bytes(cursor, pair->count * STRING_MINIMUM, "value")) return false;
    for (uint64_t i = 0; i < pair->count; i++) {
      GgufString string;
      if (!read_string(cursor, "value", HEADER_LIMIT, &string)) return false;
    }
  } else if (take_bytes(cursor, pair->count * gguf_type_size(pair->element), "value") == NULL) {
    return false;
  }
  pair->bytes = (size_t)(cursor->position - begin);
  if (pair->element != GGUF_BOOL) return true;
  for (size_t i = 0; i < pair->bytes; i++) {
    if (pair->value[i] > 1) {
      return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_VALUE, "%s is a bool with byte %d, expected 0 or 1.",
                         field_place(cursor, "value", text), pair->value[i]);
    }
  }
  return true;
}

static bool read_pair(Cursor *cursor, GgufPair *pair) {
  char text[PLACE_SIZE];
  if (!read_name(cursor, "key", KEY_LIMIT, &pair->key)) return false;
  if (!read_type(cursor, "value type", &pair->type)) return false;
  pair->element = pair->type;
  pair->count = 1;
  if (pair->type == GGUF_ARRAY) {
    if (!read_type(cursor, "element type", &pair->element)) return false;
    if (pair->element == GGUF_ARRAY) {
      return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_TYPE,
                         "%s is array, expected one of the scalar types: arrays of arrays are not read.",
                         field_place(cursor, "element type", text));
    }
    const uint64_t size = gguf_type_size(pair->element);
    if (!read_count(cursor, "element count", size > 0 ? size : STRING_MINIMUM, &pair->count)) return false;
  }
  return read_elements(cursor, pair);
}

static bool read_alignment(const Gguf *gguf, NibbleError *error, uint64_t *alignment) {
  const GgufPair *pair = NULL;  // the keys are not sorted yet
  for (size_t i = 0; i < gguf->pair_count && pair == NULL; i++)
    if (gguf_string_is(gguf->pairs[i].key, "general.alignment")) pair = &gguf->pairs[i];
  *alignment = DEFAULT_ALIGNMENT;
  if (pair == NULL) return true;
  if (pair->type != GGUF_U32) {
    return nibble_fail(error, NIBBLE_GGUF_BAD_ALIGNMENT, "The type of general.alignment is %s, expected u32.",
                       gguf_type_name(pair->type));
  }
  *alignment = load_little_endian(pair->value, 4);
  if (*alignment == 0 || *alignment > ALIGNMENT_LIMIT || (*alignment & (*alignment - 1)) != 0) {
    return nibble_fail(error, NIBBLE_GGUF_BAD_ALIGNMENT,
                       "The metadata key general.alignment is %" PRIu64 ", expected a power of two from 1 to %u.",
                       *alignment, ALIGNMENT_LIMIT);
  }
  return true;
}

// Multiplies; false where the product does not stay below SIZE_LIMIT.
static bool multiply(uint64_t *product, uint64_t factor) {
  if (factor != 0 && *product > (SIZE_LIMIT - 1) / factor) return false;
  *product *= factor;
  return true;
}

static bool read_dimensions(Cursor *cursor, GgufTensor *tensor) {
  char text[PLACE_SIZE];
  uint32_t dimensions;
  if (!read_u32(cursor, "dimension count", &dimensions)) return false;
  if (dimensions < 1 || dimensions > 4) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_DIMENSION, "%s is %" PRIu32 ", expected 1 to 4.",
                       field_place(cursor, "dimension count", text), dimensions);
  }
  tensor->dimensions = (int)dimensions;
  uint64_t elements = 1;
  for (int i = 0; i < 4; i++) {
    tensor->size[i] = 1;
    if (i >= tensor->dimensions) continue;
    if (!read_u64(cursor, "dimensions", &tensor->size[i])) return false;
    if (tensor->size[i] == 0)
      return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_DIMENSION, "%s have a 0 in place %d, expected at least 1.",
                         field_place(cursor, "dimensions", text), i);
    if (!multiply(&elements, tensor->size[i]))
      return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_DIMENSION,
                         "%s multiply to 2^63 elements or more (the one in place %d is %" PRIu64 "), expected fewer.",
                         field_place(cursor, "dimensions", text), i, tensor->size[i]);
  }
  return true;
}

// A tensor's type, and from it the bytes the tensor takes.
static bool read_format(Cursor *cursor, GgufTensor *tensor) {
  char text[PLACE_SIZE];
  if (!read_u32(cursor, "type", &tensor->type)) return false;
  const QuantFormat *format = quant_format(tensor->type);
  if (format == NULL) {
    char foreign[FOREIGN_TYPE_TEXT_SIZE];
    foreign_type_text(tensor->type, foreign);
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_TYPE, "%s is %s.", field_place(cursor, "type", text), foreign);
  }
  const uint64_t columns = tensor->size[0];
  if (columns % (uint64_t)format->block_elements != 0) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_DIMENSION,
                       "%s is %" PRIu64 ", expected a multiple of %d, as %s needs.",
                       field_place(cursor, "row length", text), columns, format->block_elements, format->name);
  }
  tensor->bytes = columns / (uint64_t)format->block_elements;
  bool fits = multiply(&tensor->bytes, (uint64_t)format->block_bytes);
  for (int i = 1; i < 4; i++)
    fits = fits && multiply(&tensor->bytes, tensor->size[i]);
  fits = fits && tensor->bytes < SIZE_LIMIT - (uint64_t)quant_tensor_bytes(format);
  tensor->bytes += (uint64_t)quant_tensor_bytes(format);
  if (!fits) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_DIMENSION,
                       "%s are %" PRIu64 " x %" PRIu64 " x %" PRIu64 " x %" PRIu64
                       " of %s, expected fewer than 2^63 bytes.",
                       field_place(cursor, "dimensions", text), tensor->size[0], tensor->size[1], tensor->size[2],
                       tensor->size[3], format->name);
  }
  return true;
}

// The tensor's `offset` still counts from the start of the data section.
static bool read_tensor(Cursor *cursor, uint64_t alignment, GgufTensor *tensor) {
  char text[PLACE_SIZE];
  if (!read_name(cursor, "name", TENSOR_NAME_LIMIT, &tensor->name)) return false;
  if (!read_dimensions(cursor, tensor) || !read_format(cursor, tensor)) return false;
  if (!read_u64(cursor, "offset", &tensor->offset)) return false;
  if (tensor->offset % alignment != 0) {
    return nibble_fail(cursor->error, NIBBLE_GGUF_BAD_OFFSET, "%s is %" PRIu64 ", expected a multiple of %" PRIu64 ".",
                       field_place(cursor, "offset", text), tensor->offset, alignment);
  }
  return true;
}

// What the vocabulary is like does not change what the model computes.
static bool is_of_tokenizer(GgufString key) {
  static const char prefix[] = "tokenizer.";
  const size_t length = sizeof prefix - 1;
  return key.length >= length && memcmp(key.data, prefix, length) == 0;
}

static void hash_read_bytes(Checksum *checksum, const Cursor *cursor, uint64_t begin) {
  checksum_update(checksum, cursor->data + (size_t)begin, (size_t)(cursor->position - begin));
}

static bool read_tables(Cursor *cursor, Gguf *gguf) {
  uint64_t tensors, pairs, begin;
  Checksum checksum;
  checksum_begin(&checksum);
  if (!read_start(cursor, &gguf->version)) return false;
  if (!read_count(cursor, "tensor count", TENSOR_MINIMUM, &tensors)) return false;
  if (!read_count(cursor, "metadata pair count", PAIR_MINIMUM, &pairs)) return false;
  if (!require_bytes(cursor, tensors * TENSOR_MINIMUM + pairs * PAIR_MINIMUM,
                     "smallest table of as many tensors and metadata pairs as the counts say"))
    return false;

  gguf->pairs = zeroed((uint64_t)pairs + 1, sizeof *gguf->pairs);
  gguf->tensors = zeroed((uint64_t)tensors + 1, sizeof *gguf->tensors);
  if (gguf->pairs == NULL || gguf->tensors == NULL) {
    return nibble_fail(cursor->error, NIBBLE_OUT_OF_MEMORY,
                       "No memory is left for %" PRIu64 " metadata pairs and %" PRIu64 " tensors.", pairs, tensors);
  }
  for (; gguf->pair_count < pairs; gguf->pair_count++) {
    cursor->entry = "metadata pair";
    cursor->index = gguf->pair_count;
    cursor->subject = (GgufString){NULL, 0};
    begin = cursor->position;
    if (!read_pair(cursor, &gguf->pairs[gguf->pair_count])) return false;
    if (!is_of_tokenizer(gguf->pairs[gguf->pair_count].key)) hash_read_bytes(&checksum, cursor, begin);
  }
  if (!read_alignment(gguf, cursor->error, &gguf->alignment)) return false;
  for (; gguf->tensor_count < tensors; gguf->tensor_count++) {
    cursor->entry = "tensor";
    cursor->index = gguf->tensor_count;
    cursor->subject = (GgufString){NULL, 0};
    begin = cursor->position;
    if (!read_tensor(cursor, gguf->alignment, &gguf->tensors[gguf->tensor_count])) return false;
    hash_read_bytes(&checksum, cursor, begin);
  }
  gguf->checksum = checksum_end(&checksum);
  gguf->data_offset = (cursor->position + gguf->alignment - 1) & ~(gguf->alignment - 1);
  return true;
}

bool gguf_parse(const uint8_t *header, size_t available, uint64_t file_size, Gguf *gguf, NibbleError *error) {
  *gguf = (Gguf){.file_size = file_size};
  if (available > file_size) {
    return nibble_fail(error, NIBBLE_INVALID_ARGUMENT, "%zu bytes were given of a file of %" PRIu64 ".", available,
                       file_size);
  }
  // Tensors' extents are below 2^63, so that below it no sum of an offset and an extent can wrap.
  if (file_size >= SIZE_LIMIT)
    return nibble_fail(error, NIBBLE_INVALID_ARGUMENT, "The file has 2^63 bytes or more; fewer were expected.");
  Cursor cursor = {.data = header, .available = available, .file_size = file_size, .error = error};
  if (read_tables(&cursor, gguf) && gguf_sort_names(gguf, error) && gguf_place_tensors(gguf, error) &&
      gguf_check_overlap(gguf, error))
    return true;
  gguf_free(gguf);
  return false;
}

void gguf_free(Gguf *gguf) {
  free(gguf->keys);
  free(gguf->names);
  free(gguf->pairs);
  free(gguf->tensors);
  *gguf = (Gguf){0};
}
