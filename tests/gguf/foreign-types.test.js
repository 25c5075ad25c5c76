// Weight types that llama.cpp lacks, of which no golden model can be recorded: I2_S of bitnet.cpp. The same weights as F32
// and as TQ2_0 say what such a model computes, however it is loaded. A day has one shape of it, NIBBLE_ALL_ROUNDS=1 each.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { createEngine, describeModel } from '../../js/index.node.js';
import { dequantize } from '../dequantize.js';
import { ggufBytes } from '../gguf-writer.js';
import { serveModels } from '../model-server.js';
import { present } from '../present.js';
import { metadata, writeRandomModel } from '../random-model.js';
import { drawOfEach } from '../rounds.js';
import { SMALL_SHAPE, temporaryFolder } from '../small-model.js';
import { isWeightType, toHalf } from '../weight-formats.js';

/** @typedef {import('../model-shapes.js').Shape} Shape */
/** @typedef {import('../weight-formats.js').WeightType} WeightType */

const PROMPT = Array.from({ length: 41 }, (_, i) => (i * 37) % 256);

// Rows of whole superblocks, and such that end with half a one.
const SHAPES = {
  'rows of 256 and 768 weights': { ...SMALL_SHAPE, width: 256, ffn: 768, layers: 8, headSize: 64 },
  'rows of 384 and 640 weights': { ...SMALL_SHAPE, width: 384, ffn: 640, layers: 8, headSize: 96 },
};

/** @param {Shape} shape */
function randomModel(shape) {
  const path = join(temporaryFolder(), 'random.gguf');
  writeRandomModel(path, { shape, type: 'i2_s' });
  return readFileSync(path);
}

/**
 * The file with `change`d tensors: of each that is I2_S, its type and bytes.
 * @param {Buffer<ArrayBuffer>} bytes
 * @param {Shape} shape
 * @param {(data: Uint8Array) => { type: WeightType, data: Uint8Array }} change
 */
async function changed(bytes, shape, change) {
  const { tensors } = await describeModel(bytes);
  const list = tensors.map(({ name, type, shape: sizes, offset, bytes: length }) => {
    const data = bytes.subarray(offset, offset + length);
    const own = type.toLowerCase();
    assert.ok(isWeightType(own));
    return { name, shape: sizes, ...(type === 'I2_S' ? change(data) : { type: own, data }) };
  });
  return ggufBytes({ metadata: metadata(shape), tensors: list, produce: ({ data }) => [data] });
}

/** @param {Uint8Array} data @returns {{ type: WeightType, data: Uint8Array }} */
const asFloats = (data) => ({ type: 'f32', data: new Uint8Array(dequantize('i2_s', data).buffer) });

/** The same with a scale that F16 holds. @param {Uint8Array} data */
function halfScale(data) {
  const copy = Buffer.from(data);
  copy.writeFloatLE(2 ** -5, copy.length - 32);
  return copy;
}

/**
 * Blocks of 256: two bits of four weights to a byte, and an F16 scale.
 * @param {Uint8Array} data
 * @returns {{ type: WeightType, data: Uint8Array }}
 */
function asTernary(data) {
  const weights = dequantize('i2_s', data);
  const blocks = Buffer.alloc((weights.length / 256) * 66);
  for (let i = 0; i < weights.length; i++) {
    const [block, at] = [Math.floor(i / 256), i % 256];
    blocks[block * 66 + (at >> 7) * 32 + (at & 31)] |= (Math.sign(weights[i]) + 1) << (((at >> 5) & 3) * 2);
    if (at === 0) blocks.writeUInt16LE(toHalf(2 ** -5), block * 66 + 64);
  }
  return { type: 'tq2_0', data: blocks };
}

/** @param {import('../../js/base/public-types.js').EngineOptions} options */
async function logitsOf(options) {
  const engine = await createEngine({ threads: 2, ...options });
  try {
    const { top } = await engine.evaluate(PROMPT, { top: 0 });
    const scores = await engine.score(PROMPT);
    return { logits: top.sort((a, b) => a.id - b.id).map(({ logit }) => logit), scores: Array.from(scores) };
  } finally {
    await engine.unload();
  }
}

