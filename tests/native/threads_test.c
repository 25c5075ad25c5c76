// The promises of threads.h. Each is kept for 1 to 8 threads, more than most machines that run this have cores.
#include "threads.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"

enum { MOST_THREADS = 8, PIECES = 97 };

static Threads *start(Check *check, int count) {
  NibbleError error = {.code = NIBBLE_OK};
  Threads *threads = threads_create(count, &error);
  if (!CHECK(threads != NULL)) printf("  %s\n", error.message);
  return threads;
}

// Far longer than waiting threads spin.
static void pause_milliseconds(int milliseconds) {
  nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000L}, NULL);
}

typedef struct {
  int calls[MOST_THREADS];
} CallLog;

static void log_call(void *context, int thread) { ((CallLog *)context)->calls[thread]++; }

TEST(runs_the_task_once_on_every_thread) {
  for (int count = 1; count <= MOST_THREADS; count++) {
    Threads *threads = start(check, count);
    if (threads == NULL) return;
    CHECK_INT(threads_count(threads), count);
    CallLog log = {{0}};
    for (int run = 1; run <= 50; run++) {
      threads_run(threads, log_call, &log);
      for (int t = 0; t < MOST_THREADS; t++)
        CHECK_INT(log.calls[t], t < count ? run : 0);
    }
    threads_free(threads);
  }
}

// Plain ints, so that the thread sanitizer sees a barrier that does not order them.
typedef struct {
  Threads *threads;
  int rounds, slow_thread;
  int written[MOST_THREADS];
  int mismatches[MOST_THREADS];
} BarrierLog;

static void write_then_read_others(void *context, int thread) {
  BarrierLog *log = context;
  const int count = threads_active(log->threads);
  for (int round = 1; round <= log->rounds; round++) {
    if (thread == log->slow_thread) pause_milliseconds(3);
    log->written[thread] = round * 100 + thread;
    threads_barrier(log->threads);
    for (int t = 0; t < count; t++)
      log->mismatches[thread] += log->written[t] != round * 100 + t;
    threads_barrier(log->threads);
  }
}

static void check_barrier(Check *check, int count, int rounds, int slow_thread) {
  Threads *threads = start(check, count);
  if (threads == NULL) return;
  BarrierLog log = {.threads = threads, .rounds = rounds, .slow_thread = slow_thread};
  threads_run(threads, write_then_read_others, &log);
  for (int t = 0; t < count; t++)
    CHECK_INT(log.mismatches[t], 0);
  threads_free(threads);
}

TEST(shows_writes_before_a_barrier_to_all_behind_it) {
  for (int count = 1; count <= MOST_THREADS; count++)
    check_barrier(check, count, 200, -1);
}

TEST(holds_barriers_for_a_thread_so_slow_that_the_others_sleep) {
  for (int slow = 0; slow < 4; slow++)
    check_barrier(check, 4, 10, slow);
}

typedef struct {
  Threads *threads;
  int rounds;
  atomic_int claimed[PIECES];
  atomic_int strays;
} ClaimLog;

static void claim_all(void *context, int thread) {
  ClaimLog *log = context;
  for (int round = 0; round < log->rounds; round++) {
    // Lists of other lengths in between, as the forward pass has them; a list may also be shorter than the threads are.
    const int pieces = round % 3 == 2 ? 1 : PIECES;
    for (int piece; (piece = threads_claim(log->threads, thread, pieces)) >= 0;) {
      if (piece >= pieces) atomic_fetch_add(&log->strays, 1);
      if (pieces == PIECES) atomic_fetch_add(&log->claimed[piece], 1);
    }
    threads_barrier(log->threads);
  }
}

TEST(hands_out_each_piece_of_work_exactly_once) {
  enum { ROUNDS = 300, FULL_ROUNDS = ROUNDS - ROUNDS / 3 };
  for (int count = 1; count <= MOST_THREADS; count++) {
    Threads *threads = start(check, count);
    if (threads == NULL) return;
    ClaimLog *log = calloc(1, sizeof *log);
    if (!CHECK(log != NULL)) return;
    log->threads = threads;
    log->rounds = ROUNDS;
    threads_run(threads, claim_all, log);
    for (int piece = 0; piece < PIECES; piece++)
      CHECK_INT(atomic_load(&log->claimed[piece]), FULL_ROUNDS);
    CHECK_INT(atomic_load(&log->strays), 0);
    free(log);
    threads_free(threads);
  }
}

