#include "norm.h"

#include <math.h>

enum { LANES = 8 };

// Sums in lanes, as the kernels of RMSNorm add, so that a compiler can use vectors.
static float sum_of(const float lanes[LANES]) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static float mean(const float *x, int n) {
  float lanes[LANES] = {0};
  for (int i = 0; i < n; i++)
    lanes[i % LANES] += x[i];
  return sum_of(lanes) / (float)n;
}

static float variance(const float *x, int n, float mean) {
  float lanes[LANES] = {0};
  for (int i = 0; i < n; i++)
    lanes[i % LANES] += (x[i] - mean) * (x[i] - mean);
  return sum_of(lanes) / (float)n;
}

// y = (x - mean) / sqrt(variance + epsilon) * weight + bias
static void layer_norm(const Norm *norm, const float *x, int n, float epsilon, float *y) {
  const float middle = mean(x, n), scale = 1 / sqrtf(variance(x, n, middle) + epsilon);
  for (int i = 0; i < n; i++)
    y[i] = (x[i] - middle) * scale * norm->weight[i];
  for (int i = 0; norm->bias != NULL && i < n; i++)
    y[i] += norm->bias[i];
}

void norm_apply(const Run *run, const Norm *norm, const float *x, int n, float *y) {
  const Shape *shape = &run->model->shape;
  if (shape->architecture->norm == NORM_RMS)
    run->kernels->rms_norm(x, norm->weight, n, shape->norm_epsilon, y);
  else
    layer_norm(norm, x, n, shape->norm_epsilon, y);
}
