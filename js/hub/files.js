// What the names and sizes of a repository's files tell: which are models, of which weights, and which of them is the one
// for a machine.

import { estimateSpeed } from '../base/speed-estimate.js';
import { firstName, missingParts, namesOfParts, partOf } from '../sources/part-names.js';

/**
 * Why a file does not run by itself.
 * @typedef {object} FileProblem
 * @property {import('../base/error-codes.js').ErrorCode} code What it is, for programs.
 * @property {string} message A sentence for people.
 * @property {'part' | 'vision' | 'data' | 'adapter'} kind What it is instead of a model: a part whose others are missing, what
 *   sees pictures for a model, data that models are made with, or an adapter.
 */

/**
 * A GGUF file of a repository, or a model of several.
 * @typedef {object} HubFile
 * @property {string} path Its path in the repository; of a model in parts that of the first, which stands for all.
 * @property {string} url Its address.
 * @property {number} bytes Bytes of all parts.
 * @property {number} parts How many files it comes in; 1: it is whole.
 * @property {string | null} sha256 Its SHA-256. `null`: the hub does not tell, or it comes in parts.
 * @property {(string | null)[]} partHashes The same of each part.
 * @property {string | null} type The type of its weights, as its name tells, such as `'Q4_K_M'`. `null`: it does not tell.
 * @property {number} memoryBytes About as many bytes as an engine takes that runs it.
 * @property {boolean} fits Whether the machine has that.
 * @property {number | null} tokensPerSecond About how many tokens a second it writes there. `null`: the machine was not measured.
 * @property {FileProblem | null} problem Why it does not run by itself. `null`: it does.
 */

// The last one in a name counts. 'UD-' and the like are makers' own mixtures.
const TYPES =
  /(?:^|[-_./])((?:UD-)?(?:(?:IQ|TQ|Q)\d(?:_[A-Z\d]+)*|MXFP4(?:_MOE)?|NVFP4|BF16|FP?16|FP?32))(?=[-_./]|$)/gi;

/** The type of weights that a file's name, or that of its folder, tells; null where none does. @param {string} path */
export function typeOf(path) {
  const found = [...path.replace(/\.gguf$/i, '').matchAll(TYPES)].at(-1)?.[1];
  return found === undefined ? null : withoutP(found.toUpperCase());
}

/** FP16 and F16 are one type. @param {string} type */
const withoutP = (type) => type.replace(/^FP(16|32)$/, 'F$1');

/** The name of a file. @param {string} path */
const lastOf = (path) => path.split('/').at(-1) ?? '';

/** Why a file of this name runs not by itself; null where nothing speaks against it. @param {string} path @returns {HubFile['problem']} */
export function problemOf(path) {
  const name = lastOf(path);
  /** @param {NonNullable<HubFile['problem']>['kind']} kind @param {string} message */
  const problem = (kind, message) => ({
    code: /** @type {const} */ ('MODEL_UNSUPPORTED'),
    kind,
    message,
  });
  if (/(^|[-_.])mmproj([-_.]|$)/i.test(name))
    return problem(
      'vision',
      `"${name}" is what sees pictures for a model, and no model. Take the file of the model itself.`,
    );
  if (/imatrix/i.test(name) && typeOf(name) === null)
    return problem('data', `"${name}" is data that models are made with, and no model. Take the file of a model.`);
  if (/(^|[-_.])(lora|adapter)([-_.]|$)/i.test(name) && typeOf(name) === null)
    return problem(
      'adapter',
      `"${name}" is an adapter for a model, which this engine does not apply. Take a file that is whole.`,
    );
  return null;
}

/** @typedef {Pick<HubFile, 'path' | 'bytes' | 'sha256' | 'parts' | 'partHashes'> & { missing: HubFile['problem'] }} JoinedFile */

/**
 * The models among the files of a repository: the parts of one are one, of which the first stands for all.
 * @param {{ path: string, bytes: number, sha256: string | null }[]} files
 * @returns {JoinedFile[]}
 */
export function joinParts(files) {
  const there = new Map(files.map((file) => [file.path, file]));
  /** @param {string} path @param {string[]} names */
  const isFirst = (path, names) => names.find((name) => there.has(name)) === path;
  /** @param {{ path: string, bytes: number, sha256: string | null }} file @returns {JoinedFile[]} */
  const joined = (file) => {
    const part = partOf(file.path);
    const names = namesOfParts(file.path);
    if (part === null || names === null) return [{ ...file, parts: 1, partHashes: [file.sha256], missing: null }];
    if (!isFirst(file.path, names)) return [];
    const bytes = names.reduce((sum, name) => sum + (there.get(name)?.bytes ?? 0), 0);
    const gone = names.flatMap((name, index) => (there.has(name) ? [] : [index + 1]));
    const missing = gone.length === 0 ? null : problemOfParts(part, gone);
    const partHashes = names.map((name) => there.get(name)?.sha256 ?? null);
    return [{ path: names[0], bytes, sha256: null, parts: names.length, partHashes, missing }];
  };
  return files.flatMap(joined);
}