typedef struct {
  Threads *threads;
  int count, first[MOST_THREADS], strays[MOST_THREADS];
} PartLog;

// All claim one piece; then each in turn claims all there are, alone.
static void claim_parts(void *context, int thread) {
  PartLog *log = context;
  log->first[thread] = threads_claim(log->threads, thread, PIECES);
  threads_barrier(log->threads);
  for (int turn = 0; turn < log->count; turn++) {
    for (int i = 0; turn == thread && i < PIECES; i++)
      log->strays[thread] += threads_claim(log->threads, thread, PIECES) != (PIECES * thread / log->count + i) % PIECES;
    threads_barrier(log->threads);
  }
}

TEST(gives_each_thread_a_part_of_its_own_in_order_and_then_those_of_others) {
  for (int count = 1; count <= MOST_THREADS; count++) {
    Threads *threads = start(check, count);
    if (threads == NULL) return;
    PartLog log = {.threads = threads, .count = count};
    threads_run(threads, claim_parts, &log);
    for (int t = 0; t < count; t++) {
      CHECK_INT(log.first[t], PIECES * t / count);
      CHECK_INT(log.strays[t], 0);
    }
    threads_free(threads);
  }
}

static void claim_without_barrier(void *context, int thread) {
  ClaimLog *log = context;
  for (int piece; (piece = threads_claim(log->threads, thread, PIECES)) >= 0;)
    atomic_fetch_add(&log->claimed[piece], 1);
}

TEST(begins_every_run_with_a_full_list_of_work) {
  for (int count = 1; count <= 3; count++) {
    Threads *threads = start(check, count);
    if (threads == NULL) return;
    ClaimLog log = {.threads = threads};
    for (int run = 1; run <= 20; run++) {
      threads_run(threads, claim_without_barrier, &log);
      for (int piece = 0; piece < PIECES; piece++)
        CHECK_INT(atomic_load(&log.claimed[piece]), run);
    }
    threads_free(threads);
  }
}

TEST(wakes_threads_that_sleep_between_runs) {
  for (int count = 2; count <= 4; count++) {
    Threads *threads = start(check, count);
    if (threads == NULL) return;
    CallLog log = {{0}};
    for (int run = 1; run <= 5; run++) {
      pause_milliseconds(20);
      threads_run(threads, log_call, &log);
      for (int t = 0; t < count; t++)
        CHECK_INT(log.calls[t], run);
    }
    pause_milliseconds(20);
    threads_free(threads);
  }
}

// What all threads have computed so far; negative where there is no such clock, as in wasm.
static double processor_seconds(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) != 0) return -1;
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

TEST(sleeps_while_there_is_nothing_to_do) {
  if (processor_seconds() < 0) SKIP("there is no clock of what threads compute");
  Threads *threads = start(check, 4);
  if (threads == NULL) return;
  CallLog log = {{0}};
  threads_run(threads, log_call, &log);
  pause_milliseconds(100);
  const double begin = processor_seconds();
  for (int i = 0; i < 3; i++)
    pause_milliseconds(100);
  CHECK(processor_seconds() - begin < 0.1);  // one thread that spins takes 0.3
  threads_free(threads);
}

TEST(can_be_made_and_freed_again_and_again) {
  for (int i = 0; i < 200; i++) {
    Threads *threads = start(check, 1 + i % MOST_THREADS);
    if (threads == NULL) return;
    CallLog log = {{0}};
    if (i % 2 == 0) threads_run(threads, log_call, &log);
    CHECK_INT(log.calls[0], i % 2 == 0);
    threads_free(threads);
  }
  threads_free(NULL);
}

TEST(runs_on_as_many_threads_as_are_active) {
  for (int count = 1; count <= MOST_THREADS; count++) {
    Threads *threads = start(check, count);
    if (threads == NULL) return;
    CHECK_INT(threads_active(threads), count);
    CallLog log = {{0}};
    int expected[MOST_THREADS] = {0};
    // Down, up and again, now and then after so long that all sleep.
    for (int run = 0; run < 40; run++) {
      const int active = 1 + run * 5 % count;
      threads_set_active(threads, active);
      CHECK_INT(threads_active(threads), active);
      CHECK_INT(threads_count(threads), count);
      if (run % 20 == 19) pause_milliseconds(20);
      for (int again = 0; again < 1 + run % 3; again++) {
        threads_run(threads, log_call, &log);
        for (int t = 0; t < MOST_THREADS; t++)
          CHECK_INT(log.calls[t], expected[t] += t < active);
      }
    }
    threads_set_active(threads, 1 + count / 2);
    threads_free(threads);
  }
}

