// The peer benchmark: its pure parts, and one small run of the whole with Nibble alone.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chart } from '../bench/chart.js';
import { fit, measure } from '../bench/measure.js';
import { readOptions, UsageError } from '../bench/options.js';
import { planTurns } from '../bench/peers.js';
import { secondsLeft } from '../bench/progress.js';
import { figure, report } from '../bench/report.js';
import { serveBenchmark } from '../bench/server.js';
import { median, ratio, summarise, summary } from '../bench/statistics.js';
import { measureStorage, table } from '../bench/storage.js';
import { present } from '../present.js';
import { temporaryFolder } from '../small-model.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TINY = join(ROOT, 'models/nibble-tiny.gguf');

/** @typedef {import('../bench/measure.js').Test} Test @type {Test[]} */
const [PREFILL, DECODE, DEEP] = [
  { name: 'pp512', kind: 'prefill', tokens: 512, depth: 0 },
  { name: 'tg128', kind: 'decode', tokens: 128, depth: 0 },
  { name: 'tg32@d2000', kind: 'decode', tokens: 32, depth: 2000 },
];

/** @param {Test} test @param {number} tokensPerSecond */
const sample = (test, tokensPerSecond, tokens = test.tokens) => ({
  test: test.name,
  tokens,
  wantedTokens: test.tokens,
  depth: test.depth,
  milliseconds: (tokens * 1000) / tokensPerSecond,
  tokensPerSecond,
});

/**
 * @param {string} engine
 * @param {number} round
 * @param {ReturnType<typeof sample>[] | (ReturnType<typeof sample> | { test: string, skipped: string })[]} results
 */
function run(engine, round, results, more = {}) {
  const facts = engine === 'nibble' ? { kernelSet: 'relaxed-i32', wasm: 'relaxed', bytesPerToken: 1e8 } : {};
  const load = { milliseconds: 1500, from: 'a store' };
  const memory = { wasmBytes: engine === 'nibble' ? 3 << 20 : null };
  const measured = { load, facts, memory, peakBytes: 5 << 20, readRate: null };
  return { engine, round, othersBusy: 0, ...measured, results, ...more };
}

/** A record as peers.js writes it: three rounds, a peer that is slow, one that fails in a round, one that is missing. */
function exampleRecord() {
  const rounds = [
    [100, 20, 10],
    [120, 30, 20],
    [110, 22, 16],
  ];
  /** @type {import('../bench/statistics.js').Run[]} */
  const runs = rounds.flatMap(([prefill, decode, deep], index) => [
    run('nibble', index + 1, [sample(PREFILL, prefill), sample(DECODE, decode), sample(DEEP, deep)]),
    run('wllama-3', index + 1, [
      sample(PREFILL, prefill / 10, 64),
      sample(DECODE, decode / 5),
      { test: DEEP.name, skipped: 'filling 2000 tokens would take 500 s' },
    ]),
  ]);
  runs.push(run('llama.cpp', 1, [sample(PREFILL, 200), sample(DECODE, 25), sample(DEEP, 8)]));
  runs.push({ engine: 'llama.cpp', round: 2, othersBusy: 1.5, error: 'it broke <off>' });
  return {
    date: '2026-01-02T03:04:05.678Z',
    command: 'npm run bench:peers -- --model m.gguf',
    loadAverage: 1.25,
    nibble: { version: '0.1.0', commit: 'abc1234', uncommittedChanges: false },
    machine: { cpu: 'CPU "A" & <B>', cores: 2, system: 'linux', node: '22.0.0' },
    browser: { version: '156.0' },
    model: { name: 'm&m.gguf', bytes: 1 << 20, sha256: 'f'.repeat(64) },
    threads: 2,
    capSeconds: 60,
    rounds: 3,
    tests: [PREFILL, DECODE, DEEP],
    engines: [
      { name: 'nibble', label: 'Nibble', version: null, rounds: 3, facts: {} },
      { name: 'wllama-3', label: 'wllama 3', version: '3.8.1', rounds: 3, facts: { llamaCpp: 'b1' } },
      { name: 'llama.cpp', label: 'node-llama-cpp', version: '3.22.1', rounds: 2, facts: {} },
    ],
    missing: [{ name: 'wllama-2', reason: 'npm could not install it' }],
    warnings: [
      { kind: 'load', sentence: 'busy' },
      { kind: 'busy', sentence: 'busy' },
    ],
    runs,
  };
}

