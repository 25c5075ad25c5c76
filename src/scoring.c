#include "scoring.h"

#include <math.h>

#include "float_math.h"

void score_find_largest(Score *score, const float *logits, int first_row, int rows, int target) {
  if (first_row == 0) *score = (Score){.largest = -INFINITY};
  for (int i = 0; i < rows; i++)
    score->largest = score->largest < logits[i] ? logits[i] : score->largest;
  if (target >= first_row && target < first_row + rows) score->target = logits[target - first_row];
}

// Beside the likeliest token's probability, as 1.
static float weight_beside(float logit, float largest) {
  return logit == largest ? 1 : logit < largest ? exp_f32(logit - largest) : 0;
}

void score_add(Score *score, const float *logits, int rows) {
  for (int i = 0; i < rows; i++)
    score->sum += weight_beside(logits[i], score->largest);
}

float score_result(const Score *score) {
  if (score->largest == -INFINITY) return NAN;
  if (!(score->target > -INFINITY)) return -INFINITY;
  const float difference = score->target == score->largest ? 0 : score->target - score->largest;
  return (float)((double)difference - log(score->sum));
}

float score_log_probability(const float *logits, int vocabulary, int target) {
  Score score;
  score_find_largest(&score, logits, 0, vocabulary, target);
  score_add(&score, logits, vocabulary);
  return score_result(&score);
}
