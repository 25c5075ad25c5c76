// Brings together what the read-outs show: from the engine, from the answer that is being written, from the network.
import { countUsed } from '../chat/context-fit.js';
import { isIncluded } from '../engine/engine-room.js';
import { STORES, tellsRate } from '../engine/read-rates.js';
import { formatBytes } from '../ui/units.js';
import { readRate, Status } from './status.js';

// Those that change what a conversation is as a prompt.
/** @type {import('../settings/settings.js').SettingName[]} */
const PROMPT_SETTINGS = ['systemPrompt', 'thinking', 'templateVariables'];

/** @typedef {import('../nibble/index.js').Engine} Engine */
/** @typedef {import('../conversations/conversations.js').Conversation} Conversation */
/** @typedef {import('./status.js').Speed} Speed */

export class Readouts {
  #room;
  #settings;
  #answers;
  #current;
  #status;
  #t;
  /** @type {Engine | null} */
  #measured = null;
  /** The last speed that was measured, and of what. @type {{ engine: Engine | null, id: string, value: Speed | null }} */
  #speed = { engine: null, id: '', value: null };
  /** What a conversation takes of the context, by its id. @type {Map<string, { engine: Engine, of: string, tokens: number }>} */
  #used = new Map();
  /** Whether the store still has the model of an engine, as it was asked last. @type {{ engine: Engine | null, isKept: boolean }} */
  #kept = { engine: null, isKept: true };
  #isStored;
  #offline;
  #rates;