describe('the figures', () => {
  test('a median is the middle, or the mean of the two in the middle', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(median([7]), 7);
  });

  test('a summary has the lowest and the highest, and there is none of nothing', () => {
    assert.deepEqual(summary([5, 9, 1]), { median: 5, low: 1, high: 9, count: 3 });
    assert.equal(summary([]), null);
  });

  test('numbers do not change by being sorted', () => {
    const values = [3, 1, 2];
    median(values);
    assert.deepEqual(values, [3, 1, 2]);
  });

  test('samples are told apart by engine and test', () => {
    const table = summarise(exampleRecord());
    assert.deepEqual(table.pp512.nibble, { median: 110, low: 100, high: 120, count: 3, fewerTokens: null });
    assert.equal(table.pp512['wllama-3'].fewerTokens, 64);
    assert.equal(table.tg128['llama.cpp'].count, 1);
    assert.deepEqual(table['tg32@d2000']['wllama-3'], { skipped: 'filling 2000 tokens would take 500 s' });
  });

  test('one token fewer of many is not a shortened test', () => {
    const record = exampleRecord();
    record.runs = [run('nibble', 1, [sample(PREFILL, 100, 511)])];
    assert.equal(summarise(record).pp512.nibble.fewerTokens, null);
  });

  test('a ratio is that of the medians, its range that of the rounds with both', () => {
    const record = exampleRecord();
    assert.deepEqual(ratio(record, 'tg128', 'nibble', 'wllama-3'), { ratio: 5, low: 5, high: 5 });
    const { ratio: overall, low, high } = present(ratio(record, 'pp512', 'nibble', 'llama.cpp'));
    assert.equal(overall, 0.55);
    assert.equal(low, 0.5);
    assert.equal(high, 0.55);
    assert.equal(ratio(record, 'tg32@d2000', 'nibble', 'wllama-3'), null);
  });

  test('figures keep three digits', () => {
    assert.deepEqual([0.1234, 1.234, 12.34, 123.4, 1234.5].map(figure), ['0.123', '1.23', '12.3', '123', '1235']);
  });
});

describe('the report', () => {
  const text = report(exampleRecord());
  /** @param {string} heading */
  const tableAfter = (heading) =>
    text
      .slice(text.indexOf(`| ${heading}`))
      .split('\n\n', 1)[0]
      .split('\n');

  test('has the speeds, shortened and missing ones marked', () => {
    const [, , prefill, decode, deep] = tableAfter('tokens/s');
    assert.match(prefill, /\| pp512 +\| +110 \(100-120\) \| +11\.0 \(10\.0-12\.0\) \* \| +200 \|/);
    assert.match(decode, /22\.0 \(20\.0-30\.0\) \| +4\.40 \(4\.00-6\.00\) \| +25\.0 \|/);
    assert.match(deep, /16\.0 \(10\.0-20\.0\) \| +- \| +8\.00 \|/);
  });

  test('has the ratios', () => {
    const [heading, , prefill] = tableAfter('Nibble is times as fast as');
    assert.match(heading, /wllama 3\.8\.1 \| node-llama-cpp 3\.22\.1/);
    assert.match(prefill, /10\.0x \| +0\.550x \(0\.500x?-0\.550\)/);
  });

  test('all rows of a table have the same columns', () => {
    for (const heading of ['tokens/s', 'Nibble is times', 'engine']) {
      const counts = tableAfter(heading).map((line) => line.split('|').length);
      assert.equal(new Set(counts).size, 1, heading);
    }
  });

  test('says what was shortened, skipped, failed, missing and disturbed, and on what it ran', () => {
    for (const part of [
      'wllama 3.8.1 pp512: 64',
      'was not measured in tg32@d2000: filling 2000 tokens would take 500 s.',
      'node-llama-cpp failed in round 2: it broke <off>.',
      'wllama-2 was not measured: npm could not install it.',
      'was measured in 2 of 3 rounds',
      'The load average was 1.25',
      'Before 1 of 8 turns other work kept up to 1.5 processors busy.',
      'at depth 2000 at 73% of its speed at depth 0',
      'reads 2.20 GB/s',
      'f'.repeat(64),
      'wllama 3.8.1 (llama.cpp b1)',
      'relaxed-i32 (relaxed wasm)',
    ]) {
      assert.ok(text.includes(part), part);
    }
  });

  test('tells the share of the read loop where an engine measures one', () => {
    const record = exampleRecord();
    for (const each of record.runs) if (each.engine === 'nibble') each.readRate = 4.4e9;
    assert.match(report(record), /50% of the plain read loop/);
  });
});

