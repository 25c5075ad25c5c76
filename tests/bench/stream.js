// How much of the store's own speed a model reaches whose weights stream under a memory budget: tokens a second against
// what reading the same bytes through the same reader allows with nothing computed, in turns in one run.
//
//   node tests/bench/stream.js --model build/models/3b.gguf --budget 1e9 --store build/stream-store [--json FILE]
//
// The system's page cache makes reads as fast as copying memory, which takes the processor from the threads that compute:
// what a machine with little memory never sees. With --uncached, python3 has the system forget the store's files all the
// while (posix_fadvise), so that the disk itself is measured.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createEngine } from '../../js/index.node.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    budget: { type: 'string', default: '1e9' },
    store: { type: 'string', default: 'build/stream-store' },
    context: { type: 'string' },
    threads: { type: 'string' },
    tokens: { type: 'string', default: '6' },
    prompt: { type: 'string', default: '128' },
    repetitions: { type: 'string', default: '4' },
    uncached: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

const FORGET = `
import glob, os, sys, time
files = [os.open(path, os.O_RDONLY) for path in glob.glob(sys.argv[1] + "/models/*/*.chunk")]
while os.getppid() == int(sys.argv[2]):
    for file in files: os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    time.sleep(0.1)
`;

const engine = await createEngine({
  model: values.model,
  store: { folder: values.store },
  memoryBudget: Number(values.budget),
  ...(values.context && { contextSize: Number(values.context) }),
  ...(values.threads && { threads: Number(values.threads) }),
});
const { budget, threads, kernelSet, contextSize } = engine.info;
if (!budget.streams) throw new Error('All weights fit: give a smaller --budget.');
const repetitions = Number(values.repetitions);
const forgetting = values.uncached ? spawn('python3', ['-c', FORGET, values.store, String(process.pid)]) : null;
const generatedTokens = Number(values.tokens);
const decode = await engine.benchmark({ promptTokens: 0, generatedTokens, repetitions, warmUp: false });
const promptTokens = Number(values.prompt);
const prefill =
  promptTokens > 0 ? await engine.benchmark({ promptTokens, generatedTokens: 0, repetitions: 1, warmUp: false }) : null;
const turns = decode.nanoseconds.map((time, i) => {
  const tokensPerSecond = (generatedTokens * 1e9) / time;
  const storeBytesPerSecond = decode.streamed.storeRates[i];
  const allowed = storeBytesPerSecond / budget.bytesPerTokenStreamed;
  return { tokensPerSecond, storeBytesPerSecond, allowed, share: tokensPerSecond / allowed };
});
const result = {
  model: engine.info.name,
  budget,
  contextSize,
  threads,
  kernelSet,
  turns,
  medianShare: median(turns.map(({ share }) => share)),
  medianTokensPerSecond: median(turns.map(({ tokensPerSecond }) => tokensPerSecond)),
  prefillTokensPerSecond: prefill && (promptTokens * 1e9) / prefill.nanoseconds[0],
  memory: await engine.memory(),
  memoryReadRate: decode.readRate,
  uncached: values.uncached,
};
forgetting?.kill();
await engine.unload();
console.log(JSON.stringify(result, null, 2));
if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
