// What a model is stored under, so that the same one is found again: where it comes from, or what it holds.

import { nextPiece } from './loader.js';
import { Checksum } from './packer.js';
import { openSource } from './source.js';

/** The id, where nothing has to be opened to know it; null otherwise. @param {any} descriptor */
export function knownId({ stored, url, blob, name }) {
  if (typeof stored === 'string') return stored;
  if (typeof url === 'string' && /^https?:/i.test(url)) return `url:${new URL(url).href}`;
  if (typeof blob?.lastModified === 'number') return `file:${name}:${blob.size}:${blob.lastModified}`;
  return null;
}

/**
 * @param {any} descriptor as describeSource() makes it
 * @param {{ runtime: import('./engine.js').Runtime, openPath?: (path: string) => Promise<import('./source.js').Source>,
 *   signal?: AbortSignal }} platform
 * @returns {Promise<string>} `url:<address>`, `file:<name>:<size>:<last modified>`, or `bytes:<checksum>`
 */
export async function modelId(descriptor, { runtime, openPath, signal }) {
  const known = knownId(descriptor);
  if (known !== null) return known;
  if (typeof descriptor.path === 'string') return pathId(descriptor, { openPath, signal });
  if (descriptor.blob !== undefined) return contentId(await openSource(descriptor, { signal }), runtime, signal);
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
