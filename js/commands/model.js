// Loading a model for a command.
import { existsSync } from 'node:fs';
import { readSamplingOptions } from '../base/options.js';
import { createEngine, defaultModel, NibbleError, openModelStore } from '../index.node.js';
import { accessOptions, tellToken } from './access.js';
import { hubAddressOf, recommendedOf } from './hub.js';
import { bytes, duration } from './units.js';

/** @typedef {import('./arguments.js').Values} Values */
/** @typedef {import('./terminal.js').Terminal} Terminal */
/** @typedef {import('../index.node.js').Engine} Engine */
/** @typedef {import('../index.node.js').StoredModel} StoredModel */
/** @typedef {import('../index.node.js').HubAddress} HubAddress */
/** @typedef {import('../index.node.js').Warning} Warning */
/** @typedef {import('../index.node.js').CompletionResult} CompletionResult */
/**
 * @typedef {import('../index.node.js').Progress | Parameters<NonNullable<import('../index.node.js').ImportOptions['onProgress']>>[0]} LoadProgress
 */

/** @param {string} text */
const isId = (text) => /^(url|file|bytes):/i.test(text) && !/^file:\/\//i.test(text);
/** @param {string} text */
const isAddress = (text) => /^[a-z][a-z0-9+.-]+:/i.test(text);

/**
 * What --model names: a file, an address, or a model in the folder of --store by its id or name. Of a repository of
 * Hugging Face's hub a file is chosen, unless something of it is stored.
 * @param {Values} values `model`, `store`, `budget` and `header`
 * @param {Terminal} terminal
 * @returns {Promise<any>} as createEngine() takes it
 */
export async function modelOf({ model, store, budget, header }, terminal) {
  if (model === undefined) return defaultModel;
  const how = { terminal, budget, ...accessOptions({ header }) };
  if (isId(model) && store === undefined && !existsSync(model)) {
    throw new NibbleError(
      'STORE_MISSING',
      `"${model}" is the id of a stored model; name its folder with --store FOLDER.`,
    );
  }
  const address = isId(model) ? null : hubAddressOf(model);
  const isElsewhere = isAddress(model) && !isId(model) && address === null;
  if (model === '' || existsSync(model) || isElsewhere) return model;
  if (store === undefined) return address === null ? model : chosen(address, model, how);
  const { models, isStored } = existsSync(store) ? await lookInto(store, model, address) : NOTHING;
  const found = findStored(models, model);
  if (found !== null) return { stored: found.id };
  if (address !== null) return isStored ? model : chosen(address, model, how);
  // An id that is not listed may be one that a model is known by beside its own.
  if (isId(model)) return { stored: model };
  const names = models.map(({ name }) => `"${name}"`).slice(0, 10);
  const there = names.length === 0 ? 'no model is stored there' : `stored there are ${names.join(', ')}`;
  throw new NibbleError(
    'STORE_MISSING',
    `There is no file "${model}", and no model of that name in "${store}": ${there}.`,
  );
}

/**
 * The stored model that somebody means by its id, its name or the name of its file; null where it is none.
 * @param {StoredModel[]} models
 * @param {string} text
 * @throws {NibbleError} STORE_AMBIGUOUS where several have that name
 */
