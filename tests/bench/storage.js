#!/usr/bin/env node
// How fast a browser's storage takes and gives a model's weights: by store, kind of value, size of the chunks, reads in
// flight and workers. usage: node tests/bench/storage.js [--megabytes 512] [--rounds 3] [--seconds 270] [--out FILE]
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isMain, main, readOptions } from '../../wasm/shell.js';
import { present } from '../present.js';
import { openWorkerPages } from '../store/page.js';
import { busyProcessors, loadAverage, machineFacts, sourceFacts } from './machine.js';
import { summary } from './statistics.js';

/** @typedef {import('playwright-core').Worker} Worker */
/** @typedef {typeof import('./storage-worker.js').store} Store */

const MEBIBYTE = 1 << 20;
const SIZES = [4, 16, 64];
const STORES = ['indexeddb buffer', 'indexeddb blob', 'opfs'];
const READS = [
  { workers: 1, inFlight: 1 },
  { workers: 1, inFlight: 2 },
  { workers: 1, inFlight: 4 },
  { workers: 2, inFlight: 1 },
  { workers: 2, inFlight: 2 },
];

/**
 * One store with chunks of one size, filled and read in every way; milliseconds.
 * @param {{ store: string, size: number }} options
 * @param {number} bytes
 * @param {Worker[]} workers
 */
async function turn({ store, size }, bytes, workers) {
  /**
   * @template {keyof Store} M
   * @param {Worker} worker
   * @param {M} method
   * @param {Parameters<Store[M]>[0]} argument
   * @returns {Promise<Awaited<ReturnType<Store[M]>>>}
   */
  const call = (worker, method, argument) =>
    worker.evaluate(
      ([name, given]) => /** @type {Record<string, Function>} */ (/** @type {object} */ (self.store))[name](given),
      /** @type {[string, object]} */ ([method, argument]),
    );
  const chunkBytes = size * MEBIBYTE;
  for (const worker of workers) await call(worker, 'open', { store, bytes });
  const write = await call(workers[0], 'write', { chunkBytes, bytes });
  const reads = [];
  for (const { workers: count, inFlight } of READS) {
    const used = workers.slice(0, count);
    const spans = await Promise.all(
      used.map((worker, first) => call(worker, 'read', { chunkBytes, bytes, first, step: count, inFlight })),
    );
    reads.push(Math.max(...spans.map(({ end }) => end)) - Math.min(...spans.map(({ start }) => start)));
  }
  for (const worker of workers.toReversed()) await call(worker, 'close', { remove: worker === workers[0] });
  return { write, reads };
}

/** @param {ReturnType<typeof summary>} found */
const rate = (found) =>
  found === null ? '-' : `${Math.round(found.median)} (${Math.round(found.low)}-${Math.round(found.high)})`;

/** The table of medians and ranges, in MB/s. @param {Pick<Awaited<ReturnType<typeof measureStorage>>['rows'][number], 'store' | 'size' | 'write' | 'reads'>[]} rows */
export function table(rows) {
  const ways = READS.map(({ workers, inFlight }) => `${workers} x ${inFlight}`);
  const lines = rows.map(({ store, size, write, reads }) => [store, `${size} MiB`, rate(write), ...reads.map(rate)]);
  return [['store', 'chunk', 'write', ...ways], ['---', ...Array(2 + ways.length).fill('--:')], ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

/**
 * @param {{ megabytes: number, rounds: number, seconds: number, sizes?: number[], log?: (line: string) => void }} options
 *   no turn is begun after so many seconds; sizes of chunks in MiB
 */
export async function measureStorage({ megabytes, rounds, seconds, sizes = SIZES, log = () => {} }) {
  const bytes = megabytes * MEBIBYTE;
  /** @param {number} milliseconds */
  const megabytesPerSecond = (milliseconds) => bytes / 1e6 / (milliseconds / 1000);
  const cases = STORES.flatMap((store) =>
    sizes.map((size) => ({
      store,
      size,
      writes: /** @type {number[]} */ ([]),
      reads: READS.map(() => /** @type {number[]} */ ([])),
    })),
  );
  const deadline = performance.now() + seconds * 1000;
  const facts = { loadAverage: loadAverage(), busyProcessors: await busyProcessors() };
  const pages = await openWorkerPages('../bench/storage-worker.js');
  try {
    const first = await pages.newWorker();
    const workers = [first.worker, (await pages.newWorker(first.page)).worker];
    // One turn that does not count: the memory is touched, the code compiled.
    await turn(present(cases.at(-1)), bytes, workers);
    for (let round = 0; round < rounds; round++) {
      for (const one of round % 2 === 0 ? cases : cases.toReversed()) {
        if (performance.now() > deadline) break;
        const { write, reads } = await turn(one, bytes, workers);
        one.writes.push(megabytesPerSecond(write));
        for (const [place, milliseconds] of reads.entries()) one.reads[place].push(megabytesPerSecond(milliseconds));
        log(
          `round ${round + 1}, ${one.store}, ${one.size} MiB: written at ${Math.round(present(one.writes.at(-1)))} MB/s`,
        );
      }
    }
    const browser = pages.browser.context.browser()?.version() ?? 'unknown';
    const rows = cases.map(({ store, size, writes, reads }) => ({
      store,
      size,
      write: summary(writes),
      reads: reads.map(summary),
      samples: { writes, reads },
    }));
    return { ...facts, browser, megabytes, rounds, ways: READS, rows };
  } finally {
    await pages.close();
  }
}

async function command() {
  const { values } = readOptions({
    options: {
      megabytes: { type: 'string', default: '512' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '270' },
      out: { type: 'string' },
    },
  });
  const [megabytes, rounds, seconds] = [values.megabytes, values.rounds, values.seconds].map(Number);
  const most = Math.max(...SIZES);
  if (!(megabytes >= most && megabytes <= 2048 && megabytes % most === 0)) {
    throw new RangeError(`--megabytes is ${values.megabytes}; a multiple of ${most} up to 2048 is expected.`);
  }
  if (!(Number.isSafeInteger(rounds) && rounds > 0 && seconds > 0)) {
    throw new RangeError('--rounds and --seconds are numbers above 0.');
  }
  const result = await measureStorage({ megabytes, rounds, seconds, log: console.log });
  const stamp = new Date().toISOString().slice(0, 16).replace(/\D/g, '');
  const out = values.out ?? `build/bench/storage-${stamp}.json`;
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, JSON.stringify({ machine: machineFacts(), source: sourceFacts(), ...result }, null, 2));
  console.log(`\nMB/s, median (range); reads: workers x reads in flight of each\n\n${table(result.rows)}\n\n${out}`);
}

if (isMain(import.meta.url)) await main(command);
