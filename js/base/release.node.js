// The release of the library in Node, whose files lie as they are: the build has noted it beside the wasm's glue.
import { readFileSync } from 'node:fs';

const NOTE = new URL('../../build/wasm/node/release.json', import.meta.url);

/**
 * What is built together: `name`, and of each wasm file the SHA-256; null: nothing is built yet.
 * @type {{ name: string, wasm: Record<string, string> } | null}
 */
export const RELEASE = readNote();

function readNote() {
  try {
    return JSON.parse(readFileSync(NOTE, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}
