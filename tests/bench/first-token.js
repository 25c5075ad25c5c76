#!/usr/bin/env node
// Time to the first token where the model has to come from a server of a given rate first: a prompt that is given at once,
// and computed as the weights arrive (`earlyStart`), beside one that is given when all is there.
// usage: node tests/bench/first-token.js --model FILE [--rate 35] [--prompt 512] [--rounds 3] [--threads 2]
//                                        [--places node,chromium] [--out FILE]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as library from '../../js/index.node.js';
import { isMain, main, readOptions } from '../../wasm/shell.js';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { busyProcessors, loadAverage, machineFacts, modelFacts, sourceFacts } from './machine.js';
import { summary } from './statistics.js';

/** @typedef {Pick<import('./server.js').BenchmarkServer, 'url' | 'modelUrl'>} Addresses */
/** @typedef {{ early: boolean, tokens: number[], threads: number }} Options */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

/**
 * A server that sends so many bytes of the model a second, in a process of its own.
 * @param {string} modelPath
 * @param {number} bytesPerSecond
 */
async function serveSlowly(modelPath, bytesPerSecond) {
  const child = fork(path('slow-server.js'), { execArgv: [] });
  child.send({ folders: { '/nibble/': path('../../build/web'), '/test/': path('..') }, modelPath, bytesPerSecond });
  const [addresses] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error('The server ended before it was ready.');
    }),
  ]);
  return { ...addresses, close: () => child.disconnect() };
}

/**
 * Milliseconds from nothing to the first token, and what it was. Runs in Node and, by its text, in a page: nothing of this
 * file is at hand here.
 * @param {typeof library} nibble
 * @param {Options & { model: string }} options
 */
async function firstToken(nibble, { model, early, tokens, threads }) {
  const start = performance.now();
  const since = () => performance.now() - start;
  const engine = await nibble.createEngine({ model, store: null, earlyStart: early, threads });
  const opened = since();
  const complete = engine.ready.then(since);
  const prompt = { tokens, maxTokens: 1, temperature: 0, ignoreEos: true };
  const result = await engine.complete(prompt).result;
  const milliseconds = since();
  const loaded = await complete;
  await engine.unload();
  return { milliseconds, opened, loaded, token: result.tokens[0], kernelSet: engine.info.kernelSet };
}

/** @param {Addresses} server @returns {Promise<Place>} */
async function openNode(server) {
  const model = server.modelUrl;
  return {
    version: process.versions.node,
    /** @param {Options} options */
    measure: (options) => firstToken(library, { ...options, model }),
    close: async () => {},
  };
}

/** @param {Addresses} server @returns {Promise<Place>} */
async function openBrowser(server) {
  const browser = await openChromium();
  /** @param {Options} options @returns {ReturnType<typeof firstToken>} */
  const measure = async (options) => {
    const page = await browser.context.newPage();
    await page.goto(`${server.url}/test/library-page.html`);
    await page.waitForFunction(() => 'nibble' in globalThis);
    const given = { ...options, model: server.modelUrl };
    /** @type {Awaited<ReturnType<typeof firstToken>>} */
    const found = await page.evaluate(`(${firstToken})(globalThis.nibble, ${JSON.stringify(given)})`);
    await page.close();
    return found;
  };
  return { version: browser.context.browser()?.version(), measure, close: () => browser.close() };
}

/**
 * @typedef {{ version: string | undefined, measure: (options: Options) => ReturnType<typeof firstToken>, close: () => Promise<void> }} Place
 * @type {Record<string, (server: Addresses) => Promise<Place>>}
 */
const PLACES = { node: openNode, chromium: openBrowser };

/** @param {number[]} list */
const seconds = (list) => list.map((each) => (each / 1000).toFixed(2)).join(' / ');

/**
 * Both ways in turns, `rounds` times.
 * @param {string} place
 * @param {Addresses} server
 * @param {Omit<Options, 'early'> & { rounds: number }} options
 */
async function measurePlace(place, server, { rounds, ...options }) {
  const { version, measure, close } = await PLACES[place](server);
  /** @type {(Awaited<ReturnType<typeof firstToken>> & { round: number, early: boolean })[]} */
  const runs = [];
  try {
    for (let round = 0; round < rounds; round++) {
      for (const early of round % 2 === 0 ? [false, true] : [true, false]) {
        runs.push({ round, early, ...(await measure({ ...options, early })) });
      }
    }
  } finally {
    await close();
  }
  if (new Set(runs.map(({ token }) => token)).size !== 1) throw new Error('The first tokens are not the same.');
  /** @param {boolean} early */
  const of = (early) => runs.filter((run) => run.early === early).map(({ milliseconds }) => milliseconds);
  const ratios = Array.from({ length: rounds }, (_, round) => {
    const [after, early] = [false, true].map((which) =>
      present(runs.find((run) => run.round === round && run.early === which)),
    );
    return after.milliseconds / early.milliseconds;
  });
  process.stdout.write(`${place}: early ${seconds(of(true))} s, download then run ${seconds(of(false))} s\n`);
  return { place, version, early: summary(of(true)), after: summary(of(false)), ratio: summary(ratios), runs };
}

async function command() {
  const { values } = readOptions({
    options: {
      model: { type: 'string' },
      rate: { type: 'string', default: '35' },
      prompt: { type: 'string', default: '512' },
      rounds: { type: 'string', default: '3' },
      threads: { type: 'string', default: '2' },
      places: { type: 'string', default: Object.keys(PLACES).join(',') },
      out: { type: 'string' },
    },
  });
  if (values.model === undefined) throw new Error('--model FILE is missing.');
  const [rate, prompt, rounds, threads] = [values.rate, values.prompt, values.rounds, values.threads].map(Number);
  const tokens = Array.from({ length: prompt }, (_, i) => (i * 7919) % 30_000);
  const facts = { machine: machineFacts(), source: sourceFacts(), model: await modelFacts(values.model) };
  const load = { loadAverage: loadAverage(), busyProcessors: await busyProcessors() };
  const downloadMilliseconds = facts.model.bytes / (rate * 1000);
  process.stdout.write(`the download alone takes ${seconds([downloadMilliseconds])} s\n`);
  const server = await serveSlowly(values.model, rate * 1e6);
  const results = [];
  try {
    for (const place of values.places.split(','))
      results.push(await measurePlace(place, server, { rounds, tokens, threads }));
  } finally {
    server.close();
  }
  const stamp = new Date().toISOString().slice(0, 16).replace(/\D/g, '');
  const out = values.out ?? `build/bench/first-token-${stamp}.json`;
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(
    out,
    `${JSON.stringify({ ...facts, ...load, rate, prompt, threads, downloadMilliseconds, results }, null, 2)}\n`,
  );
  process.stdout.write(`${out}\n`);
}

if (isMain(import.meta.url)) await main(command);
