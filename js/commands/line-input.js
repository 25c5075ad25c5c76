// Lines that a person types, or that come through a pipe. While the line before is being answered, what a person types
// is not echoed into the answer: it shows at the next prompt.
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { linesOf, onOneLine, withPastes } from './paste.js';
import { plainText, withoutMark } from './plain-text.js';
import { inputTooLong } from './terminal.js';
import { holdTerminalModes } from './terminal-modes.js';

const PROMPT = '> ';
// Far more than any context holds; what never ends a line would fill the memory.
const MOST_LINE_BYTES = 64 << 20;
// Lines that wait to be answered: where a pipe has more, it waits.
const MOST_WAITING = 64;

/**
 * The terminal as readline sees it: silent where `isQuiet` says so.
 * @param {NodeJS.WriteStream} stdout @param {() => boolean} isQuiet
 */
function echoOf(stdout, isQuiet) {
  const echo = new Writable({
    write(piece, _encoding, done) {
      if (!isQuiet()) stdout.write(piece);
      done();
    },
  });
  Object.defineProperty(echo, 'columns', { get: () => stdout.columns });
  return echo;
}

/**
 * @param {{ stdin: NodeJS.ReadStream, stdout: NodeJS.WriteStream, person: boolean, onInterrupt: () => void,
 *   onEnd: () => void }} options `onInterrupt`: Ctrl-C on an empty line, or while a line is answered; `onEnd`: Ctrl-D,
 *   or the end of the input
 */
export function createLineInput({ stdin, stdout, person, onInterrupt, onEnd }) {
  /** @type {{ text: string, unseen: boolean }[]} */
  const waiting = [];
  let failure = /** @type {Error | null} */ (null);
  let answering = false;
  let ended = false;
  let wake = () => {};
  const output = person ? echoOf(stdout, () => answering) : undefined;
  const pastes = person ? withPastes(stdin, () => !answering) : null;
  const lines = createInterface({ input: pastes?.input ?? stdin, output, terminal: person, prompt: PROMPT });
  const modes = person ? holdTerminalModes({ stdin, stdout, onBack: showAgain }) : null;
  lines.on('SIGTSTP', () => modes?.stop());
  const resized = () => output?.emit('resize');
  stdout.on('resize', resized);

  let isFirst = true;
  lines.on('line', (text) => {
    const piped = isFirst ? withoutMark(text) : text;
    isFirst = false;
    waiting.push({ text: person ? linesOf(text) : piped, unseen: answering });
    if (!person && waiting.length >= MOST_WAITING) lines.pause();
    wake();
  });
  let lineBytes = 0;
  const count = (/** @type {string | Buffer} */ piece) => {
    const end = piece.lastIndexOf('\n');
    lineBytes = end < 0 ? lineBytes + piece.length : piece.length - end - 1;
    if (lineBytes <= MOST_LINE_BYTES) return;
    failure = inputTooLong('A line of the input', MOST_LINE_BYTES);
    waiting.length = 0;
    lines.close();
  };
  if (!person) stdin.on('data', count);
  lines.on('close', () => {
    ended = true;
    stdin.off('data', count);
    stdout.off('resize', resized);
    pastes?.close();
    modes?.close();
    onEnd();
    wake();
  });
  lines.on('SIGINT', () => {
    if (answering || lines.line === '') onInterrupt();
    else clearLine();
  });

  /** What is being typed, behind what a shell has written meanwhile. */
  function showAgain() {
    // None of its rows are above the cursor any more.
    Object.assign(lines, { prevRows: 0 });
    if (!answering) lines.prompt(true);
  }

  function clearLine() {
    answering = true;
    lines.write(null, { ctrl: true, name: 'e' });
    lines.write(null, { ctrl: true, name: 'u' });
    answering = false;
    stdout.write('\n');
    lines.prompt();
  }

  return {
    /** The prompt again, on a line of its own. */
    prompt: () => {
      if (person && !ended) lines.prompt();
    },
    /**
     * The next line, after a prompt; null at the end. Until it is asked for the next, the last one is being answered.
     * @throws {NibbleError} INPUT_TOO_LONG where a line has no end
     */
    async next() {
      answering = false;
      // What was typed so far stays, behind the new prompt.
      if (person && !ended && waiting.length === 0) lines.prompt(true);
      while (waiting.length === 0 && !ended) {
        if (!person) lines.resume();
        await new Promise((resolve) => {
          wake = () => resolve(undefined);
        });
      }
      if (failure !== null) throw failure;
      const line = waiting.shift();
      if (line === undefined) return null;
      if (person && line.unseen) stdout.write(`${PROMPT}${plainText(onOneLine(line.text))}\n`);
      answering = true;
      return line.text;
    },
    /** Drops what was not asked for, and ends. */
    close() {
      waiting.length = 0;
      if (!ended) lines.close();
    },
  };
}
