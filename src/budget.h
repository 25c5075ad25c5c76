// What of a model's weights stays in memory under a budget, and what streams: weights that do not stay are read from a
// store in every pass. It is a plan that is made beforehand, from sizes alone. In this project's C the word is used of
// such weights only.
#ifndef NIBBLE_BUDGET_H
#define NIBBLE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

// Streamed weights pass through a ring of slots: one is computed while the others are read. More than four gain
// nothing.
enum { RING_LEAST_SLOTS = 2, RING_MOST_SLOTS = 4 };

// What a model takes.
typedef struct {
  uint64_t fixed;        // everything but weights
  uint64_t outer;        // weights outside the blocks that always stay
  uint64_t embedding;    // the token embedding
  uint64_t output;       // the output projection; 0: it is the embedding
  uint64_t output_unit;  // the smallest piece that the output streams in
  int blocks;
  const uint64_t *block_bytes; /* [blocks] */
} BudgetNeed;

// Where the weights are. All zeros: all of them stay.
typedef struct {
  bool streams;            // some do not stay
  bool embedding_streams;  // only the rows of the tokens at hand are read
  bool output_streams;     // in pieces of at most a slot; of a tied model the embedding's
  int pinned;              // blocks that stay, spread evenly over all
  int slots;               // of the ring
  uint64_t slot_bytes;
  uint64_t resident_bytes;  // of weights that stay
} Residency;

// Returns whether block `index` of `blocks` stays. Blocks that stream are spread as evenly as can be, so that they are
// read while the others are computed.
bool residency_pins(const Residency *residency, int index, int blocks);

// Plans what stays under a budget of so many bytes. False, and BUDGET_TOO_SMALL, which tells the least that would do,
// where it is below budget_least().
bool budget_plan(const BudgetNeed *need, uint64_t budget, Residency *residency, NibbleError *error);

// Returns the smallest budget that budget_plan() accepts.
uint64_t budget_least(const BudgetNeed *need);

#endif