TEST(keeps_barriers_and_lists_of_work_for_the_active_threads) {
  enum { ROUNDS = 12, FULL_ROUNDS = ROUNDS - ROUNDS / 3 };
  Threads *threads = start(check, MOST_THREADS);
  ClaimLog *claims = calloc(1, sizeof *claims);
  if (threads == NULL || !CHECK(claims != NULL)) return;
  claims->threads = threads;
  claims->rounds = ROUNDS;
  for (int run = 1; run <= 20; run++) {
    threads_set_active(threads, 1 + run * 3 % MOST_THREADS);
    BarrierLog log = {.threads = threads, .rounds = 5, .slow_thread = -1};
    threads_run(threads, write_then_read_others, &log);
    for (int t = 0; t < MOST_THREADS; t++)
      CHECK_INT(log.mismatches[t], 0);
    threads_run(threads, claim_all, claims);
    for (int piece = 0; piece < PIECES; piece++)
      CHECK_INT(atomic_load(&claims->claimed[piece]), run * FULL_ROUNDS);
  }
  CHECK_INT(atomic_load(&claims->strays), 0);
  free(claims);
  threads_free(threads);
}

TEST(holds_the_active_threads_within_the_pool) {
  Threads *threads = start(check, 3);
  if (threads == NULL) return;
  const int asked[] = {0, -7, 4, 1000, 2}, found[] = {1, 1, 3, 3, 2};
  for (int i = 0; i < 5; i++) {
    threads_set_active(threads, asked[i]);
    CHECK_INT(threads_active(threads), found[i]);
  }
  threads_free(threads);
}

static void work_for_a_while(void *context, int thread) {
  if (thread == 0) pause_milliseconds(2);
  log_call(context, thread);
}

TEST(lets_threads_sleep_that_are_not_active) {
  if (processor_seconds() < 0) SKIP("there is no clock of what threads compute");
  Threads *threads = start(check, 4);
  if (threads == NULL) return;
  CallLog log = {{0}};
  threads_run(threads, log_call, &log);
  threads_set_active(threads, 1);
  threads_run(threads, work_for_a_while, &log);
  pause_milliseconds(100);
  const double begin = processor_seconds();
  for (int run = 0; run < 150; run++)
    threads_run(threads, work_for_a_while, &log);
  CHECK(processor_seconds() - begin < 0.1);  // one thread that spins takes 0.3
  CHECK_INT(log.calls[0], 152);
  for (int t = 1; t < 4; t++)
    CHECK_INT(log.calls[t], 1);
  threads_free(threads);
}

TEST(lets_pools_work_side_by_side) {
  Threads *first = start(check, 2), *second = start(check, 3);
  if (first == NULL || second == NULL) return;
  CallLog a = {{0}}, b = {{0}};
  for (int run = 0; run < 50; run++) {
    threads_run(first, log_call, &a);
    threads_run(second, log_call, &b);
  }
  threads_free(first);
  threads_run(second, log_call, &b);
  CHECK_INT(a.calls[1], 50);
  CHECK_INT(a.calls[2], 0);
  CHECK_INT(b.calls[2], 51);
  threads_free(second);
}

int main(void) {
  Check check = {0};
  RUN(&check, runs_the_task_once_on_every_thread);
  RUN(&check, shows_writes_before_a_barrier_to_all_behind_it);
  RUN(&check, holds_barriers_for_a_thread_so_slow_that_the_others_sleep);
  RUN(&check, hands_out_each_piece_of_work_exactly_once);
  RUN(&check, gives_each_thread_a_part_of_its_own_in_order_and_then_those_of_others);
  RUN(&check, begins_every_run_with_a_full_list_of_work);
  RUN(&check, wakes_threads_that_sleep_between_runs);
  RUN(&check, sleeps_while_there_is_nothing_to_do);
  RUN(&check, can_be_made_and_freed_again_and_again);
  RUN(&check, runs_on_as_many_threads_as_are_active);
  RUN(&check, keeps_barriers_and_lists_of_work_for_the_active_threads);
  RUN(&check, holds_the_active_threads_within_the_pool);
  RUN(&check, lets_threads_sleep_that_are_not_active);
  RUN(&check, lets_pools_work_side_by_side);
  return check_finish(&check);
}
