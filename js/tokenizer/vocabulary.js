// Reads and checks the `tokenizer.ggml.*` keys of a GGUF. The file is untrusted: nothing here may crash, hang or
// take more than linear time, whatever the keys hold. Where a choice is open it is llama.cpp's (src/llama-vocab.cpp).

import { NibbleError } from '../base/errors.js';
import { MergeTable } from '../gguf/merge-table.js';
import { TextTable } from '../gguf/text-table.js';
import { isCharacterMap } from './character-map.js';
import { findEndTokens } from './end-tokens.js';
import { DEFAULT_SPLIT, findSplit } from './splits.js';
import { findStripped } from './stripped-tokens.js';
import { TokenType } from './token-types.js';

/**
 * Where metadata comes from: numbers, bigints (64-bit integers that a number cannot hold), booleans, strings, arrays
 * of strings as JS arrays, arrays of numbers as typed or JS arrays. `texts` gives the strings of an array as a table; null
 * for what is none.
 * @typedef {{ get(key: string): any, texts?: (key: string) => TextTable | null }} Metadata
 */

/**
 * @typedef {object} SpecialIds
 * @property {number} [bos]
 * @property {number} [eos]
 * @property {number} [eot]
 * @property {number} [unknown]
 * @property {number} [padding]
 * @property {number} [separator]
 * @property {number} [mask]
 */

/**
 * @typedef {object} Vocabulary
 * @property {'llama' | 'gpt2' | 'gemma4' | 'whitespace' | 'bert' | 't5'} model
 * @property {TextTable} pieces by id; '' for a piece that cannot be reached
 * @property {Uint8Array} types by id, see TokenType
 * @property {ArrayLike<number> | undefined} scores by id; none with merges
 * @property {MergeTable | undefined} merges of `gpt2`, `gemma4` and `whitespace`
 * @property {import('./splits.js').Split} split how texts become words, with merges only
 * @property {SpecialIds} ids
 * @property {Set<number>} endOfGeneration
 * @property {boolean} addBos
 * @property {boolean} addEos
 * @property {boolean} addSep of `bert` at the end of each text; else the caller puts the separator between two texts
 * @property {boolean} addSpacePrefix
 * @property {boolean} mergeSpaces `t5` only: several spaces are one
 * @property {boolean | undefined} lowercase `bert` and `whitespace` only; undefined: as the model has it
 * @property {boolean | undefined} stripAccents `bert` only; undefined: where `lowercase` holds
 * @property {Uint8Array | undefined} characterMap `t5` only: see character-map.js
 * @property {Stripped} stripped
 * @property {Warning[]} warnings what is odd about the file
 */

/** @typedef {{ left: Set<number>, right: Set<number> }} Stripped tokens that swallow the white space on a side */

const KEY = 'tokenizer.ggml.';

/** What the files of each tokenizer model mean where they say nothing. */
const MODELS = Object.freeze({
  llama: { ids: { bos: 1, eos: 2, unknown: 0 }, addBos: true, addSpacePrefix: true },
  gpt2: { ids: {}, hasMerges: true },
  gemma4: { ids: {}, hasMerges: true, pre: 'gemma4' },
  whitespace: { ids: {}, hasMerges: true, pre: 'whitespace' },
  bert: { ids: { bos: 101, separator: 102, unknown: 100, padding: 0, mask: 103 }, addBos: true, addSep: true },
  t5: { ids: { eos: 1, unknown: 2, padding: 0 }, addEos: true },
});

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

/** @param {Metadata} metadata @param {TextTable} pieces @param {Warning[]} warnings @returns {MergeTable} */
function readMerges(metadata, pieces, warnings) {
  const merges = new MergeTable(readTexts(metadata, 'merges'), pieces);
  const { wrong, unknown } = merges;
  if (wrong >= 0) throw bad(`${KEY}merges[${wrong}] is not two pieces with one space between them.`);
  if (unknown > 0) warnings.push(odd(`${unknown} merges make a piece that the vocabulary lacks.`));
  return merges;
}

/** @param {Metadata} metadata @returns {Uint8Array | undefined} */
function readCharacterMap(metadata) {
  const key = `${KEY}precompiled_charsmap`;
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (!(value instanceof Uint8Array || value instanceof Int8Array)) {
    throw bad(`${key} is ${kindOf(value)} where bytes were expected.`);
  }
  const map = new Uint8Array(value.buffer, value.byteOffset, value.length);
  if (map.length > 0 && !isCharacterMap(map)) throw bad(`${key} says that it is longer than it is.`);
  return map.length > 0 ? map : undefined;
}

/**
 * How texts become words. @param {string | undefined} pre @param {Warning[]} warnings
 * @returns {import('./splits.js').Split}
 */
