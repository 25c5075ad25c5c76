// What the tests of the store run in a worker of a page; they call it by `self.store`.
import { openBackend } from '../../js/store/backends.js';
import { openIndexedDb } from '../../js/store/indexeddb.js';
import { openOpfs } from '../../js/store/opfs.js';
import * as contract from './contract.js';

/** @type {Record<string, (options: Parameters<typeof openIndexedDb>[0] & Parameters<typeof openOpfs>[0]) => Promise<import('../../js/store/backends.js').Backend>>} */
const OPEN = { indexeddb: openIndexedDb, opfs: openOpfs };

/** What they call. */
export const store = {
  ...contract,
  openBackend,
  /** @param {string} kind @param {string} name */
  open: (kind, name, options = {}) => OPEN[kind]({ name, ...options }),
  /** @param {Promise<unknown>} promise */
  codeOf: (promise) =>
    promise.then(
      () => null,
      (error) => `${error.name} ${error.code}`,
    ),
};

self.store = store;
