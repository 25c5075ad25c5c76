// Reads the header of a GGUF file, version 2 or 3: metadata and the table of tensors. Nothing of it is trusted: every
// count, length, offset, type, dimension and alignment is checked against the file's size before it is used.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#ifndef NIBBLE_GGUF_H
#define NIBBLE_GGUF_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

// Types of metadata values, numbered as in the file.
typedef enum {
  GGUF_U8 = 0,
  GGUF_I8 = 1,
  GGUF_U16 = 2,
  GGUF_I16 = 3,
  GGUF_U32 = 4,
  GGUF_I32 = 5,
  GGUF_F32 = 6,
  GGUF_BOOL = 7,
  GGUF_STRING = 8,
  GGUF_ARRAY = 9,
  GGUF_U64 = 10,
  GGUF_I64 = 11,
  GGUF_F64 = 12,
} GgufType;

// A string inside the header: valid UTF-8, not NUL-terminated, free of NUL bytes where it is a key or a name.
typedef struct {
  const char *data;
  size_t length;
} GgufString;

typedef struct {
  GgufString key;
  GgufType type;         // GGUF_ARRAY for an array
  GgufType element;      // type of an array's elements; equal to `type` for a scalar
  uint64_t count;        // elements; 1 for a scalar
  const uint8_t *value;  // little-endian, unaligned, inside the header; strings are u64 length + bytes each
  size_t bytes;          // extent of `value`
} GgufPair;

typedef struct {
  GgufString name;
  uint32_t type;     // as numbered by ggml; known to quant_format() or not, but its block is known (gguf_parse checks)
  int dimensions;    // 1 to 4
  uint64_t size[4];  // size[0] is the contiguous one (columns); 1 beyond `dimensions`
  uint64_t offset;   // from the start of the file
  uint64_t bytes;    // extent in the file
} GgufTensor;

typedef struct {
  uint32_t version;
  uint64_t alignment;
  uint64_t file_size;
  uint64_t data_offset;  // where tensor data begins, from the start of the file
  GgufPair *pairs;
  size_t pair_count;
  GgufTensor *tensors;  // in the order of the table
  size_t tensor_count;
  const GgufString **keys;  /* [pair_count] the pairs' keys, sorted by their bytes */
  const GgufString **names; /* [tensor_count] the tensors' names, likewise */
  uint64_t checksum;        // of all pairs but the tokenizer's, and of all tensors, as they stand in the file
} Gguf;

// Parses a header. `header` holds the file's first `available` bytes, and the file has `file_size` bytes in all; where
// the header goes on behind `available`, the call fails with NIBBLE_GGUF_NEEDS_MORE (never when available ==
// file_size). `gguf` points into `header`, which must outlive it. On failure `gguf` holds nothing to free.
bool gguf_parse(const uint8_t *header, size_t available, uint64_t file_size, Gguf *gguf, NibbleError *error);

// Frees what gguf_parse() allocated; safe on a zeroed Gguf.
void gguf_free(Gguf *gguf);

// Returns the pair with this key, or NULL.
const GgufPair *gguf_find(const Gguf *gguf, const char *key);

// Returns the tensor with this name, or NULL.
const GgufTensor *gguf_find_tensor(const Gguf *gguf, const char *name);

// Sets *value to element `index` of a pair of any integer type, of which bool is none. False for other types, and for a
// negative element.
bool gguf_unsigned(const GgufPair *pair, uint64_t index, uint64_t *value);

// Sets *value to element `index` of a pair of type f32 or f64, or of an integer type. False for other types.
bool gguf_float(const GgufPair *pair, uint64_t index, double *value);

// Sets *value to element `index` of a pair of type bool. False for other types.
bool gguf_bool(const GgufPair *pair, uint64_t index, bool *value);

// Sets *value to the value of a scalar of type string. False for other types.
bool gguf_string(const GgufPair *pair, GgufString *value);

// Returns whether a string equals a C string.
bool gguf_string_is(GgufString string, const char *other);

// Returns the bytes of one value of a fixed-size type; 0 for strings, arrays and unknown types.
size_t gguf_type_size(uint32_t type);

// Returns a value type's name, for messages: "u32", "array", "unknown".
const char *gguf_type_name(uint32_t type);

#endif
