#include "refusals.h"

#include <pthread.h>
#include <stdlib.h>

atomic_int calls_left = -1, threads_left = -1;
atomic_llong bytes_taken;
_Thread_local bool refusing;
static atomic_int live;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);

static bool refused(atomic_int *left) { return refusing && atomic_load(left) >= 0 && atomic_fetch_sub(left, 1) == 0; }

static void *counted(void *block, size_t size) {
  if (block != NULL) atomic_fetch_add(&live, 1);
  if (block != NULL && refusing) atomic_fetch_add(&bytes_taken, (long long)size);
  return block;
}

void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) { return refused(&calls_left) ? NULL : counted(__real_malloc(size), size); }

void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) {
  return refused(&calls_left) ? NULL : counted(__real_calloc(count, size), count * size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return refused(&calls_left) ? NULL : counted(__real_aligned_alloc(alignment, size), size);
}

void __wrap_free(void *block);
void __wrap_free(void *block) {
  if (block != NULL) atomic_fetch_sub(&live, 1);
  __real_free(block);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
  if (refused(&threads_left)) return 11;
  const bool before = refusing;
  refusing = false;
  const int status = __real_pthread_create(thread, attributes, start, argument);
  refusing = before;
  return status;
}

int live_allocations(void) {
#ifdef __EMSCRIPTEN__
  return 0;
#else
  return atomic_load(&live);
#endif
}
