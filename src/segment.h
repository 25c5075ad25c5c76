// Segments: the weights that stream in a pass, in the order of their use: a block that is used in several loops is one
// in each of them. Each fits into a slot of the ring.
#ifndef NIBBLE_SEGMENT_H
#define NIBBLE_SEGMENT_H

#include "model.h"

// A block, or tiles of the output.
typedef struct {
  int block;  // shape.blocks: the output
  int first_tile, tiles;
  uint64_t bytes;
} Segment;

// Segment `index`; false behind the last.
bool segment_at(const Model *model, int index, Segment *segment);

// The packed range that comes next in a segment: from byte *offset of it on, which is moved behind the range. Returns
// its length, 0 at the end.
uint64_t segment_range(const Model *model, const Segment *segment, uint64_t *offset, uint64_t *position);

// Points a streamed block's matrices and vectors to where its bytes are.
void segment_place_block(Model *model, int block, uint8_t *bytes);

// The output's tiles of a segment that is at `bytes`, as a matrix of its own.
Matrix segment_output(const Model *model, const Segment *segment, uint8_t *bytes);

// The packed range of the tile that has a token's embedding: its length, and *position.
uint64_t segment_embedding_tile(const Model *model, int32_t token, uint64_t *position);

#endif
