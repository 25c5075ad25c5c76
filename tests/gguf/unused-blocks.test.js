// Files whose last blocks predict tokens beyond the next: they are left out, and the model is what it is without them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEngine, describeModel } from '../../js/index.node.js';
import { ggufBytes } from '../gguf-writer.js';
import { FAMILY_MODELS } from '../golden/families.js';
import { goldenBytes, goldenFile } from '../golden/models.js';
import { present } from '../present.js';

/** @typedef {import('../gguf-writer.js').KeyValue} KeyValue */

/** @typedef {{ further?: number, counted?: number, extra?: Record<string, unknown> }} Further */

/**
 * A golden model with further blocks behind its own, which the key may count.
 * @param {string} name
 * @param {Further} [options]
 */
function withFurther(name, { further = 1, counted = further, extra = {} } = {}) {
  const file = goldenFile(name);
  const { family, width } = FAMILY_MODELS[name].shape;
  const blocks = present(file.metadata.find(([key]) => key === `${family}.block_count`))[2];
  const added = Array.from({ length: further }, (_, i) => {
    const own = file.tensors.filter((tensor) => tensor.name.startsWith('blk.0.'));
    const like = present(own.find((tensor) => tensor.name === 'blk.0.attn_output.weight'));
    /** @param {number[]} shape @param {string} suffix @returns {typeof like} */
    const floats = (shape, suffix) => ({ ...like, type: 'f32', shape, name: `blk.0.${suffix}.weight` });
    const head = [floats([2 * width, width], 'nextn.eh_proj'), floats([width], 'nextn.enorm')].map((tensor) => ({
      ...tensor,
      bytes: new Uint8Array(4 * tensor.shape.reduce((product, size) => product * size, 1)),
    }));
    return [...own, ...head].map((tensor) => ({
      ...tensor,
      name: tensor.name.replace('blk.0.', `blk.${blocks + i}.`),
    }));
  }).flat();
  /** @param {KeyValue} entry @returns {KeyValue} */
  const changed = ([key, type, value]) => {
    if (key === `${family}.block_count`) return [key, type, blocks + further];
    return [key, type, extra[key] ?? value];
  };
  const entries = file.metadata.map(changed);
  entries.push([`${family}.nextn_predict_layers`, 'u32', counted]);
  // Before the output's norm, as converters write them, so that loading has to pass over them.
  const tensors = [...file.tensors];
  tensors.splice(
    tensors.findIndex(({ name: tensor }) => tensor === 'output_norm.weight'),
    0,
    ...added,
  );
  return ggufBytes({ ...file, metadata: entries, tensors });
}

/** @param {Buffer<ArrayBuffer>} model */
async function facts(model, options = {}) {
  const engine = await createEngine({ model, threads: 1, ...options });
  const { top } = await engine.evaluate(
    Array.from({ length: 70 }, (_, i) => (i * 31) % 250),
    { top: 0 },
  );
  const { blocks, parameters, bytesPerToken, packedBytes, warnings } = engine.info;
  await engine.unload();
  return { top, numbers: { blocks, parameters, bytesPerToken, packedBytes }, warnings };
}

const WARNING = 'PREDICTION_BLOCKS_UNUSED';

for (const [name, options] of /** @type {[string, Further][]} */ ([
  ['glm4-untied', {}],
  ['glm4-tied', { further: 2 }],
  ['qwen2-tied', {}],
  ['exaone4-full', {}],
])) {
  test(`${name}: what is counted, computed and kept is that of the file without them`, async () => {
    const model = withFurther(name, options);
    const [found, expected] = [await facts(model), await facts(goldenBytes(name))];
    assert.deepEqual(found.top, expected.top);
    assert.deepEqual(found.numbers, expected.numbers);
    const told = found.warnings.filter(({ code }) => code === WARNING);
    assert.equal(told.length, 1);
    assert.match(told[0].message, options.further === 2 ? /last 2 blocks/ : /last block /);
    assert.ok(!expected.warnings.some(({ code }) => code === WARNING));
    const { warnings, problem } = await describeModel(model);
    assert.equal(problem, null);
    assert.deepEqual(warnings, found.warnings);
  });
}

test('windows are told for all blocks of the file, those left out among them', async () => {
  const name = 'granite_swa-window';
  /** @param {string} suffix */
  const key = (suffix) => `granite_swa.attention.${suffix}`;
  const extra = {
    [key('sliding_window_pattern')]: [true, false, true, true, false],
    [key('rope_pattern')]: [true, false, true, false, true],
  };
  const expected = await facts(goldenBytes(name));
  assert.deepEqual((await facts(withFurther(name, { extra }))).top, expected.top);
  await assert.rejects(facts(withFurther(name)), { code: 'MODEL_BAD_KEY', message: /4 entries.*5 blocks/ });
});

test('only the blocks that the key counts are left out', async () => {
  await assert.rejects(facts(withFurther('glm4-untied', { further: 2, counted: 1 })), {
    code: 'MODEL_UNSUPPORTED',
    message: /blk\.3\.nextn/,
  });
  await assert.rejects(facts(withFurther('glm4-untied', { further: 1, counted: 4 })), {
    code: 'MODEL_BAD_KEY',
    message: /nextn_predict_layers is 4; a number from 0 to 3/,
  });
});
