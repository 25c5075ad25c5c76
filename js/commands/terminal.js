// The terminal that a command talks to: output that may break off, progress, Ctrl-C.
import { NibbleError } from '../base/errors.js';
import { reasonOf } from '../base/system-errors.js';
import { plainJson, plainLine, plainText } from './plain-text.js';

// More than any context holds, and less than a string may have; what never ends would fill the memory.
const MOST_INPUT_BYTES = 256 << 20;

/** @param {string} what @param {number} most bytes */
export const inputTooLong = (what, most) =>
  new NibbleError(
    'INPUT_TOO_LONG',
    `${what} goes on behind ${most >> 20} MiB, and no more is read. Give it a text of fewer bytes.`,
    { details: { most } },
  );

/**
 * @typedef {ReturnType<typeof createTerminal>} Terminal
 *
 * @param {{ stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream, stdin: NodeJS.ReadStream }} streams
 * @returns the terminal; `interrupted` is the signal that Ctrl-C gives
 */
export function createTerminal({ stdout, stderr, stdin }) {
  const controller = new AbortController();
  const state = { line: '', broken: false, failure: /** @type {NibbleError | null} */ (null) };
  // Whoever read our output is gone (as in "| head"), or it cannot be stored: there is nobody left to work for.
  const onError = (/** @type {NodeJS.ErrnoException} */ cause) => {
    state.broken = true;
    if (cause.code !== 'EPIPE') {
      const message = `The output could not be written: ${reasonOf(cause)}.`;
      state.failure ??= new NibbleError('OUTPUT_FAILED', message, { cause });
    }
    controller.abort();
  };
  stdout.on('error', onError);
  stderr.on('error', onError);

  // A pipe gets all as it is.
  const plain = (/** @type {NodeJS.WriteStream} */ stream, /** @type {string} */ text) =>
    stream.isTTY ? plainText(text) : text;
  const clear = () => {
    if (state.line !== '') stderr.write(`\r${' '.repeat(state.line.length)}\r`);
    state.line = '';
  };
  return {
    stdin,
    stdout,
    interrupted: controller.signal,
    interrupt: () => controller.abort(),
    get broken() {
      return state.broken;
    },
    /** Why the output broke off, where its reader is not simply gone. */
    get failure() {
      return state.failure;
    },
    /** Waits until all output is written or has failed. */
    async flush() {
      await new Promise((resolve) => stdout.write('', () => resolve(undefined)));
      // A stream tells the callback first, and its 'error' event comes after that.
      await new Promise((resolve) => setImmediate(resolve));
    },
    /** @param {string} text */
    write(text) {
      clear();
      if (!state.broken) stdout.write(plain(stdout, text));
    },
    /** @param {any} value @param {{ oneLine?: boolean }} [how] */
    json(value, { oneLine = false } = {}) {
      this.write(`${plainJson(JSON.stringify(value, ofJson, oneLine ? 0 : 2))}\n`);
    },
    /** @param {string} text */
    note(text) {
      clear();
      if (!state.broken) stderr.write(`${plain(stderr, text)}\n`);
    },
    /** A last sentence, said even where the output has failed. @param {string} text */
    complain(text) {
      clear();
      if (!stderr.destroyed) stderr.write(`${plain(stderr, text)}\n`);
    },
    /** A line that the next one replaces; only where a person looks on. @param {string} text */
    progress(text) {
      if (!stderr.isTTY || state.broken) return;
      const line = plainLine(text).slice(0, (stderr.columns ?? 80) - 1);
      stderr.write(`\r${line.padEnd(state.line.length)}`);
      state.line = line;
    },
    clear,
    /** @throws {NibbleError} INPUT_TOO_LONG; CANCELLED by Ctrl-C, which does not wait for more of it */
    async readInput() {
      const { signal } = controller;
      let stop = () => {};
      /** @type {Promise<never>} */
      const stopped = new Promise((_resolve, reject) => {
        stop = () => reject(new NibbleError('CANCELLED', 'Reading the input was cancelled.'));
      });
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
      try {
        return await Promise.race([stopped, readAll(stdin)]);
      } finally {
        signal.removeEventListener('abort', stop);
        if (signal.aborted) stdin.destroy();
      }
    },
  };
}

/** @param {NodeJS.ReadStream} stdin @returns {Promise<string>} */
async function readAll(stdin) {
  /** @type {Buffer[]} */
  const pieces = [];
  let bytes = 0;
  for await (const given of stdin) {
    const piece = typeof given === 'string' ? Buffer.from(given) : given;
    bytes += piece.length;
    if (bytes > MOST_INPUT_BYTES) throw inputTooLong('The input', MOST_INPUT_BYTES);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** @param {string} _key @param {any} value */
function ofJson(_key, value) {
  if (typeof value === 'bigint') return value.toString();
  return ArrayBuffer.isView(value) ? Array.from(/** @type {Uint8Array} */ (value)) : value;
}
