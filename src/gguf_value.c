// Access to what a parsed header holds. gguf_parse() has checked every length, so that nothing here can run past one.
#include <string.h>

#include "gguf.h"

static const struct {
  const char *name;
  uint8_t size;
} types[] = {
    [GGUF_U8] = {"u8", 1},         [GGUF_I8] = {"i8", 1},       [GGUF_U16] = {"u16", 2}, [GGUF_I16] = {"i16", 2},
    [GGUF_U32] = {"u32", 4},       [GGUF_I32] = {"i32", 4},     [GGUF_F32] = {"f32", 4}, [GGUF_BOOL] = {"bool", 1},
    [GGUF_STRING] = {"string", 0}, [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"u64", 8}, [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

#define TYPE_COUNT (sizeof types / sizeof types[0])

const char *gguf_type_name(uint32_t type) { return type < TYPE_COUNT ? types[type].name : "unknown"; }

size_t gguf_type_size(uint32_t type) { return type < TYPE_COUNT ? types[type].size : 0; }

bool gguf_string_is(GgufString string, const char *other) {
  return string.length == strlen(other) && memcmp(string.data, other, string.length) == 0;
}

// Element `index` as a little-endian number of the type's size; false where there is none, and for strings.
static bool load_element(const GgufPair *pair, uint64_t index, uint64_t *bits) {
  const size_t size = gguf_type_size(pair->element);
  if (size == 0 || index >= pair->count) return false;
  const uint8_t *bytes = pair->value + (size_t)index * size;
  *bits = 0;
  for (size_t i = 0; i < size; i++)
    *bits |= (uint64_t)bytes[i] << (8 * i);
  return true;
}

// Element `index` of an integer type as sign and magnitude: no single type holds both i64 and u64.
static bool load_integer(const GgufPair *pair, uint64_t index, bool *negative, uint64_t *magnitude) {
  if (!load_element(pair, index, magnitude)) return false;
  *negative = false;
  switch (pair->element) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64: return true;
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64: {
      const uint64_t sign = UINT64_C(1) << (8 * gguf_type_size(pair->element) - 1);
      *negative = (*magnitude & sign) != 0;
      if (*negative) *magnitude = sign - (*magnitude - sign);
      return true;
    }
    default: return false;
  }
}

bool gguf_unsigned(const GgufPair *pair, uint64_t index, uint64_t *value) {
  bool negative;
  uint64_t magnitude;
  if (!load_integer(pair, index, &negative, &magnitude) || negative) return false;
  *value = magnitude;
  return true;
}

bool gguf_float(const GgufPair *pair, uint64_t index, double *value) {
  bool negative;
  uint64_t bits;
  if (load_integer(pair, index, &negative, &bits)) {
    *value = negative ? -(double)bits : (double)bits;
    return true;
  }
  if (pair->element == GGUF_F32 && load_element(pair, index, &bits)) {
    const uint32_t narrow = (uint32_t)bits;
    float single;
    memcpy(&single, &narrow, sizeof single);
    *value = single;
    return true;
  }
  if (pair->element == GGUF_F64 && load_element(pair, index, &bits)) {
    memcpy(value, &bits, sizeof *value);
    return true;
  }
  return false;
}

bool gguf_bool(const GgufPair *pair, uint64_t index, bool *value) {
  uint64_t bits;
  if (pair->element != GGUF_BOOL || !load_element(pair, index, &bits)) return false;
  *value = bits != 0;
  return true;
}

bool gguf_string(const GgufPair *pair, GgufString *value) {
  if (pair->type != GGUF_STRING) return false;
  *value = (GgufString){(const char *)pair->value + 8, pair->bytes - 8};
  return true;
}
