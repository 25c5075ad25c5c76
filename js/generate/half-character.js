// An answer that is cut off may end within a character, whose bytes are tokens of their own. It is no text yet, so it
// would be lost where the answer is continued from its text; and one that is cut after every few tokens would never get
// past it.

/**
 * @typedef {object} HalfCharacter
 * @property {number[]} before all tokens before it, the prompt's included
 * @property {number[]} tokens its own
 */

/**
 * The character that tokens end within; null where they end with a whole one, or where a token has part of another too.
 * @param {import('../tokenizer/tokenizer.js').Tokenizer | null} tokenizer
 * @param {number[]} tokens
 * @returns {HalfCharacter | null}
 */
export function halfCharacterAt(tokenizer, tokens) {
  for (let count = 1; count <= Math.min(3, tokens.length) && tokenizer !== null; count++) {
    const last = tokens.slice(-count);
    // A control token ends the character before it, as it is.
    if (tokenizer.isControl(last[0])) return null;
    const bytes = last.flatMap((token) => [...tokenizer.bytes(token, { skipSpecial: true })]);
    if (isBegun(bytes)) return { before: tokens.slice(0, -count), tokens: last };
  }
  return null;
}

/** Whether bytes are the beginning of a character in UTF-8, and not all of it. @param {number[]} bytes */
function isBegun([first, ...rest]) {
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  return first <= 0xf4 && rest.length + 1 < length && rest.every((byte) => byte >= 0x80 && byte < 0xc0);
}

/**
 * A prompt that goes on from an answer's text, with the half character behind that; as it is where that is another one's.
 * @param {number[]} prompt
 * @param {HalfCharacter | null} half
 * @param {number} most tokens that there is room for
 */
export function withHalfCharacter(prompt, half, most) {
  const fits =
    half !== null &&
    half.before.length === prompt.length &&
    prompt.length + half.tokens.length <= most &&
    prompt.every((token, place) => token === half.before[place]);
  return fits ? [...prompt, ...half.tokens] : prompt;
}
