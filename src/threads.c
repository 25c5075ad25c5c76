#define _POSIX_C_SOURCE 200809L
#include "threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "round_up.h"
#include "zeroed.h"

// What a look of a waiting thread costs, in those that do not pause.
#if defined(__x86_64__) || defined(__i386__) || defined(__aarch64__)
enum { LOOK_COST = 20 };
#else
enum { LOOK_COST = 1 };
#endif

// How often a waiting thread looks before it sleeps: longer than the caller needs between two tokens (measured: a tenth
// of this let small models fall behind one thread).
enum { SPINS = 200000 / LOOK_COST };

// The barriers inside a task are microseconds apart. Where some waits there in a row outlast the spins, the awaited
// threads have no processor: other programs have them, or there are fewer than threads. For a while threads then sleep
// soon, which gives them theirs; otherwise each barrier would cost a time slice of the system.
enum { CROWDED_SPINS = SPINS / 100, CROWDED_WAITS = 1000, LATE_WAITS = 4 };

// What begins a run, in one word that is seen as a whole: the number of the run, and how many threads take part.
enum { START_THREADS = 1 << 16 };

// How many pieces of one thread's part are claimed. Apart, so that claiming disturbs nobody.
typedef struct {
  _Alignas(64) atomic_int claimed;
} Part;

struct Threads {
  int count, started;
  int active;   // threads that take part in the runs to come
  int running;  // threads that took part in the last run that woke any
  pthread_t *handles;
  ThreadTask *task;  // NULL: leave
  void *context;
  Part *parts;  // one for each thread

  // Apart from what is watched.
  _Alignas(64) atomic_int arrived;
  _Alignas(64) atomic_uint generation;
  _Alignas(64) _Atomic uint64_t start;
  _Alignas(64) atomic_int sleepers;
  atomic_int late;     // waits in a row that outlasted the spins
  atomic_int crowded;  // waits left in which to sleep soon
  pthread_mutex_t mutex;
  pthread_cond_t changed;  // the generation, or the start
  pthread_cond_t resumed;  // more threads take part than before
};

typedef struct {
  Threads *threads;
  int index;
} Worker;

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void post(Threads *threads) {
  if (atomic_load(&threads->sleepers) == 0) return;
  pthread_mutex_lock(&threads->mutex);
  pthread_cond_broadcast(&threads->changed);
  pthread_mutex_unlock(&threads->mutex);
}

// How long to spin. Threads that meet here may lose each other's notes: an estimate needs no more.
static int spins(Threads *threads) {
  const int crowded = atomic_load_explicit(&threads->crowded, memory_order_relaxed);
  if (crowded <= 0) return SPINS;
  atomic_store_explicit(&threads->crowded, crowded - 1, memory_order_relaxed);
  return CROWDED_SPINS;
}

static void note_wait(Threads *threads, bool late) {
  const int before = atomic_load_explicit(&threads->late, memory_order_relaxed);
  if (late && before >= LATE_WAITS) atomic_store_explicit(&threads->crowded, CROWDED_WAITS, memory_order_relaxed);
  if (late || before != 0) atomic_store_explicit(&threads->late, late ? before + 1 : 0, memory_order_relaxed);
}

static void await_generation(Threads *threads, unsigned seen) {
  const int limit = spins(threads);
  for (int i = 0; i < limit; i++) {
    if (atomic_load_explicit(&threads->generation, memory_order_acquire) != seen) {
      note_wait(threads, false);
      return;
    }
    relax();
  }
  if (limit == SPINS) note_wait(threads, true);
  pthread_mutex_lock(&threads->mutex);
  atomic_fetch_add(&threads->sleepers, 1);
  while (atomic_load(&threads->generation) == seen)
    pthread_cond_wait(&threads->changed, &threads->mutex);
  atomic_fetch_sub(&threads->sleepers, 1);
  pthread_mutex_unlock(&threads->mutex);
}

// The next start after `seen`, whoever takes part in it.
static uint64_t await_start(Threads *threads, uint64_t seen) {
  uint64_t start;
  for (int i = 0, limit = spins(threads); i < limit; i++) {
    start = atomic_load_explicit(&threads->start, memory_order_acquire);
    if (start != seen) return start;
    relax();
  }
  pthread_mutex_lock(&threads->mutex);
  atomic_fetch_add(&threads->sleepers, 1);
  while ((start = atomic_load(&threads->start)) == seen)
    pthread_cond_wait(&threads->changed, &threads->mutex);
  atomic_fetch_sub(&threads->sleepers, 1);
  pthread_mutex_unlock(&threads->mutex);
  return start;
}

static bool takes_part(int thread, uint64_t start) { return thread < (int)(start % START_THREADS); }

// Sleeps through the runs of fewer threads.
static uint64_t await_part(Threads *threads, int thread) {
  uint64_t start;
  pthread_mutex_lock(&threads->mutex);
  while (!takes_part(thread, start = atomic_load(&threads->start)))
    pthread_cond_wait(&threads->resumed, &threads->mutex);
  pthread_mutex_unlock(&threads->mutex);
  return start;
}

