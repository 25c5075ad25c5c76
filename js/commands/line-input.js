// Lines that a person types, or that come through a pipe. While the line before is being answered, what a person types
// is not echoed into the answer: it shows at the next prompt.
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { BRACKETS, linesOf, onOneLine, withPastes } from './paste.js';
import { plainText } from './plain-text.js';

const PROMPT = '> ';

/** The terminal as readline sees it: silent where `isQuiet` says so. */
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
  const waiting = [];
  let answering = false;
  let ended = false;
  let wake = () => {};
  const output = person ? echoOf(stdout, () => answering) : undefined;
  const pastes = person ? withPastes(stdin, () => !answering) : null;
  const lines = createInterface({ input: pastes?.input ?? stdin, output, terminal: person, prompt: PROMPT });
  const hasBrackets = person && stdout.isTTY === true;
  if (hasBrackets) stdout.write(BRACKETS.on);
  const resized = () => output?.emit('resize');
  stdout.on('resize', resized);

  lines.on('line', (text) => {
    waiting.push({ text: person ? linesOf(text) : text, unseen: answering });
    wake();
  });
  lines.on('close', () => {
    ended = true;
    stdout.off('resize', resized);
    pastes?.close();
    if (hasBrackets) stdout.write(BRACKETS.off);
    onEnd();
    wake();
  });
  lines.on('SIGINT', () => {
    if (answering || lines.line === '') onInterrupt();
    else clearLine();
  });

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
    /** The next line, after a prompt; null at the end. Until it is asked for the next, the last one is being answered. */
    async next() {
      answering = false;
      // What was typed so far stays, behind the new prompt.
      if (person && !ended && waiting.length === 0) lines.prompt(true);
      while (waiting.length === 0 && !ended) {
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
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
