// Reads and checks the `tokenizer.ggml.*` keys of a GGUF. The file is untrusted: nothing here may crash, hang or
// take more than linear time, whatever the keys hold. Where a choice is open it is llama.cpp's (src/llama-vocab.cpp).

import { NibbleError } from './errors.js';
import { TextTable } from './text-table.js';

/** Values of `tokenizer.ggml.token_type`. */
export const TokenType = Object.freeze({ NORMAL: 1, UNKNOWN: 2, CONTROL: 3, USER_DEFINED: 4, UNUSED: 5, BYTE: 6 });

/**
 * Where metadata comes from: numbers, bigints (64-bit integers that a number cannot hold), booleans, strings, arrays
 * of strings as JS arrays, arrays of numbers as typed or JS arrays. `texts` gives the strings of an array as a table; null
 * for what is none.
 * @typedef {{ get(key: string): any, texts?: (key: string) => TextTable | null }} Metadata
 */

/**
 * @typedef {object} Vocabulary
 * @property {'llama' | 'gpt2'} model
 * @property {TextTable} pieces by id; '' for a piece that cannot be reached
 * @property {Uint8Array} types by id, see TokenType
 * @property {ArrayLike<number> | undefined} scores by id, `llama` only
 * @property {TextTable | undefined} merges `left right` by rank, `gpt2` only
 * @property {{ bos?: number, eos?: number, eot?: number, unknown?: number, padding?: number }} ids
 * @property {Set<number>} endOfGeneration
 * @property {boolean} addBos
 * @property {boolean} addEos
 * @property {boolean} addSpacePrefix
 * @property {string | undefined} preTokenizer `tokenizer.ggml.pre`
 * @property {Set<number>} rightStripped tokens that swallow the white space after them
 * @property {Warning[]} warnings what is odd about the file
 */

const KEY = 'tokenizer.ggml.';
const END_OF_TURN = [
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<EOT>',
  '_<EOT>',
  '[EOT]',
  '<｜end▁of▁sentence｜>',
  '<end_of_utterance>',
];
const END_OF_GENERATION = [
  ...END_OF_TURN,
  '<|return|>',
  '<|call|>',
  '<|flush|>',
  '<|calls|>',
  '</s>',
  '<|eom_id|>',
  '[EOS]',
  '<eos>',
  '<turn|>',
  '<|tool_response>',
  '[e~[',
  '<|fim_pad|>',
  '<fim-pad>',
  '<fim_pad>',
  '<|fim_repo|>',
  '<|repo_name|>',
  '<fim-repo>',
  '<|file_sep|>',
];
const ALWAYS_SHOWN = ['<|channel|>', '<|message|>', '<|start|>', '<|constrain|>'];
const LLAMA_DEFAULT_IDS = { bos: 1, eos: 2, unknown: 0 };

/** @typedef {{ code: 'VOCABULARY_ODD' | 'PRE_TOKENIZER_UNKNOWN', message: string }} Warning */

/** @param {string} message @returns {Warning} */
const odd = (message) => ({ code: 'VOCABULARY_ODD', message });

/** @param {string} message @returns {NibbleError} */
const bad = (message) =>
  new NibbleError('TOKENIZER_BAD_METADATA', `${message} The model file is damaged or was converted wrongly.`);

/** @param {unknown} value */
const kindOf = (value) => {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'an array';
  return ArrayBuffer.isView(value) ? `a ${value.constructor.name}` : `a ${typeof value}`;
};

/** @param {Metadata} metadata @param {string} key @param {string} type @returns {any} */
function optional(metadata, key, type) {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const found = typeof value === 'bigint' ? 'number' : typeof value;
  if (found !== type) throw bad(`${key} is ${kindOf(value)} where a ${type} was expected.`);
  return value;
}

/** @param {Metadata} metadata @param {string} name @returns {TextTable} */
function readTexts(metadata, name) {
  const key = KEY + name;
  const table = metadata.texts?.(key) ?? null;
  if (table !== null) return table;
  const texts = metadata.get(key);
  if (!Array.isArray(texts)) throw bad(`${key} is ${kindOf(texts)} where an array of strings was expected.`);
  const wrong = texts.findIndex((text) => typeof text !== 'string');
  if (wrong >= 0) throw bad(`${key}[${wrong}] is ${kindOf(texts[wrong])} where a string was expected.`);
  return TextTable.of(texts);
}

