// Models that come in parts, in Node: each way to them gives what the whole file gives; in a store they are one model,
// which is resumed and mended by part; and what is missing, mixed or damaged is said by name.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as library from '../../js/index.node.js';
import { openModelSource } from '../../js/models/parts.js';
import { describeSource } from '../../js/sources/descriptor.js';
import { openFile } from '../../js/sources/file.node.js';
import { readAll } from '../downloads.js';
import { readTables, splitGguf, splitNames, splitPairs, writeTables } from '../gguf-splitter.js';
import { ggufBytes } from '../gguf-writer.js';
import { serveModels } from '../model-server.js';
import { present } from '../present.js';
import { SMALL_SHAPE, temporaryFolder, writeSmallModel } from '../small-model.js';
import { createThreadLibrary } from '../thread-library.js';
import { untyped } from '../untyped.js';
import { startRuntime } from './rig.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/base/public-types.js').ModelDescription} ModelDescription */
/** @typedef {import('../model-server.js').ModelServer} ModelServer */
/** @typedef {import('../../js/base/public-types.js').StoredModel} StoredModel */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

const threadLibrary = await createThreadLibrary();
const { createEngine, describeModel, openModelStore } = threadLibrary;
const CLI = fileURLToPath(new URL('../../js/cli.js', import.meta.url));
const whole = readFileSync(writeSmallModel({ ...SMALL_SHAPE, layers: 6, width: 128, ffn: 512, heads: 8, tied: false }));
const GREEDY = { prompt: 'a few words', maxTokens: 8, temperature: 0, ignoreEos: true };
const COUNTS = [2, 5];

/**
 * @param {Promise<StoredModel> | Promise<Engine> | Promise<ModelDescription>} promise
 * @param {string} code
 * @param {RegExp} words
 */
const fails = (promise, code, words) =>
  assert.rejects(promise, (/** @type {NibbleError} */ error) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    return true;
  });

/** @param {import('../../js/base/public-types.js').ModelSource} model */
async function written(model, options = {}, create = createEngine) {
  const engine = await create({ model, threads: 1, ...options });
  try {
    const { tokens } = await engine.complete(GREEDY).result;
    return { tokens, info: engine.info };
  } finally {
    await engine.unload();
  }
}

/** @param {Uint8Array[]} parts */
function writeParts(parts, stem = 'model') {
  const folder = temporaryFolder();
  return parts.map((part, index) => {
    const path = join(folder, splitNames(stem, parts.length)[index]);
    writeFileSync(path, part);
    return path;
  });
}

/** @param {Buffer} bytes */
const streamOf = (bytes) => new Blob(untyped([bytes])).stream();

/** @type {number[]} */
let expected;
before(async () => {
  ({ tokens: expected } = await written(whole));
});

