// The probability of a token that is given, from all logits of its place: ln p(target) = target - ln sum exp(logits),
// computed beside the largest logit so that nothing overflows. The logits may be seen in pieces, from the first row of
// the vocabulary to the last: once for the largest, and then once more for the sum. The order of the sum is that of the
// vocabulary, whatever the pieces are. A logit that is NaN counts as minus infinity, as the sampler has it; infinite
// ones have all the probability between them.
#ifndef NIBBLE_SCORING_H
#define NIBBLE_SCORING_H

// What was seen of one token's logits so far.
typedef struct {
  float largest, target;
  double sum;
} Score;

// Sees `rows` logits, which are those from row `first_row` on, for the first time. Row 0 begins anew.
void score_find_largest(Score *score, const float *logits, int first_row, int rows, int target);

// Sees `rows` logits for the second time.
void score_add(Score *score, const float *logits, int rows);

// Returns ln p(target) of logits that were seen twice; NaN where none of them is above minus infinity.
float score_result(const Score *score);

// Returns the same of logits [vocabulary] that are all there.
float score_log_probability(const float *logits, int vocabulary, int target);

#endif
