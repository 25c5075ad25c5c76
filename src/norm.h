// Norms of rows.
#ifndef NIBBLE_NORM_H
#define NIBBLE_NORM_H

#include "run.h"

static inline bool norm_is_there(const Norm *norm) { return norm != NULL && norm->weight != NULL; }

// y [n] becomes the row x [n] normalised as the model's family does it; both may be the same.
void norm_apply(const Run *run, const Norm *norm, const float *x, int n, float *y);

#endif
