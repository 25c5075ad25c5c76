// Takes a file's tensor data as it arrives, in pieces of any size, and puts it re-tiled into a model's arena. Never
// holds more than one group of rows beside the arena.
#ifndef NIBBLE_LOADER_H
#define NIBBLE_LOADER_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "model.h"

typedef struct {
  const Model *model;
  uint64_t position;  // in the file, of the next byte to come
  int source;         // of model->sources, the one that comes next or is under way
  int rows_done;
  uint8_t *staging;  // the group under way: TILE_ROWS rows of a matrix, or a whole vector
  size_t staged;
} Loader;

// A loader for a reserved model, whose first byte will be the one at `data_offset` of the file.
bool loader_create(Loader *loader, const Model *model, uint64_t data_offset, NibbleError *error);
void loader_free(Loader *loader);  // safe on a zeroed loader

size_t loader_staging_bytes(const Model *model);

void loader_push(Loader *loader, const uint8_t *bytes, size_t count);

// Bytes still to come; 0: every weight is in place.
uint64_t loader_remaining(const Loader *loader);

#endif
