// Writes the logits [vocabulary] (F32) behind tokens to stdout, with all weights in memory and the reference kernels:
//   logits MODEL THREADS TOKEN...
// Exit status: 0, or 1 where that cannot be done.
#include <stdio.h>
#include <stdlib.h>

#include "engine.h"

enum { PIECE_BYTES = 16 << 20, MOST_TOKENS = 512 };

// The header of a file, and its bytes, which are the caller's to free; NULL, and `error`, where there is none.
static uint8_t *read_header(FILE *file, uint64_t file_size, Gguf *gguf, NibbleError *error) {
  for (size_t wanted = 1 << 20;; wanted *= 2) {
    uint8_t *header = malloc(wanted);
    rewind(file);
    const size_t available = header == NULL ? 0 : fread(header, 1, wanted, file);
    *error = (NibbleError){.code = NIBBLE_OK};
    if (header != NULL && gguf_parse(header, available, file_size, gguf, error)) return header;
    free(header);
    if (header == NULL || error->code != NIBBLE_GGUF_NEEDS_MORE) return NULL;
  }
}

static bool load(NibbleEngine *engine, FILE *file, uint64_t data_offset, NibbleError *error) {
  uint8_t *piece = malloc(PIECE_BYTES);
  bool loaded = piece != NULL && fseek(file, (long)data_offset, SEEK_SET) == 0;
  while (loaded && nibble_engine_remaining(engine) > 0) {
    const size_t count = fread(piece, 1, PIECE_BYTES, file);
    loaded = count > 0 && nibble_engine_load(engine, piece, count, error);
  }
  free(piece);
  return loaded;
}

static bool write_logits(FILE *file, int threads, const int32_t *tokens, int count, NibbleError *error) {
  Gguf gguf;
  if (fseek(file, 0, SEEK_END) != 0) return false;
  uint8_t *header = read_header(file, (uint64_t)ftell(file), &gguf, error);
  if (header == NULL) return false;
  const NibbleOptions options = {.threads = threads, .context_size = MOST_TOKENS, .tiles_abreast = 1};
  NibbleModelInfo info;
  NibbleEngine *engine = nibble_engine_create(&gguf, &options, error);
  NibbleSession *session = NULL;
  bool done = engine != NULL && load(engine, file, gguf.data_offset, error) &&
              (session = nibble_session_create(engine, error)) != NULL &&
              nibble_session_evaluate(session, tokens, count, NULL, NULL, error);
  if (done) {
    nibble_engine_info(engine, &info);
    const size_t size = (size_t)info.vocabulary;
    done = fwrite(nibble_session_logits(session), sizeof(float), size, stdout) == size;
  }
  nibble_session_free(session);
  nibble_engine_free(engine);
  gguf_free(&gguf);
  free(header);
  return done;
}

int main(int argc, char **argv) {
  int32_t tokens[MOST_TOKENS];
  const int count = argc - 3;
  if (count < 1 || count > MOST_TOKENS) {
    fprintf(stderr, "usage: logits MODEL THREADS TOKEN...\n");
    return 1;
  }
  for (int i = 0; i < count; i++)
    tokens[i] = atoi(argv[3 + i]);
  FILE *file = fopen(argv[1], "rb");
  if (file == NULL) {
    perror(argv[1]);
    return 1;
  }
  NibbleError error = {.code = NIBBLE_OK};
  const bool done = write_logits(file, atoi(argv[2]), tokens, count, &error);
  if (!done) fprintf(stderr, "%s\n", error.code != NIBBLE_OK ? error.message : "The file ends too early.");
  fclose(file);
  return done ? 0 : 1;
}
