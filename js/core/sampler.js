// The twin of src/sampler.h. It calls exports, but leaves the heap to the Runtime of runtime.js.
import { modelComputesNan } from '../base/errors.js';

// NIBBLE_NO_LOGIT
const NO_LOGIT = -2;

/**
 * Of the options as readCompletionOptions() gives them, those that choose tokens, with a seed.
 * @typedef {Pick<ReturnType<typeof import('../base/options.js').readSamplingOptions>, 'temperature' | 'topK' | 'topP' | 'minP' |
 *   'repetitionPenalty' | 'presencePenalty' | 'frequencyPenalty' | 'penaltyWindow'> & { seed: number }} SamplerOptions
 */

/** Chooses tokens. */
export class Sampler {
  #runtime;
  #sampler;
  #vocabularySize;
  // Room for a mask of allowed tokens; 0 until there is one.
  #mask = 0;

  /** @param {import('./runtime.js').Runtime} runtime @param {SamplerOptions} options @param {number} vocabularySize */
  constructor(runtime, options, vocabularySize) {
    this.#runtime = runtime;
    this.#vocabularySize = vocabularySize;
    const { temperature, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty } = options;
    const values = Float32Array.of(temperature, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty);
    const seed = BigInt(options.seed);
    this.#sampler = runtime.scratch(values.byteLength, (pointer) => {
      runtime.write(pointer, values);
      return runtime.checked((error) =>
        runtime.c._api_sampler_create(
          pointer,
          options.topK,
          options.penaltyWindow,
          Number(seed & 0xffffffffn),
          Number((seed >> 32n) & 0xffffffffn),
          vocabularySize,
          error,
        ),
      );
    });
  }

  /** Adds to a token's logit; -Infinity forbids the token for good. @param {number} token @param {number} value */
  bias(token, value) {
    this.#runtime.checked((error) => this.#runtime.c._nibble_sampler_bias(this.#sampler, token, value, error));
  }

  /** Tells it that a token is part of the text, for the penalties. @param {number} token */
  accept(token) {
    this.#runtime.checked((error) => this.#runtime.c._nibble_sampler_accept(this.#sampler, token, error));
  }

  /**
   * Session.sample() is the way to call this.
   * @param {number} logits a heap pointer
   * @param {Uint32Array | null} [allowed] the tokens that may come this time: token t where bit t % 32 of word t / 32 is
   *   set, with at least a word for every 32 tokens of the vocabulary; what is behind does not matter. null: all
   * @returns {number | null} null: mask and biases leave no token
   * @throws {import('../base/errors.js').NibbleError} MODEL_COMPUTES_NAN where they leave some, but no logit above minus infinity, and some that are NaN
   */
  sampleAt(logits, allowed = null) {
    const token = this.#runtime.c._nibble_sampler_sample(this.#sampler, logits, this.#maskAt(allowed));
    if (token === NO_LOGIT) throw modelComputesNan();
    return token < 0 ? null : token;
  }

  /** Whether the mask, as sampleAt() takes it, and the biases leave a token, whatever the logits are. @param {Uint32Array | null} [allowed] */
  hasChoice(allowed = null) {
    return this.#runtime.c._nibble_sampler_has_choice(this.#sampler, this.#maskAt(allowed)) !== 0;
  }

  /** @param {Uint32Array | null} allowed */
  #maskAt(allowed) {
    if (allowed === null) return 0;
    const words = Math.ceil(this.#vocabularySize / 32);
    if (!(allowed instanceof Uint32Array) || allowed.length < words) {
      throw new RangeError(`a mask of ${allowed.length} words, where ${words} of 32 bits are needed`);
    }
    if (this.#mask === 0) this.#mask = this.#runtime.allocate(words * 4);
    this.#runtime.write(this.#mask, allowed.subarray(0, words));
    return this.#mask;
  }

  close() {
    if (this.#sampler !== 0) this.#runtime.c._nibble_sampler_free(this.#sampler);
    if (this.#mask !== 0) this.#runtime.free(this.#mask);
    this.#sampler = this.#mask = 0;
  }
}
