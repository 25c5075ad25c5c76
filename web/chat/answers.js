// The answers that are being written, in whichever conversation: one after the other, each stopped by itself.

import { ANSWER_MILLISECONDS, silent } from '../engine/engine-room.js';
import { codeOf } from '../engine/problem.js';
import { onLeaving } from '../ui/leaving.js';
import { ChatSessions } from './chat-sessions.js';
import { placeOf, promptOf } from './prompt.js';
import { openingOf, ReasoningSplitter } from './reasoning.js';

// The rate that is shown while an answer is written is that of this last while.
const RATE_MILLISECONDS = 1000;
const SAVE_MILLISECONDS = 2000;

/** @typedef {import('../conversations/conversations.js').Conversation} Conversation */
/** @typedef {import('../conversations/conversations.js').Message} Message */
/** @typedef {import('../nibble/index.js').Engine} Engine */
/** @typedef {{ before: Promise<unknown>, signal: AbortSignal, continues: boolean }} How an answer is written, and behind what */

/**
 * @typedef {object} Job
 * @property {Conversation} conversation
 * @property {Message} message the answer, which grows
 * @property {'waiting' | 'prefill' | 'decode' | 'ended'} phase
 * @property {Engine | null} engine
 * @property {import('../nibble/index.js').Prefill | null} prefill
 * @property {number} tokens written by now
 * @property {number} tokensPerSecond
 * @property {unknown} error why it failed; null: it has not
 * @property {boolean} isWritten it was not for the writing, but for the keeping
 * @property {string[]} warnings codes of what was done otherwise than one would expect
 * @property {number} droppedTokens how many left the context to make room
 * @property {boolean} isDiscarded its conversation was deleted
 * @property {import('./replaced-answer.js').Replaced | null} replaced
 * @property {boolean} isRestored it has ended before its first word, and what it was to replace is there again
 * @property {() => void} stop
 */

export class Answers {
  #room;
  #settings;
  #conversations;
  /** By the conversation's id. @type {Map<string, Job>} */
  #jobs = new Map();
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  /** @type {Set<(job: Job, text: string) => void>} */
  #listeners = new Set();
  #sessions;
  /** @type {WeakMap<Message, number>} */
  #resumed = new WeakMap();
  /** What gives a conversation free again, by its id. @type {Map<string, (value?: undefined) => void>} */
  #claims = new Map();

