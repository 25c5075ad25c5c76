// The reference of the library, as it is built: nothing public is without a description, and no link leads nowhere.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { ERROR_CODES } from '../../js/base/error-codes.js';
import { TYPES } from '../../js/declarations.js';
import { REFERENCE, REFERENCE_WARNINGS } from '../../js/reference.js';
import { filesBelow, ROOT } from '../../wasm/shell.js';

const folder = join(ROOT, REFERENCE);
const pages = new Map(
  filesBelow([REFERENCE], (path) => path.endsWith('.html')).map((path) => [path, readFileSync(path, 'utf8')]),
);
// What a callback is given has a type of its own, which is described; TypeScript keeps no comments of its parameters.
const OF_CALLBACK = /^\w+Callback\.__type\.\w+ \(Parameter\)/;

test('everything public is described, and each link in a description means something', () => {
  /** @type {string[]} */
  const warnings = JSON.parse(readFileSync(join(ROOT, REFERENCE_WARNINGS), 'utf8'));
  assert.deepEqual(
    warnings.filter((warning) => !OF_CALLBACK.test(warning)),
    [],
  );
});

test('its pages link to what is there', () => {
  assert.ok(pages.size > 50, `${pages.size} pages`);
  /** @type {string[]} */
  const broken = [];
  let count = 0;
  for (const [path, html] of pages) {
    for (const [, target] of html.matchAll(/(?:href|src)="([^"]+)"/g)) {
      if (/^https:/.test(target) || target === '#') continue;
      count++;
      const [file, anchor] = target.split('#');
      const place = file === '' ? path : normalize(join(dirname(path), file));
      // The chat page, which lies above.
      if (place === join(dirname(folder), 'index.html')) continue;
      const isThere = anchor && pages.has(place) ? pages.get(place)?.includes(`id="${anchor}"`) : existsSync(place);
      if (!isThere) broken.push(`${relative(folder, path)}: ${target}`);
    }
  }
  assert.ok(count > 1000, `${count} links`);
  assert.deepEqual(broken, []);
});

test('every option says what it is where it is not given', () => {
  const files = filesBelow([TYPES], (path) => path.endsWith('-options.d.ts'));
  /** @type {string[]} */
  const silent = [];
  let count = 0;
  for (const path of files) {
    const text = readFileSync(path, 'utf8');
    for (const [, comment, name] of text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s+(\w+)\?:/g)) {
      count++;
      if (!/\bDefault:/.test(comment)) silent.push(`${basename(path)}: ${name}`);
    }
  }
  assert.ok(count > 70, `${count} options`);
  assert.deepEqual(silent, []);
});

test('it has every code of an error', () => {
  const html = pages.get(join(folder, 'variables/ERROR_CODES.html')) ?? '';
  const plain = html.replaceAll('<wbr/>', '');
  assert.deepEqual(
    Object.keys(ERROR_CODES).filter((code) => !plain.includes(code)),
    [],
  );
});

test('its pages hold no script, which the policy of the site would stop', () => {
  const inline = [...pages].filter(([, html]) => /<script(?![^>]*\bsrc=)|\son\w+="|\sstyle="/.test(html));
  assert.deepEqual(
    inline.map(([path]) => relative(folder, path)),
    [],
  );
});
