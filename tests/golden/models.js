// The tiny random models of the golden tests, and their recorded results in golden/. A model is made anew from its
// name whenever it is needed: integers from a seeded generator, and float steps that IEEE 754 defines exactly, so its
// bytes are the same on every machine and their SHA-256 is part of the record.

import { readFileSync } from 'node:fs';
import { dequantize } from '../dequantize.js';
import { evenHeads } from '../even-heads.js';
import { ggufBytes, writeGguf } from '../gguf-writer.js';
import { familyOf } from '../model-families.js';
import { present } from '../present.js';
import { QUANTIZABLE, quantize } from '../quantize.js';
import { blockShaper } from '../random-blocks.js';
import { deviation, metadata, tensors } from '../random-model.js';
import { Random } from '../random-numbers.js';
import { byteLength } from '../weight-formats.js';
import { FAMILY_MODELS } from './families.js';
import { referenceLogits } from './reference-forward.js';
import { TYPE_MODELS } from './types.js';

/** Lengths of the recorded sequences. */
export const LENGTHS = Object.freeze([1, 5, 17, 64, 300]);

const base = { context: 512, layers: 2, tied: false, epsilon: 1e-5, ropeBase: 10000 };

// Llama 3's kind of divisors: none for the fast pairs, `factor` for the slow ones, a blend between.
/** @param {number} pairs @param {number} factor */
const blend = (pairs, factor) =>
  Array.from({ length: pairs }, (_, i) => {
    const smooth = Math.min(1, Math.max(0, (pairs * 0.6 - i) / (pairs * 0.4)));
    return Math.fround(1 / ((1 - smooth) / factor + smooth));
  });

/** @typedef {import('../weight-formats.js').WeightType} WeightType */
/** @typedef {import('../random-model.js').LayoutTensor} LayoutTensor */
/** @typedef {import('../model-shapes.js').Shape} Shape */

/**
 * @typedef {(model: import('./reference-forward.js').Model, tokens: number[], overrides?: { ropeBase?: number }) =>
 *   Float64Array} Reference a forward pass that shares no code with the engine: logits of the token that follows
 */

/**
 * @typedef {object} GoldenModel
 * @property {Shape} shape
 * @property {Record<string, WeightType | WeightType[]>} types of 'block', 'embedding' and 'output' matrices, and of
 *   'norm' where it is not F32; of a list, its tensors get one after the other in turn
 * @property {'llama.cpp' | 'reference'} source of the recorded probabilities: reference-forward.js where llama.cpp has
 *   no such model
 * @property {Reference} [reference] what computes them, of a family where llama.cpp has no such model
 * @property {import('../random-model.js').Gains} [gains]
 * @property {number} [seed] one that gives entropies within bounds
 * @property {number} [windowRopeBase] of layers with a window, where the family has one that no key of the file says
 * @property {import('../gguf-writer.js').KeyValue[]} [plainKeys] what llama.cpp has to be told where its defaults are wrong
 */

