// What is pasted into a terminal is text: its line ends do not send it line by line, and its control characters are no
// keys. A terminal that is asked to brackets what is pasted; of another one, several lines that come at once are a paste.
import { PassThrough } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { plainText } from './plain-text.js';

/** Asks a terminal for brackets, and for none any more. */
export const BRACKETS = Object.freeze({ on: '\x1b[?2004h', off: '\x1b[?2004l' });

const START = '\x1b[200~';
const END = '\x1b[201~';
// Stands for the end of a line within what is typed, which readline keeps on one line: U+240A, a small LF.
const MARK = '\u240a';
// In this time the rest of a paste comes that did not come at once.
const REST_MILLISECONDS = 25;

/** What was typed, with its lines. @param {string} line as readline gives it */
export const linesOf = (line) => line.replaceAll(MARK, '\n');

/** What was typed, on one line. @param {string} text */
export const onOneLine = (text) => text.replace(/\r\n?|\n/g, MARK);

/** @param {string} text */
const marked = (text) => plainText(onOneLine(text));

/**
 * Whether keys come one by one. A terminal that was closed has no modes any more, and is left alone.
 * @param {NodeJS.ReadStream} stdin
 * @param {boolean} raw
 */
export function setRawMode(stdin, raw) {
  try {
    stdin.setRawMode?.(raw);
  } catch {
    // It was closed.
  }
}

/**
 * The keys of a terminal as readline is to see them.
 * @param {NodeJS.ReadStream} stdin
 * @param {() => boolean} mayBurst whether several lines at once are a paste now; where somebody types ahead, they are not
 * @returns {{ input: PassThrough, close: () => void }}
 */
export function withPastes(stdin, mayBurst) {
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (/** @type {boolean} */ raw) => setRawMode(stdin, raw),
  });
  const decoder = new StringDecoder('utf8');
  let waiting = '';
  let pasted = /** @type {string | null} */ (null);
  /** @type {NodeJS.Timeout | undefined} */
  let timer;

  /** Takes what has come as far as it is clear what it is. @param {boolean} isAll nothing more comes with it */
  function take(isAll) {
    for (;;) {
      const border = pasted === null ? START : END;
      const at = waiting.indexOf(border);
      if (at < 0) break;
      give(waiting.slice(0, at));
      waiting = waiting.slice(at + border.length);
      if (pasted !== null) input.write(marked(pasted));
      pasted = pasted === null ? '' : null;
    }
    const kept = beginningOf(pasted === null ? START : END, waiting);
    // Where nothing follows an ESC, it is the key.
    const rest = isAll && pasted === null ? '' : kept;
    give(waiting.slice(0, waiting.length - rest.length));
    waiting = rest;
  }

  /** @param {string} text */
  function give(text) {
    if (pasted !== null) pasted += text;
    else if (text !== '') input.write(mayBurst() ? burst(text) : text);
  }

  const onData = (/** @type {string | Buffer} */ piece) => {
    waiting += typeof piece === 'string' ? piece : decoder.write(piece);
    clearTimeout(timer);
    // Several lines at once may be the beginning of more, and an ESC that of a bracket.
    if (pasted !== null || !mayBurst() || !isBurst(waiting)) take(false);
    if (pasted === null && waiting !== '') timer = setTimeout(take, REST_MILLISECONDS, true);
  };
  const onEnd = () => {
    clearTimeout(timer);
    take(true);
    input.end();
  };
  stdin.on('data', onData);
  stdin.once('end', onEnd);
  return {
    input,
    close() {
      clearTimeout(timer);
      stdin.off('data', onData);
      stdin.off('end', onEnd);
      stdin.pause();
    },
  };
}

/** The end of a text that may be the beginning of a border. @param {string} border @param {string} text */
function beginningOf(border, text) {
  for (let length = Math.min(border.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(border.slice(0, length))) return text.slice(text.length - length);
  }
  return '';
}

/**
 * Whether line ends stand within what came at once; a person presses Enter at its end only. Commands are sent one by one.
 * @param {string} text
 */
const isBurst = (text) => /[\r\n][^\r\n]/.test(text) && !text.includes(START) && !text.startsWith('/');

/** @param {string} text */
function burst(text) {
  if (!isBurst(text)) return text;
  const [, lines, enter] = /** @type {RegExpExecArray} */ (/^(.*[^\r\n])([\r\n]*)$/s.exec(text));
  return marked(lines) + (enter === '' ? '' : '\r');
}
