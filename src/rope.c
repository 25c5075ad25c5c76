#include "rope.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

// The dimension whose wave makes `rotations` turns within the original context (YaRN, section 3.2).
static double correction_dimension(const RopeShape *shape, double rotations) {
  return shape->dimensions * log(shape->original_context / (rotations * 2 * pi)) / (2 * log(shape->base));
}

// How much of dimension pair i keeps its own frequency instead of the stretched one: 1 for fast waves, 0 for slow ones.
static double kept_share(const RopeShape *shape, int i) {
  const double last = shape->dimensions - 1;
  const double low = fmax(0, floor(correction_dimension(shape, shape->beta_fast)));
  const double high = fmin(last, ceil(correction_dimension(shape, shape->beta_slow)));
  const double ramp = (i - low) / fmax(0.001, high - low);
  return 1 - fmin(1, fmax(0, ramp));
}

// e^x by plain double arithmetic, within 2^-51 of it, where libm's would bring its own table: a multiple n of ln 2 is
// taken out of x, and a Taylor polynomial serves for what is left. What no model comes near is no number.
static double exponential(double x) {
  if (!(fabs(x) < 700)) return NAN;
  const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  const double n = floor(x * 1.44269504088896340736 + 0.5), r = (x - n * ln2_high) - n * ln2_low;
  double sum = 1;
  for (int i = 13; i > 0; i--)
    sum = 1 + sum * r / i;
  const uint64_t bits = (uint64_t)(1023 + (int)n) << 52;
  double power;
  memcpy(&power, &bits, sizeof power);
  return sum * power;
}

bool rope_create(Rope *rope, const RopeShape *shape, RopeFactors factors, NibbleError *error) {
  const int pairs = shape->dimensions / 2;
  *rope = (Rope){.pairs = pairs, .magnitude = 1, .frequencies = malloc((size_t)pairs * sizeof(double))};
  if (rope->frequencies == NULL)
    return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left for position angles. Close other models first.");
  const double stretch = 1.0 / shape->factor;
  for (int i = 0; i < pairs; i++) {
    const double own =
        exponential(-2.0 * i / shape->dimensions * log(shape->base)) / (factors.values != NULL ? factors.values[i] : 1);
    double share = 0;
    if (shape->scaling == ROPE_SCALING_YARN) share = kept_share(shape, i) * shape->extrapolation;
    rope->frequencies[i] = own * stretch * (1 - share) + own * share;
    if (isfinite(rope->frequencies[i])) continue;
    rope_free(rope);
    if (factors.values != NULL)
      return nibble_fail(error, NIBBLE_MODEL_BAD_TENSOR,
                         "The model's position angles are no finite numbers: entry %d of %s is %g.", i, factors.tensor,
                         (double)factors.values[i]);
    return nibble_fail(error, NIBBLE_MODEL_BAD_KEY,
                       "The model's position angles are no finite numbers: its RoPE has base %g and factor %g.",
                       (double)shape->base, (double)shape->factor);
  }
  rope->magnitude = shape->attention_factor;
  if (shape->scaling == ROPE_SCALING_YARN && shape->extrapolation != 0) {
    const double grown = shape->factor > 1 ? log(shape->factor) : 0;
    rope->magnitude *= (float)((1 + 0.1 * grown) / (1 + 0.1 * (double)shape->log_multiplier * grown));
  }
  return true;
}

void rope_free(Rope *rope) {
  free(rope->frequencies);
  rope->frequencies = NULL;
}

// Cosine and sine by plain double arithmetic, good to 1e-11, where libm's would bring its own tables: the angle is
// reduced to a quarter turn around 0, where two Taylor polynomials serve.
static void cosine_and_sine(double angle, double *cosine, double *sine) {
  const double quarter_high = 1.57079632673412561417, quarter_low = 6.07710050650619224932e-11;
  const double turns = floor(angle / (pi / 2) + 0.5);
  const double x = (angle - turns * quarter_high) - turns * quarter_low, s = x * x;
  const double sin_x =
      x * (1 + s * (-1.0 / 6 + s * (1.0 / 120 + s * (-1.0 / 5040 + s * (1.0 / 362880 - s / 39916800)))));
  const double cos_x =
      1 + s * (-0.5 + s * (1.0 / 24 + s * (-1.0 / 720 + s * (1.0 / 40320 + s * (-1.0 / 3628800 + s / 479001600)))));
  const int quadrant = (int)(turns - 4 * floor(turns / 4));
  *cosine = quadrant == 0 ? cos_x : quadrant == 1 ? -sin_x : quadrant == 2 ? -cos_x : sin_x;
  *sine = quadrant == 0 ? sin_x : quadrant == 1 ? cos_x : quadrant == 2 ? -sin_x : -cos_x;
}

void rope_angles(const Rope *rope, int position, float *cosine, float *sine) {
  for (int i = 0; i < rope->pairs; i++) {
    double c, s;
    const double angle = position * rope->frequencies[i];
    // A hostile file's frequencies may be anything; converting what is no number would not be defined.
    if (!(fabs(angle) < 1e15)) {
      cosine[i] = sine[i] = NAN;
      continue;
    }
    cosine_and_sine(angle, &c, &s);
    cosine[i] = (float)c * rope->magnitude;
    sine[i] = (float)s * rope->magnitude;
  }
}