/** @type {Record<string, Omit<GoldenModel, 'shape'> & { shape: Omit<Shape, 'name'> }>} */
const OWN_MODELS = {
  'f32-mha-tied': {
    gains: { query: 1.25, logits: 2.8 },
    source: 'llama.cpp',
    types: { block: 'f32', embedding: 'f32' },
    shape: { ...base, width: 64, heads: 2, kvHeads: 2, headSize: 32, ffn: 96, vocabulary: 301, tied: true },
  },
  'f16-gqa': {
    gains: { embedding: 0.01, logits: 3.4 },
    source: 'llama.cpp',
    types: { block: 'f16', embedding: 'f16', output: 'f16' },
    shape: { ...base, width: 128, heads: 4, kvHeads: 2, headSize: 32, ffn: 160, vocabulary: 403, ropeBase: 500000 },
  },
  'bf16-mqa-tied': {
    gains: { logits: 3.5 },
    seed: 2,
    source: 'llama.cpp',
    types: { block: 'bf16', embedding: 'bf16' },
    shape: { ...base, layers: 3, width: 96, heads: 3, kvHeads: 1, headSize: 32, ffn: 224, vocabulary: 333, tied: true },
  },
  'q8_0-mha-linear': {
    gains: { logits: 3.9 },
    seed: 3,
    source: 'llama.cpp',
    types: { block: 'q8_0', embedding: 'q8_0', output: 'q8_0' },
    shape: {
      ...base,
      ...{ layers: 3, width: 128, heads: 2, kvHeads: 2, headSize: 64, ffn: 352, vocabulary: 510 },
      scaling: { type: 'linear', factor: 2, originalContext: 256 },
    },
  },
  'q8_0-mqa-yarn': {
    gains: { logits: 3.2 },
    seed: 6,
    source: 'llama.cpp',
    types: { block: 'q8_0', embedding: 'q4_0', output: 'q8_0' },
    shape: {
      ...base,
      ...{ layers: 3, width: 160, heads: 4, kvHeads: 1, headSize: 64, ffn: 224, vocabulary: 419, ropeBase: 500000 },
      scaling: { type: 'yarn', factor: 8, originalContext: 512, attentionFactor: 0.9 },
    },
  },
  'q4_0-mha-deep-tied': {
    gains: { query: 1.25, down: 1.5, logits: 3.5 },
    seed: 6,
    source: 'llama.cpp',
    types: { block: 'q4_0', embedding: 'q4_0' },
    shape: { ...base, layers: 4, width: 96, heads: 3, kvHeads: 3, headSize: 32, ffn: 160, vocabulary: 999, tied: true },
  },
  'q4_0-gqa-llama3': {
    gains: { embedding: 0.35, logits: 3.9 },
    seed: 5,
    source: 'llama.cpp',
    types: { block: 'q4_0', embedding: 'q4_0' },
    shape: {
      ...base,
      ...{ width: 256, heads: 4, kvHeads: 2, headSize: 64, ffn: 480, vocabulary: 777, tied: true, ropeBase: 500000 },
      ropeFactors: blend(32, 8),
    },
  },
  'q4_0-mqa-128': {
    gains: { logits: 3.9 },
    source: 'llama.cpp',
    types: { block: 'q4_0', embedding: 'q4_0', output: 'q8_0' },
    shape: { ...base, width: 256, heads: 2, kvHeads: 1, headSize: 128, ffn: 416, vocabulary: 701 },
  },
  'q4_1-gqa-80-yarn': {
    gains: { logits: 3.6 },
    seed: 4,
    source: 'llama.cpp',
    types: { block: 'q4_1', embedding: 'q4_1', output: 'q4_1' },
    shape: {
      ...base,
      ...{ layers: 3, width: 160, heads: 4, kvHeads: 2, headSize: 80, ffn: 288, vocabulary: 650 },
      scaling: { type: 'yarn', factor: 4, originalContext: 128 },
    },
  },
  'q4_1-gqa-f16-tied': {
    gains: { logits: 2.9 },
    seed: 6,
    source: 'llama.cpp',
    types: { block: 'q4_1', embedding: 'f16' },
    shape: {
      ...base,
      width: 192,
      heads: 6,
      kvHeads: 2,
      headSize: 64,
      ffn: 352,
      vocabulary: 514,
      tied: true,
      epsilon: 1e-6,
    },
  },
  'q8_0-shared-blocks': {
    gains: { query: 1.3, logits: 3.4 },
    source: 'llama.cpp',
    types: { block: 'q8_0', embedding: 'q8_0' },
    shape: {
      ...base,
      ...{ layers: 4, width: 128, heads: 4, kvHeads: 2, headSize: 32, ffn: 224, vocabulary: 405, tied: true },
      blockRepeat: 2,
    },
  },
  'q4_0-window': {
    gains: { logits: 3.1 },
    source: 'reference',
    types: { block: 'q4_0', embedding: 'q4_0', output: 'q4_0' },
    shape: { ...base, width: 128, heads: 4, kvHeads: 2, headSize: 32, ffn: 224, vocabulary: 509, window: 48 },
  },
  'q8_0-partial-rope': {
    gains: { logits: 3.6 },
    seed: 5,
    source: 'reference',
    types: { block: 'q8_0', embedding: 'q8_0', output: 'q8_0' },
    shape: { ...base, width: 128, heads: 2, kvHeads: 2, headSize: 64, ropeSize: 32, ffn: 160, vocabulary: 342 },
  },
};

/** @type {Record<string, GoldenModel>} */
export const GOLDEN_MODELS = {
  ...Object.fromEntries(
    Object.entries(OWN_MODELS).map(([name, model]) => [name, { ...model, shape: { ...model.shape, name } }]),
  ),
  ...TYPE_MODELS,
  ...FAMILY_MODELS,
};

