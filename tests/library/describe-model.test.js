// describeModel() in Node: what it tells of a model, as an engine then has it.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { createEngine, describeModel } from '../../js/index.node.js';
import { SMALL_SHAPE, writeSmallModel } from '../small-model.js';

/** @type {string} */
let path;
/** @type {import('../../js/base/public-types.js').Engine} */
let engine;

before(async () => {
  path = writeSmallModel();
  engine = await createEngine({ model: path, threads: 2 });
});

after(() => engine?.unload());

describe('describeModel', () => {
  test('tells metadata, tensors and the memory for a context, without the weights', async () => {
    const description = await describeModel(path, { contextSize: 64 });
    assert.equal(description.problem, null);
    assert.equal(description.model.contextSize, 64);
    assert.equal(description.metadata['general.name'].value, 'random small');
    assert.equal(description.metadata['tokenizer.ggml.tokens'].count, SMALL_SHAPE.vocabulary);
    assert.ok(description.metadata['tokenizer.ggml.tokens'].value.length < 20);
    const embedding = description.tensors.find(({ name }) => name === 'token_embd.weight');
    assert.deepEqual(embedding.shape, [SMALL_SHAPE.width, SMALL_SHAPE.vocabulary]);
    assert.equal(embedding.type, 'Q4_0');
    const larger = await describeModel(path, { contextSize: 256 });
    assert.ok(larger.memory.kvCache > description.memory.kvCache);
    assert.equal(larger.memory.weights, description.memory.weights);
  });

  test('knows no size of a file that comes as a stream, and no context beyond the model’s', async () => {
    const sized = await describeModel(path);
    assert.equal(sized.file.bytes, statSync(path).size);
    const { file } = await describeModel(new Blob([readFileSync(path)]).stream());
    assert.equal(file.bytes, null);
    const { trainedContext } = sized.model;
    const contextSize = trainedContext + 1;
    const description = await describeModel(path, { contextSize });
    assert.deepEqual([description.memory, description.model.trainedContext], [null, trainedContext]);
    const error = await createEngine({ model: path, contextSize }).catch((refusal) => refusal);
    assert.equal(error.message, description.problem.message);
    assert.equal(error.code, 'INVALID_ARGUMENT');
    assert.deepEqual(error.details, { option: 'contextSize', trainedContext });
  });

  test('tells the memory for the KV type that is asked for, as an engine has it then', async () => {
    const described = {};
    for (const kvType of ['auto', 'f16', 'int8'])
      described[kvType] = await describeModel(path, { contextSize: 256, kvType });
    assert.deepEqual(described.auto, described.f16);
    assert.equal(described.f16.model.kvType, 'f16');
    assert.equal(described.int8.model.kvType, 'int8');
    assert.ok(described.int8.memory.kvCache < 0.7 * described.f16.memory.kvCache);
    const compact = await createEngine({ model: path, threads: 1, contextSize: 256, kvType: 'int8' });
    try {
      assert.equal(compact.info.kvType, 'int8');
      await compact.evaluate(Array(256).fill(5));
      assert.equal((await compact.memory()).kvCache, described.int8.memory.kvCache);
    } finally {
      await compact.unload();
    }
  });

  test('its estimate is what an engine then takes', async () => {
    const { memory } = await describeModel(path, { threads: 2 });
    const live = await engine.memory();
    assert.equal(live.weights, memory.weights);
    assert.equal(live.activations, memory.activations);
    assert.ok(live.kvCache <= memory.kvCache);
    const { wasm, javascript, total, ...parts } = live;
    assert.equal(
      Object.values(parts).reduce((sum, bytes) => sum + bytes, 0),
      wasm,
    );
    assert.ok(live.other > 0 && live.other <= memory.other);
    assert.equal(total, wasm + javascript);
    assert.ok(javascript > 1e6 && memory.javascript > 1e6);
  });
});
