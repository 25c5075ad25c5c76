// What the documents promise, as functions of a document's text: what they link to, which files and commands they name,
// and the code in them.
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, posix, relative, sep } from 'node:path';
import { filesBelow, ROOT } from '../wasm/shell.js';

const ROOMS = ['src', 'wasm', 'js', 'web', 'models', 'tests'];
const TOP = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];
/** @type {string[]} */
const TOP_FILES = [...TOP, 'CMakeLists.txt', 'package.json', 'package-lock.json'];
// The lab book tells of files and commands as they were on its days.
const HISTORY = 'tests/bench/LOG.md';
const IN_ROOM = new RegExp(`^(${ROOMS.join('|')})/`);
const FILE_NAME = /^[\w-][\w.-]*\.(c|h|js|py|md|json|html|css|sh|txt)$/;

/** @param {string} path */
const read = (path) => readFileSync(join(ROOT, path), 'utf8');
const files = filesBelow(ROOMS).map((path) => relative(ROOT, path).split(sep).join('/'));
const names = new Set([...files.map((path) => basename(path)), ...TOP_FILES]);

/** @returns {{ path: string, text: string }[]} */
export function readDocuments() {
  const below = files.filter((path) => path.endsWith('.md') && path !== HISTORY);
  return [...TOP, ...below].map((path) => ({ path, text: read(path) }));
}

/** Pieces of code: `language` and what stands behind it, such as 'js' and 'browser', and the lines. @param {string} text */
export function blocksOf(text) {
  const found = [...text.matchAll(/^```(\w*)[ \t]*(.*)\n([\s\S]*?)^```$/gm)];
  return found.map(([, language, kind, code]) => ({ language, kind, code }));
}

/** @param {string} text */
const withoutBlocks = (text) => text.replace(/^```[\s\S]*?^```$/gm, '');
/** @param {string} text */
const spansOf = (text) => [...withoutBlocks(text).matchAll(/`([^`\n]+)`/g)].map(([, span]) => span);

/** How a heading is linked to. @param {string} heading */
const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

/** @param {string} text */
const anchorsOf = (text) => [...withoutBlocks(text).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading));

/** The files that a document links to, as paths of the checkout. @param {{ path: string, text: string }} document */
export const linksIn = ({ path, text }) =>
  [...withoutBlocks(text).matchAll(/\]\((?!https:|#)([^)#\s]+)/g)].map(([, target]) =>
    posix.normalize(posix.join(posix.dirname(path), target)),
  );

/** The numbered steps of a document, in whose order no number is missing. @param {string} text */
export function stepsOf(text) {
  const steps = text.split(/^(?=\d+\. )/m).slice(1);
  return steps.every((step, index) => step.startsWith(`${index + 1}. `)) ? steps : [];
}

/** The files of the checkout that a text names by their whole paths. @param {string} text */
export const filesIn = (text) =>
  spansOf(text)
    .flatMap((span) => span.split(/[\s=]+/))
    .filter((word) => (IN_ROOM.test(word) || TOP_FILES.includes(word)) && existsSync(join(ROOT, word)));

/** The links of a document that lead nowhere. @param {{ path: string, text: string }} document */
export function brokenLinks({ path, text }) {
  const targets = [...withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
  return targets.filter((target) => {
    if (/^https:\/\//.test(target)) return false;
    const [place, anchor] = target.split('#');
    const linked = place === '' ? path : posix.normalize(posix.join(posix.dirname(path), place));
    if (!existsSync(join(ROOT, linked))) return true;
    return anchor !== undefined && !anchorsOf(linked === path ? text : read(linked)).includes(anchor);
  });
}

/** What is typed at a prompt, here without comments: lines of blocks, and commands in the text. @param {string} text */
export function commandsOf(text) {
  const lines = blocksOf(text).flatMap(({ language, code }) => (language === 'sh' ? code.split('\n') : []));
  const typed = spansOf(text).filter((span) => /^(npm|npx|node|nibble|python3|ctest|cmake) /.test(span));
  return [...lines, ...typed].map((line) => line.replace(/(^|\s)#.*$/, '').trim()).filter((line) => line !== '');
}

/**
 * The files that a document names and that are not there. A name in capitals stands for any, as in `wasm/kernels_NAME.c`;
 * what is built is not looked for.
 * @param {string} text
 */
export function missingFiles(text) {
  const words = [...spansOf(text), ...commandsOf(text)].flatMap((part) => part.split(/[\s=]+/));
  const named = [...new Set(words.map((word) => word.replace(/[,;:()"]+$|^["(]+|\/$/g, '')))];
  return named.filter((name) => {
    if (FILE_NAME.test(name)) return !names.has(name);
    if (!IN_ROOM.test(name)) return false;
    if (existsSync(join(ROOT, name))) return false;
    const pattern = name.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*|NAME/g, '[^/]*');
    return !files.some((path) => new RegExp(`^${pattern}$`).test(path));
  });
}

/**
 * What is wrong with a command: a script, a file or an option that is not there. What is built is not looked for.
 * @param {string} command
 * @param {{ scripts: string[], helpOf: (name: string) => string | null }} known `helpOf`: of a command of nibble; null:
 *   there is none
 * @returns {string | null}
 */
export function wrongIn(command, { scripts, helpOf }) {
  const [program, ...words] = command.replace(/^(\w+=\S+ )+|^npx /g, '').split(/\s+/);
  if (program === 'npm') {
    if (['install', 'pack', 'ci'].includes(words[0])) return null;
    const script = words[0] === 'run' ? words[1] : words[0];
    return scripts.includes(script) ? null : `there is no script ${script}`;
  }
  if (program === 'node' || program === 'python3') {
    const file = words.find((word) => !word.startsWith('-'));
    return file === undefined || file.startsWith('build/') || existsSync(join(ROOT, file)) ? null : `no file ${file}`;
  }
  if (program !== 'nibble') return null;
  const help = helpOf(words[0]);
  if (help === null) return `nibble has no command ${words[0]}`;
  const options = words.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.split('=')[0]);
  const unknown = options.find((option) => !new RegExp(`(^|[ ,])${option}[ ,]`, 'm').test(help));
  return unknown === undefined ? null : `nibble ${words[0]} has no option ${unknown}`;
}
