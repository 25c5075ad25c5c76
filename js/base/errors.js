// The one error class of the library. `code` is stable and meant for programs, the message is a sentence meant
// for people: what was found, what was expected, what to do.

/**
 * An error as a plain object.
 * @typedef {object} ErrorRecord
 * @property {string} name The name of its class.
 * @property {string} code What it is; `'UNKNOWN'` where it is no error of the library.
 * @property {string} message The sentence.
 * @property {string} [stack] Where it came from. Default: absent.
 * @property {object} [details] What it is about. Default: absent.
 * @property {object} [cause] What caused it, as such an object again. Default: absent.
 */

/**
 * Every error of the library: a stable code for programs, and a sentence for people that says what was found, what was
 * expected and what to do. It survives a trip through `postMessage` by `toJSON` and `fromJSON`.
 */
export class NibbleError extends Error {
  /**
   * Makes an error.
   * @param {import('./error-codes.js').ErrorCode} code What it is.
   * @param {string} message A full sentence.
   * @param {{ cause?: unknown, details?: Record<string, unknown> }} [options] What caused it, and what it is about: `details` has
   *   to be cloneable.
   */
  constructor(code, message, { cause, details } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'NibbleError';
    /** What it is, for programs: a name that stays. @type {import('./error-codes.js').ErrorCode} */
    this.code = code;
    /** What it is about, such as the option or the file, where there is such a thing. @type {Record<string, unknown> | undefined} */
    this.details = details;
  }

  /**
   * A plain object with everything in it, the chain of causes included.
   * @returns {ErrorRecord} An object that JSON and `postMessage` can carry.
   */
  toJSON() {
    return describe(this, 0);
  }

  /**
   * The reverse of `toJSON`. Anything that is not such an object becomes an error of code `UNKNOWN`.
   * @param {any} json What `toJSON` gave.
   * @returns {NibbleError} The error.
   */
  static fromJSON(json) {
    if (json === null || typeof json !== 'object' || typeof json.message !== 'string') {
      return new NibbleError('UNKNOWN', `Something that is not an error was reported: ${String(json)}.`);
    }
    const code = typeof json.code === 'string' ? json.code : 'UNKNOWN';
    const error = new NibbleError(code, json.message, { cause: revive(json.cause), details: json.details });
    if (typeof json.stack === 'string') error.stack = json.stack;
    return error;
  }
}

/**
 * An error whose way out callers may put into words of their own, as the command line does: its message is `problem`, what
 * was found and expected, and `remedy`, what to do with the library. Both stand in the details too, the remedy by its name.
 * @param {import('./error-codes.js').ErrorCode} code
 * @param {string} problem one sentence or more
 * @param {{ name: 'larger-context' | 'name-a-store' | 'list-models' | 'give-token' | 'give-headers', sentence: string }} remedy
 * @param {{ cause?: unknown, details?: Record<string, unknown> }} [options]
 */
export const withRemedy = (code, problem, { name, sentence }, { cause, details } = {}) =>
  new NibbleError(code, `${problem} ${sentence}`, { cause, details: { ...details, problem, remedy: name } });

/** What somebody else says, such as the platform, as a part of a sentence of ours: without its end. @param {unknown} text */
export const withoutEnd = (text) => String(text).replace(/(?<![.\s])[.\s]+$/, '');

/** The same as the end of a sentence. @param {string} text */
export const ended = (text) => (/[?!]\s*$/.test(text) ? text.trimEnd() : `${withoutEnd(text)}.`);

/** A text is longer than the context. @param {string} problem @param {{ tokens: number, contextSize: number, shorten: string | null }} details `shorten`: what may become shorter */
export function contextFull(problem, details) {
  const way = 'create the engine with a larger contextSize.';
  const sentence = details.shorten === null ? `C${way.slice(1)}` : `Shorten ${details.shorten}, or ${way}`;
  return withRemedy('CONTEXT_FULL', problem, { name: 'larger-context', sentence }, { details });
}

// What stands before a server's name in an address, also inside of the id of a stored model.
const USER = /^(\s*(?:url:)?https?:[\\/]*)[^\\/?#]*@/i;

/** Whether it is an address with a user name or a password in it. @param {unknown} text */
export const hasPassword = (text) => USER.test(String(text));

/** An address without what stands in it before a server's name. @param {string} text */
export const withoutPassword = (text) => text.replace(USER, '$1…@');

/** @param {string} name as it was asked for @param {string} id */
export const notStored = (name, id) =>
  withRemedy(
    'STORE_MISSING',
    `There is no stored model "${withoutPassword(name)}".`,
    { name: 'list-models', sentence: 'list() tells which there are.' },
    { details: { id: withoutPassword(id) } },
  );

/** Bytes that came are not those that were meant. @param {string} what of which they are @param {string} found @param {string} expected SHA-256s */
export const hashMismatch = (what, found, expected) =>
  new NibbleError(
    'HASH_MISMATCH',
    `${what} has the SHA-256 ${found}; ${expected} was expected. It is damaged or another file; get it from a source you trust.`,
  );

/** Weights are to come from a store, and none that is fit is named. @param {string} problem */
export const storeNeeded = (problem) =>
  withRemedy(
    'INVALID_ARGUMENT',
    problem,
    { name: 'name-a-store', sentence: 'Pass store: "opfs" or "indexeddb" in a browser, { folder } in Node.' },
    { details: { option: 'store' } },
  );

/** Ends the loading of a model, the calls that wait for it and all later ones. @param {unknown} [cause] */
export const loadingCancelled = (cause) =>
  new NibbleError('CANCELLED', 'Loading the model was cancelled. Create a new engine to use it.', { cause });

/** No logit is left to go by: they are NaN, as all that a model computes from there on would be. */
export const modelComputesNan = () =>
  new NibbleError(
    'MODEL_COMPUTES_NAN',
    'The model computes no numbers here: its logits are NaN, as weights make them that are damaged, were converted wrongly or grow too large. Fetch the file again, or use another one.',
  );

/** The code of what was thrown, the library's or the system's; undefined where it has none. @param {unknown} error */
export const codeOf = (error) => /** @type {{ code?: string } | null | undefined} */ (error)?.code;

/** Whether what was thrown has one of these codes. @param {unknown} error @param {string[]} codes */
export const hasCode = (error, codes) => codes.includes(/** @type {string} */ (codeOf(error)));

const MAX_CAUSES = 8;

/** @param {any} error @param {number} depth @returns {any} */
function describe(error, depth) {
  if (!(error instanceof Error)) return { name: 'NonError', code: 'UNKNOWN', message: String(error) };
  /** @type {any} */
  const json = { name: error.name, code: /** @type {any} */ (error).code ?? 'UNKNOWN', message: error.message };
  if (error.stack) json.stack = error.stack;
  if (/** @type {any} */ (error).details !== undefined) json.details = /** @type {any} */ (error).details;
  if (error.cause !== undefined && depth < MAX_CAUSES) json.cause = describe(error.cause, depth + 1);
  return json;
}

/** @param {any} json @returns {Error | undefined} */
function revive(json) {
  if (json === undefined || json === null) return undefined;
  if (json.name === 'NibbleError') return NibbleError.fromJSON(json);
  const error = new Error(String(json.message), { cause: revive(json.cause) });
  error.name = String(json.name);
  if (typeof json.stack === 'string') error.stack = json.stack;
  return error;
}

/** What an error quotes of a text that may be endless. @param {unknown} text */
export const shortened = (text) => (String(text).length > 200 ? `${String(text).slice(0, 200)}…` : String(text));
