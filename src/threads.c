#define _POSIX_C_SOURCE 200809L
#include "threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

// How often a waiting thread looks before it sleeps: longer than the caller needs between two tokens (measured: a tenth
// of this let small models fall behind one thread).
enum { SPINS = 200000 };

struct Threads {
  atomic_int count;
  int started;
  pthread_t *handles;
  ThreadTask *task;  // NULL: leave
  void *context;

  // Apart, so that claiming does not disturb those who watch the generation.
  _Alignas(64) atomic_int next;
  _Alignas(64) atomic_int arrived;
  _Alignas(64) atomic_uint generation;
  _Alignas(64) atomic_int sleepers;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
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

static void await_generation(Threads *threads, unsigned seen) {
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load_explicit(&threads->generation, memory_order_acquire) != seen) return;
    relax();
  }
  pthread_mutex_lock(&threads->mutex);
  atomic_fetch_add(&threads->sleepers, 1);
  while (atomic_load(&threads->generation) == seen)
    pthread_cond_wait(&threads->changed, &threads->mutex);
  atomic_fetch_sub(&threads->sleepers, 1);
  pthread_mutex_unlock(&threads->mutex);
}

void threads_barrier(Threads *threads) {
  if (atomic_load_explicit(&threads->count, memory_order_relaxed) == 1) {
    atomic_store_explicit(&threads->next, 0, memory_order_relaxed);
    return;
  }
  const unsigned seen = atomic_load(&threads->generation);
  const int here = atomic_fetch_add(&threads->arrived, 1) + 1;
  if (here < atomic_load(&threads->count)) {
    await_generation(threads, seen);
    return;
  }
  atomic_store(&threads->next, 0);
  atomic_store(&threads->arrived, 0);
  atomic_fetch_add(&threads->generation, 1);
  if (atomic_load(&threads->sleepers) == 0) return;
  pthread_mutex_lock(&threads->mutex);
  pthread_cond_broadcast(&threads->changed);
  pthread_mutex_unlock(&threads->mutex);
}

int threads_claim(Threads *threads, int count) {
  const int index = atomic_fetch_add_explicit(&threads->next, 1, memory_order_relaxed);
  return index < count ? index : -1;
}

// A worker's life: meet at the barrier that begins a task, run it, meet at the one that ends it.
static void *work(void *argument) {
  const Worker worker = *(Worker *)argument;
  free(argument);
  for (;;) {
    threads_barrier(worker.threads);
    if (worker.threads->task == NULL) return NULL;
    worker.threads->task(worker.threads->context, worker.index);
    threads_barrier(worker.threads);
  }
}

void threads_run(Threads *threads, ThreadTask *task, void *context) {
  threads->task = task;
  threads->context = context;
  threads_barrier(threads);
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
  Threads *threads = aligned_alloc(64, (sizeof(Threads) + 63) / 64 * 64);
  pthread_t *handles = calloc((size_t)count, sizeof *handles);
  if (threads == NULL || handles == NULL) {
    free(threads);
    free(handles);
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left for %d threads. Ask for fewer.", count);
    return NULL;
  }
  *threads = (Threads){.count = count, .started = 1, .handles = handles};
  pthread_mutex_init(&threads->mutex, NULL);
  pthread_cond_init(&threads->changed, NULL);
  for (int i = 1; i < count; i++) {
    if (!start_worker(threads, i)) break;
    threads->started++;
  }
  if (threads->started == count) return threads;
  nibble_fail(error, NIBBLE_THREADS_FAILED, "The platform started %d of %d threads. Ask for fewer.", threads->started,
              count);
  atomic_store(&threads->count, threads->started);  // those that are there leave through one more barrier
  threads_free(threads);
  return NULL;
}

void threads_free(Threads *threads) {
  if (threads == NULL) return;
  threads->task = NULL;
  threads_barrier(threads);
  for (int i = 1; i < threads->started; i++)
    pthread_join(threads->handles[i], NULL);
  pthread_mutex_destroy(&threads->mutex);
  pthread_cond_destroy(&threads->changed);
  free(threads->handles);
  free(threads);
}

int threads_count(const Threads *threads) { return atomic_load(&threads->count); }
