#!/usr/bin/env node
// Runs the fuzzers for as long as one likes. The seed that is printed gives the same cases again.
// usage: node tests/fuzz/run.js [NAME...] [--runs N | --hours H] [--seed S] [--from INDEX]
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.js';
import { FUZZERS } from './fuzzers.js';

const BATCH = 500;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string' },
    hours: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string', default: '0' },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(FUZZERS);
const unknown = names.find((name) => !Object.hasOwn(FUZZERS, name));
const numbers = [values.runs, values.hours, values.seed, values.from].filter((each) => each !== undefined).map(Number);
if (unknown !== undefined || numbers.some((each) => !(each >= 0)) || (values.runs && values.hours)) {
  console.error(
    `usage: node tests/fuzz/run.js [${Object.keys(FUZZERS).join('|')}] [--runs N | --hours H] [--seed S] [--from INDEX]`,
  );
  process.exit(1);
}

const seed = values.seed === undefined ? crypto.getRandomValues(new Uint32Array(1))[0] : Number(values.seed);
console.log(`seed ${seed}`);
const end = values.hours === undefined ? Infinity : performance.now() + Number(values.hours) * 3_600_000;
let isWrong = false;
for (let first = Number(values.from), round = 0; ; first += BATCH, round++) {
  let isDone = true;
  for (const name of names) {
    const runs = values.hours === undefined ? Number(values.runs ?? (await FUZZERS[name]()).default.runs) : Infinity;
    const count = Math.min(BATCH, runs - round * BATCH);
    if (count <= 0 || performance.now() > end) continue;
    isDone = false;
    for (const { index, message, tried } of await fuzz(name, { seed, first, count })) {
      isWrong = true;
      console.log(
        `\n${name}: node tests/fuzz/run.js ${name} --seed ${seed} --from ${index} --runs 1\n${message}\n${tried ?? ''}`,
      );
    }
    console.log(`${name}: ${first + count} cases`);
  }
  if (isDone) break;
}
process.exit(isWrong ? 1 : 0);
