// The oldest browsers that README.md names: no function that is newer than they are is called, but where the line asks
// first whether it is there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { describe, test } from 'node:test';
import { filesBelow, ROOT } from '../../wasm/shell.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

/** @type {Record<string, number>} */
const FLOOR = { Chrome: 103, Firefox: 104, Safari: 16.4 };

// Helpers of iterators are not here: Node 20, which the tests run in, has none either.
// In Chrome, Firefox and Safari since; Infinity: not yet in all. What is written as `name?.(` asks by itself.
const NEWER = [
  ['URL.canParse', /\bURL\.canParse\(/, [120, 115, 17]],
  ['URL.parse', /\bURL\.parse\(/, [126, 126, 18]],
  ['toSorted and its like', /\.(toSorted|toReversed|toSpliced)\(/, [110, 115, 16]],
  ['Array.fromAsync', /\bArray\.fromAsync\(/, [121, 115, 16.4]],
  ['Promise.withResolvers', /\bPromise\.withResolvers\(/, [119, 121, 17.4]],
  ['Promise.try', /\bPromise\.try\(/, [128, 134, 18.2]],
  ['AbortSignal.any', /\bAbortSignal\.any\(/, [116, 124, 17.4]],
  ['groupBy', /\b(Object|Map)\.groupBy\(/, [117, 119, 17.4]],
  ['methods of sets', /\.(symmetricDifference|isSubsetOf|isSupersetOf|isDisjointFrom)\(/, [122, 127, 17]],
  ['isWellFormed', /\.(isWellFormed|toWellFormed)\(/, [111, 119, 16.4]],
  ['Intl.Segmenter', /\bnew Intl\.Segmenter\(/, [87, 125, 14.1]],
  ['Atomics.waitAsync', /\bAtomics\.waitAsync\(/, [87, 145, 16.4]],
  ['base64 of bytes', /\.(toBase64|fromBase64|toHex|fromHex)\(/, [140, 133, 18.2]],
  ['RegExp.escape', /\bRegExp\.escape\(/, [136, 134, 18.2]],
  ['iterating a stream', /for await \([^)]* of [\w.]*(stream|body)\b/, [124, 110, Infinity]],
  ['the flag v', /\/[dgimsu]*v[dgimsu]*(?=[.,;)\s])(?<=[\])}+*?\w]\/v)/, [112, 116, 17]],
  ['popovers', /\.(showPopover|hidePopover|togglePopover)\(/, [114, 125, 17]],
  ['moveBefore', /\.moveBefore\(/, [133, 144, Infinity]],
  ['scheduler', /\bscheduler\.(yield|postTask)\(/, [94, 142, Infinity]],
  ['requestIdleCallback', /\brequestIdleCallback\(/, [47, 55, Infinity]],
];

const NEWER_STYLES = [
  ['nested rules', /^\s+&/m, [112, 117, 16.5]],
  ['light-dark()', /\blight-dark\(/, [123, 120, 17.5]],
];

/** @param {any} versions */
const named = (versions) => Object.fromEntries(Object.keys(FLOOR).map((name, index) => [name, versions[index]]));
/** @param {string | RegExp | number[]} versions */
const isNewer = (versions) => Object.entries(named(versions)).some(([name, version]) => version > FLOOR[name]);

/**
 * What of `table` a text calls, line by line. A line that asks for it first may.
 * @param {string} text
 * @param {((string | RegExp | number[])[])[]} table
 */
function findNewer(text, table) {
  /** @type {string[]} */
  const found = [];
  text.split('\n').forEach((line, index) => {
    if (/^\s*(\/\/|\*|\/\*)/.test(line)) return;
    for (const [name, pattern, versions] of untyped(table)) {
      if (isNewer(versions) && pattern.test(line)) found.push(`${index + 1}: ${name}`);
    }
  });
  return found;
}

/** @param {string[]} files @param {((string | RegExp | number[])[])[]} table */
const scan = (files, table) =>
  files.flatMap((path) =>
    findNewer(readFileSync(path, 'utf8'), table).map((what) => `${relative(ROOT, path)}:${what}`),
  );

describe('the oldest browsers that the README names', () => {
  test('have every function that the page and the library call', () => {
    const ofNode = /\.node\.js$|js\/(commands\/.*|cli|bundle|declarations)\.js$|web\/serve\.js$/;
    const files = filesBelow(['js', 'web'], (path) => path.endsWith('.js') && !ofNode.test(path));
    assert.ok(files.length > 100);
    assert.deepEqual(scan(files, NEWER), []);
  });

  test('have what the styles are written in', () => {
    assert.deepEqual(
      scan(
        filesBelow(['web'], (path) => path.endsWith('.css')),
        NEWER_STYLES,
      ),
      [],
    );
  });

  test('are the same in the README, on the page and here', () => {
    const { Chrome, Firefox, Safari } = FLOOR;
    for (const path of ['README.md', 'js/PAGES.md']) {
      const text = readFileSync(`${ROOT}/${path}`, 'utf8').replaceAll('\n', ' ');
      assert.match(text, new RegExp(`Chrome and Edge ${Chrome}, Firefox ${Firefox}, Safari ${Safari}`));
    }
    const start = readFileSync(`${ROOT}/web/start.js`, 'utf8');
    assert.equal(present(start.match(new RegExp(`${Chrome}.*Firefox ${Firefox}.*Safari ${Safari}`, 'g'))).length, 2);
  });

  test('what is newer is found, and what asks first or is a comment is not', () => {
    const bad = [
      'if (URL.canParse(text)) x();',
      'list.toSorted()',
      'await Promise.withResolvers()',
      'for await (const x of response.body) {}',
    ];
    for (const line of bad) assert.equal(findNewer(line, NEWER).length, 1, line);
    const good = [
      '// URL.canParse(x)',
      'list.sort()',
      'requestIdleCallback?.(go)',
      'AbortSignal.timeout(5)',
      'a.values().next()',
    ];
    for (const line of good) assert.deepEqual(findNewer(line, NEWER), [], line);
    assert.equal(findNewer('  &:hover {', NEWER_STYLES).length, 1);
  });
});
