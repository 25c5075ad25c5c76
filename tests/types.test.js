// The step `types` fails for what it says it does, and for nothing else.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { BuildError, filesBelow, ROOT } from '../wasm/shell.js';
import { CHECKED, checkTypes } from './types.js';

// In the checkout, so that the types of its packages are found.
const FOLDER = join(ROOT, 'build/made-up-types');
const WRONG = "/** @type {number} */\nexport const planted = 'a text';\n";
const RIGHT = "/** @type {string} */\nexport const planted = 'a text';\n";

/** @param {Record<string, string>} files by their paths in the made-up checkout */
function plant(files) {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(FOLDER, path)), { recursive: true });
    writeFileSync(join(FOLDER, path), text);
  }
}

/** What the check prints, and the error it ends with. @returns {{ printed: string, error: unknown }} */
function check() {
  const { log } = console;
  /** @type {string[]} */
  const lines = [];
  console.log = (line) => lines.push(line);
  let error = null;
  try {
    checkTypes(FOLDER);
  } catch (cause) {
    error = cause;
  } finally {
    console.log = log;
  }
  return { printed: lines.join('\n'), error };
}

const clear = () => rmSync(FOLDER, { recursive: true, force: true });

describe('with planted errors', () => {
  beforeEach(() => {
    clear();
    mkdirSync(FOLDER, { recursive: true });
    cpSync(join(ROOT, 'tsconfig.json'), join(FOLDER, 'tsconfig.json'));
    plant(Object.fromEntries(CHECKED.map((folder) => [`${folder}/right.js`, RIGHT])));
  });
  after(clear);

  test('nothing is said where nothing is wrong', () => {
    assert.deepEqual(check(), { printed: '', error: null });
  });

  for (const folder of CHECKED) {
    test(`one in ${folder}/ fails it, and is shown`, () => {
      plant({ [`${folder}/room/wrong.js`]: WRONG });
      const { printed, error } = check();
      assert.ok(error instanceof BuildError);
      assert.match(printed, new RegExp(`^${folder}/room/wrong\\.js\\(2,14\\): error TS2322: `));
    });
  }

  test('a configuration that cannot be read fails it', () => {
    rmSync(join(FOLDER, 'tsconfig.json'));
    const { printed, error } = check();
    assert.ok(error instanceof BuildError);
    assert.match(printed, /^error TS\d+: /);
  });
});

test('all that is checked is looked at, strictly', () => {
  const { include, exclude, compilerOptions } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'));
  for (const folder of CHECKED) assert.ok(include.includes(folder), `${folder}/ is not included`);
  const { checkJs, strict } = compilerOptions;
  assert.deepEqual({ exclude, checkJs, strict }, { exclude: undefined, checkJs: true, strict: true });
  const silenced = filesBelow(['js', 'web', 'wasm'], (path) => path.endsWith('.js')).filter((path) =>
    /@ts-(nocheck|ignore|expect-error)/.test(readFileSync(path, 'utf8')),
  );
  assert.deepEqual(silenced, []);
});
