#include "packer.h"

#include <stdlib.h>

#include "loader.h"

struct NibblePacker {
  Model model;  // never reserved
  Loader loader;
};

int nibble_packed_layout(void) { return PACKED_LAYOUT; }

static bool build_packer(NibblePacker *packer, const Gguf *gguf, NibbleError *error) {
  Loader *loader = &packer->loader;
  if (!model_plan(&packer->model, gguf, error) || !loader_create(loader, &packer->model, gguf->data_offset, error))
    return false;
  const uint64_t group = loader_group_bytes(&packer->model);
  if (group <= SIZE_MAX) {
    loader->capacity = group > PACKING_BYTES ? (size_t)group : PACKING_BYTES;
    loader->output = malloc(loader->capacity);
  }
  return loader->output != NULL ||
         nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to pack weights in. Close others first.");
}

NibblePacker *nibble_packer_create(const Gguf *gguf, NibbleError *error) {
  NibblePacker *packer = calloc(1, sizeof *packer);
  if (packer == NULL) {
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to pack weights in. Close others first.");
    return NULL;
  }
  if (build_packer(packer, gguf, error)) return packer;
  nibble_packer_free(packer);
  return NULL;
}

void nibble_packer_free(NibblePacker *packer) {
  if (packer == NULL) return;
  free(packer->loader.output);
  loader_free(&packer->loader);
  model_free(&packer->model);
  free(packer);
}

size_t nibble_packer_push(NibblePacker *packer, const uint8_t *bytes, size_t count) {
  packer->loader.written = 0;
  return loader_push(&packer->loader, bytes, count);
}

bool nibble_packer_check(const NibblePacker *packer, NibbleError *error) {
  return loader_check(&packer->loader, error);
}

size_t nibble_packer_output_bytes(const NibblePacker *packer) { return packer->loader.written; }
const uint8_t *nibble_packer_output(const NibblePacker *packer) { return packer->loader.output; }

uint64_t nibble_packer_packed_bytes(const NibblePacker *packer) { return packer->model.packed_bytes; }
uint64_t nibble_packer_position(const NibblePacker *packer) { return loader_packed_position(&packer->loader); }
uint64_t nibble_packer_file_position(const NibblePacker *packer) { return packer->loader.position; }

void nibble_packer_seek(NibblePacker *packer, uint64_t position) {
  packer->loader.written = 0;
  loader_seek(&packer->loader, position);
}
