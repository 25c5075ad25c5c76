// nibble models: the models that a folder keeps for --store.
import { existsSync } from 'node:fs';
import { NibbleError, openModelStore } from '../index.node.js';
import { UsageError } from './arguments.js';
import { tellProgress } from './model.js';
import { bytes, columns } from './units.js';

/** What is done, on what, and how it is told. */
const ACTIONS = {
  list: {
    run: (store) => store.list(),
    text: (models) => (models.length === 0 ? 'No models.' : columns(models.map(row))),
  },
  import: {
    takes: 'a GGUF file or its URL',
    run: (store, file, control) => store.import(file, control),
    text: ({ id, storedBytes }) => `${id}: ${bytes(storedBytes)} stored`,
  },
  verify: {
    takes: 'the id of a model; "nibble models list" tells it',
    run: (store, id, control) => store.verify(id, control),
    text: ({ id, chunks }) => `${id}: ${chunks} chunks, all as they were stored`,
  },
  delete: {
    takes: 'the id of a model; "nibble models list" tells it',
    run: async (store, id) => {
      const isThere = (await store.list()).some((model) => model.id === id);
      if (!isThere) throw missing(`The model "${id}" is not in this folder; "nibble models list" tells which are.`);
      await store.delete(id);
      return { id };
    },
    text: ({ id }) => `${id}: deleted`,
  },
};

const row = ({ id, name, state, storedBytes, quantization }) => [
  id,
  name,
  quantization ?? '',
  state === 'complete' ? bytes(storedBytes) : `${bytes(storedBytes)}, ${state}`,
];

export default {
  usage: 'list | import FILE | verify ID | delete ID  --store FOLDER',
  examples: [
    'nibble models import model.gguf --store models-cache',
    'nibble models list --store models-cache',
    'nibble chat -m model.gguf --store models-cache',
  ],
  positionals: 'ACTION',
  options: {
    store: { kind: 'text', value: 'FOLDER', required: true, help: 'the folder' },
  },

  async run({ values, positionals: [action, subject, ...more], terminal }) {
    if (!Object.hasOwn(ACTIONS, action ?? '')) {
      throw new UsageError(`${action ?? 'Nothing'} cannot be done here; there are ${Object.keys(ACTIONS).join(', ')}.`);
    }
    const { takes, run, text } = ACTIONS[action];
    if (takes && subject === undefined) throw new UsageError(`"nibble models ${action}" needs ${takes}.`);
    if (more.length > 0 || (!takes && subject !== undefined)) throw new UsageError('One at a time, please.');
    if (action !== 'import' && !existsSync(values.store)) {
      throw missing(`The folder "${values.store}" does not exist; "nibble models import" makes it.`);
    }
    const store = await openModelStore({ store: { folder: values.store } });
    const control = {
      signal: terminal.interrupted,
      onProgress: (progress) => tellProgress(terminal, progress),
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

const missing = (sentence) => new NibbleError('STORE_MISSING', sentence);

const isDamaged = ({ damaged }) => damaged?.length > 0;

const damaged = ({ id, chunks, damaged: indices }) =>
  new NibbleError(
    'STORE_DAMAGED',
    `Of the ${chunks} chunks of "${id}" ${indices.length} are not as they were stored. Use the model again from its URL, which gets them anew, or delete and import it.`,
  );
