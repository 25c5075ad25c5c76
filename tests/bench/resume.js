#!/usr/bin/env node
// How soon a chat goes on that was saved, beside reading it again: from the store or from its text to the first token.
// usage: node tests/bench/resume.js --model FILE [--tokens 2000] [--rounds 3] [--places node,chromium]
//                                   [--kv-types f16,int8] [--threads 2] [--out FILE]
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
import { median, summary } from './statistics.js';

/** @typedef {import('../../js/client/session.js').Session} Session */
/** @typedef {import('../../js/base/public-types.js').EngineOptions} EngineOptions */
/** @typedef {NonNullable<EngineOptions['kvType']>} KvType */
/** @typedef {{ model: string, threads: number, count: number, rounds: number }} Options */
/** @typedef {Awaited<ReturnType<typeof measure>> & { place: string, kvType: KvType }} Result */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
/** @type {KvType[]} */
const KV_TYPES = ['f16', 'int8'];

/**
 * Runs in Node and, by its text, in a page: nothing of this file is at hand here. Each round reads the chat anew, saves
 * it, and brings it back; both times end when the first token of an answer is there.
 * @param {typeof library} nibble
 * @param {Options & { store: EngineOptions['store'], kvType: KvType }} options
 */
async function measure(nibble, { model, store, kvType, threads, count, rounds }) {
  const engine = await nibble.createEngine({ model, store, kvType, threads, contextSize: count + 64 });
  const { vocabularySize, kernelSet } = engine.info;
  /** @template T @param {() => Promise<T>} use */
  const timed = async (use) => {
    const start = performance.now();
    const value = await use();
    return { value, milliseconds: performance.now() - start };
  };
  /** @param {Session} session @param {number[]} tokens */
  const answer = (session, tokens) =>
    session.complete({ tokens, maxTokens: 1, temperature: 0, ignoreEos: true }).result;
  const samples = [];
  // The first round does not count: it compiles the wasm and the hot code.
  for (let round = 0; round <= rounds; round++) {
    const length = round === 0 ? 64 : count;
    const tokens = Array.from({ length }, (_, i) => ((i + 1) * 7919 + round * 31) % vocabularySize);
    const question = [...tokens, 17];
    const fresh = await engine.createSession();
    const prefill = await timed(() => answer(fresh, question));
    await fresh.truncate(length);
    const save = await timed(() => fresh.save('chat'));
    await fresh.close();
    const resume = await timed(async () => {
      const restoring = await timed(() => engine.restoreSession('chat'));
      const session = restoring.value;
      if (session === null) throw new Error('What was saved is not there.');
      return { session, restoreMilliseconds: restoring.milliseconds, answered: await answer(session, question) };
    });
    const { session, restoreMilliseconds, answered } = resume.value;
    await session.close();
    if (answered.prefill.tokens !== 1) throw new Error('The chat was computed again.');
    if (answered.tokens[0] !== prefill.value.tokens[0]) throw new Error('The answers differ.');
    if (round === 0) continue;
    samples.push({
      prefillMilliseconds: prefill.milliseconds,
      resumeMilliseconds: resume.milliseconds,
      restoreMilliseconds,
      saveMilliseconds: save.milliseconds,
      bytes: save.value.bytes,
    });
  }
  await engine.unload();
  return { samples, kernelSet, threads: engine.info.threads };
}

/** @param {Options} options @param {KvType[]} kvTypes */
async function inNode(options, kvTypes) {
  const store = { folder: temporaryFolder() };
  const results = [];
  for (const kvType of kvTypes) {
    results.push({ place: 'Node, folder', kvType, ...(await measure(library, { ...options, store, kvType })) });
  }
  return { results, version: process.versions.node };
}

