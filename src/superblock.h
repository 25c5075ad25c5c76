// Blocks of 256 weights, taken apart into the whole numbers that the file holds. Both what unpacks a row to floats and
// what packs it into tiles begins here, so that a format's layout is written once.
#ifndef NIBBLE_SUPERBLOCK_H
#define NIBBLE_SUPERBLOCK_H

#include <stdint.h>

enum { SUPERBLOCK = 256, SUPERBLOCK_GROUP = 16, SUPERBLOCK_GROUPS = SUPERBLOCK / SUPERBLOCK_GROUP };
enum { SUPERBLOCK_GRID = 2048 };  // the most values that a grid has

// weight[i] = scale * unit * scales[i / 16] * values[i] - minimum * minima[i / 16]
// Every product is exact in binary32, so whoever computes a weight rounds at most once, at the difference.
typedef struct {
  const uint16_t *grid;               // what superblock_grid() made of the type; set before a block is read
  uint16_t scale, minimum;            // binary16, of the whole block; minimum is 0 where a format has none
  float unit;                         // a power of two, the same for all blocks of a format
  int16_t scales[SUPERBLOCK_GROUPS];  // where a format has one for 32 weights, it stands here twice
  uint8_t minima[SUPERBLOCK_GROUPS];
  int8_t values[SUPERBLOCK];
} Superblock;

// Lists the grid that a type's indices point into: numbers of 2 bits for each of eight weights, or of 3 bits for each
// of four, the first weight in the lowest bits. Leaves `list` as it is where a type has no grid.
void superblock_grid(uint32_t type, uint16_t list[SUPERBLOCK_GRID]);

// Takes one block of a row apart, as it stands in the file.
typedef void SuperblockReader(const uint8_t *block, Superblock *out);

SuperblockReader superblock_read_q2_k, superblock_read_q3_k, superblock_read_q4_k, superblock_read_q5_k,
    superblock_read_q6_k, superblock_read_iq4_xs, superblock_read_tq1_0, superblock_read_tq2_0;
SuperblockReader superblock_read_iq1_s, superblock_read_iq1_m, superblock_read_iq2_xxs, superblock_read_iq2_xs,
    superblock_read_iq2_s, superblock_read_iq3_xxs, superblock_read_iq3_s;

// The weights of a block as floats [256].
void superblock_weights(const Superblock *block, float *weights);

// The sixteen values of IQ4_NL and IQ4_XS.
extern const int8_t iq4_values[16];

#endif
