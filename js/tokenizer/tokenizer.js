// A tokenizer made from a GGUF's own metadata. Same ids as llama.cpp for the same file and text.

import { NibbleError } from '../base/errors.js';
import { createBpeModel } from './bpe.js';
import { remembering } from './remembered-encoding.js';
import { createSentencePieceModel } from './sentencepiece.js';
import { isShown } from './shown-tokens.js';
import { createPartition } from './special-tokens.js';
import { TokenType } from './token-types.js';
import { createUnigramModel } from './unigram.js';
import { readVocabulary } from './vocabulary.js';
import { createWordPieceModel } from './wordpiece.js';

/** @typedef {import('./vocabulary.js').Metadata} Metadata */
/** @typedef {import('./vocabulary.js').Vocabulary} Vocabulary */

/**
 * @typedef {object} StreamDecoder
 * @property {(id: number) => string} push the text that this token completes; '' while a character is unfinished, and
 *   U+FFFD for one that a control token cuts off
 * @property {() => string} flush what is left: U+FFFD for an unfinished character. Ready for a new text afterwards.
 */

/**
 * @typedef {object} Tokenizer
 * @property {number} vocabularySize
 * @property {(text: string, options?: { addSpecial?: boolean, parseSpecial?: boolean, said?: readonly number[] }) => number[]} encode
 *   `addSpecial` adds BOS and EOS, or a separator, where the file asks for them and the text has none there; `parseSpecial` reads control
 *   tokens written out in the text as such (user-defined tokens that are no markers always are), but for those in a part
 *   that is `said`: start and end of each such part, in order. Text that is not well-formed UTF-16 gets U+FFFD.
 * @property {(ids: Iterable<number>, options?: { skipSpecial?: boolean }) => string} decode
 * @property {(id: number, options?: { skipSpecial?: boolean }) => Uint8Array} bytes of one token, not always whole
 *   characters; empty for a hidden or unknown token with `skipSpecial`. The caller owns the array.
 * @property {(options?: { skipSpecial?: boolean, atStart?: boolean }) => StreamDecoder} createDecoder `atStart: false`
 *   is for text that continues a prompt: the space that SentencePiece puts before a text is dropped only at its start.
 * @property {(id: number) => boolean} isEndOfGeneration
 * @property {(id: number) => boolean} isControl
 * @property {(id: number) => boolean} isHidden whether it is a control token that no text shows: those around thoughts and
 *   calls of tools are shown
 * @property {(id: number) => boolean} isMarker whether a token is structure rather than text: a control token, one that
 *   ends a text, one without a meaning, or a user-defined one that is written like a marker (`<think>`, `[INST]`)
 * @property {(id: number) => string} text a token for showing: bytes as text, and those of half a character by their
 *   names, such as `<0xF0>`
 * @property {import('./vocabulary.js').SpecialIds} ids
 * @property {boolean} addBos
 * @property {boolean} addEos
 * @property {boolean} addSep a separator stands between two texts that are read together, and with WordPiece at the end
 * @property {import('./vocabulary.js').Warning[]} warnings what is odd about the file
 */

/**
 * @param {Metadata} metadata keys `tokenizer.ggml.*` and `general.name`
 * @param {{ remembers?: boolean }} [options] remembers: the tokens of the long texts that came last are kept
 * @returns {Tokenizer}
 * @throws {NibbleError} TOKENIZER_UNSUPPORTED, TOKENIZER_BAD_METADATA; its functions throw TOKENIZER_BAD_TOKEN for an
 *   id outside the vocabulary and TOKENIZER_BAD_TEXT for a text that is not a string
 */