/** @param {Metadata} metadata @param {Warning[]} warnings @returns {TextTable} */
function readPieces(metadata, warnings) {
  const pieces = readTexts(metadata, 'tokens');
  const { length, empty, repeated } = pieces;
  if (length === 0) throw bad(`${KEY}tokens is empty.`);
  if (empty > 0) warnings.push(odd(`${empty} tokens have an empty piece; text never becomes one of them.`));
  if (repeated > 0) warnings.push(odd(`${repeated} tokens repeat an earlier piece; text becomes the earlier one.`));
  return pieces;
}

/**
 * A per-token array of numbers. A typed array carries the file's element type, so a wrong one is refused instead of
 * being converted: one-byte scores are a known way to make a reader run past the end.
 * @param {Metadata} metadata @param {string} name @param {Function[]} types @param {number} count
 * @returns {ArrayLike<number> | undefined}
 */
function readNumbers(metadata, name, types, count) {
  const key = KEY + name;
  const values = metadata.get(key);
  if (values === undefined) return undefined;
  const allowed = Array.isArray(values) || types.some((type) => values instanceof type);
  if (!allowed) throw bad(`${key} is ${kindOf(values)} where ${types[0].name} was expected.`);
  if (values.length < count) throw bad(`${key} has ${values.length} entries where ${count} tokens need one each.`);
  for (let i = 0; i < count; i++) {
    if (typeof values[i] !== 'number' || Number.isNaN(values[i])) throw bad(`${key}[${i}] is not a number.`);
  }
  return values;
}

/** @param {ArrayLike<number> | undefined} values @param {number} count */
function readTypes(values, count) {
  const types = new Uint8Array(count).fill(TokenType.NORMAL);
  if (values === undefined) return types;
  for (let id = 0; id < count; id++) {
    const type = values[id];
    types[id] = type >= TokenType.NORMAL && type <= TokenType.BYTE ? type : TokenType.UNUSED;
  }
  return types;
}

/** @param {TextTable} pieces @param {Uint8Array} types */
function checkBytePieces(pieces, types) {
  for (let id = 0; id < pieces.length; id++) {
    if (types[id] === TokenType.BYTE && !/^<0x[0-9A-Fa-f]{2}>$/.test(pieces.at(id))) {
      const shown = JSON.stringify(pieces.at(id).slice(0, 40));
      throw bad(`${KEY}tokens[${id}] is a byte token, but its piece is ${shown} and not <0x00> to <0xFF>.`);
    }
  }
}

/** @param {Metadata} metadata @param {TextTable} pieces @param {Warning[]} warnings @returns {TextTable} */
function readMerges(metadata, pieces, warnings) {
  const merges = readTexts(metadata, 'merges');
  const { wrong, unknown } = merges.comparePairs(pieces);
  if (wrong >= 0) throw bad(`${KEY}merges[${wrong}] is not two pieces with one space between them.`);
  if (unknown > 0) warnings.push(odd(`${unknown} merges make a piece that the vocabulary lacks.`));
  return merges;
}

/** @param {Metadata} metadata @param {string} name @param {number | undefined} fallback @param {number} count @param {Warning[]} warnings */
function readId(metadata, name, fallback, count, warnings) {
  const key = `${KEY}${name}_token_id`;
  const usable = fallback !== undefined && fallback < count ? fallback : undefined;
  const value = optional(metadata, key, 'number');
  if (value === undefined) return usable;
  if (Number.isInteger(value) && value >= 0 && value < count) return value;
  warnings.push(odd(`${key} is ${value}, but there are only ${count} tokens; the key is ignored.`));
  return usable;
}

/** @param {Vocabulary} vocabulary */
function findEndOfGeneration({ pieces, types, ids, endOfGeneration }) {
  for (const piece of END_OF_TURN) ids.eot ??= pieces.get(piece);
  for (const piece of END_OF_GENERATION) {
    const id = pieces.get(piece);
    if (id === undefined) continue;
    endOfGeneration.add(id);
    types[id] = TokenType.CONTROL;
  }
  for (const id of [ids.eos, ids.eot]) if (id !== undefined) endOfGeneration.add(id);
  const has = (/** @type {string} */ piece) => pieces.has(piece);
  for (const piece of ALWAYS_SHOWN)
    if (has(piece)) types[/** @type {number} */ (pieces.get(piece))] = TokenType.USER_DEFINED;
  // Formats in which <|end|> or </s> closes one part of an answer and not the answer.
  const endsPart =
    (has('<|return|>') && has('<|call|>')) || (has('<|flush|>') && (has('<|call|>') || has('<|calls|>')));
  if (endsPart) demote(pieces.get('<|end|>'), TokenType.USER_DEFINED);
  if (has('<|tool_response>')) demote(pieces.get('</s>'), TokenType.NORMAL);

  /** @param {number | undefined} id @param {number} type */
  function demote(id, type) {
    if (id === undefined) return;
    endOfGeneration.delete(id);
    types[id] = type;
  }
}

