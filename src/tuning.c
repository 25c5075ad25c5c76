#include "tuning.h"

#include "forward.h"
#include "profile.h"

enum { TURNS = 4 };

// What a turn reads at the least, unless it has gone on for long enough to tell.
static const uint64_t turn_bytes = 48u << 20;
static const double turn_seconds = 0.02;

// Whether the model's larger matrices have a second form to choose from.
static bool has_choice(const Run *run) {
  const Block *block = &run->model->blocks[0];
  const TileKind kinds[] = {block->gate.kind, block->up.kind, block->down.kind};
  for (int i = 0; i < 3; i++)
    if (run->kernels->matmul_streams[kinds[i]] != NULL) return true;
  return false;
}

// Bytes a second of one turn. It goes on with the block where the turn before it ended, so that what that left in the
// cache helps neither form.
static double turn(Run *run, int *block) {
  uint64_t bytes = 0;
  double seconds = 0;
  const double begin = profile_clock();
  while (bytes < turn_bytes && seconds < turn_seconds) {
    bytes += forward_sample(run, *block);
    *block = (*block + 1) % run->model->shape.blocks;
    seconds = profile_clock() - begin;
  }
  return (double)bytes / seconds;
}

void tuning_choose_streams(Run *run) {
  double best[2] = {0};
  const int streams[2] = {1, run->kernels->tile_streams};
  for (int i = 0, block = 0; has_choice(run) && i < 2 * TURNS; i++) {
    run->tile_streams = streams[i % 2];
    const double rate = turn(run, &block);
    if (rate > best[i % 2]) best[i % 2] = rate;
  }
  run->tile_streams = best[1] > best[0] ? streams[1] : 1;
}
