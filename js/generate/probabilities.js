// From logits to probabilities, in double precision.
import { modelComputesNan } from '../base/errors.js';

/**
 * The `count` likeliest tokens, likeliest first; equal logits in the order of their ids. A logit that is no number counts
 * as -Infinity, as the sampler has it. Tokens with an infinite logit have all the probability between them; where every
 * logit is -Infinity, no token has any.
 * @param {Float32Array} logits
 * @param {number} count
 * @returns {{ id: number, p: number, logit: number }[]}
 * @throws {import('../base/errors.js').NibbleError} MODEL_COMPUTES_NAN where no logit is above -Infinity, and some are no numbers
 */
export function mostLikely(logits, count) {
  const known = logits.some(Number.isNaN) ? logits.map((logit) => (Number.isNaN(logit) ? -Infinity : logit)) : logits;
  let most = -Infinity;
  for (const logit of known) if (logit > most) most = logit;
  if (most === -Infinity && known !== logits) throw modelComputesNan();
  /** @param {number} logit */
  const weightOf = (logit) => (logit === most ? 1 : Math.exp(logit - most));
  let sum = 0;
  for (const logit of known) sum += weightOf(logit);
  // Differences of infinite logits are no numbers.
  /** @param {number} a @param {number} b */
  const byLikelihood = (a, b) => (known[a] === known[b] ? a - b : known[a] > known[b] ? -1 : 1);
  const ids = Uint32Array.from(known, (_, id) => id).sort(byLikelihood);
  return Array.from(ids.subarray(0, Math.min(count, ids.length)), (id) => ({
    id,
    p: most === -Infinity ? 0 : weightOf(known[id]) / sum,
    logit: logits[id],
  }));
}
