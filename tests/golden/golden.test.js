// The engine against recorded logits, native llama.cpp's or, where there are none, those of reference-forward.js:
// exactly in the exact mode, and in the default mode as near as llama.cpp's own default mode is. models.js makes
// the models, generate.js made the records. The core is asked in this thread; the library then has to give the same.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { KERNEL_SETS, wasmVariant } from '../../js/core/simd.js';
import { createEngine, defaultModel } from '../../js/index.node.js';
import { logitsAfter, openCoreModel } from '../core-model.js';
import { kl, logSoftmax } from '../divergence.js';
import { present } from '../present.js';
import { drawOfEach } from '../rounds.js';
import { untyped } from '../untyped.js';
import { defaultBar, divergences, EXACT_BAR, sequencesOf } from './divergences.js';
import { GOLDEN_MODELS, goldenBytes, isWithoutRope, readGolden } from './models.js';
import { TYPE_MODELS } from './types.js';

// Of INT8 pages alone, with everything else exact: what a real model may lose, and the random ones, whose flat
// distributions show far more.
const INT8_BAR = 1e-3;
const INT8_RANDOM_BAR = 1e-2;

/** @param {(null | number)[] | number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => present(a) - present(b));
  return sorted[sorted.length >> 1];
}

/** @param {import('../../js/base/public-types.js').Engine} engine @param {number[]} tokens */
async function logitsOf(engine, tokens) {
  const { top } = await engine.evaluate(tokens, { top: 0 });
  const logits = new Float32Array(top.length);
  for (const { id, logit } of top) logits[id] = logit;
  return logits;
}

for (const name of Object.keys(GOLDEN_MODELS)) {
  const golden = readGolden(name);
  const whose = golden.source === 'llama.cpp' ? "llama.cpp's" : "the reference's";
  test(`${name}: the exact mode gives ${whose} probabilities`, async () => {
    const found = await divergences(name, { exact: true });
    found.forEach((value, i) => {
      assert.ok(value <= EXACT_BAR, `${golden.sequences[i].tokens.length} tokens: KL ${value}`);
    });
  });
}

describe('the default mode is as near to the float model as that of llama.cpp', () => {
  const found = new Map();
  const peers = Object.keys(GOLDEN_MODELS).filter((name) => readGolden(name).source === 'llama.cpp');

  before(async () => {
    for (const name of peers) found.set(name, await divergences(name, {}));
  });
  after(() => found.clear());

  test('in no sequence more than 5 times as far', () => {
    for (const name of peers) {
      sequencesOf(name).forEach(({ tokens, defaultKl }, i) => {
        const bar = present(defaultBar(defaultKl));
        const value = found.get(name)[i];
        assert.ok(value <= bar, `${name}, ${tokens.length} tokens: KL ${value}, llama.cpp's ${defaultKl}`);
      });
    }
  });

  test('in the median over the files at most 2 times as far', () => {
    const ratios = peers.map((name) => {
      const theirs = sequencesOf(name).map(({ defaultKl }) => defaultKl);
      return present(median(found.get(name))) / present(median(theirs));
    });
    assert.ok(present(median(ratios)) <= 2, `ratios: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}`);
  });
});

