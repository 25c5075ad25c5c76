// What is used of @huggingface/tokenizers, with its types: its own declarations name files in a way that Node does not find.

import * as library from '@huggingface/tokenizers';

/**
 * @typedef {object} PairNode a piece of a word, as the library links them
 * @property {string} token
 * @property {PairNode} next
 * @property {number} bias
 * @property {number} score
 *
 * @typedef {{ push: (node: PairNode) => void }} Queue
 * @typedef {{ max_length_to_cache: number, bpe(word: string): string[], add_node(queue: Queue, node: PairNode): void }} Bpe
 *
 * @typedef {{ pre_tokenize: (text: string | string[]) => string[], pre_tokenize_text: (text: string) => string[] }} PreTokenizer
 *
 * @typedef {object} Library
 * @property {new (config: object) => Bpe} BPE
 * @property {new (config: object) => PreTokenizer} ByteLevelPreTokenizer
 * @property {new (config: object) => PreTokenizer} SplitPreTokenizer
 */

export const BPE = /** @type {Library} */ (/** @type {unknown} */ (library)).BPE;
export const ByteLevelPreTokenizer = /** @type {Library} */ (/** @type {unknown} */ (library)).ByteLevelPreTokenizer;
export const SplitPreTokenizer = /** @type {Library} */ (/** @type {unknown} */ (library)).SplitPreTokenizer;