describe('a model in parts', () => {
  for (const [what, parts] of /** @type {[string, Buffer[]][]} */ ([
    ...COUNTS.map((count) => [`${count} parts`, splitGguf(whole, count)]),
    ['3 parts, the first with metadata alone', splitGguf(whole, 3, { emptyFirst: true })],
  ])) {
    test(`is byte by byte the file that it was cut from: ${what}`, async () => {
      const runtime = await startRuntime();
      const { descriptor } = describeSource(writeParts(parts)[1], (path) => ({ path }));
      /** @param {{ position: number }} [from] */
      const open = (from) => openModelSource(descriptor, { runtime, openPath: openFile, from });
      try {
        const source = await open();
        assert.deepEqual([source.name, source.size, source.kind], ['model.gguf', whole.length, 'load']);
        for (const [at, length] of [
          [0, 100],
          [whole.length - 5, 10],
          [Math.floor(whole.length / 3), Math.floor(whole.length / 2)],
        ])
          assert.equal(Buffer.compare(await present(source.readAt)(at, length), whole.subarray(at, at + length)), 0);
        assert.equal(Buffer.compare(await readAll(source), whole), 0);
        for (const position of [1, 5000, Math.floor(whole.length / 2), whole.length - 3, whole.length])
          assert.equal(Buffer.compare(await readAll(await open({ position })), whole.subarray(position)), 0);
      } finally {
        runtime.close();
      }
    });
  }

  // What a caller gives goes whole to a worker of its own, too.
  for (const [count, { createEngine, describeModel }] of /** @type {[number, typeof threadLibrary][]} */ ([
    [COUNTS[0], library],
    [COUNTS[1], threadLibrary],
  ])) {
    const parts = splitGguf(whole, count);
    test(`writes the same by each way to it: ${count} parts`, async () => {
      const paths = writeParts(parts);
      const names = splitNames('model', count);
      const files = parts.map((part, index) => new File(untyped([part]), names[index], { lastModified: 5 }));
      /** @type {import('../../js/base/public-types.js').ModelSource[]} */
      const models = [
        paths[paths.length - 1],
        pathToFileURL(paths[1]),
        [...paths].reverse(),
        files.reverse(),
        parts.map((part) => new Uint8Array(part)),
        parts.map(streamOf),
        [paths[0], ...files.slice(0, -1)],
      ];
      for (const model of models) {
        const { tokens, info } = await written(model, {}, createEngine);
        assert.deepEqual([tokens, info.file.bytes], [expected, whole.length]);
      }
      const described = await describeModel(paths[1]);
      assert.deepEqual([described.file.name, described.file.bytes], ['model.gguf', whole.length]);
      assert.deepEqual(described.tensors, (await describeModel(whole)).tensors);
    });
  }

  test('writes the same where its parts are aligned in other ways', async () => {
    const key = Buffer.from('general.alignment');
    const pair = Buffer.concat([Buffer.alloc(8), key, Buffer.from(Uint32Array.of(4, 16).buffer)]);
    pair.writeBigUInt64LE(BigInt(key.length));
    const { pairs, tensors } = readTables(whole);
    const own = pairs.filter(({ key: name }) => name !== 'general.alignment');
    const alignment = { key: 'general.alignment', entry: pair };
    const half = [tensors.slice(0, 9), tensors.slice(9)];
    /** @param {({ key: string, entry: Buffer<ArrayBuffer> }[])[]} more */
    const cut = (more) =>
      half.map((some, index) =>
        writeTables({
          pairs: [...(index ? [] : own), ...more[index], ...splitPairs(index, 2, tensors.length)],
          tensors: some,
          alignment: more[index].length > 0 ? 16 : 32,
        }),
      );
    for (const more of [
      [[], [alignment]],
      [[alignment], []],
    ])
      assert.deepEqual((await written(cut(more))).tokens, expected);
  });
});

