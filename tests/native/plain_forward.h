// The forward pass of a tiny llama model in doubles, written from the formulas (arXiv:2302.13971) with no thought for
// speed: what the engine's results are measured against.
#ifndef NIBBLE_PLAIN_FORWARD_H
#define NIBBLE_PLAIN_FORWARD_H

#include "tiny_model.h"

// StreamingLLM (arXiv:2309.17453): tokens from `at` on see neither the `drop` tokens behind the first `keep`, nor the
// gap that they leave: positions are places in the cache. at 0: nothing is dropped.
typedef struct {
  int at, keep, drop;
} PlainShift;

typedef struct {
  const Gguf *gguf;
  const uint8_t *file;
  const TinyConfig *config;
  int head_size, repeat, layers;
  PlainShift shift;
} PlainModel;

static inline double *plain_zeros(size_t count) {
  double *zeros = calloc(count, sizeof *zeros);
  if (zeros == NULL) abort();
  return zeros;
}

// A tensor's numbers, to be freed by the caller; NULL where the file has none of this name.
static inline double *plain_tensor(const PlainModel *model, const char *name) {
  const GgufTensor *tensor = gguf_find_tensor(model->gguf, name);
  if (tensor == NULL) return NULL;
  const size_t count = (size_t)(tensor->size[0] * tensor->size[1]);
  float *floats = malloc(count * sizeof *floats);
  if (floats == NULL) abort();
  quant_unpack_tensor(quant_format(tensor->type), model->file + tensor->offset, floats, count);
  double *numbers = plain_zeros(count);
  for (size_t i = 0; i < count; i++)
    numbers[i] = (double)floats[i];
  free(floats);
  return numbers;
}

static inline double *plain_part(const PlainModel *model, int block, const char *part) {
  char name[64];
  snprintf(name, sizeof name, "blk.%d.%s.weight", block, part);
  return plain_tensor(model, name);
}

// y = W x (or y += W x) with W [rows, columns].
static inline void plain_multiply(const double *w, int rows, int columns, const double *x, double *y, bool add) {
  for (int r = 0; r < rows; r++) {
    double sum = 0;
    for (int c = 0; c < columns; c++)
      sum += w[(size_t)r * (size_t)columns + (size_t)c] * x[c];
    y[r] = add ? y[r] + sum : sum;
  }
}

static inline void plain_norm(const double *x, const double *weight, int n, double *y) {
  double sum = 0;
  for (int i = 0; i < n; i++)
    sum += x[i] * x[i];
  for (int i = 0; i < n; i++)
    y[i] = x[i] / sqrt(sum / n + (double)1e-5f) * weight[i];
}

static inline void plain_rope(const PlainModel *model, const double *factors, double *head, int position) {
  const int dimensions = model->config->rope_dimensions > 0 ? model->config->rope_dimensions : model->head_size;
  for (int i = 0; i < dimensions / 2; i++) {
    const double frequency = pow(10000, -2.0 * i / dimensions) / (factors != NULL ? factors[i] : 1);
    const double c = cos(position * frequency), s = sin(position * frequency);
    const double x = head[2 * i], y = head[2 * i + 1];
    head[2 * i] = x * c - y * s;
    head[2 * i + 1] = x * s + y * c;
  }
}

// The place of token t in the cache when token `now` is computed; negative: it was dropped.
static inline int plain_place(const PlainModel *model, int t, int now) {
  const PlainShift *shift = &model->shift;
  if (shift->at == 0 || now < shift->at || t < shift->keep) return t;
  return t < shift->keep + shift->drop ? -1 : t - shift->drop;
}

// Attention of one head's query over keys (not rotated yet) and values [now + 1, stride], into out [head_size].
static inline void plain_attend(const PlainModel *model, const double *factors, double *query, const double *keys,
                                const double *values, int stride, int now, double *out) {
  const int n = model->head_size, window = model->config->sliding_window, place = plain_place(model, now, now);
  double *weights = plain_zeros((size_t)now + 1), *key = plain_zeros((size_t)n), total = 0, max = -INFINITY;
  plain_rope(model, factors, query, place);
  for (int t = 0; t <= now; t++) {
    const int at = plain_place(model, t, now);
    weights[t] = -INFINITY;
    if (at < 0 || (window > 0 && at <= place - window)) continue;
    memcpy(key, keys + (size_t)t * (size_t)stride, (size_t)n * sizeof *key);
    plain_rope(model, factors, key, at);
    weights[t] = 0;
    for (int d = 0; d < n; d++)
      weights[t] += query[d] * key[d];
    weights[t] /= sqrt(n);
    max = fmax(max, weights[t]);
  }
  memset(out, 0, (size_t)n * sizeof *out);
  for (int t = 0; t <= now; t++) {
    const double weight = exp(weights[t] - max);
    total += weight;
    for (int d = 0; d < n; d++)
      out[d] += weight * values[(size_t)t * (size_t)stride + (size_t)d];
  }
  for (int d = 0; d < n; d++)
    out[d] /= total;
  free(weights), free(key);
}

