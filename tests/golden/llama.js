// Native llama.cpp, for the scripts that record what it gives: no dependency of the project, and not needed to run tests.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * @param {string} [folder] where node-llama-cpp is installed
 * @returns {Promise<{ llama: any, version: string }>}
 */
export async function loadLlama(folder) {
  const home = folder ? resolve(folder, 'node_modules/node-llama-cpp') : null;
  try {
    const library = await import(home ? pathToFileURL(join(home, 'dist/index.js')).href : 'node-llama-cpp');
    const llama = await library.getLlama({ gpu: false, build: 'never', logLevel: 'error' });
    const version = home ? JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')).version : '';
    return { llama, version: `llama.cpp ${llama.llamaCppRelease.release}, node-llama-cpp ${version}`.trim() };
  } catch (/** @type {any} */ error) {
    const where = home ?? 'this checkout';
    throw new Error(
      `node-llama-cpp could not be loaded from ${where} (${error.message}). Install it in a folder of its own, ` +
        'npm install --prefix FOLDER --ignore-scripts node-llama-cpp@3.22, and name that folder by --llama FOLDER.',
    );
  }
}
