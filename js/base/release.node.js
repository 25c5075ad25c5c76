// The release of the library in Node, whose files lie as they are: the build has noted it beside the wasm's glue.
import { readFileSync } from 'node:fs';
import { codeOf } from './errors.js';

const NOTE = new URL('../../build/wasm/node/release.json', import.meta.url);
const { name, wasm } = readNote();

/** The name of what is built together; null: nothing is built yet. @type {string | null} */
export const RELEASE = name;

/** What the SHA-256 of each of its wasm files begins with. @type {string[]} */
export const RELEASE_WASM = wasm;

function readNote() {
  try {
    return JSON.parse(readFileSync(NOTE, 'utf8'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { name: null, wasm: [] };
    throw error;
  }
}