  /**
   * @param {object} context
   * @param {import('../engine/engine-room.js').EngineRoom} context.room
   * @param {import('../settings/settings.js').Settings} context.settings
   * @param {import('../chat/answers.js').Answers} context.answers
   * @param {import('../offline/registration.js').Offline} context.offline
   * @param {import('../engine/read-rates.js').ReadRates} context.rates
   * @param {(info: import('../nibble/index.js').Engine['info']) => Promise<boolean>} context.isStored whether the store
   *   has the model now
   * @param {import('../ui/i18n.js').Translate} context.t
   * @param {() => import('../conversations/conversations.js').Conversation} context.current
   */
  constructor({ room, settings, answers, offline, rates, isStored, t, current }) {
    this.#room = room;
    this.#settings = settings;
    this.#answers = answers;
    this.#current = current;
    this.#t = t;
    this.#status = new Status(t);
    this.#offline = offline;
    this.#rates = rates;
    this.#isStored = isStored;
    answers.onStep((job) => this.#follow(job));
    settings.onChange((name) => PROMPT_SETTINGS.includes(name) && this.refresh());
    for (const type of ['online', 'offline']) {
      addEventListener(type, () => {
        this.refresh();
        this.checkOffline();
      });
    }
    // What was kept may have gone while the page was out of sight.
    addEventListener('focus', () => this.checkOffline());
    document.addEventListener('visibilitychange', () => document.hidden || this.checkOffline());
  }

  /** Resolves when the page will not be reloaded any more to gain its isolation, or to begin with a newer version. */
  get settled() {
    const isFirstVisit = !navigator.serviceWorker?.controller;
    return crossOriginIsolated && isFirstVisit ? Promise.resolve() : this.#offline.settled;
  }

  refresh() {
    const { engine } = this.#room;
    const current = this.#current();
    const used = this.#used.get(current.id);
    const isOfEngine = used !== undefined && used.engine === engine;
    if (!isOfEngine || used.of !== this.#stateOf(current)) this.#count(engine, current);
    this.#status.update({
      info: engine?.info ?? null,
      threadsSet: this.#room.options?.threads !== undefined,
      contextUsed: isOfEngine ? used.tokens : 0,
      offline: this.#offlineState(),
      speed: this.#speed.engine === engine && this.#speed.id === current.id ? this.#speed.value : null,
      ...(this.#answers.jobOf(current.id) ? {} : { reading: null }),
    });
    if (engine !== this.#measured) this.#measure(engine);
  }

  /** Asks anew what works without the network: page and model may be deleted while they are in use. */
  async checkOffline() {
    const { engine, model } = this.#room;
    this.#offline.check();
    if (engine === null || engine.info.storage.state === 'not-stored' || isIncluded(model)) return;
    const isKept = await this.#isStored(engine.info);
    if (engine !== this.#room.engine) return;
    this.#kept = { engine, isKept };
    this.refresh();
  }

  renderDetails() {
    this.#status.renderDetails();
  }

  /** What the stores were measured at, for who chooses one. */
  describeStores() {
    const measured = Object.entries(STORES).flatMap(([kind, name]) => {
      const rate = this.#rates.get(kind);
      return rate === null || !tellsRate(rate.bytes) ? [] : [`${name} ${formatBytes(rate.bytesPerSecond)}/s`];
    });
    const help = this.#t('settings.store.help');
    return measured.length > 0 ? `${help} ${this.#t('settings.store.rate', { rates: measured.join(', ') })}` : help;
  }

  #promptOptions() {
    return { systemPrompt: this.#settings.get('systemPrompt'), chat: this.#settings.chat() };
  }

  /** What tells one state of a conversation, and of what its prompt depends on, from another. @param {Conversation} conversation */
  #stateOf({ messages, updatedAt }) {
    return JSON.stringify([messages.length, updatedAt, this.#promptOptions()]);
  }

  /** Counts what a conversation takes of the context, where no answer has told it yet. @param {Engine | null} engine @param {Conversation} conversation */
  async #count(engine, conversation) {
    const end = conversation.messages.length;
    if (engine === null || end === 0 || this.#answers.jobOf(conversation.id)) return;
    const before = this.#used.get(conversation.id);
    const counted = { engine, of: this.#stateOf(conversation), tokens: before?.engine === engine ? before.tokens : 0 };
    this.#used.set(conversation.id, counted);
    // An engine that is gone, or whose template refuses these messages, leaves it at none.
    counted.tokens = await countUsed(engine, conversation, this.#promptOptions()).catch(() => 0);
    this.refresh();
  }

  /** @param {import('../chat/answers.js').Job} job */
  #follow(job) {
    const { conversation, engine, prefill, phase, tokens, tokensPerSecond } = job;
    if (engine === null) return;
    if (prefill !== null) {
      const used = prefill.reusedTokens + prefill.tokens + tokens;
      this.#used.set(conversation.id, { engine, of: this.#stateOf(conversation), tokens: used });
    }
    // What was dropped meanwhile is in none of these numbers.
    if (phase === 'ended' && job.droppedTokens > 0) this.#used.delete(conversation.id);
    if (conversation !== this.#current()) return;
    const speed = prefill === null ? null : { prefill: prefill.tokensPerSecond, decode: tokensPerSecond };
    this.#speed = { engine, id: conversation.id, value: speed };
    const isReading = phase === 'prefill' && prefill !== null && prefill.tokens < prefill.total;
    this.#status.update({
      contextUsed: this.#used.get(conversation.id)?.tokens ?? 0,
      reading: isReading ? { tokens: prefill.tokens, total: prefill.total } : null,
      speed,
    });
    if (phase !== 'ended') return;
    this.#measure(this.#room.engine);
    this.checkOffline();
  }

  /** Asks the engine what it holds, which changes with a load and may with an answer. @param {Engine | null} engine */
  async #measure(engine) {
    this.#measured = engine;
    if (engine === null) return this.#status.update({ memory: null });
    const { storage, name, tensorBytes } = engine.info;
    const rate = readRate(engine.info);
    if (rate > 0 && storage.kind !== null)
      this.#rates.note(storage.kind, { bytesPerSecond: rate, name, bytes: tensorBytes });
    const memory = await engine.memory().catch(() => null);
    if (engine === this.#room.engine) this.#status.update({ memory });
  }

  #offlineState() {
    const { engine, model } = this.#room;
    if (this.#offline.state === 'unavailable') return 'never';
    if (this.#offline.state === 'lost') return 'lost';
    if (this.#offline.state !== 'offline-ready') return 'page';
    const isStored = engine !== null && engine.info.storage.state !== 'not-stored';
    const isGone = engine === this.#kept.engine && !this.#kept.isKept;
    if (!isIncluded(model) && !(isStored && !isGone)) return isStored ? 'gone' : 'model';
    return navigator.onLine ? 'ready' : 'away';
  }
}
