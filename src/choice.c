// The choice of the next token, which passes over the whole vocabulary: the sampler's hot part.
#include <math.h>
#include <string.h>

#include "float_math.h"
#include "sampler_state.h"
#include "sort.h"

static float penalized(const NibbleSamplerOptions *options, float logit, int count) {
  const float repeated = logit > 0 ? logit / options->repetition_penalty : logit * options->repetition_penalty;
  return repeated - options->presence_penalty - options->frequency_penalty * (float)count;
}

// Whether mask and bias leave a token to be chosen.
static bool is_allowed(const NibbleSampler *sampler, const uint32_t *allowed, int token) {
  return (allowed == NULL || (allowed[token / 32] >> token % 32 & 1) != 0) &&
         (sampler->bias == NULL || sampler->bias[token] != -INFINITY);
}

// A token's logit as it is chosen by.
static float adjusted(const NibbleSampler *sampler, const float *logits, const uint32_t *allowed, int token) {
  const float logit = sampler->bias == NULL ? logits[token] : logits[token] + sampler->bias[token];
  if (isnan(logit) || (allowed != NULL && !is_allowed(sampler, allowed, token))) return -INFINITY;
  const int count = sampler->counts == NULL ? 0 : sampler->counts[token];
  return count == 0 ? logit : penalized(&sampler->options, logit, count);
}

static void adjust(NibbleSampler *sampler, const float *logits, const uint32_t *allowed) {
  for (int range = 0; range < sampler->ranges; range++) {
    const int first = range * RANGE, left = sampler->vocabulary - first;
    float largest = -INFINITY;
    for (int token = first; token < first + (left < RANGE ? left : RANGE); token++) {
      const float logit = adjusted(sampler, logits, allowed, token);
      sampler->logits[token] = logit;
      if (logit > largest) largest = logit;
    }
    sampler->largest[range] = largest;
  }
}

// The first of the likeliest.
static int likeliest(const NibbleSampler *sampler) {
  int range = 0;
  for (int i = 1; i < sampler->ranges; i++)
    if (sampler->largest[i] > sampler->largest[range]) range = i;
  int best = range * RANGE;
  while (sampler->logits[best] != sampler->largest[range])
    best++;
  return best;
}

// Likelier tokens first; among equals, lower ones.
static bool ranks_before(const NibbleSampler *sampler, int32_t a, int32_t b) {
  const float x = sampler->logits[a], y = sampler->logits[b];
  return x > y || (x == y && a < b);
}

// Restores the heap of ranked[0..count) below `root`: the token that ranks first on top, or, `reversed`, the last.
static void sift_token(NibbleSampler *sampler, int root, int count, bool reversed) {
  int32_t *heap = sampler->ranked;
  const int32_t token = heap[root];
  for (int child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && ranks_before(sampler, heap[child + 1], heap[child]) != reversed) child++;
    if (ranks_before(sampler, heap[child], token) == reversed) break;
    heap[root] = heap[child];
  }
  heap[root] = token;
}

static void make_heap(NibbleSampler *sampler, int count, bool reversed) {
  for (int i = count / 2 - 1; i >= 0; i--)
    sift_token(sampler, i, count, reversed);
}

// A token's weight, by which the filters go: its probability times a constant.
static double weight_of(const NibbleSampler *sampler, int32_t token, float max) {
  return exp_f32(sampler->logits[token] - max);
}

// The same at the temperature, by which tokens are drawn.
static double drawn_weight(const NibbleSampler *sampler, int32_t token, float max) {
  return exp_f32((sampler->logits[token] - max) / sampler->options.temperature);
}

// All tokens that are not forbidden, in ranked[0..result).
static int list_candidates(NibbleSampler *sampler) {
  int count = 0;
  for (int i = 0; i < sampler->vocabulary; i++)
    if (sampler->logits[i] != -INFINITY) sampler->ranked[count++] = i;
  return count;
}

// The k likeliest candidates, or all where there are no more, in ranked[0..result): most ranges are turned away by one
// comparison with the least likely that is kept.
static int list_top_k(NibbleSampler *sampler, int k) {
  int32_t *heap = sampler->ranked;
  int count = 0;
  for (int range = 0; range < sampler->ranges; range++) {
    if (count == k && sampler->largest[range] <= sampler->logits[heap[0]]) continue;
    for (int i = range * RANGE; i < (range + 1) * RANGE; i++) {
      if (sampler->logits[i] == -INFINITY) continue;
      if (count < k) {
        heap[count++] = i;
        if (count == k) make_heap(sampler, k, true);
      } else if (ranks_before(sampler, i, heap[0])) {
        heap[0] = i;
        sift_token(sampler, 0, k, true);
      }
    }
  }
  return count;
}