/**
 * What computes a model beside the engine and llama.cpp; null: nothing does.
 * @param {string} name
 * @returns {Reference | null}
 */
export const referenceOf = (name) =>
  FAMILY_MODELS[name] === undefined ? referenceLogits : (FAMILY_MODELS[name].reference ?? null);

/**
 * Whether a model has no RoPE at all, so that no error in it shows.
 * @param {string} name
 */
export const isWithoutRope = (name) =>
  name === 'baichuan-13b' ||
  familyOf(GOLDEN_MODELS[name].shape).positions ||
  (GOLDEN_MODELS[name].shape.keys ?? []).some(([key, , value]) => key === 'rope.scaling.finetuned' && !value);

/** @param {string} name */
function find(name) {
  const model = GOLDEN_MODELS[name];
  if (!model) throw new RangeError(`No golden model "${name}"; there are ${Object.keys(GOLDEN_MODELS).join(', ')}.`);
  return model;
}

// The sum of four uniform numbers: near enough to a normal distribution of deviation 1, by exact arithmetic alone.
/** @param {Random} random @param {number} count */
function bell(random, count) {
  const numbers = new Uint32Array(4 * count);
  random.fill(numbers);
  const unit = Math.sqrt(3) / 2 ** 32;
  return Float32Array.from({ length: count }, (_, i) => {
    const at = 4 * i;
    return (numbers[at] + numbers[at + 1] + numbers[at + 2] + numbers[at + 3] - 2 ** 33) * unit;
  });
}

/** @param {LayoutTensor} tensor @param {Shape} shape @param {number} seed */
function randomWeights(tensor, shape, seed) {
  if (tensor.values) return Float32Array.from(tensor.values);
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  const weights = bell(new Random(`golden ${shape.name} ${seed} ${tensor.name}`), count);
  if (tensor.role === 'norm') return weights.map((value) => tensor.gain * (1 + 0.2 * value));
  const sigma = deviation(tensor);
  return weights.map((value) => value * sigma);
}

// Of a type that nothing quantises to, random bits with scales of the right size.
/** @param {LayoutTensor} tensor @param {Shape} shape @param {number} seed */
function randomTensor(tensor, shape, seed) {
  if (QUANTIZABLE.includes(tensor.type)) return quantize(tensor.type, randomWeights(tensor, shape, seed));
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  const size = byteLength(tensor.type, count);
  const words = new Uint32Array(Math.ceil(size / 4));
  new Random(`golden ${shape.name} ${seed} ${tensor.name}`).fill(words);
  blockShaper(
    tensor.type,
    tensor.role === 'norm' ? tensor.gain : deviation(tensor),
  )(new DataView(words.buffer, 0, size));
  return new Uint8Array(words.buffer, 0, size);
}

// Each tensor with the type that its role has, or the next of a list.
/** @param {LayoutTensor[]} list @param {Record<string, WeightType | WeightType[]>} types */
function withTypes(list, types) {
  const used = new Map();
  return list.map((tensor) => {
    const choice = types[tensor.role];
    if (!Array.isArray(choice)) return choice ? { ...tensor, type: choice } : tensor;
    const turn = used.get(tensor.role) ?? 0;
    used.set(tensor.role, turn + 1);
    return { ...tensor, type: choice[turn % choice.length] };
  });
}

/**
 * A model that computes each stored block twice, written as the plain model it equals.
 * @template {LayoutTensor} T
 * @param {T[]} list
 * @param {Shape} shape
 */
function unshare(list, { layers, blockRepeat }) {
  const blocks = list.filter(({ name }) => name.startsWith('blk.'));
  const copies = Array.from({ length: layers }, (_, layer) => {
    const stored = `blk.${Math.floor(layer / present(blockRepeat))}.`;
    const mine = blocks.filter(({ name }) => name.startsWith(stored));
    return mine.map((tensor) => ({
      ...tensor,
      name: tensor.name.replace(stored, `blk.${layer}.`),
    }));
  });
  return [...list.filter((tensor) => !blocks.includes(tensor)), ...copies.flat()];
}