/** @param {Options} options @param {KvType[]} kvTypes */
async function inChromium({ model, ...options }, kvTypes) {
  const folders = { '/nibble/': path('../../build/web'), '/test/': path('..') };
  const server = await serveBenchmark({ folders, modelPath: model });
  const browser = await openChromium();
  try {
    const results = [];
    for (const kvType of kvTypes) {
      const page = await browser.context.newPage();
      await page.goto(`${server.url}/test/library-page.html`);
      await page.waitForFunction(() => 'nibble' in globalThis);
      const given = { ...options, model: server.modelUrl, store: 'indexeddb', kvType };
      /** @type {Awaited<ReturnType<typeof measure>>} */
      const found = await page.evaluate(`(${measure})(globalThis.nibble, ${JSON.stringify(given)})`);
      results.push({ place: 'Chromium, IndexedDB', kvType, ...found });
      await page.close();
    }
    return { results, version: browser.context.browser()?.version() };
  } finally {
    await browser.close();
    await server.close();
  }
}

/** @type {Record<string, (options: Options, kvTypes: KvType[]) => Promise<{ results: Result[], version: string | undefined }>>} */
const PLACES = { node: inNode, chromium: inChromium };

/** @param {number[]} values at least one @param {number} digits */
function span(values, digits) {
  const { median: middle, low, high } = present(summary(values));
  return `${middle.toFixed(digits)} (${low.toFixed(digits)}-${high.toFixed(digits)})`;
}

/** @param {Result} result */
function row({ place, kvType, samples }) {
  return [
    place,
    `\`${kvType}\``,
    span(
      samples.map(({ prefillMilliseconds }) => prefillMilliseconds / 1000),
      1,
    ),
    span(
      samples.map(({ resumeMilliseconds }) => resumeMilliseconds / 1000),
      2,
    ),
    span(
      samples.map(({ prefillMilliseconds, resumeMilliseconds }) => prefillMilliseconds / resumeMilliseconds),
      0,
    ),
    span(
      samples.map(({ saveMilliseconds }) => saveMilliseconds / 1000),
      2,
    ),
    (median(samples.map(({ bytes }) => bytes)) / 1e6).toFixed(0),
  ];
}

/** @param {string} name @param {string} text */
const aboveZero = (name, text) => {
  if (Number.isSafeInteger(Number(text)) && Number(text) > 0) return Number(text);
  throw new RangeError(`--${name} is a whole number above 0.`);
};

/** @template {string} T @param {string} name @param {string} text @param {T[]} known */
const listOf = (name, text, known) => {
  const list = text.split(',').flatMap((item) => known.filter((one) => one === item));
  if (list.length === text.split(',').length) return list;
  throw new RangeError(`--${name} are of ${known.join(', ')}.`);
};

async function command() {
  const { values } = readOptions({
    options: {
      model: { type: 'string' },
      tokens: { type: 'string', default: '2000' },
      rounds: { type: 'string', default: '3' },
      places: { type: 'string', default: Object.keys(PLACES).join(',') },
      'kv-types': { type: 'string', default: KV_TYPES.join(',') },
      threads: { type: 'string', default: '2' },
      out: { type: 'string' },
    },
  });
  if (!values.model) throw new RangeError('--model is missing: a GGUF file is expected.');
  const [count, rounds, threads] = /** @type {const} */ (['tokens', 'rounds', 'threads']).map((name) =>
    aboveZero(name, values[name]),
  );
  const places = listOf('places', values.places, Object.keys(PLACES));
  const kvTypes = listOf('kv-types', values['kv-types'], KV_TYPES);
  const facts = { loadAverage: loadAverage(), busyProcessors: await busyProcessors() };
  const results = [];
  /** @type {Record<string, string | undefined>} */
  const versions = {};
  for (const place of places) {
    const found = await PLACES[place]({ model: values.model, threads, count, rounds }, kvTypes);
    results.push(...found.results);
    versions[place] = found.version;
  }
  const stamp = new Date().toISOString().slice(0, 16).replace(/\D/g, '');
  const out = values.out ?? `build/bench/resume-${stamp}.json`;
  const model = await modelFacts(values.model);
  const record = { machine: machineFacts(), source: sourceFacts(), versions, model, tokens: count, threads, rounds };
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, JSON.stringify({ ...record, ...facts, results }, null, 2));
  const head = ['where', 'KV', 'read again, s', 'resumed, s', 'times', 'saved in, s', 'MB'];
  const lines = [head, ['---', '---', ...Array(head.length - 2).fill('--:')], ...results.map(row)];
  console.log(
    `${count} tokens, median (range)\n\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n${out}`,
  );
}

if (isMain(import.meta.url)) await main(command);
