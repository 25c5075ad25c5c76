// Locks that nobody keeps for us: what is left of holders that ended by force expires, and nobody who lives is robbed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFolder } from '../../js/store/folder.node.js';
import { Leases } from '../../js/store/leases.js';
import { folderLeases, releaseThread } from '../../js/store/locks.node.js';
import { code } from '../errors.js';
import { present } from '../present.js';
import { temporaryFolder } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/store/leases.js').Holder} Holder */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

// A hundredth of the usual, so that a test need not wait; waits are counted in looks, not in seconds.
const TIMES = untyped({ beat: 20, stale: 200, confirm: 60, look: 10 });

/** Entries in memory, with a clock that each user sees in a way of its own. */
class SharedPlace {
  entries = new Map();
  gone = new Set();

  /** @param {string} owner */
  leases(owner, { skew = 0 } = {}) {
    const medium = {
      owner,
      keyOf: encodeURIComponent,
      list: async () => [...this.entries.keys()],
      /** @param {string} entry */
      read: async (entry) => {
        const found = this.entries.get(entry);
        return found === undefined ? null : { text: found.text, age: Date.now() + skew - found.at };
      },
      /** @param {string} entry @param {string} text */
      add: async (entry, text) => this.entries.set(entry, { text, at: Date.now() + skew }),
      /** @param {string} entry @param {string} text */
      renew: async (entry, text) => {
        if (!this.entries.has(entry)) return false;
        this.entries.set(entry, { text, at: Date.now() + skew });
        return true;
      },
      /** @param {string} entry */
      remove: async (entry) => this.entries.delete(entry),
      /** @param {string} other */
      isGone: async (other) => this.gone.has(other),
    };
    return new Leases(untyped(medium), owner, TIMES);
  }

  /** What a holder that was ended by force leaves. @param {string} owner */
  leave(owner, at = Date.now()) {
    this.entries.set(`a alone ${owner} 1`, { text: JSON.stringify({ name: owner, since: at }), at });
  }
}

describe('leases', () => {
  test('of a holder that nobody can ask expire, and it is told who is waited for', async () => {
    const place = new SharedPlace();
    place.leave('elsewhere');
    /** @type {Holder[]} */
    const told = [];
    assert.equal(await place.leases('here').lock('a', { onWait: (holder) => told.push(holder) }, () => 'mine'), 'mine');
    assert.equal(told.length, 1);
    assert.equal(told[0].name, 'elsewhere');
    assert.ok(present(told[0].since) > 0);
    assert.equal(place.entries.size, 0);
  });

  test('of a holder that is known to be gone are swept away at once', async () => {
    const place = new SharedPlace();
    place.leave('elsewhere');
    place.gone.add('elsewhere');
    assert.equal(await place.leases('here').lock('a', { wait: false }, () => 'mine'), 'mine');
  });

  test('of a living holder are never taken, whatever the clocks say', async () => {
    for (const skew of [0, 1e9, -1e9]) {
      const place = new SharedPlace();
      let isDone = false;
      const holding = place.leases('holder', { skew }).lock('a', {}, async () => {
        await sleep(4 * TIMES.stale);
        isDone = true;
      });
      await sleep(5);
      const other = place.leases('other');
      await assert.rejects(
        other.lock('a', { wait: false }, () => {}),
        (/** @type {NibbleError} */ error) =>
          code('STORE_BUSY')(error) && untyped(present(error.details).holder).name === 'holder',
        `clocks ${skew} ms apart`,
      );
      await other.lock('a', {}, () => assert.ok(isDone, `clocks ${skew} ms apart`));
      await holding;
    }
  });

  test('that were left long ago are in nobody\u2019s way, also where nobody wants to wait', async () => {
    for (const at of [Date.now() - 1e9, Date.now() + 1e9]) {
      const place = new SharedPlace();
      place.leave('elsewhere', at);
      assert.equal(await place.leases('here').lock('a', { wait: false }, () => 'mine'), 'mine');
    }
  });

  test('that were taken from a holder that stood still are noticed by it', async () => {
    const place = new SharedPlace();
    const stopped = place.leases('stopped');
    await stopped.lock('a', {}, async () => {
      await stopped.check('a');
      await stopped.check('a#0');
      place.entries.clear();
      await assert.rejects(stopped.check('a'), code('STORE_BUSY'));
      await assert.rejects(stopped.check('a#0'), code('STORE_BUSY'));
      await stopped.check('b');
    });
    await stopped.check('a');
  });
});

describe('locks in a folder', () => {
  const children = new Set();
  after(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  /**
   * Another process that takes the lock on `a` in a store, and writes its chunk 0 of 1s, again and again.
   * @param {string} folder
   */
  async function writer(folder) {
    const program = `
      const { openFolder } = await import(${JSON.stringify(new URL('../../js/store/folder.node.js', import.meta.url).href)});
      const backend = await openFolder(process.argv[1], ${JSON.stringify(TIMES)});
      await backend.lock('a', {}, async () => {
        console.log('held');
        try {
          for (;;) await backend.writeChunk('a', 0, [new Uint8Array(100_000).fill(1)]);
        } catch (error) {
          console.log(error.code);
        }
      });`;
    const args = ['--input-type=module', '-e', program, folder];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.add(child);
    await once(child.stdout, 'data');
    return child;
  }

  test('are lost by a process that was stopped for long, which notices it and writes no more', async () => {
    const folder = temporaryFolder();
    const child = await writer(folder);
    child.kill('SIGSTOP');
    const backend = await openFolder(folder, TIMES);
    await backend.lock('a', {}, async () => {
      await backend.writeChunk('a', 0, [new Uint8Array(100).fill(2)]);
      const said = once(child.stdout, 'data');
      child.kill('SIGCONT');
      assert.equal(String(await said).trim(), 'STORE_BUSY');
      const found = new Uint8Array(100);
      await backend.readChunk('a', 0, 0, found);
      assert.ok(found.every((byte) => byte === 2));
      await once(child, 'exit');
      await backend.writeChunk('a', 0, [new Uint8Array(100).fill(3)]);
    });
    await backend.close();
  });

  test('of a process whose number was given to another, or that was killed, are swept away at once', async () => {
    const folder = temporaryFolder();
    const child = await writer(folder);
    const locks = join(folder, 'locks');
    const [entry] = readdirSync(locks);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const backend = await openFolder(folder);
    await backend.lock('a', { wait: false }, () => {});
    // This process, as it would be had it begun at another time.
    if (process.platform === 'linux') {
      const [key, mode, owner] = entry.split(' ');
      const [, thread, start, machine] = owner.split('.');
      writeFileSync(join(locks, `${key} ${mode} ${process.pid}.${thread}.${start}1.${machine} 1`), '');
      await backend.lock('a', { wait: false }, () => {});
    }
    assert.deepEqual(readdirSync(locks), [], 'nothing is left of any lock');
    await backend.close();
  });

  test('of a thread go when the process says that it has ended', async () => {
    const folder = temporaryFolder();
    const leases = folderLeases(folder);
    await leases.lock('a', {}, async () => {
      const [entry] = readdirSync(folder);
      await releaseThread(folder, 7);
      assert.deepEqual(readdirSync(folder), [entry]);
      await releaseThread(folder, 0);
      assert.deepEqual(readdirSync(folder), []);
    });
  });
});
