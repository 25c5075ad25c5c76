// What was measured, as markdown for people.
import { bytes } from '../../js/commands/units.js';
import { median, ratio, summarise } from './statistics.js';

/** @typedef {import('./statistics.js').PeerRecord} PeerRecord */
/** @typedef {import('./statistics.js').Speeds} Speeds */

/** Three figures that mean something: 0.123, 4.56, 78.9, 1234 @param {number} value */
export function figure(value) {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(value >= 1 ? 2 : 3);
}

/** @param {string[][]} rows the first holds the headings; all columns but the first are set to the right */
function markdownTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  /** @param {string[]} row */
  const line = (row) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n');
}

/** @param {import('./statistics.js').Speed} speed */
function speedCell(speed) {
  if (speed.median === undefined) return '-';
  const range = speed.high > speed.low ? ` (${figure(speed.low)}-${figure(speed.high)})` : '';
  return `${figure(speed.median)}${range}${speed.fewerTokens === null ? '' : ' *'}`;
}

/** @param {ReturnType<typeof ratio>} found */
function ratioCell(found) {
  if (found === null) return '-';
  const range = found.high > found.low ? ` (${figure(found.low)}-${figure(found.high)})` : '';
  return `${figure(found.ratio)}x${range}`;
}

/** wllama 2 -> wllama 2.3.1 @param {{ label: string, version: string | null }} engine */
export const versionedLabel = ({ label, version }) => (version ? `${label.replace(/ \d+$/, '')} ${version}` : label);

/** @param {PeerRecord} record @param {Speeds} table */
function speeds({ engines, tests }, table) {
  const rows = tests.map(({ name }) => [name, ...engines.map((engine) => speedCell(table[name][engine.name]))]);
  return markdownTable([['tokens/s', ...engines.map(versionedLabel)], ...rows]);
}

/** One table for each of Nibble's own engines. @param {PeerRecord} record */
function ratios(record) {
  const own = record.engines.filter(({ name }) => name.startsWith('nibble'));
  const peers = record.engines.filter(({ name }) => !name.startsWith('nibble'));
  if (peers.length === 0) return null;
  const tables = own.map((engine) => {
    /** @param {string} name */
    const cells = (name) => peers.map((peer) => ratioCell(ratio(record, name, engine.name, peer.name)));
    const headings = [`${engine.label} is times as fast as`, ...peers.map(versionedLabel)];
    return markdownTable([headings, ...record.tests.map(({ name }) => [name, ...cells(name)])]);
  });
  return tables.join('\n\n');
}

/**
 * The median of what each run of an engine tells, or null.
 * @param {PeerRecord} record
 * @param {{ name: string }} engine
 * @param {(run: import('./statistics.js').Run) => number | null | undefined} pick
 */
function middleOf(record, engine, pick) {
  const values = record.runs
    .filter((run) => run.engine === engine.name && !run.error)
    .map(pick)
    .filter((value) => typeof value === 'number');
  return values.length === 0 ? null : median(values);
}

/** @param {PeerRecord} record */
function resources(record) {
  /** @param {number | null} value @param {(count: number) => string} show */
  const told = (value, show) => (value === null ? '-' : show(value));
  /** @param {number} milliseconds */
  const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;
  const rows = record.engines.map((engine) => [
    versionedLabel(engine),
    told(
      middleOf(record, engine, (run) => run.load?.milliseconds),
      seconds,
    ),
    record.runs.find((run) => run.engine === engine.name && run.load)?.load?.from ?? '-',
    told(
      middleOf(record, engine, (run) => run.peakBytes),
      bytes,
    ),
    told(
      middleOf(record, engine, (run) => run.memory?.wasmBytes),
      bytes,
    ),
  ]);
  return markdownTable([['engine', 'load', 'from', 'peak memory of its process', 'wasm memory'], ...rows]);
}

/**
 * How much of an engine's speed is left at a depth, and how its decoding compares with plain reading.
 * @param {PeerRecord} record
 * @param {Speeds} table
 */
function observations(record, table) {
  const flat = record.tests.find(({ kind, depth }) => kind === 'decode' && depth === 0);
  const deep = record.tests.filter(({ depth }) => depth > 0);
  return record.engines.flatMap((engine) => {
    const speed = flat && table[flat.name][engine.name].median;
    if (!speed) return [];
    const kept = deep.flatMap(({ name, depth }) => {
      const middle = table[name][engine.name].median;
      if (!middle) return [];
      const share = ((middle / speed) * 100).toFixed(0);
      return [`${versionedLabel(engine)} generates at depth ${depth} at ${share}% of its speed at depth 0.`];
    });
    const perToken = middleOf(record, engine, (run) => run.facts?.bytesPerToken);
    if (perToken === null) return kept;
    const rate = perToken * speed;
    const read = middleOf(record, engine, (run) => run.readRate);
    const share = read === null ? '' : `, ${((rate * 100) / read).toFixed(0)}% of the plain read loop of the same runs`;
    return [
      ...kept,
      `${versionedLabel(engine)} reads ${(rate / 1e9).toFixed(2)} GB/s of weights when it generates${share}.`,
    ];
  });
}

