// The read-outs: what the engine is, and what it is doing right now. A line below the conversation has the numbers, a
// dialog says what each of them means.

import { STORES, tellsRate } from '../engine/read-rates.js';
import { find, make } from '../ui/dom.js';
import { formatBytes } from '../ui/units.js';

/** @typedef {import('../nibble/index.js').EngineInfo} EngineInfo */
/** @typedef {Awaited<ReturnType<import('../nibble/index.js').Engine['memory']>>} Memory */
/** @typedef {{ prefill: number, decode: number }} Speed tokens a second */
/** @typedef {import('../ui/i18n.js').StringKey} StringKey */

/**
 * @typedef {object} Readings
 * @property {EngineInfo | null} info
 * @property {boolean} threadsSet whether the settings name their number
 * @property {Speed | null} speed
 * @property {{ tokens: number, total: number } | null} reading how far the prompt is, while it is read
 * @property {number} contextUsed tokens
 * @property {Memory | null} memory bytes by purpose, `total` all of them
 * @property {'ready' | 'away' | 'page' | 'model' | 'gone' | 'lost' | 'never'} offline what works without the network:
 *   all, and there is none now; not yet the page; not yet the model; the model no more; the page no more; never the page
 */

const NOTHING = { speed: '', context: '', memory: '', threads: '', kernels: '', storage: '' };

