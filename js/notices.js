// The notices of what others wrote and a bundle contains: beside each bundle lies a text with the name, version, licence and
// address of every package in it, and what its licence says. esbuild's own such text has only what its comments say.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT } from '../wasm/shell.js';

/**
 * @typedef {object} Package
 * @property {string} name
 * @property {string} [version]
 * @property {string} license
 * @property {string} address
 * @property {string[]} paragraphs of its licence
 */

const NOTICE_ENDING = '.LEGAL.txt';
// One that is shorter is no longer than the words that would stand for it.
const SHORTEST_REPEATED = 60;

// What is said in files of licences to others than who uses the code.
const NO_TERMS = /^(# License information|## Contribution License Agreement|If you contribute code|Special thank you)/;
const MIT_ABOVE = 'MIT License, as above';
// What the compiler links into the wasm, and the glue that it writes, come from no package.
/** @type {Package[]} */
const OF_COMPILER = [
  {
    name: 'Emscripten',
    license: 'MIT',
    address: 'https://emscripten.org',
    paragraphs: ['Copyright 2010 The Emscripten Authors', MIT_ABOVE],
  },
  {
    name: 'musl',
    license: 'MIT',
    address: 'https://musl.libc.org',
    paragraphs: ['Copyright © 2005-2020 Rich Felker, et al.', MIT_ABOVE],
  },
];

/**
 * A plugin that writes the notices beside each script that has any.
 * @param {{ compiled?: boolean, elsewhere?: string }} [options] compiled: the wasm and its glue are of the bundle; elsewhere:
 *   a file of notices that comes with this one, as a path from it, whose texts are not written once more
 * @returns {import('esbuild').Plugin}
 */
export const notices = ({ compiled = false, elsewhere } = {}) => ({
  name: 'notices',
  setup({ initialOptions, onEnd }) {
    Object.assign(initialOptions, { metafile: true, legalComments: 'none' });
    onEnd(({ metafile }) => {
      for (const [output, { inputs }] of Object.entries(metafile?.outputs ?? {})) {
        const packages = packagesIn(Object.keys(inputs));
        if (packages.length > 0)
          writeNotices(join(ROOT, output), [...packages, ...(compiled ? OF_COMPILER : [])], elsewhere);
      }
    });
  },
});

/** The packages that files of a bundle belong to. @param {string[]} inputs paths as a metafile has them @returns {Package[]} */
export function packagesIn(inputs) {
  const names = inputs.flatMap((path) => {
    const [, below] = path.split('node_modules/').slice(-2);
    const parts = below?.split('/') ?? [];
    return below === undefined ? [] : parts.slice(0, below.startsWith('@') ? 2 : 1).join('/');
  });
  return [...new Set(names)].sort().map(readPackage);
}

/** @param {string} name @returns {Package} */
function readPackage(name) {
  const folder = join(ROOT, 'node_modules', name);
  const { version, license, repository } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const address = String(repository?.url ?? repository)
    .replace(/^git\+|\.git$/g, '')
    .replace(/^git:/, 'https:');
  return { name, version, license, address, paragraphs: termsOf(readFileSync(join(folder, 'LICENSE'), 'utf8')) };
}

/** What a licence says, in paragraphs of one line each; without advice to others how to use it. @param {string} text */
function termsOf(text) {
  const paragraphs = text.split(/\n\s*\n/).map((each) => each.replace(/\s+/g, ' ').trim());
  const end = paragraphs.indexOf('END OF TERMS AND CONDITIONS');
  return paragraphs.slice(0, end < 0 ? undefined : end).filter((each) => each !== '' && !NO_TERMS.test(each));
}

/** @param {string} script @param {Package[]} packages @param {string} [elsewhere] */
function writeNotices(script, packages, elsewhere) {
  const notice = script + NOTICE_ENDING;
  const known = elsewhere === undefined ? [] : readFileSync(join(notice, '..', elsewhere), 'utf8').split('\n');
  /** @type {Map<string, string>} */
  const places = new Map(known.map((paragraph) => [paragraph, `in ${elsewhere}`]));
  const texts = packages.map(({ name, version, license, address, paragraphs }) =>
    [
      `${[name, version].filter(Boolean).join(' ')}, ${license}, ${address}`,
      ...withoutRepeated(paragraphs, places),
    ].join('\n'),
  );
  writeFileSync(notice, `${basename(script)} contains:\n\n${texts.join('\n\n')}\n`);
  appendFileSync(script, `/*! Licences of what is in it: ${basename(notice)} */\n`);
}

/** One line stands for paragraphs that can be read elsewhere, but never for who has the copyright. @param {string[]} paragraphs @param {Map<string, string>} places */
function withoutRepeated(paragraphs, places) {
  const lines = [];
  let last = null;
  for (const paragraph of paragraphs) {
    const isLong = paragraph.length >= SHORTEST_REPEATED && !/copyright (\(c\)|©)/i.test(paragraph);
    const place = isLong ? (places.get(paragraph) ?? null) : null;
    if (isLong && place === null) places.set(paragraph, 'above');
    if (place === null) lines.push(paragraph);
    else if (place !== last) lines.push(`${paragraph.slice(0, 20)}… [whole ${place}]`);
    last = place;
  }
  return lines;
}
