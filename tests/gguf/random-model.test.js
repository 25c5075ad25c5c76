import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dequantize } from '../dequantize.js';
import { ggufBytes } from '../gguf-writer.js';
import { SHAPES } from '../model-shapes.js';
import { deviation, tensors, vocabulary, writeRandomModel } from '../random-model.js';
import { Random } from '../random-numbers.js';
import { FORMATS, fromHalf, WEIGHT_TYPES } from '../weight-formats.js';

/** @typedef {import('../random-model.js').LayoutTensor} LayoutTensor */
/** @typedef {import('../weight-formats.js').WeightType} WeightType */

const folder = mkdtempSync(join(tmpdir(), 'random-model-'));
after(() => rmSync(folder, { recursive: true }));

const small = { ...SHAPES['llama-3.2-1b'], name: 'small', width: 256, layers: 2, ffn: 256, heads: 4, kvHeads: 1 };
small.vocabulary = 300;

// The first matrix stands first in the data: its bytes, found from the end of the file.
/** @param {Buffer<ArrayBuffer>} file @param {WeightType} type */
function embedding(file, type) {
  const list = tensors(small, () => type);
  /** @param {LayoutTensor} tensor */
  const size = ({ type: own, shape }) => (shape.reduce((a, b) => a * b, 1) / FORMATS[own].weights) * FORMATS[own].bytes;
  const padded = list.reduce((sum, tensor) => sum + Math.ceil(size(tensor) / 32) * 32, 0);
  const bytes = file.subarray(file.length - padded, file.length - padded + size(list[0]));
  return { bytes, wanted: deviation(list[0]) };
}

for (const type of WEIGHT_TYPES) {
  test(`${type}: a seed gives one file, another seed another, and weights have the wanted size`, () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => join(folder, `${name}.gguf`));
    const { bytes } = writeRandomModel(a, { shape: small, type, seed: 7 });
    writeRandomModel(b, { shape: small, type, seed: 7 });
    writeRandomModel(c, { shape: small, type, seed: 8 });
    const file = readFileSync(a);
    assert.equal(file.length, bytes);
    assert.ok(file.equals(readFileSync(b)));
    assert.ok(!file.equals(readFileSync(c)));
    const { bytes: blocks, wanted } = embedding(file, type);
    const weights = dequantize(type, blocks);
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
    const found = Math.sqrt(weights.reduce((sum, weight) => sum + (weight - mean) ** 2, 0) / weights.length);
    assert.ok(Math.abs(mean) < 0.1 * wanted, `mean ${mean}`);
    assert.ok(found > 0.6 * wanted && found < 1.4 * wanted, `deviation ${found}, wanted ${wanted}`);
  });
}

test('no scale of a block is denormal, for every real shape', () => {
  for (const shape of Object.values(SHAPES)) {
    const smallest = Math.min(
      ...tensors(shape, () => 'q8_0')
        .filter(({ role }) => role !== 'norm')
        .map(deviation),
    );
    assert.ok((0.75 * smallest) / 73.9 > 2 ** -14, `${shape.name}: ${smallest / 73.9}`);
  }
  const path = join(folder, 'scales.gguf');
  writeRandomModel(path, { shape: small, type: 'q4_0' });
  const { bytes } = embedding(readFileSync(path), 'q4_0');
  for (let at = 0; at < bytes.length; at += 18) assert.ok(Math.abs(fromHalf(bytes.readUInt16LE(at))) > 2 ** -14);
});

