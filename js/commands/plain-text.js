// What models, files and servers say, as text: on a terminal no character of it is a command.

// Of C0 all but tabs and line ends, DEL, and C1, which some terminals take for ESC and a letter.
const CONTROL = /(?![\t\n])\p{Cc}/gu;
const LINE_END = /\r\n?|[\n\u2028\u2029]/g;
const PICTURES = 0x2400;

/** The sign that stands for a control character: U+241B, a small ESC, for ESC. @param {string} character */
function pictureOf(character) {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(PICTURES + code);
  return code === 0x7f ? '\u2421' : '\ufffd';
}

/** Text without control characters but tabs and line ends: signs stand for the others. @param {string} text */
export const plainText = (text) => text.replaceAll('\r\n', '\n').replace(CONTROL, pictureOf);

/** The same on one line, for a cell of a table. @param {string} text */
export const plainLine = (text) => plainText(text.replace(LINE_END, '\u240a').replaceAll('\t', '\u2409'));

/** Text without the mark of the byte order that some programs write before it. @param {string} text */
export const withoutMark = (text) => (text.startsWith('\ufeff') ? text.slice(1) : text);

/** JSON in which the characters that terminals take for commands are escaped too, which JSON itself permits. @param {string} json */
export const plainJson = (json) =>
  json.replace(/(?!\n)\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