describe('a model in parts at an address', () => {
  const parts = splitGguf(whole, 5);
  const names = splitNames('model', 5);
  /** @type {ModelServer} */
  let server;
  /** @type {Record<string, import('../model-server.js').ServedFile>} */
  let files;
  before(async () => {
    files = Object.fromEntries(parts.map((part, index) => [`/m/${names[index]}`, { bytes: part }]));
    server = await serveModels(files);
  });
  after(() => server?.close());

  /** @param {number} index */
  const address = (index) => `${server.url}m/${names[index]}`;
  /** @param {number} from */
  const asked = (from) => server.requests.slice(from).map(({ path }) => names.indexOf(present(path.split('/').pop())));
  /** @param {string} folder */
  const open = (folder) => openModelStore({ store: { folder, chunkBytes: 20_000 } });

  test('is loaded by that of any part, and by all', async () => {
    for (const model of [address(3), names.map((_, index) => address(index)).reverse()])
      assert.deepEqual((await written(model)).tokens, expected);
    // A server that gives no parts of files, and no sizes.
    for (const file of Object.values(files)) file.isSizeless = true;
    assert.deepEqual((await written(address(1))).tokens, expected);
    for (const file of Object.values(files)) file.isSizeless = false;
  });

  test('computes while it arrives', async () => {
    const file = files[`/m/${names[4]}`];
    file.limit = parts[4].length - 3000;
    const engine = await createEngine({ model: address(0), earlyStart: true, threads: 1 });
    const { result } = engine.complete(GREEDY);
    file.limit = Infinity;
    assert.deepEqual((await result).tokens, expected);
    await engine.unload();
  });

  test('is one in a store, whichever part is asked for, and goes as a whole', async () => {
    const folder = temporaryFolder();
    const models = await open(folder);
    const totals = new Set();
    /** @param {{ phase: string, total: number }} options */
    const told = ({ phase, total }) => phase === 'download' && totals.add(total);
    const { id } = await models.import(address(2), { onProgress: told });
    assert.deepEqual([...totals], [whole.length]);
    assert.equal(id, `url:${address(0)}`);
    for (let index = 0; index < 5; index++) assert.equal(await models.idOf(address(index)), id);
    const [model, ...others] = await models.list();
    const { name, fileBytes, receivedBytes, state, source } = model;
    assert.deepEqual([fileBytes, receivedBytes, state, others.length], [whole.length, whole.length, 'complete', 0]);
    assert.deepEqual([source, name], [{ url: address(0) }, 'random small']);
    assert.equal((await models.check(id)).isNewer, false);
    const before = server.requests.length;
    const { tokens, info } = await written(address(4), { store: { folder } });
    assert.deepEqual([tokens, info.storage.state, info.file.name], [expected, 'stored', 'model.gguf']);
    assert.equal(server.requests.length, before);
    await models.delete(await models.idOf(address(3)));
    assert.deepEqual([await models.list(), readdirSync(folder).filter((each) => /chunk/.test(each))], [[], []]);
    await models.close();
  });

  test('goes on where it stopped: parts that have come are not asked for again but for their headers', async () => {
    const folder = temporaryFolder();
    const models = await open(folder);
    const controller = new AbortController();
    files[`/m/${names[2]}`].limit = Math.floor(parts[2].length / 2);
    const third = parts[0].length + parts[1].length + Math.floor(parts[2].length / 4);
    /** @param {{ loaded: number }} options */
    const onProgress = ({ loaded }) => loaded > third && controller.abort();
    await fails(models.import(address(0), { signal: controller.signal, onProgress }), 'CANCELLED', /cancelled/);
    const [{ state, receivedBytes }] = await models.list();
    assert.equal(state, 'importing');
    assert.ok(receivedBytes > third && receivedBytes < whole.length);
    files[`/m/${names[2]}`].limit = Infinity;
    const before = server.requests.length;
    /** @type {number[]} */
    const seen = [];
    await models.import(address(4), { onProgress: ({ phase, loaded }) => phase === 'download' && seen.push(loaded) });
    assert.ok(seen[0] >= receivedBytes, `${seen[0]} of ${receivedBytes}`);
    const rest = server.requests.slice(before);
    const later = rest.filter(({ range }) => !/^bytes=0-/.test(range ?? ''));
    assert.deepEqual(
      [...new Set(later.map(({ path }) => names.indexOf(present(path.split('/').pop()))))].sort(),
      [2, 3, 4],
    );
    assert.deepEqual((await written(address(0), { store: { folder } })).tokens, expected);
    await models.close();
  });

  test('is mended from the part that has what is damaged', async () => {
    const folder = temporaryFolder();
    const models = await open(folder);
    const { id } = await models.import(address(0));
    const chunks = readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith('.chunk'));
    /** @param {string | Buffer<ArrayBuffer>} name */
    const numberOf = (name) => Number(present(/(\d+)\.chunk$/.exec(untyped(name)))[1]);
    const last = join(folder, String(chunks.sort((a, b) => numberOf(a) - numberOf(b)).at(-1)));
    const bytes = readFileSync(last);
    bytes[10] ^= 1;
    writeFileSync(last, bytes);
    assert.equal((await models.verify(id)).damaged.length, 1);
    const before = server.requests.length;
    const { tokens, info } = await written(address(0), { store: { folder } });
    assert.deepEqual([tokens, info.storage.repairedChunks], [expected, 1]);
    const data = server.requests.slice(before).filter(({ range }) => !/^bytes=0-/.test(range ?? ''));
    assert.deepEqual([...new Set(data.map(({ path }) => names.indexOf(present(path.split('/').pop()))))], [4]);
    assert.deepEqual((await models.verify(id)).damaged, []);
    await models.close();
  });

  test('streams under a budget', async () => {
    const store = { folder: temporaryFolder(), chunkBytes: 20_000 };
    const { model } = await describeModel(address(0), { threads: 1, memoryBudget: 2 ** 40 });
    const memoryBudget = Math.ceil(present(present(model).budget).leastBytes + 0.3 * present(model).packedBytes);
    const { tokens, info } = await written(address(0), { store, memoryBudget });
    assert.deepEqual([tokens, present(info.budget).streams], [expected, true]);
  });

  test('begins anew where a part is another one now, and finds the newer one', async () => {
    const models = await open(temporaryFolder());
    const controller = new AbortController();
    const third = parts[0].length + parts[1].length;
    files[`/m/${names[3]}`].limit = 1000;
    /** @param {{ loaded: number }} options */
    const onProgress = ({ loaded }) => loaded > third && controller.abort();
    await fails(models.import(address(0), { signal: controller.signal, onProgress }), 'CANCELLED', /cancelled/);
    files[`/m/${names[3]}`].limit = Infinity;
    const other = splitGguf(readFileSync(writeSmallModel({ layers: 3 })), 5);
    const before = names.map((name) => files[`/m/${name}`].bytes);
    names.forEach((name, index) => {
      files[`/m/${name}`].bytes = other[index];
    });
    /** @type {boolean | undefined} */
    let restarted = false;
    const { id } = await models.import(address(0), { onProgress: (progress) => (restarted ||= progress.restarted) });
    assert.equal(restarted, true);
    names.forEach((name, index) => {
      files[`/m/${name}`].bytes = before[index];
    });
    assert.equal((await models.check(id)).isNewer, true);
    const newer = await models.update(id);
    assert.deepEqual([newer.fileBytes, (await models.list()).length], [whole.length, 1]);
    await models.close();
  });

  test('is refused by name where parts are missing there', async () => {
    const { [`/m/${names[1]}`]: second, [`/m/${names[4]}`]: last } = files;
    delete files[`/m/${names[1]}`];
    delete files[`/m/${names[4]}`];
    await fails(
      createEngine({ model: address(2) }),
      'MODEL_PARTS_MISSING',
      /missing are "model-00002-of-00005.gguf", "model-00005/,
    );
    Object.assign(files, { [`/m/${names[1]}`]: second, [`/m/${names[4]}`]: last });
    await fails(createEngine({ model: `${server.url}x-00001-of-00002.gguf` }), 'DOWNLOAD_FAILED', /404/);
    // A name that promises more parts than anybody has.
    const before = server.requests.length;
    files['/m/many-00001-of-99999.gguf'] = { bytes: parts[0] };
    await fails(
      createEngine({ model: `${server.url}m/many-00003-of-99999.gguf` }),
      'MODEL_PARTS_MIXED',
      /holds part 1 of 5/,
    );
    assert.ok(server.requests.length - before < 20);
    const models = await open(temporaryFolder());
    await fails(models.import(address(0), { sha256: 'ab'.repeat(32) }), 'INVALID_ARGUMENT', /comes in parts/);
    assert.deepEqual([await models.list(), asked(0).includes(-1)], [[], true]);
    await models.close();
  });
});

