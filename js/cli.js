#!/usr/bin/env node
// The command line. Exit codes: 0 done, 1 an error, 2 used wrongly, 130 stopped by Ctrl-C.
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COMMON, didYouMean, help, parse, UsageError } from './commands/arguments.js';
import { plainJson } from './commands/plain-text.js';
import { sentence } from './commands/sentences.js';
import { createTerminal } from './commands/terminal.js';

/** @typedef {import('./commands/terminal.js').Terminal} Terminal */
/** @typedef {import('./commands/arguments.js').Command & { name: string, summary: string }} NamedCommand */

/** @type {Record<string, string>} */
const COMMANDS = {
  run: 'answer or continue one prompt',
  chat: 'talk with a model in the terminal',
  info: 'tell what is in a model file, and what memory it needs',
  models: 'keep models in a folder, from which they are read fast',
  tokenize: 'turn text into tokens',
  eval: 'the probabilities of the token that comes next',
  perplexity: 'how well a model predicts a text',
  bench: 'measure the speed of prompts and answers',
};

function overview() {
  const names = Object.entries(COMMANDS).map(([name, summary]) => `  ${name.padEnd(12)}${summary}`);
  return [
    'nibble: INT4 language models on the CPU, from GGUF files.',
    '',
    'Usage: nibble COMMAND [OPTIONS]',
    '',
    ...names,
    '',
    '"nibble COMMAND --help", or "nibble help COMMAND", tells the options of a command; "nibble --version" the version.',
    '',
  ].join('\n');
}

function version() {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
}

/**
 * @param {Terminal} terminal @param {Error & { code?: string }} error
 * @param {{ asJson: boolean, command?: NamedCommand }} place
 */
function reportError(terminal, error, { asJson, command }) {
  const code = error.code ?? 'INTERNAL';
  const message = sentence(error, command?.options);
  if (asJson) terminal.complain(plainJson(JSON.stringify({ error: { code, message } })));
  else terminal.complain(`nibble: ${code}: ${message}`);
}

/** A first Ctrl-C asks the command to stop, a second one does not wait for it. @param {Terminal} terminal */
function watchInterrupts(terminal) {
  let count = 0;
  process.on('SIGINT', () => {
    if (++count > 1) process.exit(130);
    terminal.interrupt();
  });
}

/**
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
async function main(args) {
  const terminal = createTerminal(process);
  const status = await perform(args, terminal);
  await terminal.flush();
  if (terminal.failure === null) return status;
  reportError(terminal, terminal.failure, { asJson: args.includes('--json') });
  return 1;
}

/** @param {string} name @param {string[]} rest */
function noCommand(name, rest) {
  const names = Object.keys(COMMANDS);
  const command = rest.find((word) => names.includes(word));
  if (name.startsWith('-') && command !== undefined) return `The command comes first: "nibble ${command} ${name} ...".`;
  return `There is no command "${name}"; there are ${names.join(', ')}.${didYouMean(name, names)}`;
}

/** @param {string[]} args @param {Terminal} terminal @returns {Promise<number>} the exit code */
async function perform(args, terminal) {
  // "help run" is "run --help".
  const [name, ...rest] = args[0] === 'help' && args.length > 1 ? [args[1], '--help'] : args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    if (name !== undefined) terminal.write(overview());
    else terminal.note(overview().trimEnd());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-V') {
    terminal.write(`${version()}\n`);
    return 0;
  }
  const asJson = rest.includes('--json');
  /** @type {NamedCommand | undefined} */
  let command;
  try {
    if (!Object.hasOwn(COMMANDS, name)) throw new UsageError(noCommand(name, rest));
    const module = await import(`./commands/${name}.js`);
    /** @type {NamedCommand} */
    const known = {
      ...module.default,
      name,
      summary: COMMANDS[name],
      options: { ...module.default.options, ...COMMON },
    };
    command = known;
    const { values, positionals } = parse(known, rest);
    if (values.help) {
      terminal.write(help(known));
      return 0;
    }
    if (!known.ownInterrupts) watchInterrupts(terminal);
    const status = await known.run({ values, positionals, terminal });
    return terminal.interrupted.aborted && !terminal.broken ? 130 : (status ?? 0);
  } catch (thrown) {
    const error = /** @type {Error & { code?: string }} */ (thrown);
    if (terminal.broken) return 0;
    if (terminal.interrupted.aborted && error.code === 'CANCELLED') return 130;
    reportError(terminal, error, { asJson, command });
    if (!(error instanceof UsageError) && error.code !== 'INVALID_ARGUMENT') return 1;
    if (command !== undefined && !asJson) terminal.note(`Try "nibble ${name} --help".`);
    return 2;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