// Keeps the likeliest of `count` candidates whose weights reach `enough`; returns their number, in ranked[0..result).
static int keep_top_p(NibbleSampler *sampler, int count, float max, double enough) {
  int end = count;
  double sum = 0;
  make_heap(sampler, count, false);
  while (end > 0 && (end == count || sum < enough)) {
    const int32_t top = sampler->ranked[0];
    sampler->ranked[0] = sampler->ranked[--end];
    sampler->ranked[end] = top;
    sift_token(sampler, 0, end, false);
    sum += weight_of(sampler, top, max);
  }
  memmove(sampler->ranked, sampler->ranked + end, (size_t)(count - end) * sizeof *sampler->ranked);
  return count - end;
}

static int by_token(const void *a, const void *b) {
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return x < y ? -1 : x > y;
}

// What top-k and top-p leave, in ranked[0..result), in the order of the tokens: so filters that keep everything change
// nothing about the draw.
static int filter(NibbleSampler *sampler, float max) {
  const NibbleSamplerOptions *options = &sampler->options;
  const bool top_k = options->top_k > 0, top_p = options->top_p < 1;
  int count = top_k ? list_top_k(sampler, options->top_k) : list_candidates(sampler);
  if (top_p) {
    // The sum runs in the tokens' order, like every other one.
    if (top_k) sort_items(sampler->ranked, (size_t)count, sizeof *sampler->ranked, by_token);
    double total = 0;
    for (int i = 0; i < count; i++)
      total += weight_of(sampler, sampler->ranked[i], max);
    count = keep_top_p(sampler, count, max, options->top_p * total);
  }
  if (top_k || top_p) sort_items(sampler->ranked, (size_t)count, sizeof *sampler->ranked, by_token);
  return count;
}

// splitmix64 (Steele, Lea, Flood 2014), as a double in [0, 1).
static double draw(NibbleSampler *sampler) {
  uint64_t z = sampler->random += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return (double)(z >> 11) * 0x1p-53;
}

// Of `count` candidates in ranked, those that are at least min_p times as likely as the likeliest; returns their
// number.
static int keep_min_p(NibbleSampler *sampler, int count, float max) {
  const double least = (double)sampler->options.min_p;
  int kept = 0;
  for (int i = 0; i < count; i++) {
    const int32_t token = sampler->ranked[i];
    if (least == 0 || weight_of(sampler, token, max) >= least) sampler->ranked[kept++] = token;
  }
  return kept;
}

static int sample_weighted(NibbleSampler *sampler, int best) {
  const float max = sampler->logits[best];
  const int count = keep_min_p(sampler, filter(sampler, max), max);
  double total = 0;
  for (int i = 0; i < count; i++)
    total += drawn_weight(sampler, sampler->ranked[i], max);
  double left = draw(sampler) * total;
  int chosen = best;
  for (int i = 0; i < count; i++) {
    chosen = sampler->ranked[i];
    left -= drawn_weight(sampler, chosen, max);
    if (left < 0) break;
  }
  return chosen;
}

static int first_allowed(const NibbleSampler *sampler, const uint32_t *allowed) {
  for (int i = 0; i < sampler->vocabulary; i++)
    if (is_allowed(sampler, allowed, i)) return i;
  return NIBBLE_NO_TOKEN;
}

// The choice where no allowed token has a logit above minus infinity.
static int sample_hopeless(const NibbleSampler *sampler, const float *logits, const uint32_t *allowed) {
  for (int i = 0; i < sampler->vocabulary; i++)
    if (isnan(logits[i]) && is_allowed(sampler, allowed, i)) return NIBBLE_NO_LOGIT;
  return first_allowed(sampler, allowed);
}

bool nibble_sampler_has_choice(const NibbleSampler *sampler, const uint32_t *allowed) {
  return first_allowed(sampler, allowed) != NIBBLE_NO_TOKEN;
}

int nibble_sampler_sample(NibbleSampler *sampler, const float *logits, const uint32_t *allowed) {
  adjust(sampler, logits, allowed);
  const int best = likeliest(sampler);
  if (sampler->logits[best] == -INFINITY) return sample_hopeless(sampler, logits, allowed);
  if (sampler->logits[best] == INFINITY) return best;
  return sampler->options.temperature == 0 ? best : sample_weighted(sampler, best);
}
