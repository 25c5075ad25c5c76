// A model whose next token depends on its last one alone, as a script says: for tests of what is made of the tokens. Its
// tokens are the 256 bytes, `special` ones from id 256 on, and letters up to a whole number of blocks.
import { ggufBytes } from './gguf-writer.js';
import { metadata, tensors } from './random-model.js';

/** @typedef {import('./gguf-writer.js').KeyValue} KeyValue */

/** Values of `tokenizer.ggml.token_type`. */
export const TYPES = Object.freeze({ normal: 1, control: 3, userDefined: 4 });

export const BEGIN = 256;
export const END = 257;

/** A template whose turns end with <|end|>, and whose roles are text. */
export const TEMPLATE =
  "{% for m in messages %}{{ m['role'] + ':' + m['content'] + '<|end|>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";

/**
 * @param {object} what
 * @param {(token: number) => Record<number, number>} what.script
 * @param {{ text: string, type: number }[]} [what.special]
 * @param {string | null} [what.template]
 * @param {number | null} [what.nanAfter]
 * @param {KeyValue[]} [what.more]
 *   script: for the last token the logits of those that may come next, the others have 0; special: from id 258 on;
 *   nanAfter: a token behind which all logits are NaN, though every weight is a finite number; behind the next one all are
 *   -Infinity; more: keys of the file, in the place of its own of the same name
 * @returns {Buffer} the file
 */
export function scriptedModel({ script, special = [], template = TEMPLATE, nanAfter = null, more = [] }) {
  const count = Math.ceil((258 + special.length) / 32) * 32;
  const shape = {
    ...{ name: 'scripted', context: 512, layers: 1, ffn: 32, heads: count / 32, kvHeads: 1, headSize: 32 },
    ...{ width: count, vocabulary: count, tied: false, epsilon: 1e-6, ropeBase: 10000 },
  };
  /** @param {KeyValue} entry @returns {KeyValue} */
  const extended = ([key, type, value]) => {
    const parts = special.map((token) => (key.endsWith('.tokens') ? token.text : token.type));
    if (/\.tokens$|\.token_type$/.test(key)) return [key, type, value.toSpliced(258, parts.length, ...parts)];
    return [key, type, value];
  };
  const entries = metadata(shape).map(extended);
  if (template !== null) entries.push(['tokenizer.chat_template', 'string', template]);
  const replaced = more.map(([key]) => key);
  return ggufBytes({
    metadata: [...entries.filter(([key]) => !replaced.includes(key)), ...more],
    tensors: tensors(shape, () => 'f32'),
    produce: ({ name, shape: size }) => [bytesOf(name, size, { script, nanAfter }, count)],
  });
}

// Every token has a column of its own in the embedding; the norm before the output makes it as long as the square root
// of the width; all that lies between is 0.
/**
 * @param {string} name
 * @param {number[]} size
 * @param {{ script: (token: number) => Record<number, number>, nanAfter: number | null }} options
 * @param {number} count
 */
function bytesOf(name, size, { script, nanAfter }, count) {
  const values = new Float32Array(size.reduce((product, length) => product * length, 1));
  if (name.includes('norm')) values.fill(1);
  for (let token = 0; token < count && name === 'token_embd.weight'; token++) values[token * count + token] = 1;
  for (let token = 0; token < count && name === 'output.weight'; token++) {
    for (const [next, logit] of Object.entries(script(token))) {
      values[Number(next) * count + token] = logit / Math.sqrt(count);
    }
  }
  if (nanAfter !== null) spoil(name, values, nanAfter, count);
  return new Uint8Array(values.buffer);
}

// The token has two columns, whose products with every row of the output are infinite, one of either sign.
/** @param {string} name @param {Float32Array<ArrayBuffer>} values @param {number} token @param {number} count */
function spoil(name, values, token, count) {
  if (name === 'token_embd.weight') values[token * count + token + 1] = 1;
  for (let row = 0; row < count && name === 'output.weight'; row++) {
    values[row * count + token] = 3e38;
    values[row * count + token + 1] = -3e38;
  }
}
