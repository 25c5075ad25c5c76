// From what a machine did with synthetic weights to what it will do with a model.
import { invalid } from './options.js';

/**
 * How fast a model will be: each token of an answer goes through all its bytes, each token of a prompt through all its
 * weights. An upper estimate for short conversations, since attention to what came before comes on top.
 * @param {Pick<import('./probe.js').Probe, 'decodeBytesPerSecond' | 'prefillWeightsPerSecond'>} probe
 * @param {{ bytesPerToken: number, parameters: number }} model `bytesPerToken`: of the file's tensors without an
 *   embedding that is not also the output; `parameters`: weights, counted likewise
 * @returns {{ decodeTokensPerSecond: number, prefillTokensPerSecond: number }}
 */
export function estimateSpeed(probe, { bytesPerToken, parameters }) {
  const positive = (name, value) => {
    if (typeof value === 'number' && value > 0 && value < Infinity) return value;
    throw invalid(name, value, 'a number above 0');
  };
  return {
    decodeTokensPerSecond:
      positive('decodeBytesPerSecond', probe?.decodeBytesPerSecond) / positive('bytesPerToken', bytesPerToken),
    prefillTokensPerSecond:
      positive('prefillWeightsPerSecond', probe?.prefillWeightsPerSecond) / positive('parameters', parameters),
  };
}
