// The checksum as a module of its own computes in another engine's heap what src/checksum.c computes there, and leaves
// all else in that heap alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { HeapChecksum } from '../../js/core/heap-checksum.js';

const wasm = readFileSync(new URL('../../build/wasm/checksum.wasm', import.meta.url));
const PAGES = 32;
const STATE = 70_000;
const STATE_BYTES = 72;
const PLACE = 100_001;

// XXH64 with seed 0 of the first bytes of 0, 1, 2, ... 255, 0, 1, ...; by the reference implementation.
/** @type {[length: number, checksum: string][]} */
const VECTORS = [
  [0, 'ef46db3751d8e999'],
  [1, 'e934a84adb052768'],
  [31, 'c346d2b59b4d8ee1'],
  [32, 'cbf59c5116ff32b4'],
  [33, '0c535d1acafb8ead'],
  [1000, '6ef436b00eba4078'],
  [100003, '1b5bc5994f1f16a6'],
];

/** The numbers of the sections of a module. @param {Buffer<ArrayBuffer>} bytes */
function sectionsOf(bytes) {
  const sections = [];
  for (let position = 8; position < bytes.length; ) {
    sections.push(bytes[position++]);
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[position++];
      size |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    position += size;
  }
  return sections;
}

test('the module has no data and no start that would write into the heap', () => {
  const [START, DATA] = [8, 11];
  const sections = sectionsOf(wasm);
  assert.ok(sections.length > 3);
  for (const section of [START, DATA]) assert.ok(!sections.includes(section), `section ${section}`);
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(wasm));
  assert.deepEqual(imports, [{ module: 'env', name: 'memory', kind: 'memory' }]);
});

test('bytes in pieces of any size have the checksum of XXH64, and nothing but the state changes', () => {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 65536, shared: true });
  const heap = new Uint8Array(memory.buffer).fill(0xa5);
  const checksum = new HeapChecksum(wasm, memory);
  for (const [length, expected] of VECTORS) {
    for (let i = 0; i < length; i++) heap[PLACE + i] = i;
    const before = heap.slice();
    for (const piece of [1, 31, 32, 77, 100_000]) {
      const taken = checksum.begin(STATE);
      for (let done = 0; done < length; done += piece) {
        taken.update(heap.subarray(PLACE + done, PLACE + Math.min(length, done + piece)));
      }
      const { checksum: found, bytes } = taken.end();
      assert.deepEqual([found, bytes], [expected, length], `${length} bytes by ${piece}`);
    }
    const after = heap.slice();
    for (const copy of [before, after]) copy.fill(0, STATE, STATE + STATE_BYTES);
    assert.deepEqual(after, before);
  }
});
