// A random model small enough for tests that need some model, and a folder for it that goes away with the process.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeRandomModel } from './random-model.js';

/** Byte-level vocabulary: 256 bytes, <|begin|>, <|end|>, words. @type {Readonly<import('./model-shapes.js').Shape>} */
export const SMALL_SHAPE = Object.freeze({
  name: 'small',
  context: 256,
  width: 64,
  layers: 2,
  ffn: 128,
  heads: 4,
  kvHeads: 2,
  headSize: 16,
  vocabulary: 300,
  tied: true,
  epsilon: 1e-5,
  ropeBase: 10000,
});

/** A new folder, removed when the process ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'nibble-test-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * @param {Partial<import('./model-shapes.js').Shape>} [changes]
 * @returns {string} the path of a new model
 */
export function writeSmallModel(changes = {}) {
  const path = join(temporaryFolder(), 'small.gguf');
  writeRandomModel(path, { shape: { ...SMALL_SHAPE, ...changes }, type: 'q4_0' });
  return path;
}
