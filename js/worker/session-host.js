// The sessions of one model as they live in the engine's worker: the engine's own, and those that were created. Each is
// a timeline, and a way to go on when that is full. Calls come one after the other.

import { modelComputesNan, NibbleError } from '../base/errors.js';
import * as read from '../base/options.js';
import { complete } from '../generate/completion.js';
import { ChatPrompt, headLength, Room, readWithRoom, trimTokens } from '../generate/full-context.js';
import { withHalfCharacter } from '../generate/half-character.js';
import { isOwnAnswer, startsWith } from '../generate/own-answer.js';
import { mostLikely } from '../generate/probabilities.js';
import { Timeline } from '../generate/timeline.js';
import { exportImage, importImage } from '../saves/image.js';

/**
 * @typedef {object} OpenSession
 * @property {Timeline} timeline
 * @property {'stop' | 'drop-oldest'} onFull
 * @property {number | null} keepTokens of the head; null: the system prompt
 * @property {import('../generate/half-character.js').HalfCharacter | null} [half] the character that its last answer ends within
 * @property {import('../generate/own-answer.js').OwnAnswer | null} [answer] the last one, with all that was continued of it
 * @property {boolean} [shortOfMemory] whether it has lost something because memory did not suffice
 */

/** @typedef {import('../protocol/calls.js').SessionCalls} Calls */
/** @typedef {ReturnType<typeof read.readCompletionOptions>} CompletionSettings */
/** @typedef {ReturnType<typeof read.readSessionOptions>} SessionSettings */
/** @typedef {{ signal: AbortSignal, onEvent: (event: any) => void }} Control */
/** @typedef {(dropped: import('../protocol/calls.js').Dropped) => void} OnDrop */

/**
 * What a completion begins with.
 * @typedef {object} Plan
 * @property {number[]} prompt without what was left out
 * @property {number[]} whole with it
 * @property {Room | null} room
 * @property {import('../protocol/calls.js').Dropped} left
 * @property {import('../base/public-types.js').Warning[]} warnings
 * @property {string} opening
 */

export class SessionHost {
  #model;
  #modelText;
  #scheduler;
  #saves;
  /** @type {Map<number, OpenSession>} */
  #sessions = new Map();
  #lastNumber = read.OWN_SESSION;

  /**
   * @param {{ model: import('../core/runtime.js').Model, modelText: import('../prompt/model-text.js').ModelText, scheduler: import('../base/scheduler.js').Scheduler,
   *   saves: import('../saves/store.js').SessionStore, onFull: OpenSession['onFull'], keepTokens: number | null }} parts
   *   onFull, keepTokens: of sessions that are not told otherwise
   */
  constructor({ model, modelText, scheduler, saves, onFull, keepTokens }) {
    this.#model = model;
    this.#modelText = modelText;
    this.#scheduler = scheduler;
    this.#saves = saves;
    this.#sessions.set(read.OWN_SESSION, { timeline: this.#newTimeline(), onFull, keepTokens });
  }

  /** The timeline of the engine's own session. */
  get ownTimeline() {
    return this.#own.timeline;
  }

  get #own() {
    return /** @type {OpenSession} */ (this.#sessions.get(read.OWN_SESSION));
  }

