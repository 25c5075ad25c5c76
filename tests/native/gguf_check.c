// Prints what the GGUF reader says of each file on the command line: `FILE CODE MESSAGE`, a line each. Reads a file as
// the loader does, from its front and on as long as the reader asks for more. Exit status: 0, or 2 where a file cannot
// be opened.
#include <stdio.h>
#include <stdlib.h>

#include "gguf.h"

#define FIRST_READ 256

static bool check_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    if (file != NULL) fclose(file);
    return false;
  }
  const long end = ftell(file);
  const uint64_t file_size = end > 0 ? (uint64_t)end : 0;
  rewind(file);

  uint8_t *header = NULL;
  size_t available = 0, wanted = FIRST_READ;
  NibbleError error;
  bool parsed = false, whole = false;
  do {
    if (wanted > file_size) wanted = (size_t)file_size;
    uint8_t *grown = realloc(header, wanted + 1);
    error = (NibbleError){.code = NIBBLE_OUT_OF_MEMORY, .message = "No memory is left for the header."};
    if (grown == NULL) break;
    header = grown;
    available += fread(header + available, 1, wanted - available, file);
    whole = available == file_size;
    wanted = available * 2;
    Gguf gguf;
    error = (NibbleError){.code = NIBBLE_OK};
    parsed = gguf_parse(header, available, file_size, &gguf, &error);
    if (parsed) gguf_free(&gguf);
  } while (!parsed && error.code == NIBBLE_GGUF_NEEDS_MORE && !whole);
  printf("%s %s%s%s\n", path, nibble_error_name((int)error.code), parsed ? "" : " ", parsed ? "" : error.message);
  free(header);
  fclose(file);
  return true;
}

int main(int argc, char **argv) {
  int status = 0;
  for (int i = 1; i < argc; i++) {
    if (!check_file(argv[i])) status = 2;
  }
  return status;
}