describe('INT8 keys and values are near to the exact ones', () => {
  /** @param {number[]} values */
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  test('in the default model', async () => {
    /** @type {(Float64Array<ArrayBufferLike>[])[]} */
    const found = [];
    for (const kvType of ['f16', 'int8']) {
      const engine = await createEngine(untyped({ model: defaultModel, threads: 2, exact: true, kvType }));
      const text = await engine.render([{ role: 'user', content: 'What is Nibble, and what is 3 + 4?' }]);
      const tokens = await engine.tokenize(`${text}Nibble runs language models in a browser tab, offline.`);
      const rows = [];
      for (let count = 4; count <= tokens.length; count++) {
        rows.push(logSoftmax(Float64Array.from(await logitsOf(engine, tokens.slice(0, count)))));
      }
      assert.equal(engine.info.kvType, kvType === 'int8' ? 'int8' : 'f32');
      found.push(rows);
      await engine.unload();
    }
    const values = found[0].map((expected, i) => kl(expected, found[1][i]));
    assert.ok(values.length > 8 && Math.max(...values) > 0);
    assert.ok(mean(values) <= INT8_BAR, `KL ${mean(values)}`);
  });

  test('in random models, for which the type of the weights means nothing', async () => {
    for (const name of Object.keys(GOLDEN_MODELS).filter((name) => !TYPE_MODELS[name])) {
      const value = mean(await divergences(name, { exact: true, kvType: 'int8' }, sequencesOf(name).slice(0, 3)));
      assert.ok(value <= INT8_RANDOM_BAR, `${name}: KL ${value}`);
    }
  });
});

describe('every kernel set gives the same logits, whatever the types of the weights', () => {
  // Node 20 has relaxed SIMD behind a flag, and one instruction of it wrong, which relaxed-i32 and relaxed-u8 need.
  const hidden = wasmVariant() !== 'relaxed';
  const sets = KERNEL_SETS.filter(
    (set) => set !== 'reference' && !(hidden && ['relaxed-i32', 'relaxed-u8'].includes(set)),
  );
  before(() => hidden && setFlagsFromString('--experimental-wasm-relaxed-simd'));
  after(() => hidden && setFlagsFromString('--no-experimental-wasm-relaxed-simd'));

  /** @param {string} name @param {string} kernelSet */
  async function logits(name, kernelSet) {
    const variant = kernelSet.startsWith('relaxed') ? 'relaxed' : 'simd128';
    const { model, close } = await openCoreModel(goldenBytes(name), { kernelSet }, variant);
    try {
      assert.equal(model.kernels.kernelSet, kernelSet);
      const result = [];
      for (const { tokens } of readGolden(name).sequences.slice(0, 3)) result.push(await logitsAfter(model, tokens));
      return result;
    } finally {
      close();
    }
  }

  for (const name of Object.keys(TYPE_MODELS)) {
    test(name, async () => {
      const expected = await logits(name, 'reference');
      assert.deepEqual(
        expected.map(({ length }) => length),
        Array(3).fill(GOLDEN_MODELS[name].shape.vocabulary),
      );
      assert.ok(sets.length >= 2);
      for (const set of sets) assert.deepEqual(await logits(name, set), expected, set);
    });
  }
});

describe('the library, on two threads and with kernels that it chooses, gives what the core gives', () => {
  // Of each family one, and of the weight types some.
  /** @param {string} name @param {number} i */
  const kindOf = (name, i) =>
    TYPE_MODELS[name] ? `weight types ${i % 6}` : (GOLDEN_MODELS[name].shape.family ?? 'llama');
  drawOfEach('golden models in the library', Object.keys(GOLDEN_MODELS), kindOf).forEach((name, i) => {
    const exact = i % 2 === 0;
    test(`${name}, in the ${exact ? 'exact' : 'default'} mode`, async () => {
      const bytes = goldenBytes(name);
      const engine = await createEngine({ model: bytes, threads: 2, exact });
      const { model, close } = await openCoreModel(bytes, { exact });
      try {
        for (const { tokens } of sequencesOf(name)) {
          assert.deepEqual(await logitsOf(engine, tokens), await logitsAfter(model, tokens), `${tokens.length} tokens`);
        }
      } finally {
        close();
        await engine.unload();
      }
    });
  });
});

test('a rope base off by 2% would be seen', async () => {
  // The bar is only worth something if it is below what a small mistake costs: recorded with each golden.
  for (const name of Object.keys(GOLDEN_MODELS).filter((name) => !isWithoutRope(name))) {
    const { ropeKl } = present(readGolden(name).sequences.at(-1));
    assert.ok(ropeKl > 10 * EXACT_BAR, `${name}: KL ${ropeKl}`);
  }
});
