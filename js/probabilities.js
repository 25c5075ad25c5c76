// From logits to probabilities, in double precision.

/**
 * The `count` likeliest tokens, likeliest first; equal logits in the order of their ids.
 * @param {Float32Array} logits
 * @param {number} count
 * @returns {{ id: number, p: number, logit: number }[]}
 */
export function mostLikely(logits, count) {
  let most = -Infinity;
  for (const logit of logits) if (logit > most) most = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  const ids = Uint32Array.from(logits, (_, id) => id).sort((a, b) => logits[b] - logits[a] || a - b);
  return Array.from(ids.subarray(0, Math.min(count, ids.length)), (id) => ({
    id,
    p: Math.exp(logits[id] - most) / sum,
    logit: logits[id],
  }));
}