  /**
   * @param {import('../engine/engine-room.js').EngineRoom} room
   * @param {import('../settings/settings.js').Settings} settings
   * @param {import('../conversations/conversations.js').Conversations} conversations
   */
  constructor(room, settings, conversations) {
    this.#room = room;
    this.#settings = settings;
    this.#conversations = conversations;
    this.#sessions = new ChatSessions((engine, error) => room.report(engine, error));
    onLeaving(() => {
      for (const job of this.#jobs.values()) if (job.phase === 'decode') this.#save(job).catch(() => {});
    });
  }

  /** @param {(job: Job, text: string) => void} listener told of every step; `text` is what the answer grew by */
  onStep(listener) {
    this.#listeners.add(listener);
  }

  /** @param {string} conversationId @returns {Job | undefined} */
  jobOf(conversationId) {
    return this.#jobs.get(conversationId);
  }

  /**
   * How many tokens of its prompt an answer needed no reading of, since they were stored before this visit.
   * @param {Message} message
   */
  resumedTokensOf(message) {
    return this.#resumed.get(message) ?? 0;
  }

  /** Whether an answer is being written, in whichever conversation. */
  get isBusy() {
    return this.#jobs.size > 0;
  }

  /** Ends what is written in a conversation that is deleted; nothing of it is kept. @param {string} conversationId */
  discard(conversationId) {
    const job = this.#jobs.get(conversationId);
    if (job === undefined) return;
    job.isDiscarded = true;
    job.stop();
  }

  /** Forgets what was computed of a conversation that is deleted. @param {string} conversationId */
  async forget(conversationId) {
    await this.#sessions.forget(this.#room.engine, conversationId);
  }

  /** Forgets what was computed of conversations that are no more. @param {Engine} engine */
  async tidy(engine) {
    await this.#sessions.tidy(engine, async (id) => (await this.#conversations.open(id).catch(() => id)) !== null);
  }

  /**
   * Takes a conversation for this tab: two that write in it at once would lose what one of them wrote.
   * @param {string} conversationId
   * @returns {Promise<boolean>} false: it is taken. Until the answer that is started then has ended, or `unclaim()`.
   */
  claim(conversationId) {
    // Locks exist in secure contexts only, and a page may be served without TLS.
    if (navigator.locks === undefined) return Promise.resolve(true);
    return new Promise((resolve) => {
      /** @param {Lock | null} lock */
      const hold = (lock) => {
        resolve(lock !== null);
        return lock && new Promise((release) => this.#claims.set(conversationId, release));
      };
      navigator.locks.request(lockOf(conversationId), { ifAvailable: true }, hold).catch(() => resolve(true));
    });
  }

  /** Whether another tab writes in a conversation. @param {string} conversationId @returns {Promise<boolean>} */
  async isTaken(conversationId) {
    const locks = await navigator.locks?.query().catch(() => null);
    return locks?.held?.some(({ name }) => name === lockOf(conversationId)) ?? false;
  }

  /** Resolves when no other tab writes in a conversation any more. @param {string} conversationId */
  async untilFree(conversationId) {
    await navigator.locks.request(lockOf(conversationId), { mode: 'shared' }, () => {}).catch(() => {});
  }

  /** @param {string} conversationId that is free for other tabs again */
  unclaim(conversationId) {
    this.#claims.get(conversationId)?.();
    this.#claims.delete(conversationId);
  }

  /**
   * Writes an answer, or writes on where it was cut off.
   * @param {Conversation} conversation
   * @param {Message} message the last of it
   * @param {{ continues?: boolean, replaced?: import('./replaced-answer.js').Replaced | null }} [options] `replaced`: comes
   *   back where the answer ends before its first word
   * @returns {Job}
   */
  start(conversation, message, { continues = false, replaced = null } = {}) {
    const controller = new AbortController();
    /** @type {Job} */
    const job = {
      ...{ conversation, message, phase: 'waiting', engine: null, prefill: null },
      ...{
        tokens: 0,
        tokensPerSecond: 0,
        droppedTokens: 0,
        warnings: [],
        error: null,
        isWritten: false,
        isDiscarded: false,
        isRestored: false,
      },
      replaced,
      stop: () => controller.abort(),
    };
    delete message.finish;
    this.#sessions.hold();
    this.#jobs.set(conversation.id, job);
    const before = this.#last;
    const ended = this.#run(job, { before, signal: controller.signal, continues });
    // One that is stopped while it waits ends at once, and others still wait for the one before it.
    this.#last = Promise.all([before, ended]);
    return job;
  }

  /** @param {Job} job @param {How} how */
  async #run(job, { before, signal, continues }) {
    const { conversation, message } = job;
    try {
      this.#step(job);
      await this.#writeWithEngine(job, { before, signal, continues });
      if (message.content === '') undo(job);
      conversation.updatedAt = Date.now();
      job.phase = 'ended';
      // What the reader does about a prompt that is too long begins anew; until then what was replaced stays stored.
      if (job.replaced === null || !isTooLong(job)) await this.#save(job);
    } catch (error) {
      message.finish ??= 'failed';
      job.isWritten = job.error === null;
      job.error ??= error;
    } finally {
      job.phase = 'ended';
      this.#jobs.delete(conversation.id);
      this.unclaim(conversation.id);
      // What was computed meanwhile of a conversation that is deleted goes too.
      if (job.isDiscarded) this.forget(conversation.id);
    }
    this.#step(job);
  }

  /** Never fails: what was wrong is the job's error. @param {Job} job @param {How} how */
  async #writeWithEngine(job, { before, signal, continues }) {
    const { message } = job;
    /** @type {import('../engine/engine-room.js').Loan | null} */
    let loan = null;
    try {
      await Promise.race([before, stopped(signal)]);
      loan = await this.#room.borrow(signal);
      job.engine = loan.engine;
      await this.#whileItLives(loan, signal, this.#write(job, loan.engine, { signal, continues }));
    } catch (error) {
      const isStopped = signal.aborted || codeOf(error) === 'CANCELLED';
      message.finish = isStopped ? 'cancelled' : 'failed';
      if (!isStopped) job.error = error;
      this.#room.report(job.engine, error);
    } finally {
      loan?.release();
    }
  }

