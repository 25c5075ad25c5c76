// nibble run: one prompt, one answer.
import { ENGINE, SAMPLING, UsageError } from './arguments.js';
import { CHAT, chatOptions } from './chat-options.js';
import { chatWarnings, loadEngine, samplingOptions, timingsLine } from './model.js';
import { withoutMark } from './plain-text.js';

/** @type {import('./arguments.js').Command} */
export default {
  bare: 'prompt',
  usage: '--prompt TEXT [OPTIONS]',
  examples: [
    'nibble run --prompt "Hello"',
    'nibble run -m model.gguf --raw -p "Once upon a time" -n 100',
    'nibble run -p - < prompt.txt',
  ],
  options: {
    prompt: {
      kind: 'text',
      short: 'p',
      value: 'TEXT',
      required: true,
      help: 'what to answer; - reads it from standard input',
    },
    system: { kind: 'text', value: 'TEXT', help: 'a system message before it' },
    raw: { kind: 'flag', help: "continue the prompt as plain text, without the model's chat template" },
    'no-parse': { kind: 'flag', help: 'with --raw: read the names of special tokens in the prompt as plain text' },
    ...CHAT,
    verbose: { kind: 'flag', short: 'v', help: 'tell what it took, on standard error' },
    ...ENGINE,
    ...SAMPLING,
  },

  async run({ values, terminal }) {
    if (values.raw && values.system !== undefined) throw new UsageError('--system has no place in a --raw prompt.');
    if (values['no-parse'] && !values.raw)
      throw new UsageError('--no-parse is for a --raw prompt; what is said in a chat is plain text anyway.');
    const sampling = { ...samplingOptions(values), ...(await chatOptions(values)) };
    const prompt = values.prompt === '-' ? withoutMark(await terminal.readInput()) : values.prompt;
    const engine = await loadEngine(values, terminal);
    try {
      const start = request(engine, prompt, values);
      const completion = engine.complete({ ...start, ...sampling, signal: terminal.interrupted });
      let last = '';
      for await (const { text } of completion) {
        if (values.json || text === '') continue;
        terminal.write(text);
        last = text;
      }
      const result = await completion.result;
      if (start.messages !== undefined) chatWarnings(engine, terminal)(result);
      if (values.json) terminal.json(result);
      else if (last !== '' && !last.endsWith('\n')) terminal.write('\n');
      if (values.verbose) terminal.note(timingsLine(result));
    } finally {
      await engine.unload();
    }
  },
};

/**
 * A chat where the model knows how to chat, or a system message asks for it; else plain text to continue.
 * @param {import('../client/engine.js').Engine} engine @param {string} prompt
 * @param {import('./arguments.js').Values} values
 * @returns {{ prompt: string, parseSpecial: boolean, messages?: undefined } | { messages: import('../prompt/messages.js').Message[] }}
 */
function request(engine, prompt, { raw, system, 'no-parse': noParse, 'template-file': template }) {
  const isChat = engine.info.chatTemplate === 'model' || system !== undefined || template !== undefined;
  const asChat = !raw && isChat;
  if (!asChat) return { prompt, parseSpecial: !noParse };
  const first = system === undefined ? [] : [{ role: 'system', content: system }];
  return { messages: [...first, { role: 'user', content: prompt }] };
}
