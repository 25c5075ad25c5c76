// Tokens of the long texts that came last: a prompt is counted, fitted and read, and what a message says stands in the
// prompts of all later turns. Each is a text between two special tokens, so it has the same tokens wherever it stands.

// What is shorter is encoded again in less than a millisecond.
const LEAST_CHARACTERS = 1000;
const MOST_TEXTS = 8;
// Of all of them, but for the last, which may be longer.
const MOST_CHARACTERS = 1 << 20;

/** @typedef {(text: string, output: number[]) => void} EncodeText adds the tokens of a text without special ones */

/** @param {EncodeText} encode @returns {EncodeText} the same */
export function remembering(encode) {
  // Those that were used last stand at the end.
  /** @type {Map<string, Uint32Array>} */
  const known = new Map();
  let characters = 0;

  /** @param {string} text @param {Uint32Array} ids */
  function remember(text, ids) {
    known.set(text, ids);
    characters += text.length;
    for (const [oldest] of known) {
      if (known.size === 1 || (known.size <= MOST_TEXTS && characters <= MOST_CHARACTERS)) break;
      known.delete(oldest);
      characters -= oldest.length;
    }
  }

  /** @param {string} text */
  function encodeAlone(text) {
    /** @type {number[]} */
    const ids = [];
    encode(text, ids);
    return Uint32Array.from(ids);
  }

  return (text, output) => {
    if (text.length < LEAST_CHARACTERS) {
      encode(text, output);
      return;
    }
    const before = known.get(text);
    if (known.delete(text)) characters -= text.length;
    const ids = before ?? encodeAlone(text);
    remember(text, ids);
    for (const id of ids) output.push(id);
  };
}
