// Whether this platform computes a kernel set rightly: an engine's relaxed instructions may be wrong (V8 11, behind its
// flag, swaps the operands of the 32-bit dot product on CPUs with AVX-VNNI), and a compiler may be wrong about any.
#ifndef NIBBLE_VERIFICATION_H
#define NIBBLE_VERIFICATION_H

#include "kernels.h"

// Small products of some kinds of tiles, and what the reference makes of them. A kind needs nothing here of its own:
// its weights are random bytes that its tile format (tiles.h) unpacks to numbers of a usual size.
typedef struct Verification Verification;

// Of a set of kinds. NULL where memory is short. Takes about a millisecond for each.
Verification *verification_create(uint32_t kinds);
void verification_free(Verification *verification);

// Returns whether every kernel of the set gives what the reference gives, bit for bit: each of those kinds of weights
// in each form of the product (a panel, one token, tiles side by side), packing, and the kernels of rows and of pages.
// The reference's own kernels are not compared with themselves. Takes about a millisecond.
bool verification_passes(const Verification *verification, const Kernels *kernels);

#endif
