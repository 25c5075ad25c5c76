// How long a tokenizer with a vocabulary as large as Gemma's takes to be ready, and how much memory it takes.
//
//   node --expose-gc tests/bench/vocabulary.js [--rounds 5]
import { createTokenizer } from '../../js/tokenizer/tokenizer.js';
import { readOptions } from '../../wasm/shell.js';
import { measureVocabulary } from '../gguf/large-vocabulary.js';
import { present } from '../present.js';
import { summary } from './statistics.js';

const { values } = readOptions({ options: { rounds: { type: 'string', default: '5' } } });
if (globalThis.gc === undefined) throw new Error('Run it as node --expose-gc tests/bench/vocabulary.js.');
for (const model of /** @type {const} */ (['llama', 'gemma4'])) {
  const rounds = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    rounds.push(await measureVocabulary(model, { createTokenizer, collect: globalThis.gc }));
  }
  const { median, low, high } = present(summary(rounds.map(({ milliseconds }) => milliseconds)));
  const megabytes = present(summary(rounds.map(({ bytes }) => bytes / 1e6))).median;
  const time = `${median.toFixed(0)} ms (${low.toFixed(0)}-${high.toFixed(0)})`;
  console.log(`${model}: ${rounds[0].vocabularySize} tokens ready in ${time}, ${megabytes.toFixed(1)} MB`);
}
