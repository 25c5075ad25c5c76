// From what a machine did with synthetic weights to what it will do with a model.
import { invalid } from './options.js';

/**
 * What a speed is estimated from. The `model` that {@link describeModel} tells of has what is needed.
 * @typedef {object} ModelSpeedFacts
 * @property {number} bytesPerToken Bytes of weights that a token goes through: all but an embedding that is not also the output.
 * @property {number} parameters Weights that a token goes through.
 * @property {number} [bytesPerTokenStreamed] Under a memory budget, bytes that are read from the store for a token. Default: 0.
 * @property {number} [readBytesPerSecond] Bytes a second that the store gives; needed with `bytesPerTokenStreamed`. Default: none.
 */

/**
 * How fast a model will be about.
 * @typedef {object} SpeedEstimate
 * @property {number} decodeTokensPerSecond Tokens of an answer a second.
 * @property {number} prefillTokensPerSecond Tokens of a prompt a second.
 */

/**
 * How fast a model will be on a machine. Each token of an answer goes through all bytes of the weights, each token of a prompt
 * through all weights. It is an upper estimate, for short conversations: attention to what came before comes on top.
 * @param {Pick<import('./public-types.js').Probe, 'decodeBytesPerSecond' | 'prefillWeightsPerSecond'>} probe What
 *   {@link probeSpeed} measured.
 * @param {ModelSpeedFacts} model The model.
 * @returns {SpeedEstimate} Tokens a second.
 * @throws {NibbleError} `INVALID_ARGUMENT` where a number is missing or not above 0.
 */
export function estimateSpeed(probe, model) {
  const { bytesPerToken, parameters, bytesPerTokenStreamed = 0, readBytesPerSecond } = model ?? {};
  /** @param {string} name @param {unknown} value */
  const positive = (name, value) => {
    if (typeof value === 'number' && value > 0 && value < Infinity) return value;
    throw invalid(name, value, 'a number above 0');
  };
  const computed =
    positive('decodeBytesPerSecond', probe?.decodeBytesPerSecond) / positive('bytesPerToken', bytesPerToken);
  // Reading goes on while the threads compute: the slower of the two counts.
  const read =
    bytesPerTokenStreamed === 0
      ? Infinity
      : positive('readBytesPerSecond', readBytesPerSecond) / positive('bytesPerTokenStreamed', bytesPerTokenStreamed);
  return {
    decodeTokensPerSecond: Math.min(computed, read),
    prefillTokensPerSecond:
      positive('prefillWeightsPerSecond', probe?.prefillWeightsPerSecond) / positive('parameters', parameters),
  };
}