// One layer over all tokens: x [count, width].
static inline void plain_layer(const PlainModel *model, int block, const double *factors, int count, double *x) {
  const TinyConfig *config = model->config;
  const int n = model->head_size, width = config->width, hidden = config->feed_forward;
  const int query_size = config->heads * n, key_size = config->kv_heads * n, group = config->heads / config->kv_heads;
  const char *const names[] = {"attn_norm", "attn_q",   "attn_k", "attn_v",  "attn_output",
                               "ffn_norm",  "ffn_gate", "ffn_up", "ffn_down"};
  double *w[9];
  for (int i = 0; i < 9; i++)
    w[i] = plain_part(model, block, names[i]);
  double *keys = plain_zeros((size_t)(count * key_size)), *values = plain_zeros((size_t)(count * key_size));
  double *normed = plain_zeros((size_t)width), *query = plain_zeros((size_t)query_size);
  double *mixed = plain_zeros((size_t)query_size), *gate = plain_zeros((size_t)hidden);
  double *up = plain_zeros((size_t)hidden);
  for (int t = 0; t < count; t++) {
    double *row = x + (size_t)(t * width), *key = keys + (size_t)(t * key_size);
    plain_norm(row, w[0], width, normed);
    plain_multiply(w[1], query_size, width, normed, query, false);
    plain_multiply(w[2], key_size, width, normed, key, false);
    plain_multiply(w[3], key_size, width, normed, values + (size_t)(t * key_size), false);
    for (int h = 0; h < config->heads; h++)
      plain_attend(model, factors, query + h * n, keys + h / group * n, values + h / group * n, key_size, t,
                   mixed + h * n);
    plain_multiply(w[4], width, query_size, mixed, row, true);
    plain_norm(row, w[5], width, normed);
    plain_multiply(w[6], hidden, width, normed, gate, false);
    plain_multiply(w[7], hidden, width, normed, up, false);
    for (int i = 0; i < hidden; i++)
      gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
    plain_multiply(w[8], width, hidden, gate, row, true);
  }
  for (int i = 0; i < 9; i++)
    free(w[i]);
  free(keys), free(values), free(normed), free(query), free(mixed), free(gate), free(up);
}

// Logits [count, vocabulary] of a text, to be freed by the caller.
static inline double *plain_forward_shifted(const Gguf *gguf, const uint8_t *file, const TinyConfig *config,
                                            const int32_t *tokens, int count, PlainShift shift) {
  const PlainModel model = {gguf,
                            file,
                            config,
                            config->head_size > 0 ? config->head_size : config->width / config->heads,
                            config->block_repeat > 0 ? config->block_repeat : 1,
                            config->blocks > 0 ? config->blocks : 2,
                            shift};
  const int width = config->width;
  double *embedding = plain_tensor(&model, "token_embd.weight"), *output = plain_tensor(&model, "output.weight");
  double *norm = plain_tensor(&model, "output_norm.weight"), *factors = plain_tensor(&model, "rope_freqs.weight");
  double *x = plain_zeros((size_t)(count * width));
  for (int t = 0; t < count; t++)
    memcpy(x + (size_t)(t * width), embedding + (size_t)(tokens[t] * width), (size_t)width * sizeof *x);
  for (int layer = 0; layer < model.layers * model.repeat; layer++)
    plain_layer(&model, layer / model.repeat, factors, count, x);
  double *logits = plain_zeros((size_t)count * (size_t)config->vocabulary), *normed = plain_zeros((size_t)width);
  for (int t = 0; t < count; t++) {
    plain_norm(x + (size_t)(t * width), norm, width, normed);
    plain_multiply(output != NULL ? output : embedding, config->vocabulary, width, normed,
                   logits + (size_t)t * (size_t)config->vocabulary, false);
  }
  free(embedding), free(output), free(norm), free(factors), free(x), free(normed);
  return logits;
}

static inline double *plain_forward(const Gguf *gguf, const uint8_t *file, const TinyConfig *config,
                                    const int32_t *tokens, int count) {
  return plain_forward_shifted(gguf, file, config, tokens, count, (PlainShift){0});
}

#endif
