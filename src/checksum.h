// XXH64 (seed 0) over bytes that come in pieces: fast, and finds what a disk or a cut write damages. It is no defence
// against someone who forges.
#ifndef NIBBLE_CHECKSUM_H
#define NIBBLE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint64_t lanes[4];
  uint64_t total;       // bytes so far
  uint8_t pending[32];  // the last total % 32 of them
} Checksum;

void checksum_begin(Checksum *checksum);
void checksum_update(Checksum *checksum, const uint8_t *bytes, size_t count);

// Returns the checksum of all bytes so far; more may follow.
uint64_t checksum_end(const Checksum *checksum);

#endif