function readSplit(pre, warnings) {
  const found = findSplit(pre);
  if (found !== undefined) return found;
  const what = pre === undefined ? 'is missing' : `names ${JSON.stringify(pre.slice(0, 40))}`;
  const message = `${KEY}pre ${what}; words are split in the default way, which may cost some quality.`;
  warnings.push({ code: 'PRE_TOKENIZER_UNKNOWN', message });
  return DEFAULT_SPLIT;
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

/**
 * Reads everything a tokenizer needs.
 * @param {Metadata} metadata
 * @returns {Vocabulary}
 * @throws {NibbleError} TOKENIZER_UNSUPPORTED for another tokenizer model, TOKENIZER_BAD_METADATA for damaged keys
 */
export function readVocabulary(metadata) {
  const model = readModel(metadata);
  /** @type {{ ids: SpecialIds, hasMerges?: boolean, pre?: string, addBos?: boolean, addEos?: boolean, addSep?: boolean, addSpacePrefix?: boolean }} */
  const defaults = MODELS[model];
  const { hasMerges = false } = defaults;
  /** @type {Warning[]} */
  const warnings = [];
  const pieces = readPieces(metadata, warnings);
  const count = pieces.length;
  const types = readTypes(readNumbers(metadata, 'token_type', [Int32Array, Uint32Array], count), count);
  const pre = model === 'gemma4' ? defaults.pre : (optional(metadata, `${KEY}pre`, 'string') ?? defaults.pre);
  const split = hasMerges ? readSplit(pre, warnings) : DEFAULT_SPLIT;
  if (!hasMerges || split.alphabet === 'characters') checkBytePieces(pieces, types);
  const flag = (/** @type {string} */ name, /** @type {boolean=} */ otherwise = false) =>
    optional(metadata, KEY + name, 'boolean') ?? otherwise;
  /** @type {Vocabulary} */
  const vocabulary = {
    model,
    pieces,
    types,
    scores: hasMerges || model === 'bert' ? undefined : readScores(metadata, count, warnings),
    merges: hasMerges ? readMerges(metadata, pieces, warnings) : undefined,
    split,
    ids: readIds(metadata, defaults.ids, count, warnings),
    endOfGeneration: new Set(),
    addBos: flag('add_bos_token', defaults.addBos ?? split.addBos) || split.alwaysBos === true,
    addEos: flag('add_eos_token', defaults.addEos),
    addSep: flag('add_sep_token', defaults.addSep ?? split.addSep),
    addSpacePrefix: flag('add_space_prefix', defaults.addSpacePrefix),
    mergeSpaces: flag('remove_extra_whitespaces'),
    lowercase: optional(metadata, `${KEY}normalizer.lowercase`, 'boolean'),
    stripAccents: optional(metadata, `${KEY}normalizer.strip_accents`, 'boolean'),
    characterMap: model === 't5' ? readCharacterMap(metadata) : undefined,
    stripped: { left: new Set(), right: new Set() },
    warnings,
  };
  const named = (/** @type {string} */ name) => readId(metadata, name, undefined, count, warnings);
  findEndTokens(vocabulary, named);
  vocabulary.stripped = findStripped(metadata, vocabulary, pre);
  requireSpecial(vocabulary, 'addBos', 'bos');
  requireSpecial(vocabulary, 'addEos', 'eos');
  // Of a default that only some files of a kind have a use for nobody asked.
  if (model === 'bert') requireSpecial(vocabulary, 'addSep', 'separator');
  else vocabulary.addSep &&= vocabulary.ids.separator !== undefined;
  return vocabulary;
}

/** @param {Metadata} metadata @returns {Vocabulary['model']} */
function readModel(metadata) {
  const model = optional(metadata, `${KEY}model`, 'string');
  if (model === undefined) throw bad(`${KEY}model is missing.`);
  if (Object.hasOwn(MODELS, model)) return model;
  const shown = JSON.stringify(model.slice(0, 40));
  const known = Object.keys(MODELS).join(', ');
  const message = `This model uses a tokenizer of type ${shown}; only these are supported: ${known}.`;
  throw new NibbleError('TOKENIZER_UNSUPPORTED', message, { details: { model } });
}

/** @param {Metadata} metadata @param {number} count @param {Warning[]} warnings */
function readScores(metadata, count, warnings) {
  const scores = readNumbers(metadata, 'scores', [Float32Array, Float64Array, Int32Array], count);
  if (scores === undefined) warnings.push(odd(`${KEY}scores is missing; every piece counts as equally likely.`));
  return scores;
}

/** @param {Metadata} metadata @param {SpecialIds} defaults @param {number} count @param {Warning[]} warnings @returns {SpecialIds} */
function readIds(metadata, defaults, count, warnings) {
  const id = (/** @type {string} */ name, /** @type {number | undefined} */ fallback) =>
    readId(metadata, name, fallback, count, warnings);
  return {
    bos: id('bos', defaults.bos),
    eos: id('eos', defaults.eos),
    eot: id('eot', undefined),
    unknown: id('unknown', defaults.unknown),
    padding: id('padding', defaults.padding),
    // So the keys of files spell it.
    separator: id('seperator', defaults.separator),
    mask: id('mask', defaults.mask),
  };
}

/** @param {Vocabulary} vocabulary @param {'addBos' | 'addEos' | 'addSep'} flag @param {'bos' | 'eos' | 'separator'} name */
function requireSpecial(vocabulary, flag, name) {
  if (!vocabulary[flag] || vocabulary.ids[name] !== undefined) return;
  vocabulary[flag] = false;
  vocabulary.warnings.push(odd(`The file asks for a ${name} token around each text, but names none; none is added.`));
}
