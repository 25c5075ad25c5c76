// Which of the kernel sets is used: one that computes what the reference does, and the fastest of those.
#ifndef NIBBLE_KERNEL_CHOICE_H
#define NIBBLE_KERNEL_CHOICE_H

#include "kernels.h"

// Returns whether every kernel of a set computes what the reference does (verification.h), of products those of a set
// of kinds of tiles. False, and `error`, where one does not, or where memory is short.
bool kernels_verify(const Kernels *kernels, uint32_t kinds, NibbleError *error);

// Measures one thread's products in each set, on synthetic Q4_0 weights that fit the second-level cache: rates [count]
// in weights x tokens a second, the geometric mean of one token's and a panel's; 0 for a set that kernels_verify()
// refuses for `kinds`, or for all where memory is short. Takes 30 to 100 ms for each set. At most 8 sets.
void kernels_measure(const Kernels *const *sets, int count, uint32_t kinds, double *rates);

#endif
