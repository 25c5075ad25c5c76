// Measures one opened engine, the same way for all of them. Runs in a page and in Node, so it imports nothing.

/**
 * What a driver's open() is given. A page loads modelUrl and packageUrl, a process modelPath and packagePath.
 * @typedef {{ modelUrl: string, modelPath: string, packageUrl: string | null, packagePath: string | null, threads: number, contextSize: number }} EngineSetup
 */

/** @typedef {{ tokens: number, milliseconds: number, timings?: object }} Timing */

/**
 * What an engine tells of itself: what is named here is told on in the report, where it is known.
 * @typedef {{ bytesPerToken?: number, kernelSet?: string, wasm?: string, tileStreams?: number, threads?: number,
 *   llamaCpp?: string } & Record<string, unknown>} EngineFacts
 */

/**
 * What a driver's open() returns.
 * @typedef {object} MeasuredEngine
 * @property {{ milliseconds: number, from: string, storeMilliseconds?: number }} load
 * @property {EngineFacts} facts
 * @property {(tokens: number) => Promise<Timing>} prefill of that many tokens into an empty context
 * @property {(tokens: number, depth: number) => Promise<Timing>} decode of that many tokens behind `depth` others; the
 *   time of those does not count
 * @property {() => Promise<{ wasmBytes: number | null }>} memory
 * @property {() => number | null} readRate bytes a second of a plain read loop, where the engine measures one
 * @property {() => Promise<void>} close
 */

/** @typedef {{ name: string, kind: 'prefill' | 'decode', tokens: number, depth: number }} Test */

/** @typedef {{ test: string, skipped: string }} Skipped a test that was not measured, and why */

/** @typedef {{ phase: string, test?: string }} MeasureEvent what is begun, and of which test */

/**
 * What one turn of an engine consists of; `driver`: its file in drivers/.
 * @typedef {{ driver: string, setup: EngineSetup, tests: Test[], capSeconds: number }} TurnPlan
 */

const FEWEST = { prefill: 16, decode: 4 };
// Enough for the JIT to have replaced its first code: each kind of work is repeated until it has taken this long.
const WARM_SECONDS = 0.5;
const WARM_PIECES = 16;
const WARM_MOST = { prefill: 256, decode: 32 };

/** @param {Timing} timing */
const rateOf = ({ tokens, milliseconds }) => (tokens * 1000) / Math.max(milliseconds, 1e-3);

/**
 * Runs ever larger pieces of one kind of work.
 * @param {(tokens: number) => Promise<Timing>} work
 * @param {'prefill' | 'decode'} kind
 * @param {number} most
 * @returns {Promise<number>} tokens a second of the last piece
 */
async function warmUp(work, kind, most) {
  let rate = 0;
  let spent = 0;
  let tokens = Math.min(FEWEST[kind], most);
  for (let piece = 0; piece < WARM_PIECES && spent < WARM_SECONDS; piece++) {
    const timing = await work(tokens);
    rate = rateOf(timing);
    spent += timing.milliseconds / 1000;
    tokens = Math.min(tokens * 2, most);
  }
  return rate;
}

/**
 * How much of a test fits into the time that one measurement may take.
 * @param {Test} test
 * @param {Record<Test['kind'], number>} rates tokens a second, as far as is known
 * @param {number} capSeconds
 * @returns {{ tokens: number } | { reason: string }}
 */
export function fit(test, rates, capSeconds) {
  const filling = test.depth / rates.prefill;
  if (filling > capSeconds) {
    const reason = `filling ${test.depth} tokens would take ${Math.ceil(filling)} s; a measurement may take ${capSeconds} s`;
    return { reason };
  }
  const most = Math.floor(capSeconds * rates[test.kind]);
  return { tokens: Math.min(test.tokens, Math.max(FEWEST[test.kind], most)) };
}

/**
 * @param {MeasuredEngine} engine
 * @param {{ tests: Test[], capSeconds: number }} plan
 * @param {(event: MeasureEvent) => Promise<unknown>} report awaited before each piece of work
 */
async function runTests(engine, { tests, capSeconds }, report) {
  /** @type {Record<Test['kind'], (tokens: number) => Promise<Timing>>} */
  const work = {
    prefill: (tokens) => engine.prefill(tokens),
    decode: (tokens) => engine.decode(tokens, 0),
  };
  const rates = { prefill: Infinity, decode: Infinity };
  for (const kind of /** @type {const} */ (['prefill', 'decode'])) {
    await report({ phase: 'warm-up', test: kind });
    const wanted = Math.max(0, ...tests.map((test) => (test.kind === kind ? test.tokens : 0)));
    rates[kind] = await warmUp(work[kind], kind, Math.min(WARM_MOST[kind], Math.max(wanted, 1)));
  }
  const results = [];
  for (const test of tests) {
    const fitted = fit(test, rates, capSeconds);
    if ('reason' in fitted) {
      results.push({ test: test.name, skipped: fitted.reason });
      continue;
    }
    await report({ phase: 'measure', test: test.name });
    const start = performance.now();
    const timing =
      test.kind === 'prefill' ? await engine.prefill(fitted.tokens) : await engine.decode(fitted.tokens, test.depth);
    const tokensPerSecond = rateOf(timing);
    if (test.depth === 0) rates[test.kind] = tokensPerSecond;
    results.push({
      test: test.name,
      ...timing,
      wantedTokens: test.tokens,
      depth: test.depth,
      tokensPerSecond,
      wallMilliseconds: performance.now() - start,
    });
  }
  return results;
}

/**
 * Opens, measures and closes an engine.
 * @template Setup
 * @param {{ open: (setup: Setup) => Promise<MeasuredEngine> }} driver
 * @param {{ setup: Setup, tests: Test[], capSeconds: number }} plan
 * @param {(event: MeasureEvent) => Promise<unknown>} report
 */
export async function measure(driver, { setup, ...plan }, report) {
  await report({ phase: 'load' });
  const engine = await driver.open(setup);
  try {
    const results = await runTests(engine, plan, report);
    const memory = await engine.memory();
    await report({ phase: 'close' });
    return { load: engine.load, facts: engine.facts, results, memory, readRate: engine.readRate() };
  } finally {
    await engine.close();
  }
}
