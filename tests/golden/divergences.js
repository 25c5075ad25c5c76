// How far the engine is from the recorded probabilities of the golden models, and how far it may be.
import assert from 'node:assert/strict';
import { createEngine } from '../../js/index.node.js';
import { kl, logSoftmax } from '../divergence.js';
import { GOLDEN_MODELS, goldenBytes, readGolden } from './models.js';
import { TYPE_MODELS } from './types.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */

/** The KL that the exact mode may have in each sequence. */
export const EXACT_BAR = 1e-5;
const DEFAULT_FLOOR = 2e-3;
const DEFAULT_TIMES = 5;

/**
 * The KL that the default mode may have, where llama.cpp's has so much; null: there is none to compare with.
 * @param {number | null} theirs
 */
export const defaultBar = (theirs) => (theirs === null ? null : Math.max(DEFAULT_TIMES * theirs, DEFAULT_FLOOR));

/**
 * The sequences of a model; of one that is there for its weight types no long ones, which all types share.
 * @param {string} name
 */
export const sequencesOf = (name) => readGolden(name).sequences.slice(0, TYPE_MODELS[name] ? 3 : undefined);

/** The engine's log-probabilities after a sequence. @param {Engine} engine @param {number[]} tokens */
export async function logProbabilities(engine, tokens) {
  const { top } = await engine.evaluate(tokens, { top: 0 });
  const logits = new Float64Array(top.length);
  for (const { id, logit } of top) logits[id] = logit;
  return logSoftmax(logits);
}

/** The KL in each of these sequences of a golden model, by an engine with these options. */
export async function divergences(name, options, sequences = sequencesOf(name)) {
  // By one thread and by two, in turns.
  const threads = 1 + (Object.keys(GOLDEN_MODELS).indexOf(name) % 2);
  const engine = await createEngine({ model: goldenBytes(name), threads, ...options });
  try {
    const result = [];
    for (const { tokens, logProbabilities: expected } of sequences) {
      const found = await logProbabilities(engine, tokens);
      assert.equal(found.length, expected.length);
      result.push(kl(expected, found));
    }
    return result;
  } finally {
    await engine.unload();
  }
}