/**
 * Throws where a text is no well-formed XML: tags that do not match, stray marks, attributes without quotes.
 * @param {string} xml
 */
function assertWellFormed(xml) {
  /** @type {string[]} */
  const open = [];
  const rest = xml.replace(
    /<(\/?)([\w:]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
    (_, closing, name, _attributes, empty) => {
      if (closing) assert.equal(open.pop(), name);
      else if (!empty) open.push(name);
      return '';
    },
  );
  assert.deepEqual(open, []);
  assert.doesNotMatch(rest, /[<>]|&(?!(?:amp|lt|gt|quot|apos);)/);
}

describe('the chart', () => {
  test('the check finds what is not well-formed', () => {
    for (const bad of ['<a><b></a></b>', '<a>', '<a b=c></a>', '<a>&</a>', '<a><</a>', '<a b="<"></a>']) {
      assert.throws(() => assertWellFormed(bad), bad);
    }
  });

  test('is well-formed, whatever names it shows', () => {
    const record = exampleRecord();
    assertWellFormed(chart(record));
    record.model.name = `]]>&<svg onload="x">'\u0000`;
    assertWellFormed(chart(record));
  });

  test('has a bar for each speed, as long as it is fast, within the picture', () => {
    const svg = chart(exampleRecord());
    const widths = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, width]) => Number(width));
    assert.equal(widths.length, 8);
    const [nibble, wllama, llama] = widths;
    assert.ok(Math.abs(nibble / wllama - 10) < 0.1 && Math.abs(llama / nibble - 200 / 110) < 0.02);
    const [, width, height] = present(/viewBox="0 0 (\d+) (\d+)"/.exec(svg)).map(Number);
    const places = [...svg.matchAll(/<(?:rect|text) x="([\d.]+)" y="([\d.]+)"/g)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ]);
    assert.ok(places.every(([x, y]) => x < width && y < height));
    assert.ok(svg.includes('not measured') && svg.includes('prefers-color-scheme: dark'));
  });

  test('can be drawn of nothing but failures', () => {
    const record = exampleRecord();
    record.runs = [{ engine: 'nibble', round: 1, othersBusy: 0, error: 'no' }];
    assertWellFormed(chart(record));
    assert.match(report(record), /Nibble failed in round 1: no\./);
  });
});

describe('the options', () => {
  /** @param {...string} args */
  const read = (...args) => {
    const options = readOptions(['--model', 'a/b.gguf', ...args], new Date('2026-01-02T03:04:05Z'));
    assert.ok(!options.help);
    return options;
  };

  test('have defaults', () => {
    const options = read();
    assert.deepEqual(
      options.tests.map(({ name }) => name),
      ['pp512', 'tg128', 'tg32@d2000'],
    );
    assert.deepEqual(
      options.peers.map(({ name, rounds }) => [name, rounds]),
      [
        ['wllama-2', 3],
        ['wllama-3', 3],
        ['llama.cpp', 3],
      ],
    );
    assert.equal(options.out, 'build/bench/b-202601020304');
    assert.equal(options.contextSize, 2048);
    assert.deepEqual([options.threads, options.complete, options.node, options.build], [2, false, false, true]);
  });

  test('are read', () => {
    const given = '--peers wllama-3:1,llama.cpp:9 --rounds 4 --prompt 0 --depth 7,7 --node --complete';
    const options = read(...given.split(' '));
    assert.deepEqual(options.peers, [
      { name: 'wllama-3', rounds: 1 },
      { name: 'llama.cpp', rounds: 4 },
    ]);
    assert.deepEqual(
      options.tests.map(({ name }) => name),
      ['tg32@d7'],
    );
    assert.deepEqual([options.node, options.complete], [true, true]);
    assert.deepEqual(read('--peers', 'none').peers, []);
    assert.equal(readOptions(['--help']).help, true);
  });

  test('are refused with a sentence where they make no sense', () => {
    for (const [args, expected] of /** @type {[string[], RegExp][]} */ ([
      [['--peers', 'ollama'], /--peers names 'ollama'/],
      [['--peers', 'wllama-2,wllama-2'], /wllama-2 twice/],
      [['--peers', 'wllama-2:0'], /--peers is '0'/],
      [['--rounds', '0'], /--rounds is '0'; a whole number from 1 to 1000/],
      [['--threads', '2.5'], /--threads is '2.5'/],
      [['--depth', '0,x'], /--depth is 'x'/],
      [['--prompt', '0', '--depth', ''], /--depth is ''/],
      [['--frob'], /--frob/],
    ])) {
      assert.throws(
        () => read(...args),
        (error) => error instanceof UsageError && expected.test(error.message),
        args.join(' '),
      );
    }
    assert.throws(() => readOptions([]), /--model is missing/);
  });
});

