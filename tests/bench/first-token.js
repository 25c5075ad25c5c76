#!/usr/bin/env node
// Time to the first token where the model has to come from a server of a given rate first: a prompt that is given at once,
// and computed as the weights arrive (`early`), beside one that is given when all is there.
// usage: node tests/bench/first-token.js --model FILE [--rate 20] [--prompt 512] [--rounds 3] [--threads 2] [--out FILE]
import { createReadStream, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createEngine } from '../../js/index.node.js';
import { isMain, main } from '../../wasm/shell.js';
import { loadAverage, machineFacts, modelFacts, sourceFacts } from './machine.js';
import { summary } from './statistics.js';

const PIECE_BYTES = 64 << 10;

/** A server of one file that sends so many bytes a second, ranges or not. */
async function serveAtRate(file, bytesPerSecond) {
  const { size } = statSync(file);
  const server = createServer(async (request, response) => {
    const [, first] = /^bytes=(\d+)-/.exec(request.headers.range ?? '') ?? [];
    const from = Number(first ?? 0);
    const range = first === undefined ? {} : { 'Content-Range': `bytes ${from}-${size - 1}/${size}` };
    response.writeHead(first === undefined ? 200 : 206, { 'Content-Length': size - from, ...range });
    const start = performance.now();
    let sent = 0;
    for await (const piece of createReadStream(file, { start: from, highWaterMark: PIECE_BYTES })) {
      const early = (sent / bytesPerSecond) * 1000 - (performance.now() - start);
      if (early > 1) await sleep(early);
      if (response.destroyed) return;
      sent += piece.length;
      response.write(piece);
    }
    response.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}/model.gguf`, close };
}

/** Milliseconds from nothing to the first token, and what it was. */
async function firstToken({ url, early, tokens, threads }) {
  const start = performance.now();
  const engine = await createEngine({ model: url, store: null, early, threads });
  const opened = performance.now() - start;
  try {
    const prompt = { tokens, maxTokens: 1, temperature: 0, ignoreEos: true };
    const result = await engine.complete(prompt).result;
    const milliseconds = performance.now() - start;
    await engine.ready;
    return { milliseconds, opened, token: result.tokens[0], prefill: result.prefill.milliseconds };
  } finally {
    await engine.unload();
  }
}

async function measure() {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      rate: { type: 'string', default: '20' },
      prompt: { type: 'string', default: '512' },
      rounds: { type: 'string', default: '3' },
      threads: { type: 'string', default: '2' },
      out: { type: 'string' },
    },
  });
  if (values.model === undefined) throw new Error('--model FILE is missing.');
  const [rate, prompt, rounds, threads] = ['rate', 'prompt', 'rounds', 'threads'].map((name) => Number(values[name]));
  const tokens = Array.from({ length: prompt }, (_, i) => (i * 7919) % 30_000);
  const facts = {
    machine: machineFacts(),
    source: sourceFacts(),
    model: await modelFacts(values.model),
    load: loadAverage(),
  };
  const server = await serveAtRate(values.model, rate * 1e6);
  const runs = [];
  try {
    for (let round = 0; round < rounds; round++) {
      for (const early of round % 2 === 0 ? [false, true] : [true, false]) {
        const run = { round, early, ...(await firstToken({ url: server.url, early, tokens, threads })) };
        runs.push(run);
        process.stderr.write(`${early ? 'early' : 'after'} ${run.milliseconds.toFixed(0)} ms\n`);
      }
    }
  } finally {
    await server.close();
  }
  if (new Set(runs.map(({ token }) => token)).size !== 1) throw new Error('The first tokens are not the same.');
  const of = (early) => runs.filter((run) => run.early === early).map(({ milliseconds }) => milliseconds);
  const download = (facts.model.bytes ?? statSync(values.model).size) / (rate * 1000);
  const report = {
    ...facts,
    rate,
    prompt,
    threads,
    download,
    early: summary(of(true)),
    after: summary(of(false)),
    runs,
  };
  if (values.out) {
    mkdirSync(dirname(values.out), { recursive: true });
    writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`);
  }
  const seconds = (list) => list.map((ms) => (ms / 1000).toFixed(2)).join(' / ');
  process.stdout.write(`download alone ${(download / 1000).toFixed(2)} s\n`);
  process.stdout.write(`first token: early ${seconds(of(true))} s, download then run ${seconds(of(false))} s\n`);
  return report;
}

if (isMain(import.meta.url)) await main(measure);
