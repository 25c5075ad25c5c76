// The suite tells what it did: what was skipped and why, and nothing that did not run counts as passed.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT } from '../wasm/shell.js';
import { present } from './present.js';
import { runTestFiles } from './test-files.js';
import { summariseVerdicts } from './verdicts.js';

/** @typedef {import('./test-files.js').FileResult} FileResult */

// In the checkout, since a file is run from its root; not below tests/, where the suite looks for files.
const FOLDER = 'build/made-up-tests';

const FILES = {
  'mixed.test.js': `
    import { describe, test } from 'node:test';
    describe('a suite', () => {
      test('passes', () => {});
      test('lacks something', { skip: 'no such thing' }, () => {});
      describe('within', () => test('fails', () => { throw new Error('as it should'); }));
    });
    describe('a whole suite', { skip: 'no such thing' }, () => { test('is not run', () => {}); });
    test('has parts', async (t) => { await t.test('a part', { skip: 'no such part' }, () => {}); });`,
  'silent.test.js': `
    import { describe, test } from 'node:test';
    test('passes', () => {});
    test('is told to', { skip: true }, () => {});
    test('skips itself', (t) => t.skip());
    test.skip('by its name', () => {});
    describe('a suite', { skip: true }, () => { test('is not run', () => {}); });`,
  'good.test.js': "import { test } from 'node:test'; test('passes', () => {});",
  'hook.test.js': `
    import { after, describe, test } from 'node:test';
    describe('a suite', () => { after(() => { throw new Error('at its end'); }); test('passes', () => {}); });`,
  'empty.test.js': 'export {};',
  'broken.test.js': "throw new Error('at once');",
};

/** @type {FileResult[]} */
let results;

before(async () => {
  mkdirSync(join(ROOT, FOLDER), { recursive: true });
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(ROOT, FOLDER, name), text);
  const paths = Object.keys(FILES).map((name) => `${FOLDER}/${name}`);
  const { log } = console;
  console.log = () => {};
  // A file that is run from within another would report to that one.
  const { NODE_TEST_CONTEXT: context } = process.env;
  delete process.env.NODE_TEST_CONTEXT;
  try {
    results = await runTestFiles(paths, { lanes: 2 });
  } finally {
    console.log = log;
    if (context !== undefined) process.env.NODE_TEST_CONTEXT = context;
  }
});

after(() => rmSync(join(ROOT, FOLDER), { recursive: true, force: true }));

/** @param {string} name */
const resultOf = (name) => results.find(({ place }) => place === `${FOLDER}/${name}`);
/** @param {string} name */
const failuresOf = (name) => present(resultOf(name)).verdicts.filter(({ verdict }) => verdict === 'failed');

describe('a run of test files', () => {
  test('tells each test by its whole name, and why one was skipped', () => {
    const { passed, verdicts, output } = present(resultOf('mixed.test.js'));
    assert.equal(passed, false);
    assert.deepEqual(verdicts, [
      { verdict: 'passed', name: 'a suite: passes' },
      { verdict: 'skipped', name: 'a suite: lacks something', reason: 'no such thing' },
      { verdict: 'failed', name: 'a suite: within: fails' },
      { verdict: 'skipped', name: 'a whole suite', reason: 'no such thing' },
      { verdict: 'skipped', name: 'has parts: a part', reason: 'no such part' },
      { verdict: 'passed', name: 'has parts' },
    ]);
    assert.match(output, /as it should/);
    assert.deepEqual(present(resultOf('good.test.js')).verdicts, [{ verdict: 'passed', name: 'passes' }]);
    assert.equal(present(resultOf('good.test.js')).passed, true);
  });

  test('fails where a file has no test, ends at once, or breaks outside of its tests', () => {
    for (const name of ['empty.test.js', 'broken.test.js', 'hook.test.js']) {
      assert.equal(present(resultOf(name)).passed, false, name);
      assert.equal(failuresOf(name).length, 1, name);
    }
    assert.equal(failuresOf('empty.test.js')[0].name, 'the file has no test');
    assert.equal(present(resultOf('hook.test.js')).verdicts.filter(({ verdict }) => verdict === 'passed').length, 1);
  });

  test('fails where a test is skipped without a reason, however that is written', () => {
    assert.equal(present(resultOf('silent.test.js')).passed, false);
    assert.deepEqual(
      failuresOf('silent.test.js').map(({ name }) => name),
      ['is told to', 'skips itself', 'by its name', 'a suite'].map((name) => `${name}: is skipped without a reason`),
    );
    assert.ok(!present(resultOf('silent.test.js')).verdicts.some(({ verdict }) => verdict === 'skipped'));
  });

  test('ends with each reason, what was skipped for it, and the counts', () => {
    const lines = summariseVerdicts([
      ...results.filter(({ place }) => /mixed|good/.test(place)),
      { place: 'native', verdicts: [{ verdict: 'skipped', name: 'unpacks', reason: 'no such thing' }] },
    ]);
    assert.deepEqual(lines, [
      '3 skipped: no such thing',
      `    ${FOLDER}/mixed.test.js: a suite: lacks something`,
      `    ${FOLDER}/mixed.test.js: a whole suite`,
      '    native: unpacks',
      '1 skipped: no such part',
      `    ${FOLDER}/mixed.test.js: has parts: a part`,
      '3 passed, 1 failed, 4 skipped',
    ]);
    assert.deepEqual(summariseVerdicts([]), ['0 passed, 0 failed, 0 skipped']);
  });
});
