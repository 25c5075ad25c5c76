// The promises of budget.h: plans from sizes alone.
#include <stdlib.h>
#include <string.h>

#include "budget.h"
#include "check.h"

enum { BLOCKS = 10 };
static const uint64_t even[BLOCKS] = {100, 100, 100, 100, 100, 100, 100, 100, 100, 100};
static const uint64_t uneven[BLOCKS] = {90, 130, 80, 100, 60, 140, 100, 90, 110, 100};

static BudgetNeed need_with(const uint64_t *blocks, uint64_t embedding, uint64_t output) {
  return (BudgetNeed){.fixed = 1000,
                      .outer = 5,
                      .embedding = embedding,
                      .output = output,
                      .output_unit = 10,
                      .blocks = BLOCKS,
                      .block_bytes = blocks};
}

static uint64_t taken(const BudgetNeed *need, const Residency *residency) {
  return need->fixed + residency->resident_bytes + (uint64_t)residency->slots * residency->slot_bytes;
}

TEST(every_budget_from_the_least_on_has_a_plan_that_fits_and_wastes_less_than_what_could_be_pinned) {
  const struct {
    const uint64_t *blocks;
    uint64_t embedding, output;
  } cases[] = {{even, 300, 0}, {even, 50, 50}, {uneven, 300, 0}, {uneven, 40, 400}, {uneven, 1000, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const BudgetNeed need = need_with(cases[i].blocks, cases[i].embedding, cases[i].output);
    const uint64_t least = budget_least(&need);
    NibbleError error = {.code = NIBBLE_OK};
    Residency residency;
    CHECK(!budget_plan(&need, least - 1, &residency, &error));
    CHECK_STR(nibble_error_name((int)error.code), "BUDGET_TOO_SMALL");
    bool streamed = true;
    int pinned = 0;
    for (uint64_t budget = least; budget < least + 4000; budget++) {
      if (!CHECK(budget_plan(&need, budget, &residency, &error))) return;
      CHECK(taken(&need, &residency) <= budget);
      CHECK(streamed || !residency.streams);  // once all weights fit, they do with more as well
      streamed = residency.streams;
      if (!residency.streams) continue;
      CHECK(residency.slots == 0 || residency.slots >= RING_LEAST_SLOTS);
      CHECK(residency.slots > 0 || residency.pinned == BLOCKS);
      CHECK(budget - taken(&need, &residency) < 1000);
      if (residency.pinned > pinned) pinned = residency.pinned;
    }
    CHECK(!streamed && pinned >= BLOCKS / 2);
  }
}

TEST(a_budget_without_bounds_keeps_everything) {
  const BudgetNeed need = need_with(uneven, 300, 200);
  Residency residency;
  CHECK(budget_plan(&need, UINT64_MAX, &residency, NULL));
  CHECK(!residency.streams && residency.pinned == BLOCKS && residency.slots == 0);
  CHECK_INT((long long)residency.resident_bytes, 1505);
}

TEST(a_budget_that_is_too_small_reads_as_less_than_the_least) {
  static const uint64_t blocks[] = {33000000};
  const BudgetNeed need = {.fixed = 600000, .outer = 270000, .output_unit = 10, .blocks = 1, .block_bytes = blocks};
  NibbleError error = {.code = NIBBLE_OK};
  Residency residency;
  CHECK_INT((long long)budget_least(&need), 33870000);
  CHECK(!budget_plan(&need, 33869999, &residency, &error));
  CHECK(strstr(error.message, "is 33.8 MB") != NULL && strstr(error.message, "at least 33.9 MB") != NULL);
}

TEST(streamed_blocks_lie_evenly_between_pinned_ones) {
  for (int pinned = 0; pinned <= BLOCKS; pinned++) {
    const Residency residency = {.streams = true, .pinned = pinned, .slots = 2};
    int count = 0, gap = 0, widest = 0;
    for (int i = 0; i < BLOCKS; i++) {
      const bool stays = residency_pins(&residency, i, BLOCKS);
      count += stays;
      gap = stays ? gap + 1 : 0;
      if (gap > widest) widest = gap;
    }
    CHECK_INT(count, pinned);
    if (pinned < BLOCKS) CHECK(widest <= pinned / (BLOCKS - pinned) + 1);
  }
}

TEST(all_blocks_stay_where_nothing_streams) {
  const Residency residency = {.streams = false};
  for (int i = 0; i < BLOCKS; i++)
    CHECK(residency_pins(&residency, i, BLOCKS));
}

int main(void) {
  Check check = {0};
  RUN(&check, every_budget_from_the_least_on_has_a_plan_that_fits_and_wastes_less_than_what_could_be_pinned);
  RUN(&check, a_budget_without_bounds_keeps_everything);
  RUN(&check, a_budget_that_is_too_small_reads_as_less_than_the_least);
  RUN(&check, streamed_blocks_lie_evenly_between_pinned_ones);
  RUN(&check, all_blocks_stay_where_nothing_streams);
  return check_finish(&check);
}
