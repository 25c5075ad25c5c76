// A pool of threads that run one task together, and meet at barriers inside it. Threads wait by spinning for a moment
// (the next barrier is microseconds away) and then sleep, so an idle engine costs nothing.
#ifndef NIBBLE_THREADS_H
#define NIBBLE_THREADS_H

#include "error.h"

typedef struct Threads Threads;

typedef void ThreadTask(void *context, int thread);

// Creates a pool of `count` threads, the caller being thread 0. NULL, and `error`, where the platform refuses.
Threads *threads_create(int count, NibbleError *error);
void threads_free(Threads *threads);  // safe on NULL

int threads_count(const Threads *threads);

// Tell, and set, how many threads take part in a run: all, until it is set. The others sleep, at no cost to those. Set
// between runs only, from 1 to threads_count(); what lies outside becomes the nearer end.
int threads_active(const Threads *threads);
void threads_set_active(Threads *threads, int active);

// Runs task(context, thread) on every active thread, and returns when all are done.
void threads_run(Threads *threads, ThreadTask *task, void *context);

// Inside a task: waits until every active thread is here. All writes before it are seen after it.
void threads_barrier(Threads *threads);

// Inside a task: claims the next of `count` pieces of work for `thread`, -1 when none are left. Each thread has a part
// of the list that it goes through from front to back, so that it reads memory in one long run; one that has finished
// its part takes pieces of the others', so fast cores do more. The lists are full again behind each barrier.
int threads_claim(Threads *threads, int thread, int count);

#endif
