// The library's errors in the words of the command line: options by their names there, ways out that are there.

// Where the name is not the library's with dashes.
/** @type {Record<string, string>} */
const FLAGS = {
  contextSize: 'context',
  memoryBudget: 'budget',
  batchSize: 'batch',
  kernelSet: 'kernels',
  promptTokens: 'n-prompt',
  generatedTokens: 'n-gen',
  depth: 'n-depth',
};

/** @param {string} name */
const flagOf = (name) => FLAGS[name] ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * What to do, with the command line, where an error of the library names it.
 * @type {Record<string, (details: Record<string, any>, inChat: boolean) => string>}
 */
const REMEDIES = {
  'name-a-store': () => 'Say where with --store FOLDER.',
  'list-models': () => '"nibble models list" tells which there are.',
  'give-token': () => 'Then put an access token into the environment variable HF_TOKEN, or download the file by hand.',
  'give-headers': ({ isKnown }) =>
    `Pass ${isKnown ? 'others' : 'what it takes'} as --header 'NAME: VALUE', or download the file by hand.`,
  'larger-context': ({ shorten }, inChat) => {
    if (shorten === null) return 'Run it with a larger --context.';
    const way = inChat ? 'begin anew with /reset, or start with' : 'or run it with';
    return `Shorten ${shorten}, ${way} a larger --context.`;
  },
};

/**
 * @param {Error & { code?: string, details?: Record<string, any> }} error
 * @param {Record<string, object>} [options] of the command
 * @param {{ inChat?: boolean }} [place]
 * @returns {string}
 */
export function sentence(error, options = {}, { inChat = false } = {}) {
  const { code, details = {}, message } = error;
  if (Object.hasOwn(REMEDIES, details.remedy ?? '')) {
    return `${details.problem} ${REMEDIES[details.remedy](details, inChat)}`;
  }
  if (code === 'INVALID_ARGUMENT' && typeof details.option === 'string') {
    const header = /^headers\.?(.*)$/s.exec(details.option);
    if (header !== null) return `--header ${header[1]} is ${details.found}; expected ${details.expected}.`;
    const flag = flagOf(details.option);
    if (flag === 'model' && details.found === undefined)
      return '--model is empty; expected the path or the URL of a GGUF file.';
    if (flag === 'model') return message;
    const isTold = details.expected !== undefined && Object.hasOwn(options, flag);
    if (isTold) return `--${flag} is ${details.found}; expected ${details.expected}.`;
  }
  if (code === 'WORKER_FAILED' && details.reason !== undefined) {
    return `The engine's worker ended unexpectedly: ${details.reason}. Run the command again.`;
  }
  if (code === 'ENGINE_CRASHED') return `The WebAssembly engine crashed (${details.reason}). Run the command again.`;
  return message;
}
