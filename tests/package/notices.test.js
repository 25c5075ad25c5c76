// The notices of what others wrote: beside each bundle, of every package that is in it.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, parse } from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import { ROOT } from '../../wasm/shell.js';

/** @type {[bundle: string, entry: string, options: import('esbuild').BuildOptions][]} */
const BUNDLES = [
  ['build/web/index.js', 'js/index.web.js', { conditions: ['browser'] }],
  ['build/web/worker.js', 'js/worker.web.js', { conditions: ['browser'], loader: { '.wasm': 'empty' } }],
  ['build/node/worker.js', 'js/worker.node.js', { platform: 'node' }],
  ['build/site/app.js', 'web/app.js', { external: ['*/nibble/index.js'] }],
  ['build/site/nibble/worker.js', 'js/worker.web.js', { conditions: ['browser'], loader: { '.wasm': 'empty' } }],
  ['build/site/sw.js', 'web/offline/service-worker.js', {}],
];

/** The names of the packages that are in a bundle. @param {string} entry @param {import('esbuild').BuildOptions} options */
async function packagesOf(entry, options) {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    outdir: 'unwritten',
    logLevel: 'silent',
    ...options,
  });
  const inputs = Object.values(metafile?.outputs ?? {}).flatMap((output) => Object.keys(output.inputs));
  const names = inputs.flatMap((path) => path.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1] ?? []);
  return [...new Set(names)].sort();
}

// What is said to others than who uses the code.
const NO_TERMS = /^# License information|^## Contribution License Agreement|^If you contribute code|^Special thank you/;

/** What a text says, however its lines are broken. @param {string} text */
const words = (text) => text.replace(/\s+/g, ' ');

let all = 0;
for (const [bundle, entry, options] of BUNDLES) {
  test(`each package in ${bundle} has its notice beside it`, async () => {
    const names = await packagesOf(entry, options);
    all += names.length;
    const notice = join(ROOT, `${bundle}.LEGAL.txt`);
    if (names.length === 0) return assert.ok(!existsSync(notice));
    const text = readFileSync(notice, 'utf8');
    // Another such text may be named, which lies in the same folder that is served, or in the package.
    const others = [...new Set([...text.matchAll(/\[whole in ([^\]]+)\]/g)].map(([, path]) => path))];
    const whole = words([text, ...others.map((path) => readFileSync(join(dirname(notice), path), 'utf8'))].join('\n'));
    for (const name of names) {
      const folder = join(ROOT, 'node_modules', name);
      const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      assert.match(text, new RegExp(`^${name} ${version}, ${license}, https://\\S+$`, 'm'));
      const [terms] = readFileSync(join(folder, 'LICENSE'), 'utf8').split('END OF TERMS AND CONDITIONS');
      const copyrights = terms.split('\n').filter((line) => /copyright (\(c\)|©)/i.test(line));
      const absent = copyrights.filter((line) => !words(text).includes(words(line).trim()));
      absent.push(
        ...terms
          .split(/\n\s*\n/)
          .filter((paragraph) => !NO_TERMS.test(paragraph) && !whole.includes(words(paragraph).trim())),
      );
      assert.deepEqual(absent, [], `what the licence of ${name} says`);
    }
    const { base } = parse(bundle);
    assert.ok(readFileSync(join(ROOT, bundle), 'utf8').includes(`${base}.LEGAL.txt`), 'the bundle names it');
  });
}

test('they speak of what the compiler brings too', () => {
  const text = readFileSync(join(ROOT, 'build/web/worker.js.LEGAL.txt'), 'utf8');
  for (const name of ['Emscripten', 'musl']) assert.match(text, new RegExp(`^${name}, MIT, https://`, 'm'));
  assert.ok(all > 6, `${all} packages`);
});
