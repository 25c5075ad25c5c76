// The rules of the house as functions of a file's path and text, each giving the sentences that it has to say.
// Paths are relative to the checkout, with '/' between their parts.
import { posix } from 'node:path';
import { present } from './present.js';
import { C_MODULES, MOVED, ROOMS } from './rooms.js';

const MOST_LINES = 500;
export const LIBRARIES = ['@huggingface/tokenizers', 'hash-wasm', 'idb'];
// One hash of the package, which as a whole takes five times as long to load.
const FILES_OF_LIBRARIES = ['hash-wasm/dist/sha256.umd.min.js'];
// What package.json's "imports" name: a file of js/ for Node and one for browsers.
const OWN_NAMES = ['#sha256', '#release', '#platform'];
const PAGE_LIBRARIES = ['marked', 'marked-cjk-friendly', 'idb'];
const WEB_ENTRY = 'web/nibble/index.js';
const HEAP_FILE = 'js/core/runtime.js';
// Scripts that build and serve: they run on the developer's machine and are no part of the library or the page.
const SCRIPTS = [
  'wasm/build.js',
  'wasm/shell.js',
  'js/bundle.js',
  'js/declarations.js',
  'js/notices.js',
  'js/reference.js',
  'js/reference-pages.js',
  'js/reference-theme.js',
  'web/serve.js',
];

export const TOP_LEVEL = [
  ...['src', 'wasm', 'js', 'web', 'models', 'tests'],
  ...['CMakeLists.txt', 'emscripten.cmake', 'package.json', 'package-lock.json', 'biome.json', 'tsconfig.json'],
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'LICENSE', '.ci', '.attw.json', '.clang-format', '.gitignore'],
];

/** @param {string} path */
const roomOf = (path) => path.split('/', 1)[0];

/** The files that C code includes: { name, quoted }. @param {string} text */
export function includesOf(text) {
  return [...text.matchAll(/^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]/gm)].map(([, mark, name]) => ({
    name,
    quoted: mark === '"',
  }));
}

/**
 * The modules that JavaScript names in import and export declarations, import() and new URL(…, import.meta.url).
 * @param {string} text
 */
export function importsOf(text) {
  const patterns = [
    /^[ \t]*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^[ \t]*import\s*['"]([^'"]+)['"]/gm,
    /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
    /\bnew URL\(\s*['"]([^'"]+)['"]\s*,\s*import\.meta\.url/g,
  ];
  // Comments may tell of imports (JSDoc types do) without making any.
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^[ \t]*\/\/.*$/gm, '');
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map(([, name]) => name));
}

/** @param {string} path @param {string} text @param {(path: string) => boolean} exists */
export function checkIncludes(path, text, exists) {
  const problems = [];
  const room = roomOf(path);
  for (const { name, quoted } of includesOf(text)) {
    /** @param {string} reason */
    const say = (reason) => problems.push(`${path} includes ${name}: ${reason}.`);
    if (room === 'src' && /^(emscripten|wasm_simd128|wasm)/.test(name)) say('src/ is portable C');
    if (!quoted) continue;
    const beside = exists(posix.join(room, name));
    if (name.includes('/')) say('headers are named without a folder');
    else if (room === 'src' && !beside) say('src/ includes only src/');
    else if (room === 'wasm' && !beside && !exists(posix.join('src', name))) say('wasm/ includes only src/');
  }
  if (room === 'src' && /__EMSCRIPTEN__|__wasm/.test(text)) problems.push(`${path} asks for wasm: src/ is portable C.`);
  return problems;
}

const STRING = /"(?:[^"\\\n]|\\.)*"/g;
// The last is where a macro such as PRIu64 goes on.
const CONVERSION = /^%(s|\.\d+s|\.\*s|(l|ll|z)?[du]|(0\d)?x|g|\.\df|(0\d)?")/;

/**
 * What the wasm holds writes messages with text_format() alone, and with what it knows.
 * @param {string} path
 * @param {string} text
 */
export function checkFormats(path, text) {
  const problems = [];
  if (includesOf(text).some(({ name }) => name === 'stdio.h'))
    problems.push(`${path} includes stdio.h: its functions take 7 KB of wasm; text_format() writes messages.`);
  for (const [string] of text.matchAll(STRING)) {
    for (const [conversion] of string.replaceAll('%%', '').matchAll(/%.{0,5}/g)) {
      if (!CONVERSION.test(conversion)) problems.push(`${path}: text_format() has no conversion ${conversion}.`);
    }
  }
  return problems;
}

/**
 * What calloc() multiplies may wrap in 32 bits, so arrays come from zeroed().
 * @param {string} path
 * @param {string} text
 */
export function checkAllocations(path, text) {
  const found = [...text.matchAll(/\bcalloc\((?!1,|\))[^;]*/g)].map(([call]) => call);
  return found.map((call) => `${path} has ${call}: zeroed() makes arrays, since some calloc() multiply in 32 bits.`);
}

/** @param {string} path @param {string} text */
export function checkImports(path, text) {
  if (SCRIPTS.includes(path)) return [];
  const reason = {
    js: 'js/ imports only js/, build/wasm/, build/web/, its libraries and Node',
    web: `web/ imports only the public entry, ${WEB_ENTRY}, its few libraries and itself`,
  }[roomOf(path)];
  if (reason === undefined) return [];
  return importsOf(text)
    .filter((name) => !mayImport(path, name))
    .map((name) => `${path} imports ${name}: ${reason}.`);
}

/** @param {string} path @param {string} name */
function mayImport(path, name) {
  const room = roomOf(path);
  const relative = name.startsWith('./') || name.startsWith('../') || name === '.';
  const target = relative ? posix.join(posix.dirname(path), name) : name;
  const own = relative && /^web\/(?!nibble\/)([\w-]+\/)?[\w.-]+\.js$/.test(target);
  if (room === 'web') return target === WEB_ENTRY || PAGE_LIBRARIES.includes(name) || own;
  if (!relative) return [...LIBRARIES, ...FILES_OF_LIBRARIES, ...OWN_NAMES].includes(name) || name.startsWith('node:');
  return /^(\.|js|js\/.*|build\/(node|wasm|web)(\/.*)?|package\.json|models\/.*\.gguf)$/.test(
    target.replace(/\/$/, ''),
  );
}

/** Only one file touches the heap. @param {string} path @param {string} text */
export function checkHeap(path, text) {
  if (roomOf(path) !== 'js' || path === HEAP_FILE) return [];
  const found = /\bHEAP(?:U?8|U?16|U?32|F32|F64|U?64)\b|\bwasmMemory\b/.exec(text);
  return found ? [`${path} uses ${found[0]}: only ${HEAP_FILE} touches the heap.`] : [];
}

/** @param {string} path @param {string} text */
export function checkLength(path, text) {
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  return lines > MOST_LINES ? [`${path} has ${lines} lines: ${MOST_LINES} are the most.`] : [];
}

/** A path of the machine that a file was written on. @param {string} path @param {string} text */
export function checkPaths(path, text) {
  const found = /(?<![\w.$}-])\/(?:tmp|work|root|home)\/[\w.-]+/.exec(text);
  return found ? [`${path} names ${found[0]}, which is a path of one machine.`] : [];
}

