#include "budget.h"

#include <math.h>
#include <string.h>

bool residency_pins(const Residency *residency, int index, int blocks) {
  if (!residency->streams) return true;
  const int streamed = blocks - residency->pinned;
  return (int64_t)(index + 1) * streamed / blocks == (int64_t)index * streamed / blocks;
}

static uint64_t slot_bytes(const BudgetNeed *need) {
  uint64_t largest = need->output_unit;
  for (int i = 0; i < need->blocks; i++)
    if (need->block_bytes[i] > largest) largest = need->block_bytes[i];
  return largest;
}

static uint64_t all_weights(const BudgetNeed *need) {
  uint64_t bytes = need->outer + need->embedding + need->output;
  for (int i = 0; i < need->blocks; i++)
    bytes += need->block_bytes[i];
  return bytes;
}

static uint64_t pinned_bytes(const BudgetNeed *need, const Residency *residency) {
  uint64_t bytes = 0;
  for (int i = 0; i < need->blocks; i++)
    if (residency_pins(residency, i, need->blocks)) bytes += need->block_bytes[i];
  return bytes;
}

uint64_t budget_least(const BudgetNeed *need) {
  const uint64_t streaming = need->outer + RING_LEAST_SLOTS * slot_bytes(need), all = all_weights(need);
  return need->fixed + (streaming < all ? streaming : all);
}

// Takes so many bytes from what is left, if there are as many.
static bool take_share(uint64_t *left, uint64_t bytes) {
  if (bytes > *left) return false;
  *left -= bytes;
  return true;
}

// Every byte that stays saves reading it, so the order matters little. The output comes first, since it cannot be
// pinned in part; then the ring's third slot, which lets two reads overlap with what is computed; then blocks. The
// embedding of a model that is not tied comes last: only some rows of it are read anyway.
static void spend(const BudgetNeed *need, uint64_t left, Residency *residency) {
  const uint64_t slot = slot_bytes(need), output = need->output > 0 ? need->output : need->embedding;
  *residency = (Residency){.streams = true, .slots = RING_LEAST_SLOTS, .slot_bytes = slot};
  residency->output_streams = !take_share(&left, output);
  if (take_share(&left, slot)) residency->slots++;
  residency->pinned = need->blocks;
  while (residency->pinned > 0 && pinned_bytes(need, residency) > left)
    residency->pinned--;
  left -= pinned_bytes(need, residency);
  residency->embedding_streams = need->output > 0 ? !take_share(&left, need->embedding) : residency->output_streams;
  if (residency->slots < RING_MOST_SLOTS && take_share(&left, slot)) residency->slots++;
  residency->resident_bytes = need->outer + pinned_bytes(need, residency);
  if (!residency->output_streams) residency->resident_bytes += output;
  if (!residency->embedding_streams && need->output > 0) residency->resident_bytes += need->embedding;
}

bool budget_plan(const BudgetNeed *need, uint64_t budget, Residency *residency, NibbleError *error) {
  memset(residency, 0, sizeof *residency);
  const uint64_t all = all_weights(need), least = budget_least(need);
  if (budget < least)
    return nibble_fail(error, NIBBLE_BUDGET_TOO_SMALL,
                       "The memory budget is %.1f MB; this model takes at least %.1f MB with this context, %.1f MB of "
                       "them for all but the weights. Raise the budget, ask for a smaller context, or choose a smaller "
                       "model.",
                       floor((double)budget / 1e5) / 10, ceil((double)least / 1e5) / 10, (double)need->fixed / 1e6);
  const uint64_t left = budget - need->fixed, without_rows = all - (need->output > 0 ? need->embedding : 0);
  if (left >= all)
    *residency = (Residency){.pinned = need->blocks, .resident_bytes = all};
  else if (left >= without_rows)  // no ring: rows come one by one
    *residency =
        (Residency){.streams = true, .embedding_streams = true, .pinned = need->blocks, .resident_bytes = without_rows};
  else
    spend(need, left - need->outer - RING_LEAST_SLOTS * slot_bytes(need), residency);
  return true;
}
