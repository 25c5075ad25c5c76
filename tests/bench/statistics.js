// Samples to figures.
import { untyped } from '../untyped.js';

/** @param {number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {number[]} values @returns {{ median: number, low: number, high: number, count: number } | null} */
export function summary(values) {
  if (values.length === 0) return null;
  return { median: median(values), low: Math.min(...values), high: Math.max(...values), count: values.length };
}

// An engine that takes text only misses the number of tokens by one or two; that is no test cut short.
/** @param {{ tokens: any, wantedTokens: number }} options */
const cutShort = ({ tokens, wantedTokens }) => tokens < 0.95 * wantedTokens;

/**
 * The tokens a second of each engine in each test.
 * @param {any} record what peers.js writes
 * @returns {Record<string, Record<string, any>>} by test, then by engine: the summary, and whether fewer tokens were
 *   measured than the test has
 */
export function summarise({ tests, engines, runs }) {
  /** @param {any} engine @param {any} test */
  const of = (engine, test) => {
    const results = runs
      .filter((/** @type {any} */ run) => run.engine === engine)
      .flatMap((/** @type {any} */ run) => run.results ?? [])
      .filter((/** @type {any} */ result) => result.test === test);
    const samples = results.filter((/** @type {any} */ result) => result.tokensPerSecond !== undefined);
    const found = summary(samples.map((/** @type {any} */ sample) => sample.tokensPerSecond));
    const fewest = Math.min(...samples.map((/** @type {any} */ sample) => sample.tokens));
    const skipped = results.find((/** @type {any} */ result) => result.skipped)?.skipped ?? null;
    if (!found) return { skipped };
    return { ...found, fewerTokens: samples.some(cutShort) ? fewest : null };
  };
  /** @param {any} test */
  const row = (test) =>
    Object.fromEntries(engines.map((/** @type {{ name: string }} */ { name }) => [name, of(name, test)]));
  return Object.fromEntries(tests.map((/** @type {{ name: string }} */ { name }) => [name, row(name)]));
}

/**
 * How many times as fast one engine is as another: of the medians, and the range over the rounds in which both were
 * measured, since both sides of a round met the same machine.
 * @param {any} record @param {string} test @param {string} engine @param {string} peer
 * @returns {{ ratio: number, low: number, high: number } | null} null where one of them has no sample
 */
export function ratio(record, test, engine, peer) {
  /** @type {any} */
  const row = summarise(record)[test];
  if (row[engine]?.median === undefined || untyped(row[peer])?.median === undefined) return null;
  /** @param {number} round @param {string} name */
  const rateIn = (round, name) =>
    record.runs
      .find((/** @type {any} */ run) => run.round === round && run.engine === name)
      ?.results?.find((/** @type {any} */ result) => result.test === test)?.tokensPerSecond;
  const rounds = [...new Set(record.runs.map((/** @type {any} */ run) => run.round))];
  const paired = rounds.map((round) => rateIn(round, engine) / rateIn(round, peer)).filter((value) => value > 0);
  const overall = untyped(row[engine]).median / untyped(row[peer]).median;
  return { ratio: overall, low: Math.min(overall, ...paired), high: Math.max(overall, ...paired) };
}