/** @param {string[]} names what lies at the top of the checkout */
export function checkTopLevel(names) {
  const strays = names.filter((name) => !TOP_LEVEL.includes(name)).map((name) => `${name} does not belong at the top.`);
  const missing = TOP_LEVEL.filter((name) => !names.includes(name)).map((name) => `${name} is missing at the top.`);
  return [...strays, ...missing];
}

const ROW = new Map(
  ROOMS.map(([room, purpose, opens, imports], index) => [
    room,
    { purpose, opens, imports: imports.split(' ').filter(Boolean), index },
  ]),
);

/** @param {string} path */
const roomIn = (path) => MOVED[path] ?? posix.dirname(path);

/** Whom a module imports of js/ or web/, by path. @param {string} path @param {string} text */
function neighboursOf(path, text) {
  const relative = importsOf(text).filter((name) => name.startsWith('.'));
  const targets = relative.map((name) => posix.join(posix.dirname(path), name));
  return targets.filter((target) => ['js', 'web'].includes(roomOf(target)) && target !== WEB_ENTRY);
}

/** Imports that point to a room which the importing one may not use. @param {string} path @param {string} text */
export function checkRooms(path, text) {
  if (SCRIPTS.includes(path)) return [];
  const room = roomIn(path);
  const row = ROW.get(room);
  if (row === undefined) return [`${path} lies in ${room}/, which rooms.js does not have.`];
  const targets = neighboursOf(path, text).filter((target) => target.endsWith('.js') && roomIn(target) !== room);
  return targets
    .filter((target) => !row.imports.includes(roomIn(target)))
    .map((target) => `${path} imports ${target}: ${room}/ may import ${row.imports.join(', ') || 'no other room'}.`);
}

/** What is wrong with the table itself: a room that may import one beside or above it. */
export function checkTable() {
  return [...ROW].flatMap(([room, { imports, index }]) =>
    imports
      .filter((other) => !((ROW.get(other)?.index ?? -1) > index))
      .map((other) => `${room}/ may import ${other}/, which does not stand below it.`),
  );
}

/** What the README.md of a room begins with. @param {string} room */
export function introductionOf(room) {
  const { purpose, opens, imports } = present(ROW.get(room));
  const names = imports.map((other) => `\`${other}/\``);
  const allowed = names.length === 0 ? 'It imports no other room.' : `It may import ${names.join(', ')}.`;
  return `# ${room}/\n\n${purpose}\n\n${allowed} Begin with [${opens}](${opens}).\n`;
}

/**
 * JavaScript modules that import each other in a circle, one circle for each that closes.
 * @param {{ path: string, text: string }[]} modules
 */
export function findCycles(modules) {
  return circlesOf(new Map(modules.map(({ path, text }) => [path, neighboursOf(path, text)])));
}

/** C files belong to the module of their name, or of the first that C_MODULES names beside it. @param {string} path */
function cModuleOf(path) {
  const name = posix.basename(path).replace(/\.[ch]$/, '');
  return C_MODULES.find((names) => names.includes(name))?.[0] ?? name;
}

/** The same of C modules, each a source with its header. @param {{ path: string, text: string }[]} files */
export function findIncludeCycles(files) {
  const modules = new Map(files.map(({ path }) => [cModuleOf(path), new Set()]));
  for (const { path, text } of files) {
    const own = cModuleOf(path);
    const included = includesOf(text).filter(({ quoted }) => quoted);
    for (const module of included.map(({ name }) => cModuleOf(name)))
      if (module !== own) present(modules.get(own)).add(module);
  }
  return circlesOf(modules);
}

/** @param {Map<string, Iterable<string>>} neighbours */
function circlesOf(neighbours) {
  /** @type {string[]} */
  const circles = [];
  /** @type {string[]} */
  const way = [];
  const done = new Set();
  /** @param {string} name */
  const visit = (name) => {
    if (way.includes(name)) circles.push([...way.slice(way.indexOf(name)), name].join(' -> '));
    if (done.has(name) || way.includes(name)) return;
    way.push(name);
    for (const next of neighbours.get(name) ?? []) visit(next);
    way.pop();
    done.add(name);
  };
  for (const name of neighbours.keys()) visit(name);
  return circles;
}
