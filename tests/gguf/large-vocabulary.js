// A vocabulary as large as Gemma's, made here: for what one takes, and how long it takes to be ready.
import { Metadata } from '../../js/gguf/metadata.js';
import { untyped } from '../untyped.js';

const [ARRAY, STRING, I32, F32] = [9, 8, 5, 6];
const SYLLABLES = 'ka ne mi so tu ra lo vi de pu ha zi ge bo fy wo'.split(' ');

/** The bytes of strings as a GGUF has them. @param {string[]} texts */
function stringBytes(texts) {
  const parts = texts.map((text) => Buffer.from(text));
  const bytes = Buffer.alloc(parts.reduce((sum, { length }) => sum + 8 + length, 0));
  let position = 0;
  for (const part of parts) {
    bytes.writeBigUInt64LE(BigInt(part.length), position);
    part.copy(bytes, position + 8);
    position += 8 + part.length;
  }
  return bytes;
}

/** Words of syllables, all different, half of them with a space before. @param {number} count */
function piecesOf(count) {
  const letters = [...new Set([...SYLLABLES.join(''), '▁'])];
  const pieces = ['<pad>', '<eos>', '<bos>', '<unk>', ...letters];
  for (let number = 0; pieces.length < count; number++) {
    let word = '';
    for (let rest = number; rest > 0 || word === ''; rest = Math.floor(rest / 16)) word += SYLLABLES[rest % 16];
    pieces.push(number % 2 ? word : `▁${word}`);
  }
  return pieces;
}

/**
 * @param {'llama' | 'gemma4'} model
 * @param {number} [count] of its tokens
 * @returns {Metadata}
 */
export function largeVocabulary(model, count = 262_144) {
  const tokens = piecesOf(count);
  // As many as Gemma 4 has: two for each piece.
  const merges = tokens
    .filter((piece) => piece.length > 3 && piece[0] !== '<')
    .flatMap((piece) => [`${piece.slice(0, -2)} ${piece.slice(-2)}`, `${piece.slice(0, 2)} ${piece.slice(2)}`]);
  const types = Int32Array.from(tokens, (_, id) => (id < 4 ? 3 : 1));
  const scores = Float32Array.from(tokens, (_, id) => -id);
  /** @type {Record<string, Uint8Array | Int32Array | Float32Array>} */
  const bytes = { tokens: stringBytes(tokens), token_type: types, ...rest(model, merges, scores) };
  const metadata = new Metadata(
    ({ key }) => new Uint8Array(Buffer.from(bytes[key].buffer, bytes[key].byteOffset, bytes[key].byteLength)),
  );
  /** @param {string} key @param {number} element @param {number} length */
  const add = (key, element, length) =>
    metadata.add(
      `tokenizer.ggml.${key}`,
      untyped({ key, type: ARRAY, element, count: length, bytes: bytes[key].byteLength }),
    );
  add('tokens', STRING, tokens.length);
  add('token_type', I32, tokens.length);
  if (model === 'gemma4') add('merges', STRING, merges.length);
  else add('scores', F32, tokens.length);
  bytes.model = stringBytes([model]);
  metadata.add(
    'tokenizer.ggml.model',
    untyped({
      key: 'model',
      type: STRING,
      element: STRING,
      count: 1,
      bytes: bytes.model.length,
    }),
  );
  return metadata;
}

/** @param {string} model @param {string[]} merges @param {Float32Array} scores @returns {Record<string, Uint8Array | Float32Array>} */
const rest = (model, merges, scores) => (model === 'gemma4' ? { merges: stringBytes(merges) } : { scores });

/**
 * What a tokenizer takes that has been asked for something, and how long it took to make.
 * @param {'llama' | 'gemma4'} model
 * @param {{ createTokenizer: (metadata: Metadata) => import('../../js/tokenizer/tokenizer.js').Tokenizer, collect: () => void }} how
 *   `collect`: garbage
 * @returns {Promise<{ bytes: number, milliseconds: number, vocabularySize: number }>}
 */
export async function measureVocabulary(model, { createTokenizer, collect }) {
  const metadata = largeVocabulary(model);
  const taken = async () => {
    // Buffers that nobody has any more are given back beside the thread that collects.
    for (let round = 0; round < 3; round++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  // A value that was read is kept by the metadata, which an engine closes.
  const before = await taken();
  const started = performance.now();
  const tokenizer = createTokenizer(metadata);
  const milliseconds = performance.now() - started;
  tokenizer.encode('kane miso, tura!');
  metadata.clear();
  return { bytes: (await taken()) - before, milliseconds, vocabularySize: tokenizer.vocabularySize };
}
