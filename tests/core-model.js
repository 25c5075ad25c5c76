// A model in the C core, without the library around it: for what only its sessions can do.
import { readFileSync } from 'node:fs';
import { Runtime } from '../js/core/runtime.js';
import { readHeader } from '../js/models/loader.js';
import { untyped } from './untyped.js';

const WASM = new URL('../build/wasm/', import.meta.url);

/** Options of createModel() in js/core/runtime.js that a test need not care about. */
export const CORE_OPTIONS = Object.freeze({
  threads: 1,
  contextSize: 0,
  batchSize: 0,
  exact: false,
  kvType: 'f16',
  kernelSet: 'simd128',
  tileStreams: 1,
});

/**
 * A core of one thread, to be closed.
 * @param {number} [helpers] threads beside it that may start
 * @param {'simd128' | 'relaxed'} [variant] which of the builds
 */
export async function startCore(helpers = 0, variant = 'simd128') {
  const { default: createModule } = await import(new URL('node/nibble.mjs', WASM).href);
  const wasm = await WebAssembly.compile(readFileSync(new URL(`nibble-${variant}.wasm`, WASM)));
  return Runtime.start(createModule, wasm, helpers);
}

/** A file as readHeader() takes it. @param {Uint8Array} bytes @param {string} [name] */
export function sourceOf(bytes, name = 'model.gguf') {
  const pieces = [bytes];
  return { name, size: bytes.length, read: async () => pieces.shift() ?? null };
}

/**
 * A core and the header of a model in it, both to be closed.
 * @param {Uint8Array} bytes a GGUF file
 * @param {'simd128' | 'relaxed'} [variant] which of the builds
 */
export async function openCoreHeader(bytes, variant) {
  const runtime = await startCore(0, variant);
  const { header } = await readHeader(runtime, untyped(sourceOf(bytes)));
  return { runtime, header };
}

/**
 * @param {Uint8Array} bytes a GGUF file
 * @param {object} [changes] of CORE_OPTIONS
 * @param {'simd128' | 'relaxed'} [variant] which of the builds
 */
export async function openCoreModel(bytes, changes = {}, variant = undefined) {
  const { runtime, header } = await openCoreHeader(bytes, variant);
  const model = header.createModel(untyped({ ...CORE_OPTIONS, ...changes }));
  const staging = runtime.allocate(4 << 20);
  for (let start = header.dataOffset; start < bytes.length; start += 4 << 20) {
    model.load(bytes.subarray(start, start + (4 << 20)), staging);
  }
  runtime.free(staging);
  header.close();
  return { model, close: () => [model.close(), runtime.close()] };
}

/**
 * A model's logits behind tokens that nothing is kept of, computed in batches as the library does.
 * @param {Awaited<ReturnType<typeof openCoreModel>>['model']} model
 * @param {number[]} tokens
 */
export async function logitsAfter(model, tokens) {
  const session = model.createSession();
  try {
    for (let start = 0; start < tokens.length; start += model.mostTokens) {
      await session.evaluate(tokens.slice(start, start + model.mostTokens));
    }
    const logits = session.logits();
    if (logits === null) throw new Error('There are no logits.');
    return logits;
  } finally {
    session.close();
  }
}
