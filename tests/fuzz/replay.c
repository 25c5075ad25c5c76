// A fuzz target on the inputs of its corpus, once each, with any compiler: `replay FILE...`. Those whose names begin
// with "whole-" have to come to the end of all that the target does; of the others none may break a promise.
#include "check.h"
#include "fuzz_target.h"

typedef struct {
  uint8_t *bytes;
  size_t size;
} Input;

static Input read_input(const char *path) {
  Input input = {.bytes = NULL};
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(2);
  }
  input.size = (size_t)ftell(file);
  rewind(file);
  input.bytes = malloc(input.size + 1);
  if (input.bytes == NULL || fread(input.bytes, 1, input.size, file) != input.size) abort();
  fclose(file);
  return input;
}

int main(int argc, char **argv) {
  Check counts = {.name = "keeps_its_promises_for_all_inputs_of_the_corpus"}, *check = &counts;
  int whole = 0;
  for (int i = 1; i < argc; i++) {
    const Input input = read_input(argv[i]);
    uint8_t *copy = fuzz_copy(input.bytes, input.size);
    // Where it ends the process, this is what was tried.
    printf("%s\n", argv[i]);
    fflush(stdout);
    const bool ended = fuzz_one(copy, input.size);
    const bool must = strstr(argv[i], "/whole-") != NULL;
    if (!CHECK(ended || !must)) printf("  %s stops before the end\n", argv[i]);
    whole += must;
    free(copy);
    free(input.bytes);
  }
  CHECK(whole > 0);
  check_record(check);
  counts.passed = !counts.broken;
  counts.failed = counts.broken;
  return check_finish(check);
}
