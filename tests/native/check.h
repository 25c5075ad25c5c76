// A test program in three words: TEST writes one, CHECK states a promise inside it, RUN runs it. A test's name reads as
// the promise that it keeps; main() returns check_finish(), which fails if any test did, or if none ran.
#ifndef NIBBLE_CHECK_H
#define NIBBLE_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int passed, failed, skipped;
  const char *name;    // of the test that runs
  bool broken;         // a check of it failed
  const char *reason;  // why it could not run here, or NULL
} Check;

// What is repeated in one shape after another: natively in all, elsewhere in every `stride`-th. Sanitizers and wasm32
// take ten times as long, and what they look for is in each of the repeats. -DNIBBLE_ALL_ROUNDS=ON repeats all there
// too.
#ifdef NIBBLE_FEW_ROUNDS
static inline int check_stride(int stride) { return stride; }
#else
static inline int check_stride(int stride) { return (void)stride, 1; }
#endif

#define TEST(name) static void name(Check *check)
#define RUN(check, name) check_run(check, #name, name)

// Each is a bool, so that a test can stop where going on makes no sense: `if (!CHECK(pair != NULL)) return;`
#define CHECK(condition) check_that(check, condition, #condition, __FILE__, __LINE__)
#define CHECK_INT(found, expected) check_int(check, found, expected, #found, __FILE__, __LINE__)
#define CHECK_STR(found, expected) check_string(check, found, expected, #found, __FILE__, __LINE__)

// Ends a test that cannot run here (a fixture is absent), saying why.
#define SKIP(reason)             \
  do {                           \
    check_skip(check, (reason)); \
    return;                      \
  } while (0)

static inline bool check_that(Check *check, bool holds, const char *what, const char *file, int line) {
  if (holds) return true;
  check->broken = true;
  printf("%s:%d: %s: does not hold: %s\n", file, line, check->name, what);
  return false;
}

static inline bool check_int(Check *check, long long found, long long expected, const char *what, const char *file,
                             int line) {
  if (found == expected) return true;
  check->broken = true;
  printf("%s:%d: %s: %s is %lld, expected %lld\n", file, line, check->name, what, found, expected);
  return false;
}

static inline bool check_string(Check *check, const char *found, const char *expected, const char *what,
                                const char *file, int line) {
  if (found != NULL && strcmp(found, expected) == 0) return true;
  check->broken = true;
  printf("%s:%d: %s: %s is \"%s\", expected \"%s\"\n", file, line, check->name, what, found == NULL ? "(null)" : found,
         expected);
  return false;
}

static inline void check_skip(Check *check, const char *reason) {
  check->reason = reason;
  printf("skipped %s: %s\n", check->name, reason);
}

// Adds to the file that NIBBLE_VERDICTS names, in one write, as other programs add to it too (tests/verdicts.js).
static inline void check_record(const Check *check) {
  const char *path = getenv("NIBBLE_VERDICTS");
  FILE *file = path == NULL ? NULL : fopen(path, "a");
  if (file == NULL) return;
  if (check->broken) {
    fprintf(file, "{\"verdict\":\"failed\",\"name\":\"%s\"}\n", check->name);
  } else if (check->reason != NULL) {
    fprintf(file, "{\"verdict\":\"skipped\",\"name\":\"%s\",\"reason\":\"%s\"}\n", check->name, check->reason);
  } else {
    fprintf(file, "{\"verdict\":\"passed\",\"name\":\"%s\"}\n", check->name);
  }
  fclose(file);
}

static inline void check_run(Check *check, const char *name, void (*test)(Check *)) {
  check->name = name;
  check->broken = false;
  check->reason = NULL;
  test(check);
  check_record(check);
  if (check->broken) {
    check->failed++;
    printf("FAILED %s\n", name);
  } else if (check->reason != NULL) {
    check->skipped++;
  } else {
    check->passed++;
  }
}

// Prints the result and returns the program's exit status.
static inline int check_finish(const Check *check) {
  printf("%d passed, %d failed", check->passed, check->failed);
  if (check->skipped > 0) printf(", %d skipped", check->skipped);
  printf("\n");
  return check->failed > 0 || check->passed == 0;
}

#endif
