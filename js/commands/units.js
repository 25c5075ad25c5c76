// Numbers for people.
import { plainLine } from './plain-text.js';

/** @param {number} count @param {number} base @param {string[]} units */
function scaled(count, base, units) {
  let value = count;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return unit === 0 ? `${count} B` : `${value.toFixed(2)} ${units[unit]}`;
}

/** 1536 -> "1.54 kB" @param {number} count */
export const bytes = (count) => scaled(count, 1000, ['B', 'kB', 'MB', 'GB', 'TB']);

/** 1536 -> "1.50 KiB", as llama-bench has it @param {number} count */
export const binaryBytes = (count) => scaled(count, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);

/** 1236000000 -> "1.24 B" @param {number} count */
export function parameters(count) {
  for (const [unit, scale] of Object.entries({ T: 1e12, B: 1e9, M: 1e6, K: 1e3 })) {
    if (count >= scale) return `${(count / scale).toFixed(2)} ${unit}`;
  }
  return String(count);
}

/** 135000000 -> "135M", as models are named @param {number} count */
export function sizeLabel(count) {
  const rounded = (/** @type {number} */ value) =>
    value >= 10 ? String(Math.round(value)) : value.toFixed(1).replace(/\.0$/, '');
  for (const [unit, scale] of Object.entries({ T: 1e12, B: 1e9, M: 1e6, K: 1e3 })) {
    if (count >= scale) return `${rounded(count / scale)}${unit}`;
  }
  return String(count);
}

/** 75 -> "1m15s" @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)}s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes}m${Math.round(seconds % 60)}s` : `${Math.floor(minutes / 60)}h${minutes % 60}m`;
}

/**
 * Columns of text, each row on one line, as wide as they need to be.
 * @param {string[][]} given @param {number[]} [right] the columns that are set to the right
 */
export function columns(given, right = []) {
  const rows = given.map((row) => row.map(plainLine));
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (right.includes(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
