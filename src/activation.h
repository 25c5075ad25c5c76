// What a feed-forward network does between its products. SwiGLU is a kernel (kernels.h).
#ifndef NIBBLE_ACTIVATION_H
#define NIBBLE_ACTIVATION_H

#include "arch.h"

// gate[i] becomes what the next product reads, of gate[i] and up[i]; without a gate, of up[i] alone. Not for
// ACTIVATION_SWIGLU.
void activation_apply(Activation activation, float *gate, const float *up, int n);

// x[i] = cap * tanh(x[i] / cap)
void soft_cap(float *x, int n, float cap);

#endif