/**
 * A golden model's file, in the writer's terms.
 * @param {string} name
 * @param {{twin?: boolean, plain?: boolean, ropeBase?: number}} [options] `twin`: the same weights dequantised to F32;
 *   `plain`: for llama.cpp, with shared blocks written out, keys and values of one size, and the keys that it needs
 *   besides; `ropeBase`: another one,
 *   in a plain file
 */
export function goldenFile(name, { twin = false, plain = false, ropeBase } = {}) {
  const { shape, types, gains, seed = 1, plainKeys = [], windowRopeBase } = find(name);
  let list = withTypes(
    tensors(shape, () => 'f32', gains),
    types,
  ).map((tensor) => {
    const bytes = randomTensor(tensor, shape, seed);
    /** @type {LayoutTensor & { bytes: Uint8Array }} */
    const filled = twin
      ? { ...tensor, type: 'f32', bytes: quantize('f32', dequantize(tensor.type, bytes)) }
      : { ...tensor, bytes };
    return filled;
  });
  /** @type {Shape} */
  const written = { ...shape, ropeBase: ropeBase ?? shape.ropeBase };
  if (plain) written.keys = [...(shape.keys ?? []), ...plainKeys];
  if (ropeBase && windowRopeBase) {
    present(written.keys).push(['rope.freq_base_swa', 'f32', (windowRopeBase * ropeBase) / shape.ropeBase]);
  }
  if (plain && shape.blockRepeat) {
    list = unshare(list, shape);
    written.blockRepeat = undefined;
  }
  if (plain && shape.valueSize) {
    const most = Math.max(shape.headSize, shape.valueSize);
    list = evenHeads(list, shape);
    // Of adjacent pairs, the same frequencies: llama.cpp rotates whole heads of some families alone.
    written.ropeBase **= most / shape.headSize;
    written.headSize = written.valueSize = most;
  }
  return {
    metadata: metadata(written),
    tensors: list,
    /** @param {{ bytes: Uint8Array }} tensor */
    produce: ({ bytes }) => [bytes],
  };
}

/**
 * A golden model as the bytes of a GGUF file.
 * @param {string} name
 * @param {Parameters<typeof goldenFile>[1]} [options]
 */
export const goldenBytes = (name, options) => ggufBytes(goldenFile(name, options));

/**
 * Writes a golden model to a file.
 * @param {string} name
 * @param {string} path
 * @param {Parameters<typeof goldenFile>[1]} [options]
 */
export const writeGoldenModel = (name, path, options) => writeGguf(path, goldenFile(name, options), { hash: true });

/**
 * A golden model for reference-forward.js.
 * @param {string} name
 * @returns {import('./reference-forward.js').Model}
 */
export function goldenReference(name) {
  const file = goldenFile(name, { twin: true });
  return {
    metadata: new Map(file.metadata.map(([key, type, value]) => [key, type === 'f32' ? Math.fround(value) : value])),
    tensors: new Map(
      file.tensors.map(({ name: tensor, shape, bytes }) => [tensor, { shape, weights: dequantize('f32', bytes) }]),
    ),
  };
}

/**
 * The token sequences of a golden model, one of each of LENGTHS.
 * @param {string} name
 * @returns {number[][]}
 */
export function goldenTokens(name) {
  const { vocabulary } = find(name).shape;
  const random = new Random(`tokens ${name}`);
  return LENGTHS.map((length) => Array.from({ length }, () => random.below(vocabulary)));
}

/**
 * @typedef {object} GoldenSequence
 * @property {number[]} tokens
 * @property {Float32Array} logProbabilities [vocabulary] natural logs of the F32 twin's next-token probabilities
 * @property {number} entropy of them, in nats
 * @property {number | null} defaultKl KL(twin || the quantised file) of llama.cpp in its default mode; null where
 *   llama.cpp cannot run the model
 * @property {number} ropeKl KL(base || base * 1.02) of the reference forward, or of llama.cpp where it does not know the
 *   family: how much a RoPE error of 2% shows
 */

/**
 * The recorded results of a golden model.
 * @param {string} name
 * @returns {{name: string, source: 'llama.cpp' | 'reference', generator: string, sha256: string, bytes: number,
 *   sequences: GoldenSequence[]}}
 */
export function readGolden(name) {
  find(name);
  const record = JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), 'utf8'));
  for (const sequence of record.sequences) {
    const bytes = Buffer.from(sequence.logProbabilities, 'base64');
    sequence.logProbabilities = Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
  }
  return record;
}
