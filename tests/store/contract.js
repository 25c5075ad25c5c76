// What every backend of the store promises (js/store/backends.js), as functions that run in Node and in browsers alike.

/** @typedef {import('../../js/store/backends.js').Backend} Backend */

const KIBIBYTE = 1024;

/** Bytes that repeat nowhere near, and differ from one seed to the next. @param {number} length */
export function pattern(length, seed = 1) {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761;
  for (let place = 0; place < length; place++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[place] = state >>> 24;
  }
  return bytes;
}

/** @param {boolean} truth @param {string} sentence */
export function check(truth, sentence) {
  if (!truth) throw new Error(sentence);
}

/** @param {unknown} found @param {unknown} wanted @param {string} what */
export function equal(found, wanted, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  check(a === b, `${what} is ${a}; expected ${b}`);
}

/** @param {Uint8Array<ArrayBuffer>} found @param {Uint8Array<ArrayBuffer>} wanted @param {string} what */
export function sameBytes(found, wanted, what) {
  equal(found.length, wanted.length, `the length of ${what}`);
  const place = found.findIndex((byte, index) => byte !== wanted[index]);
  check(place < 0, `${what} differs at byte ${place}: ${found[place]}; expected ${wanted[place]}`);
}

/**
 * Fails unless the promise does, with an error of the library that has this code and says something.
 * @param {Promise<unknown>} promise
 * @param {string} code
 * @param {string} [what]
 */
export async function refuses(promise, code, what) {
  /** @type {import('../../js/base/errors.js').NibbleError | null} */
  const error = await promise.then(
    () => null,
    (reason) => reason,
  );
  if (error === null) throw new Error(`${what} succeeded; expected ${code}`);
  check(error.name === 'NibbleError' && error.code === code, `${what} gave ${error.code} (${error}); expected ${code}`);
  check(error.message.length > 20, `${what} says only "${error.message}"`);
  return error;
}

/** @param {Backend} backend @param {string} id @param {number} index @param {number} length */
export async function readAll(backend, id, index, length, offset = 0) {
  const bytes = new Uint8Array(length);
  await backend.readChunk(id, index, offset, bytes);
  return bytes;
}

/** @param {{ id: string }[]} records */
const byId = (records) => records.map(({ id }) => id).sort();

// Ids as they come, and as nobody should make them.
const IDS = [
  'url:https://example.org/models/a.gguf?x=1#y',
  'file:../../etc/passwd:1:2',
  'CON',
  '.',
  '..',
  '',
  'a/b\\c:d*e?f"g<h>|\u0000\n',
  'A',
  'a',
  '模型-🙂',
  `long:${'x'.repeat(5000)}`,
];

/**
 * @typedef {object} Promised
 * @property {string} name
 * @property {boolean} [reopens] needs a store that keeps what it holds when it is closed
 * @property {(open: () => Promise<import('../../js/store/backends.js').Backend>) => Promise<void>} run `open` opens one and
 *   the same store, which is empty at first
 */

