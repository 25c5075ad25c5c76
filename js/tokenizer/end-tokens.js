// Which tokens end an answer, by the rules of llama.cpp: files name one or two of them in keys, and the others are known by
// how they are written.

import { TokenType } from './token-types.js';

/** @typedef {import('./vocabulary.js').Vocabulary} Vocabulary */

const END_OF_TURN = [
  ...['<|eot_id|>', '<|im_end|>', '<|end|>', '<end_of_turn>', '<|endoftext|>', '<|end_of_text|>', '<EOT>', '_<EOT>'],
  ...['[EOT]', '<｜end▁of▁sentence｜>', '<end_of_utterance>'],
];
const END_OF_GENERATION = [
  ...END_OF_TURN,
  ...['<|return|>', '<|call|>', '<|flush|>', '<|calls|>', '</s>', '<|eom_id|>', '[EOS]', '<eos>', '<turn|>'],
  ...['<|tool_response>', '[e~['],
];
const ALWAYS_SHOWN = ['<|channel|>', '<|message|>', '<|start|>', '<|constrain|>'];

/**
 * What code is filled in with: where the file has no key for one, the first of these is it. Filling is over at three of
 * them; the others are control tokens, and no more.
 * @type {[key: string, ends: boolean, pieces: string[]][]}
 */
const FILLING = [
  [
    'fim_pre',
    false,
    [
      ...['<|fim_prefix|>', '<fim-prefix>', '<fim_prefix>', '<｜fim▁begin｜>', '<PRE>', '▁<PRE>', '<|code_prefix|>'],
      '<|prefix|>',
    ],
  ],
  [
    'fim_suf',
    false,
    [
      ...['<|fim_suffix|>', '<fim-suffix>', '<fim_suffix>', '<｜fim▁hole｜>', '<SUF>', '▁<SUF>', '<|code_suffix|>'],
      '<|suffix|>',
    ],
  ],
  [
    'fim_mid',
    false,
    [
      ...['<|fim_middle|>', '<fim-middle>', '<fim_middle>', '<｜fim▁end｜>', '<MID>', '▁<MID>', '<|code_middle|>'],
      '<|middle|>',
    ],
  ],
  ['fim_pad', true, ['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]']],
  ['fim_rep', true, ['<|fim_repo|>', '<|repo_name|>', '<fim-repo>', '<REPO>', '<reponame>']],
  ['fim_sep', true, ['<|file_sep|>']],
];

/**
 * Finds the tokens that end an answer, and puts right the types of tokens that are control tokens by how they are written.
 * @param {Vocabulary} vocabulary
 * @param {(name: string) => number | undefined} named the id that the file has for a name
 */
export function findEndTokens({ pieces, types, ids, endOfGeneration }, named) {
  const control = (/** @type {number} */ id) => {
    types[id] = TokenType.CONTROL;
    return id;
  };
  for (const piece of END_OF_TURN) ids.eot ??= pieces.get(piece);
  for (const [key, ends, names] of FILLING) {
    let id = named(key);
    if (id === undefined) {
      id = names.map((name) => pieces.get(name)).find((found) => found !== undefined);
      if (id !== undefined) control(id);
    }
    if (ends && id !== undefined) endOfGeneration.add(id);
  }
  for (const piece of END_OF_GENERATION) {
    const id = pieces.get(piece);
    if (id !== undefined) endOfGeneration.add(control(id));
  }
  for (const id of [ids.eos, ids.eot, named('eom')]) if (id !== undefined) endOfGeneration.add(id);
  for (const piece of ALWAYS_SHOWN) setType(pieces.get(piece), TokenType.USER_DEFINED);
  // Formats in which <|end|> or </s> closes one part of an answer and not the answer.
  const ends = (/** @type {string} */ piece) => endOfGeneration.has(/** @type {number} */ (pieces.get(piece)));
  const calls = ends('<|call|>') || ends('<|calls|>');
  if (calls && (ends('<|return|>') || ends('<|flush|>'))) demote(pieces.get('<|end|>'), TokenType.USER_DEFINED);
  if (ends('<|tool_response>')) demote(pieces.get('</s>'), TokenType.NORMAL);

  /** @param {number | undefined} id @param {number} type */
  function demote(id, type) {
    if (id !== undefined) endOfGeneration.delete(id);
    setType(id, type);
  }

  /** @param {number | undefined} id @param {number} type */
  function setType(id, type) {
    if (id !== undefined) types[id] = type;
  }
}