for (const [name, shape] of drawOfEach('shapes of I2_S', Object.entries(SHAPES), () => 'shape')) {
  describe(`an I2_S model with ${name}`, () => {
    /** @type {Buffer<ArrayBuffer>} */
    let model;
    /** @type {Awaited<ReturnType<typeof logitsOf>>} */
    let expected;
    before(async () => {
      model = randomModel(shape);
      expected = await logitsOf({ model });
    });

    test('computes in exact mode what its weights compute as F32', async () => {
      const floats = await changed(model, shape, asFloats);
      const [found, wanted] = [await logitsOf({ model, exact: true }), await logitsOf({ model: floats, exact: true })];
      assert.ok(new Set(wanted.logits).size > 200);
      assert.deepEqual(found, wanted);
    });

    test('says what it is', async () => {
      const { quantization } = await describeModel(model);
      assert.equal(quantization.label, 'I2_S');
      const row = present(quantization.types.find(({ type }) => type === 'I2_S'));
      assert.equal(row.kind, shape.width % 256 === 0 ? 'TERNARY' : 'Q2_0');
      assert.ok(row.packedBytes < row.bytes * (row.kind === 'TERNARY' ? 1.035 : 1.13));
    });

    test('computes the same from a store, whose chunks end within tensors', async () => {
      const store = { folder: temporaryFolder(), chunkBytes: 9999 };
      assert.deepEqual(await logitsOf({ model, store }), expected);
      assert.deepEqual(await logitsOf({ model, store }), expected);
    });

    test('computes the same where weights stream', async () => {
      const { budget, packedBytes } = present(
        (await describeModel(model, { threads: 2, memoryBudget: 2 ** 40 })).model,
      );
      const store = { folder: temporaryFolder(), chunkBytes: 9999 };
      for (const share of [0, 0.1]) {
        const memoryBudget = Math.ceil(present(budget).leastBytes + share * packedBytes);
        const engine = await createEngine({ threads: 2, model, store, memoryBudget });
        assert.ok(present(engine.info.budget).streams);
        await engine.unload();
        assert.deepEqual(await logitsOf({ model, store, memoryBudget }), expected);
      }
    });
  });
}

test('I2_S computes what TQ2_0 does that has its scale in each block, to the last bit', async () => {
  const shape = SHAPES['rows of 256 and 768 weights'];
  const rounded = await changed(randomModel(shape), shape, (data) => ({
    type: 'i2_s',
    data: halfScale(data),
  }));
  const ternary = await changed(rounded, shape, asTernary);
  for (const exact of [false, true])
    assert.deepEqual(await logitsOf({ model: rounded, exact }), await logitsOf({ model: ternary, exact }));
});

test('a prompt that is given while I2_S arrives is answered as after a whole load', async () => {
  const shape = SHAPES['rows of 256 and 768 weights'];
  const model = randomModel(shape);
  const options = { tokens: PROMPT, maxTokens: 6, temperature: 0, ignoreEos: true };
  const whole = await createEngine({ model, threads: 2 });
  const expected = (await whole.complete(options).result).tokens;
  await whole.unload();
  const stream = new Blob([model]).stream();
  const early = await createEngine({
    model: { stream, size: model.length, name: 'early.gguf' },
    threads: 2,
    earlyStart: true,
  });
  assert.deepEqual((await early.complete(options).result).tokens, expected);
  await early.unload();
});

const LARGE = { ...SMALL_SHAPE, width: 1024, ffn: 4608, layers: 2, headSize: 256 };

// Then the packer's output is larger than it is for other types.
test('tensors of more than a megabyte are packed within the budget, the least included', async () => {
  const model = randomModel({ ...LARGE, ffn: 16384 });
  const expected = await logitsOf({ model });
  const contextSize = 64;
  const { budget } = present((await describeModel(model, { threads: 2, contextSize, memoryBudget: 2 ** 40 })).model);
  for (const memoryBudget of [0, 2 ** 20].map((more) => present(budget).leastBytes + more)) {
    const options = { model, store: { folder: temporaryFolder() }, contextSize, memoryBudget };
    const engine = await createEngine({ ...options, threads: 2 });
    const { wasm } = await engine.memory();
    assert.ok(wasm <= memoryBudget, `${wasm} of ${memoryBudget}`);
    await engine.unload();
    assert.deepEqual(await logitsOf(options), expected);
  }
});

test('tensors of more than a megabyte are stored, gone on with behind an interruption, and mended', async () => {
  const bytes = randomModel(LARGE);
  const expected = await logitsOf({ model: bytes });
  const file = { bytes, limit: bytes.length / 2 };
  const server = await serveModels({ '/large.gguf': file });
  const folder = temporaryFolder();
  const options = { model: `${server.url}large.gguf`, store: { folder, chunkBytes: 300_000 } };
  try {
    const controller = new AbortController();
    /** @param {{ loaded: number }} options */
    const onProgress = ({ loaded }) => loaded > bytes.length / 3 && controller.abort();
    await assert.rejects(createEngine({ ...options, signal: controller.signal, onProgress }));
    file.limit = bytes.length;
    assert.deepEqual(await logitsOf(options), expected);
    const chunks = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)));
    const [chunk] = chunks.filter((path) => statSync(path).size === 300_000).slice(9);
    writeFileSync(chunk, readFileSync(chunk).fill(7, 1000, 2000));
    const engine = await createEngine({ ...options, threads: 2 });
    assert.equal(engine.info.storage.repairedChunks, 1);
    await engine.unload();
    assert.deepEqual(await logitsOf(options), expected);
  } finally {
    await server.close();
  }
});
