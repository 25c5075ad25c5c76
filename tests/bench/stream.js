#!/usr/bin/env node
// How much of the store's own speed a model reaches whose weights stream under a memory budget: tokens a second against
// what reading the same bytes through the same reader allows with nothing computed, in turns in one run; in Node from a
// folder, in Chromium from its stores.
// usage: node tests/bench/stream.js --model FILE [--budget 1e9] [--places node,opfs,indexeddb] [--context N]
//                                   [--threads N] [--tokens 6] [--prompt 128] [--repetitions 4] [--uncached]
//                                   [--store build/stream-store] [--out FILE]
//
// The system's page cache makes reads as fast as copying memory, which takes the processor from the threads that compute:
// what a machine with little memory never sees. With --uncached, python3 has the system forget the store's files all the
// while (posix_fadvise), so that the disk itself is measured.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as library from '../../js/index.node.js';
import { isMain, main, readOptions } from '../../wasm/shell.js';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { temporaryFolder } from '../small-model.js';
import { busyProcessors, loadAverage, machineFacts, modelFacts, sourceFacts } from './machine.js';
import { serveBenchmark } from './server.js';
import { summary } from './statistics.js';

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
/** @type {Place[]} */
const PLACES = ['node', 'opfs', 'indexeddb'];

// Large files below a folder, those that come later too.
const FORGET = `
import os, sys, time
os.sync()
while os.getppid() == int(sys.argv[2]):
    for folder, _, names in os.walk(sys.argv[1]):
        for name in names:
            try:
                file = os.open(os.path.join(folder, name), os.O_RDONLY)
                if os.fstat(file).st_size > 1 << 20: os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(file)
            except OSError: pass
    time.sleep(0.1)
`;

/**
 * @typedef {'node' | 'opfs' | 'indexeddb'} Place
 * @typedef {import('../../js/base/public-types.js').EngineOptions & { generatedTokens: number, promptTokens: number, repetitions: number }} Options
 */

/**
 * Runs in Node and, by its text, in a page: nothing of this file is at hand here.
 * @param {typeof library} nibble
 * @param {Options} options
 */
async function measure(nibble, { generatedTokens, promptTokens, repetitions, ...options }) {
  const engine = await nibble.createEngine(options);
  const { threads, kernelSet, contextSize } = engine.info;
  const budget = /** @type {import('../../js/index.node.js').MemoryBudget} */ (engine.info.budget);
  if (!budget.streams) throw new Error('All weights fit: give a smaller --budget.');
  const run = { repetitions, warmUp: false };
  const decode = await engine.benchmark({ ...run, promptTokens: 0, generatedTokens });
  const streamed = /** @type {NonNullable<typeof decode.streamed>} */ (decode.streamed);
  const prompt = { ...run, promptTokens, generatedTokens: 0, repetitions: 1 };
  const prefill = promptTokens > 0 ? await engine.benchmark(prompt) : null;
  const memory = await engine.memory();
  await engine.unload();
  const turns = decode.nanoseconds.map((time, turn) => {
    const tokensPerSecond = (generatedTokens * 1e9) / time;
    const storeBytesPerSecond = streamed.storeRates[turn];
    const allowed = storeBytesPerSecond / budget.bytesPerTokenStreamed;
    return { tokensPerSecond, storeBytesPerSecond, allowed, share: tokensPerSecond / allowed };
  });
  const prefillTokensPerSecond = prefill && (promptTokens * 1e9) / prefill.nanoseconds[0];
  const { waitMilliseconds } = streamed;
  return { budget, threads, kernelSet, contextSize, turns, waitMilliseconds, prefillTokensPerSecond, memory };
}

/**
 * Calls `use` while the files below a folder are kept out of the system's cache, if that is wanted.
 * @param {boolean} wanted
 * @param {string} folder
 * @template T
 * @param {() => Promise<T>} use
 * @returns {Promise<T>}
 */
async function forgetting(wanted, folder, use) {
  const child = wanted ? spawn('python3', ['-c', FORGET, folder, String(process.pid)], { stdio: 'inherit' }) : null;
  try {
    return await use();
  } finally {
    child?.kill();
  }
}

/**
 * @param {Exclude<Place, 'node'>} store
 * @param {Options & { model: string }} options
 * @param {boolean} uncached
 * @returns {ReturnType<typeof measure>}
 */