test('a file type puts its number and its mixture into the file', () => {
  const [mixed, pure] = ['mixed', 'pure'].map((name) => join(folder, `${name}.gguf`));
  writeRandomModel(mixed, { shape: small, type: 'Q4_K_M' });
  writeRandomModel(pure, { shape: small, type: 'q6_k' });
  /** @param {Record<string, WeightType>} types */
  const size = (types) =>
    tensors(small, (role) => types[role]).reduce((sum, { type, shape }) => {
      const { weights, bytes } = FORMATS[type];
      return sum + (shape.reduce((a, b) => a * b, 1) / weights) * bytes;
    }, 0);
  const [found, largest] = [mixed, pure].map((path) => readFileSync(path).length);
  assert.ok(found < largest && found > size({ embedding: 'q4_k', block: 'q4_k' }), `${found} of ${largest} bytes`);
  for (const [path, number] of [
    [mixed, 15],
    [pure, 18],
  ]) {
    const file = readFileSync(path);
    const key = file.indexOf('general.file_type');
    assert.equal(file.readUInt32LE(key + 'general.file_type'.length + 4), number);
  }
});

test('rows that are no whole blocks of a type are refused', () => {
  const path = join(folder, 'rows.gguf');
  assert.throws(
    () => writeRandomModel(path, { shape: { ...small, width: 128 }, type: 'q4_k' }),
    /128 weights do not fill/,
  );
});

test('vocabularies have the asked size, no piece twice, and merges of pieces that are there', () => {
  for (const { vocabulary: size } of Object.values(SHAPES)) {
    const { tokens, types, merges } = vocabulary(size);
    assert.equal(tokens.length, size);
    assert.equal(types.length, size);
    const known = new Set(tokens);
    assert.equal(known.size, size);
    for (const merge of merges) {
      const [left, right] = merge.split(' ');
      assert.ok(known.has(left) && known.has(right) && known.has(left + right), merge);
    }
  }
});

test('the generator gives xoshiro128** numbers', () => {
  const random = new Random('');
  random.state.set([1, 2, 3, 4]);
  assert.deepEqual([random.next(), random.next(), random.next()], [11520, 0, 5927040]);
});

test('a tensor of another size than announced is refused', () => {
  assert.throws(
    () =>
      ggufBytes({
        metadata: [],
        tensors: [{ name: 'short', type: 'f32', shape: [4] }],
        produce: () => [new Uint8Array(12)],
      }),
    /short: 12 bytes/,
  );
});

test('the command refuses what it does not know, in a sentence', () => {
  const script = fileURLToPath(new URL('../random-model.js', import.meta.url));
  /** @param {string[]} options */
  const run = (options) => spawnSync(process.execPath, [script, ...options], { encoding: 'utf8' });
  const out = ['--out', join(folder, 'x.gguf')];
  /** @type {[string[], RegExp][]} */
  const cases = [
    [['--shape', 'x', ...out], /Unknown shape "x"/],
    [['--shape', 'smollm2-135m', '--type', 'q9', ...out], /Unknown type "q9"/],
    [['--shape', 'smollm2-135m', '--seed', 'abc', ...out], /seed/],
    [['--shape', 'smollm2-135m'], /--out/],
  ];
  for (const [options, sentence] of cases) {
    const { status, stderr } = run(options);
    assert.equal(status, 1);
    assert.match(stderr, sentence);
  }
});

test('metadata longer than a page of the writer stays in order', () => {
  const tokens = Array.from({ length: 20000 }, (_, i) => `token ${i}`);
  /** @type {import('../gguf-writer.js').KeyValue[]} */
  const entries = [
    ['list', 'string[]', tokens],
    ['long', 'string', 'x'.repeat(200000)],
    ['end', 'u32', 7],
  ];
  const file = ggufBytes({ metadata: entries, tensors: [], produce: () => [] });
  assert.equal(file.toString('latin1', 0, 4), 'GGUF');
  let at = 24 + 8 + 4 + 4 + 4 + 8;
  for (const token of tokens) {
    const size = Number(file.readBigUInt64LE(at));
    assert.equal(file.toString('utf8', at + 8, at + 8 + size), token);
    at += 8 + size;
  }
  at += 8 + 4 + 4 + 8 + 200000;
  assert.equal(file.toString('utf8', at + 8, at + 11), 'end');
  assert.equal(file.readUInt32LE(at + 15), 7);
});
