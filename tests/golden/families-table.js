// The table of what runs, for models/FAMILIES.md: each golden model's family and types of weights, how far the engine is
// from the recorded probabilities, and how fast a larger model of the same make is.
//
//   node tests/golden/families-table.js            measures how far, and keeps the speeds that stand there
//   node tests/golden/families-table.js --speed    measures both, in some minutes, on this machine

import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createEngine } from '../../js/index.node.js';
import { machineFacts } from '../bench/machine.js';
import { writeRandomModel } from '../random-model.js';
import { defaultBar, divergences, EXACT_BAR, sequencesOf } from './divergences.js';
import { FAMILY_MODELS } from './families.js';
import { GOLDEN_MODELS, readGolden } from './models.js';

/** @typedef {import('../weight-formats.js').WeightType} WeightType */

export const DOCUMENT = new URL('../../models/FAMILIES.md', import.meta.url);
const NOTHING = '-';

// What speeds are told of: a golden model's make with these sizes. What is told of each block stays as many blocks.
const SPEED = { width: 512, ffn: 1536, layers: 12, vocabulary: 8192, type: 'q4_0' };
const SPEED_RUN = { promptTokens: 256, generatedTokens: 64, rounds: 4, threads: 2 };

const families = () => Object.entries(GOLDEN_MODELS).map(([name, { shape }]) => [name, shape.family ?? 'llama']);

/** The golden models of the table, a family's together. */
export const namesInOrder = () => {
  const order = [...new Set(families().map(([, family]) => family))];
  return families()
    .sort(([, a], [, b]) => order.indexOf(a) - order.indexOf(b))
    .map(([name]) => name);
};

/** @param {WeightType[]} types */
const capitals = (types) => [...new Set([types].flat())].map((type) => type.toUpperCase()).join(', ');

/**
 * What a row says that no measurement changes: family, model, types of weights, whose probabilities, and the bars.
 * @param {string} name
 */
export function factsOf(name) {
  const { shape, types } = GOLDEN_MODELS[name];
  const theirs = sequencesOf(name).map(({ defaultKl }) => defaultKl);
  const most = theirs.includes(null) ? null : Math.max(.../** @type {number[]} */ (theirs));
  return {
    family: shape.family ?? 'llama',
    name,
    types: capitals(Object.values(types).flat()),
    source: readGolden(name).source === 'llama.cpp' ? 'llama.cpp' : 'reference',
    exactBar: EXACT_BAR,
    theirs: most,
    defaultBar: defaultBar(most),
  };
}

const COLUMNS = [
  ['family', (/** @type {{ family: string }} */ { family }) => family],
  ['golden model', (/** @type {{ name: string }} */ { name }) => name],
  ['weights', (/** @type {{ types: string }} */ { types }) => types],
  ['compared with', (/** @type {{ source: string }} */ { source }) => source],
  ['KL exact', (/** @type {{ exact: number }} */ { exact }) => short(exact)],
  ['at most', (/** @type {{ exactBar: number }} */ { exactBar }) => short(exactBar)],
  ['KL default', (/** @type {{ found: number }} */ { found }) => short(found)],
  ['at most', (/** @type {{ defaultBar: number }} */ { defaultBar: bar }) => short(bar)],
  ["llama.cpp's", (/** @type {{ theirs: number | null }} */ { theirs }) => short(theirs)],
  ['prompt', (/** @type {{ speed?: string[] }} */ { speed }) => speed?.[0] ?? NOTHING],
  ['written', (/** @type {{ speed?: string[] }} */ { speed }) => speed?.[1] ?? NOTHING],
];

/** @param {number | null} value */
const short = (value) => (value === null ? NOTHING : value === 0 ? '0' : value.toExponential(1));

/** @param {unknown[]} cells */
const line = (cells) => `| ${cells.join(' | ')} |`;

/** @param {string} document @returns {string[][]} the cells of each row of the table in a document */
export const rowsIn = (document) =>
  document
    .split('\n')
    .filter((each) => /^\| [^|]+ \| `/.test(each))
    .map((each) => each.slice(2, -2).split(' | '));

/** @param {any} row */
const cellsOf = (row) =>
  COLUMNS.map((/** @type {any} */ [, cell], index) => (index === 1 ? `\`${cell(row)}\`` : cell(row)));

/** The cells of a row that no measurement changes, by their columns. @param {string} name */
export const fixedCells = (name) => {
  const cells = cellsOf({ ...factsOf(name), exact: null, found: null });
  return new Map([0, 1, 2, 3, 5, 7, 8].map((index) => [index, cells[index]]));
};

/** Where measured KLs stand, each with that of its bar. */
export const MEASURED = [
  [4, 5],
  [6, 7],
];
const SPEED_COLUMNS = [9, 10];

/** A larger model of the same make; null where its make fixes its sizes. @param {string} name */
function speedShape(name) {
  const model = FAMILY_MODELS[name];
  if (model === undefined || model.shape.ofBlocks) return null;
  const { shape } = model;
  const isDeep =
    shape.layers > SPEED.layers || (shape.keys ?? []).some(([, , value]) => value?.length === shape.layers);
  const groups = Math.round(shape.heads / shape.kvHeads);
  const kvHeads = Math.max(1, Math.round(SPEED.width / shape.headSize / groups));
  const { type, layers, ...sizes } = SPEED;
  return {
    ...shape,
    ...sizes,
    layers: isDeep ? shape.layers : layers,
    kvHeads,
    heads: kvHeads * groups,
    context: 1024,
  };
}

