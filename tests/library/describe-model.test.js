// describeModel() in Node: what it tells of a model, as an engine then has it.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { createEngine, describeModel } from '../../js/index.node.js';
import { present } from '../present.js';
import { SMALL_SHAPE, writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';

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
    assert.equal(present(description.model).contextSize, 64);
    assert.equal(description.metadata['general.name'].value, 'random small');
    assert.equal(description.metadata['tokenizer.ggml.tokens'].count, SMALL_SHAPE.vocabulary);
    assert.ok(untyped(description.metadata['tokenizer.ggml.tokens'].value).length < 20);
    const embedding = present(description.tensors.find(({ name }) => name === 'token_embd.weight'));
    assert.deepEqual(embedding.shape, [SMALL_SHAPE.width, SMALL_SHAPE.vocabulary]);
    assert.equal(embedding.type, 'Q4_0');
    const larger = await describeModel(path, { contextSize: 256 });
    assert.ok(present(larger.memory).kvCache > present(description.memory).kvCache);
    assert.equal(present(larger.memory).weights, present(description.memory).weights);
  });

  test('knows no size of a file that comes as a stream, and no context beyond the model’s', async () => {
    const sized = await describeModel(path);
    assert.equal(sized.file.bytes, statSync(path).size);
    const { file } = await describeModel(new Blob([readFileSync(path)]).stream());
    assert.equal(file.bytes, null);
    const { trainedContext } = present(sized.model);
    const contextSize = trainedContext + 1;
    const description = await describeModel(path, { contextSize });
    assert.deepEqual([description.memory, present(description.model).trainedContext], [null, trainedContext]);
    const error = await createEngine({ model: path, contextSize }).catch((refusal) => refusal);
    assert.equal(error.message, present(description.problem).message);
    assert.equal(error.code, 'INVALID_ARGUMENT');
    assert.deepEqual(error.details, { option: 'contextSize', trainedContext });
  });

  test('tells the memory for the KV type that is asked for, as an engine has it then', async () => {
    const [auto, f16, int8] = await Promise.all(
      /** @type {const} */ (['auto', 'f16', 'int8']).map((kvType) => describeModel(path, { contextSize: 256, kvType })),
    );
    assert.deepEqual(auto, f16);
    assert.equal(f16.model?.kvType, 'f16');
    assert.equal(int8.model?.kvType, 'int8');
    const { kvCache } = present(int8.memory);
    assert.ok(kvCache < 0.7 * present(f16.memory).kvCache);
    const compact = await createEngine({ model: path, threads: 1, contextSize: 256, kvType: 'int8' });
    try {
      assert.equal(compact.info.kvType, 'int8');
      await compact.evaluate(Array(256).fill(5));
      assert.equal((await compact.memory()).kvCache, kvCache);
    } finally {
      await compact.unload();
    }
  });

  test('its estimate is what an engine then takes', async () => {
    const { memory } = await describeModel(path, { threads: 2 });
    const live = await engine.memory();
    assert.equal(live.weights, present(memory).weights);
    assert.equal(live.activations, present(memory).activations);
    assert.ok(live.kvCache <= present(memory).kvCache);
    const { wasm, javascript, total, ...parts } = live;
    assert.equal(
      Object.values(parts).reduce((sum, bytes) => sum + bytes, 0),
      wasm,
    );
    assert.ok(live.other > 0 && live.other <= present(memory).other);
    assert.equal(total, wasm + javascript);
    assert.ok(javascript > 1e6 && present(memory).javascript > 1e6);
  });
});