describe('the turns', () => {
  const engines = ['a', 'b', 'c'].map((name) => ({ name, rounds: name === 'b' ? 1 : 3 }));

  test('give every engine one in each of its rounds, in turning order', () => {
    const turns = planTurns(engines, 3).map(({ engine, round }) => `${engine}${round}`);
    assert.deepEqual(turns, ['a1', 'b1', 'c1', 'c2', 'a2', 'a3', 'c3']);
  });

  test('are expected to take as long as those before', () => {
    assert.equal(secondsLeft([], ['a']), null);
    const done = [
      { engine: 'a', seconds: 2 },
      { engine: 'b', seconds: 10 },
      { engine: 'a', seconds: 4 },
    ];
    assert.equal(secondsLeft(done, ['a', 'b']), 13);
    assert.equal(secondsLeft([{ engine: 'a', seconds: 2 }], ['b', 'b']), 4);
  });
});

describe('a measurement', () => {
  /** An engine of exact speeds. @param {{ prefill: number, decode: number }} options */
  function fakeEngine({ prefill, decode }) {
    /** @type {[tokens: number, depth: number][]} */
    const calls = [];
    /** @param {number} tokens @param {number} rate */
    const timed = (tokens, rate) => ({ tokens, milliseconds: (tokens * 1000) / rate });
    const engine = {
      calls,
      closed: false,
      load: { milliseconds: 1, from: 'nowhere' },
      facts: {},
      prefill: async (/** @type {number} */ tokens) => timed(tokens, prefill),
      /** @param {number} tokens @param {number} depth */
      async decode(tokens, depth) {
        calls.push([tokens, depth]);
        return timed(tokens, decode);
      },
      memory: async () => ({ wasmBytes: null }),
      readRate: () => null,
      async close() {
        engine.closed = true;
      },
    };
    return engine;
  }

  test('takes fewer tokens where all would take too long, and none behind a context that would', () => {
    const rates = { prefill: 10, decode: 2 };
    assert.deepEqual(fit(PREFILL, rates, 60), { tokens: 512 });
    assert.deepEqual(fit(PREFILL, rates, 20), { tokens: 200 });
    assert.deepEqual(fit(PREFILL, rates, 1), { tokens: 16 });
    assert.deepEqual(fit(DECODE, rates, 10), { tokens: 20 });
    const refused = fit(DEEP, rates, 60);
    assert.ok('reason' in refused);
    assert.match(refused.reason, /filling 2000 tokens would take 200 s/);
  });

  test('is the same for every engine', async () => {
    const engine = fakeEngine({ prefill: 1000, decode: 50 });
    /** @type {string[]} */
    const phases = [];
    const plan = { setup: {}, tests: [PREFILL, DECODE, DEEP], capSeconds: 60 };
    const { results } = await measure({ open: async () => engine }, plan, async ({ phase }) => phases.push(phase));
    assert.deepEqual(
      results.map((each) => 'tokens' in each && [each.test, each.tokens, Math.round(each.tokensPerSecond)]),
      [
        ['pp512', 512, 1000],
        ['tg128', 128, 50],
        ['tg32@d2000', 32, 50],
      ],
    );
    assert.deepEqual(engine.calls.at(-1), [32, 2000]);
    assert.deepEqual(phases, ['load', 'warm-up', 'warm-up', 'measure', 'measure', 'measure', 'close']);
    assert.equal(engine.closed, true);
  });

  test('closes an engine that fails', async () => {
    const engine = fakeEngine({ prefill: 1000, decode: 50 });
    engine.prefill = async () => {
      throw new Error('broken');
    };
    const plan = { setup: {}, tests: [PREFILL], capSeconds: 60 };
    await assert.rejects(
      measure({ open: async () => engine }, plan, async () => {}),
      /broken/,
    );
    assert.equal(engine.closed, true);
  });
});

