// Locks between the tabs and workers of a page of plain http, where browsers have no Web Locks: leases whose entries lie
// among the facts of the database that they guard. Nobody can say of a tab whether it has ended, so what a killed one
// leaves expires.
import { Leases } from './leases.js';

const FACT = 'lock';
const factOf = (entry) => [FACT, entry];

/**
 * A transaction on the object store "facts".
 * @callback Transact
 * @param {IDBTransactionMode} mode
 * @param {(facts: any) => Promise<any>} use makes its requests at once, or as soon as one was answered
 * @returns {Promise<any>} what `use` gives
 */

/**
 * @param {Transact} transact
 * @param {typeof import('./leases.js').LEASE_TIMES} [times]
 * @returns {Leases}
 */
export function databaseLeases(transact, times) {
  const write = (use) => transact('readwrite', use);
  return new Leases(
    {
      owner: randomName(),
      keyOf: encodeURIComponent,
      async list() {
        const range = IDBKeyRange.bound([FACT], [FACT, []]);
        const keys = await transact('readonly', (facts) => facts.getAllKeys(range));
        return keys.map(([, entry]) => String(entry));
      },
      async read(entry) {
        const found = await transact('readonly', (facts) => facts.get(factOf(entry)));
        return found === undefined ? null : { text: String(found?.text), age: Date.now() - Number(found?.at ?? 0) };
      },
      add: (entry, text) => write((facts) => facts.put({ text, at: Date.now() }, factOf(entry))),
      renew: (entry, text) =>
        write(async (facts) => {
          if ((await facts.getKey(factOf(entry))) === undefined) return false;
          await facts.put({ text, at: Date.now() }, factOf(entry));
          return true;
        }),
      remove: (entry) => write((facts) => facts.delete(factOf(entry))),
      isGone: async () => false,
    },
    undefined,
    times,
  );
}

// randomUUID() is for secure contexts only.
const randomName = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('.');
