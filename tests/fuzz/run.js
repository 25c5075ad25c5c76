#!/usr/bin/env node
// Runs the fuzzers for as long as one likes. What breaks a promise is kept in build/fuzz/findings. The seed that is printed
// gives the same cases again; with --hours, those in C also go on from what they found in earlier runs.
// usage: node tests/fuzz/run.js [NAME...] [--runs N | --hours H] [--seed S] [--from INDEX]
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, ROOT, readOptions } from '../../wasm/shell.js';
import { fuzz } from './fuzz.js';
import { FUZZERS } from './fuzzers.js';
import { buildTargets, FINDINGS } from './native.js';

const { values, positionals } = readOptions({
  allowPositionals: true,
  options: {
    runs: { type: 'string' },
    hours: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string', default: '0' },
  },
});
const unknown = positionals.find((name) => !Object.hasOwn(FUZZERS, name));
const numbers = [values.runs, values.hours, values.seed, values.from].filter((each) => each !== undefined).map(Number);
if (unknown !== undefined || numbers.some((each) => !(each >= 0)) || (values.runs && values.hours)) {
  console.error(
    `usage: node tests/fuzz/run.js [${Object.keys(FUZZERS).join('|')}]... [--runs N | --hours H] [--seed S] [--from INDEX]`,
  );
  process.exit(1);
}

await main(async () => {
  const names = ready(positionals.length > 0 ? positionals : Object.keys(FUZZERS));
  const seed = values.seed === undefined ? crypto.getRandomValues(new Uint32Array(1))[0] : Number(values.seed);
  console.log(`seed ${seed}`);
  const end = values.hours === undefined ? Infinity : performance.now() + Number(values.hours) * 3_600_000;
  const done = Object.fromEntries(names.map((name) => [name, 0]));
  for (let going = names; going.length > 0; going = going.filter((name) => performance.now() < end && left(name) > 0)) {
    for (const name of going) {
      const first = Number(values.from) + done[name];
      const count = Math.min(FUZZERS[name].runs, left(name));
      if (await hasFault(name, { seed, first, count, keep: values.hours !== undefined })) process.exitCode = 1;
      done[name] += count;
      console.log(`${name}: ${done[name]} cases`);
    }
  }
  /** @param {string} name */
  function left(name) {
    return values.hours === undefined ? Number(values.runs ?? FUZZERS[name].runs) - done[name] : Infinity;
  }
});

/** Those that can run here; of the others it is said why not. @param {string[]} names */
function ready(names) {
  const inC = names.filter((name) => FUZZERS[name].load === undefined);
  const missing = inC.length > 0 ? buildTargets() : null;
  if (missing === null) return names;
  console.log(`Skipped ${inC.join(', ')}: ${missing}.`);
  if (inC.length === names.length) process.exitCode = 1;
  return names.filter((name) => !inC.includes(name));
}

/** @param {string} name @param {{ seed: number, first: number, count: number, keep: boolean }} cases */
async function hasFault(name, cases) {
  const faults = await fuzz(name, cases);
  for (const { index, message, tried = '', again } of faults) {
    const command = again ?? `node tests/fuzz/run.js ${name} --seed ${cases.seed} --from ${index} --runs 1`;
    console.log(`\n${name}: ${command}\n${message}\n${tried}`);
    if (again !== undefined) continue;
    mkdirSync(join(ROOT, FINDINGS), { recursive: true });
    writeFileSync(join(ROOT, FINDINGS, `${name}-${cases.seed}-${index}.txt`), `${command}\n${message}\n${tried}\n`);
  }
  return faults.length > 0;
}
