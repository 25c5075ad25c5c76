// What the reader has chosen, kept by the browser from visit to visit.

const KEY = 'nibble.settings';

const choice = (...values) => ({ check: (value) => values.includes(value) });
const number = (low, high, step) => ({
  low,
  high,
  step,
  check: (value) => typeof value === 'number' && value >= low && value <= high,
});
const whole = (low, high) => ({
  low,
  high,
  step: 1,
  check: (value) => Number.isInteger(value) && value >= low && value <= high,
});
const orNone = (range) => ({ ...range, optional: true, check: (value) => value === null || range.check(value) });
const text = (most) => ({ most, check: (value) => typeof value === 'string' && value.length <= most });

/** What is offered as the memory of an engine, in bytes. */
export const MEMORY_BUDGETS = Object.freeze([5e8, 1e9, 1.5e9, 2e9, 3e9]);

/** Where models may be kept. */
const STORES = ['indexeddb', 'opfs'];

/** What each setting may be. @type {Readonly<Record<string, any>>} */
export const RANGES = Object.freeze({
  language: choice('auto', 'en', 'zh'),
  theme: choice('auto', 'light', 'dark'),
  store: choice(...STORES),
  systemPrompt: text(20_000),
  thinking: choice('auto', 'on', 'off'),
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

/** `model` null: the one that is included; `deletedModel`: the name of the one that would have been, until it is told. A small model keeps to what it knows better at a low temperature. */
export const DEFAULTS = Object.freeze({
  language: 'auto',
  theme: 'auto',
  store: 'indexeddb',
  systemPrompt: '',
  thinking: 'auto',
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

/** The settings that a change back to the defaults is meant for. */
export const ANSWER_SETTINGS = Object.freeze([
  ...['systemPrompt', 'thinking', 'temperature', 'topK', 'topP', 'minP', 'repetitionPenalty', 'seed', 'maxTokens'],
  ...['onFull', 'contextSize', 'threads', 'kvType', 'memoryBudget'],
]);

const SAMPLING = ['temperature', 'topK', 'topP', 'minP', 'repetitionPenalty', 'seed', 'maxTokens', 'onFull'];
const ENGINE = ['contextSize', 'threads', 'kvType', 'memoryBudget', 'store'];

/** Where the last model is: { url } or { stored, kind }; an earlier version of the page has written no kind. */
function isModel(value) {
  if (value === null) return true;
  const [[name, place] = []] = Object.entries(value ?? {});
  const isKnown = value?.kind === undefined || STORES.includes(value.kind);
  return ['url', 'stored'].includes(name) && typeof place === 'string' && isKnown;
}

export class Settings {
  #values;
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

  /** @param {keyof DEFAULTS} name */
  get(name) {
    return this.#values[name];
  }

  /**
   * @param {keyof DEFAULTS} name
   * @param {any} value
   * @returns {boolean} false where the value is none that the setting may have; then nothing changes
   */
  set(name, value) {
    if (!RANGES[name].check(value)) return false;
    this.#values[name] = value;
    this.#keep();
    for (const listener of this.#listeners) listener(name);
    return true;
  }

  /** @param {readonly string[]} names go back to their defaults */
  reset(names) {
    for (const name of names) this.set(name, DEFAULTS[name]);
  }

  /** @param {(name: string) => void} listener */
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

  /** The options of whatever makes a prompt: whether to think, by the names that chat templates have for it. */
  chat() {
    const { thinking } = this.#values;
    const isOn = thinking === 'on';
    return thinking === 'auto' ? {} : { templateVariables: { enable_thinking: isOn, thinking: isOn } };
  }

  /** The options of createEngine(). */
  engine() {
    return this.#given(ENGINE);
  }

  #takeOver(values) {
    const changed = Object.keys(values).filter((name) => !isSame(values[name], this.#values[name]));
    this.#values = values;
    for (const name of changed) for (const listener of this.#listeners) listener(name);
  }

  #given(names) {
    return Object.fromEntries(names.map((name) => [name, this.#values[name]]).filter(([, value]) => value !== null));
  }

  #keep() {
    const changed = Object.entries(this.#values).filter(([name, value]) => value !== DEFAULTS[name]);
    try {
      localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(changed)));
    } catch {
      const wasKept = this.#isKept;
      this.#isKept = false;
      if (wasKept) this.#onUnkept();
    }
  }
}

/** The model is told by an object, all else by a plain value. */
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Only what is still a value of its setting: another version of the page may have written it. */
function readStored() {
  try {
    const stored = Object.entries(JSON.parse(localStorage.getItem(KEY) ?? '{}'));
    return Object.fromEntries(stored.filter(([name, value]) => name in RANGES && RANGES[name].check(value)));
  } catch {
    return {};
  }
}