  /** What is written with an engine ends with it at the latest, and soon after it is stopped. @param {import('../engine/engine-room.js').Loan} loan @param {AbortSignal} signal @param {Promise<void>} written */
  async #whileItLives({ engine, lost }, signal, written) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const patience = () => {
      timer = setTimeout(() => this.#room.report(engine, silent()), ANSWER_MILLISECONDS);
    };
    signal.addEventListener('abort', patience);
    written.catch(() => {});
    try {
      await Promise.race([written, lost]);
    } finally {
      signal.removeEventListener('abort', patience);
      clearTimeout(timer);
    }
  }

  /** @param {Job} job @param {Engine} engine @param {{ signal: AbortSignal, continues: boolean }} how */
  async #write(job, engine, { signal, continues }) {
    const { conversation, message } = job;
    const end = conversation.messages.indexOf(message);
    const systemPrompt = this.#settings.get('systemPrompt');
    const chat = this.#settings.chat();
    const messages = promptOf(conversation, { systemPrompt, end, continues });
    message.model = engine.info.name;
    /** @param {import('../nibble/index.js').Prefill} prefill */
    const onPrefill = (prefill) => {
      Object.assign(job, { prefill, phase: 'prefill' });
      this.#step(job);
    };
    const options = { ...this.#settings.sampling(), ...chat, continueLast: continues, signal, onPrefill };
    const { session, isRestored } = await this.#sessions.sessionOf(engine, conversation.id);
    const completion = session.complete({ messages, ...options });
    await this.#stream(job, completion);
    const { finishReason, prefill, decode, reusedTokens, droppedTokens, droppedMessages, warnings } =
      await completion.result;
    message.finish = finishReason;
    job.warnings = warnings.map(({ code }) => code);
    if (isRestored) this.#resumed.set(message, reusedTokens);
    if (droppedTokens > 0) dropFrom(job, droppedTokens, droppedMessages);
    if (!job.isDiscarded) this.#sessions.keep(conversation.id);
    const speed = { prefill: prefill.tokensPerSecond, decode: decode.tokensPerSecond, tokens: decode.tokens };
    message.speed = continues ? joinSpeeds(message.speed, speed) : speed;
    if (decode.tokens > 0) job.tokensPerSecond = decode.tokensPerSecond;
  }

  /** An answer that has begun has text, be it only the opening of its reasoning; one that has not stays empty. @param {Job} job @param {import('../nibble/index.js').Completion} completion */
  async #stream(job, completion) {
    const { message } = job;
    const rate = createRate();
    const clock = createReasoningClock(message);
    let saved = performance.now();
    for await (const { text: written, token } of completion) {
      const opening = message.content === '' ? openingOf(job.prefill?.opening) : '';
      const text = opening + written;
      message.content += text;
      if (token !== null) job.tokens++;
      job.phase = 'decode';
      job.tokensPerSecond = rate(job.tokens);
      clock(text);
      this.#step(job, text);
      if (performance.now() - saved < SAVE_MILLISECONDS) continue;
      saved = performance.now();
      // A tab that is closed now loses two seconds of the answer, not all of it.
      this.#save(job).catch(() => {});
    }
  }

  /** @param {Job} job */
  async #save({ conversation, isDiscarded }) {
    if (!isDiscarded) await this.#conversations.save(conversation);
  }

  /** Whoever is told and fails keeps no answer from being written. @param {Job} job */
  #step(job, text = '') {
    for (const listener of this.#listeners) {
      try {
        listener(job, text);
      } catch (error) {
        reportError(error);
      }
    }
  }
}

/** Rejects when the signal says so. @param {AbortSignal} signal @returns {Promise<never>} */
const stopped = (signal) =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });

/** @param {Job} job */
const isTooLong = ({ error }) => codeOf(error) === 'CONTEXT_FULL';

/** An answer that has ended before its first word takes the place of nothing, and where it failed it is none. @param {Job} job */
function undo(job) {
  const { conversation, message, replaced, error } = job;
  const hasFailed = ['cancelled', 'failed'].includes(message.finish ?? '');
  job.isRestored = replaced !== null && hasFailed && !isTooLong(job);
  if (job.isRestored) replaced?.restore();
  else if (error !== null) conversation.messages = conversation.messages.filter((other) => other !== message);
}

/** @param {string} conversationId */
const lockOf = (conversationId) => `nibble-conversation:${conversationId}`;

/** Notes what left the context: from now on the model is shown nothing of it. @param {Job} job @param {number} droppedTokens @param {number} droppedMessages */
function dropFrom(job, droppedTokens, droppedMessages) {
  const { conversation, message } = job;
  job.droppedTokens = message.droppedTokens = droppedTokens;
  if (droppedMessages === 0) return;
  const end = conversation.messages.indexOf(message);
  const question = conversation.messages.findLastIndex(({ role }) => role === 'user');
  const first = placeOf(conversation, { end }, droppedMessages) ?? question;
  conversation.start = Math.max(conversation.start, Math.min(first, question));
}

/** Of an answer that was written on; undefined where its beginning is not known, as when its tab was closed. @param {Message['speed']} first @param {NonNullable<Message['speed']>} then */
function joinSpeeds(first, then) {
  if (first === undefined) return undefined;
  const tokens = first.tokens + then.tokens;
  const parts = [first, then].filter(({ decode }) => decode > 0);
  const seconds = parts.reduce((sum, part) => sum + part.tokens / part.decode, 0);
  const timed = parts.reduce((sum, part) => sum + part.tokens, 0);
  return { prefill: then.prefill, decode: seconds > 0 ? timed / seconds : 0, tokens };
}

/** Tokens a second over the last while, from counts as they grow. */
function createRate() {
  /** @type {{ now: number, tokens: number }[]} */
  const samples = [];
  return (/** @type {number} */ tokens) => {
    const now = performance.now();
    samples.push({ now, tokens });
    while (samples.length > 2 && now - samples[0].now > RATE_MILLISECONDS) samples.shift();
    const [first] = samples;
    return now > first.now ? ((tokens - first.tokens) * 1000) / (now - first.now) : 0;
  };
}

/** Notes in the message how long its reasoning took. @param {Message} message */
function createReasoningClock(message) {
  const splitter = new ReasoningSplitter();
  splitter.push(message.content);
  const earlier = message.reasoningMilliseconds ?? 0;
  const begun = performance.now();
  let was = splitter.isReasoning;
  return (/** @type {string} */ text) => {
    splitter.push(text);
    if (splitter.isReasoning || was) message.reasoningMilliseconds = earlier + performance.now() - begun;
    was = splitter.isReasoning;
  };
}