  /** @param {Calls['complete']['params']} params @param {import('../protocol/calls.js').Control<Calls['complete']['event']>} control */
  async complete({ session: number, ...given }, { signal, onEvent }) {
    const options = read.readCompletionOptions(given);
    const session = this.#session(number);
    const { timeline } = session;
    const dropped = { tokens: 0, messages: 0 };
    /** @type {OnDrop} */
    const onDrop = ({ tokens, messages }) => {
      dropped.tokens += tokens;
      dropped.messages += messages;
      onEvent({ dropped: { tokens, messages } });
    };
    const plan = await this.#planUnlessStopped(session, options, { onDrop, signal });
    const { room, left, warnings, opening } = plan;
    const own = options.continueLast ? this.#ownAnswer(session, options, plan) : null;
    const half = options.continueLast ? (session.half ?? null) : null;
    const prompt =
      own === null
        ? withHalfCharacter(plan.prompt, half, room === null ? timeline.contextSize : Infinity)
        : [...own.prompt, ...own.tokens];
    if (left.tokens > 0 && own === null) onDrop(left);
    const begun = room?.fit(prompt, own === null ? 0 : left.messages) ?? prompt;
    const { tokenizer } = this.#modelText;
    const context = {
      model: this.#model,
      timeline,
      tokenizer,
      scheduler: this.#scheduler,
      room,
      shift: dropped.tokens > 0,
    };
    const stop = options.messages ? [...options.stop, ...this.#modelText.chatStops(options)] : options.stop;
    /** @param {import('../base/public-types.js').Prefill} prefill */
    const onPrefill = (prefill) => onEvent({ prefill: { ...prefill, opening } });
    const control = { signal, onToken: onEvent, onPrefill };
    const completing = complete(context, begun, { ...options, stop }, control);
    const { half: open, ...result } = await completing.finally(() => {
      session.shortOfMemory ||= room?.shortOfMemory ?? false;
    });
    session.half = open;
    const { prompt: before, tokens: written, text: said } = own ?? { prompt, tokens: [], text: '' };
    const messages = (options.messages?.length ?? 0) - (own === null ? 0 : 1);
    const answer = { prompt: before, messages, tokens: [...written, ...result.tokens], text: said + result.text };
    // What a stop string cuts off is among the tokens. Behind a chat that lacked messages, nothing tells which chat it was.
    session.answer = result.stopString === null && (own !== null || left.tokens === 0) ? answer : null;
    return { ...result, droppedTokens: dropped.tokens, droppedMessages: dropped.messages, warnings };
  }

  /**
   * The last answer, where it is the one that a chat continues.
   * @param {OpenSession} session
   * @param {CompletionSettings} options
   * @param {Plan} plan of the chat, with the answer's text at its end
   */
  #ownAnswer({ answer = null, timeline: { contextSize } }, { messages = [], ...options }, { whole, room, left }) {
    if (answer === null || answer.messages !== messages.length - 1) return null;
    // One that has outgrown the context is cut; one that has not makes room by whole turns first.
    const isGrown = answer.prompt.length + answer.tokens.length > contextSize;
    if (isGrown ? room === null : left.tokens > 0) return null;
    // That it is a text has been checked.
    const content = /** @type {string} */ (messages[messages.length - 1].content);
    if (!content.endsWith(answer.text)) return null;
    // Where its first word does not run together with what is before it, the chat need not be read once more.
    if (content === answer.text && startsWith(whole, answer.prompt)) return answer;
    const head = this.#modelText.readChat(messages.slice(0, -1), { ...options, continueLast: false });
    return isOwnAnswer(answer, content, head) ? answer : null;
  }

