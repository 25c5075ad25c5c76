#!/usr/bin/env node
// Builds build/wasm/ (both kernel builds and their glue) with Emscripten through CMake, where the sources have changed.
import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import {
  BuildError,
  filesBelow,
  isMain,
  main,
  PROCESSORS,
  printSizes,
  ROOT,
  requireCmake,
  requireNode,
  run,
  Stamp,
} from './shell.js';

export const OUTPUTS = [
  'build/wasm/nibble-relaxed.wasm',
  'build/wasm/nibble-simd128.wasm',
  'build/wasm/checksum.wasm',
  'build/wasm/node/nibble.mjs',
  'build/wasm/web/nibble.cjs',
];

// The type checker finds it beside the glue that it speaks of.
export const GLUE_TYPES = 'build/wasm/web/nibble.d.cts';

/** Brings build/wasm/ up to date. @throws {BuildError} */
export function buildWasm() {
  const stamp = new Stamp('build/wasm/.sources', sources(), [...OUTPUTS, GLUE_TYPES]);
  if (stamp.fresh()) return;
  stamp.clear();
  build();
  for (const path of OUTPUTS) {
    if (filesBelow([path]).length === 0) throw new BuildError(`The wasm build ended without writing ${path}.`);
  }
  copyFileSync(join(ROOT, 'wasm/nibble.d.cts'), join(ROOT, GLUE_TYPES));
  stamp.write();
  printSizes(OUTPUTS);
}

/** The native tests as programs for Node; see CMakeLists.txt. */
export const NATIVE_TESTS = ['build/wasm/native-tests.cjs', 'build/wasm/native-tests-wrapped.cjs'];

/** Brings NATIVE_TESTS up to date. @throws {BuildError} */
export function buildNativeTests() {
  const stamp = new Stamp('build/wasm/.native-tests', sources(), NATIVE_TESTS);
  if (stamp.fresh()) return;
  stamp.clear();
  build(['--target', 'native_tests_wasm']);
  stamp.write();
}

function sources() {
  return filesBelow(
    ['src', 'wasm', 'tests/native', 'CMakeLists.txt', 'emscripten.cmake'],
    (path) => /\.([ch]|txt|cmake|d\.cts)$/.test(path) || path.endsWith('get-emscripten.sh'),
  );
}

/** @param {string[]} [options] of CMake's build */
function build(options = []) {
  requireNode();
  requireCmake();
  const emscripten = run('sh', [join('wasm', 'get-emscripten.sh')], {
    capture: true,
    why: 'The wasm cannot be built without Emscripten; the line above says what is missing.',
  }).trim();
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...process.env, PATH: emscripten + delimiter + process.env.PATH };
  // The checkout's own Emscripten must not be misled by the settings of another.
  if (emscripten.startsWith(join(ROOT, '.toolchain'))) {
    delete env.EM_CONFIG;
    delete env.EM_CACHE;
  }
  dropOtherCompiler(emscripten);
  run('cmake', ['-B', 'build/wasm-cmake', '-DCMAKE_TOOLCHAIN_FILE=emscripten.cmake'], { env });
  run('cmake', ['--build', 'build/wasm-cmake', '--parallel', PROCESSORS, ...options], { env });
}

/** CMake remembers the compiler that it was configured with, even where another one is found now. @param {string} emscripten the folder of the one that is found */
function dropOtherCompiler(emscripten) {
  const cache = join(ROOT, 'build/wasm-cmake/CMakeCache.txt');
  if (!existsSync(cache)) return;
  const known = readFileSync(cache, 'utf8').match(/^NIBBLE_EMCC:\w+=(.*)$/m)?.[1];
  if (known !== join(emscripten, 'emcc')) rmSync(join(ROOT, 'build/wasm-cmake'), { recursive: true });
}

if (isMain(import.meta.url)) await main(buildWasm);