/** @param {string} path */
async function speedsOf(path) {
  const { promptTokens, generatedTokens, threads } = SPEED_RUN;
  const engine = await createEngine({ model: path, threads });
  try {
    /** @param {{ promptTokens: number, generatedTokens: number }} options */
    const rate = async (options) => {
      const { nanoseconds } = await engine.benchmark({ ...options, repetitions: 1 });
      return ((options.promptTokens + options.generatedTokens) * 1e9) / nanoseconds[0];
    };
    return [await rate({ promptTokens, generatedTokens: 0 }), await rate({ promptTokens: 0, generatedTokens })];
  } finally {
    await engine.unload();
  }
}

/** Rates of all in turns: the fastest of each is what other work disturbed least. @param {string[]} names */
async function measureSpeeds(names) {
  const folder = mkdtempSync(join(tmpdir(), 'nibble-families-'));
  const found = new Map();
  try {
    for (let round = 0; round < SPEED_RUN.rounds; round++) {
      for (const name of names) {
        const shape = speedShape(name);
        if (shape === null) continue;
        const path = join(folder, 'model.gguf');
        try {
          writeRandomModel(path, { shape: { ...shape, name }, type: SPEED.type });
          found.set(name, [...(found.get(name) ?? []), await speedsOf(path)]);
        } catch (error) {
          console.error(`${name}: no speed, since ${error instanceof Error ? error.message : error}`);
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  /** @param {number[]} rates */
  const words = (rates) => String(Number(Math.max(...rates).toPrecision(2)));
  return new Map(
    [...found].map(([name, rounds]) => [
      name,
      [0, 1].map((at) => words(rounds.map((/** @type {number[]} */ each) => each[at]))),
    ]),
  );
}

function readSpeeds() {
  try {
    const rows = rowsIn(readFileSync(DOCUMENT, 'utf8'));
    return new Map(rows.map((cells) => [cells[1].replaceAll('`', ''), SPEED_COLUMNS.map((index) => cells[index])]));
  } catch {
    return new Map();
  }
}

function readMachine() {
  try {
    return /^Speeds: .*$/m.exec(readFileSync(DOCUMENT, 'utf8'))?.[0] ?? null;
  } catch {
    return null;
  }
}

/** @param {any[]} rows @param {string} machine */
const page = (rows, machine) => `# Families and weights that run

A family is what a file names in \`general.architecture\`. Each has small models with random weights, in the types that the table names.
Their probabilities are compared with recorded ones: those of native llama.cpp, or, if it has no such model, those of a second
implementation of this project's own (\`tests/golden/reference-forward.js\`).

- **KL** is the Kullback-Leibler divergence from the record, the largest over texts of 1 to 300 tokens. 0 means equal.
- **Exact** is the mode with the least rounding. **Default** is the faster mode, which an engine has if nothing else is asked for.
- **At most** is what the tests allow. In the default mode that is 5 times the divergence of llama.cpp's own default mode
  (the column "llama.cpp's"), or 2e-3 if that is more.
- \`tests/golden/golden.test.js\` checks the engine, \`tests/golden/families-table.test.js\` this table.
- In \`tests/package/any-browser.test.js\` a model of each family computes the same in Chromium, Firefox and WebKit as in Node, to the
  last bit.

${machine}
Larger random models of the same make are measured: width ${SPEED.width}, feed-forward ${SPEED.ffn}, ${SPEED.layers} layers (as many as its make wants, where that
fixes it), a vocabulary of ${SPEED.vocabulary}, all matrices in Q4_0; tokens a second of a prompt of ${SPEED_RUN.promptTokens} and of ${SPEED_RUN.generatedTokens} that are written, the fastest of ${SPEED_RUN.rounds} rounds in turns.
They tell how families compare; tests/bench/README.md tells how fast models are.

\`node tests/golden/families-table.js\` writes this file anew; with \`--speed\` the speeds too.

${line(COLUMNS.map(([name]) => name))}
${line(COLUMNS.map((_, index) => (index < 4 ? '---' : '--:')))}
${rows.map((row) => line(cellsOf(row))).join('\n')}
`;

/** @param {string[]} args */
async function main(args) {
  const names = namesInOrder();
  const isTimed = args.includes('--speed');
  const speeds = isTimed ? await measureSpeeds(names) : readSpeeds();
  const { cpu, node } = machineFacts();
  const measured = `Speeds: ${cpu}, ${SPEED_RUN.threads} threads, Node ${node}; other work of the machine lowers single figures.`;
  const rows = [];
  for (const name of names) {
    const facts = factsOf(name);
    const exact = Math.max(...(await divergences(name, { exact: true })));
    const found = Math.max(...(await divergences(name, {})));
    rows.push({ ...facts, exact, found, speed: speeds.get(name) });
    console.error(`${name}: ${short(exact)}, ${short(found)}`);
  }
  writeFileSync(DOCUMENT, page(rows, isTimed ? measured : (readMachine() ?? 'Speeds: not measured.')));
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href)
  await main(process.argv.slice(2));
