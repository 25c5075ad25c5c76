// Records golden/*.json anew: next-token probabilities of every golden model by native llama.cpp, or by a
// reference where llama.cpp has no such model. Not needed to run the tests.
//
//   npm install --prefix build/llama --ignore-scripts node-llama-cpp@3.22
//   node tests/golden/generate.js --llama build/llama
//   npx biome format --write tests/golden
//
// A model that does not serve as a test is refused: entropies out of bounds, a RoPE error that would not show, or
// llama.cpp and a reference in disagreement. reference-forward.js knows plain Llama; of other families those that
// llama.cpp lacks have a reference (families.js), and for those that it has it shows what a RoPE error is worth.
// `--only NAME` records one model; where that has a reference for its source, llama.cpp need not be there.

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { entropy, kl, logSoftmax } from '../divergence.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';
import { loadLlama } from './llama.js';
import {
  GOLDEN_MODELS,
  goldenBytes,
  goldenReference,
  goldenTokens,
  isWithoutRope,
  referenceOf,
  writeGoldenModel,
} from './models.js';

const ENTROPY = [1, 4];
const LEAST_ROPE_KL = 1e-4;
const ROPE_ERROR = 1.02;
const MOST_DISAGREEMENT = 1e-6;

// `exact`: F32 KV and plain attention; otherwise what llama.cpp does by default.
/** @param {any} llama @param {string} modelPath @param {any[]} sequences @param {boolean} exact */
async function llamaLogits(llama, modelPath, sequences, exact) {
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const cache = exact
    ? { experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32', flashAttention: false }
    : {};
  const context = await model.createContext({ contextSize: 512, batchSize: 512, threads: 1, ...cache });
  const sequence = context.getSequence();
  const results = [];
  for (const tokens of sequences) {
    await sequence.clearHistory();
    const input = tokens.slice(0, -1);
    // Temperature 0 is greedy: the logits are left as the model gave them, for the whole vocabulary.
    input.push([tokens.at(-1), { generateNext: { logits: true, options: { temperature: 0 } } }]);
    const output = (await sequence.controlledEvaluate(input)).at(-1);
    const found = output.next.logits;
    results.push(Float64Array.from({ length: found.size }, (_, id) => found.get(id)));
  }
  await context.dispose();
  await model.dispose();
  return results;
}

/** @param {boolean} condition @param {string} sentence */
function insist(condition, sentence) {
  if (!condition) throw new Error(sentence);
}

/** @param {any} llama @param {string} name @param {any[]} sequences @param {string} path */
async function ropeLogits(llama, name, sequences, path) {
  const { ropeBase } = GOLDEN_MODELS[name].shape;
  writeGoldenModel(name, path, { twin: true, plain: true, ropeBase: ROPE_ERROR * ropeBase });
  return llamaLogits(llama, path, sequences, true);
}

/** @param {any} llama @param {string} name @param {number[][]} sequences @param {string} folder */
async function measureLlama(llama, name, sequences, folder) {
  const twinPath = join(folder, `${name}.f32.gguf`);
  const path = join(folder, `${name}.gguf`);
  writeGoldenModel(name, twinPath, { twin: true, plain: true });
  writeGoldenModel(name, path, { plain: true });
  const twin = await llamaLogits(llama, twinPath, sequences, true);
  const rope = referenceOf(name) ? [] : await ropeLogits(llama, name, sequences, twinPath);
  const usual = await llamaLogits(llama, path, sequences, false);
  for (const logits of [...twin, ...usual]) {
    insist(logits.length === GOLDEN_MODELS[name].shape.vocabulary, `${name}: ${logits.length} logits from llama.cpp.`);
  }
  return { twin: twin.map(logSoftmax), usual: usual.map(logSoftmax), rope: rope.map(logSoftmax) };
}

// `reference` is null where the model has none.
/**
 * @param {string} name
 * @param {number[]} tokens
 * @param {Float64Array<ArrayBufferLike> | null} truth
 * @param {Float64Array<ArrayBufferLike> | null} reference
 * @param {Float64Array<ArrayBufferLike>} ropeError
 */
function checkedRecord(name, tokens, truth, reference, ropeError) {
  const record = {
    tokens,
    entropy: entropy(present(truth)),
    ropeKl: kl(present(reference ?? truth), ropeError),
    ...(reference ? { referenceKl: kl(present(truth), reference) } : {}),
  };
  const where = `${name}, ${tokens.length} tokens`;
  insist(record.entropy > ENTROPY[0] && record.entropy < ENTROPY[1], `${where}: entropy ${record.entropy}.`);
  const shows = tokens.length < 64 || record.ropeKl > LEAST_ROPE_KL || isWithoutRope(name);
  insist(shows, `${where}: a RoPE error shows as KL ${record.ropeKl}.`);
  const agrees = !reference || present(record.referenceKl) < MOST_DISAGREEMENT;
  insist(agrees, `${where}: KL ${record.referenceKl} between llama.cpp and reference.`);
  return record;
}

/** @param {string} name @param {any} llama @param {string | null} version @param {string} folder */
async function generate(name, llama, version, folder) {
  const { source } = GOLDEN_MODELS[name];
  const sequences = goldenTokens(name);
  const model = goldenReference(name);
  const ropeBase = ROPE_ERROR * GOLDEN_MODELS[name].shape.ropeBase;
  const compute = referenceOf(name);
  const measured = source === 'llama.cpp' ? await measureLlama(llama, name, sequences, folder) : null;
  const records = sequences.map((tokens, i) => {
    const reference = compute && logSoftmax(compute(model, tokens));
    const ropeError = compute ? logSoftmax(compute(model, tokens, { ropeBase })) : present(measured).rope[i];
    const truth = measured ? measured.twin[i] : reference;
    /** @type {any} */
    const record = checkedRecord(name, tokens, truth, reference, ropeError);
    record.defaultKl = measured ? kl(present(truth), measured.usual[i]) : null;
    record.logProbabilities = Buffer.from(Float32Array.from(untyped(truth)).buffer).toString('base64');
    return record;
  });
  const bytes = goldenBytes(name);
  const generator = source === 'llama.cpp' ? version : 'a reference of the tests';
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { name, source, generator, sha256, bytes: bytes.length, sequences: records };
}

/** @param {any[]} values */
const digits = (values) => values.map((value) => value?.toExponential(1) ?? '-').join(' ');

async function main() {
  const { values } = parseArgs({
    options: { llama: { type: 'string' }, only: { type: 'string', multiple: true } },
  });
  const names = values.only ?? Object.keys(GOLDEN_MODELS);
  const isNeeded = names.some((name) => GOLDEN_MODELS[name]?.source !== 'reference');
  const { llama, version } = isNeeded ? await loadLlama(values.llama) : { llama: null, version: null };
  const folder = mkdtempSync(join(tmpdir(), 'golden-'));
  try {
    for (const name of names) {
      const record = await generate(name, llama, version, folder);
      const path = new URL(`./${name}.json`, import.meta.url);
      writeFileSync(path, `${JSON.stringify(record).replaceAll('{"tokens"', '\n{"tokens"')}\n`);
      /** @param {string} key */
      const column = (key) => digits(record.sequences.map((/** @type {any} */ sequence) => sequence[key]));
      const entropies = record.sequences.map((sequence) => sequence.entropy.toFixed(1)).join(' ');
      console.log(`${name}: ${record.bytes} bytes, entropy ${entropies}, reference KL ${column('referenceKl')},`);
      console.log(`  RoPE error KL ${column('ropeKl')}, default-mode KL ${column('defaultKl')}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
    await llama?.dispose();
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
