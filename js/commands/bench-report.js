// Benchmark rows as markdown, CSV and JSON.
import { binaryBytes, bytes, parameters } from './units.js';

/** @typedef {Awaited<ReturnType<typeof import('./bench.js').measure>>} Row of a test */

/** Mean and sample standard deviation. @param {number[]} samples */
export function statistics(samples) {
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
  if (samples.length < 2) return { mean, deviation: 0 };
  const squares = samples.reduce((sum, sample) => sum + (sample - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (samples.length - 1)) };
}

/** @param {Pick<Row, 'n_prompt' | 'n_gen' | 'n_depth'>} row */
export function testName({ n_prompt: prompt, n_gen: generated, n_depth: depth }) {
  return `${prompt > 0 ? `pp${prompt}` : `tg${generated}`}${depth > 0 ? ` @ d${depth}` : ''}`;
}

/** @type {{ name: string, right?: boolean, cell: (row: Row) => string }[]} */
const COLUMNS = [
  { name: 'model', cell: (row) => row.model_type },
  { name: 'size', right: true, cell: (row) => binaryBytes(row.model_size) },
  { name: 'params', right: true, cell: (row) => parameters(row.model_n_params) },
  { name: 'backend', cell: (row) => row.backends },
  { name: 'threads', right: true, cell: (row) => String(row.n_threads) },
  { name: 'test', right: true, cell: testName },
  { name: 't/s', right: true, cell: (row) => `${row.avg_ts.toFixed(2)} ± ${row.stddev_ts.toFixed(2)}` },
  { name: 'GB/s', right: true, cell: (row) => (row.gb_per_s === null ? '' : row.gb_per_s.toFixed(2)) },
];

/** @param {Row[]} rows */
export function markdownTable(rows) {
  const cells = rows.map((row) => COLUMNS.map(({ cell }) => cell(row)));
  const widths = COLUMNS.map(({ name }, column) => Math.max(name.length, ...cells.map((row) => row[column].length)));
  const pad = (/** @type {string} */ text, /** @type {number} */ column) =>
    COLUMNS[column].right ? text.padStart(widths[column]) : text.padEnd(widths[column]);
  const line = (/** @type {string[]} */ texts) => `| ${texts.map(pad).join(' | ')} |`;
  const rule = `| ${COLUMNS.map(({ right }, column) => '-'.repeat(widths[column] - 1) + (right ? ':' : '-')).join(' | ')} |`;
  return `${[line(COLUMNS.map(({ name }) => name)), rule, ...cells.map(line), '', ...profiles(rows), footer(rows)].join('\n')}\n`;
}

/** Where the time of each test went. @param {Row[]} rows @returns {string[]} */
function profiles(rows) {
  return rows.flatMap((row) => {
    if (row.profile === undefined) return [];
    const total = row.profile.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    const tokens = (row.n_prompt + row.n_gen) * row.samples_ns.length;
    return [
      `| ${testName(row)}, ${row.n_threads} threads: operation | ms a token | share |`,
      '| --- | ---: | ---: |',
      ...row.profile.map(({ operation, milliseconds }) => {
        const each = milliseconds / row.n_threads / tokens;
        return `| ${operation} | ${each.toFixed(4)} | ${((milliseconds / total) * 100).toFixed(1)}% |`;
      }),
      '',
    ];
  });
}

/** @param {Row[]} rows */
function footer(rows) {
  const [row] = rows;
  const peak = Math.max(...rows.map((each) => each.peak_memory));
  const read = Math.max(...rows.map((each) => each.read_gb_per_s));
  return [
    `build: ${row.build_commit} (${row.nibble_version})`,
    `load ${(Number(row.load_ms) / 1000).toFixed(2)} s, peak memory ${bytes(peak)}, of it wasm ${bytes(row.wasm_memory)}`,
    `a plain read loop over the weights: ${read.toFixed(2)} GB/s`,
    ...threadChoice(row),
    `kernels ${row.kernel_set}, tile streams ${row.tile_streams}, wasm ${row.wasm}, Node ${row.node}, V8 ${row.v8}, ${row.cpu_info}`,
  ].join('\n');
}

/** What the choice of the threads measured, where there was one. @param {Row} row */
function threadChoice({ thread_rates: rates, n_threads: chosen }) {
  const each = Object.entries(rates).map(([threads, rate]) => `${threads}: ${(rate / 1e9).toFixed(2)} GB/s`);
  return each.length === 0 ? [] : [`threads ${chosen}, measured: ${each.join(', ')}`];
}

/** As llama-bench has it: all values quoted, no samples. @param {Row[]} rows */
export function csvTable(rows) {
  const names = Object.keys(rows[0]).filter((name) => !name.startsWith('samples_'));
  const quoted = (/** @type {unknown} */ value) => `"${String(text(value)).replaceAll('"', '""')}"`;
  const lines = rows.map((row) => names.map((name) => quoted(Object(row)[name])).join(','));
  return `${[names.join(','), ...lines].join('\n')}\n`;
}

/** @param {unknown} value */
function text(value) {
  if (value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : value;
}

/** @param {Row[]} rows */
export function jsonRows(rows) {
  return `${JSON.stringify(rows, null, 2)}\n`;
}