/** Phi-3's special tokens swallow the white space after them; its files say so only by their name. */
function findRightStripped(/** @type {Metadata} */ metadata, /** @type {Vocabulary} */ { pieces, types }) {
  const stripped = new Set();
  const name = metadata.get('general.name');
  if (typeof name !== 'string' || !/phi-?3/i.test(name)) return stripped;
  const kept = [TokenType.CONTROL, TokenType.USER_DEFINED, TokenType.UNKNOWN];
  for (let id = 0; id < pieces.length; id++) if (kept.includes(/** @type {any} */ (types[id]))) stripped.add(id);
  for (const piece of ['<unk>', '<s>', '<|endoftext|>']) stripped.delete(pieces.get(piece));
  return stripped;
}

/**
 * Reads everything a tokenizer needs.
 * @param {Metadata} metadata
 * @param {(pre: string | undefined) => boolean} addsBosByDefault what `gpt2` files leave to their pre-tokenizer
 * @returns {Vocabulary}
 * @throws {NibbleError} TOKENIZER_UNSUPPORTED for another tokenizer model, TOKENIZER_BAD_METADATA for damaged keys
 */
export function readVocabulary(metadata, addsBosByDefault) {
  const model = optional(metadata, `${KEY}model`, 'string');
  if (model === undefined) throw bad(`${KEY}model is missing.`);
  if (model !== 'llama' && model !== 'gpt2') {
    const shown = JSON.stringify(model.slice(0, 40));
    throw new NibbleError(
      'TOKENIZER_UNSUPPORTED',
      `This model uses a tokenizer of type ${shown}; only "llama" (SentencePiece) and "gpt2" (byte-level BPE) are supported.`,
      { details: { model } },
    );
  }
  const spm = model === 'llama';
  /** @type {Warning[]} */
  const warnings = [];
  const pieces = readPieces(metadata, warnings);
  const count = pieces.length;
  const scores = readNumbers(metadata, 'scores', [Float32Array, Float64Array, Int32Array], count);
  const types = readTypes(readNumbers(metadata, 'token_type', [Int32Array, Uint32Array], count), count);
  if (spm) checkBytePieces(pieces, types);
  if (spm && scores === undefined) warnings.push(odd(`${KEY}scores is missing; every piece counts as equally likely.`));
  const preTokenizer = optional(metadata, `${KEY}pre`, 'string');
  const defaults = spm ? LLAMA_DEFAULT_IDS : {};
  const id = (/** @type {string} */ name, /** @type {number=} */ fallback) =>
    readId(metadata, name, fallback, count, warnings);
  /** @type {Vocabulary} */
  const vocabulary = {
    model,
    pieces,
    types,
    scores,
    merges: spm ? undefined : readMerges(metadata, pieces, warnings),
    ids: {
      bos: id('bos', defaults.bos),
      eos: id('eos', defaults.eos),
      eot: id('eot'),
      unknown: id('unknown', defaults.unknown),
      padding: id('padding'),
    },
    endOfGeneration: new Set(),
    addBos: optional(metadata, `${KEY}add_bos_token`, 'boolean') ?? (spm || addsBosByDefault(preTokenizer)),
    addEos: optional(metadata, `${KEY}add_eos_token`, 'boolean') ?? false,
    addSpacePrefix: optional(metadata, `${KEY}add_space_prefix`, 'boolean') ?? spm,
    preTokenizer,
    rightStripped: new Set(),
    warnings,
  };
  const endOfMessage = id('eom');
  if (endOfMessage !== undefined) vocabulary.endOfGeneration.add(endOfMessage);
  findEndOfGeneration(vocabulary);
  vocabulary.rightStripped = findRightStripped(metadata, vocabulary);
  requireSpecial(vocabulary, 'addBos', 'bos');
  requireSpecial(vocabulary, 'addEos', 'eos');
  return vocabulary;
}

/** @param {Vocabulary} vocabulary @param {'addBos' | 'addEos'} flag @param {'bos' | 'eos'} name */
function requireSpecial(vocabulary, flag, name) {
  if (!vocabulary[flag] || vocabulary.ids[name] !== undefined) return;
  vocabulary[flag] = false;
  vocabulary.warnings.push(odd(`The file asks for a ${name} token around each text, but names none; none is added.`));
}
