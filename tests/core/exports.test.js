// wasm/exports.txt, wasm/api.c with the headers of src/, and js/core/runtime.js with the files of js/ that call exports have to
// agree: what C offers to JavaScript, what the build exports, and what is called.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { KERNEL_SETS } from '../../js/core/simd.js';

const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const withoutComments = (text) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');

const exported = read('wasm/exports.txt').trim().split('\n');
const api = withoutComments(read('wasm/api.c'));
const headers = readdirSync(new URL('../../src/', import.meta.url))
  .filter((name) => name.endsWith('.h'))
  .map((name) => withoutComments(read(`src/${name}`)));
const engine = withoutComments(
  ['runtime', 'header', 'packer', 'session', 'sampler', 'pass', 'early-pass']
    .map((name) => read(`js/core/${name}.js`))
    .join('\n'),
);

const STANDARD = { _malloc: 1, _free: 1, _realloc: 2 };

/** The parameters of a C function, by its definition or declaration; null where there is none. */
function parametersOf(name) {
  for (const text of [api, ...headers]) {
    const found = new RegExp(`(?:^|[\\s*])${name}\\(([^)]*)\\)\\s*[{;]`, 'm').exec(text);
    if (found) return found[1].trim() === 'void' || found[1].trim() === '' ? [] : found[1].split(',');
  }
  return null;
}

/** The number of arguments of each call of an export in js/core/runtime.js: [name, count]. */
function callsOf(text) {
  return [...text.matchAll(/\.(_[a-z]\w*)\(/g)].map((match) => {
    let depth = 1;
    let count = 0;
    let something = false;
    let position = match.index + match[0].length;
    for (; depth > 0; position++) {
      const character = text[position];
      if ('([{'.includes(character)) depth++;
      else if (')]}'.includes(character)) depth--;
      else if (character === ',' && depth === 1) {
        count++;
        something = false;
        continue;
      }
      if (depth > 0 && /\S/.test(character)) something = true;
    }
    return [match[1], count + (something ? 1 : 0)];
  });
}

test('the list of exports is sorted and has nothing twice', () => {
  assert.deepEqual(exported, [...new Set(exported)].sort());
});

test('every export exists in C', () => {
  for (const name of exported.filter((each) => !(each in STANDARD))) {
    assert.notEqual(parametersOf(name.slice(1)), null, `${name} is neither in wasm/api.c nor in a header of src/`);
  }
});

test('every function that wasm/api.c means to export is exported', () => {
  const defined = [...api.matchAll(/\bEXPORT\b[^(]*?\b(api_\w+)\(/g)].map(([, name]) => `_${name}`);
  assert.ok(defined.length > 0);
  assert.deepEqual(
    defined.sort(),
    exported.filter((name) => name.startsWith('_api_')),
  );
});

test('js/core/runtime.js and its parts call every export, nothing else, and with as many arguments as C declares', () => {
  const calls = callsOf(engine);
  assert.deepEqual([...new Set(calls.map(([name]) => name))].sort(), exported);
  for (const [name, count] of calls) {
    const expected = STANDARD[name] ?? parametersOf(name.slice(1)).length;
    assert.equal(count, expected, `${name} takes ${expected} arguments`);
  }
});

for (const variant of ['relaxed', 'simd128']) {
  const path = `build/wasm/nibble-${variant}.wasm`;
  const skip = existsSync(new URL(`../../${path}`, import.meta.url)) ? false : `${path} is not built`;
  test(`the ${variant} build and its glue offer them`, { skip }, () => {
    for (const glue of ['build/wasm/node/nibble.mjs', 'build/wasm/web/nibble.cjs']) {
      const text = read(glue);
      for (const name of exported) assert.ok(text.includes(name), `${glue} lacks ${name}`);
    }
  });
}

test('js/core/simd.js knows the kernel sets that C has', () => {
  const files = [
    'wasm/kernels_relaxed_i16.c',
    'wasm/kernels_relaxed_i32.c',
    'wasm/kernels_relaxed_u8.c',
    'wasm/kernels_simd128.c',
  ];
  const named = (path) => [...read(path).matchAll(/\.name = "([^"]+)"/g)].map(([, name]) => name);
  // The exact set is no choice: it comes with the exact mode.
  const sets = [...files, 'src/kernels_ref.c'].flatMap(named).filter((name) => name !== 'exact');
  assert.deepEqual([...KERNEL_SETS].sort(), sets.sort());
});
