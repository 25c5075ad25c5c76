// nibble chat: a conversation in the terminal.
import { ENGINE, SAMPLING, UsageError } from './arguments.js';
import { CHAT, chatOptions } from './chat-options.js';
import { createLineInput } from './line-input.js';
import { chatWarnings, loadEngine, samplingOptions, timingsLine } from './model.js';
import { sentence } from './sentences.js';

const HELP = [
  '/system TEXT  set the system message (without TEXT: none) and begin anew',
  '/reset        begin anew',
  '/help         this list',
  '/exit         leave; so does Ctrl-D, or Ctrl-C twice. Ctrl-C during an answer stops the answer,',
  '              and while you type it clears the line.',
].join('\n');

/** @type {import('./arguments.js').Command} */
export default {
  positionals: 'FILE',
  usage: '[FILE] [OPTIONS]',
  examples: [
    'nibble chat',
    'nibble chat model.gguf --system "Answer in one sentence."',
    'nibble chat hf.co/OWNER/NAME',
    'nibble chat OWNER/NAME:Q4_K_M --store models-cache',
  ],
  ownInterrupts: true,
  options: {
    system: { kind: 'text', value: 'TEXT', help: 'a system message to begin with' },
    'on-full': {
      kind: 'text',
      value: 'WAY',
      choices: ['stop', 'drop-oldest'],
      default: 'stop',
      help: 'where the context is full: stop, or drop-oldest, which leaves the oldest messages out and goes on',
    },
    ...CHAT,
    verbose: { kind: 'flag', short: 'v', help: 'tell what each answer took' },
    ...ENGINE,
    ...SAMPLING,
  },

  async run({ values: given, positionals, terminal }) {
    if (positionals.length > 1 || (positionals.length === 1 && given.model !== undefined)) {
      throw new UsageError(`One model at a time, please: ${positionals.map((word) => `"${word}"`).join(', ')}.`);
    }
    /** @type {import('./arguments.js').Values} */
    const values = { ...given, model: positionals[0] ?? given.model };
    const sampling = { ...samplingOptions(values), ...(await chatOptions(values)) };
    const stopLoading = () => terminal.interrupt();
    process.once('SIGINT', stopLoading);
    const engine = await loadEngine(values, terminal);
    process.off('SIGINT', stopLoading);
    try {
      if (terminal.stdin.isTTY && !values.json) {
        const { name, threads, contextSize } = engine.info;
        terminal.note(`${name}: ${contextSize} tokens of context, ${threads} threads. /help lists the commands.`);
      }
      const failures = await new Conversation(engine, { ...values, sampling }, terminal).run();
      // A person has seen what had no answer.
      return failures > 0 && !(terminal.stdin.isTTY && !values.json) ? 1 : 0;
    } finally {
      await engine.unload();
    }
  },
};

/** One chat; `values` are the command's, with its sampling options as those of engine.complete(). */
export class Conversation {
  #engine;
  #values;
  #terminal;
  /** Once run() has begun. @type {ReturnType<typeof createLineInput> | null} */
  #lines = null;
  /** @type {import('../index.node.js').Completion | null} */
  #completion = null;
  #leaving = false;
  /** @type {import('../index.node.js').Message[]} */
  #messages = [];
  #system;
  #warn;
  #failures = 0;
  #isFull = false;

  /**
   * @param {import('../index.node.js').Engine} engine @param {import('./arguments.js').Values} values
   * @param {import('./terminal.js').Terminal} terminal
   */
  constructor(engine, values, terminal) {
    this.#engine = engine;
    this.#values = values;
    this.#terminal = terminal;
    this.#system = values.system;
    this.#warn = chatWarnings(engine, terminal);
    this.#reset();
  }

