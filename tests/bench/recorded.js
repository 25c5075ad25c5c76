#!/usr/bin/env node
// The tables of README.md that follow from a record, made from it: what a record holds is never typed by hand.
// documents.test.js compares them.
// usage: node tests/bench/recorded.js
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { bytes } from '../../js/commands/units.js';
import { figure } from './report.js';
import { median, ratio, summarise, summary } from './statistics.js';

/** @typedef {{ median: number, low: number, high: number }} Spread */
/** @typedef {import('./statistics.js').PeerRecord} PeerRecord */
/**
 * What `nibble bench` measured of several files in turns.
 * @typedef {object} TurnsRecord
 * @property {{ side: string, test: string, model_size: number, samples_ts: number[] }[]} runs
 */

/** @param {string} name */
const read = (name) => JSON.parse(readFileSync(new URL(`records/${name}.json`, import.meta.url), 'utf8'));

/** 47.7 (45.0-50.4) @param {Spread} spread */
function speed({ median: middle, low, high }) {
  const range = `${figure(low)}-${figure(high)}`;
  return low === high ? figure(middle) : `${figure(middle)} (${range})`;
}

/** 1.45x (1.29-1.62), without a range of one round @param {{ ratio: number, low: number, high: number }} found @param {boolean} isOne */
function times({ ratio: middle, low, high }, isOne) {
  /** @param {number} value */
  const short = (value) => value.toFixed(value >= 10 ? 0 : 2);
  return isOne ? `${short(middle)}x` : `${short(middle)}x (${short(low)}-${short(high)})`;
}

/** A row for each test: Nibble, and each peer with how many times its speed Nibble has. @param {string} name */
function besidePeers(name) {
  /** @type {PeerRecord} */
  const record = read(name);
  const table = summarise(record);
  const [own, ...peers] = record.engines.map((engine) => engine.name);
  return record.tests.map((test) => {
    const what = test.kind === 'prefill' ? `a prompt of ${test.tokens} tokens` : `${test.tokens} tokens written`;
    /** @param {string} engine */
    const of = (engine) => /** @type {Spread} */ (table[test.name][engine]);
    const cells = peers.map((peer) => {
      const found = ratio(record, test.name, own, peer);
      if (found === null) throw new Error(`${name} has no ${test.name} of ${peer}.`);
      return `${speed(of(peer))}: ${times(found, of(peer).low === of(peer).high)}`;
    });
    return [what, speed(of(own)), ...cells];
  });
}

/** A row of a model that Nibble alone has run. @param {string} label @param {string} name */
function alone(label, name) {
  /** @type {PeerRecord} */
  const record = read(name);
  const table = summarise(record);
  const speeds = record.tests.map((test) => speed(/** @type {Spread} */ (table[test.name].nibble)));
  const memory = median(record.runs.flatMap(({ memory }) => memory?.wasmBytes ?? []));
  return [label, bytes(record.model.bytes), bytes(memory), ...speeds];
}

/** A row for each type of weights, by the mean of each round, beside that of the first. @param {Record<string, string>} labels @param {string} name */
function types(labels, name) {
  /** @type {TurnsRecord} */
  const { runs } = read(name);
  /** @param {string} side @param {string} prefix of the test's name */
  const of = (side, prefix) => {
    const found = runs.filter((run) => run.side === side && run.test.startsWith(prefix));
    const spread = summary(
      found.map(({ samples_ts: rates }) => rates.reduce((sum, rate) => sum + rate, 0) / rates.length),
    );
    if (spread === null) throw new Error(`${name} has no ${prefix} of ${side}.`);
    return { spread, rate: (spread.median * found[0].model_size) / 1e9 };
  };
  const [first] = Object.keys(labels);
  const base = { prefill: of(first, 'pp'), decode: of(first, 'tg') };
  return Object.entries(labels).map(([side, label]) => {
    const [prefill, decode] = [of(side, 'pp'), of(side, 'tg')];
    const beside = [prefill.spread.median / base.prefill.spread.median, decode.rate / base.decode.rate];
    const shares = side === first ? ['', ''] : beside.map((share) => share.toFixed(2));
    return [label, speed(prefill.spread), shares[0], speed(decode.spread), decode.rate.toFixed(1), shares[1]];
  });
}

const LABELS = { q4_0: 'Q4_0', q4_k_m: 'Q4_K_M', iq4_xs: 'IQ4_XS', q5_k: 'Q5_K' };

/** The rows that README.md has, by the record that they are linked with. @returns {Record<string, string[]>} */
export function recordedRows() {
  /** @param {string[][]} rows */
  const lines = (rows) => rows.map((cells) => `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |'));
  return {
    '2026-11-30-peers-q4_k_m': lines(besidePeers('2026-11-30-peers-q4_k_m')),
    '2026-11-30-types-quiet': lines(types(LABELS, '2026-11-30-types-quiet')),
    '2026-11-29-peers-8b-q1_0': lines([alone("Qwen3-8B's", '2026-11-29-peers-8b-q1_0')]),
    '2026-11-29-peers-4b-q1_0': lines([alone("Qwen3-4B's", '2026-11-29-peers-4b-q1_0')]),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [name, rows] of Object.entries(recordedRows()))
    console.log([`records/${name}.json`, ...rows, ''].join('\n'));
}
