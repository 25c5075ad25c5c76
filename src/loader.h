// Takes a file's tensor data as it arrives, in pieces of any size, and re-tiles it: into a model's arena, or into a
// buffer in packed order (model.h). Never holds more than one group of rows beside that: those of a tile, or a whole
// tensor where its scale stands behind its last row (I2_S).
#ifndef NIBBLE_LOADER_H
#define NIBBLE_LOADER_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "model.h"
#include "tile_rows.h"

typedef struct {
  const Model *model;
  uint64_t position;  // in the file, of the next byte to come
  int source;         // of model->sources, the one that comes next or is under way
  int rows_done;
  uint8_t *staging;  // the group under way: rows of a matrix, or a whole vector
  size_t staged;
  uint8_t *output;  // where packed bytes go, one group behind the other; NULL: into the arena
  size_t capacity, written;
  const WeightSource *refused;  // the first that was found to hold numbers that are not finite, or NULL
  int refused_row;              // the first of the rows with one of them
  TileRowReader reader;         // of the type of the last matrix, once there was one
} Loader;

// Creates a loader for a reserved model. Its first byte will be the one at `data_offset` of the file. Where `output` is
// set afterwards, the model need not be reserved. False, and `error`, where memory is short.
bool loader_create(Loader *loader, const Model *model, uint64_t data_offset, NibbleError *error);
void loader_free(Loader *loader);  // safe on a zeroed loader

// Returns the bytes that a loader holds beside its output: the largest group of rows.
uint64_t loader_staging_bytes(const Model *model);

// Returns the packed bytes that the largest group becomes.
uint64_t loader_group_bytes(const Model *model);

// Bytes of a packer's output, unless a group needs more. loader_packing_bytes() returns what such a packer takes beyond
// that, its staging included; 0 where no group needs more.
enum { PACKING_BYTES = 1 << 20 };
uint64_t loader_packing_bytes(const Model *model);

// Takes bytes of the file, and returns how many: fewer than `count` where the next group would not fit into `output`,
// or where the last weight has come.
size_t loader_push(Loader *loader, const uint8_t *bytes, size_t count);

// Returns whether all that was re-tiled since the last seek can be computed with. False, and `error`, where a weight or
// a scale of it is infinite or NaN (see tile_pack()).
bool loader_check(const Loader *loader, NibbleError *error);

// Returns the packed position behind everything that has been re-tiled so far.
uint64_t loader_packed_position(const Loader *loader);

// Goes on with the group of rows that holds this packed position, whose first byte in the file has to come next.
void loader_seek(Loader *loader, uint64_t packed_position);

// Returns how many bytes are still to come; 0: every weight is in place.
uint64_t loader_remaining(const Loader *loader);

#endif