  /**
   * A long text is read at a stretch, while no message comes in. Whoever has stopped meanwhile is told that it was stopped,
   * and not that it would not have fitted.
   * @param {OpenSession} session
   * @param {CompletionSettings} options
   * @param {{ onDrop: OnDrop, signal: AbortSignal }} control
   */
  async #planUnlessStopped(session, options, { onDrop, signal }) {
    let failure;
    /** @type {Plan} */
    let plan = { prompt: [], whole: [], room: null, left: { tokens: 0, messages: 0 }, warnings: [], opening: '' };
    try {
      plan = this.#plan(session, options, onDrop);
    } catch (error) {
      failure = error;
    }
    await this.#scheduler.nextTask();
    if (failure !== undefined && !signal.aborted) throw failure;
    return plan;
  }

  /**
   * The prompt, which is rendered and becomes tokens here and nowhere else; what of it was left out since it does not fit;
   * and how room is made later, null: it is not.
   * @param {OpenSession} session
   * @param {CompletionSettings} options
   * @param {OnDrop} onDrop
   * @returns {Plan}
   */
  #plan(session, options, onDrop) {
    const { timeline } = session;
    const { contextSize } = timeline;
    const nothing = { tokens: 0, messages: 0 };
    if ((options.onFull ?? session.onFull) === 'stop') {
      const { tokens: prompt, warnings, opening } = this.#start(options);
      return { prompt, whole: prompt, room: null, left: nothing, warnings, opening };
    }
    const kept = options.keepTokens ?? session.keepTokens;
    if (options.messages === undefined) {
      const keep = headLength(kept ?? 0, contextSize);
      const { tokens: given, warnings } = this.#start(options);
      const { tokens: prompt, droppedTokens } = trimTokens(given, { contextSize, keep });
      const room = new Room({ timeline, keep: kept, chat: null, leftOut: null, onDrop });
      return { prompt, whole: given, room, left: { tokens: droppedTokens, messages: 0 }, warnings, opening: '' };
    }
    const { maxTokens } = options;
    const given = { ...options, messages: options.messages };
    const chat = chatPrompt(this.#modelText, given, { isOpen: options.continueLast });
    const leftOut = chat.fit({
      contextSize,
      maxTokens,
      onTimeline: timeline.tokens,
      shortOfMemory: session.shortOfMemory,
    });
    const { tokens: prompt, opening } = chat.readWithout(leftOut);
    const room = new Room({ timeline, keep: kept, chat, leftOut, onDrop });
    const { tokens: whole, warnings } = chat.readWithout(0);
    return {
      prompt,
      whole,
      room,
      left: { tokens: whole.length - prompt.length, messages: leftOut },
      warnings,
      opening,
    };
  }

  /** The likeliest next tokens after `tokens`. MODEL_COMPUTES_NAN where the model gives none a logit. @param {Calls['evaluate']['params']} params @param {Control} control */
  async evaluate({ session: number, tokens: given, options }, { signal }) {
    const tokens = this.#knownTokens(given);
    const { top, reusePrefix } = read.readEvaluateOptions(options);
    const { timeline } = this.#session(number);
    await timeline.replace(tokens, { reuse: reusePrefix, scheduler: this.#scheduler, signal });
    const likely = mostLikely(/** @type {Float32Array} */ (timeline.logits()), top === 0 ? Infinity : top);
    return { tokens, top: likely.map(({ id, p, logit }) => ({ id, token: this.#modelText.tokenText(id), p, logit })) };
  }

  /** ln p(token | the tokens before it) of tokens from..end, in order. MODEL_COMPUTES_NAN where one is no number. @param {Calls['score']['params']} params @param {Control} control */
  async score({ session: number, tokens: given, options }, { signal }) {
    const tokens = this.#knownTokens(given);
    const { from, reusePrefix } = read.readScoreOptions(options);
    const { timeline } = this.#session(number);
    if (tokens.length <= from) return new Float32Array(0);
    // What is refused leaves the session as it was.
    timeline.checkRoom(tokens.length - 1);
    const kept = reusePrefix ? timeline.keep(tokens.slice(0, from - 1)) : timeline.truncate(0);
    const inputs = tokens.slice(kept, -1);
    const targets = inputs.map((_, index) => (kept + index + 1 < from ? -1 : tokens[kept + index + 1]));
    const scored = timeline.append(inputs, { scheduler: this.#scheduler, signal, targets });
    const scores = /** @type {Float32Array} */ (await scored);
    if (scores.some(Number.isNaN)) throw modelComputesNan();
    return scores.slice(from - 1 - kept);
  }

  /** Opens an empty session. @param {Calls['sessionCreate']['params']} params @returns {{ session: number }} what the others call it */
  sessionCreate({ options }) {
    return this.#add(this.#newTimeline(), read.readSessionOptions(options), this.#own);
  }

  /** @param {Calls['sessionFork']['params']} params */
  sessionFork({ session: number, options }) {
    const origin = this.#session(number);
    return this.#add(origin.timeline.fork(), read.readSessionOptions(options), origin, origin);
  }

  /** Makes tokens the session's content, and computes those that are new. @param {Calls['sessionPrefill']['params']} params @param {import('../protocol/calls.js').Control<Calls['sessionPrefill']['event']>} control */
  async sessionPrefill({ session: number, tokens: given, options }, { signal, onEvent }) {
    const { reusePrefix } = read.readPrefillOptions(options);
    const session = this.#session(number);
    const { timeline } = session;
    let { tokens, droppedTokens } = this.#fitting(session, this.#knownTokens(given));
    if (tokens.length === 0) {
      timeline.truncate(0);
      return { reusedTokens: 0, computedTokens: 0, droppedTokens };
    }
    const room = this.#prefillRoom(session, (dropped) => {
      droppedTokens += dropped.tokens;
    });
    let reusedTokens = 0;
    let computedTokens = 0;
    const report = () =>
      onEvent({ prefill: { tokens: computedTokens, total: tokens.length - reusedTokens, reusedTokens } });
    /** @param {number} count */
    const onStart = (count) => {
      reusedTokens = count;
      report();
    };
    /** @param {number} count */
    const onPiece = (count) => {
      computedTokens += count;
      report();
    };
    const how = { reuse: reusePrefix, wantsLogits: false, scheduler: this.#scheduler, signal, onStart, onPiece };
    await readWithRoom(room, tokens, (fitting) => {
      tokens = fitting;
      computedTokens = 0;
      return timeline.replace(tokens, { ...how, shift: droppedTokens > 0 });
    });
    return { reusedTokens, computedTokens, droppedTokens };
  }

  /** What makes room where memory ends before the context; null: nothing does. @param {OpenSession} session @param {OnDrop} onDrop */
  #prefillRoom({ timeline, onFull, keepTokens }, onDrop) {
    if (onFull === 'stop') return null;
    return new Room({ timeline, keep: keepTokens, chat: null, leftOut: null, onDrop });
  }

  /** @param {Calls['sessionTruncate']['params']} params */
  sessionTruncate({ session: number, length }) {
    return this.#session(number).timeline.truncate(read.readLength(length));
  }

  /** @param {Calls['sessionTokens']['params']} params */
  sessionTokens({ session: number }) {
    return [...this.#session(number).timeline.tokens];
  }

  /** May be called twice. The engine's own is emptied, and goes on. @param {Calls['sessionClose']['params']} params */
  sessionClose({ session: given }) {
    const number = read.readSessionNumber(given);
    const session = this.#sessions.get(number);
    if (number !== read.OWN_SESSION) {
      session?.timeline.close();
      this.#sessions.delete(number);
    } else if (session !== undefined) {
      session.timeline.truncate(0);
      Object.assign(session, { half: null, answer: null, shortOfMemory: false });
    }
    return null;
  }

  /** @param {Calls['sessionSave']['params']} params @param {Control} control */
  async sessionSave({ session: number, key: given }, { signal }) {
    await this.#model.arrived.until(Infinity, signal);
    const { timeline } = this.#session(number);
    const key = read.readSaveKey(given);
    return withSave(timeline, (save) => this.#saves.save(key, save, { tokens: timeline.length, signal }));
  }

  /** @param {Calls['sessionExport']['params']} params @param {Control} control */
  async sessionExport({ session: number }, { signal }) {
    await this.#model.arrived.until(Infinity, signal);
    return withSave(this.#session(number).timeline, (save) =>
      exportImage(save, { scheduler: this.#scheduler, signal }),
    );
  }

  /** @param {Calls['sessionRestore']['params']} params @param {Control} control @returns {Promise<Calls['sessionRestore']['result']>} */
  async sessionRestore({ key: given, options }, { signal }) {
    const key = read.readSaveKey(given);
    const settings = read.readSessionOptions(options);
    await this.#model.arrived.until(Infinity, signal);
    const openRestore = () => this.#model.openRestore();
    const { session, problem } = await this.#saves.restore(key, { openRestore, signal });
    if (session === null) return { session: null, problem: problem?.toJSON() ?? null };
    return { ...this.#addRestored(session, settings), problem: null };
  }

  /** @param {Calls['sessionImport']['params']} params @param {Control} control */
  async sessionImport({ image, options }, { signal }) {
    const settings = read.readSessionOptions(options);
    await this.#model.arrived.until(Infinity, signal);
    return this.#addRestored(await importImage(this.#model, /** @type {Blob} */ (image), signal), settings);
  }

  sessionList() {
    return this.#saves.list();
  }

  /** @param {Calls['sessionDelete']['params']} params */
  async sessionDelete({ key }) {
    await this.#saves.delete(read.readSaveKey(key));
    return null;
  }

  /** Closes all sessions, and the store of the saved ones. */
  async close() {
    for (const { timeline } of this.#sessions.values()) timeline.close();
    this.#sessions.clear();
    await this.#saves.close();
  }

  /** One that may share what the others begin with. @param {{ session: import('../core/session.js').Session, computed: number }} [from] */
  #newTimeline(from) {
    const others = () => Array.from(this.#sessions.values(), ({ timeline }) => timeline);
    return new Timeline(this.#model, { ...from, others });
  }

  /** @param {import('../core/session.js').Session} session @param {SessionSettings} settings */
  #addRestored(session, settings) {
    try {
      // Nothing tells whether it was shifted before it was saved.
      return this.#add(this.#newTimeline({ session, computed: 0 }), settings, this.#own);
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /** @param {Timeline} timeline @param {SessionSettings} settings @param {OpenSession} origin @param {Pick<OpenSession, 'half' | 'answer'>} [written] */
  #add(timeline, { onFull, keepTokens }, origin, { half = null, answer = null } = {}) {
    const number = ++this.#lastNumber;
    this.#sessions.set(number, {
      timeline,
      onFull: onFull ?? origin.onFull,
      keepTokens: keepTokens ?? origin.keepTokens,
      half,
      answer,
    });
    return { session: number };
  }

  /** @param {unknown} given */
  #session(given) {
    const session = this.#sessions.get(read.readSessionNumber(given));
    if (session !== undefined) return session;
    throw new NibbleError('SESSION_CLOSED', 'The session was closed. Create a new one, or restore a saved one.');
  }

  /** Tokens for a session: without the oldest, where they do not fit and it was created so. @param {OpenSession} session @param {number[]} tokens */
  #fitting({ timeline: { contextSize }, onFull, keepTokens }, tokens) {
    if (onFull === 'stop') return { tokens, droppedTokens: 0 };
    return trimTokens(tokens, { contextSize, keep: headLength(keepTokens ?? 0, contextSize) });
  }

  /** @param {CompletionSettings} options @returns {import('../prompt/model-text.js').ReadPrompt} */
  #start(options) {
    if (options.tokens !== undefined) return { tokens: this.#knownTokens(options.tokens), warnings: [], opening: '' };
    return this.#modelText.readStart(options);
  }

  /** @param {unknown} given */
  #knownTokens(given) {
    const tokens = read.readTokens('tokens', given);
    const { vocabularySize } = this.#model.info;
    const unknown = tokens.find((token) => token >= vocabularySize);
    if (unknown === undefined) return tokens;
    throw new NibbleError('INVALID_ARGUMENT', `${unknown} is not a token: ids go from 0 to ${vocabularySize - 1}.`);
  }
}

/**
 * A chat as a prompt that can be made shorter.
 * @param {import('../prompt/model-text.js').ModelText} modelText
 * @param {{ messages: import('../prompt/messages.js').Message[] } & import('../prompt/model-text.js').ChatOptions} options
 * @param {{ isOpen?: boolean }} [how] as ChatPrompt has it
 */
export function chatPrompt(modelText, { messages, ...given }, how) {
  const { continueLast, parseSpecial, tools, template, chatTemplate, templateVariables } = given;
  const options = { continueLast, parseSpecial, tools, template, chatTemplate, templateVariables };
  return new ChatPrompt(messages, (fewer) => modelText.readChat(fewer, options), how);
}

/** @template T @param {Timeline} timeline @param {(save: import('../core/session.js').Save) => Promise<T>} use */
async function withSave(timeline, use) {
  const save = timeline.save();
  try {
    return await use(save);
  } finally {
    save.close();
  }
}
