// A program that a test starts and that ends with the test, whatever happens.
import { spawn } from 'node:child_process';

const END_MILLISECONDS = 3000;
/** @type {Record<string, number>} */
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

export class ChildProcess {
  /** @type {import('node:child_process').ChildProcess} */
  #process;
  /** @type {Promise<unknown>} */
  #ended;
  #output = '';
  #abandon = () => this.#signal('SIGTERM');
  #interrupt = (/** @type {string} */ name) => {
    this.#signal('SIGTERM');
    process.exit(128 + SIGNALS[name]);
  };

  /**
   * Starts a program in a process group of its own, so that what it starts ends with it.
   * @param {string} command
   * @param {string[]} args
   * @param {{ env?: NodeJS.ProcessEnv, pipe?: boolean, cwd?: string }} [options] `pipe`: its file descriptor 3 can be read
   */
  constructor(command, args, { env = process.env, pipe = false, cwd } = {}) {
    this.command = command;
    /** @type {import('node:child_process').StdioOptions} */
    const stdio = ['ignore', 'pipe', 'pipe', ...(pipe ? [/** @type {const} */ ('pipe')] : [])];
    this.#process = spawn(command, args, { env, stdio, cwd, detached: true });
    this.#ended = new Promise((resolve) => {
      this.#process.once('exit', resolve);
      this.#process.once('error', resolve);
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (bytes) => {
        this.#output = (this.#output + bytes).slice(-2000);
      });
    }
    process.once('exit', this.#abandon);
    for (const name of Object.keys(SIGNALS)) process.once(name, this.#interrupt);
  }

  /** Its number among the system's processes; undefined where it could not be started. */
  get id() {
    return this.#process.pid;
  }

  /** Resolves once it has ended. @returns {Promise<unknown>} */
  get ended() {
    return this.#ended;
  }

  /** What it printed last. */
  get output() {
    return this.#output.trim();
  }

  /** Whether it still runs. */
  get runs() {
    return this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** The first line that it writes to its file descriptor 3. @returns {Promise<string>} rejects where it ends before */
  async firstLine() {
    let text = '';
    /** @type {Promise<string>} */
    const line = new Promise((resolve) => {
      this.#process.stdio[3]?.on('data', (bytes) => {
        text += bytes;
        if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
      });
    });
    const early = this.#ended.then(() => {
      throw new Error(`${this.command} ended before it was ready: ${this.output}`);
    });
    return Promise.race([line, early]);
  }

  /** Asks it to end, and ends it by force where it does not. May be called twice. */
  async end() {
    this.#signal('SIGTERM');
    const timer = setTimeout(() => this.#signal('SIGKILL'), END_MILLISECONDS);
    await this.#ended;
    clearTimeout(timer);
    // Whatever it started and left behind.
    this.#signal('SIGKILL');
    process.off('exit', this.#abandon);
    for (const name of Object.keys(SIGNALS)) process.off(name, this.#interrupt);
  }

  /** @param {NodeJS.Signals} name */
  #signal(name) {
    if (this.#process.pid === undefined) return;
    try {
      process.kill(-this.#process.pid, name);
    } catch {
      // The group has ended.
    }
  }
}
