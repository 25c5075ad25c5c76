// Samples to figures.

/** @typedef {import('./measure.js').EngineFacts} EngineFacts */
/** @typedef {import('./measure.js').Skipped} Skipped */

/**
 * @typedef {{ median: number, low: number, high: number, count: number }} Summary
 *
 * @typedef {{ test: string, tokens: number, wantedTokens: number, tokensPerSecond: number }} Sample
 *
 * @typedef {object} Measurement what one turn of an engine has found
 * @property {Pick<import('./measure.js').MeasuredEngine['load'], 'milliseconds' | 'from'>} load
 * @property {EngineFacts} facts
 * @property {(Sample | Skipped)[]} results
 * @property {{ wasmBytes: number | null }} memory
 * @property {number | null} readRate
 * @property {number | null} peakBytes
 * @property {PeerRecord['browser']} [browser]
 * @property {{ node: string, v8: string }} [runtime]
 *
 * @typedef {{ engine: string, round: number, othersBusy: number, error?: string } & Partial<Measurement>} Run one turn of
 *   an engine: what it has found, or the error that ended it
 *
 * @typedef {{ name: string, label: string, version: string | null, rounds: number, facts?: EngineFacts,
 *   runtime?: Measurement['runtime'] }} RecordedEngine
 *
 * @typedef {object} PeerRecord what peers.js writes as JSON
 * @property {string} date
 * @property {string} command
 * @property {number | null} loadAverage
 * @property {{ version: string, commit: string | null, uncommittedChanges: boolean | null }} nibble
 * @property {{ cpu: string, cores: number, system: string, node: string }} machine
 * @property {{ version: string } | null} browser
 * @property {{ name: string, bytes: number, sha256: string }} model
 * @property {number} threads
 * @property {number} capSeconds
 * @property {number} rounds
 * @property {import('./measure.js').Test[]} tests
 * @property {RecordedEngine[]} engines
 * @property {{ name: string, reason: string }[]} missing
 * @property {{ kind: string, sentence: string }[]} warnings
 * @property {Run[]} runs
 *
 * @typedef {(Summary & { fewerTokens: number | null, skipped?: undefined })
 *   | ({ skipped: string | null } & Partial<Record<keyof Summary | 'fewerTokens', undefined>>)} Speed of an engine in a
 *   test, in tokens a second: the summary, and how many tokens were measured where that is fewer than the test has; or why
 *   there is none, if that is known
 * @typedef {Record<string, Record<string, Speed>>} Speeds by test, then by engine
 */

/** @param {number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {number[]} values @returns {Summary | null} */
export function summary(values) {
  if (values.length === 0) return null;
  return { median: median(values), low: Math.min(...values), high: Math.max(...values), count: values.length };
}

// An engine that takes text only misses the number of tokens by one or two; that is no test cut short.
/** @param {Sample} sample */
const cutShort = ({ tokens, wantedTokens }) => tokens < 0.95 * wantedTokens;

/** What runs have found in a test. @param {Run[]} runs @param {string} test */
const resultsIn = (runs, test) => runs.flatMap(({ results = [] }) => results.filter((result) => result.test === test));

/**
 * The tokens a second of each engine in each test.
 * @param {Pick<PeerRecord, 'tests' | 'engines' | 'runs'>} record
 * @returns {Speeds}
 */
export function summarise({ tests, engines, runs }) {
  /** @param {string} engine @param {string} test @returns {Speed} */
  const of = (engine, test) => {
    const ownRuns = runs.filter((run) => run.engine === engine);
    const results = resultsIn(ownRuns, test);
    const samples = results.filter((result) => 'tokensPerSecond' in result);
    const found = summary(samples.map((sample) => sample.tokensPerSecond));
    const fewest = Math.min(...samples.map((sample) => sample.tokens));
    if (!found) return { skipped: results.find((result) => 'skipped' in result)?.skipped ?? null };
    return { ...found, fewerTokens: samples.some(cutShort) ? fewest : null };
  };
  /** @param {string} test */
  const row = (test) => Object.fromEntries(engines.map(({ name }) => [name, of(name, test)]));
  return Object.fromEntries(tests.map(({ name }) => [name, row(name)]));
}

/**
 * How many times as fast one engine is as another: of the medians, and the range over the rounds in which both were
 * measured, since both sides of a round met the same machine.
 * @param {Pick<PeerRecord, 'tests' | 'engines' | 'runs'>} record @param {string} test @param {string} engine @param {string} peer
 * @returns {{ ratio: number, low: number, high: number } | null} null where one of them has no sample
 */
export function ratio(record, test, engine, peer) {
  const row = summarise(record)[test];
  const [mine, theirs] = [row[engine]?.median, row[peer]?.median];
  if (mine === undefined || theirs === undefined) return null;
  /** @param {number} round @param {string} name */
  const rateIn = (round, name) => {
    const run = record.runs.find((one) => one.round === round && one.engine === name);
    return run && resultsIn([run], test).find((result) => 'tokensPerSecond' in result)?.tokensPerSecond;
  };
  const rounds = [...new Set(record.runs.map((run) => run.round))];
  const paired = rounds.flatMap((round) => {
    const [ours, others] = [rateIn(round, engine), rateIn(round, peer)];
    return ours && others ? [ours / others] : [];
  });
  const overall = mine / theirs;
  return { ratio: overall, low: Math.min(overall, ...paired), high: Math.max(overall, ...paired) };
}
