// What the fuzz targets have in common. A target is a fuzz_one() in a file of its own: libFuzzer calls it through
// fuzz_main.c with inputs that it makes up, and replay.c with those of the corpus, where there is no libFuzzer.
#ifndef NIBBLE_FUZZ_TARGET_H
#define NIBBLE_FUZZ_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Tries an input. Returns whether it came to the end of all that the target does, as a good input has to. Ends the
// process where a promise is broken.
bool fuzz_one(const uint8_t *data, size_t size);

// Where in an input a GGUF header begins, for gguf_mutator.c; of targets that have one.
extern const size_t fuzz_header_at;

#define PROMISE(condition) fuzz_promise(condition, #condition, __FILE__, __LINE__)

static inline void fuzz_promise(bool holds, const char *what, const char *file, int line) {
  if (holds) return;
  fprintf(stderr, "%s:%d: a broken promise: %s\n", file, line, what);
  abort();
}

// A copy in a block of exactly its size, so that sanitizers see each read past its end. Of nothing, too.
static inline uint8_t *fuzz_copy(const uint8_t *bytes, size_t count) {
  uint8_t *copy = malloc(count);
  PROMISE(copy != NULL || count == 0);
  if (count > 0) memcpy(copy, bytes, count);
  return copy;
}

#endif
