// nibble models: the models that a folder keeps for --store.
import { existsSync } from 'node:fs';
import { withoutPassword } from '../base/errors.js';
import { NibbleError, openModelStore } from '../index.node.js';
import { accessOptions, tellToken } from './access.js';
import { ACCESS, didYouMean, UsageError } from './arguments.js';
import { hubAddressOf, recommendedOf } from './hub.js';
import { findStored, tellProgress } from './model.js';
import { bytes, columns } from './units.js';

/** @typedef {import('./terminal.js').Terminal} Terminal */
/** @typedef {import('../index.node.js').ModelStore} ModelStore */
/** @typedef {import('../index.node.js').StoredModel} StoredModel */
/**
 * @typedef {object} Control
 * @property {AbortSignal} signal
 * @property {(progress: import('./model.js').LoadProgress) => void} onProgress
 * @property {{ headers?: [name: string, value: string][] }} access
 * @property {{ id?: string, sha256?: string }} as what is imported is to be found by, and to be
 * @property {Terminal} terminal
 */

/**
 * @typedef {object} Action
 * @property {string} [takes] what it is done on; undefined: on all
 * @property {(store: ModelStore, given: string, control: Control) => Promise<any>} run
 * @property {(result: any) => string} text what is told of what `run` gave
 */

/** What is done, on what, and how it is told. @type {Record<string, Action>} */
const ACTIONS = {
  list: {
    run: (store) => store.list(),
    text: (models) => (models.length === 0 ? 'No models.' : columns(models.map(row))),
  },
  import: {
    takes: 'a GGUF file, its URL or a repository of Hugging Face',
    run: async (store, file, { signal, onProgress, access, as, terminal }) => {
      tellToken(file, terminal);
      const { url = '', type = null } = hubAddressOf(file) ?? {};
      const isOpen = url === null && type === null;
      const model = isOpen ? await recommendedOf(file, terminal, access) : file;
      return store.import(model, { signal, onProgress, ...access, ...as });
    },
    text: ({ id, storedBytes }) => `${id}: ${bytes(storedBytes)} stored`,
  },
  check: {
    takes: 'the id or the name of a model; "nibble models list" tells it',
    run: async (store, given, { signal, access, terminal }) => {
      const { id, source } = await storedModel(store, given);
      tellToken(source !== null && 'url' in source ? source.url : undefined, terminal);
      return store.check(id, { signal, ...access });
    },
    text: ({ id, isNewer }) => `${id}: ${FRESHNESS.get(isNewer)}`,
  },
  update: {
    takes: 'the id or the name of a model; "nibble models list" tells it',
    run: async (store, given, { signal, onProgress, access, terminal }) => {
      const { id, source } = await storedModel(store, given);
      tellToken(source !== null && 'url' in source ? source.url : undefined, terminal);
      return store.update(id, { signal, onProgress, ...access });
    },
    text: ({ id, storedBytes }) => `${id}: ${bytes(storedBytes)} stored, as new as the file at its address`,
  },
  verify: {
    takes: 'the id or the name of a model; "nibble models list" tells it',
    run: async (store, given, { signal, onProgress }) =>
      store.verify((await storedModel(store, given)).id, { signal, onProgress }),
    text: ({ id, chunks }) => `${id}: ${chunks} chunks, all as they were stored`,
  },
  delete: {
    takes: 'the id or the name of a model; "nibble models list" tells it',
    run: async (store, given) => {
      const { id } = await storedModel(store, given);
      await store.delete(id);
      return { id };
    },
    text: ({ id }) => `${id}: deleted`,
  },
};

const FRESHNESS = new Map([
  [true, 'there is a newer file at its address; "nibble models update" gets it'],
  [false, 'the file at its address is the one that is stored'],
  [null, 'it came from no address that could be asked'],
]);

/**
 * The stored model that is named by its id, by another id it is known by, or by its name.
 * @param {ModelStore} store @param {string} given
 */
async function storedModel(store, given) {
  const models = await store.list();
  const id = findStored(models, given)?.id ?? (await store.idOf({ stored: given }));
  const found = models.find((model) => model.id === id);
  if (found !== undefined) return found;
  throw missing(`The model "${withoutPassword(given)}" is not in this folder; "nibble models list" tells which are.`);
}

/** @param {StoredModel} model */
const row = ({ id, name, state, storedBytes, quantization }) => [
  id,
  name,
  quantization ?? '',
  state === 'complete' ? bytes(storedBytes) : `${bytes(storedBytes)}, ${state}`,
];

/** @type {import('./arguments.js').Command} */
export default {
  usage: 'list | import FILE | (check | update | verify | delete) ID  --store FOLDER',
  examples: [
    'nibble models import model.gguf --store models-cache',
    'nibble models import hf.co/OWNER/NAME:Q4_K_M --store models-cache',
    'nibble models list --store models-cache',
    'nibble chat -m model.gguf --store models-cache',
  ],
  positionals: 'ACTION',
  options: {
    store: { kind: 'text', value: 'FOLDER', required: true, help: 'the folder' },
    id: {
      kind: 'text',
      value: 'ID',
      help: 'import: what it is stored under, instead of an id made of its address or file',
    },
    sha256: { kind: 'text', value: 'DIGITS', help: "import: what the file's has to be" },
    ...ACCESS,
  },

  async run({ values, positionals: [action, subject, ...more], terminal }) {
    if (!Object.hasOwn(ACTIONS, action ?? '')) {
      const names = Object.keys(ACTIONS);
      const hint = didYouMean(action ?? '', names);
      throw new UsageError(`${action ?? 'Nothing'} cannot be done here; there are ${names.join(', ')}.${hint}`);
    }
    const { takes, run, text } = ACTIONS[action];
    const access = accessOptions(values);
    const as = {
      ...(values.id !== undefined && { id: values.id }),
      ...(values.sha256 !== undefined && { sha256: values.sha256 }),
    };
    if (action !== 'import' && Object.keys(as).length > 0) throw new UsageError('--id and --sha256 are for an import.');
    if (takes && subject === undefined) throw new UsageError(`"nibble models ${action}" needs ${takes}.`);
    if (more.length > 0 || (!takes && subject !== undefined)) throw new UsageError('One at a time, please.');
    if (action !== 'import' && !existsSync(values.store)) {
      throw missing(`The folder "${values.store}" does not exist; "nibble models import" makes it.`);
    }
    const store = await openModelStore({ store: { folder: values.store } });
    const control = {
      signal: terminal.interrupted,
      onProgress: (/** @type {import('./model.js').LoadProgress} */ progress) => tellProgress(terminal, progress),
      access,
      as,
      terminal,
    };
    try {
      const result = await run(store, subject, control);
      if (values.json) terminal.json(result);
      else if (!isDamaged(result)) terminal.write(`${text(result)}\n`);
      if (isDamaged(result)) throw damaged(result);
    } finally {
      terminal.clear();
      await store.close();
    }
  },
};

/** @param {string} sentence */
const missing = (sentence) => new NibbleError('STORE_MISSING', sentence);

/** @param {{ damaged?: number[] }} result @returns {boolean} */
const isDamaged = ({ damaged = [] }) => damaged.length > 0;

/** @param {{ id: string, chunks: number, damaged: number[] }} result */
const damaged = ({ id, chunks, damaged: indices }) =>
  new NibbleError(
    'STORE_DAMAGED',
    `Of the ${chunks} chunks of "${id}" ${indices.length} are not as they were stored. Use the model again from its URL, which gets them anew, or delete and import it.`,
  );
