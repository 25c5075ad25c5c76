// An allocator and a pthread_create() that can refuse the n-th call, and that count. The linker puts them in the places
// of the platform's (see CMakeLists.txt).
#ifndef NIBBLE_REFUSALS_H
#define NIBBLE_REFUSALS_H

#include <stdatomic.h>
#include <stdbool.h>

// Wrapped functions have no context to be handed, hence these variables.
extern atomic_int calls_left;     // allocations until one is refused; negative: none is
extern atomic_int threads_left;   // the same of threads
extern atomic_llong bytes_taken;  // asked for and given, whatever has been freed since
// Calls of this thread may be refused, and its bytes count: the test's, not what the platform does for threads beside
// it.
extern _Thread_local bool refusing;

// How many allocations are not freed yet. Where the platform's threads allocate by the same functions and free at their
// leisure, nobody knows: 0.
int live_allocations(void);

#endif
