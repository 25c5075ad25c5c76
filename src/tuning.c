#include "tuning.h"

#include "forward.h"
#include "profile.h"

enum { TURNS = 4, TOKENS_A_TURN = 8 };

// What a turn reads at the least, unless it has gone on for long enough to tell.
typedef struct {
  uint64_t bytes;
  double seconds;
} Turn;

static const Turn abreast_turn = {48u << 20, 0.02};
static const Turn thread_turn = {16u << 20, 0.004};

// What all turns of the threads together take, but for a last one of each.
static const double thread_seconds = 0.15;

// Less than this is noise.
static const double clear_gain = 1.05;

typedef struct {
  const Kernels *kernels;
  bool found;
} Choice;

static void look_for_choice(void *context, const Matrix *matrix) {
  Choice *choice = context;
  choice->found |= choice->kernels->matmul_abreast[matrix->kind] != NULL;
}

// Whether a block's matrices have a second form to choose from.
static bool has_choice(const Run *run) {
  Choice choice = {run->kernels, false};
  model_visit_matrices(&run->model->blocks[0], look_for_choice, &choice);
  return choice.found;
}

// Bytes a second of one turn. It goes on with the layer where the turn before it ended, so that what that left in the
// cache helps neither form.
static double turn_rate(Run *run, const Turn *turn, int *layer) {
  uint64_t bytes = 0;
  double seconds = 0;
  const double begin = profile_clock();
  while (bytes < turn->bytes && seconds < turn->seconds) {
    bytes += forward_sample(run, *layer);
    *layer = (*layer + 1) % shape_layers(&run->model->shape);
    seconds = profile_clock() - begin;
  }
  return (double)bytes / seconds;
}

// A small model need not be gone through more often than tells.
static Turn turn_for(const Run *run, const Turn *most) {
  const uint64_t bytes = run->model->packed_bytes * TOKENS_A_TURN;
  return (Turn){bytes < most->bytes ? bytes : most->bytes, most->seconds};
}

static void do_nothing(void *context, int thread) { (void)context, (void)thread; }

int tuning_choose_threads(Run *run, ThreadRate rates[TUNING_THREAD_COUNTS]) {
  const int all = threads_count(run->threads);
  const Turn turn = turn_for(run, &thread_turn);
  int count = 0, best = 0, layer = 0;
  for (int threads = 1; threads < all; threads *= 2)
    rates[count++] = (ThreadRate){threads, 0};
  rates[count++] = (ThreadRate){all, 0};
  const double begin = profile_clock();
  for (int i = 0; count > 1 && i < TURNS && (i == 0 || profile_clock() - begin < thread_seconds); i++)
    for (int c = 0; c < count; c++) {
      threads_set_active(run->threads, rates[c].threads);
      threads_run(run->threads, do_nothing, NULL);  // wakes them
      const double rate = turn_rate(run, &turn, &layer);
      if (rate > rates[c].rate) rates[c].rate = rate;
    }
  for (int c = 1; c < count; c++)
    if (rates[c].rate > clear_gain * rates[best].rate) best = c;
  threads_set_active(run->threads, rates[best].threads);
  return count > 1 ? count : 0;
}

// Side by side is faster on some processors only, and on others takes up to four times as long: it has to win clearly,
// and most of the turns too, so that another program's burst does not choose it.
void tuning_choose_abreast(Run *run) {
  double best[2] = {0}, last = 0;
  int won = 0;
  const int abreast[2] = {1, run->kernels->tiles_abreast};
  const Turn turn = turn_for(run, &abreast_turn);
  for (int i = 0, layer = 0; has_choice(run) && i < 2 * TURNS; i++) {
    run->tiles_abreast = abreast[i % 2];
    const double rate = turn_rate(run, &turn, &layer);
    if (rate > best[i % 2]) best[i % 2] = rate;
    won += i % 2 == 1 && rate > last;
    last = rate;
  }
  run->tiles_abreast = best[1] > clear_gain * best[0] && 2 * won > TURNS ? abreast[1] : 1;
}
