// Nibble in a page, by its public entry.
import { openNibble } from './nibble.js';

/**
 * @param {import('../measure.js').EngineSetup} setup
 * @param {{ byComplete?: boolean }} [how]
 */
export async function open({ modelUrl, threads, contextSize }, { byComplete } = {}) {
  const { createEngine } = await import(new URL('/nibble/index.js', location.href).href);
  const loadedFrom = 'the server on this machine';
  return openNibble({ createEngine, modelUrl, threads, contextSize, loadedFrom, byComplete });
}
