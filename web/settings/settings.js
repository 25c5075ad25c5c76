// What the reader has chosen, kept by the browser from visit to visit.

const KEY = 'nibble.settings';

/** @typedef {{ url: string } | { stored: string, kind?: StoreKind }} ModelPlace `kind`: of the store that has it, if not the one that is set */
/** @typedef {'indexeddb' | 'opfs'} StoreKind */

/**
 * @typedef {object} SettingValues
 * @property {'auto' | import('../ui/i18n.js').Locale} language
 * @property {'auto' | 'light' | 'dark'} theme
 * @property {StoreKind} store where models are kept
 * @property {string} systemPrompt
 * @property {'auto' | 'on' | 'off'} thinking
 * @property {string} templateVariables JSON of an object; '' for none
 * @property {number} temperature
 * @property {number} topK
 * @property {number} topP
 * @property {number} minP
 * @property {number} repetitionPenalty
 * @property {number | null} seed
 * @property {number | null} maxTokens
 * @property {'stop' | 'drop-oldest'} onFull
 * @property {number | null} contextSize
 * @property {number | null} threads
 * @property {'auto' | 'f16' | 'int8'} kvType
 * @property {number | null} memoryBudget bytes
 * @property {ModelPlace | null} model where the last one is; null: it is the one included
 * @property {string | null} deletedModel the name of the one that would have been, until it is told
 * @property {'shown' | 'hidden'} sidebar
 */

/** @typedef {keyof SettingValues} SettingName */
/** @typedef {{ check: (value: unknown) => boolean }} Range what a setting may be */
/** @typedef {Range & { low: number, high: number, step: number, optional?: boolean }} NumberRange */

/** @param {...unknown} values @returns {Range} */
const choice = (...values) => ({ check: (value) => values.includes(value) });
/** @param {number} low @param {number} high @param {number} step @returns {NumberRange} */
const number = (low, high, step) => ({
  low,
  high,
  step,
  check: (value) => typeof value === 'number' && value >= low && value <= high,
});
/** @param {number} low @param {number} high @returns {NumberRange} */
const whole = (low, high) => ({
  low,
  high,
  step: 1,
  check: (value) => typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high,
});
/** @template {Range} Given @param {Given} range @returns {Given & { optional: boolean }} */
const orNone = (range) => ({ ...range, optional: true, check: (value) => value === null || range.check(value) });
/** @param {number} most characters @returns {Range & { most: number }} */
const text = (most) => ({ most, check: (value) => typeof value === 'string' && value.length <= most });

/** What is offered as the memory of an engine, in bytes. */
export const MEMORY_BUDGETS = Object.freeze([5e8, 1e9, 1.5e9, 2e9, 3e9]);

/** Where models may be kept. */
const STORES = ['indexeddb', 'opfs'];

/** What each setting may be. */
export const RANGES = Object.freeze({
  language: choice('auto', 'en', 'zh'),
  theme: choice('auto', 'light', 'dark'),
  store: choice(...STORES),
  systemPrompt: text(20_000),
  thinking: choice('auto', 'on', 'off'),
  templateVariables: { most: 4000, check: isVariables },
  temperature: number(0, 2, 0.05),
  topK: whole(0, 1000),
  topP: number(0, 1, 0.01),
  minP: number(0, 1, 0.01),
  repetitionPenalty: number(0.5, 2, 0.01),
  seed: orNone(whole(0, 2 ** 32 - 1)),
  maxTokens: orNone(whole(1, 1 << 20)),
  onFull: choice('stop', 'drop-oldest'),
  contextSize: orNone(whole(16, 1 << 20)),
  threads: orNone(whole(1, 64)),
  kvType: choice('auto', 'f16', 'int8'),
  memoryBudget: orNone(whole(1, 1e12)),
  model: { check: isModel },
  deletedModel: orNone(text(200)),
  sidebar: choice('shown', 'hidden'),
});

/** A small model keeps to what it knows better at a low temperature. @type {Readonly<SettingValues>} */
export const DEFAULTS = Object.freeze({
  language: 'auto',
  theme: 'auto',
  store: 'indexeddb',
  systemPrompt: '',
  thinking: 'auto',
  templateVariables: '',
  temperature: 0.3,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  repetitionPenalty: 1,
  seed: null,
  maxTokens: 1024,
  onFull: 'stop',
  contextSize: null,
  threads: null,
  kvType: 'auto',
  memoryBudget: null,
  model: null,
  deletedModel: null,
  sidebar: 'shown',
});

/** The settings that a change back to the defaults is meant for. @type {readonly SettingName[]} */
export const ANSWER_SETTINGS = Object.freeze([
  'systemPrompt',
  'thinking',
  'templateVariables',
  'temperature',
  'topK',
  'topP',
  'minP',
  'repetitionPenalty',
  'seed',
  'maxTokens',
  'onFull',
  'contextSize',
  'threads',
  'kvType',
  'memoryBudget',
]);

/** @typedef {'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty' | 'seed' | 'maxTokens' | 'onFull'} SamplingName */
/** @typedef {'contextSize' | 'threads' | 'kvType' | 'memoryBudget' | 'store'} EngineName */
/** @template {SettingName} Name @typedef {{ [Each in Name]?: NonNullable<SettingValues[Each]> }} Given those that are set to something */

