#include "activation.h"

#include "float_math.h"

// tanh by exp_f32(), so that it is the same everywhere.
static float tanh_f32(float x) { return 1 - 2 / (exp_f32(2 * x) + 1); }

static float gelu(float x) {
  const float root = 0.79788456080286535588f;  // of 2 / pi
  return 0.5f * x * (1 + tanh_f32(root * x * (1 + 0.044715f * x * x)));
}

static float squared_relu(float x) { return x > 0 ? x * x : 0; }

void activation_apply(Activation activation, float *gate, const float *up, int n) {
  for (int i = 0; i < n; i++)
    gate[i] = activation == ACTIVATION_GEGLU  ? gelu(gate[i]) * up[i]
              : activation == ACTIVATION_GELU ? gelu(up[i])
                                              : squared_relu(up[i]);
}

void soft_cap(float *x, int n, float cap) {
  for (int i = 0; i < n; i++)
    x[i] = cap * tanh_f32(x[i] / cap);
}
