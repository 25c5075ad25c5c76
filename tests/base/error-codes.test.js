// No code of an error appears or vanishes unnoticed: the list, the sources and the document name the same.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'acorn';
import { ERROR_CODES as PUBLIC } from '../../js/index.node.js';
import { filesBelow, ROOT } from '../../wasm/shell.js';
import { coreCodes, ERROR_TABLE, errorTable, readCodes } from '../error-codes.js';

/** @typedef {import('acorn').Program} Program */

const LISTED = readCodes().map(({ code }) => code);

/** Every text in the library's sources that could be a code. */
function textsOfSources() {
  const texts = new Set();
  /** @param {any} node */
  const visit = (node) => {
    if (node === null || typeof node !== 'object') return;
    if (node.type === 'Literal' && typeof node.value === 'string') texts.add(node.value);
    for (const value of Object.values(node)) visit(value);
  };
  const sources = filesBelow(['js'], (path) => path.endsWith('.js') && !path.endsWith('error-codes.js'));
  for (const path of sources) {
    const source = readFileSync(path, 'utf8');
    visit(parse(source, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true }));
  }
  return texts;
}

/** The first arguments of what makes errors, where they are texts. */
function codesMade() {
  const made = new Set();
  const makers = /(?:new NibbleError|withRemedy)\(\s*'([A-Z_]+)'/g;
  for (const path of filesBelow(['js'], (candidate) => candidate.endsWith('.js'))) {
    for (const [, code] of readFileSync(path, 'utf8').matchAll(makers)) made.add(code);
  }
  return made;
}

describe('codes of errors', () => {
  test('are what the library exports, each once', () => {
    assert.deepEqual(Object.keys(PUBLIC), LISTED);
    assert.equal(new Set(LISTED).size, LISTED.length);
    assert.ok(Object.isFrozen(PUBLIC));
  });

  test('of the core are all among them', () => {
    const codes = coreCodes();
    assert.ok(codes.includes('GGUF_BAD_MAGIC') && codes.length > 20, 'the core lists its codes');
    assert.deepEqual(
      codes.filter((code) => !LISTED.includes(code)),
      [],
    );
  });

  test('of the sources are all among them', () => {
    const made = [...codesMade()];
    assert.ok(made.length > 20, 'the sources make errors');
    assert.deepEqual(
      made.filter((code) => !LISTED.includes(code)),
      [],
    );
  });

  test('that nothing makes any more are not listed', () => {
    const texts = textsOfSources();
    const core = coreCodes();
    assert.deepEqual(
      LISTED.filter((code) => !texts.has(code) && !core.includes(code)),
      [],
    );
  });

  test('stand in the document, with what they mean', () => {
    const written = readFileSync(join(ROOT, ERROR_TABLE), 'utf8');
    assert.equal(written, errorTable(), 'write it anew: node tests/error-codes.js');
  });
});
