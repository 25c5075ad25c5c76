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

// What divides the frequencies of a file (Llama 3's scaling, LongRoPE).
typedef struct {
  const float *values; /* [dimensions / 2], or NULL: nothing does */
  const char *tensor;  // its name in the file, for messages
} RopeFactors;

// Returns the frequencies are finite, or it is an error.
bool rope_create(Rope *rope, const RopeShape *shape, RopeFactors factors, NibbleError *error);
void rope_free(Rope *rope);  // safe on a zeroed Rope

// Cosines and sines [pairs] of the angles at a position, times the magnitude.
void rope_angles(const Rope *rope, int position, float *cosine, float *sine);

#endif