export function findStored(models, text) {
  const fileOf = (/** @type {StoredModel} */ { source }) => {
    if (source === null) return '';
    return 'file' in source ? source.file : (source.url.split(/[?#]/, 1)[0].split('/').at(-1) ?? '');
  };
  const byId = models.find(({ id }) => id === text);
  if (byId !== undefined) return byId;
  const alike = (/** @type {(name: string) => string} */ read) =>
    models.filter((model) => [model.name, fileOf(model)].some((name) => read(name) === read(text)));
  const written = alike((name) => name.toLowerCase());
  // In an address the name of a file has its spaces and other signs as %20 and the like.
  const named = written.length > 0 ? written : alike((name) => decoded(name).toLowerCase());
  if (named.length < 2) return named[0] ?? null;
  const ids = named.map(({ id }) => id).join(', ');
  throw new NibbleError(
    'STORE_AMBIGUOUS',
    `${named.length} stored models are called "${text}". Give the id of one: ${ids}.`,
  );
}

/** @param {string} name */
function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** @type {{ models: StoredModel[], isStored: boolean }} */
const NOTHING = { models: [], isStored: false };

/**
 * A type or a file that is named need not be chosen.
 * @param {HubAddress} address @param {string} model
 * @param {{ terminal: Terminal, budget?: number, headers?: [name: string, value: string][] }} how
 */
const chosen = ({ url, type }, model, { terminal, budget, ...access }) =>
  // What does not fit under a budget is read for every token.
  url === null && type === null ? recommendedOf(model, terminal, { memory: budget && Infinity, ...access }) : model;

/** @param {string} folder @param {string} model @param {HubAddress | null} address */
async function lookInto(folder, model, address) {
  const store = await openModelStore({ store: { folder } });
  try {
    return { models: await store.list(), isStored: address !== null && (await store.has(model)) };
  } finally {
    await store.close();
  }
}

/**
 * @param {Values} values parsed ENGINE options
 * @param {Terminal} terminal
 * @param {object} [overrides] options of createEngine()
 */
export async function loadEngine(values, terminal, overrides = {}) {
  tellToken(values.model, terminal);
  const engine = await createEngine({
    model: await modelOf(values, terminal),
    ...accessOptions(values),
    threads: values.threads,
    contextSize: values.context,
    batchSize: values.batch,
    kvType: values['kv-type'],
    memoryBudget: values.budget,
    ...(values.store !== undefined && { store: { folder: values.store } }),
    kernelSet: values.kernels,
    tileStreams: values['tile-streams'],
    exact: values.exact,
    signal: terminal.interrupted,
    onProgress: (progress) => tellProgress(terminal, progress),
    ...overrides,
  }).finally(terminal.clear);
  tellOddities(engine, terminal, { wantsStore: values.store !== undefined });
  return engine;
}

/**
 * Says what became otherwise than one would expect, but for what concerns chats alone: chatWarnings() says that.
 * @param {Pick<Engine, 'info'>} engine @param {Pick<Terminal, 'note'>} terminal @param {{ wantsStore: boolean }} asked
 */
export function tellOddities({ info }, terminal, { wantsStore }) {
  const { storage, threadProblem, warnings } = info;
  if (wantsStore && storage.problem !== null) terminal.note(`The model is not stored: ${storage.problem.message}`);
  if (threadProblem !== null) terminal.note(`Fewer threads compute than were wanted: ${threadProblem.message}`);
  for (const { code, message } of warnings) if (!OF_CHATS.includes(code)) terminal.note(message);
}

/** Warnings that are for whoever has a chat with the model. */
const OF_CHATS = ['CHAT_TEMPLATE_MISSING', 'CHAT_TEMPLATE_FAILED', 'SYSTEM_MESSAGE_MOVED', 'TOOLS_IGNORED'];

/**
 * Says once each what is odd about chats with a model: in the beginning, and of each answer's result.
 * @param {Pick<Engine, 'info'>} engine
 * @param {Pick<Terminal, 'note'>} terminal
 * @returns {(result: Pick<CompletionResult, 'warnings'>) => void}
 */
export function chatWarnings(engine, terminal) {
  const said = new Set();
  const say = (/** @type {Warning[]} */ warnings) => {
    for (const { code, message } of warnings) {
      if (OF_CHATS.includes(code) && !said.has(code)) terminal.note(message);
      said.add(code);
    }
  };
  // That one only matters where there is a system message; a result tells.
  say(engine.info.warnings.filter(({ code }) => code !== 'SYSTEM_MESSAGE_MOVED'));
  return ({ warnings }) => say(warnings);
}

/**
 * Shows a progress event; a wait for another program is said in any case, since nobody knows how long it will be.
 * @param {Terminal} terminal @param {LoadProgress} progress
 */
export function tellProgress(terminal, progress) {
  if (progress.phase === 'wait') terminal.note(progressLine(progress));
  else terminal.progress(progressLine(progress));
}

const VERBS = Object.freeze({ download: 'downloading', load: 'loading', read: 'loading', repair: 'repairing' });

/** One line for a progress event. @param {LoadProgress} progress */
export function progressLine({ phase, total, fraction, bytesPerSecond, secondsLeft, holder }) {
  if (phase === 'wait') return waitLine(holder);
  if (phase === 'prepare') return 'preparing the model';
  if (phase === 'retry') return `nothing comes from the server; asking again in ${duration(secondsLeft ?? 0)}`;
  const percent = Math.floor(fraction * 100);
  const verb = VERBS[phase];
  const left = secondsLeft !== null && secondsLeft > 1 ? `, ${duration(secondsLeft)} left` : '';
  // A part that comes again is not the whole.
  const whole = phase === 'repair' ? '' : ` of ${bytes(total)}`;
  return `${verb} ${percent}%${whole}, ${bytes(Math.round(bytesPerSecond))}/s${left}`;
}

/** @param {import('../store/leases.js').Holder} [holder] */
function waitLine({ name = 'another program', since } = {}) {
  const time = since === undefined ? '' : `, since ${new Date(since).toISOString().replace('T', ' ').slice(0, 19)} UTC`;
  return `waiting for ${name}, which is using this model${time}; Ctrl-C gives up`;
}

/** Parsed SAMPLING options as options of engine.complete(), checked before a model is loaded for them. @param {Values} values */
export function samplingOptions(values) {
  const options = {
    maxTokens: values['max-tokens'],
    temperature: values.temperature,
    topK: values['top-k'],
    topP: values['top-p'],
    minP: values['min-p'],
    repetitionPenalty: values['repetition-penalty'],
    presencePenalty: values['presence-penalty'],
    frequencyPenalty: values['frequency-penalty'],
    penaltyWindow: values['penalty-window'],
    seed: values.seed,
    stop: values.stop,
    logitBias: values['logit-bias'],
    ignoreEos: values['ignore-eos'],
  };
  readSamplingOptions(options);
  return options;
}

/** What a completion took, in one line. @param {CompletionResult} result */
export function timingsLine({ prefill, decode, promptTokens, reusedTokens, completionTokens, finishReason, seed }) {
  const rate = (/** @type {{ tokensPerSecond: number }} */ { tokensPerSecond }) =>
    `${tokensPerSecond.toFixed(1)} tok/s`;
  const reused = reusedTokens > 0 ? ` (${reusedTokens} reused)` : '';
  return (
    `prompt ${promptTokens} tokens${reused}, ${rate(prefill)}; ` +
    `answer ${completionTokens} tokens, ${rate(decode)}; ended by ${finishReason}; seed ${seed}`
  );
}
