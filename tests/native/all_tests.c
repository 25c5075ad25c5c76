// Several test programs in one: its argument names the one whose main() runs; without one, all are listed.
// CMakeLists.txt compiles each with its main() renamed after its file, and writes test_programs.h.
#include <stdio.h>
#include <string.h>

#define TEST_PROGRAM(name) int name(void);
#include "test_programs.h"
#undef TEST_PROGRAM

typedef struct {
  const char *name;
  int (*run)(void);
} TestProgram;

static const TestProgram programs[] = {
#define TEST_PROGRAM(name) {#name, name},
#include "test_programs.h"
#undef TEST_PROGRAM
};

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
    if (argc < 2) puts(programs[i].name);
    if (argc > 1 && strcmp(argv[1], programs[i].name) == 0) return programs[i].run();
  }
  if (argc > 1) fprintf(stderr, "There is no test program '%s'.\n", argv[1]);
  return argc > 1;
}
