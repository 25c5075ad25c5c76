#!/usr/bin/env node
// The whole test suite (npm test): format, C tests plain and under sanitizers, the builds, and every *.test.js.
// usage: node tests/run.js [--only STEP[,STEP...]] [--fix]
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from '../js/bundle.js';
import {
  BuildError,
  filesBelow,
  has,
  main,
  PROCESSORS,
  ROOT,
  requireCmake,
  requireCompiler,
  requireNode,
  requirePackages,
  run,
} from '../wasm/shell.js';
import { BROWSERS, skipWithoutBrowser } from './browsers.js';
import { requireChromium } from './chromium.js';
import { printResults, runTestFiles } from './test-files.js';

const FORMATTER = ['clang-format-14', 'clang-format'];

// Chromium answers about memory a minute after it is asked.
const WAITING = ['tests/peak-memory.test.js'];
// Begun first, so that none of them is left alone at the end.
const LONG = ['any-browser', 'golden', 'weight-stream', 'saved-sessions', 'offline'].map(
  (name) => `tests/${name}.test.js`,
);

const STEPS = {
  format: () => checkFormat(false),
  native: () => testNative('build/native', []),
  sanitize: () => testNative('build/sanitize', ['-DNIBBLE_SANITIZE=ON']),
  build: bundle,
  node: testNode,
};

const { values } = parseArgs({ options: { only: { type: 'string' }, fix: { type: 'boolean' } } });

await main(async () => {
  requireNode();
  requirePackages();
  if (values.fix) return checkFormat(true);
  const names = values.only?.split(',') ?? Object.keys(STEPS);
  const unknown = names.find((name) => !Object.hasOwn(STEPS, name));
  if (unknown) throw new BuildError(`There is no step '${unknown}'; the steps are ${Object.keys(STEPS).join(', ')}.`);
  const results = [];
  for (const name of names) results.push(await step(name));
  summarise(results);
});

async function step(name) {
  console.log(`\n== ${name}`);
  const start = performance.now();
  let problem = null;
  try {
    await STEPS[name]();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    problem = error.message;
    console.error(problem);
  }
  return { name, problem, seconds: (performance.now() - start) / 1000 };
}

function summarise(results) {
  console.log('\n== summary');
  for (const { name, problem, seconds } of results) {
    console.log(
      `  ${name.padEnd(10)} ${problem ? 'FAILED' : 'passed'} ${seconds.toFixed(1).padStart(7)} s  ${problem ?? ''}`,
    );
  }
  const failed = results.filter((result) => result.problem).map((result) => result.name);
  if (failed.length > 0) throw new BuildError(`Failed: ${failed.join(', ')}.`);
  console.log('All passed.');
}

// Other versions of clang-format break lines differently, so only Debian 12's is asked.
function checkFormat(fix) {
  const formatter = FORMATTER.find((name) => has(name) && / 14\./.test(run(name, ['--version'], { capture: true })));
  const sources = filesBelow(['src', 'wasm', 'tests'], (path) => /\.[ch]$/.test(path)).map((path) =>
    relative(ROOT, path),
  );
  const why = "The C sources are not in the project's format; 'npm run format' mends that.";
  if (formatter) run(formatter, fix ? ['-i', ...sources] : ['--dry-run', '-Werror', ...sources], { why });
  else console.log('The format of the C sources is not checked: clang-format 14 is not installed.');
  const biome = 'node_modules/@biomejs/biome/bin/biome';
  run(process.execPath, [biome, 'check', ...(fix ? ['--write'] : ['--error-on-warnings']), '.'], {
    why: "Biome found something (above); 'npm run format' mends what it can.",
  });
}

function testNative(folder, options) {
  requireCmake();
  requireCompiler();
  run('cmake', ['-B', folder, ...options]);
  run('cmake', ['--build', folder, '--parallel', PROCESSORS]);
  run('ctest', ['--test-dir', folder, '--parallel', PROCESSORS, '--output-on-failure', '--no-tests=error']);
}

async function testNode() {
  requireChromium();
  // Installed before anything is measured by a clock, and its absence told once more by what is skipped.
  for (const browser of BROWSERS) {
    const missing = skipWithoutBrowser(browser);
    if (missing) console.log(missing);
  }
  const files = filesBelow(['tests'], (path) => path.endsWith('.test.js')).map((path) => relative(ROOT, path));
  const ordered = [...LONG.filter((path) => files.includes(path)), ...files.filter((path) => !LONG.includes(path))];
  const results = await runTestFiles(ordered, { lanes: Number(PROCESSORS), beside: WAITING });
  printResults(results);
  const failed = results.filter(({ passed }) => !passed).map(({ path }) => path);
  if (failed.length > 0) throw new BuildError(`A test failed (above) in ${failed.join(', ')}.`);
}
