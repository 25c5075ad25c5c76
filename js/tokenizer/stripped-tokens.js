// Special tokens that swallow the white space beside them. Files say it only by the names of models.

import { TokenType } from './token-types.js';

/** @typedef {import('./vocabulary.js').Vocabulary} Vocabulary */

const SPECIAL = [TokenType.CONTROL, TokenType.USER_DEFINED, TokenType.UNKNOWN];

/**
 * @param {import('./vocabulary.js').Metadata} metadata
 * @param {Vocabulary} vocabulary
 * @param {string} [pre] `tokenizer.ggml.pre`
 * @returns {import('./vocabulary.js').Stripped}
 */
export function findStripped(metadata, { pieces, types }, pre = '') {
  const text = (/** @type {string} */ key) => String(metadata.get(key) ?? '').toLowerCase();
  const name = text('general.name');
  const architecture = text('general.architecture');
  const only = (/** @type {string} */ piece) => new Set([pieces.get(piece) ?? -1]);
  /** @type {Set<number>} */
  const right = new Set();
  if (/jina-v2-(de|es|code)/.test(pre) || /nomic-bert-moe|jina-bert-v3/.test(architecture)) {
    return { left: only('<mask>'), right };
  }
  if (name.includes('modern-bert')) return { left: only('[MASK]'), right };
  if (/phi-?3/.test(name)) {
    for (let id = 0; id < pieces.length; id++) if (SPECIAL.includes(/** @type {any} */ (types[id]))) right.add(id);
    for (const piece of ['<unk>', '<s>', '<|endoftext|>']) right.delete(/** @type {number} */ (pieces.get(piece)));
  }
  return { left: new Set(), right };
}
