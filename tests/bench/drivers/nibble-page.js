// Nibble in a page, by its public entry.
import { openNibble } from './nibble.js';

/** @param {import('../measure.js').EngineSetup} setup */
export async function open({ modelUrl, threads, contextSize }) {
  const { createEngine } = await import(new URL('/nibble/index.js', location.href).href);
  return openNibble({ createEngine, modelUrl, threads, contextSize, loadedFrom: 'the server on this machine' });
}
