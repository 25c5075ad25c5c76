// What answers in place of the hub, or amiss, is told apart from a list of files.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, test } from 'node:test';
import { listRepository, NibbleError } from '../../js/index.node.js';
import { portOf } from '../port.js';
import { untyped } from '../untyped.js';

describe('what answers in place of the hub', () => {
  /**
   * @param {string} body
   * @param {Record<string, string>} headers
   * @param {(at: { hub: { url: string } }) => Promise<void>} use
   */
  async function answering(body, headers, use) {
    const server = createServer((_, response) => response.writeHead(200, headers).end(body));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      await use({ hub: { url: `http://127.0.0.1:${portOf(server)}` } });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  for (const [what, body] of Object.entries({
    'a page': '<!doctype html>',
    'no list': '{"files":[]}',
    nothing: '',
    'half of a list': '[{"type":"file"',
    'far too much': `[${'" ",'.repeat(3 << 20)}" "]`,
  })) {
    test(`${what} is no list of files`, () =>
      answering(body, {}, async (at) => {
        await assert.rejects(listRepository('owner/name', at), (error) => {
          assert.ok(error instanceof NibbleError);
          assert.equal(error.code, 'DOWNLOAD_FAILED', error.message);
          assert.match(error.message, /list of files/);
          return true;
        });
      }));
  }

  test('entries that are none are passed over, and a next page elsewhere is not asked for', async () => {
    const entries = [null, 1, {}, { type: 'file', path: 1, size: 1 }, { type: 'file', path: 'a.gguf', size: -1 }];
    entries.push(
      { type: 'file', path: 'a\n.gguf', size: 1 },
      { type: 'file', path: 'a\ud800.gguf', size: 1 },
      untyped({ type: 'file', path: 'b.gguf', size: 5, lfs: { oid: 'x' } }),
    );
    const headers = { Link: '<http://example.invalid/>; rel="next"' };
    await answering(JSON.stringify(entries), headers, async (at) => {
      const { files } = await listRepository('owner/name', at);
      assert.deepEqual(
        files.map(({ path, bytes: size, sha256 }) => [path, size, sha256]),
        [['b.gguf', 5, null]],
      );
    });
  });
});