/** @type {SamplingName[]} */
const SAMPLING = ['temperature', 'topK', 'topP', 'minP', 'repetitionPenalty', 'seed', 'maxTokens', 'onFull'];
/** @type {EngineName[]} */
const ENGINE = ['contextSize', 'threads', 'kvType', 'memoryBudget', 'store'];

/** Variables of a chat template as JSON, none of which the page or the library gives itself. @param {unknown} value */
function isVariables(value) {
  if (typeof value !== 'string' || value.length > RANGES.templateVariables.most) return false;
  const read = value.trim() === '' ? {} : parsed(value);
  return typeof read === 'object' && read !== null && !Array.isArray(read) && reservedIn(value) === undefined;
}

/** The name of a variable that the page or the library gives itself, where a JSON object has one. @param {string} json */
export function reservedIn(json) {
  const read = Object(parsed(json));
  return ['messages', 'tools', 'add_generation_prompt'].find((name) => Object.hasOwn(read, name));
}

/** @param {string} json @returns {unknown} null: it is none */
function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

/** Where the last model is; an earlier version of the page has written no kind. @param {unknown} value */
function isModel(value) {
  if (value === null) return true;
  const entries = Object.entries(value ?? {});
  const [name, place] = entries[0] ?? [];
  const kind = entries.find(([key]) => key === 'kind')?.[1];
  return (name === 'url' || name === 'stored') && typeof place === 'string' && [undefined, ...STORES].includes(kind);
}

export class Settings {
  /** @type {SettingValues} */
  #values;
  /** @type {Set<(name: SettingName) => void>} */
  #listeners = new Set();
  #isKept = true;
  #onUnkept = () => {};

  constructor() {
    this.#values = { ...DEFAULTS, ...readStored() };
    // Each tab keeps all of them, so one must not undo what another has changed.
    addEventListener('storage', ({ key }) => {
      if (key === KEY) this.#takeOver({ ...DEFAULTS, ...readStored() });
    });
  }

  /** @template {SettingName} Name @param {Name} name @returns {SettingValues[Name]} */
  get(name) {
    return this.#values[name];
  }

  /**
   * @param {SettingName} name
   * @param {unknown} value
   * @returns {boolean} false where the value is none that the setting may have; then nothing changes
   */
  set(name, value) {
    if (!RANGES[name].check(value)) return false;
    Object.assign(this.#values, { [name]: value });
    this.#keep();
    for (const listener of this.#listeners) listener(name);
    return true;
  }

  /** @param {readonly SettingName[]} names go back to their defaults */
  reset(names) {
    for (const name of names) this.set(name, DEFAULTS[name]);
  }

  /** @param {(name: SettingName) => void} listener */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** @param {() => void} listener told once, when they cannot be kept: they last as long as the page then */
  onUnkept(listener) {
    this.#onUnkept = listener;
    if (!this.#isKept) listener();
  }

  /** The options of complete(). */
  sampling() {
    return this.#given(SAMPLING);
  }

  /** The options of whatever makes a prompt: whether to think, by the names that chat templates have for it, and what the reader says. */
  chat() {
    const { thinking, templateVariables: given } = this.#values;
    const isOn = thinking === 'on';
    /** @type {Record<string, unknown>} */
    const variables = {
      ...(thinking !== 'auto' && { enable_thinking: isOn, thinking: isOn }),
      ...(given.trim() !== '' && /** @type {object} */ (parsed(given))),
    };
    return Object.keys(variables).length === 0 ? {} : { templateVariables: variables };
  }

  /** The options of createEngine(). */
  engine() {
    return this.#given(ENGINE);
  }

  /** @param {SettingValues} values */
  #takeOver(values) {
    const changed = NAMES.filter((name) => !isSame(values[name], this.#values[name]));
    this.#values = values;
    for (const name of changed) for (const listener of this.#listeners) listener(name);
  }

  /** @template {SettingName} Name @param {Name[]} names @returns {Given<Name>} */
  #given(names) {
    const entries = names.map((name) => [name, this.#values[name]]).filter(([, value]) => value !== null);
    return /** @type {Given<Name>} */ (Object.fromEntries(entries));
  }

  #keep() {
    const changed = NAMES.filter((name) => this.#values[name] !== DEFAULTS[name]);
    try {
      localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(changed.map((name) => [name, this.#values[name]]))));
    } catch {
      const wasKept = this.#isKept;
      this.#isKept = false;
      if (wasKept) this.#onUnkept();
    }
  }
}

/** The model is told by an object, all else by a plain value. */
/** @param {unknown} one @param {unknown} other */
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

const NAMES = Object.keys(RANGES).filter(isSetting);

/** @param {string} name @returns {name is SettingName} */
function isSetting(name) {
  return Object.hasOwn(RANGES, name);
}

/** Only what is still a value of its setting: another version of the page may have written it. @returns {Partial<SettingValues>} */
function readStored() {
  try {
    const stored = Object.entries(JSON.parse(localStorage.getItem(KEY) ?? '{}'));
    return Object.fromEntries(stored.filter(([name, value]) => isSetting(name) && RANGES[name].check(value)));
  } catch {
    return {};
  }
}
