import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as rules from './house-rules.js';
import { ROOMS, TEST_FOLDERS } from './rooms.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Every file that is or could be committed; git knows what is ignored. */
function listFiles() {
  // The clone may belong to another user, as in a container.
  const args = ['-c', 'safe.directory=*', 'ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const names = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).split('\0').filter(Boolean);
  return names.filter((name) => existsSync(join(ROOT, name)));
}

const paths = listFiles();
const TEXT = /\.(c|h|js|mjs|css|html|py|sh|cmake|md|json|txt|yml)$/;
const GENERATED = ['package-lock.json'];

/**
 * What a rule says about all files whose path matches.
 * @param {RegExp} pattern
 * @param {(path: string, b: string) => string[]} rule
 */
function survey(pattern, rule) {
  return paths
    .filter((path) => pattern.test(path) && !GENERATED.includes(path))
    .flatMap((path) => rule(path, readFileSync(join(ROOT, path), 'utf8')));
}

describe('the checkout', () => {
  test('was found', () => {
    assert.ok(paths.includes('package.json') && paths.some((path) => path.startsWith('src/')));
  });

  test('C depends rightwards only', () => {
    /** @param {string} path */
    const exists = (path) => existsSync(join(ROOT, path));
    assert.deepEqual(
      survey(/^(src|wasm)\/.*\.[ch]$/, (path, text) => rules.checkIncludes(path, text, exists)),
      [],
    );
  });

  test('C writes messages with conversions that are known', () => {
    assert.deepEqual(survey(/^(src|wasm)\/.*\.[ch]$/, rules.checkFormats), []);
  });

  test('C allocates arrays where a product that wraps is seen', () => {
    assert.deepEqual(survey(/^(src|wasm)\/.*\.[ch]$/, rules.checkAllocations), []);
    assert.equal(rules.checkAllocations('src/a.c', 'x = calloc(n, 4); y = calloc(1, n * 4);').length, 1);
  });

  test('JavaScript depends rightwards only', () => {
    assert.deepEqual(survey(/^(js|web)\/.*\.m?js$/, rules.checkImports), []);
  });

  test('imports between rooms point down, as the table of rooms has it', () => {
    assert.deepEqual(rules.checkTable(), []);
    assert.deepEqual(survey(/^(js|web)\/.*\.js$/, rules.checkRooms), []);
  });

  test('no modules import each other in a circle', () => {
    /** @param {RegExp} pattern */
    const read = (pattern) =>
      paths
        .filter((path) => pattern.test(path))
        .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
    assert.deepEqual(rules.findCycles(read(/^(js|web)\/.*\.js$/)), []);
    assert.deepEqual(rules.findIncludeCycles(read(/^(src|wasm)\/.*\.[ch]$/)), []);
  });

  test('every room has a file that opens it, and says what the table says of it', () => {
    for (const [room, , opens] of ROOMS) assert.ok(paths.includes(`${room}/${opens}`), `${room}/${opens}`);
    // These have a document in that place.
    const others = ROOMS.map(([room]) => room).filter((room) => !['js', 'web', 'js/commands'].includes(room));
    for (const room of others) {
      const path = `${room}/README.md`;
      assert.ok(paths.includes(path), path);
      assert.ok(readFileSync(join(ROOT, path), 'utf8').startsWith(rules.introductionOf(room)), path);
    }
  });

  test('tests lie in folders that are named as the rooms of js/, or in few others', () => {
    const known = [...ROOMS.map(([room]) => room.split('/')[1]), ...Object.keys(TEST_FOLDERS)];
    const folders = paths.filter((path) => /^tests\/.*\//.test(path)).map((path) => path.split('/')[1]);
    assert.deepEqual(
      [...new Set(folders)].filter((folder) => !known.includes(folder)),
      [],
    );
  });

  test('one file touches the heap', () => {
    assert.deepEqual(survey(/^js\/.*\.m?js$/, rules.checkHeap), []);
  });

  test('no file is too long to hold in mind', () => {
    assert.deepEqual(survey(/\.(c|h|js|mjs|css|html|py|sh)$/, rules.checkLength), []);
  });

  test('no file names a path of one machine', () => {
    assert.deepEqual(
      survey(TEXT, (path, text) => (path.startsWith('tests/house-rules') ? [] : rules.checkPaths(path, text))),
      [],
    );
  });

  test('the top level holds what it should and nothing else', () => {
    assert.deepEqual(rules.checkTopLevel([...new Set(paths.map((path) => path.split('/')[0]))]), []);
  });

  test('the libraries are the few that were chosen', () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    // They are in the bundles.
    assert.equal(dependencies, undefined);
    for (const name of rules.LIBRARIES) assert.match(devDependencies[name], /^\d+\.\d+\.\d+$/);
  });
});

describe('the rules find what breaks them', () => {
  /** @param {...string} known */
  const here = (...known) => {
    return (/** @type {string} */ path) => known.includes(path);
  };
  const BAD_INCLUDES = [
    ['src/a.c', '#include <emscripten.h>'],
    ['src/a.c', '  #  include <emscripten/threading.h>'],
    ['src/a.c', '#include <wasm_simd128.h>'],
    ['src/a.c', '#include "api.h"'],
    ['src/a.c', '#include "../wasm/api.h"'],
    ['src/a.c', 'int x;\n#ifdef __EMSCRIPTEN__\n#endif'],
    ['src/a.c', '#if defined(__wasm_simd128__)'],
    ['wasm/a.c', '#include "absent.h"'],
    ['wasm/a.c', '#include "../js/a.h"'],
  ];
  for (const [path, text] of BAD_INCLUDES) {
    test(`${path}: ${text}`, () => {
      assert.notDeepEqual(rules.checkIncludes(path, text, here('wasm/api.h', 'src/engine.h')), []);
    });
  }

  test('good C passes', () => {
    const exists = here('wasm/api.h', 'src/engine.h');
    assert.deepEqual(rules.checkIncludes('src/a.c', '#include <math.h>\n#include "engine.h"\n', exists), []);
    assert.deepEqual(
      rules.checkIncludes('wasm/a.c', '#include <wasm_simd128.h>\n#include "engine.h"\n#include "api.h"', exists),
      [],
    );
  });

  const BAD_FORMATS = [
    '#include <stdio.h>',
    'f("%5d")',
    'f("%i %d")',
    'f("a %\\n")',
    'f("%*d")',
    'f("%.40s", "%hu")',
    'f("%f")',
  ];
  for (const text of BAD_FORMATS) {
    test(text, () => assert.equal(rules.checkFormats('src/a.c', text).length, 1));
  }

  test('good formats pass', () => {
    const text = 'f("%s, %.*s, %.40s: %d %llu %zu 100%% 0x%02x %g %.1f %" PRIu64 " 0x%08" PRIx32 "%%");';
    assert.deepEqual(rules.checkFormats('src/a.c', text), []);
  });

  const BAD_IMPORTS = [
    ['js/a.js', "import { x } from 'left-pad';"],
    ['js/a.js', "import x from '../web/page.js';"],
    ['js/a.js', "export * from '../wasm/build.js';"],
    ['js/a.js', "import '../tests/helper.js';"],
    ['js/a.js', "const x = await import('../web/page.js');"],
    ['js/a.js', "import {\n  x,\n  y,\n} from '../src/x.js';"],
    ['js/commands/run.js', "import x from '../../web/page.js';"],
    ['web/page.js', "import { EngineHost } from '../js/worker/engine-host.js';"],
    ['web/page.js', "import { EngineHost } from './nibble/host.js';"],
    ['web/page.js', "import fs from 'node:fs';"],
    ['web/page.js', "new Worker(new URL('../build/web/worker.js', import.meta.url));"],
    ['web/page.js', "import { x } from '@huggingface/tokenizers';"],
    ['web/page.js', "import 'https://example.org/x.js';"],
  ];
  for (const [path, text] of BAD_IMPORTS) {
    test(`${path}: ${JSON.stringify(text)}`, () => assert.equal(rules.checkImports(path, text).length, 1));
  }

  test('good imports pass', () => {
    const library = [
      "import { Tokenizer } from '@huggingface/tokenizers';",
      "import { readFile } from 'node:fs/promises';",
      "export { NibbleError } from './errors.js';",
      "import createModule from '../build/wasm/web/nibble.cjs';",
      "/** @type {import('../web/page.js').Page} */",
      "// import x from '../web/page.js';",
    ];
    assert.deepEqual(rules.checkImports('js/a.js', library.join('\n')), []);
    assert.deepEqual(rules.checkImports('js/commands/a.js', "import { x } from '../index.node.js';"), []);
    const page = "import { createEngine } from './nibble/index.js';\nimport { x } from './conversation.js';";
    assert.deepEqual(rules.checkImports('web/page.js', page), []);
  });

  test('rooms', () => {
    const up = "import { Timeline } from '../generate/timeline.js';";
    assert.equal(rules.checkRooms('js/store/a.js', up).length, 1);
    assert.equal(rules.checkRooms('js/nowhere/a.js', '').length, 1);
    assert.equal(rules.checkRooms('web/ui/a.js', "import x from '../chat/chat.js';").length, 1);
    assert.equal(rules.checkRooms('js/models/a.js', "import { main } from '../cli.js';").length, 1);
    assert.deepEqual(rules.checkRooms('js/models/a.js', "import { NibbleError } from '../base/errors.js';"), []);
    assert.deepEqual(rules.checkRooms('js/measure/a.js', up), []);
    assert.deepEqual(rules.checkRooms('js/base/a.js', `/** @type {import('../generate/timeline.js').Timeline} */`), []);
  });

  test('circles', () => {
    /** @param {string} name */
    const imports = (name) => `import x from '${name}';`;
    const modules = [
      { path: 'js/a.js', text: imports('./b/c.js') },
      { path: 'js/b/c.js', text: imports('./d.js') },
      { path: 'js/b/d.js', text: imports('../a.js') },
    ];
    assert.deepEqual(rules.findCycles(modules), ['js/a.js -> js/b/c.js -> js/b/d.js -> js/a.js']);
    assert.deepEqual(rules.findCycles(modules.slice(0, 2)), []);
    const files = [
      { path: 'src/a.c', text: '#include "a.h"\n#include "b.h"' },
      { path: 'src/b.h', text: '' },
      { path: 'src/b.c', text: '#include <a.h>\n#include "a.h"' },
    ];
    assert.deepEqual(rules.findIncludeCycles(files), ['a -> b -> a']);
    assert.deepEqual(rules.findIncludeCycles(files.slice(0, 2)), []);
  });

  test('the heap', () => {
    assert.equal(rules.checkHeap('js/worker/engine-host.js', 'module.HEAPU8.set(bytes)').length, 1);
    assert.equal(rules.checkHeap('js/worker/engine-host.js', 'new Float32Array(module.wasmMemory.buffer)').length, 1);
    assert.deepEqual(rules.checkHeap('js/core/runtime.js', 'module.HEAPU8.set(bytes)'), []);
  });

  test('long files', () => {
    assert.deepEqual(rules.checkLength('js/a.js', 'x\n'.repeat(500)), []);
    assert.equal(rules.checkLength('js/a.js', 'x\n'.repeat(501)).length, 1);
  });

  test('paths of one machine', () => {
    assert.equal(rules.checkPaths('js/a.js', "open('/tmp/x')").length, 1);
    assert.equal(rules.checkPaths('js/a.js', 'see /home/user/file').length, 1);
    assert.deepEqual(rules.checkPaths('js/a.js', "a/tmp/x, $HOME/root/x, '/models/x', https://a.org/work/x"), []);
  });

  test('the top level', () => {
    assert.deepEqual(rules.checkTopLevel(rules.TOP_LEVEL), []);
    assert.equal(rules.checkTopLevel([...rules.TOP_LEVEL, 'notes.txt']).length, 1);
    assert.equal(rules.checkTopLevel(rules.TOP_LEVEL.slice(1)).length, 1);
  });
});
