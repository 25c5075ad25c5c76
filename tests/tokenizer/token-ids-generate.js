// Records token-ids.json anew: the ids that native llama.cpp gives each text of vocabularies.js with each vocabulary
// there and with the included model's. Not needed to run the tests.
//
//   npm install --prefix build/llama --ignore-scripts node-llama-cpp@3.22
//   node tests/tokenizer/token-ids-generate.js --llama build/llama
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readOptions } from '../../wasm/shell.js';
import { writeGguf } from '../gguf-writer.js';
import { loadLlama } from '../golden/llama.js';
import { temporaryFolder } from '../small-model.js';
import { TEXTS, VOCABULARIES } from './vocabularies.js';

const INCLUDED = fileURLToPath(new URL('../../models/nibble-tiny.gguf', import.meta.url));

/**
 * Both ways of reading a text: as what a user says, and, where that differs, with special tokens in it.
 * @param {any} llama
 * @param {string} modelPath
 */
async function idsOf(llama, modelPath) {
  const model = await llama.loadModel({ modelPath, gpuLayers: 0, vocabOnly: true });
  /** @param {boolean} special */
  const ids = (special) => TEXTS.map((text) => Array.from(model.tokenize(text, special)));
  const plain = ids(false);
  const special = ids(true).flatMap((list, index) => (`${list}` === `${plain[index]}` ? [] : [[index, list]]));
  await model.dispose();
  return { plain, special };
}

const { values } = readOptions({ options: { llama: { type: 'string' } } });
const { llama, version } = await loadLlama(values.llama);
const folder = temporaryFolder();
// Names that split alike have one record.
const records = new Map();
/** @param {string} name @param {string} path */
const record = async (name, path) => {
  const found = JSON.stringify(await idsOf(llama, path));
  records.set(found, [...(records.get(found) ?? []), name]);
};
await record('the included model', INCLUDED);
for (const [name, metadata] of Object.entries(VOCABULARIES)) {
  const path = join(folder, 'vocabulary.gguf');
  writeGguf(path, { metadata: metadata(), tensors: [], produce: () => [] });
  await record(name, path).catch((error) => console.log(`${name}: not in ${version}: ${error.message}`));
}
const lines = Array.from(records, ([found, names]) => {
  const { plain, special } = JSON.parse(found);
  /** @param {any} ids */
  const each = (ids) => ids.map((/** @type {any} */ list) => `      ${JSON.stringify(list)}`).join(',\n');
  return `    {\n    "names": ${JSON.stringify(names)},\n    "plain": [\n${each(plain)}\n    ],\n    "special": [\n${each(special)}\n    ]\n    }`;
});
const text = `{\n  "source": ${JSON.stringify(version)},\n  "records": [\n${lines.join(',\n')}\n  ]\n}\n`;
writeFileSync(new URL('token-ids.json', import.meta.url), text);
await llama.dispose();
