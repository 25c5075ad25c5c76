#include "arch.h"

#include <string.h>

static const Architecture architectures[] = {
    // Llama 1 to 3.2, Mistral, SmolLM2, TinyLlama, MobileLLM: converters permute Q and K to neighbouring pairs.
    {.name = "llama", .rope_adjacent = true},
};

enum { ARCHITECTURES = sizeof architectures / sizeof *architectures };

const Architecture *architecture_at(size_t index) { return index < ARCHITECTURES ? &architectures[index] : NULL; }

const Architecture *architecture_find(const char *name, size_t length) {
  for (size_t i = 0; i < ARCHITECTURES; i++)
    if (strlen(architectures[i].name) == length && memcmp(architectures[i].name, name, length) == 0)
      return &architectures[i];
  return NULL;
}
