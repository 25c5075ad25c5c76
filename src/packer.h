// Turns a file's tensor data into packed bytes (see model.h) without an engine: what a store keeps, so that a warm
// start reads straight into the arena. Bounded memory, whatever the model's size; it can begin anywhere.
//
//   NibblePacker *  nibble_packer_create(&gguf, ...)
//                   nibble_packer_seek(packer, position)   optional, to begin elsewhere
//                   nibble_packer_file_position(packer)    which byte of the file has to come next
//                   nibble_packer_push(packer, ...)        again and again, until the position is packed_bytes()
//                   nibble_packer_check(packer, ...)       after each push: whether what it made is of use
//                   nibble_packer_output(packer)           and then: what it made
#ifndef NIBBLE_PACKER_H
#define NIBBLE_PACKER_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "gguf.h"

typedef struct NibblePacker NibblePacker;

// Returns the version of packed bytes. Those of another version are of no use.
int nibble_packed_layout(void);

// Creates a packer for the model in a parsed header, which is the caller's to free. `gguf` is read during the call
// only. The first byte to come is the one at gguf.data_offset. NULL, and `error`, where the model is not one that the
// engine runs, or memory is short.
NibblePacker *nibble_packer_create(const Gguf *gguf, NibbleError *error);
void nibble_packer_free(NibblePacker *packer);  // safe on NULL

// Takes bytes of the file, in file order and in pieces of any size, and returns how many it took: fewer than `count`
// where its output is full, or where the last weight has come.
size_t nibble_packer_push(NibblePacker *packer, const uint8_t *bytes, size_t count);

// Returns whether the engine can compute with all that was packed since the last seek. False, and `error`, where a
// tensor has a scale, or a weight, that is infinite or NaN: such packed bytes are not to be kept.
bool nibble_packer_check(const NibblePacker *packer, NibbleError *error);

// Return how many bytes the last push made, and these bytes. They end at nibble_packer_position(), are the packer's,
// and are valid until its next push.
size_t nibble_packer_output_bytes(const NibblePacker *packer);
const uint8_t *nibble_packer_output(const NibblePacker *packer);

uint64_t nibble_packer_packed_bytes(const NibblePacker *packer);   // of the whole model
uint64_t nibble_packer_position(const NibblePacker *packer);       // packed, behind all output so far
uint64_t nibble_packer_file_position(const NibblePacker *packer);  // of the next byte to come

// Goes on at a packed position, rounded down to the beginning of a group of rows, where the next output begins. Drops
// what is under way.
void nibble_packer_seek(NibblePacker *packer, uint64_t position);

#endif
