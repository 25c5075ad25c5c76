// The form of the settings: every field with its help, in the reader's language.
import { followDirection } from '../ui/direction.js';
import { find, make } from '../ui/dom.js';
import { LANGUAGES } from '../ui/i18n.js';
import { icon } from '../ui/icons.js';
import { isOnScreen } from '../ui/keys.js';
import { formatBytes } from '../ui/units.js';
import { ANSWER_SETTINGS, DEFAULTS, MEMORY_BUDGETS, RANGES, reservedIn } from './settings.js';

/** @typedef {'temperature' | 'maxTokens' | 'topP' | 'topK' | 'minP' | 'repetitionPenalty' | 'seed' | 'contextSize' | 'threads'} NumberName */
/** @typedef {'language' | 'theme' | 'thinking' | 'onFull' | 'kvType' | 'memoryBudget' | 'store'} ChoiceName */

/** @typedef {'systemPrompt' | 'templateVariables'} TextName */

/** @type {NumberName[]} */
const SAMPLING_FIELDS = ['temperature', 'maxTokens', 'topP', 'topK', 'minP', 'repetitionPenalty', 'seed'];
/** @type {NumberName[]} */
const ENGINE_FIELDS = ['contextSize', 'threads'];
/** @type {[keys: string, text: import('../ui/i18n.js').StringKey][]} */
const SHORTCUTS = [
  ['Esc', 'shortcut.stop'],
  ['↑', 'shortcut.edit'],
  ['Ctrl K', 'shortcut.search'],
  ['Ctrl Shift O', 'shortcut.new'],
  ['Ctrl ,', 'shortcut.settings'],
];

/** Whether a field may be left empty. @param {NumberName} name @returns {name is 'seed' | 'maxTokens' | 'contextSize' | 'threads'} */
const isOptional = (name) => RANGES[name].optional === true;

export class SettingsForm {
  #settings;
  #t;
  #help;
  #root = find('settings-form');

  /**
   * @param {import('./settings.js').Settings} settings
   * @param {import('../ui/i18n.js').Translate} t
   * @param {{ [Name in import('./settings.js').SettingName]?: () => string }} help of those settings for which it is not always the same, by name
   */
  constructor(settings, t, help) {
    this.#settings = settings;
    this.#t = t;
    this.#help = help;
  }

  /** Builds the form anew, in another language: what is being typed into it, or was not taken, stays as it is. */
  redraw() {
    const { activeElement: focused } = document;
    const fields = /** @type {NodeListOf<HTMLInputElement | HTMLTextAreaElement>} */ (
      this.#root.querySelectorAll('input, textarea')
    );
    const unsaved = [...fields].filter((field) => field === focused || field.getAttribute('aria-invalid') === 'true');
    this.render();
    for (const { id, value, selectionStart, selectionEnd, tagName } of unsaved) {
      const field = /** @type {HTMLTextAreaElement} */ (find(id));
      const isTyped = id === focused?.id;
      field.value = value;
      field.dispatchEvent(new Event(isTyped ? 'input' : 'change'));
      if (!isTyped) continue;
      // What is set by a script is no change of its own when the reader leaves it.
      field.addEventListener('blur', () => field.dispatchEvent(new Event('change')), { once: true });
      field.focus();
      if (tagName === 'TEXTAREA') field.setSelectionRange(selectionStart, selectionEnd);
    }
  }

