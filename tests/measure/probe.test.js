// The probe of a machine's speed, and the estimate that is made from it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describeModel, estimateSpeed, probeSpeed } from '../../js/index.node.js';
import { syntheticModel } from '../../js/measure/synthetic-model.js';
import { code } from '../errors.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/measure/synthetic-model.js').Tensor} Tensor */

const workers = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

/** All workers that were started are gone. @param {number} before */
async function ended(before) {
  for (let round = 0; workers() > before && round < 500; round++) await new Promise((r) => setTimeout(r, 10));
  assert.equal(workers(), before);
}

describe('the synthetic model', () => {
  test('is a whole GGUF file, larger than caches, whose bytes and weights are as told', async () => {
    const { source, weightBytes, weights } = syntheticModel();
    const pieces = [];
    for (let piece = await source.read(); piece !== null; piece = await source.read()) pieces.push(Buffer.from(piece));
    const file = Buffer.concat(pieces);
    assert.equal(file.length, source.size);
    assert.ok(file.length > 64e6 && file.length < 96e6);
    const { tensors, problem } = await describeModel(file);
    assert.equal(problem, null);
    const matrices = tensors.filter(({ type }) => type === 'Q4_0');
    /** @param {any} tensor */
    const count = ({ shape }) =>
      shape.reduce((/** @type {any} */ product, /** @type {any} */ size) => product * size, 1);
    assert.equal(
      matrices.reduce((sum, tensor) => sum + count(tensor), 0),
      weights,
    );
    assert.equal(weightBytes, (weights / 32) * 18);
  });
});

describe('probeSpeed()', () => {
  test('tells what this machine does, and leaves no worker behind', async () => {
    const before = workers();
    const probing = probeSpeed({ threads: 1 });
    assert.equal(workers(), before + 1);
    /** @type {any} */
    const probe = await probing;
    assert.deepEqual(Object.keys(probe), [
      'decodeBytesPerSecond',
      'prefillWeightsPerSecond',
      'threads',
      'kernelSet',
      'milliseconds',
    ]);
    for (const name of ['decodeBytesPerSecond', 'prefillWeightsPerSecond', 'milliseconds']) {
      assert.ok(probe[name] > 0 && probe[name] < Infinity, `${name} is ${probe[name]}`);
    }
    assert.equal(probe.threads, 1);
    assert.match(probe.kernelSet, /./);
    await ended(before);
  });

  test('is cancelled before and while it runs', async () => {
    const before = workers();
    await assert.rejects(probeSpeed({ signal: AbortSignal.abort() }), code('CANCELLED'));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    await assert.rejects(probeSpeed({ signal: controller.signal }), code('CANCELLED'));
    await ended(before);
  });

  test('refuses threads that are none', async () => {
    await assert.rejects(probeSpeed({ threads: 0 }), code('INVALID_ARGUMENT'));
  });
});

test('an estimate divides by what a token goes through, and refuses what is no measurement', () => {
  const probe = { decodeBytesPerSecond: 10e9, prefillWeightsPerSecond: 40e9 };
  assert.deepEqual(estimateSpeed(probe, { bytesPerToken: 5e8, parameters: 1e9 }), {
    decodeTokensPerSecond: 20,
    prefillTokensPerSecond: 40,
  });
  for (const [measured, model] of [
    [undefined, { bytesPerToken: 1, parameters: 1 }],
    [probe, { bytesPerToken: 0, parameters: 1 }],
    [probe, { bytesPerToken: 1, parameters: Number.NaN }],
  ]) {
    assert.throws(() => estimateSpeed(untyped(measured), untyped(model)), code('INVALID_ARGUMENT'));
  }
});