describe('parts that make no model', () => {
  const parts = splitGguf(whole, 3);
  const names = splitNames('model', 3);
  const { pairs, tensors } = readTables(whole);
  /** @param {Buffer} bytes @param {string} name */
  const file = (bytes, name) => new File(untyped([bytes]), name);
  /**
   * @param {number} number
   * @param {number} count
   * @param {{ name: string, entry: Buffer, data: Buffer }[]} some
   * @param {{ key: string, entry: Buffer }[]} [more]
   */
  const part = (number, count, some, more = []) =>
    writeTables({ pairs: [...more, ...splitPairs(number, count, tensors.length)], tensors: some });

  test('are told which are missing, where one is given alone', async () => {
    for (const model of [file(parts[1], names[1]), [file(parts[1], names[1])], new Uint8Array(parts[1])])
      await fails(
        createEngine({ model }),
        'MODEL_PARTS_MISSING',
        /part 2 of 3 of a model; missing are ".*-00001-of-00003.gguf"/,
      );
    const folder = temporaryFolder();
    writeFileSync(join(folder, names[1]), parts[1]);
    const alone = join(folder, names[1]);
    await fails(
      createEngine({ model: alone }),
      'MODEL_PARTS_MISSING',
      /missing are "model-00001-of-00003.gguf", "model-00003/,
    );
    const renamed = join(folder, 'renamed.gguf');
    writeFileSync(renamed, parts[2]);
    await fails(
      describeModel(renamed),
      'MODEL_PARTS_MISSING',
      /"renamed.gguf" is part 3 of 3.*"renamed-00001-of-00003.gguf"/,
    );
    await fails(
      createEngine({ model: [parts[0], parts[2]] }),
      'MODEL_PARTS_MISSING',
      /missing is "model-00002-of-00003.gguf"/,
    );
  });

  const foreign = splitGguf(readFileSync(writeSmallModel()), 3);
  const altered = pairs.map(({ key, entry }) => ({ key, entry: Buffer.from(entry).fill(99, entry.length - 1) }));
  const twoThirds = [tensors.slice(0, 10), tensors.slice(10, 20), tensors.slice(20)];
  for (const [what, given, words] of untyped([
    ['the same one twice', [parts[0], parts[1], parts[1], parts[2]], /both part 2 of 3/],
    ['whole files', [whole, readFileSync(writeSmallModel())], /no part of a model/],
    ['those of another count', [parts[0], splitGguf(whole, 2)[1]], /one of 3 parts, and .* one of 2/],
    ['those of another model', [parts[0], foreign[1], parts[2]], /belongs to a model of \d+ tensors, and/],
    [
      'one with other metadata',
      [part(0, 2, twoThirds[0], pairs), part(1, 2, tensors.slice(10), altered.slice(0, 1))],
      /metadata ".*" of .* are not those/,
    ],
    [
      'tensors twice',
      [part(0, 3, twoThirds[0], pairs), part(1, 3, twoThirds[1]), part(2, 3, twoThirds[1])],
      /The tensor ".*" stands in/,
    ],
    [
      'tensors missing',
      [part(0, 3, twoThirds[0], pairs), part(1, 3, twoThirds[1]), part(2, 3, twoThirds[2].slice(1))],
      /The parts have \d+ tensors together/,
    ],
    ['a number behind the last', [part(0, 2, twoThirds[0], pairs), part(7, 2, tensors.slice(10))], /part 8 of 2/],
    ['no GGUF', [parts[0], Buffer.from('hello there'), parts[2]], /begins with/],
    ['one cut short', [parts[0], parts[1].subarray(0, parts[1].length - 100), parts[2]], /cannot be read.*cut short/],
  ])) {
    test(`are refused: ${what}`, () =>
      assert.rejects(createEngine({ model: given }), (/** @type {NibbleError} */ error) => {
        assert.match(error.code, /^(MODEL_PARTS_MIXED|GGUF_(BAD_MAGIC|TRUNCATED))$/, error.message);
        assert.match(error.message, words);
        return true;
      }));
  }

  for (const [type, count] of /** @type {[string, number | bigint | string][]} */ ([
    ...[
      ['u32', 4294967294],
      ['u64', 2n ** 62n],
      ['u32', 65536],
      ['i32', -3],
      ['f32', 2.5],
      ['string', '2'],
    ],
  ])) {
    test(`are refused before anything is made of their count: ${type} ${count}`, async () => {
      const [first, second] = [0, 1].map((number) => {
        /** @type {import('../gguf-writer.js').KeyValue[]} */
        const metadata = [
          ['general.architecture', 'string', 'llama'],
          ['split.no', 'u16', number],
          ['split.count', type, count],
          ['split.tensors.count', 'i32', 0],
        ];
        return ggufBytes({ metadata, tensors: [], produce: () => [] });
      });
      for (const model of [[first, second], first])
        await fails(
          describeModel(model),
          'MODEL_PARTS_MIXED',
          /split.count of "model" is .* from 0 to 65535 was expected/,
        );
    });
  }

  test('are refused: names that say otherwise', async () => {
    const [first, second, third] = parts;
    const swapped = [file(first, names[0]), file(third, names[1]), file(second, names[2])];
    await fails(
      createEngine({ model: swapped }),
      'MODEL_PARTS_MIXED',
      /holds part 3 of 3, which is not what its name says/,
    );
    const other = [file(first, names[0]), file(second, names[1]), file(third, names[2].replace('model', 'other'))];
    await fails(createEngine({ model: other }), 'MODEL_PARTS_MIXED', /belongs to another model/);
    const paths = writeParts([first, third, second]);
    await fails(createEngine({ model: paths[0] }), 'MODEL_PARTS_MIXED', /not what its name says/);
  });
});

test('the command line takes any part of a model', () => {
  const paths = writeParts(splitGguf(whole, 2));
  /** @param {...string} args */
  const nibble = (...args) => spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
  const info = nibble('info', paths[1], '--json');
  assert.equal(JSON.parse(info.stdout).file.bytes, whole.length, info.stderr);
  const store = join(temporaryFolder(), 'kept');
  const run = nibble(
    'run',
    '--model',
    paths[1],
    '--store',
    store,
    '--max-tokens',
    '4',
    '--temperature',
    '0',
    '--prompt',
    'words',
  );
  assert.equal(run.status, 0, run.stderr);
  const [model, ...others] = JSON.parse(nibble('models', 'list', '--json', '--store', store).stdout);
  assert.deepEqual([model.fileBytes, model.source, others], [whole.length, { file: 'model.gguf' }, []]);
});
