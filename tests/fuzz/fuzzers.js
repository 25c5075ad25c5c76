// The fuzzers by name. Of one in JavaScript, the module's default export has `describe(random)`, which makes a case, and
// `run(case)`, which throws nothing but a NibbleError unless something is wrong. One in C is `NAME_fuzz.c` beside this
// file, which libFuzzer drives, from what is in `corpus/NAME`.

/**
 * @typedef {object} Fuzzer
 * @property {number} runs an even number: how many cases the test suite tries in two halves, and the script at a time
 * @property {() => Promise<{ default: { describe: (random: import('./random.js').Random) => any, run: (tried: any) => boolean } }>} [load] the module;
 *   what one function makes is what the other takes
 * @property {number} [longest] the longest input in bytes, of one in C
 */

/** @type {Readonly<Record<string, Fuzzer>>} */
export const FUZZERS = Object.freeze({
  'chat-template': { runs: 8000, load: () => import('./chat-template.js') },
  'tokenizer-metadata': { runs: 2500, load: () => import('./tokenizer-metadata.js') },
  gguf: { runs: 60_000, longest: 4096 },
  model: { runs: 4000, longest: 4096 },
  'session-image': { runs: 3000, longest: 16_384 },
});
