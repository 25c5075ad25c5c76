// What tests of stored models have in common: the core in this thread, a server of one file that can be cut and changed,
// and models loaded through a store.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Runtime } from '../../js/core/runtime.js';
import { openingOf } from '../../js/models/open.js';
import { withStored } from '../../js/models/open-stored.js';
import { openFile } from '../../js/sources/file.node.js';

/** An instance of the wasm in this thread. */
export async function startRuntime() {
  const build = new URL('../../build/wasm/', import.meta.url);
  const { default: createModule } = await import(new URL('node/nibble.mjs', build).href);
  const wasm = await WebAssembly.compile(readFileSync(new URL('nibble-simd128.wasm', build)));
  return Runtime.start(createModule, wasm, 0);
}

/**
 * Serves bytes under one address with ranges and an ETag.
 * @returns {Promise<object>} `url`; `requests`: [{ start, end }] so far; `sent`: bytes of bodies so far; `limit`: where a
 *   body stalls for ever; `onStall`; `bytes` and `etag` may be changed; `ranges`: false where it sends all of
 *   the file to whoever asks; `offline`: connections break
 */
export async function serveFile(bytes) {
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
  state.url = `http://127.0.0.1:${server.address().port}/models/small.gguf`;
  state.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return state;
}

/** What loads models through one store. */
export function createRig(runtime, backend, chunkBytes) {
  const platform = { openPath: openFile, download: { retries: 1, retryMilliseconds: 1 } };
  const events = [];
  const opening = (descriptor, options = {}) => {
    const store = { chunkBytes };
    const call = { runtime, platform, descriptor, store, onProgress: (event) => events.push(event), ...options };
    return openingOf(call, backend).then((made) => ({ ...made, ...options }));
  };
  return {
    events,
    backend,
    opening,

    /** Loads into an engine and computes a little. @returns {Promise<{ logits: string, storage: object }>} */
    async load(descriptor, options) {
      return withStored(await opening(descriptor, options), async ({ header, storage, load }) => {
        const model = header.createModel({
          threads: 1,
          contextSize: 0,
          batchSize: 0,
          exact: false,
          kernelSet: 'reference',
          tileStreams: 1,
        });
        try {
          await load(model);
          return { logits: await logitsOf(model), storage };
        } finally {
          model.close();
        }
      });
    },

    /** Stores without an engine. */
    async store(descriptor, options) {
      return withStored(await opening(descriptor, options), ({ storage, load }) =>
        storage.state === 'stored' ? null : load(null),
      );
    },
  };
}

export async function logitsOf(model) {
  const session = model.createSession();
  try {
    await session.evaluate([1, 5, 70, 200]);
    return Array.from(session.logits()).join();
  } finally {
    session.close();
  }
}
