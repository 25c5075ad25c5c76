// The read-outs: what the engine is, and what it is doing right now. A line below the conversation has the numbers, a
// dialog says what each of them means.

import { STORES, tellsRate } from '../engine/read-rates.js';
import { find, make } from '../ui/dom.js';
import { formatBytes } from '../ui/units.js';

/**
 * @typedef {object} Readings
 * @property {import('../nibble/index.js').Engine['info'] | null} info
 * @property {boolean} threadsSet whether the settings name their number
 * @property {{ prefill: number, decode: number } | null} speed tokens a second
 * @property {{ tokens: number, total: number } | null} reading how far the prompt is, while it is read
 * @property {number} contextUsed tokens
 * @property {Record<string, number> | null} memory bytes by purpose, `total` all of them
 * @property {'ready' | 'away' | 'page' | 'model' | 'gone' | 'lost' | 'never'} offline what works without the network:
 *   all, and there is none now; not yet the page; not yet the model; the model no more; the page no more; never the page
 */

export class Status {
  #t;
  #readings = {
    ...{ info: null, threadsSet: false, speed: null, reading: null },
    ...{ contextUsed: 0, memory: null, offline: 'page' },
  };
  #frame = 0;
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
    const shown = info === null ? {} : this.#texts();
    for (const name of ['speed', 'context', 'memory', 'threads', 'kernels', 'storage']) {
      this.#write(`status-${name}`, shown[name] ?? '');
    }
    const share = info === null ? 0 : Math.min(1, this.#readings.contextUsed / info.contextSize);
    find('context-share').style.width = `${(share * 100).toFixed(1)}%`;
    find('status-context').parentElement.hidden = info === null;
    find('context-share').parentElement.classList.toggle('nearly-full', share > 0.9);
  }

  /** Fills the dialog that explains the numbers. */
  renderDetails() {
    const { info, memory, offline } = this.#readings;
    const t = this.#t;
    const rows = [];
    if (info !== null) {
      const texts = this.#texts();
      rows.push(
        ['details.model', `${info.name} · ${info.quantization.label}`, this.#modelHelp(info)],
        ['details.speed', texts.speed || '–', t('details.speed.help')],
        ['details.context', texts.context, t('details.context.help', { size: info.contextSize })],
        ['details.memory', memory === null ? '–' : formatBytes(memory.total), this.#memoryHelp(memory)],
        ...this.#budget(info),
        ['details.threads', texts.threads, this.#threadsHelp()],
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

  #texts() {
    const { info, contextUsed, memory } = this.#readings;
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

  #rate(value) {
    return value === 0 ? '–' : Number(value.toFixed(value < 10 ? 1 : 0));
  }

  #storage(info) {
    const { kind, state } = info.storage;
    if (state === 'none') return this.#t('storage.none');
    const name = STORES[kind] ?? kind;
    const rate = readRate(info);
    return rate > 0 ? `${name} · ${formatBytes(rate)}/s` : name;
  }

  #memory(memory, budget) {
    if (memory === null) return '';
    const used = formatBytes(memory.total);
    return budget ? this.#t('status.memory', { used, budget: formatBytes(budget.bytes) }) : used;
  }

  /** What the model's weights are, and what those of each type take in memory. */
  #modelHelp({ quantization }) {
    const parts = quantization.types.map(({ type, packedBytes }) => `${type} ${formatBytes(packedBytes)}`);
    return [this.#t('details.model.help'), parts.join(', ')].filter(Boolean).join(' ');
  }

  #memoryHelp(memory) {
    const help = this.#t('details.memory.help');
    if (memory === null) return help;
    const { wasm, weights, ring = 0, kvCache, activations = 0, javascript } = memory;
    const engine = Math.max(0, wasm - weights - ring - kvCache - activations);
    const parts = Object.entries({ weights, ring, cache: kvCache, activations, engine, javascript })
      .filter(([name, bytes]) => bytes > 0 || name !== 'ring')
      .map(([name, bytes]) => this.#t(`details.memory.${name}`, { size: formatBytes(bytes) }));
    return `${help} ${parts.join(', ')}`;
  }

  /** What a memory budget made of the model: what stays, and what every token costs. */
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
    const isExpected = rate > 0 && !(this.#readings.speed?.decode > 0);
    const help = [t('details.budget.help', { count: sweepTokens }), isExpected && t('details.budget.about', about)];
    return [['details.budget', t('details.budget.streams', value), help.filter(Boolean).join(' ')]];
  }

  #threadsHelp() {
    const { info, threadsSet } = this.#readings;
    if (info.threads > 1) return this.#t('details.threads.many');
    if (!crossOriginIsolated) return this.#t('details.threads.alone');
    if (threadsSet) return this.#t('details.threads.set');
    return this.#t(navigator.hardwareConcurrency > 1 ? 'details.threads.fastest' : 'details.threads.one');
  }

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
  return tellsRate(tensorBytes) ? storage.bytesPerSecond : 0;
}