/** What other work there was, in two sentences at most. @param {PeerRecord} record */
function disturbances({ loadAverage, runs, warnings }) {
  const found = [];
  if (loadAverage !== null && warnings.some(({ kind }) => kind === 'load')) {
    found.push(`The load average was ${loadAverage.toFixed(2)} at the start: other work took time from the figures.`);
  }
  const disturbed = warnings.filter(({ kind }) => kind === 'busy').length;
  if (disturbed > 0) {
    const most = Math.max(...runs.map((run) => run.othersBusy)).toFixed(1);
    found.push(`Before ${disturbed} of ${runs.length} turns other work kept up to ${most} processors busy.`);
  }
  return found;
}

/** @param {PeerRecord} record @param {Speeds} table */
function remarks(record, table) {
  const { tests, engines, runs, capSeconds } = record;
  const shortened = tests.flatMap(({ name }) =>
    engines.flatMap((engine) => {
      const { fewerTokens } = table[name][engine.name];
      return fewerTokens ? [`${versionedLabel(engine)} ${name}: ${fewerTokens}`] : [];
    }),
  );
  const skipped = tests.flatMap(({ name }) =>
    engines.flatMap((engine) => {
      const { skipped: reason } = table[name][engine.name];
      return reason ? [`${versionedLabel(engine)} was not measured in ${name}: ${reason}.`] : [];
    }),
  );
  const failed = runs
    .filter((run) => run.error)
    .map((run) => {
      const label = engines.find(({ name }) => name === run.engine)?.label ?? run.engine;
      return `${label} failed in round ${run.round}: ${run.error}.`;
    });
  const missing = record.missing.map(({ name, reason }) => `${name} was not measured: ${reason}.`);
  const limited = engines
    .filter(({ rounds }) => rounds < record.rounds)
    .map((engine) => `${versionedLabel(engine)} was measured in ${engine.rounds} of ${record.rounds} rounds.`);
  return [
    ...(shortened.length > 0
      ? [`\\* over fewer tokens, since a measurement may take ${capSeconds} s: ${shortened.join(', ')}.`]
      : []),
    ...limited,
    ...skipped,
    ...failed,
    ...missing,
    ...disturbances(record),
  ];
}

/** @param {PeerRecord} record @returns {string} */
export function report(record) {
  const { model, machine, nibble, browser } = record;
  const table = summarise(record);
  /** @param {string[]} sentences */
  const list = (sentences) => sentences.map((sentence) => `- ${sentence}`).join('\n');
  const versions = [
    `Nibble ${nibble.version} (${nibble.commit}${nibble.uncommittedChanges ? ', with uncommitted changes' : ''})`,
    ...record.engines.flatMap(({ label, version, facts }) =>
      version
        ? [`${versionedLabel({ label, version })}${facts?.llamaCpp ? ` (llama.cpp ${facts.llamaCpp})` : ''}`]
        : [],
    ),
    ...(browser ? [`Chromium ${browser.version}`] : []),
    `Node ${machine.node}`,
  ];
  const kernels = record.runs.flatMap(({ facts }) =>
    facts?.kernelSet
      ? [
          `${facts.kernelSet} (${facts.wasm} wasm), tile${(facts.tileStreams ?? 1) > 1 ? `s ${facts.tileStreams} side by side` : ' by tile'}`,
        ]
      : [],
  );
  const parts = [
    `## ${model.name}, ${record.threads} thread${record.threads === 1 ? '' : 's'}`,
    `Median tokens a second (lowest-highest); a fresh browser or process for each engine and round, taking turns.${record.engines.some(({ name }) => name === 'llama.cpp') ? ' node-llama-cpp is native code.' : ''}`,
    speeds(record, table),
    ratios(record),
    resources(record),
    list([...observations(record, table), ...remarks(record, table)]),
    '### Measured on',
    list([
      `${record.date}, ${machine.cpu}, ${machine.cores} cores, ${machine.system}`,
      versions.join(', '),
      `${model.name}: ${bytes(model.bytes)}, SHA-256 ${model.sha256}`,
      ...(kernels.length > 0 ? [`Nibble's kernels: ${[...new Set(kernels)].join(', ')}`] : []),
      `\`${record.command}\``,
    ]),
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}
