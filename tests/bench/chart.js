// What was measured, as an SVG chart: for each test a group of bars on its own scale, the whisker from the lowest to
// the highest round. It follows the reader's light or dark scheme, and brings its own paper for pages that do not.

import { figure, versionedLabel } from './report.js';
import { summarise } from './statistics.js';

/** @typedef {import('./measure.js').Test} Test */
/** @typedef {import('./statistics.js').RecordedEngine} RecordedEngine */
/** @typedef {import('./statistics.js').Speed} Speed */

const WIDTH = 780;
const LABEL_WIDTH = 190;
const BAR_WIDTH = 430;
const BAR_HEIGHT = 18;
const BAR_STEP = 24;
const GROUP_GAP = 40;
const TOP = 64;

// Nibble stands out; its peers share a quiet family of colours. All keep a contrast of 3 to 1 on both papers.
/** @type {Record<string, string>} */
const COLOURS = {
  nibble: '#2f7fd6',
  'nibble-complete': '#4a90c4',
  'nibble-node': '#5f9bd8',
  'wllama-2': '#b0722a',
  'wllama-3': '#a8634f',
  'llama.cpp': '#7a7f87',
};

const STYLE = `
  .paper { fill: #ffffff; }
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .quiet { fill: #59636e; }
  .test { font-weight: 600; }
  .whisker, .base { stroke: #1f2328; stroke-width: 1.2; fill: none; }
  .base { opacity: 0.35; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; }
    text { fill: #f0f6fc; }
    .quiet { fill: #9198a1; }
    .whisker, .base { stroke: #f0f6fc; }
  }`;

/** @type {Record<string, string>} */
const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
/** Control characters have no place in XML, not even escaped. @param {string} text */
const escapeXml = (text) =>
  String(text)
    .replace(/\p{Cc}/gu, ' ')
    .replace(/[&<>"']/g, (character) => ENTITIES[character]);

/** @param {number} value */
const round = (value) => Math.round(value * 10) / 10;

/** @param {number} x @param {number} y @param {string} content */
function text(x, y, content, attributes = '') {
  return `<text x="${round(x)}" y="${round(y)}"${attributes && ` ${attributes}`}>${escapeXml(content)}</text>`;
}

/** @param {number} low @param {number} high @param {number} middle */
function whisker(low, high, middle) {
  const [from, to] = [round(LABEL_WIDTH + low), round(LABEL_WIDTH + high)];
  if (to - from < 1) return '';
  const [top, bottom] = [middle - 4, middle + 4];
  return `<path class="whisker" d="M${from} ${top}V${bottom}M${from} ${middle}H${to}M${to} ${top}V${bottom}"/>`;
}

/** @param {{ label: string, name: string, speed: Speed }} options @param {number} y @param {number} scale */
function bar({ label, name, speed }, y, scale) {
  const middle = y + BAR_HEIGHT / 2;
  const baseline = middle + 4.5;
  const end = 'text-anchor="end"';
  if (speed.median === undefined) {
    return [
      text(LABEL_WIDTH - 10, baseline, label, end),
      text(LABEL_WIDTH + 6, baseline, 'not measured', 'class="quiet"'),
    ].join('');
  }
  const value = `${figure(speed.median)}${speed.fewerTokens === null ? '' : ` (${speed.fewerTokens} tokens)`}`;
  return [
    text(LABEL_WIDTH - 10, baseline, label, end),
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${round(Math.max(speed.median * scale, 1))}" height="${BAR_HEIGHT}" rx="2" fill="${COLOURS[name] ?? '#7a7f87'}"/>`,
    whisker(speed.low * scale, speed.high * scale, middle),
    text(LABEL_WIDTH + Math.max(speed.high, speed.median) * scale + 8, baseline, value),
  ].join('');
}

/**
 * What a test's name means, for people who do not know it.
 * @param {Test} test
 */
function explain({ name, kind, depth }) {
  if (kind === 'prefill') return `${name}: reading a prompt`;
  return depth > 0 ? `${name}: writing, ${depth} tokens into the context` : `${name}: writing`;
}

/** @param {Test} test @param {RecordedEngine[]} engines @param {Record<string, Speed>} row @param {number} top */
function group(test, engines, row, top) {
  const highest = Math.max(...engines.map(({ name }) => row[name].high ?? 0));
  const scale = highest > 0 ? BAR_WIDTH / highest : 0;
  const height = engines.length * BAR_STEP;
  const bars = engines.map((engine, index) => {
    const { name } = engine;
    return bar({ name, label: versionedLabel(engine), speed: row[name] }, top + 12 + index * BAR_STEP, scale);
  });
  const base = `<path class="base" d="M${LABEL_WIDTH} ${top + 8}V${top + 12 + height}"/>`;
  return [text(20, top, explain(test), 'class="test"'), ...bars, base].join('\n');
}

/** @param {import('./statistics.js').PeerRecord} record @returns {string} an SVG file */
export function chart(record) {
  const { tests, engines, model, machine, threads } = record;
  const table = summarise(record);
  const groupHeight = engines.length * BAR_STEP + GROUP_GAP;
  const height = TOP + tests.length * groupHeight + 12;
  const subtitle = `${model.name}, ${threads} thread${threads === 1 ? '' : 's'}, ${machine.cpu}; more is better`;
  const description = tests
    .map(
      ({ name }) =>
        `${name}: ${engines.map((engine) => `${engine.label} ${figure(table[name][engine.name].median ?? 0)}`).join(', ')}`,
    )
    .join('; ');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">Tokens a second: ${escapeXml(model.name)}</title>`,
    `<desc id="description">${escapeXml(description)}</desc>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}"/>`,
    text(20, 26, 'Tokens a second', 'class="title"'),
    text(20, 46, subtitle, 'class="quiet"'),
    ...tests.map((test, index) => group(test, engines, table[test.name], TOP + 16 + index * groupHeight)),
    '</svg>',
    '',
  ].join('\n');
}
