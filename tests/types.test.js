// The step `types` fails for what it says it does, and for nothing else.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { BuildError, filesBelow, ROOT } from '../wasm/shell.js';
import { CHECKED, checkTypes, sortMessages, TO_GO } from './types.js';

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

/** What the check prints, and the error it ends with. @param {string[]} [files] @returns {{ printed: string, error: unknown }} */
function check(files = []) {
  const { log } = console;
  /** @type {string[]} */
  const lines = [];
  console.log = (line) => lines.push(line);
  let error = null;
  try {
    checkTypes(FOLDER, files);
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

  test('those of listed files are counted, and fail nothing', () => {
    plant({ 'tests/wrong.js': WRONG, 'tests/room/wrong.test.js': WRONG });
    assert.deepEqual(check(['tests/wrong.js', 'tests/room/wrong.test.js']), {
      printed: '2 errors to go, in 2 files of tests/types-to-go.json',
      error: null,
    });
  });

  test('those of listed files hide none of others', () => {
    plant({ 'tests/wrong.js': WRONG, 'tests/other.js': WRONG });
    const { printed, error } = check(['tests/wrong.js']);
    assert.ok(error instanceof BuildError);
    assert.match(printed, /in 1 files of .*\ntests\/other\.js\(2,14\): error TS2322: /);
  });

  test('a listed file without errors fails it', () => {
    const { error } = check(['tests/right.js']);
    assert.ok(error instanceof BuildError);
    assert.match(error.message, /take them off .*: tests\/right\.js$/);
  });

  test('a configuration that cannot be read fails it', () => {
    rmSync(join(FOLDER, 'tsconfig.json'));
    const { printed, error } = check();
    assert.ok(error instanceof BuildError);
    assert.match(printed, /^error TS\d+: /);
  });
});

describe('the messages', () => {
  test('further lines go where their first one goes', () => {
    const output = [
      "tests/a.js(1,2): error TS2345: Argument of type 'A'",
      "  Type 'A' is not",
      "js/b.js(3,4): error TS2345: Argument of type 'B'",
      "  Type 'B' is not",
      'package.json(1,1): error TS1: another',
      'tests\\a.js(5,6): error TS2: as Windows has it',
    ].join('\r\n');
    const { held, toGo } = sortMessages(output, ['tests/a.js']);
    assert.deepEqual(held, [
      "js/b.js(3,4): error TS2345: Argument of type 'B'",
      "  Type 'B' is not",
      'package.json(1,1): error TS1: another',
    ]);
    assert.deepEqual([...toGo], [['tests/a.js', 2]]);
  });

  test('what stands there without a place, such as a crash, is held', () => {
    assert.deepEqual(sortMessages('fatal error: all is lost\n', []).held, ['fatal error: all is lost']);
  });
});

test('all that is checked is looked at, strictly', () => {
  const { include, exclude, compilerOptions } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'));
  for (const folder of CHECKED) assert.ok(include.includes(folder), `${folder}/ is not included`);
  const { checkJs, strict } = compilerOptions;
  assert.deepEqual({ exclude, checkJs, strict }, { exclude: undefined, checkJs: true, strict: true });
  assert.ok(
    TO_GO.every((/** @type {string} */ path) => path.startsWith('tests/')),
    'the library has none to go',
  );
  const silenced = filesBelow(['js', 'web', 'wasm'], (path) => path.endsWith('.js')).filter((path) =>
    /@ts-(nocheck|ignore|expect-error)/.test(readFileSync(path, 'utf8')),
  );
  assert.deepEqual(silenced, []);
});