async function inChromium(store, { model, ...options }, uncached) {
  const folders = { '/nibble/': path('../../build/web'), '/test/': path('..') };
  const server = await serveBenchmark({ folders, modelPath: model });
  const profile = temporaryFolder();
  const browser = await openChromium({ profile });
  try {
    const page = await browser.context.newPage();
    await page.goto(`${server.url}/test/library-page.html`);
    await page.waitForFunction(() => 'nibble' in globalThis);
    await page.evaluate(
      async ({ kind, url }) => {
        const models = await globalThis.nibble.openModelStore({ store: kind });
        await models.import(url);
        await models.close();
      },
      { kind: store, url: server.modelUrl },
    );
    const given = { ...options, model: server.modelUrl, store };
    return await forgetting(uncached, profile, () =>
      page.evaluate(
        ([text, all]) => new Function(`return (${text})`)()(globalThis.nibble, all),
        [measure.toString(), given],
      ),
    );
  } finally {
    await browser.close();
    await server.close();
  }
}

/** @param {number[]} values at least one @param {number} digits */
function span(values, digits) {
  const { median, low, high } = present(summary(values));
  return `${median.toFixed(digits)} (${low.toFixed(digits)}-${high.toFixed(digits)})`;
}

/** @param {Awaited<ReturnType<typeof measure>> & { place: string }} result */
function row({ place, turns, prefillTokensPerSecond, budget }) {
  return [
    place,
    span(
      turns.map(({ storeBytesPerSecond }) => storeBytesPerSecond / 1e9),
      2,
    ),
    span(
      turns.map(({ tokensPerSecond }) => tokensPerSecond),
      2,
    ),
    span(
      turns.map(({ share }) => share),
      2,
    ),
    prefillTokensPerSecond?.toFixed(1) ?? '',
    (budget.bytesPerTokenStreamed / 1e6).toFixed(0),
  ];
}

const HEAD = ['place', 'store, GB/s', 'tok/s', 'share of what that allows', 'prompt, tok/s', 'read a token, MB'];

async function command() {
  const { values } = readOptions({
    options: {
      model: { type: 'string' },
      budget: { type: 'string', default: '1e9' },
      places: { type: 'string', default: PLACES.join(',') },
      store: { type: 'string', default: 'build/stream-store' },
      context: { type: 'string' },
      threads: { type: 'string' },
      tokens: { type: 'string', default: '6' },
      prompt: { type: 'string', default: '128' },
      repetitions: { type: 'string', default: '4' },
      uncached: { type: 'boolean', default: false },
      out: { type: 'string' },
    },
  });
  const places = values.places.split(',').flatMap((name) => PLACES.filter((place) => place === name));
  if (!values.model) throw new RangeError('--model is missing: a GGUF file is expected.');
  if (places.length !== values.places.split(',').length) throw new RangeError(`--places are of ${PLACES.join(', ')}.`);
  const options = {
    model: values.model,
    memoryBudget: Number(values.budget),
    generatedTokens: Number(values.tokens),
    promptTokens: Number(values.prompt),
    repetitions: Number(values.repetitions),
    ...(values.context && { contextSize: Number(values.context) }),
    ...(values.threads && { threads: Number(values.threads) }),
  };
  const { uncached } = values;
  const facts = { loadAverage: loadAverage(), busyProcessors: await busyProcessors() };
  const results = [];
  for (const place of places) {
    const inFolder = () => measure(library, { ...options, store: { folder: values.store } });
    const found =
      place === 'node'
        ? await forgetting(uncached, values.store, inFolder)
        : await inChromium(place, options, uncached);
    const result = { place, ...found };
    results.push(result);
    console.log(`${place}: ${row(result).slice(1, 4).join('; ')}`);
  }
  const stamp = new Date().toISOString().slice(0, 16).replace(/\D/g, '');
  const out = values.out ?? `build/bench/stream-${stamp}.json`;
  const model = await modelFacts(values.model);
  const record = { machine: machineFacts(), source: sourceFacts(), model, uncached, options, ...facts };
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, JSON.stringify({ ...record, results }, null, 2));
  const lines = [HEAD, ['---', ...Array(HEAD.length - 1).fill('--:')], ...results.map(row)];
  console.log(`\nmedian (range)\n\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n${out}`);
}

if (isMain(import.meta.url)) await main(command);
