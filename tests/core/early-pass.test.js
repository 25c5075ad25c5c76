// A pass that begins before all weights are there, and a cancel that comes when its last steps are made already.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHeader } from '../../js/models/loader.js';
import { CORE_OPTIONS, sourceOf, startCore } from '../core-model.js';
import { goldenBytes } from '../golden/models.js';
import { untyped } from '../untyped.js';

const ROUNDS = 8;
const TOKENS = Array.from({ length: 200 }, (_, i) => i);
// In which all steps that may be made are.
const STEPS_MILLISECONDS = 100;

/** A model whose weights are all in place, of which nobody has said so yet. @param {Buffer<ArrayBuffer>} bytes */
async function openArriving(bytes) {
  const core = await startCore(1);
  const { header } = await readHeader(core, untyped(sourceOf(bytes)));
  const options = untyped({ ...CORE_OPTIONS, kernelSet: 'simd128' });
  const whole = header.createModel(options);
  const staging = core.allocate(4 << 20);
  whole.load(bytes.subarray(header.dataOffset), staging);
  const early = header.createModel({ ...options, earlyStart: true });
  for (const { pointer, position, length } of whole.packedPlaces(0, whole.info.packedBytes)) {
    early.place(position, core.bytes(pointer, length).slice());
  }
  core.free(staging);
  whole.close();
  return { model: early, close: () => [early.close(), header.close(), core.close()] };
}

/** @param {number} milliseconds */
function spin(milliseconds) {
  for (const end = performance.now() + milliseconds; performance.now() < end; );
}

test('a cancelled pass leaves the session as it was, and one that was made by then is not cancelled', async () => {
  const bytes = goldenBytes('q4_0-mha-deep-tied');
  for (let round = 0; round < ROUNDS; round++) {
    const { model, close } = await openArriving(bytes);
    const session = model.createSession();
    const controller = new AbortController();
    /** @param {number} done */
    const onPart = (done) => {
      if (done === 1 || controller.signal.aborted) return;
      controller.abort();
      // Messages wait meanwhile, the driver's thread does not. In every second round it is stopped at once.
      if (round % 2 === 0) spin(STEPS_MILLISECONDS);
    };
    const outcome = await session.evaluate(TOKENS, undefined, { signal: controller.signal, onPart }).then(
      () => 'done',
      ({ code }) => code,
    );
    assert.deepEqual(session.length, outcome === 'done' ? TOKENS.length : 0, `${outcome} in round ${round}`);
    assert.equal(session.hasLogits, outcome === 'done');
    session.close();
    close();
  }
});
