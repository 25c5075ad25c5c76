// The golden record is whole and says what it should: weights that any machine can make again, distributions that a
// wrong engine would not match.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { entropy, kl, logSoftmax } from '../divergence.js';
import { present } from '../present.js';
import { FOREIGN_TYPES, FORMATS } from '../weight-formats.js';
import {
  GOLDEN_MODELS,
  goldenBytes,
  goldenReference,
  goldenTokens,
  isWithoutRope,
  LENGTHS,
  readGolden,
  referenceOf,
} from './models.js';
import { referenceLogits } from './reference-forward.js';

const names = Object.keys(GOLDEN_MODELS);
const folder = new URL('./', import.meta.url);

test('every golden model has a record, every record a model, and all stay small', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  assert.deepEqual(files.sort(), names.map((name) => `${name}.json`).sort());
  const total = files.reduce((sum, file) => sum + statSync(new URL(file, folder)).size, 0);
  assert.ok(total < 1.5e6, `${total} bytes of records`);
});

for (const name of names) {
  const record = readGolden(name);
  const { shape, source } = GOLDEN_MODELS[name];

  test(`${name}: the weights are made again to the byte`, () => {
    const bytes = goldenBytes(name);
    assert.ok(bytes.length < 1e6, `${bytes.length} bytes`);
    assert.equal(bytes.length, record.bytes);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), record.sha256);
    assert.equal(record.source, source);
  });

  test(`${name}: the distributions are whole, neither flat nor certain`, () => {
    assert.deepEqual(
      record.sequences.map(({ tokens }) => tokens),
      goldenTokens(name),
    );
    assert.deepEqual(
      record.sequences.map(({ tokens }) => tokens.length),
      LENGTHS,
    );
    for (const { tokens, logProbabilities, entropy: recorded, ropeKl, defaultKl } of record.sequences) {
      assert.equal(logProbabilities.length, shape.vocabulary);
      const sum = logProbabilities.reduce((total, log) => total + Math.exp(log), 0);
      assert.ok(Math.abs(sum - 1) < 1e-6, `probabilities sum to ${sum}`);
      const found = entropy(logProbabilities);
      assert.ok(found > 1 && found < 4, `entropy ${found}`);
      assert.ok(Math.abs(found - recorded) < 1e-5, `entropy ${found}, recorded ${recorded}`);
      if (isWithoutRope(name)) assert.equal(ropeKl, 0);
      else if (tokens.length >= 64) assert.ok(ropeKl > 1e-4, `a RoPE base 2% off gives KL ${ropeKl}`);
      if (source === 'llama.cpp')
        assert.ok(present(defaultKl) > 0 && present(defaultKl) < 0.1, `default-mode KL ${defaultKl}`);
      else assert.equal(defaultKl, null);
    }
  });

  const reference = referenceOf(name);
  test(`${name}: a record of a reference has one`, () => assert.ok(source === 'llama.cpp' || reference !== null));
  if (reference === null) continue;
  test(`${name}: the reference gives the recorded distributions`, () => {
    const model = goldenReference(name);
    for (const { tokens, logProbabilities } of record.sequences.filter(({ tokens }) => tokens.length <= 64)) {
      const divergence = kl(logProbabilities, logSoftmax(reference(model, tokens)));
      assert.ok(divergence < 1e-6, `${tokens.length} tokens: KL ${divergence}`);
    }
  });
}

test('every weight type is an embedding, an output and a matrix of a block in a golden model of llama.cpp', () => {
  const held = { block: new Set(), embedding: new Set(), output: new Set() };
  for (const { types } of Object.values(GOLDEN_MODELS).filter(({ source }) => source === 'llama.cpp')) {
    for (const type of [types.block].flat()) held.block.add(type);
    held.embedding.add(types.embedding);
    held.output.add(types.output ?? types.embedding);
  }
  for (const [role, types] of Object.entries(held)) {
    const known = Object.keys(FORMATS).filter((type) => !FOREIGN_TYPES.includes(type));
    assert.deepEqual([...types].sort(), known.sort(), role);
  }
});

/** @param {string} name @param {string} key @param {unknown} value */
function divergenceWhen(name, key, value) {
  const model = goldenReference(name);
  model.metadata.set(key, value);
  const { tokens, logProbabilities } = present(
    readGolden(name).sequences.find((sequence) => sequence.tokens.length === 64),
  );
  return kl(logProbabilities, logSoftmax(referenceLogits(model, tokens)));
}

test('mistakes that the records are there for show in them', () => {
  /** @type {[string, string, unknown][]} */
  const mistakes = [
    ['q4_0-window', 'llama.attention.sliding_window', 0],
    ['q4_0-window', 'llama.attention.sliding_window', 47],
    ['q4_0-window', 'llama.attention.sliding_window', 49],
    ['q8_0-shared-blocks', 'nibble.block_repeat', 1],
    ['q8_0-partial-rope', 'llama.rope.dimension_count', 64],
    ['q8_0-mha-linear', 'llama.rope.scaling.factor', 1],
    ['q8_0-mqa-yarn', 'llama.rope.scaling.type', 'linear'],
    ['q8_0-mqa-yarn', 'llama.rope.scaling.attn_factor', 1],
    ['q4_1-gqa-80-yarn', 'llama.rope.scaling.original_context_length', 512],
    ['f16-gqa', 'llama.attention.layer_norm_rms_epsilon', 1e-6],
  ];
  for (const [name, key, value] of mistakes) {
    const divergence = divergenceWhen(name, key, value);
    assert.ok(divergence > 1e-4, `${name} with ${key} = ${value}: KL ${divergence}`);
  }
  const plain = goldenReference('q4_0-gqa-llama3');
  plain.tensors.delete('rope_freqs.weight');
  const { tokens, logProbabilities } = readGolden('q4_0-gqa-llama3').sequences[3];
  assert.ok(kl(logProbabilities, logSoftmax(referenceLogits(plain, tokens))) > 1e-4, 'without rope_freqs.weight');
});

test('divergence is zero between equals, known where it can be worked out, and refuses unequal lengths', () => {
  const half = [Math.log(0.5), Math.log(0.5)];
  const quarter = [Math.log(0.25), Math.log(0.75)];
  assert.equal(kl(half, half), 0);
  assert.ok(Math.abs(kl(half, quarter) - (0.5 * Math.log(2) + 0.5 * Math.log(2 / 3))) < 1e-15);
  assert.ok(Math.abs(entropy(half) - Math.log(2)) < 1e-15);
  assert.deepEqual(Array.from(logSoftmax([1000, 1000])), Array.from(half));
  assert.throws(() => kl(half, [0]), RangeError);
});

test('an unknown golden model is refused by name', () => {
  assert.throws(() => readGolden('nonesuch'), /nonesuch.*f32-mha-tied/);
});
