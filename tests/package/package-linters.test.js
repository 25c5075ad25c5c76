// What publint and "Are the types wrong?" say of the packed package: nothing. Both are asked by their functions, which need
// a tenth of the packages that their commands do. `.attw.json` is what `npx @arethetypeswrong/cli --pack` reads too.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { ROOT } from '../../wasm/shell.js';
import { packPackage } from '../package.js';
import { temporaryFolder } from '../small-model.js';

const { ignoreRules, excludeEntrypoints } = JSON.parse(readFileSync(join(ROOT, '.attw.json'), 'utf8'));
// The name that its answers have for a rule of .attw.json.
const KINDS = new Map([['cjs-resolves-to-esm', 'CJSResolvesToESM']]);
const IGNORED = ignoreRules.map((/** @type {string} */ rule) => KINDS.get(rule) ?? null);

const folder = temporaryFolder();
/** @type {string} */
let tarball;

before(() => {
  tarball = packPackage(folder).tarball;
});

/** What publint says. @param {string} path of a tarball */
async function askPublint(path) {
  const bytes = new Uint8Array(readFileSync(path)).buffer;
  const { messages, pkg } = await publint({ pack: { tarball: bytes }, strict: true });
  return messages.map((message) => formatMessage(message, pkg, { color: false }));
}

/** What is said of its types, without what .attw.json leaves out. @param {string} path of a tarball */
async function askAboutTypes(path) {
  const contents = createPackageFromTarballData(new Uint8Array(readFileSync(path)));
  const result = await checkPackage(contents, { excludeEntrypoints });
  if (!result.types) return ['there are no types'];
  const found = result.problems.filter(({ kind }) => !IGNORED.includes(kind));
  return found.map((problem) => JSON.stringify(problem));
}

/** The package with other exports. @param {string} name @param {(facts: any) => void} change of package.json */
function packedWith(name, change) {
  const place = join(folder, name);
  const script = `mkdir -p ${place} && tar -xzf ${tarball} -C ${place}`;
  assert.equal(spawnSync('sh', ['-c', script]).status, 0);
  const path = join(place, 'package/package.json');
  const facts = JSON.parse(readFileSync(path, 'utf8'));
  change(facts);
  writeFileSync(path, JSON.stringify(facts));
  const changed = join(folder, `${name}.tgz`);
  assert.equal(spawnSync('tar', ['-czf', changed, '-C', place, 'package']).status, 0);
  return changed;
}

test('publint has nothing to say', async () => {
  assert.deepEqual(await askPublint(tarball), []);
});

test('the types are not wrong, and what is not told of them is named in .attw.json', async () => {
  assert.ok(IGNORED.every((/** @type {string | null} */ kind) => kind !== null));
  assert.deepEqual(await askAboutTypes(tarball), []);
});

test('both find what is wrong', async () => {
  const typesLast = packedWith('types-last', ({ exports }) => {
    exports['.'].node = { default: exports['.'].node.default, types: exports['.'].node.types };
  });
  assert.match((await askPublint(typesLast)).join('\n'), /types.* should be the first/);
  const noTypes = packedWith('no-types', ({ exports }) => {
    exports['.'].default.types = './build/types/absent.d.ts';
  });
  assert.notDeepEqual(await askAboutTypes(noTypes), []);
});

test('CommonJS gets it by import(), and where Node loads modules by require() by that too', () => {
  const program = `
    const names = async () => Object.keys(await import('nibble-llm'));
    names().then((found) => {
      if (!found.includes('createEngine')) throw new Error(found.join());
      if (process.features.require_module && require('nibble-llm').createEngine === undefined) throw new Error('require()');
    });`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=commonjs', '--eval', program], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});