static void refill(Threads *threads, int active) {
  for (int i = 0; i < active; i++)
    atomic_store_explicit(&threads->parts[i].claimed, 0, memory_order_relaxed);
}

// Whether this thread is the last of those that take part; it then opens the next step.
static bool arrive(Threads *threads) {
  const int active = threads->active;  // read here: once all have arrived, the caller may set it anew
  if (atomic_fetch_add(&threads->arrived, 1) + 1 < active) return false;
  refill(threads, active);
  atomic_store(&threads->arrived, 0);
  atomic_fetch_add(&threads->generation, 1);
  post(threads);
  return true;
}

void threads_barrier(Threads *threads) {
  if (threads->active == 1) {
    refill(threads, 1);
    return;
  }
  const unsigned seen = atomic_load(&threads->generation);
  if (!arrive(threads)) await_generation(threads, seen);
}

int threads_claim(Threads *threads, int thread, int count) {
  const int active = threads->active;
  for (int i = 0; i < active; i++) {
    const int owner = thread + i < active ? thread + i : thread + i - active;
    const int first = (int)((int64_t)count * owner / active), end = (int)((int64_t)count * (owner + 1) / active);
    atomic_int *const claimed = &threads->parts[owner].claimed;
    // A look first: what is used up is not written any more.
    if (atomic_load_explicit(claimed, memory_order_relaxed) >= end - first) continue;
    const int index = atomic_fetch_add_explicit(claimed, 1, memory_order_relaxed);
    if (index < end - first) return first + index;
  }
  return -1;
}

// A worker's life. Behind a task it need not wait for the others: the next start comes after all have arrived.
static void *work(void *argument) {
  const Worker worker = *(Worker *)argument;
  free(argument);
  for (uint64_t start = 0;;) {
    start = await_start(worker.threads, start);
    if (!takes_part(worker.index, start)) start = await_part(worker.threads, worker.index);
    if (worker.threads->task == NULL) return NULL;
    worker.threads->task(worker.threads->context, worker.index);
    arrive(worker.threads);
  }
}

static void begin_run(Threads *threads, ThreadTask *task, void *context) {
  threads->task = task;
  threads->context = context;
  const uint64_t run = atomic_load_explicit(&threads->start, memory_order_relaxed) / START_THREADS + 1;
  atomic_store(&threads->start, run * START_THREADS + (uint64_t)threads->active);
  post(threads);
  if (threads->active > threads->running) {
    pthread_mutex_lock(&threads->mutex);
    pthread_cond_broadcast(&threads->resumed);
    pthread_mutex_unlock(&threads->mutex);
  }
  threads->running = threads->active;
}

void threads_run(Threads *threads, ThreadTask *task, void *context) {
  if (threads->active > 1) begin_run(threads, task, context);
  task(context, 0);
  threads_barrier(threads);
}

static bool start_worker(Threads *threads, int index) {
  Worker *worker = malloc(sizeof *worker);
  if (worker == NULL) return false;
  *worker = (Worker){threads, index};
  if (pthread_create(&threads->handles[index], NULL, work, worker) == 0) return true;
  free(worker);
  return false;
}

Threads *threads_create(int count, NibbleError *error) {
  Threads *threads = aligned_alloc(64, (size_t)round_up_bytes(sizeof(Threads), 64));
  pthread_t *handles = zeroed((uint64_t)count, sizeof *handles);
  Part *parts = aligned_alloc(64, (size_t)count * sizeof *parts);
  if (threads == NULL || handles == NULL || parts == NULL) {
    free(threads);
    free(handles);
    free(parts);
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left for %d threads. Ask for fewer.", count);
    return NULL;
  }
  *threads = (Threads){.count = count, .started = 1, .active = count, .handles = handles, .parts = parts};
  refill(threads, count);
  pthread_mutex_init(&threads->mutex, NULL);
  pthread_cond_init(&threads->changed, NULL);
  pthread_cond_init(&threads->resumed, NULL);
  for (int i = 1; i < count; i++) {
    if (!start_worker(threads, i)) break;
    threads->started++;
  }
  if (threads->started == count) return threads;
  nibble_fail(error, NIBBLE_THREADS_FAILED, "The platform started %d of %d threads. Ask for fewer.", threads->started,
              count);
  threads_free(threads);
  return NULL;
}

void threads_free(Threads *threads) {
  if (threads == NULL) return;
  threads->active = threads->started;
  begin_run(threads, NULL, NULL);
  for (int i = 1; i < threads->started; i++)
    pthread_join(threads->handles[i], NULL);
  pthread_mutex_destroy(&threads->mutex);
  pthread_cond_destroy(&threads->changed);
  pthread_cond_destroy(&threads->resumed);
  free(threads->parts);
  free(threads->handles);
  free(threads);
}

int threads_count(const Threads *threads) { return threads->count; }

int threads_active(const Threads *threads) { return threads->active; }

void threads_set_active(Threads *threads, int active) {
  threads->active = active < 1 ? 1 : active > threads->count ? threads->count : active;
}