export class Status {
  #t;
  /** @type {Readings} */
  #readings = {
    ...{ info: null, threadsSet: false, speed: null, reading: null },
    ...{ contextUsed: 0, memory: null, offline: 'page' },
  };
  #frame = 0;
  /** What was written last, by the element's id. @type {Map<string, string>} */
  #written = new Map();

  /** @param {import('../ui/i18n.js').Translate} t */
  constructor(t) {
    this.#t = t;
  }

  /** @param {Partial<Readings>} readings those that are different; shown with the next frame */
  update(readings) {
    Object.assign(this.#readings, readings);
    this.#frame ||= requestAnimationFrame(() => this.render());
  }

  render() {
    this.#frame = 0;
    const { info, offline } = this.#readings;
    find('status').dataset.offline = offline;
    this.#write('status-offline', this.#t(`offline.${offline}`));
    const shown = info === null ? NOTHING : this.#texts(info);
    for (const [name, text] of Object.entries(shown)) this.#write(`status-${name}`, text);
    const share = info === null ? 0 : Math.min(1, this.#readings.contextUsed / info.contextSize);
    find('context-share').style.width = `${(share * 100).toFixed(1)}%`;
    const place = find('status-context').parentElement;
    if (place !== null) place.hidden = info === null;
    find('context-share').parentElement?.classList.toggle('nearly-full', share > 0.9);
  }

  /** Fills the dialog that explains the numbers. */
  renderDetails() {
    const { info, memory, offline } = this.#readings;
    const t = this.#t;
    /** @type {[key: StringKey, value: string, help: string][]} */
    const rows = [];
    if (info !== null) {
      const texts = this.#texts(info);
      rows.push(
        ['details.model', `${info.name} · ${info.quantization.label}`, this.#modelHelp(info)],
        ['details.speed', texts.speed || '–', t('details.speed.help')],
        ['details.context', texts.context, t('details.context.help', { size: info.contextSize })],
        ['details.memory', memory === null ? '–' : formatBytes(memory.total), this.#memoryHelp(memory)],
        ...this.#budget(info),
        ['details.threads', texts.threads, this.#threadsHelp(info)],
        ['details.kernels', `${info.kernelSet} · ${info.wasm}`, t('details.kernels.help')],
        ['details.storage', texts.storage, t(readRate(info) > 0 ? 'details.storage.help' : 'details.storage.plain')],
      );
    }
    rows.push(['details.offline', t(`offline.${offline}`), t(`offline.${offline}.help`)]);
    const made = rows.map(([key, value, help]) =>
      make(
        'div',
        {},
        make('dt', {}, t(key)),
        make('dd', {}, make('strong', {}, value), make('p', { class: 'help' }, help)),
      ),
    );
    find('details-list').replaceChildren(...made);
  }

  /** @param {EngineInfo} info */
  #texts(info) {
    const { contextUsed, memory } = this.#readings;
    const t = this.#t;
    return {
      speed: this.#speed(),
      context: t('status.context', { used: Math.min(contextUsed, info.contextSize), size: info.contextSize }),
      memory: this.#memory(memory, info.budget),
      threads: t('threads', { count: info.threads }),
      kernels: info.kernelSet,
      storage: this.#storage(info),
    };
  }

  #speed() {
    const { speed, reading } = this.#readings;
    const t = this.#t;
    if (reading !== null) return t('status.reading', { tokens: reading.tokens, total: reading.total });
    if (speed === null) return '';
    return t('status.speed', { prefill: this.#rate(speed.prefill), decode: this.#rate(speed.decode) });
  }

  /** @param {number} value */
  #rate(value) {
    return value === 0 ? '–' : Number(value.toFixed(value < 10 ? 1 : 0));
  }

  /** @param {EngineInfo} info */
  #storage(info) {
    const { kind, state } = info.storage;
    if (state === 'not-stored' || kind === null) return this.#t('storage.none');
    const name = kind in STORES ? STORES[/** @type {keyof typeof STORES} */ (kind)] : kind;
    const rate = readRate(info);
    return rate > 0 ? `${name} · ${formatBytes(rate)}/s` : name;
  }

  /** @param {Memory | null} memory @param {EngineInfo['budget']} budget */
  #memory(memory, budget) {
    if (memory === null) return '';
    const used = formatBytes(memory.total);
    return budget ? this.#t('status.memory', { used, budget: formatBytes(budget.bytes) }) : used;
  }

  /** What the model's weights are, and what those of each type take in memory. @param {EngineInfo} info */
  #modelHelp({ quantization }) {
    const parts = quantization.types.map(({ type, packedBytes }) => `${type} ${formatBytes(packedBytes)}`);
    return [this.#t('details.model.help'), parts.join(', ')].filter(Boolean).join(' ');
  }

  /** @param {Memory | null} memory */
  #memoryHelp(memory) {
    const help = this.#t('details.memory.help');
    if (memory === null) return help;
    const { wasm, weights, ring = 0, kvCache, activations = 0, javascript } = memory;
    const engine = Math.max(0, wasm - weights - ring - kvCache - activations);
    /** @param {'weights' | 'ring' | 'cache' | 'activations' | 'engine' | 'javascript'} name @param {number} bytes */
    const say = (name, bytes) => this.#t(`details.memory.${name}`, { size: formatBytes(bytes) });
    const parts = [
      say('weights', weights),
      ...(ring > 0 ? [say('ring', ring)] : []),
      say('cache', kvCache),
      say('activations', activations),
      say('engine', engine),
      say('javascript', javascript),
    ];
    return `${help} ${parts.join(', ')}`;
  }

  /** What a memory budget made of the model: what stays, and what every token costs. @param {EngineInfo} info @returns {[key: StringKey, value: string, help: string][]} */
  #budget(info) {
    if (!info.budget) return [];
    const t = this.#t;
    const { bytes, streams, pinnedBlocks, streamedBlocks, bytesPerTokenStreamed: read, sweepTokens } = info.budget;
    const limit = formatBytes(bytes);
    if (!streams) return [['details.budget', t('details.budget.fits', { limit }), t('details.budget.fits.help')]];
    const value = { limit, pinned: pinnedBlocks, blocks: pinnedBlocks + streamedBlocks, read: formatBytes(read) };
    const rate = readRate(info);
    const about = { rate: formatBytes(rate), speed: Number((rate / read).toPrecision(2)) };
    // What was measured says more than what the last load lets expect.
    const isExpected = rate > 0 && (this.#readings.speed?.decode ?? 0) <= 0;
    const help = [t('details.budget.help', { count: sweepTokens })];
    if (isExpected) help.push(t('details.budget.about', about));
    return [['details.budget', t('details.budget.streams', value), help.join(' ')]];
  }

  /** @param {EngineInfo} info */
  #threadsHelp(info) {
    const { threadsSet } = this.#readings;
    if (info.threads > 1) return this.#t('details.threads.many');
    if (!crossOriginIsolated) return this.#t('details.threads.alone');
    if (info.threadProblem) return this.#t('warning.THREADS_FEWER');
    if (threadsSet) return this.#t('details.threads.set');
    return this.#t(navigator.hardwareConcurrency > 1 ? 'details.threads.fastest' : 'details.threads.one');
  }

  /** @param {string} id @param {string} text */
  #write(id, text) {
    if (this.#written.get(id) === text) return;
    this.#written.set(id, text);
    find(id).textContent = text;
    find(id).hidden = text === '';
  }
}

/**
 * How fast the store gave the weights at the last load.
 * @param {import('../nibble/index.js').Engine['info']} info
 * @returns {number} bytes a second; 0: it was not read, or the model is too small to tell
 */
export function readRate({ storage, tensorBytes }) {
  return tellsRate(tensorBytes) ? (storage.bytesPerSecond ?? 0) : 0;
}
