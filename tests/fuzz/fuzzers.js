// The fuzzers by name. Each module's default export has `runs`, how many cases the test suite tries; `describe(random)`,
// which makes a case; and `run(case)`, which throws nothing but a NibbleError unless something is wrong.

/** @type {Record<string, () => Promise<{ default: { runs: number, describe: (random: any) => any, run: (tried: any) => any } }>>} */
export const FUZZERS = Object.freeze({
  'chat-template': () => import('./chat-template.js'),
  'tokenizer-metadata': () => import('./tokenizer-metadata.js'),
});
