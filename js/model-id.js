// What a model is stored under, so that the same one is found again: where it comes from, or what it holds.

import { nextPiece } from './loader.js';
import { Checksum } from './packer.js';
import { openSource } from './source.js';

/**
 * @param {any} descriptor as describeSource() makes it
 * @param {{ runtime: import('./engine.js').Runtime, openPath?: (path: string) => Promise<import('./source.js').Source>,
 *   signal?: AbortSignal }} platform
 * @returns {Promise<string>} `url:<address>`, `file:<name>:<size>:<last modified>`, or `bytes:<checksum>`
 */
export async function modelId(descriptor, { runtime, openPath, signal }) {
  if (typeof descriptor.stored === 'string') return descriptor.stored;
  if (typeof descriptor.url === 'string' && /^https?:/i.test(descriptor.url))
    return `url:${new URL(descriptor.url).href}`;
  if (typeof descriptor.path === 'string') return pathId(descriptor, { openPath, signal });
  const { blob } = descriptor;
  if (typeof blob?.lastModified === 'number') return `file:${descriptor.name}:${blob.size}:${blob.lastModified}`;
  if (blob !== undefined) return contentId(await openSource(descriptor, { signal }), runtime, signal);
  if (descriptor.again !== undefined)
    return contentId(await openSource({ ...descriptor, port: descriptor.again }, { signal }), runtime, signal);
  // A stream cannot be read twice: each is a model of its own.
  const random = crypto.getRandomValues(new Uint8Array(8));
  return `bytes:${Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

async function pathId(descriptor, platform) {
  const source = await openSource(descriptor, platform);
  await source.close();
  return `file:${source.name}:${source.size}:${source.lastModified}`;
}

async function contentId(source, runtime, signal) {
  const checksum = new Checksum(runtime);
  try {
    for (;;) {
      const piece = await nextPiece(source, signal);
      if (piece === null) break;
      checksum.update(piece);
    }
    return `bytes:${checksum.hex()}`;
  } finally {
    checksum.close();
    await source.close();
  }
}