test('the server isolates pages, sends the model by ranges and leaves its folders to nobody', async () => {
  const server = await serveBenchmark({ folders: { '/bench/': join(ROOT, 'tests/bench') }, modelPath: TINY });
  try {
    const page = await fetch(`${server.url}/bench/page.html`);
    assert.equal(page.headers.get('cross-origin-opener-policy'), 'same-origin');
    assert.equal(page.headers.get('cross-origin-embedder-policy'), 'require-corp');
    assert.match(await page.text(), /<!doctype html>/);
    const part = await fetch(server.modelUrl, { headers: { range: 'bytes=0-3' } });
    assert.equal(part.status, 206);
    assert.equal(await part.text(), 'GGUF');
    for (const path of ['/bench/..%2f..%2fpackage.json', '/package.json', '/bench/', '/bench/nothing.js']) {
      assert.equal((await fetch(server.url + path)).status, 404, path);
    }
  } finally {
    await server.close();
  }
});

/**
 * Runs the command in the checkout.
 * @param {string[]} args
 * @returns {Promise<{ status: number | null, stdout: string, stderr: string }>}
 */
function peers(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, 'tests/bench/peers.js'), ...args], { cwd: ROOT });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (piece) => {
      stdout += piece;
    });
    child.stderr.on('data', (piece) => {
      stderr += piece;
    });
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

describe('the command', () => {
  test('measures Nibble in a page and writes what it found', async () => {
    const out = join(temporaryFolder(), 'run');
    const few = ['--rounds', '2', '--prompt', '16', '--generate', '4', '--deep-generate', '4', '--depth', '0,8'];
    const { status, stdout, stderr } = await peers(['--model', TINY, '--peers', 'none', ...few, '--out', out]);
    assert.equal(status, 0, stderr);
    /** @type {import('../bench/statistics.js').PeerRecord} */
    const record = JSON.parse(readFileSync(`${out}.json`, 'utf8'));
    assert.equal(record.runs.length, 2);
    for (const { results = [], facts, memory, load } of record.runs) {
      assert.deepEqual(
        results.map((each) => 'tokens' in each && [each.test, each.tokens]),
        [
          ['pp16', 16],
          ['tg4', 4],
          ['tg4@d8', 4],
        ],
      );
      const rates = results.map((each) => ('tokens' in each ? each.tokensPerSecond : Number.NaN));
      assert.ok(rates.every((rate) => rate > 0 && Number.isFinite(rate)));
      assert.ok(facts?.threads === 2 && facts.kernelSet && present(memory?.wasmBytes) > 0);
      assert.ok(present(load).milliseconds > 0);
    }
    assert.match(record.model.sha256, /^[0-9a-f]{64}$/);
    assert.ok(record.machine.cpu && record.browser?.version && record.nibble.version);
    assert.ok(stdout.trim().endsWith(readFileSync(`${out}.md`, 'utf8').trim()));
    assertWellFormed(readFileSync(`${out}.svg`, 'utf8'));
  });

  test('says how it is used', async () => {
    const used = await peers(['--model', TINY, '--peers', 'nobody']);
    assert.equal(used.status, 2);
    assert.match(used.stderr, /--peers names 'nobody'/);
    const helped = await peers(['--help']);
    assert.equal(helped.status, 0);
    assert.match(helped.stdout, /--deep-generate/);
  });
});

test('the storage of a browser is measured by every store, size and way to read', async () => {
  const { rows, ways } = await measureStorage({ megabytes: 2, rounds: 1, seconds: 60, sizes: [1, 2] });
  assert.equal(rows.length, 6);
  for (const { write, reads } of rows) {
    assert.equal(reads.length, ways.length);
    for (const found of [write, ...reads]) assert.ok(found?.count === 1 && found.median > 0, JSON.stringify(found));
  }
  assert.equal(table(rows).split('\n').length, 2 + rows.length);
});
