// What of a model's weights stays in memory under a budget, and what streams from a store in every pass: a plan made
// beforehand, from sizes alone.
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

// Whether block `index` of `blocks` stays. Streamed blocks lie as evenly as can be between them, so that reading goes
// on while those are computed.
bool residency_pins(const Residency *residency, int index, int blocks);

// The plan for a budget, in bytes. Where not even the least fits, BUDGET_TOO_SMALL says what would.
bool budget_plan(const BudgetNeed *need, uint64_t budget, Residency *residency, NibbleError *error);

// The smallest budget that budget_plan() accepts.
uint64_t budget_least(const BudgetNeed *need);

#endif
