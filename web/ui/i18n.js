// The page's words in the reader's language.

import en from '../strings/en.js';
import modelsEn from '../strings/models.en.js';
import modelsZh from '../strings/models.zh.js';
import zh from '../strings/zh.js';

/** The languages there are, by their own names. */
export const LANGUAGES = Object.freeze({ en: 'English', zh: '简体中文' });

/** @typedef {keyof typeof LANGUAGES} Locale */
/** @typedef {keyof typeof en | keyof typeof modelsEn} StringKey what a string is called; both languages have them all */
/** @typedef {Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }} Forms of a string, chosen among by a number */
/**
 * Gives a string in the reader's language, with the values in its {places}; one with several forms is chosen among by
 * `values.count`.
 * @typedef {(key: StringKey, values?: Record<string, string | number | undefined>) => string} Translate
 */

/** @type {Record<Locale, Record<StringKey, string | Forms>>} */
const STRINGS = { en: { ...en, ...modelsEn }, zh: { ...zh, ...modelsZh } };
/** @type {Record<Locale, string>} */
const TAGS = { en: 'en', zh: 'zh-Hans' };
const NAMED = /\{(\w+)\}/g;

/** The first language of the reader's that the page has. @param {readonly string[]} wanted @returns {Locale} */
export function chooseLocale(wanted) {
  for (const tag of wanted) {
    const [language] = tag.toLowerCase().split('-');
    if (isLocale(language)) return language;
  }
  return 'en';
}

/** @param {string} name @returns {name is Locale} */
const isLocale = (name) => name in STRINGS;

/** @param {Locale} locale @returns {Translate} */
export function createTranslator(locale) {
  const strings = STRINGS[locale];
  const plural = whenNeeded(() => new Intl.PluralRules(TAGS[locale]));
  const numbers = whenNeeded(() => new Intl.NumberFormat(TAGS[locale]));
  /** @param {string | number | undefined} value */
  const say = (value) => (typeof value === 'number' ? numbers().format(value) : String(value));
  return (key, values = {}) => {
    const found = strings[key];
    if (found === undefined) throw new Error(`There is no string ${key}.`);
    const text = typeof found === 'string' ? found : (found[plural().select(Number(values.count))] ?? found.other);
    return text.replace(NAMED, (place, name) => (name in values ? say(values[name]) : place));
  };
}

/** The browser takes its time for the first of Intl's objects, and a page that starts needs none. @template Made @param {() => Made} make */
function whenNeeded(make) {
  /** @type {Made | undefined} */
  let made;
  return () => {
    made ??= make();
    return made;
  };
}

/** The language in use, which may change while the page is open. */
export class Language {
  #translate;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /** @param {Locale} locale */
  constructor(locale) {
    this.locale = locale;
    this.#translate = createTranslator(locale);
    /** Stays the same function whatever the language. @type {Translate} */
    this.t = (key, values) => this.#translate(key, values);
  }

  /** @param {Locale} locale */
  change(locale) {
    if (locale === this.locale) return;
    this.locale = locale;
    this.#translate = createTranslator(locale);
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

  /** Fills in what index.html marks: data-t (text), data-t-label, data-t-title and data-t-placeholder. @param {ParentNode} root */
  translate(root) {
    this.#fill(root, 'data-t', (element, text) => {
      element.textContent = text;
    });
    for (const name of ['aria-label', 'title', 'placeholder']) {
      this.#fill(root, `data-t-${name.replace('aria-', '')}`, (element, text) => element.setAttribute(name, text));
    }
  }

  /** @param {ParentNode} root @param {string} mark an attribute @param {(element: Element, text: string) => void} put */
  #fill(root, mark, put) {
    for (const element of root.querySelectorAll(`[${mark}]`)) {
      // A key that is none is refused by what looks it up.
      put(element, this.t(/** @type {StringKey} */ (element.getAttribute(mark))));
    }
  }
}
