// Rotary position embedding (arXiv:2104.09864): the angles, with the ways of stretching a model's context.
#ifndef NIBBLE_ROPE_H
#define NIBBLE_ROPE_H

#include "error.h"
#include "shape.h"

typedef struct {
  int pairs;
  double *frequencies; /* [pairs] radians a position */
  float magnitude;     // by which rotated queries and keys are scaled
} Rope;

// `factors` [dimensions / 2] divide the frequencies (Llama 3's scaling), or NULL.
bool rope_create(Rope *rope, const RopeShape *shape, const float *factors, NibbleError *error);
void rope_free(Rope *rope);  // safe on a zeroed Rope

// Cosines and sines [pairs] of the angles at a position, times the magnitude.
void rope_angles(const Rope *rope, int position, float *cosine, float *sine);

#endif
