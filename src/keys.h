// Numbers of a model's metadata, with their bounds. Those that return bool fail with an error that names the key.
#ifndef NIBBLE_KEYS_H
#define NIBBLE_KEYS_H

#include <stdbool.h>

#include "error.h"
#include "gguf.h"

enum { KEY_SIZE = 96 };

typedef struct {
  const Gguf *gguf;
  const char *prefix;  // the family's name
  NibbleError *error;
} KeyReader;

// Finds the entry of "prefix.suffix", which `key` becomes; NULL where it is missing.
const GgufPair *keys_find(const KeyReader *reader, const char *suffix, char key[KEY_SIZE]);

// Fails because a key is missing that the family needs.
bool keys_missing(const KeyReader *reader, const char *key);

// Reads an integer in [low, high]; where it is missing `fallback`, which other keys may have made, so that the same
// bounds hold for it, or an error if that is negative.
bool keys_int(const KeyReader *reader, const char *suffix, int64_t low, int64_t high, int64_t fallback, int *value);

// Reads a finite number above `low` and up to `high`, as a float too, which may be its bound where a double is not
// yet; `fallback` where the key is missing, or an error if that is NaN.
bool keys_float(const KeyReader *reader, const char *suffix, double low, double high, double fallback, float *value);

bool keys_bool(const KeyReader *reader, const char *suffix, bool fallback, bool *value);

// Reads an array with an entry of true or false for each of `blocks`.
bool keys_flags(const KeyReader *reader, const char *key, const GgufPair *pair, int blocks, bool *flags);

#endif
