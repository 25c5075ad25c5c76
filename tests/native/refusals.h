// An allocator and a pthread_create() that can refuse the n-th call. The linker puts them in the places of the
// platform's (see CMakeLists.txt).
#ifndef NIBBLE_REFUSALS_H
#define NIBBLE_REFUSALS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

// Wrapped functions have no context to be handed, hence these variables.
static atomic_int calls_left = -1;  // allocations until one is refused; negative: none is
static atomic_int live;             // allocations not freed yet
static atomic_int threads_left = -1;
// Calls of this thread may be refused: the test's, not what the platform does for threads beside it.
static _Thread_local bool refusing;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);

static bool refused(atomic_int *left) { return refusing && atomic_load(left) >= 0 && atomic_fetch_sub(left, 1) == 0; }

static void *counted(void *block) {
  if (block != NULL) atomic_fetch_add(&live, 1);
  return block;
}

void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) { return refused(&calls_left) ? NULL : counted(__real_malloc(size)); }

void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) {
  return refused(&calls_left) ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return refused(&calls_left) ? NULL : counted(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *block);
void __wrap_free(void *block) {
  if (block != NULL) atomic_fetch_sub(&live, 1);
  __real_free(block);
}

// How many allocations are not freed yet. Where the platform's threads allocate by the same functions and free at their
// leisure, nobody knows: 0.
static int live_allocations(void) {
#ifdef __EMSCRIPTEN__
  return 0;
#else
  return atomic_load(&live);
#endif
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

#endif
