#include "checksum.h"

#include <string.h>

enum { STRIPE = 32 };

#define PRIME_1 0x9E3779B185EBCA87u
#define PRIME_2 0xC2B2AE3D27D4EB4Fu
#define PRIME_3 0x165667B19E3779F9u
#define PRIME_4 0x85EBCA77C2B2AE63u
#define PRIME_5 0x27D4EB2F165667C5u

static uint64_t rotate(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

// Little-endian, as every platform of the engine is.
static uint64_t read_64(const uint8_t *bytes) {
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

static uint32_t read_32(const uint8_t *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

static uint64_t round_of(uint64_t lane, uint64_t input) { return rotate(lane + input * PRIME_2, 31) * PRIME_1; }

static uint64_t merge(uint64_t hash, uint64_t lane) { return (hash ^ round_of(0, lane)) * PRIME_1 + PRIME_4; }

// No initialiser: compilers make constant data of it, and this file is also a wasm module that has none.
void checksum_begin(Checksum *checksum) {
  memset(checksum, 0, sizeof *checksum);
  checksum->lanes[0] = PRIME_1 + PRIME_2;
  checksum->lanes[1] = PRIME_2;
  checksum->lanes[3] = -PRIME_1;
}

// Whole stripes.
static void mix(Checksum *checksum, const uint8_t *bytes, size_t count) {
  uint64_t a = checksum->lanes[0], b = checksum->lanes[1], c = checksum->lanes[2], d = checksum->lanes[3];
  for (const uint8_t *end = bytes + count; bytes < end; bytes += STRIPE) {
    a = round_of(a, read_64(bytes));
    b = round_of(b, read_64(bytes + 8));
    c = round_of(c, read_64(bytes + 16));
    d = round_of(d, read_64(bytes + 24));
  }
  checksum->lanes[0] = a;
  checksum->lanes[1] = b;
  checksum->lanes[2] = c;
  checksum->lanes[3] = d;
}

void checksum_update(Checksum *checksum, const uint8_t *bytes, size_t count) {
  const size_t held = (size_t)(checksum->total % STRIPE);
  checksum->total += count;
  if (held > 0) {
    const size_t part = STRIPE - held < count ? STRIPE - held : count;
    memcpy(checksum->pending + held, bytes, part);
    if (held + part < STRIPE) return;
    mix(checksum, checksum->pending, STRIPE);
    bytes += part;
    count -= part;
  }
  const size_t whole = count / STRIPE * STRIPE;
  mix(checksum, bytes, whole);
  if (count > whole) memcpy(checksum->pending, bytes + whole, count - whole);
}

uint64_t checksum_end(const Checksum *checksum) {
  const uint64_t *lanes = checksum->lanes;
  uint64_t hash = PRIME_5;
  if (checksum->total >= STRIPE) {
    hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
    for (int i = 0; i < 4; i++)
      hash = merge(hash, lanes[i]);
  }
  hash += checksum->total;
  const uint8_t *bytes = checksum->pending, *end = bytes + checksum->total % STRIPE;
  for (; end - bytes >= 8; bytes += 8)
    hash = rotate(hash ^ round_of(0, read_64(bytes)), 27) * PRIME_1 + PRIME_4;
  for (; end - bytes >= 4; bytes += 4)
    hash = rotate(hash ^ read_32(bytes) * PRIME_1, 23) * PRIME_2 + PRIME_3;
  for (; bytes < end; bytes++)
    hash = rotate(hash ^ *bytes * PRIME_5, 11) * PRIME_1;
  hash = (hash ^ hash >> 33) * PRIME_2;
  hash = (hash ^ hash >> 29) * PRIME_3;
  return hash ^ hash >> 32;
}
