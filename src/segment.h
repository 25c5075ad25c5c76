// Segments: the weights that stream in a pass, cut into parts that each fit into a slot of the ring, in the order of
// their use. A block that several loops use is a segment in each of them.
#ifndef NIBBLE_SEGMENT_H
#define NIBBLE_SEGMENT_H

#include "model.h"

// A block, or tiles of the output.
typedef struct {
  WeightStage stage;      // STAGE_BLOCK or STAGE_OUTPUT
  int block;              // of STAGE_BLOCK
  int first_tile, tiles;  // of STAGE_OUTPUT
  uint64_t bytes;
} Segment;

// Sets *segment to segment `index`. False behind the last.
bool segment_at(const Model *model, int index, Segment *segment);

// Sets *position to the packed range that begins at byte *offset of a segment, moves *offset behind it, and returns its
// length; 0 at the end of the segment.
uint64_t segment_range(const Model *model, const Segment *segment, uint64_t *offset, uint64_t *position);

// Points the matrices and vectors of a block that streams into `bytes`, which hold its segment.
void segment_place_block(Model *model, int block, uint8_t *bytes);

// Returns the output's tiles of a segment that is at `bytes`, as a matrix of their own.
Matrix segment_output(const Model *model, const Segment *segment, uint8_t *bytes);

// Returns the length of the packed tile that has a token's embedding, and sets *position to where it is.
uint64_t segment_embedding_tile(const Model *model, int32_t token, uint64_t *position);

#endif