/** @type {Promised[]} */
export const PROMISES = [
  {
    name: 'a record comes back as it was put, and replaces the one before',
    async run(open) {
      const backend = await open();
      equal(await backend.list(), [], 'an empty list');
      equal(await backend.get('a'), null, 'an absent record');
      await backend.put({ id: 'a', state: 'importing', chunks: [] });
      const record = { id: 'a', state: 'complete', chunks: [{ bytes: 2 ** 40, checksum: 'ff' }], sha256: null };
      await backend.put(record);
      equal(await backend.get('a'), record, 'the record');
      equal(await backend.list(), [record], 'the list');
      record.state = 'changed';
      equal((await backend.get('a'))?.state, 'complete', 'the state stored');
      await backend.close();
    },
  },
  {
    name: 'a chunk is gone on with where it ends or earlier, and what is before is as it was',
    async run(open) {
      const backend = await open();
      await backend.put({ id: 'a' });
      await refuses(backend.appendChunk('a', 0, 0, [pattern(1)]), 'STORE_CHUNK_MISSING', 'going on with no chunk');
      const whole = pattern(1000);
      await backend.writeChunk('a', 0, [whole.subarray(0, 300)]);
      await refuses(backend.appendChunk('a', 0, 301, [pattern(1)]), 'STORE_CHUNK_MISSING', 'going on behind its end');
      await backend.appendChunk('a', 0, 300, [whole.subarray(300, 400), whole.subarray(400, 500)]);
      await backend.appendChunk('a', 0, 500, [pattern(450, 7)]);
      // What was written last is not in the record, so it comes again.
      await backend.appendChunk('a', 0, 500, [whole.subarray(500, 600)]);
      await backend.appendChunk('a', 0, 600, [whole.subarray(600)]);
      await backend.writeChunk('a', 1, [pattern(10, 3)]);
      sameBytes(await readAll(backend, 'a', 0, 1000), whole, 'the chunk');
      sameBytes(await readAll(backend, 'a', 0, 400, 250), whole.subarray(250, 650), 'the middle of the chunk');
      const pieces = [new Uint8Array(280), new Uint8Array(0), new Uint8Array(320)];
      await backend.readChunk('a', 0, 10, pieces);
      sameBytes(pieces[2], whole.subarray(290, 610), 'a piece');
      await refuses(readAll(backend, 'a', 0, 1001), 'STORE_CHUNK_MISSING', 'reading beyond its end');
      await backend.writeChunk('a', 0, [pattern(20, 4)]);
      sameBytes(await readAll(backend, 'a', 0, 20), pattern(20, 4), 'the chunk that came instead');
      await refuses(readAll(backend, 'a', 0, 21), 'STORE_CHUNK_MISSING', 'reading what was there before');
      await backend.appendChunk('a', 0, 20, [pattern(5)]);
      await backend.removeChunks('a', 1);
      sameBytes(await readAll(backend, 'a', 0, 5, 20), pattern(5), 'the end of the chunk');
      await backend.removeChunks('a', 0);
      await refuses(readAll(backend, 'a', 0, 1), 'STORE_CHUNK_MISSING', 'reading what was removed');
      await backend.close();
    },
  },
  {
    name: 'every id is one of its own, whatever characters it has',
    async run(open) {
      const backend = await open();
      for (const [place, id] of IDS.entries()) {
        await backend.put({ id, place });
        await backend.writeChunk(id, 0, [pattern(100, place)]);
      }
      equal(byId(await backend.list()), [...IDS].sort(), 'the list of ids');
      for (const [place, id] of IDS.entries()) {
        equal(await backend.get(id), { id, place }, 'the record');
        sameBytes(await readAll(backend, id, 0, 100), pattern(100, place), `the chunk of ${JSON.stringify(id)}`);
      }
      await backend.remove('A');
      equal(byId(await backend.list()), IDS.filter((id) => id !== 'A').sort(), 'the list of ids');
      sameBytes(await readAll(backend, 'a', 0, 100), pattern(100, IDS.indexOf('a')), 'the chunk of "a"');
      await backend.close();
    },
  },
  {
    name: 'many changes of one record at once leave one of them, whole',
    async run(open) {
      const backend = await open();
      const versions = Array.from({ length: 12 }, (_, version) => ({
        id: 'a',
        version,
        text: 'x'.repeat(version * 999),
      }));
      await Promise.all(versions.map((record) => backend.put(record)));
      const version = Number((await backend.get('a'))?.version);
      equal(await backend.get('a'), versions[version], 'the record');
      await backend.put({ id: 'a', version: 99 });
      equal(await backend.get('a'), { id: 'a', version: 99 }, 'the record');
      await backend.close();
    },
  },
  {
    name: 'a chunk is its parts one after the other, read from any offset',
    async run(open) {
      const backend = await open();
      const bytes = pattern(300 * KIBIBYTE);
      const parts = [bytes.subarray(0, 1), bytes.subarray(1, 1), bytes.subarray(1, 70_001), bytes.subarray(70_001)];
      await backend.writeChunk('a', 3, parts);
      sameBytes(await readAll(backend, 'a', 3, bytes.length), bytes, 'the chunk');
      sameBytes(await readAll(backend, 'a', 3, 1000, 69_500), bytes.subarray(69_500, 70_500), 'the middle');
      sameBytes(await readAll(backend, 'a', 3, 0, bytes.length), new Uint8Array(0), 'nothing at the end');
      await backend.close();
    },
  },
  {
    name: 'one read fills several targets one after the other',
    async run(open) {
      const backend = await open();
      const bytes = pattern(50_000);
      await backend.writeChunk('a', 0, [bytes]);
      const whole = new Uint8Array(50_000);
      const targets = [whole.subarray(100, 40_000), whole.subarray(40_000, 40_000), whole.subarray(40_000, 49_000)];
      await backend.readChunk('a', 0, 100, targets);
      sameBytes(whole.subarray(100, 49_000), bytes.subarray(100, 49_000), 'the targets');
      check(
        whole.subarray(0, 100).every((byte) => byte === 0),
        'bytes before the targets were written',
      );
      check(
        whole.subarray(49_000).every((byte) => byte === 0),
        'bytes behind the targets were written',
      );
      await backend.close();
    },
  },
  {
    name: 'a chunk is written from shared memory and read into it',
    async run(open) {
      const backend = await open();
      const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
      const heap = new Uint8Array(memory.buffer);
      const bytes = pattern(100_000);
      heap.set(bytes, 17);
      await backend.writeChunk('a', 0, [heap.subarray(17, 50_017), heap.subarray(50_017, 100_017)]);
      heap.fill(0);
      await backend.readChunk('a', 0, 0, [heap.subarray(1001, 2001), heap.subarray(2001, 101_001)]);
      sameBytes(heap.slice(1001, 101_001), bytes, 'the shared memory');
      equal([heap[1000], heap[101_001]], [0, 0], 'the bytes beside the target');
      await backend.close();
    },
  },
  {
    name: 'what was written does not change with the memory it came from',
    async run(open) {
      const backend = await open();
      const bytes = pattern(10_000);
      await backend.writeChunk('a', 0, [bytes]);
      bytes.fill(0);
      sameBytes(await readAll(backend, 'a', 0, 10_000), pattern(10_000), 'the chunk');
      await backend.close();
    },
  },
  {
    name: 'a chunk is replaced whole, by a shorter one too',
    async run(open) {
      const backend = await open();
      await backend.writeChunk('a', 0, [pattern(5000, 1)]);
      await backend.writeChunk('a', 0, [pattern(3000, 2)]);
      sameBytes(await readAll(backend, 'a', 0, 3000), pattern(3000, 2), 'the chunk');
      await refuses(readAll(backend, 'a', 0, 3001), 'STORE_CHUNK_MISSING', 'reading past the end');
      await backend.close();
    },
  },
  {
    name: 'an absent or short chunk is named as missing, and nothing else is',
    async run(open) {
      const backend = await open();
      await refuses(readAll(backend, 'a', 0, 1), 'STORE_CHUNK_MISSING', 'reading of an absent model');
      await backend.put({ id: 'a' });
      await backend.writeChunk('a', -1, [pattern(10)]);
      await backend.writeChunk('a', 1, [pattern(1000)]);
      const error = await refuses(readAll(backend, 'a', 0, 1), 'STORE_CHUNK_MISSING', 'reading an absent chunk');
      equal(error.details, { id: 'a', index: 0 }, 'the details');
      await refuses(readAll(backend, 'a', 1, 500, 501), 'STORE_CHUNK_MISSING', 'reading past the end');
      sameBytes(await readAll(backend, 'a', 1, 500, 500), pattern(1000).subarray(500), 'the end of the chunk');
      sameBytes(await readAll(backend, 'a', -1, 10), pattern(10), 'the chunk of the header');
      await backend.close();
    },
  },
  {
    name: 'many reads and writes at once do not disturb one another',
    async run(open) {
      const backend = await open();
      const sizes = [1, 65_536, 65_537, 200_000, 400_000, 30_000];
      await Promise.all(sizes.map((size, index) => backend.writeChunk('a', index, [pattern(size, index)])));
      const reads = [0, 1, 2].flatMap(() =>
        sizes.map(async (size, index) => {
          sameBytes(await readAll(backend, 'a', index, size), pattern(size, index), `chunk ${index}`);
        }),
      );
      await Promise.all([...reads, backend.writeChunk('b', 0, [pattern(1000)]), backend.put({ id: 'b' })]);
      sameBytes(await readAll(backend, 'b', 0, 1000), pattern(1000), 'the chunk written meanwhile');
      await backend.close();
    },
  },
  {
    name: 'chunks are dropped from an index on, and no other model loses any',
    async run(open) {
      const backend = await open();
      for (const index of [-1, 0, 1, 2, 10, 11]) await backend.writeChunk('a', index, [pattern(10, index + 5)]);
      await backend.writeChunk('b', 2, [pattern(10)]);
      await backend.removeChunks('a', 2);
      for (const index of [-1, 0, 1])
        sameBytes(await readAll(backend, 'a', index, 10), pattern(10, index + 5), 'a chunk');
      for (const index of [2, 10, 11]) await refuses(readAll(backend, 'a', index, 1), 'STORE_CHUNK_MISSING', 'a read');
      sameBytes(await readAll(backend, 'b', 2, 10), pattern(10), 'the chunk of the other model');
      await backend.removeChunks('absent', 0);
      await backend.removeChunks('a', -1);
      await refuses(readAll(backend, 'a', -1, 1), 'STORE_CHUNK_MISSING', 'reading of the header');
      await backend.close();
    },
  },
  {
    name: 'a model is removed with all its chunks, and removing it again does nothing',
    async run(open) {
      const backend = await open();
      for (const id of ['a', 'b']) {
        await backend.put({ id });
        for (const index of [-1, 0, 7]) await backend.writeChunk(id, index, [pattern(10, index + 5)]);
      }
      await backend.remove('a');
      await backend.remove('a');
      await backend.remove('absent');
      equal(await backend.list(), [{ id: 'b' }], 'the list');
      equal(await backend.get('a'), null, 'the record');
      for (const index of [-1, 0, 7]) {
        await refuses(readAll(backend, 'a', index, 1), 'STORE_CHUNK_MISSING', 'a read');
        sameBytes(await readAll(backend, 'b', index, 10), pattern(10, index + 5), 'a chunk of the other model');
      }
      await backend.put({ id: 'a', again: true });
      equal(await backend.get('a'), { id: 'a', again: true }, 'the record put again');
      await backend.close();
    },
  },
  {
    name: 'records and chunks are there when the store is opened again',
    reopens: true,
    async run(open) {
      const first = await open();
      await first.put({ id: 'a', version: 1 });
      await first.put({ id: 'a', version: 2 });
      await first.writeChunk('a', 0, [pattern(2000)]);
      await first.close();
      const second = await open();
      equal(await second.list(), [{ id: 'a', version: 2 }], 'the list');
      sameBytes(await readAll(second, 'a', 0, 2000), pattern(2000), 'the chunk');
      await second.remove('a');
      await second.close();
      const third = await open();
      equal(await third.list(), [], 'the list after removing');
      await third.close();
    },
  },
  {
    name: 'two who have the store open see what the other does',
    reopens: true,
    async run(open) {
      const [first, second] = [await open(), await open()];
      await first.put({ id: 'a' });
      await first.writeChunk('a', 0, [pattern(1000)]);
      equal(await second.list(), [{ id: 'a' }], 'the list');
      const reads = [first, second, first, second].map((backend) => readAll(backend, 'a', 0, 1000));
      for (const bytes of await Promise.all(reads)) sameBytes(bytes, pattern(1000), 'the chunk');
      await second.put({ id: 'a', by: 'second' });
      equal(await first.get('a'), { id: 'a', by: 'second' }, 'the record');
      await second.remove('a');
      equal(await first.get('a'), null, 'the removed record');
      await refuses(readAll(first, 'a', 0, 1), 'STORE_CHUNK_MISSING', 'reading of the removed');
      await first.close();
      await second.close();
    },
  },
  {
    name: 'a closed store refuses everything',
    async run(open) {
      const backend = await open();
      await backend.close();
      await backend.close();
      await refuses(backend.list(), 'STORE_UNAVAILABLE', 'list');
      await refuses(backend.get('a'), 'STORE_UNAVAILABLE', 'get');
      await refuses(backend.put({ id: 'a' }), 'STORE_UNAVAILABLE', 'put');
      await refuses(backend.remove('a'), 'STORE_UNAVAILABLE', 'remove');
      await refuses(backend.writeChunk('a', 0, [pattern(1)]), 'STORE_UNAVAILABLE', 'writeChunk');
      await refuses(readAll(backend, 'a', 0, 1), 'STORE_UNAVAILABLE', 'readChunk');
      await refuses(backend.removeChunks('a', 0), 'STORE_UNAVAILABLE', 'removeChunks');
    },
  },
  {
    name: 'the estimate counts what is stored, or says that nobody knows',
    async run(open) {
      const backend = await open();
      await backend.writeChunk('a', 0, [pattern(500_000)]);
      const { usage, quota } = await backend.estimate();
      check(usage === null || usage >= 500_000, `usage is ${usage}`);
      check(quota === null || quota > (usage ?? 0), `quota is ${quota} of ${usage}`);
      await backend.close();
    },
  },
  {
    name: 'readers share a lock, and a writer has it alone',
    async run(open) {
      const backend = await open();
      /** @type {string[]} */
      const events = [];
      const gate = makeGate();
      /** @param {string} name */
      const reader = (name) =>
        backend.lock('a', { shared: true }, async () => {
          events.push(`${name} begins`);
          if (events.length === 2) gate.open();
          await gate.opened;
          events.push(`${name} ends`);
          return name;
        });
      const readers = [reader('one'), reader('two')];
      await gate.opened;
      const writer = backend.lock('a', {}, () => events.push('writer'));
      equal(await Promise.all(readers), ['one', 'two'], 'what the readers gave');
      await writer;
      equal(events.slice(0, 2).sort(), ['one begins', 'two begins'], 'the first events');
      equal(events[4], 'writer', 'the last event');
      await backend.close();
    },
  },
  {
    name: 'a taken lock is refused at once where nobody wants to wait, and given back on errors',
    async run(open) {
      const backend = await open();
      await backend.lock('a', {}, async () => {
        await refuses(
          backend.lock('a', { wait: false }, () => {}),
          'STORE_BUSY',
          'a writer',
        );
        await refuses(
          backend.lock('a', { wait: false, shared: true }, () => {}),
          'STORE_BUSY',
          'a reader',
        );
        equal(await backend.lock('b', { wait: false }, () => 'other'), 'other', 'the lock of another name');
      });
      const failing = backend.lock('a', {}, async () => {
        throw new Error('as it was thrown');
      });
      const said = await failing.catch((error) => error.message);
      equal(said, 'as it was thrown', 'the error');
      equal(await backend.lock('a', { wait: false }, () => 'free'), 'free', 'the lock');
      await backend.close();
    },
  },
  {
    name: 'the wait for a lock can be cancelled',
    async run(open) {
      const backend = await open();
      const aborted = AbortSignal.abort();
      await refuses(
        backend.lock('a', { signal: aborted }, () => {}),
        'CANCELLED',
        'a wait that was cancelled before',
      );
      const controller = new AbortController();
      await backend.lock('a', {}, async () => {
        const waiting = backend.lock('a', { signal: controller.signal }, () => check(false, 'the lock was held twice'));
        controller.abort();
        await refuses(waiting, 'CANCELLED', 'the wait');
      });
      const late = new AbortController();
      const held = backend.lock('a', { signal: late.signal }, () => {
        late.abort();
        return 'held';
      });
      equal(await held, 'held', 'what a holder gave whose signal came late');
      await backend.close();
    },
  },
];

function makeGate() {
  let open = () => {};
  /** @type {Promise<void>} */
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
