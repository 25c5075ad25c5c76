#!/usr/bin/env node
// Whether weights that stream give the same logits: a model under a memory budget, in Node from a folder and in Chromium
// from its stores, beside the native core with all weights in memory. Prints the SHA-256 of each and what memory it took;
// the exit status is 1 where two differ.
// usage: node tests/bench/streamed-logits.js --model FILE [--budget 1e9] [--places native,node,opfs,indexeddb]
//                                            [--tokens 1,2,3,4,5] [--context 512] [--threads 2] [--out FILE]
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as library from '../../js/index.node.js';
import { BuildError, isMain, main, PROCESSORS, ROOT, readOptions, run } from '../../wasm/shell.js';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { temporaryFolder } from '../small-model.js';
import { machineFacts, modelFacts, sourceFacts } from './machine.js';
import { serveBenchmark } from './server.js';

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
/**
 * @typedef {'native' | 'node' | 'opfs' | 'indexeddb'} Place
 * @typedef {{ model: string, memoryBudget: number, tokens: number[], threads: number, contextSize: number }} Options
 * @typedef {Omit<Awaited<ReturnType<typeof measure>> | ReturnType<typeof native>, 'logits'>} Facts
 * @typedef {Facts & { place: Place, hashes: string[], finite: boolean }} Compared
 */

/** @type {Place[]} */
const PLACES = ['native', 'node', 'opfs', 'indexeddb'];

/**
 * Runs in Node and, by its text, in a page: nothing of this file is at hand here. The tokens are one prompt, and again
 * one by one.
 * @param {typeof library} nibble
 * @param {import('../../js/base/public-types.js').EngineOptions & { tokens: number[] }} options
 */
async function measure(nibble, { tokens, ...options }) {
  const engine = await nibble.createEngine(options);
  /** @param {{ top: { id: number, logit: number }[] }} evaluation */
  const inOrder = ({ top }) => top.sort((a, b) => a.id - b.id).map(({ logit }) => logit);
  const prompt = inOrder(await engine.evaluate(tokens, { top: 0 }));
  const start = performance.now();
  /** @type {Awaited<ReturnType<typeof engine.evaluate>> | null} */
  let last = null;
  for (let count = 1; count <= tokens.length; count++) {
    last = await engine.evaluate(tokens.slice(0, count), { top: 0, reusePrefix: count > 1 });
  }
  const tokensPerSecond = (tokens.length * 1000) / (performance.now() - start);
  if (last === null) throw new Error('There are no tokens.');
  const { budget, kernelSet, threads } = engine.info;
  const memory = await engine.memory();
  await engine.unload();
  return { logits: [prompt, inOrder(last)], budget, kernelSet, threads, memory, tokensPerSecond };
}

/** @param {{ model: string, threads: number, tokens: number[] }} options */
function native({ model, threads, tokens }) {
  const tool = `${ROOT}/build/native/logits`;
  run('cmake', ['-B', 'build/native'], { capture: true });
  run('cmake', ['--build', 'build/native', '--target', 'logits', '--parallel', PROCESSORS], { capture: true });
  const bytes = execFileSync(tool, [model, String(threads), ...tokens.map(String)], { maxBuffer: 1 << 28 });
  const logits = Array.from(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
  return { logits: [logits], kernelSet: 'reference', threads, budget: null, memory: null, tokensPerSecond: null };
}

/**
 * @param {Place} store
 * @param {Options} options
 * @returns {ReturnType<typeof measure>}
 */
async function inChromium(store, { model, ...options }) {
  const folders = { '/nibble/': path('../../build/web'), '/test/': path('..') };
  const server = await serveBenchmark({ folders, modelPath: model });
  const browser = await openChromium();
  try {
    const page = await browser.context.newPage();
    await page.goto(`${server.url}/test/library-page.html`);
    await page.waitForFunction(() => 'nibble' in globalThis);
    return await page.evaluate(
      ([text, given]) => new Function(`return (${text})`)()(globalThis.nibble, given),
      [measure.toString(), { ...options, model: server.modelUrl, store }],
    );
  } finally {
    await browser.close();
    await server.close();
  }
}

/**
 * @param {Place[]} places
 * @param {Options} options
 * @param {(result: Compared) => void} [log]
 */
export async function compareLogits(places, options, log = () => {}) {
  /** @type {Compared[]} */
  const results = [];
  for (const place of places) {
    const given = { ...options };
    const found =
      place === 'native'
        ? native(given)
        : place === 'node'
          ? await measure(library, { ...given, store: { folder: temporaryFolder() } })
          : await inChromium(place, given);
    const { logits, ...facts } = found;
    const hashes = logits.map((each) => createHash('sha256').update(Float32Array.from(each)).digest('hex'));
    const result = { place, hashes, finite: logits.flat().every(Number.isFinite), ...facts };
    results.push(result);
    log(result);
  }
  const hashes = new Set(results.flatMap((result) => result.hashes));
  return { results, same: hashes.size === 1 && results.every(({ finite }) => finite) };
}

/** @param {Compared} result */
function describe({ place, hashes, kernelSet, memory, budget, tokensPerSecond }) {
  const kept = budget && `${budget.pinnedBlocks} of ${budget.pinnedBlocks + budget.streamedBlocks} blocks stay`;
  const heap = memory && `heap ${(memory.wasm / 1e6).toFixed(0)} MB, ${present(tokensPerSecond).toFixed(2)} tok/s`;
  return [place.padEnd(9), [...new Set(hashes)].join(' '), kernelSet, kept, heap].filter(Boolean).join('  ');
}

async function command() {
  const { values } = readOptions({
    options: {
      model: { type: 'string' },
      budget: { type: 'string', default: '1e9' },
      places: { type: 'string', default: PLACES.join(',') },
      tokens: { type: 'string', default: '1,2,3,4,5' },
      context: { type: 'string', default: '512' },
      threads: { type: 'string', default: '2' },
      out: { type: 'string' },
    },
  });
  const places = values.places.split(',').flatMap((name) => PLACES.filter((place) => place === name));
  const tokens = values.tokens.split(',').map(Number);
  if (!values.model) throw new RangeError('--model is missing: a GGUF file is expected.');
  if (places.length !== values.places.split(',').length) throw new RangeError(`--places are of ${PLACES.join(', ')}.`);
  const options = {
    model: values.model,
    memoryBudget: Number(values.budget),
    tokens,
    contextSize: Number(values.context),
    threads: Number(values.threads),
  };
  const found = await compareLogits(places, options, (result) => console.log(describe(result)));
  const stamp = new Date().toISOString().slice(0, 16).replace(/\D/g, '');
  const out = values.out ?? `build/bench/streamed-logits-${stamp}.json`;
  const record = { machine: machineFacts(), source: sourceFacts(), model: await modelFacts(values.model) };
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, JSON.stringify({ ...record, options, ...found }, null, 2));
  console.log(out);
  if (!found.same) throw new BuildError('The logits differ.');
}

if (isMain(import.meta.url)) await main(command);
