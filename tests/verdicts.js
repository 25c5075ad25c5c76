// What came of each test, one JSON object a line, so that nothing has to be read out of a text that is for people. As
// a module it is a reporter of node:test; the C tests write the same (native/check.h).
import { existsSync, readFileSync } from 'node:fs';

/**
 * @typedef {object} Verdict
 * @property {'passed' | 'failed' | 'skipped'} verdict
 * @property {string} name with those of its suites before it
 * @property {string} [reason] why it was skipped
 */

/**
 * The reporter. A suite has no verdict of its own, unless all of it is skipped; whoever skips has to say why.
 * @param {any} source
 */
export default async function* report(source) {
  const names = [];
  for await (const { type, data } of source) {
    if (type === 'test:start') {
      names.length = data.nesting;
      names.push(data.name);
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const skipped = data.skip !== undefined && data.skip !== false;
    if (data.details?.type === 'suite' && !skipped) continue;
    const name = [...names.slice(0, data.nesting), data.name].join(': ');
    const reason = typeof data.skip === 'string' ? data.skip.trim() : '';
    if (!skipped) yield line({ verdict: type === 'test:pass' ? 'passed' : 'failed', name });
    else if (reason === '') yield line({ verdict: 'failed', name: `${name}: is skipped without a reason` });
    else yield line({ verdict: 'skipped', name, reason });
  }
}

/** @param {any} verdict */
const line = (verdict) => `${JSON.stringify(verdict)}\n`;

/** @param {string} path of what was written @returns {Verdict[]} none where nothing was */
export function readVerdicts(path) {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text));
}

/**
 * What a run ends with: each reason why something was skipped, with what it was, and the counts of all.
 * @param {{ place: string, verdicts: Verdict[] }[]} results
 * @returns {string[]} lines
 */
export function summariseVerdicts(results) {
  const all = results.flatMap(({ place, verdicts }) => verdicts.map((verdict) => ({ place, ...verdict })));
  /** @param {string} wanted */
  const count = (wanted) => all.filter(({ verdict }) => verdict === wanted).length;
  const lines = [];
  for (const reason of new Set(all.filter(({ verdict }) => verdict === 'skipped').map((verdict) => verdict.reason))) {
    const skipped = all.filter((verdict) => verdict.verdict === 'skipped' && verdict.reason === reason);
    lines.push(`${skipped.length} skipped: ${reason}`);
    for (const { place, name } of skipped) lines.push(`    ${place}: ${name}`);
  }
  return [...lines, `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`];
}
