#include "keys.h"

#include <math.h>

#include "text.h"

const GgufPair *keys_find(const KeyReader *reader, const char *suffix, char key[KEY_SIZE]) {
  text_format(key, KEY_SIZE, "%s.%s", reader->prefix, suffix);
  return gguf_find(reader->gguf, key);
}

bool keys_missing(const KeyReader *reader, const char *key) {
  return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                     "The metadata key %s is missing, and a %s model needs it. The file is damaged or was converted "
                     "by a tool that does not know this family.",
                     key, reader->prefix);
}

bool keys_int(const KeyReader *reader, const char *suffix, int64_t low, int64_t high, int64_t fallback, int *value) {
  char key[KEY_SIZE];
  const GgufPair *pair = keys_find(reader, suffix, key);
  if (pair == NULL) {
    *value = (int)fallback;
    if (fallback < 0) return keys_missing(reader, key);
    return (fallback >= low && fallback <= high) ||
           nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s is missing, and what the other keys make of it is %lld; a number from %lld "
                       "to %lld was expected.",
                       key, (long long)fallback, (long long)low, (long long)high);
  }
  uint64_t number = 0;
  if (pair->type == GGUF_ARRAY || !gguf_unsigned(pair, 0, &number))
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s is of type %s; a whole number was expected.", key,
                       gguf_type_name(pair->type));
  if (number < (uint64_t)low || number > (uint64_t)high)
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s is %llu; a number from %lld to %lld was expected.", key,
                       (unsigned long long)number, (long long)low, (long long)high);
  *value = (int)number;
  return true;
}

bool keys_float(const KeyReader *reader, const char *suffix, double low, double high, double fallback, float *value) {
  char key[KEY_SIZE];
  const GgufPair *pair = keys_find(reader, suffix, key);
  if (pair == NULL) {
    *value = (float)fallback;
    return !isnan(fallback) || keys_missing(reader, key);
  }
  double number = 0;
  if (pair->type == GGUF_ARRAY || !gguf_float(pair, 0, &number))
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY, "The metadata key %s is of type %s; a number was expected.",
                       key, gguf_type_name(pair->type));
  if (!(number > low && (float)number > (float)low && number <= high))
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s is %g; a number above %g and up to %g was expected.", key, number, low,
                       high);
  *value = (float)number;
  return true;
}

bool keys_bool(const KeyReader *reader, const char *suffix, bool fallback, bool *value) {
  char key[KEY_SIZE];
  const GgufPair *pair = keys_find(reader, suffix, key);
  *value = fallback;
  return pair == NULL || (pair->type == GGUF_BOOL && gguf_bool(pair, 0, value)) ||
         nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                     "The metadata key %s is of type %s; true or false was expected.", key, gguf_type_name(pair->type));
}

bool keys_flags(const KeyReader *reader, const char *key, const GgufPair *pair, int blocks, bool *flags) {
  if (pair->type != GGUF_ARRAY || pair->count != (uint64_t)blocks)
    return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                       "The metadata key %s has %llu entries; one for each of the %d blocks was expected.", key,
                       (unsigned long long)pair->count, blocks);
  for (int block = 0; block < blocks; block++)
    if (!gguf_bool(pair, (uint64_t)block, &flags[block]))
      return nibble_fail(reader->error, NIBBLE_MODEL_BAD_KEY,
                         "The entries of the metadata key %s are of type %s; true or false was expected.", key,
                         gguf_type_name(pair->element));
  return true;
}
