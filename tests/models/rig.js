// What tests of stored models have in common: the core in this thread, a server of one file that can be cut and changed,
// and models loaded through a store.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Runtime } from '../../js/core/runtime.js';
import { openingOf } from '../../js/models/open.js';
import { openStored } from '../../js/models/open-stored.js';
import { openFile } from '../../js/sources/file.node.js';
import { portOf } from '../port.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/core/runtime.js').Model} Model */
/** @typedef {import('../../js/store/backends.js').Backend} Backend */
/** @typedef {Partial<import('../../js/sources/descriptor.js').Descriptor>} Descriptor */
/** @typedef {Partial<import('../../js/models/open.js').StoreCall & import('../../js/models/open-stored.js').Opening> & { sha256?: string }} CallOptions */

/** An instance of the wasm in this thread. */
export async function startRuntime() {
  const build = new URL('../../build/wasm/', import.meta.url);
  const { default: createModule } = await import(new URL('node/nibble.mjs', build).href);
  const wasm = await WebAssembly.compile(readFileSync(new URL('nibble-simd128.wasm', build)));
  return Runtime.start(createModule, wasm, 0);
}

/**
 * @typedef {object} FileServer all but `url` and `close` may be changed
 * @property {Uint8Array} bytes
 * @property {string} etag
 * @property {{ start: number, end: number }[]} requests so far
 * @property {number} limit where a body stalls for ever
 * @property {() => unknown} onStall
 * @property {boolean} offline connections break
 * @property {boolean} ranges false where it sends all of the file to whoever asks
 * @property {string} url
 * @property {() => void} close
 *
 * @typedef {ReturnType<typeof createRig>} Rig
 */

/**
 * Serves bytes under one address with ranges and an ETag.
 * @param {Uint8Array} bytes
 * @returns {Promise<FileServer>}
 */
export async function serveFile(bytes) {
  /** @type {Omit<FileServer, 'url' | 'close'>} */
  const state = {
    bytes,
    etag: '"one"',
    requests: [],
    limit: Infinity,
    onStall: () => {},
    offline: false,
    ranges: true,
  };
  const server = createServer((request, response) => {
    if (state.offline) return request.socket.destroy();
    const asked = state.ranges && /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const same = (request.headers['if-range'] ?? state.etag) === state.etag;
    const size = state.bytes.length;
    const start = asked && same ? Number(asked[1]) : 0;
    const end = asked && same && asked[2] !== '' ? Math.min(size, Number(asked[2]) + 1) : size;
    if (request.method !== 'HEAD') state.requests.push({ start, end });
    /** @type {Record<string, string | number>} */
    const headers = {
      etag: state.etag,
      'accept-ranges': state.ranges ? 'bytes' : 'none',
      'content-length': end - start,
    };
    if (asked && same) headers['content-range'] = `bytes ${start}-${end - 1}/${size}`;
    response.writeHead(asked && same ? 206 : 200, headers);
    if (request.method === 'HEAD') return response.end();
    const stop = Math.min(end, Math.max(start, state.limit));
    response.write(state.bytes.subarray(start, stop));
    if (stop === end) response.end();
    else state.onStall();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return Object.assign(state, { url: `http://127.0.0.1:${portOf(server)}/models/small.gguf`, close });
}

/**
 * What loads models through one store.
 * @param {Runtime} runtime
 * @param {Backend} backend
 * @param {number | null} chunkBytes
 */
export function createRig(runtime, backend, chunkBytes) {
  const platform = { openPath: openFile, download: { retries: 1, retryMilliseconds: 1 } };
  /** @type {import('../../js/base/public-types.js').Progress[]} */
  const events = [];
  /** @param {Descriptor} descriptor @param {Omit<CallOptions, 'platform'> & { platform?: object }} [options] */
  const opening = async (descriptor, options = {}) => {
    const store = { chunkBytes };
    // Of a call, what opening a model needs.
    const call = untyped({
      ...{ runtime, platform, descriptor, store },
      onProgress: (/** @type {import('../../js/base/public-types.js').Progress} */ event) => events.push(event),
      ...options,
    });
    /** @type {import('../../js/models/open-stored.js').Opening} */
    const made = await openingOf(call, backend);
    return Object.assign({ ...made }, options);
  };
  return {
    events,
    backend,
    opening,

    /** Loads into an engine and computes a little. @param {Descriptor} descriptor @param {CallOptions} [options] */
    async load(descriptor, options) {
      const { header, storage, load, close } = await openStored(await opening(descriptor, options));
      let model;
      try {
        model = header.createModel(
          untyped({
            threads: 1,
            contextSize: 0,
            batchSize: 0,
            exact: false,
            kernelSet: 'reference',
            tileStreams: 1,
          }),
        );
        await load(model);
        return { logits: await logitsOf(model), storage };
      } finally {
        model?.close();
        await close();
      }
    },

    /**
     * Stores without an engine.
     * @param {Descriptor} descriptor
     * @param {Omit<CallOptions, 'platform'> & { platform?: object }} [options]
     */
    async store(descriptor, options) {
      const { storage, load, close } = await openStored(await opening(descriptor, options));
      try {
        return storage.state === 'stored' ? null : await load(null);
      } finally {
        await close();
      }
    },
  };
}

/** @param {Model} model */
export async function logitsOf(model) {
  const session = model.createSession();
  try {
    await session.evaluate([1, 5, 70, 200]);
    return Array.from(present(session.logits())).join();
  } finally {
    session.close();
  }
}

/**
 * A backend with some of its calls replaced.
 * @param {Backend} backend
 * @param {{ [Name in keyof Backend]?: (...given: any[]) => unknown }} calls which may refuse, wait and count
 */
export const altered = (backend, calls) =>
  new Proxy(backend, {
    get(target, key) {
      const name = /** @type {keyof Backend} */ (key);
      if (Object.hasOwn(calls, name)) return calls[name];
      const value = target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

/** Some time, and enough turns of the event loop that everything sent has been taken in. */
export async function settled() {
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * Changes a stored chunk, or the header, whose index is -1.
 * @param {Backend} backend
 * @param {string} id
 * @param {number} index
 * @param {(chunk: Uint8Array) => Uint8Array} change
 */
export async function damage(backend, id, index, change) {
  const record = /** @type {import('../../js/models/manifest.js').Manifest} */ (await backend.get(id));
  const size = index < 0 ? record.headerBytes : record.chunks[index].bytes;
  const chunk = new Uint8Array(size);
  await backend.readChunk(id, index, 0, chunk);
  await backend.writeChunk(id, index, [change(chunk)]);
}

/** @param {Uint8Array} chunk */
export const flipped = (chunk) => {
  chunk[chunk.length >> 1] ^= 1;
  return chunk;
};
/** @param {Uint8Array} chunk */
export const cut = (chunk) => chunk.subarray(0, chunk.length - 1);
