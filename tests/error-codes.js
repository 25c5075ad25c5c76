#!/usr/bin/env node
// js/ERRORS.md, made of the comments in js/base/error-codes.js. usage: node tests/error-codes.js writes it anew
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMain, ROOT } from '../wasm/shell.js';

export const ERROR_TABLE = 'js/ERRORS.md';

/** The codes in the order of the source, each with what it means. @returns {{ code: string, meaning: string }[]} */
export function readCodes() {
  const source = readFileSync(join(ROOT, 'js/base/error-codes.js'), 'utf8');
  const rows = source.matchAll(/\/\*\* ([^*]+) \*\/\n {2}([A-Z_]+): '([A-Z_]+)',/g);
  return [...rows].map(([, meaning, key, code]) => {
    if (key !== code) throw new Error(`${key} has the value ${code}.`);
    return { code, meaning };
  });
}

/** The codes of the core, as its header lists them. */
export const coreCodes = () =>
  [...readFileSync(join(ROOT, 'src/error.h'), 'utf8').matchAll(/^ {2}X\(([A-Z_]+)\)/gm)]
    .map(([, code]) => code)
    .filter((code) => code !== 'OK');

/** The table as text. */
export const errorTable = () =>
  `# Codes of errors

Every \`NibbleError\` has a \`code\`, a \`message\` that says what was found, what was expected and what to do, and often
\`details\`. \`ERROR_CODES\` of the library has these codes, the type \`ErrorCode\` is their union. A code keeps its meaning;
new ones may come with any version. This table is made by \`node tests/error-codes.js\`.

| code | what it means, and what to do |
|---|---|
${readCodes()
  .map(({ code, meaning }) => `| \`${code}\` | ${meaning} |\n`)
  .join('')}`;

if (isMain(import.meta.url)) writeFileSync(join(ROOT, ERROR_TABLE), errorTable());
