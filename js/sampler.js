// The twin of src/sampler.h. It calls exports, but leaves the heap to the Runtime of engine.js.

/** Chooses tokens. */
export class Sampler {
  #runtime;
  #sampler;

  constructor(runtime, options, vocabularySize) {
    this.#runtime = runtime;
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

  bias(token, value) {
    this.#runtime.checked((error) => this.#runtime.c._nibble_sampler_bias(this.#sampler, token, value, error));
  }

  accept(token) {
    this.#runtime.checked((error) => this.#runtime.c._nibble_sampler_accept(this.#sampler, token, error));
  }

  /** @param {number} logits a heap pointer: Session.sample() is the way to call this */
  sampleAt(logits) {
    return this.#runtime.c._nibble_sampler_sample(this.#sampler, logits);
  }

  close() {
    if (this.#sampler !== 0) this.#runtime.c._nibble_sampler_free(this.#sampler);
    this.#sampler = 0;
  }
}
