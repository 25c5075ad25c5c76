// A record that a store gave is believed in nothing that would be made by its numbers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newManifest, readManifest } from '../../js/models/manifest.js';
import { untyped } from '../untyped.js';

const header = { dataOffset: 1024, get: () => undefined, tensors: () => [] };
const sizes = { fileBytes: 5000, layout: 1, packedBytes: 3000, chunkBytes: 4096, headerChecksum: '0'.repeat(16) };
const record = newManifest(
  untyped({
    id: 'url:x',
    descriptor: { url: 'https://host/x.gguf' },
    header,
    source: { name: 'x' },
    ...sizes,
  }),
);

test('a record is read back as it was made', () => assert.deepEqual(readManifest(record), record));

for (const field of ['headerBytes', 'chunkBytes', 'packedBytes', 'layout', 'filePosition']) {
  test(`one whose ${field} is no size is none`, () => {
    for (const value of [-1, 0.5, Number.NaN, 2 ** 60, '7', null, [1]])
      assert.equal(readManifest({ ...record, [field]: value }), null, String(value));
  });
}

test('nor is one whose header or chunks no memory would hold', () => {
  for (const field of ['headerBytes', 'chunkBytes']) {
    for (const value of [2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER])
      assert.equal(readManifest({ ...record, [field]: value }), null, `${field} ${value}`);
  }
});
