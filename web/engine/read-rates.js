// How fast each place for models was read from on this device, side by side. The browser keeps it from visit to visit.

const KEY = 'nibble.rates';

// Of fewer bytes it is the calls to the store that take the time, and not the reading.
const LEAST_BYTES = 32e6;

/** What the places for models are called. */
export const STORES = Object.freeze({ indexeddb: 'IndexedDB', opfs: 'OPFS', memory: 'RAM' });

/** Whether a store is one of those that the reader chooses among. @param {unknown} kind @returns {kind is import('../settings/settings.js').StoreKind} */
export const isStoreKind = (kind) => kind === 'indexeddb' || kind === 'opfs';

/** @typedef {{ bytesPerSecond: number, name: string, bytes: number }} ReadRate `name` and `bytes`: of what was read */

/** Whether so many bytes are enough to tell. @param {number} bytes */
export const tellsRate = (bytes) => bytes >= LEAST_BYTES;

export class ReadRates {
  /** By the kind of the store. @type {Record<string, ReadRate>} */
  #rates = readStored();

  /** @param {string} kind of store @returns {ReadRate | null} null: not measured yet */
  get(kind) {
    return this.#rates[kind] ?? null;
  }

  /** @param {string} kind @param {ReadRate} rate the newest measurement */
  note(kind, { bytesPerSecond, name, bytes }) {
    this.#rates[kind] = { bytesPerSecond, name, bytes };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#rates));
    } catch {
      // A browser that refuses storage keeps them for this visit.
    }
  }
}

/** Only what is still a rate: another version of the page may have written it. @returns {Record<string, ReadRate>} */
function readStored() {
  try {
    const stored = Object.entries(JSON.parse(localStorage.getItem(KEY) ?? '{}'));
    return Object.fromEntries(
      stored.filter(([, rate]) => rate?.bytesPerSecond > 0 && rate.bytes > 0 && typeof rate.name === 'string'),
    );
  } catch {
    return {};
  }
}
