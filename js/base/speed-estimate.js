// From what a machine did with synthetic weights to what it will do with a model.
import { invalid } from './options.js';

/**
 * How fast a model will be: each token of an answer goes through all its bytes, each token of a prompt through all its
 * weights. An upper estimate for short conversations, since attention to what came before comes on top.
 * @param {Pick<import('./public-types.js').Probe, 'decodeBytesPerSecond' | 'prefillWeightsPerSecond'>} probe
 * @param {{ bytesPerToken: number, parameters: number, bytesPerTokenStreamed?: number, readBytesPerSecond?: number }}
 *   model `bytesPerToken`: `packedBytes` of the tensors but for an embedding that is not also the output; `parameters`:
 *   weights, counted likewise; under a memory budget, `bytesPerTokenStreamed`: what is read from the store for each token, and
 *   `readBytesPerSecond`: how fast that reads
 * @returns {{ decodeTokensPerSecond: number, prefillTokensPerSecond: number }}
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
