// Two models of one size and other weights, a server whose files change, and what is stored of them.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { portOf } from './port.js';
import { writeRandomModel } from './random-model.js';
import { SMALL_SHAPE, temporaryFolder } from './small-model.js';
import { createThreadLibrary } from './thread-library.js';

const { createEngine, openModelStore } = await createThreadLibrary();

const PROMPT = { tokens: [104, 105], temperature: 0, maxTokens: 12, ignoreEos: true };
/** Small enough that each of the models is several chunks. */
export const CHUNK = 16 << 10;

export const [one, two] = [1, 2].map((seed) => {
  const path = join(temporaryFolder(), 'small.gguf');
  writeRandomModel(path, { shape: SMALL_SHAPE, type: 'q4_0', seed });
  return readFileSync(path);
});

/** @typedef {import('../js/index.node.js').EngineOptions} EngineOptions */
/** @typedef {import('../js/base/public-types.js').ModelStore} ModelStore */

/**
 * What a model writes that is loaded through a store, and what became of the store.
 * @param {EngineOptions['store']} store
 * @param {EngineOptions['model']} model
 * @param {Partial<EngineOptions>} [options]
 */
export async function loadThrough(store, model, options = {}) {
  const engine = await createEngine({ threads: 1, store, model, ...options });
  const { tokens } = await engine.complete(PROMPT).result;
  const { storage } = engine.info;
  await engine.unload();
  return { tokens: tokens.join(), ...storage };
}

/** What a model of these bytes writes. @param {any} bytes */
export async function textOf(bytes) {
  const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  return (await loadThrough(null, copy)).tokens;
}

/** @template T @param {EngineOptions['store']} store @param {(models: ModelStore) => Promise<T> | T} use */
export async function withModels(store, use) {
  const models = await openModelStore({ store });
  try {
    return await use(models);
  } finally {
    await models.close();
  }
}

/**
 * @typedef {object} Served a file
 * @property {Uint8Array} bytes
 * @property {string | null} [etag]
 * @property {string | null} [lastModified]
 * @property {boolean} [ranges] whether it gives parts; true
 * @property {number} [limit] where an answer stalls
 * @property {boolean} [honours] whether it looks at If-Range; true
 */

/**
 * Answers by path.
 * @param {Record<string, Served | (() => Served)>} files by path and query, or by path
 */
export async function serve(files) {
  /** @type {{ url: string, range: string | undefined }[]} */
  const requests = [];
  const server = createServer((request, response) => {
    const { url = '/' } = request;
    const file = files[url] ?? files[url.split('?', 1)[0]];
    const { range, 'if-range': condition } = request.headers;
    requests.push({ url, range });
    if (file === undefined) return response.writeHead(404).end();
    const {
      bytes,
      etag,
      lastModified,
      ranges = true,
      limit = Infinity,
      honours = true,
    } = typeof file === 'function' ? file() : file;
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
    const isPart = ranges && from !== undefined && !(honours && condition !== undefined && condition !== etag);
    const start = isPart ? Number(from) : 0;
    const end = isPart && to !== '' ? Math.min(bytes.length, Number(to) + 1) : bytes.length;
    response.writeHead(isPart ? 206 : 200, {
      ...(etag && { etag }),
      ...(lastModified && { 'last-modified': lastModified }),
      ...(isPart && { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
      'content-length': end - start,
    });
    if (limit >= end) return response.end(bytes.subarray(start, end));
    response.write(bytes.subarray(start, Math.max(start, limit)));
  });
  server.listen(0, '127.0.0.1');
  server.unref();
  await once(server, 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${portOf(server)}`, requests, close };
}