/** @param {NonNullable<ReturnType<typeof partOf>>} part @param {number[]} gone */
function problemOfParts(part, gone) {
  const { code, message } = missingParts(gone, part);
  return { code, kind: /** @type {const} */ ('part'), message };
}

// What the engine, a context of some thousand tokens and a vocabulary take beside the weights.
const BESIDE = { part: 0.1, bytes: 150e6 };
// IQ1, IQ2 and IQ3 take so many bits a weight in memory, and so many in the file.
const WIDENED_BITS = 4.6;
/** @type {[pattern: RegExp, bits: number][]} */
const BITS = [
  [/IQ1/, 1.8],
  [/IQ2/, 2.4],
  [/IQ3/, 3.4],
];

/** About what the weights take in memory. @param {number} bytes @param {string | null} type */
function weightBytes(bytes, type) {
  const bits = BITS.find(([pattern]) => pattern.test(type ?? ''))?.[1] ?? WIDENED_BITS;
  return bytes * (WIDENED_BITS / bits);
}

/**
 * What a file would be on a machine.
 * @param {{ path: string, bytes: number, missing?: HubFile['problem'] }} file
 * @param {{ memory: number, probe?: import('../base/public-types.js').Probe }} machine
 */
export function assess({ path, bytes, missing }, { memory, probe }) {
  const type = typeOf(path);
  const weights = weightBytes(bytes, type);
  const memoryBytes = Math.round(weights * (1 + BESIDE.part) + BESIDE.bytes);
  const work = { bytesPerToken: weights, parameters: weights };
  const speed = probe === undefined || weights === 0 ? null : estimateSpeed(probe, work).decodeTokensPerSecond;
  return {
    type,
    memoryBytes,
    fits: memoryBytes <= memory,
    tokensPerSecond: speed,
    problem: missing ?? problemOf(path),
  };
}

// Bits a weight in the order of what to take: 4 lose little and are fast, more are better and slower, and fewer than 3
// lose much, so these are for where nothing else fits. What tells no type is between the two.
const LEVELS = [4, 5, 6, 8, null, 3, 16, 32, 2, 1];
const LEAST_GOOD_LEVEL = 3;
const MIXTURES = ['Q_K_M', 'Q_K_XL', 'Q_K_L', 'Q_K_S', 'Q_K', 'IQ_XS', 'IQ_NL', 'Q_0', 'Q_1'];
// Fewer are no conversation.
const LEAST_TOKENS_PER_SECOND = 2;
// llama.cpp has these no more, or never had them.
const NOT_READ = /^(I2_S|Q4_0_\d_\d|IQ\d_K\w*)$/;

/** @param {string | null} type */
const levelOf = (type) => (type === null ? null : Number(/\d+/.exec(type)?.[0]));

/** @typedef {[level: number, mixture: number, bytes: number, path: string]} Rank */

/** @param {HubFile} file @returns {Rank} */
function rankOf({ type, path, bytes }) {
  const mixture = MIXTURES.indexOf((type ?? '').replace('UD-', '').replace(/\d+/, ''));
  const level = LEVELS.indexOf(levelOf(type));
  return [level < 0 ? LEVELS.length : level, mixture < 0 ? MIXTURES.length : mixture, bytes, path];
}

/** @param {Rank} a @param {Rank} b */
function compare(a, b) {
  const at = a.findIndex((part, index) => part !== b[index]);
  return at < 0 ? 0 : a[at] < b[at] ? -1 : 1;
}

/**
 * The file to take on a machine: Q4_K_M, or the best that fits and is fast enough to talk to; one of fewer than 3 bits a
 * weight only where nothing else fits.
 * @param {HubFile[]} files
 * @returns {HubFile | null} null: none fits
 */
export function recommend(files) {
  const fitting = files
    .filter(({ problem, fits, type }) => problem === null && fits && !NOT_READ.test(type ?? ''))
    .sort((a, b) => compare(rankOf(a), rankOf(b)));
  /** @param {HubFile} file */
  const isGood = ({ type }) => (levelOf(type) ?? LEAST_GOOD_LEVEL) >= LEAST_GOOD_LEVEL;
  /** @param {HubFile} file */
  const isFast = ({ tokensPerSecond }) => (tokensPerSecond ?? Infinity) >= LEAST_TOKENS_PER_SECOND;
  return fitting.find((file) => isGood(file) && isFast(file)) ?? fitting[0] ?? null;
}

/**
 * The files that somebody means by a type or a name.
 * @template {Pick<HubFile, 'path' | 'type'>} File
 * @param {File[]} files
 * @param {string} wanted
 * @returns {File[]}
 */
export function filesOfType(files, wanted) {
  const text = firstName(wanted).toUpperCase();
  const atPath = files.filter(({ path }) => path.toUpperCase() === text);
  if (atPath.length > 0) return atPath;
  /** @param {File} file */
  const isNamed = ({ path }) => lastOf(path).toUpperCase() === text;
  const wantedType = withoutP(text);
  const exact = files.filter((file) => file.type === wantedType || isNamed(file));
  return exact.length > 0 ? exact : files.filter(({ type }) => type?.replace('UD-', '') === wantedType);
}
