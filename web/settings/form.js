// The form of the settings: every field with its help, in the reader's language.
import { followDirection } from '../ui/direction.js';
import { find, make } from '../ui/dom.js';
import { LANGUAGES } from '../ui/i18n.js';
import { icon } from '../ui/icons.js';
import { isOnScreen } from '../ui/keys.js';
import { formatBytes } from '../ui/units.js';
import { ANSWER_SETTINGS, DEFAULTS, MEMORY_BUDGETS, RANGES } from './settings.js';

const SAMPLING_FIELDS = ['temperature', 'maxTokens', 'topP', 'topK', 'minP', 'repetitionPenalty', 'seed'];
const ENGINE_FIELDS = ['contextSize', 'threads'];
const SHORTCUTS = [
  ['Esc', 'shortcut.stop'],
  ['↑', 'shortcut.edit'],
  ['Ctrl K', 'shortcut.search'],
  ['Ctrl Shift O', 'shortcut.new'],
  ['Ctrl ,', 'shortcut.settings'],
];

export class SettingsForm {
  #settings;
  #t;
  #help;
  #root = find('settings-form');

  /**
   * @param {import('./settings.js').Settings} settings
   * @param {(key: string, values?: object) => string} t
   * @param {Record<string, () => string>} help of those settings for which it is not always the same, by name
   */
  constructor(settings, t, help) {
    this.#settings = settings;
    this.#t = t;
    this.#help = help;
  }

  /** Builds the form with what is set now. */
  render() {
    const t = this.#t;
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
        this.#systemPrompt(),
        this.#choice('thinking', [
          ['auto', t('settings.auto')],
          ['on', t('settings.thinking.on')],
          ['off', t('settings.thinking.off')],
        ]),
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
    );
  }

  #group(key, ...children) {
    return make('fieldset', {}, make('legend', {}, this.#t(key)), ...children);
  }

  /** A field with its label and its help. */
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

  /** @param {[string, string][]} options value and label */
  #choice(name, options, read = (value) => value) {
    const change = () => this.#settings.set(name, read(select.value));
    const made = options.map(([value, label]) => make('option', { value }, label));
    const select = make('select', { on: { change } }, ...made);
    select.value = this.#settings.get(name) ?? '';
    return this.#field(name, select);
  }

  #memoryBudget() {
    const present = this.#settings.get('memoryBudget') ?? MEMORY_BUDGETS[0];
    const offered = [...new Set([...MEMORY_BUDGETS, present])].sort((a, b) => a - b);
    const sizes = offered.map((bytes) => [bytes, formatBytes(bytes).replace('.0', '')]);
    const options = [['', this.#t('settings.memoryBudget.none')], ...sizes];
    return this.#choice('memoryBudget', options, (value) => (value === '' ? null : Number(value)));
  }

  #systemPrompt() {
    const { most } = RANGES.systemPrompt;
    // A text that is cut would be taken for the whole of it.
    const problem = make('p', { class: 'field-problem', role: 'alert' });
    const change = () => {
      const taken = this.#settings.set('systemPrompt', field.value);
      field.setAttribute('aria-invalid', String(!taken));
      problem.textContent = taken ? '' : this.#t('settings.systemPrompt.long', { count: field.value.length, most });
    };
    const field = make('textarea', { rows: 3, on: { change } });
    followDirection(field)(this.#settings.get('systemPrompt'));
    field.placeholder = this.#t('settings.systemPrompt.placeholder');
    const made = this.#field('systemPrompt', field);
    made.append(problem);
    return made;
  }

  #number(name) {
    const { low, high, step, optional } = RANGES[name];
    const wanted = step === 1 ? 'settings.whole' : 'settings.range';
    const field = make('input', { type: 'number', min: low, max: high, step, inputmode: 'decimal' });
    field.value = this.#settings.get(name) ?? '';
    if (optional) field.placeholder = this.#t(`settings.${name}.none`);
    const problem = make('p', { class: 'field-problem', role: 'alert' });
    field.addEventListener('change', () => {
      const value = field.value === '' && !field.validity.badInput ? null : field.valueAsNumber;
      const taken = this.#settings.set(name, value === null && !optional ? DEFAULTS[name] : value);
      if (taken) field.value = this.#settings.get(name) ?? '';
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