  /** Builds the form with what is set now. */
  render() {
    const t = this.#t;
    /** @param {string} text @param {number} most */
    const tooLong = ({ length: count }, most) => t('settings.systemPrompt.long', { count, most });
    this.#root.replaceChildren(
      this.#group(
        'settings.page',
        this.#choice('language', [['auto', t('settings.auto')], ...Object.entries(LANGUAGES)]),
        this.#choice('theme', [
          ['auto', t('settings.auto')],
          ['light', t('settings.light')],
          ['dark', t('settings.dark')],
        ]),
      ),
      this.#group(
        'settings.answers',
        // A text that is cut would be taken for the whole of it.
        this.#text('systemPrompt', { rows: 3 }, (text) => tooLong(text, RANGES.systemPrompt.most)),
        this.#choice('thinking', [
          ['auto', t('settings.auto')],
          ['on', t('settings.thinking.on')],
          ['off', t('settings.thinking.off')],
        ]),
        this.#text('templateVariables', { rows: 3, spellcheck: 'false' }, (text) => {
          const name = reservedIn(text);
          if (name !== undefined) return this.#t('settings.templateVariables.given', { name });
          if (text.length > RANGES.templateVariables.most) return tooLong(text, RANGES.templateVariables.most);
          return this.#t('settings.templateVariables.wrong');
        }),
        make('div', { class: 'pairs' }, ...SAMPLING_FIELDS.map((name) => this.#number(name))),
        this.#choice('onFull', [
          ['stop', t('settings.onFull.stop')],
          ['drop-oldest', t('settings.onFull.drop')],
        ]),
      ),
      this.#group(
        'settings.engine',
        make('div', { class: 'pairs' }, ...ENGINE_FIELDS.map((name) => this.#number(name))),
        this.#choice('kvType', [
          ['auto', t('settings.auto')],
          ['f16', t('settings.kvType.f16')],
          ['int8', t('settings.kvType.int8')],
        ]),
        this.#memoryBudget(),
        this.#choice('store', [
          ['indexeddb', 'IndexedDB'],
          ['opfs', 'OPFS'],
        ]),
        make('p', { class: 'help' }, t('settings.engine.help')),
      ),
      this.#resetButton(),
      this.#group('settings.shortcuts', this.#shortcuts()),
      make('p', { class: 'help' }, make('a', { href: 'docs/index.html', target: '_blank' }, t('settings.reference'))),
    );
  }

  /** @param {import('../ui/i18n.js').StringKey} key @param {...Node} children */
  #group(key, ...children) {
    return make('fieldset', {}, make('legend', {}, this.#t(key)), ...children);
  }

  /** A field with its label and its help. @param {ChoiceName | NumberName | TextName} name @param {HTMLElement} control */
  #field(name, control) {
    const help = this.#help[name]?.() ?? this.#t(`settings.${name}.help`);
    control.id = `setting-${name}`;
    control.setAttribute('aria-describedby', `help-${name}`);
    return make(
      'div',
      { class: 'field' },
      make('label', { for: control.id }, this.#t(`settings.${name}`)),
      control,
      make('p', { class: 'help', id: `help-${name}` }, help),
    );
  }

  /**
   * @param {ChoiceName} name
   * @param {[value: string, label: string][]} options
   * @param {(value: string) => unknown} [read] what the setting has for it
   */
  #choice(name, options, read = (value) => value) {
    const change = () => {
      this.#settings.set(name, read(select.value));
    };
    const made = options.map(([value, label]) => make('option', { value }, label));
    const select = make('select', { on: { change } }, ...made);
    select.value = String(this.#settings.get(name) ?? '');
    return this.#field(name, select);
  }

  #memoryBudget() {
    const present = this.#settings.get('memoryBudget') ?? MEMORY_BUDGETS[0];
    const offered = [...new Set([...MEMORY_BUDGETS, present])].sort((a, b) => a - b);
    /** @type {(bytes: number) => [string, string]} */
    const option = (bytes) => [String(bytes), formatBytes(bytes).replace('.0', '')];
    const none = this.#t('settings.memoryBudget.none');
    return this.#choice('memoryBudget', [['', none], ...offered.map(option)], (value) =>
      value === '' ? null : Number(value),
    );
  }

  /** @param {TextName} name @param {Record<string, unknown>} properties @param {(text: string) => string} problemOf a text that is not taken */
  #text(name, properties, problemOf) {
    const problem = make('p', { class: 'field-problem', role: 'alert' });
    const change = () => {
      const taken = this.#settings.set(name, field.value);
      field.setAttribute('aria-invalid', String(!taken));
      problem.textContent = taken ? '' : problemOf(field.value);
    };
    const field = make('textarea', { ...properties, on: { change } });
    followDirection(field)(this.#settings.get(name));
    field.placeholder = this.#t(`settings.${name}.placeholder`);
    const made = this.#field(name, field);
    made.append(problem);
    return made;
  }

  /** @param {NumberName} name */
  #number(name) {
    const { low, high, step } = RANGES[name];
    const optional = isOptional(name);
    const wanted = step === 1 ? 'settings.whole' : 'settings.range';
    const field = make('input', { type: 'number', min: low, max: high, step, inputmode: 'decimal' });
    const show = () => {
      field.value = String(this.#settings.get(name) ?? '');
    };
    show();
    if (optional) field.placeholder = this.#t(`settings.${name}.none`);
    const problem = make('p', { class: 'field-problem', role: 'alert' });
    field.addEventListener('change', () => {
      const value = field.value === '' && !field.validity.badInput ? null : field.valueAsNumber;
      const taken = this.#settings.set(name, value === null && !optional ? DEFAULTS[name] : value);
      if (taken) show();
      field.toggleAttribute('aria-invalid', !taken);
      if (!taken) field.setAttribute('aria-invalid', 'true');
      problem.textContent = taken ? '' : this.#t(wanted, { low, high });
    });
    const made = this.#field(name, field);
    made.append(problem);
    return made;
  }

  #resetButton() {
    const click = () => {
      this.#settings.reset(ANSWER_SETTINGS);
      this.render();
      find('settings-reset').focus();
    };
    const properties = { type: 'button', id: 'settings-reset', on: { click } };
    return make(
      'div',
      { class: 'buttons start' },
      make('button', properties, icon('retry'), this.#t('settings.reset')),
    );
  }

  #shortcuts() {
    /** @type {typeof SHORTCUTS} */
    const writing = isOnScreen()
      ? [['Ctrl Enter', 'shortcut.send']]
      : [
          ['Enter', 'shortcut.send'],
          ['Shift Enter', 'shortcut.line'],
        ];
    const rows = [...writing, ...SHORTCUTS].flatMap(([keys, key]) => [
      make('dt', {}, ...keys.split(' ').map((name) => make('kbd', {}, name))),
      make('dd', {}, this.#t(key)),
    ]);
    return make('dl', { class: 'shortcuts' }, ...rows);
  }
}
