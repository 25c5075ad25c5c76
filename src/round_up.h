// Whole units: how many of them so much takes, and how much that many hold.
#ifndef NIBBLE_ROUND_UP_H
#define NIBBLE_ROUND_UP_H

#include <stdint.h>

// Returns n / unit, rounded up: the units that `n` >= 0 things take.
static inline int units_of(int n, int unit) { return (n + unit - 1) / unit; }

// Returns the smallest multiple of `unit` that is at least `n` >= 0.
static inline int round_up(int n, int unit) { return units_of(n, unit) * unit; }

// The same of bytes. `bytes` + `unit` must not wrap.
static inline uint64_t round_up_bytes(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

#endif
