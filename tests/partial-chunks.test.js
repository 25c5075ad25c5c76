// Chunks that are written before they are full, so that a tab that is closed without a warning loses little.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { NibbleError } from '../js/errors.js';
import { openMemory } from '../js/store-memory.js';
import { writeSmallModel } from './small-model.js';
import { createRig, serveFile, startRuntime } from './store-rig.js';

// All of the model is in one.
const CHUNK = 1 << 20;
const OFTEN = { bytes: 4096, milliseconds: 0 };
// In pieces, however fast the server is.
const platform = { download: { rangeBytes: 8192 } };
const bytes = readFileSync(writeSmallModel());

let runtime;
let server;
let backend;
let rig;

before(async () => {
  runtime = await startRuntime();
  server = await serveFile(bytes);
});

after(() => {
  server?.close();
  runtime?.close();
});

beforeEach(async () => {
  Object.assign(server, { requests: [], limit: Infinity });
  backend = await openMemory();
  rig = createRig(runtime, backend, CHUNK);
});

/** Gives some calls of the backend something to do before. */
function watch(calls) {
  const watched = new Proxy(backend, {
    get: (target, name) => {
      const value = target[name];
      if (typeof value !== 'function') return value;
      return (...given) => {
        const instead = calls[name]?.(...given);
        return instead === undefined ? value.apply(target, given) : instead;
      };
    },
  });
  return createRig(runtime, watched, CHUNK);
}

const record = () => backend.get(`url:${server.url}`);

describe('a chunk that is not full yet', () => {
  test('is kept where an import ends without a word, and the next goes on behind it', async () => {
    server.limit = 48_000;
    let dead = false;
    const nothing = () => (dead ? Promise.resolve() : undefined);
    const killed = watch({ writeChunk: nothing, put: nothing, remove: nothing, removeChunks: nothing });
    const controller = new AbortController();
    const importing = killed.store({ url: server.url }, { signal: controller.signal, saveEvery: OFTEN });
    const ended = assert.rejects(importing, (error) => error.code === 'CANCELLED');
    while (!((await record())?.chunks.length > 0)) await sleep(5);
    dead = true;
    controller.abort();
    await ended;
    const { state, filePosition, chunks } = await record();
    assert.equal(state, 'importing');
    assert.ok(chunks.length === 1 && chunks[0].bytes >= OFTEN.bytes);
    Object.assign(server, { requests: [], limit: Infinity });
    await rig.store({ url: server.url });
    const begin = Math.min(...server.requests.map(({ start }) => start));
    assert.ok(begin > filePosition - 4096 && begin <= filePosition, `goes on at ${begin} of ${filePosition}`);
    const stored = await record();
    const whole = createRig(runtime, await openMemory(), CHUNK);
    await whole.store({ url: server.url });
    assert.deepEqual(stored.chunks, (await whole.backend.get(stored.id)).chunks);
  });

  test('is not written where it comes fast enough', async () => {
    let writes = 0;
    const counted = watch({
      writeChunk: () => {
        writes++;
      },
    });
    await counted.store({ url: server.url }, { platform, saveEvery: { bytes: 0, milliseconds: 3_600_000 } });
    assert.equal(writes, 2, 'the header and the one chunk');
  });

  test('makes room for the full one where there is none for both, and fails nothing where there is none for it', async () => {
    const full = () => Promise.reject(new NibbleError('STORE_FULL', 'The storage is full: a chunk did not fit.'));
    const { packedBytes } = await rig.store({ url: server.url });
    await backend.remove(`url:${server.url}`);
    for (const refuses of [(size, there) => size === packedBytes && there, (size) => size < packedBytes]) {
      let there = false;
      let refusals = 0;
      const tight = watch({
        removeChunks: () => {
          there = false;
        },
        writeChunk: (_id, index, parts) => {
          if (index < 0) return undefined;
          if (
            refuses(
              parts.reduce((sum, { length }) => sum + length, 0),
              there,
            )
          ) {
            refusals++;
            return full();
          }
          there = true;
          return undefined;
        },
      });
      await tight.store({ url: server.url }, { platform, saveEvery: OFTEN });
      const { state, chunks } = await record();
      assert.deepEqual([state, chunks[0].bytes, refusals], ['complete', packedBytes, 1]);
      await backend.remove(`url:${server.url}`);
    }
  });
});