export function createTokenizer(metadata, { remembers = true } = {}) {
  const vocabulary = readVocabulary(metadata);
  const { model, types, pieces, ids, addBos, addEos, addSep, endOfGeneration, warnings } = vocabulary;
  const encodeAnew = MODELS[model](vocabulary);
  const encodeText = remembers ? remembering(encodeAnew) : encodeAnew;
  const partition = createPartition(vocabulary);
  const bytesOf = isSpelt(vocabulary) ? byteLevelBytes : sentencePieceBytes;
  const addSpace = model === 'llama' && vocabulary.addSpacePrefix;
  // A word of WordPiece has its space before it.
  const hasSpaceAhead = model === 'bert' || ((model === 'llama' || model === 't5') && vocabulary.addSpacePrefix);
  // What the last token of each text is.
  const last = model === 'bert' ? addSep && ids.separator : addEos && ids.eos;

  /** @param {number} id */
  function check(id) {
    if (Number.isInteger(id) && id >= 0 && id < pieces.length) return;
    throw new NibbleError('TOKENIZER_BAD_TOKEN', `${id} is not a token: ids go from 0 to ${pieces.length - 1}.`);
  }

  /** @type {Tokenizer['encode']} */
  function encode(text, { addSpecial = true, parseSpecial = true, said = [] } = {}) {
    if (typeof text !== 'string') {
      throw new NibbleError('TOKENIZER_BAD_TEXT', `The text to encode has to be a string; it is a ${typeof text}.`);
    }
    const fragments = partition(wellFormed(text), parseSpecial ? said : [0, text.length]);
    /** @type {number[]} */
    const output = addSpecial && addBos && fragments[0] !== ids.bos ? [/** @type {number} */ (ids.bos)] : [];
    let afterSpecial = true;
    for (const fragment of fragments) {
      if (typeof fragment === 'number') output.push(fragment);
      else encodeText(addSpace && afterSpecial ? ` ${fragment}` : fragment, output);
      afterSpecial = typeof fragment === 'number';
    }
    if (addSpecial && typeof last === 'number' && fragments.at(-1) !== last) output.push(last);
    return output;
  }

  /** @type {Tokenizer['isHidden']} */
  const isHidden = (id) => types[id] === TokenType.CONTROL && !isShown(pieces.at(id));
  /** @param {number} id */
  const isSkipped = (id) => types[id] === TokenType.UNKNOWN || isHidden(id);

  /** @type {Tokenizer['bytes']} */
  function bytes(id, { skipSpecial = false } = {}) {
    check(id);
    const type = types[id];
    if (skipSpecial && isSkipped(id)) return new Uint8Array(0);
    const isName = type === TokenType.CONTROL || type === TokenType.UNKNOWN;
    return isName ? utf8.encode(pieces.at(id)) : bytesOf(pieces.at(id), type);
  }

  /** @type {Tokenizer['createDecoder']} */
  function createDecoder({ skipSpecial = false, atStart = true } = {}) {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    let dropSpace = atStart && hasSpaceAhead;
    return {
      push(id) {
        let piece = bytes(id, { skipSpecial });
        // What stands behind it is no more of the character before it.
        if (piece.length === 0) return skipSpecial && isSkipped(id) ? decoder.decode() : '';
        if (dropSpace && piece[0] === SPACE) piece = piece.subarray(1);
        dropSpace = false;
        return decoder.decode(piece, { stream: true });
      },
      flush() {
        dropSpace = atStart && hasSpaceAhead;
        return decoder.decode();
      },
    };
  }

  /** @type {Tokenizer['decode']} */
  function decode(tokens, { skipSpecial = false } = {}) {
    const decoder = createDecoder({ skipSpecial });
    let text = '';
    for (const id of tokens) text += decoder.push(id);
    return text + decoder.flush();
  }

  return {
    vocabularySize: pieces.length,
    encode,
    decode,
    bytes,
    createDecoder,
    isEndOfGeneration: (id) => endOfGeneration.has(id),
    isControl: (id) => types[id] === TokenType.CONTROL,
    isHidden,
    isMarker: (id) =>
      types[id] === TokenType.CONTROL ||
      types[id] === TokenType.UNKNOWN ||
      endOfGeneration.has(id) ||
      (types[id] === TokenType.USER_DEFINED && MARKER.test(pieces.at(id))),
    text: (id) => textOrNames(bytes(id)),
    ids,
    addBos,
    addEos,
    addSep,
    warnings,
  };
}

const MODELS = Object.freeze({
  llama: createSentencePieceModel,
  gpt2: createBpeModel,
  gemma4: createBpeModel,
  whitespace: createBpeModel,
  bert: createWordPieceModel,
  t5: createUnigramModel,
});

/** Whether pieces are written in GPT-2's signs for bytes. @param {Vocabulary} vocabulary */
const isSpelt = ({ merges, split }) => merges !== undefined && split.alphabet !== 'characters';

const SPACE = 0x20;
const MARKER = /^(<.+>|\[.+\])$/s;
const utf8 = new TextEncoder();

/** Bytes as text, those that are no characters by their names. @param {Uint8Array} bytes @returns {string} */
function textOrNames(bytes) {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
  if (isText(bytes, 0)) return decoder.decode(bytes);
  let text = '';
  for (let start = 0; start < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => isText(bytes.subarray(start, start + count), count));
    if (length === undefined) text += `<0x${bytes[start].toString(16).toUpperCase().padStart(2, '0')}>`;
    else text += decoder.decode(bytes.subarray(start, start + length));
    start += length ?? 1;
  }
  return text;

  /** @param {Uint8Array} part @param {number} least */
  function isText(part, least) {
    if (part.length < least) return false;
    try {
      decoder.decode(part);
      return true;
    } catch {
      return false;
    }
  }
}

/** @param {string} text */
const wellFormed = (text) => (/\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, '\uFFFD') : text);

/** @param {string} piece @param {number} type @returns {Uint8Array} */
function sentencePieceBytes(piece, type) {
  if (type === TokenType.BYTE) return Uint8Array.of(Number.parseInt(piece.slice(3, 5), 16));
  if (type === TokenType.UNUSED) return new Uint8Array(0);
  return utf8.encode(type === TokenType.USER_DEFINED ? piece : piece.replaceAll('▁', ' '));
}

/** @param {string} piece @param {number} type @returns {Uint8Array} */
function byteLevelBytes(piece, type) {
  if (type === TokenType.UNUSED) return new Uint8Array(0);
  if (type === TokenType.USER_DEFINED) return utf8.encode(piece);
  const output = [];
  for (const character of piece) {
    const byte = BYTE_OF_CHARACTER.get(character);
    if (byte !== undefined) output.push(byte);
    else for (const part of utf8.encode(character)) output.push(part);
  }
  return Uint8Array.from(output);
}

/** GPT-2's alphabet: printable Latin-1 stands for itself, the other bytes for characters from U+0100 on, in order. */
const BYTE_OF_CHARACTER = new Map(
  (() => {
    const printable = (/** @type {number} */ byte) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    let next = 0x100;
    return Array.from({ length: 256 }, (_, byte) => {
      return /** @type {[string, number]} */ ([String.fromCharCode(printable(byte) ? byte : next++), byte]);
    });
  })(),
);
