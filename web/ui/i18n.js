// The page's words in the reader's language.

import en from '../strings/en.js';
import modelsEn from '../strings/models.en.js';
import modelsZh from '../strings/models.zh.js';
import zh from '../strings/zh.js';

/** The languages there are, by their own names. */
export const LANGUAGES = Object.freeze({ en: 'English', zh: '简体中文' });

const STRINGS = { en: { ...en, ...modelsEn }, zh: { ...zh, ...modelsZh } };
const TAGS = { en: 'en', zh: 'zh-Hans' };
const NAMED = /\{(\w+)\}/g;

/** The first language of the reader's that the page has. @param {readonly string[]} wanted @returns {keyof STRINGS} */
export function chooseLocale(wanted) {
  for (const tag of wanted) {
    const [language] = tag.toLowerCase().split('-');
    if (language in STRINGS) return language;
  }
  return 'en';
}

/**
 * @param {string} locale one of LANGUAGES
 * @returns {(key: string, values?: Record<string, string | number>) => string} puts the values into the string's
 *   {places}; a string with several forms is chosen among by `values.count`
 */
export function createTranslator(locale) {
  const strings = STRINGS[locale];
  const plural = whenNeeded(() => new Intl.PluralRules(TAGS[locale]));
  const numbers = whenNeeded(() => new Intl.NumberFormat(TAGS[locale]));
  const say = (value) => (typeof value === 'number' ? numbers().format(value) : value);
  return (key, values = {}) => {
    const found = strings[key];
    if (found === undefined) throw new Error(`There is no string ${key}.`);
    const text = typeof found === 'string' ? found : (found[plural().select(values.count)] ?? found.other);
    return text.replace(NAMED, (place, name) => (name in values ? say(values[name]) : place));
  };
}

/** The browser takes its time for the first of Intl's objects, and a page that starts needs none. */
function whenNeeded(make) {
  let made;
  return () => {
    made ??= make();
    return made;
  };
}

/** The language in use, which may change while the page is open. */
export class Language {
  #translate;
  #listeners = new Set();

  /** @param {string} locale */
  constructor(locale) {
    this.#use(locale);
    /** Stays the same function whatever the language. */
    this.t = (key, values) => this.#translate(key, values);
  }

  /** @param {string} locale */
  change(locale) {
    if (locale === this.locale) return;
    this.#use(locale);
    for (const listener of this.#listeners) listener();
  }

  /** @param {() => void} listener called when another language is in use */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** The tag for `lang` and for Intl. */
  get tag() {
    return TAGS[this.locale];
  }

  /** Fills in what index.html marks: data-t (text), data-t-label, data-t-title and data-t-placeholder. */
  translate(root) {
    for (const element of root.querySelectorAll('[data-t]')) element.textContent = this.t(element.dataset.t);
    for (const element of root.querySelectorAll('[data-t-label]')) {
      element.setAttribute('aria-label', this.t(element.dataset.tLabel));
    }
    for (const element of root.querySelectorAll('[data-t-title]')) element.title = this.t(element.dataset.tTitle);
    for (const element of root.querySelectorAll('[data-t-placeholder]')) {
      element.placeholder = this.t(element.dataset.tPlaceholder);
    }
  }

  #use(locale) {
    this.locale = locale;
    this.#translate = createTranslator(locale);
  }
}
