// How far the engine is from the recorded probabilities of the golden models, and how far it may be.
import assert from 'node:assert/strict';
import { logitsAfter, openCoreModel } from '../core-model.js';
import { kl, logSoftmax } from '../divergence.js';
import { goldenBytes, readGolden } from './models.js';
import { TYPE_MODELS } from './types.js';

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

/**
 * The KL in each of these sequences of a golden model, by a core with these options.
 * @param {string} name
 * @param {object} options of CORE_OPTIONS
 */
export async function divergences(name, options, sequences = sequencesOf(name)) {
  const { model, close } = await openCoreModel(goldenBytes(name), options);
  try {
    const result = [];
    for (const { tokens, logProbabilities: expected } of sequences) {
      const found = logSoftmax(Float64Array.from(await logitsAfter(model, tokens)));
      assert.equal(found.length, expected.length);
      result.push(kl(expected, found));
    }
    return result;
  } finally {
    close();
  }
}
