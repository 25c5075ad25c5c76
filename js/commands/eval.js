// nibble eval: what comes next.
import { ENGINE, UsageError } from './arguments.js';
import { loadEngine } from './model.js';
import { readTextFile } from './tokenize.js';
import { columns } from './units.js';

const LONG_LIST = 4096;

/** @type {import('./arguments.js').Command} */
export default {
  bare: 'tokens',
  usage: '--tokens 1,2,3 [OPTIONS]',
  examples: [
    'nibble eval --tokens 1,403,407 --top 5',
    'nibble eval -m model.gguf --tokens-file tokens.txt --top 0 --exact --json',
  ],
  options: {
    tokens: { kind: 'integers', value: 'LIST', help: 'token ids, with commas' },
    'tokens-file': { kind: 'text', value: 'FILE', help: 'a file with token ids, separated by spaces, lines or commas' },
    top: {
      kind: 'integer',
      value: 'N',
      least: 0,
      default: 20,
      help: 'how many of the likeliest tokens to tell; 0: the whole vocabulary; 20',
    },
    ...ENGINE,
  },

  async run({ values, terminal }) {
    const tokens = await readTokens(values);
    // A list longer than the usual context gets all the context that the model was trained for.
    const contextSize = values.context ?? (tokens.length > LONG_LIST ? 0 : undefined);
    const engine = await loadEngine(values, terminal, { contextSize });
    try {
      const result = await engine.evaluate(tokens, { top: values.top, signal: terminal.interrupted });
      if (values.json) terminal.json(result);
      else terminal.write(`${table(result)}\n`);
    } finally {
      await engine.unload();
    }
  },
};

/** @param {import('./arguments.js').Values} values @returns {Promise<number[]>} */
async function readTokens({ tokens, 'tokens-file': file }) {
  if (tokens === undefined && file === undefined) throw new UsageError('One of --tokens and --tokens-file is needed.');
  if (tokens !== undefined && file !== undefined) {
    throw new UsageError('Only one of --tokens and --tokens-file can be given.');
  }
  if (tokens !== undefined) return tokens;
  const words = (await readTextFile(file)).split(/[\s,[\]]+/).filter((word) => word !== '');
  const wrong = words.find((word) => !/^\d+$/.test(word));
  if (wrong !== undefined)
    throw new UsageError(`The file "${file}" holds "${wrong.slice(0, 40)}"; expected token ids.`);
  if (words.length === 0) throw new UsageError(`The file "${file}" holds no token ids.`);
  return words.map(Number);
}

/** @param {Awaited<ReturnType<import('../client/engine.js').Engine['evaluate']>>} result */
function table({ top }) {
  const rows = top.map(({ id, token, p, logit }) => [
    String(id),
    p.toFixed(6),
    logit.toFixed(4),
    JSON.stringify(token),
  ]);
  return columns([['ID', 'P', 'LOGIT', 'TOKEN'], ...rows], [0, 1, 2]);
}
