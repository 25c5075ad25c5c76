// Locks between the tabs and workers of a page of plain http, where browsers have no Web Locks: leases whose entries lie
// among the facts of the database that they guard. Nobody can say of a tab whether it has ended, so what a killed one
// leaves expires.
import { Leases } from './leases.js';

const FACT = 'lock';
/** @param {string} entry */
const factOf = (entry) => [FACT, entry];

/**
 * A transaction on the object store "facts": `use` makes its requests at once, or as soon as one was answered. It gives
 * what `use` gives.
 * @typedef {<T>(mode: IDBTransactionMode, use: (facts: import('./indexeddb.js').ObjectStore) => Promise<T>) => Promise<T>} Transact
 */

/**
 * @param {Transact} transact
 * @param {typeof import('./leases.js').LEASE_TIMES} [times]
 * @returns {Leases}
 */
export function databaseLeases(transact, times) {
  return new Leases(
    {
      owner: randomName(),
      keyOf: encodeURIComponent,
      async list() {
        const range = IDBKeyRange.bound([FACT], [FACT, []]);
        const keys = await transact('readonly', (facts) => facts.getAllKeys(range));
        return keys.map((key) => String(Array.isArray(key) ? key[1] : key));
      },
      async read(entry) {
        const found = await transact('readonly', (facts) => facts.get(factOf(entry)));
        if (found === undefined) return null;
        const { text, at } = /** @type {{ text?: unknown, at?: unknown }} */ (found ?? {});
        return { text: String(text), age: Date.now() - Number(at ?? 0) };
      },
      async add(entry, text) {
        await transact('readwrite', (facts) => facts.put({ text, at: Date.now() }, factOf(entry)));
      },
      renew: (entry, text) =>
        transact('readwrite', async (facts) => {
          if ((await facts.getKey(factOf(entry))) === undefined) return false;
          await facts.put({ text, at: Date.now() }, factOf(entry));
          return true;
        }),
      remove: (entry) => transact('readwrite', (facts) => facts.delete(factOf(entry))),
      isGone: async () => false,
    },
    undefined,
    times,
  );
}

// randomUUID() is for secure contexts only.
const randomName = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('.');