  /** Reads lines until the end of the input. @returns {Promise<number>} how many questions had no answer */
  async run() {
    const { stdin, stdout } = this.#terminal;
    const person = stdin.isTTY === true && !this.#values.json;
    const interrupt = () => (stdin.isTTY ? this.#interrupt() : this.#breakOff());
    // A person who ends the input wants to leave; a pipe has only been read to its end.
    const onEnd = () => {
      if (person) this.#leave();
    };
    const lines = createLineInput({ stdin, stdout, person, onInterrupt: interrupt, onEnd });
    this.#lines = lines;
    process.on('SIGINT', interrupt);
    const { interrupted } = this.#terminal;
    interrupted.addEventListener('abort', () => this.#leave(), { once: true });
    if (interrupted.aborted) this.#leave();
    try {
      for (let line = await lines.next(); line !== null; line = await lines.next()) {
        this.#leaving = false;
        if (!(await this.#take(line))) break;
      }
      if (person) this.#terminal.write('\n');
      return this.#failures;
    } finally {
      process.off('SIGINT', interrupt);
      lines.close();
    }
  }

  #reset() {
    this.#isFull = false;
    this.#messages = this.#system ? [{ role: 'system', content: this.#system }] : [];
  }

  #interrupt() {
    if (this.#completion !== null) {
      this.#completion.stop();
    } else if (this.#leaving) {
      this.#leave();
    } else {
      this.#leaving = true;
      this.#terminal.note('\n(Ctrl-C again, or Ctrl-D, leaves.)');
      this.#lines?.prompt();
    }
  }

  /** Nobody types the questions: Ctrl-C is meant for all of them. A second one does not wait for the answer's end. */
  #breakOff() {
    if (this.#terminal.interrupted.aborted) process.exit(130);
    this.#terminal.interrupt();
  }

  #leave() {
    this.#lines?.close();
    this.#completion?.stop();
  }

  /** One line of input; false where it ends the chat. @param {string} line */
  async #take(line) {
    // What has several lines was pasted, and is a question whatever it begins with.
    if (line.trim().includes('\n')) {
      await this.#answer(line);
      return !this.#terminal.broken;
    }
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === '') return true;
    if (word === '/exit' || word === '/quit') return false;
    if (word === '/help') this.#terminal.note(HELP);
    else if (word === '/reset') this.#reset();
    else if (word === '/system') {
      this.#system = rest.join(' ');
      this.#reset();
    } else if (/^\/[a-z]+$/.test(word)) this.#refuse('USAGE', `There is no command ${word}; /help lists them.`);
    else await this.#answer(line);
    return !this.#terminal.broken;
  }

  /**
   * A line that has no answer. Whoever reads JSON gets one for each line that is neither empty nor a command.
   * @param {string} code @param {string} message
   */
  #refuse(code, message) {
    this.#failures++;
    if (this.#values.json) this.#terminal.json({ error: { code, message } }, { oneLine: true });
    else this.#terminal.note(code === 'USAGE' ? message : `nibble: ${code}: ${message}`);
  }

  /** Once: from then on every answer leaves something out. @param {number} count */
  #tellFull(count) {
    if (this.#isFull) return;
    this.#isFull = true;
    const left = count === 1 ? 'oldest message was' : `oldest ${count} messages were`;
    this.#terminal.note(
      `(The context is full: the ${left} left out, as older ones will be from now on. /reset begins anew.)`,
    );
  }

  /** @param {string} question */
  async #answer(question) {
    const terminal = this.#terminal;
    this.#messages.push({ role: 'user', content: question });
    try {
      const onFull = this.#values['on-full'];
      const completion = this.#engine.complete({ messages: this.#messages, onFull, ...this.#values.sampling });
      this.#completion = completion;
      for await (const { text } of completion) if (!this.#values.json) terminal.write(text);
      const result = await completion.result;
      this.#warn(result);
      this.#messages.push({ role: 'assistant', content: result.text });
      if (this.#values.json) terminal.json({ role: 'assistant', content: result.text, ...result }, { oneLine: true });
      else terminal.write('\n');
      if (result.finishReason === 'context') terminal.note('(The context is full; /reset begins anew.)');
      if (result.droppedMessages > 0) this.#tellFull(result.droppedMessages);
      if (this.#values.verbose) terminal.note(timingsLine(result));
    } catch (thrown) {
      const error = /** @type {import('../index.node.js').NibbleError} */ (thrown);
      this.#messages.pop();
      // A question that does not fit should not end the conversation.
      if (error.code !== 'CONTEXT_FULL' && error.code !== 'CHAT_TEMPLATE_FAILED') throw error;
      this.#refuse(error.code, sentence(error, undefined, { inChat: true }));
    } finally {
      this.#completion = null;
    }
  }
}
