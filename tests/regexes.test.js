// Regular expressions meet text that somebody else wrote: vocabularies, templates, messages, what a model or a server says.
// The work of each grows with the text and no faster.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { parse } from 'acorn';
import { DEFAULT_SPLIT, findSplit } from '../js/tokenizer/splits.js';
import { filesBelow, ROOT } from '../wasm/shell.js';
import { superLinearText } from './regex-growth.js';
import { VOCABULARIES } from './tokenizer/vocabularies.js';
import { untyped } from './untyped.js';

/** @typedef {import('acorn').Program} Program */

const FILES = filesBelow(['js', 'web'], (path) => path.endsWith('.js')).map((path) => relative(ROOT, path));

/** Those that functions put together, by the file: some that come of each place. @type {Record<string, any>} */
const CONSTRUCTED = {
  'js/tokenizer/splits.js': [[/\p{N}+/gu, /[0-9]+/gu]],
  'js/commands/json-fault.js': [[]], // seen when it is loaded
  'js/jinja/text-methods.js': [[/^[ \t\n\f\u3000]+$/]],
  'js/jinja/text-filters.js': [[/[^- \t\n\f\u3000({[<]+/g]],
  'js/jinja/lexer.js': [
    [/[ \t\n\f\u3000]*/y],
    [/\{%([-+]?)[ \t\n\f\u3000]*raw[ \t\n\f\u3000]*(-?)%\}/y],
    [/\{%([-+]?)[ \t\n\f\u3000]*endraw[ \t\n\f\u3000]*([-+]?)%\}/g],
  ],
  'js/jinja/format.js': [[]], // the copy of one that is written out
  'web/markdown/writer.js': [[/^ {0,3}```[~`]* *$/m, /^ {0,3}~~~~~[~`]* *$/m]],
};

function splits() {
  const names = Object.keys(VOCABULARIES).map((name) => name.replace(/^.* /, ''));
  const known = new Set([DEFAULT_SPLIT, ...names.map(findSplit)].filter((split) => split !== undefined));
  assert.ok(known.size > 30);
  const patterns = [...known].flatMap((split) => split.patterns.filter((pattern) => typeof pattern === 'string'));
  return [...new Set(patterns)].map((pattern) => new RegExp(pattern, 'gu'));
}

/** The regular expressions of a file, and how many it puts together at once and in functions. @param {string} file */
function regexesOf(file) {
  const found = { literals: /** @type {{ regex: RegExp, line: number }[]} */ ([]), atOnce: 0, inFunctions: 0 };
  /** @param {Program} node @param {boolean} inFunction */
  const visit = (node, inFunction) => {
    if (node === null || typeof node !== 'object') return;
    const { type, regex, value, loc, callee, ...rest } = untyped(node);
    if (type === 'Literal' && regex) found.literals.push({ regex: value, line: loc.start.line });
    if (callee?.name === 'RegExp') found[inFunction ? 'inFunctions' : 'atOnce']++;
    const isWithin = inFunction || /Function/.test(type);
    for (const each of Object.values(type === 'Literal' ? {} : { value, callee, ...rest })) visit(each, isWithin);
  };
  const options = { ecmaVersion: 'latest', sourceType: 'module', locations: true, allowHashBang: true };
  visit(parse(readFileSync(join(ROOT, file), 'utf8'), untyped(options)), false);
  return found;
}

/** What a module puts together when it is loaded. @param {string} file */
async function constructedBy(file) {
  const native = globalThis.RegExp;
  /** @type {any[]} */
  const constructed = [];
  /** @param {any} target @param {any[]} parameters */
  const construct = (target, parameters) => {
    constructed.push(Reflect.construct(target, parameters));
    return constructed.at(-1);
  };
  globalThis.RegExp = new Proxy(native, { construct });
  try {
    await import(`${pathToFileURL(join(ROOT, file))}?regexes`);
  } finally {
    globalThis.RegExp = native;
  }
  return constructed;
}

test('what grows faster than its text is found', () => {
  const slow = [
    /^<[\w-]*(?:bos|eos)[\w-]*>$/,
    /\/+$/,
    /^(a+)+$/,
    /^(?:a|a)*$/,
    /^(.*?)([\r\n]*)$/s,
    /^(~{3,})[^\n]*\n/,
  ];
  slow.push(/(?:a(?=.*b))+/g, /^\s*(\d+\.?\d*)$/, /<([^>]+)>\s*;/, /.*,/, /\p{L}+(?!\p{L})\d/u, /(?:.*b)|a/g);
  for (const regex of slow) assert.notEqual(superLinearText(regex), null, `${regex}`);
  const quick = [
    /^<(?=[\w-]*(?:bos|eos))[\w-]*>$/,
    /(?<!\/)\/+$/,
    /\s+/,
    /^(\w+) (\w+)$/,
    /^[^:]*:.*$/s,
    /\w{1,99}\d{1,99}/,
    /a|b/,
  ];
  for (const regex of quick) assert.equal(superLinearText(regex), null, `${regex}`);
  assert.throws(() => superLinearText(/(a)\1/), /not understood/);
});

/** Those whose texts are short. @type {Record<string, string>} */
const SHORT = {
  '\\.?0+$': 'what toFixed() writes, at most 420 characters',
  '^[^.[]+|\\.[^.[]+|\\[[^\\]]*\\]': 'the path to a value that a format names, at most 1000 characters',
};

/** @param {string} place @param {RegExp} regex */
const check = (place, regex) => {
  if (SHORT[regex.source]) return;
  const found = superLinearText(regex);
  assert.equal(found, null, `${place}: ${regex} takes ever more steps on ${JSON.stringify(found)}`);
};

test('the work of every regular expression grows with the text and no faster', async () => {
  let count = 0;
  for (const file of FILES) {
    const { literals, atOnce, inFunctions } = regexesOf(file);
    for (const { regex, line } of literals) check(`${file}:${line}`, regex);
    const examples = CONSTRUCTED[file] ?? [];
    assert.equal(inFunctions, examples.length, `${file}: this test has examples of what its functions put together`);
    for (const regex of examples.flat()) check(file, regex);
    const constructed = atOnce > 0 ? await constructedBy(file) : [];
    assert.ok(constructed.length >= atOnce, `${file}: ${constructed.length} of ${atOnce} were put together`);
    for (const regex of constructed) check(file, regex);
    count += literals.length + constructed.length;
  }
  assert.ok(count > 200, `${count} were found`);
});

test('so does that of each split', () => {
  for (const regex of splits()) check('a split', regex);
});
