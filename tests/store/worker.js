// What the tests of the store run in a worker of a page; they call it by `self.store`.
import { openBackend } from '../../js/store/backends.js';
import { openIndexedDb } from '../../js/store/indexeddb.js';
import { openOpfs } from '../../js/store/opfs.js';
import * as contract from './contract.js';

const OPEN = { indexeddb: openIndexedDb, opfs: openOpfs };

/** What they call. */
export const store = {
  ...contract,
  openBackend,
  open: (kind, name, options = {}) => OPEN[kind]({ name, ...options }),
  codeOf: (promise) =>
    promise.then(
      () => null,
      (error) => `${error.name} ${error.code}`,
    ),
};

self.store = store;
