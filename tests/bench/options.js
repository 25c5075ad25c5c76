// The options of the peer benchmark, and the tests they ask for.
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { PEER_NAMES } from './engines.js';

export const USAGE = `Measures Nibble beside its peers on one GGUF file, in rounds in which every engine has its turn.

Usage: npm run bench:peers -- --model FILE [OPTIONS]

  --model FILE        the model, a GGUF file
  --peers LIST        of ${PEER_NAMES.join(', ')}, or none; by default all. NAME:N measures that
                      peer in the first N rounds only, as in wllama-3:1
  --rounds N          how often each engine has its turn; 3
  --threads N         of each engine; 2
  --prompt N          tokens of the prompt test; 512, 0: no such test
  --generate N        tokens of the generation test; 128
  --depth LIST        tokens already in the context when generating; 0,2000
  --deep-generate N   tokens of the generation tests at a depth; 32
  --cap SECONDS       a measurement that would take longer gets fewer tokens, which the table notes; 60
  --complete          measure Nibble by complete() too: as peers are, with sampling and text
  --node              measure Nibble in Node too, the newest that npm has
  --no-build          measure what build/ holds, even where the sources are newer
  --out PATH          where PATH.json, PATH.md and PATH.svg go; build/bench/MODEL-DATE
  --help
`;

/** @typedef {import('./measure.js').Test} Test */

/** The command was used wrongly. */
export class UsageError extends Error {}

const OPTIONS = /** @type {const} */ ({
  model: { type: 'string' },
  peers: { type: 'string' },
  rounds: { type: 'string', default: '3' },
  threads: { type: 'string', default: '2' },
  prompt: { type: 'string', default: '512' },
  generate: { type: 'string', default: '128' },
  depth: { type: 'string', default: '0,2000' },
  'deep-generate': { type: 'string', default: '32' },
  cap: { type: 'string', default: '60' },
  complete: { type: 'boolean', default: false },
  node: { type: 'boolean', default: false },
  'no-build': { type: 'boolean', default: false },
  out: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
});

/**
 * @param {string} name
 * @param {string} text
 * @param {number} least
 * @param {number} most
 */
function wholeNumber(name, text, least, most) {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`--${name} is '${text}'; a whole number from ${least} to ${most} is expected.`);
}

/** @param {string | undefined} text @param {number} rounds */
function readPeers(text, rounds) {
  if (text === undefined) return PEER_NAMES.map((name) => ({ name, rounds }));
  if (text === 'none') return [];
  const peers = text.split(',').map((item) => {
    const [name, limit, ...rest] = item.split(':');
    if (!PEER_NAMES.includes(name) || rest.length > 0) {
      throw new UsageError(`--peers names '${item}'; there are ${PEER_NAMES.join(', ')}, each with :N or without.`);
    }
    const most = limit === undefined ? rounds : wholeNumber('peers', limit, 1, 1000);
    return { name, rounds: Math.min(most, rounds) };
  });
  const twice = peers.find(({ name }, index) => peers.findIndex((peer) => peer.name === name) !== index);
  if (twice) throw new UsageError(`--peers names ${twice.name} twice.`);
  return peers;
}

/**
 * @param {{ prompt: number, generate: number, depths: number[], deepGenerate: number }} options
 * @returns {Test[]}
 */
function readTests({ prompt, generate, depths, deepGenerate }) {
  const deep = depths.filter((depth) => depth > 0);
  /** @type {Test[]} */
  const tests = [];
  if (prompt > 0) tests.push({ name: `pp${prompt}`, kind: 'prefill', tokens: prompt, depth: 0 });
  if (depths.includes(0)) tests.push({ name: `tg${generate}`, kind: 'decode', tokens: generate, depth: 0 });
  for (const depth of deep)
    tests.push({ name: `tg${deepGenerate}@d${depth}`, kind: 'decode', tokens: deepGenerate, depth });
  return tests;
}

/**
 * @typedef {{ model: string, peers: { name: string, rounds: number }[], complete: boolean, node: boolean, build: boolean,
 *   rounds: number, threads: number, capSeconds: number, tests: Test[], contextSize: number, out: string }} BenchmarkOptions
 */

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/**
 * @param {string[]} args
 * @param {Date} [now]
 * @returns {({ help: false } & BenchmarkOptions) | { help: true }}
 * @throws {UsageError}
 */
export function readOptions(args, now = new Date()) {
  const values = parse(args);
  if (values.help) return { help: true };
  if (!values.model) throw new UsageError('--model is missing; it names the GGUF file to measure on.');
  /** @param {'rounds' | 'threads' | 'prompt' | 'generate' | 'deep-generate' | 'cap'} name @param {number} least */
  const count = (name, least, most = 1e6) => wholeNumber(name, values[name], least, most);
  const rounds = count('rounds', 1, 1000);
  const depths = [...new Set(values.depth.split(',').map((text) => wholeNumber('depth', text, 0, 1e6)))];
  const tests = readTests({
    prompt: count('prompt', 0),
    generate: count('generate', 1),
    depths,
    deepGenerate: count('deep-generate', 1),
  });
  if (tests.length === 0) throw new UsageError('There is nothing to measure: --prompt is 0 and --depth names none.');
  const stamp = now.toISOString().slice(0, 16).replace(/\D/g, '');
  return {
    help: false,
    model: values.model,
    peers: readPeers(values.peers, rounds),
    complete: values.complete,
    node: values.node,
    build: !values['no-build'],
    rounds,
    threads: count('threads', 1, 64),
    capSeconds: count('cap', 1, 3600),
    tests,
    // The peers generate one token more than is timed; llama.cpp wants multiples of 256.
    contextSize: Math.ceil(Math.max(...tests.map(({ tokens, depth }) => depth + tokens + 2)) / 256) * 256,
    out: values.out ?? `build/bench/${basename(values.model, '.gguf')}-${stamp}`,
  };
}
