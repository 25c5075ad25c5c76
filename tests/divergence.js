// Measures between next-token distributions, in nats, over arrays of natural log-probabilities.

/**
 * Logits to log-probabilities, in double precision.
 * @param {ArrayLike<number>} logits
 * @returns {Float64Array}
 */
export function logSoftmax(logits) {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) max = Math.max(max, logits[i]);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - max);
  const logSum = Math.log(sum);
  return Float64Array.from(logits, (logit) => logit - max - logSum);
}

/**
 * Kullback-Leibler divergence of q from p: sum of p * (log p - log q). Summed as p * (e^-d - 1 + d) with d = log p -
 * log q, which is the same for distributions that each sum to 1 and has no cancellation between terms.
 * @param {ArrayLike<number>} pLog the truth
 * @param {ArrayLike<number>} qLog what is judged
 */
export function kl(pLog, qLog) {
  if (pLog.length !== qLog.length) throw new RangeError(`KL of ${pLog.length} against ${qLog.length} outcomes.`);
  let sum = 0;
  for (let i = 0; i < pLog.length; i++) {
    const d = pLog[i] - qLog[i];
    if (pLog[i] > Number.NEGATIVE_INFINITY) sum += Math.exp(pLog[i]) * (Math.expm1(-d) + d);
  }
  return sum;
}

/**
 * @param {ArrayLike<number>} pLog
 */
export function entropy(pLog) {
  let sum = 0;
  for (let i = 0; i < pLog.length; i++) if (pLog[i] > Number.NEGATIVE_INFINITY) sum -= Math.exp(pLog[i]) * pLog[i];
  return sum;
}
