// Writes build/types/: the declarations that a TypeScript project finds in the package, made from the comments.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { filesBelow, ROOT, run, Stamp } from '../wasm/shell.js';

export const TYPES = 'build/types';
const ENTRIES = ['index.node.d.ts', 'index.web.d.ts'];
const CONFIGURATION = 'js/declarations.json';
// Of every file; most tell of what is inside.
const ALL = 'build/declarations';
// TypeScript 7 leaves out what is said of a type as a whole.
const COMPILER = 'node_modules/typescript/bin/tsc';

/** @typedef {import('typescript').Node} Node */

/** Brings build/types/ up to date. @throws {BuildError} */
export async function buildTypes() {
  const inputs = [...filesBelow(['js'], (path) => path.endsWith('.js')), join(ROOT, CONFIGURATION)];
  const stamp = new Stamp(`${TYPES}/.sources`, inputs, [`${TYPES}/${ENTRIES[0]}`]);
  if (stamp.fresh()) return;
  stamp.clear();
  for (const folder of [ALL, TYPES]) rmSync(join(ROOT, folder), { recursive: true, force: true });
  run(process.execPath, [COMPILER, '--project', CONFIGURATION, '--outDir', ALL], {
    why: 'The declarations for TypeScript could not be written; the lines above say why.',
  });
  // Imported here, since it may have been installed a moment ago.
  const { default: typescript } = await import('typescript');
  /** @type {Set<string>} */
  const written = new Set();
  const write = (/** @type {string} */ path) => {
    if (written.has(path)) return;
    written.add(path);
    const { text, names } = publicPart(readFileSync(join(ROOT, ALL, path), 'utf8'), typescript);
    mkdirSync(dirname(join(ROOT, TYPES, path)), { recursive: true });
    writeFileSync(join(ROOT, TYPES, path), text);
    for (const name of names) write(join(dirname(path), name.replace(/\.js$/, '.d.ts')));
  };
  for (const path of ENTRIES) write(path);
  stamp.write();
}

/**
 * What of a declaration file its readers are to see: nothing that is marked `@internal`, and what is only passed on from
 * another file as itself, since editors and the reference then find what is said of it.
 * @param {string} text
 * @param {typeof import('typescript')} typescript
 * @returns {{ text: string, names: Set<string> }} `names`: the files that it names, relative to it
 */
function publicPart(text, typescript) {
  const source = typescript.createSourceFile('public.d.ts', text, typescript.ScriptTarget.ESNext, true);
  /** @type {{ start: number, end: number, by: string }[]} */
  const replaced = [];
  /** @type {Set<string>} */
  const names = new Set();
  /** @type {Set<string>} */
  const used = new Set();
  const visit = (/** @type {Node} */ node) => {
    if (typescript.isImportDeclaration(node)) return;
    const by = isInternal(node, typescript) ? '' : passedOn(node, typescript);
    if (by !== null) replaced.push({ start: node.getFullStart(), end: node.end, by });
    if (by === '') return;
    if (typescript.isIdentifier(node)) used.add(node.text);
    if (typescript.isStringLiteral(node) && node.text.startsWith('.')) names.add(node.text);
    typescript.forEachChild(node, visit);
  };
  typescript.forEachChild(source, visit);
  for (const statement of source.statements.filter(typescript.isImportDeclaration)) {
    const { importClause, moduleSpecifier } = statement;
    const named = importClause?.namedBindings;
    const isUsed = named && typescript.isNamedImports(named) && named.elements.some(({ name }) => used.has(name.text));
    const { text: file } = /** @type {import('typescript').StringLiteral} */ (moduleSpecifier);
    if (isUsed) names.add(file);
    else replaced.push({ start: statement.getFullStart(), end: statement.end, by: '' });
  }
  replaced.sort((a, b) => a.start - b.start);
  let kept = '';
  let place = 0;
  for (const { start, end, by } of replaced) {
    kept += text.slice(place, start) + by;
    place = end;
  }
  return { text: kept + text.slice(place), names };
}

/** @param {Node} node @param {typeof import('typescript')} typescript */
const isInternal = (node, typescript) =>
  typescript.getJSDocTags(node).some(({ tagName }) => tagName.text === 'internal');

/** `export type X = import('./x.js').X` as import and export; null where it is anything else. @param {Node} node @param {typeof import('typescript')} typescript */
function passedOn(node, typescript) {
  if (!typescript.isTypeAliasDeclaration(node) || !typescript.isImportTypeNode(node.type)) return null;
  const { argument, qualifier, typeArguments } = node.type;
  const name = node.name.text;
  if (typeArguments || node.typeParameters || qualifier?.getText() !== name) return null;
  return `\nimport type { ${name} } from ${argument.getText()};\nexport type { ${name} };`;
}
