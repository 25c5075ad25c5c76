// What becomes of a text that has outgrown the context, where the caller wants to go on: its head is kept, its oldest
// part goes, and so much at once that it happens seldom.
import { codeOf, contextFull } from '../base/errors.js';
import { commonPrefix, longestRun } from './token-runs.js';

// The first tokens take the attention that has nowhere else to go (attention sinks); without them a model loses itself.
const LEAST_KEEP = 4;
// What a chat leaves free for its answer at most, as a part of the context.
const ANSWER_PART = 8;
// Fewer tokens may be the same by chance.
const LEAST_RUN = 8;
const SYSTEM_ROLES = ['system', 'developer'];
// In the place of a chat's first question: no text begins with both.
const STAND_INS = ['?', 'A'];

/** @param {number} keep @param {number} length */
const halfBehind = (keep, length) => (length - keep) >> 1;

/** How much of the head is kept: at least the attention sinks, at most half of the context. @param {number} wanted @param {number} contextSize */
export const headLength = (wanted, contextSize) => Math.min(Math.max(LEAST_KEEP, wanted), contextSize >> 1);

/**
 * A text that is longer than the context without its oldest part. It loses multiples of half of what is behind the
 * head: so it loses what a full context loses, and while it grows its beginning stays the same for long.
 * @param {number[]} tokens
 * @param {{ contextSize: number, keep: number }} limits
 * @returns {{ tokens: number[], droppedTokens: number }}
 */
export function trimTokens(tokens, { contextSize, keep }) {
  const over = tokens.length - contextSize;
  if (over <= 0) return { tokens, droppedTokens: 0 };
  const half = Math.max(1, halfBehind(keep, contextSize));
  const droppedTokens = Math.ceil(over / half) * half;
  return { tokens: [...tokens.slice(0, keep), ...tokens.slice(keep + droppedTokens)], droppedTokens };
}

/** A chat as a prompt, and the same with its oldest turns left out. What comes before the first turn always stays. */
export class ChatPrompt {
  #messages;
  #read;
  #system;
  #isOpen;
  /** @type {Map<number, import('../prompt/model-text.js').ReadPrompt>} */
  #known = new Map();
  /** @type {number | null} */
  #headLength = null;

  /**
   * @param {import('../prompt/messages.js').Message[]} messages
   * @param {(messages: import('../prompt/messages.js').Message[]) => import('../prompt/model-text.js').ReadPrompt} read
   * @param {{ isOpen?: boolean }} [options] isOpen: its last message is an answer that is continued, and may have outgrown the
   *   context by itself
   */
  constructor(messages, read, { isOpen = false } = {}) {
    this.#isOpen = isOpen;
    this.#messages = messages;
    this.#read = read;
    const first = messages.findIndex(({ role }) => !SYSTEM_ROLES.includes(role));
    this.#system = first < 0 ? messages.length : first;
    /** How many messages may be left out, so that a question comes first then; in order. @type {number[]} */
    this.cuts = messages.flatMap(({ role }, place) =>
      place > this.#system && role === 'user' ? [place - this.#system] : [],
    );
  }

  /** What becomes of it without the `count` oldest messages; read once. @param {number} count */
  readWithout(count) {
    const read = this.#known.get(count) ?? this.#read(this.#without(count));
    this.#known.set(count, read);
    return read;
  }

  /** The tokens without the `count` oldest messages. @param {number} count */
  without(count) {
    return this.readWithout(count).tokens;
  }

  /**
   * How many tokens the prompt begins with whatever is left out: the system prompt, and what opens a turn. Words that
   * its first question and a later one both begin with are none of them.
   */
  get headLength() {
    this.#headLength ??= this.#measureHead();
    return this.#headLength;
  }

  #measureHead() {
    const others = STAND_INS.map((content) => this.#read(this.#withQuestion(content)).tokens);
    const last = this.cuts.at(-1);
    if (last !== undefined) others.push(this.without(last));
    return Math.min(...others.map((other) => commonPrefix(this.without(0), other)));
  }

  /**
   * How many messages to leave out so that it fits: none, as many as are missing on the timeline already where that is
   * enough, or as many turns as leave about half of what there is room for.
   * @param {{ contextSize: number, maxTokens: number | null, onTimeline: readonly number[], shortOfMemory?: boolean }} limits
   *   shortOfMemory: what is missing was too much for memory, and stays out though the context has room for it
   * @throws {NibbleError} CONTEXT_FULL where the system message and the last turn do not fit, an open answer in it apart
   */
  fit({ contextSize, maxTokens, onTimeline, shortOfMemory = false }) {
    const most = contextSize - Math.min(maxTokens ?? contextSize, Math.floor(contextSize / ANSWER_PART));
    const fits = this.without(0).length <= most;
    if (fits && !shortOfMemory) return 0;
    const head = this.headLength;
    const missing = this.#missingOn(onTimeline, head);
    if (missing !== null && this.without(missing).length <= most) return missing;
    if (fits) return 0;
    const limit = head + Math.floor((most - head) / 2);
    const least = firstWhere(this.cuts, (cut) => this.without(cut).length <= limit) ?? this.cuts.at(-1) ?? 0;
    this.#checkLast(this.#isOpen ? this.#unanswered(least) : this.without(least).length, contextSize);
    return least;
  }

  /** How many messages a timeline lacks that goes on behind the head with a later turn; null where it does not. @param {readonly number[]} onTimeline @param {number} head */
  #missingOn(onTimeline, head) {
    const whole = this.without(0);
    if (commonPrefix(onTimeline, whole) < head) return null;
    const { start, length } = longestRun(onTimeline.slice(head), whole.slice(head));
    if (length < LEAST_RUN) return null;
    const cut = firstWhere(this.cuts, (each) => whole.length - this.without(each).length >= start);
    return cut !== undefined && whole.length - this.without(cut).length === start ? cut : null;
  }

  /**
   * The fewest further messages to leave out so that at least `least` tokens go from behind the head, as whole turns, or
   * all but the last turn where that is less; null where there are none, or where the template writes a shorter chat
   * otherwise.
   * @param {number} count
   * @param {number} least
   * @returns {{ cut: number, keep: number, tokens: number } | null} `cut`: how many messages are left out then; `keep`:
   *   behind how many tokens the `tokens` go
   */
  nextCut(count, least) {
    const keep = this.headLength;
    const tokens = this.without(count);
    /** @param {number} cut */
    const gone = (cut) => tokens.length - this.without(cut).length;
    const cuts = this.cuts.filter((each) => each > count);
    const cut = firstWhere(cuts, (each) => gone(each) >= least) ?? cuts.at(-1);
    if (cut === undefined || gone(cut) <= 0) return null;
    const rest = [...tokens.slice(0, keep), ...tokens.slice(keep + gone(cut))];
    return commonPrefix(rest, this.without(cut)) === rest.length ? { cut, keep, tokens: gone(cut) } : null;
  }

  /** How many tokens all turns but the last take in the prompt without the `count` oldest messages. @param {number} count */
  droppable(count) {
    return this.without(count).length - this.without(Math.max(count, this.cuts.at(-1) ?? 0)).length;
  }

  /** @param {number} count */
  #without(count) {
    return [...this.#messages.slice(0, this.#system), ...this.#messages.slice(this.#system + count)];
  }

  /** How many tokens are before the open answer. @param {number} count of the messages that are left out */
  #unanswered(count) {
    const messages = this.#without(count);
    const answer = messages[messages.length - 1];
    return this.#read([...messages.slice(0, -1), { ...answer, content: '' }]).tokens.length;
  }

  /** @param {string} content */
  #withQuestion(content) {
    return this.#messages.map((message, place) => (place === this.#system ? { ...message, content } : message));
  }

  /** @param {number} length @param {number} contextSize */
  #checkLast(length, contextSize) {
    if (length <= contextSize) return;
    const system = this.#system > 0 ? this.headLength : 0;
    if (system > contextSize >> 1) {
      const problem = `The system message of the chat has ${system} tokens, ${length} with the last turn, and the context holds ${contextSize}.`;
      throw contextFull(problem, { tokens: length, contextSize, shorten: 'the system message' });
    }
    const problem = `The last turn of the chat has ${length} tokens with what is kept before it, and the context holds ${contextSize}.`;
    throw contextFull(problem, { tokens: length, contextSize, shorten: 'it' });
  }
}

/** The first of a list for which a condition holds that then holds for all behind it. @param {number[]} list @param {(item: number) => boolean} holds @returns {number | undefined} */
function firstWhere(list, holds) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(list[middle])) high = middle;
    else low = middle + 1;
  }
  return list[low];
}

/** Whether a text may have outgrown the memory before it has outgrown the context. @param {unknown} error */
const isShortOfMemory = (error) => codeOf(error) === 'OUT_OF_MEMORY';

/**
 * Has a prompt read, and a shorter one where memory does not suffice.
 * @param {Room | null} room null: an error is one
 * @param {number[]} prompt
 * @param {(prompt: number[], shorter: boolean) => Promise<unknown>} read
 */
export async function readWithRoom(room, prompt, read) {
  try {
    await read(prompt, false);
  } catch (error) {
    const shorter = isShortOfMemory(error) ? (room?.shorten(prompt) ?? null) : null;
    if (shorter === null) throw error;
    await read(shorter, true);
  }
}

/**
 * Appends a token, behind a drop where the context is full or memory does not suffice.
 * @param {import('./timeline.js').Timeline} timeline
 * @param {number} token
 * @param {Room | null} room null: an error is one
 * @param {{ scheduler: import('../base/scheduler.js').Scheduler, signal?: AbortSignal }} options of Timeline.append()
 */
export async function extendWithRoom(timeline, token, room, options) {
  if (timeline.isFull) await room?.make(options);
  try {
    await timeline.extend([token], undefined, options.signal);
  } catch (error) {
    if (!isShortOfMemory(error) || !room?.canMake) throw error;
    room.shortOfMemory = true;
    await room.make(options);
    await timeline.extend([token], undefined, options.signal);
  }
}

/**
 * Makes room on a timeline that is full, or that memory lets grow no more, as often as it is: half of what is behind the
 * head goes, or whole turns.
 */
export class Room {
  #timeline;
  #keep;
  #chat;
  #leftOut;
  #onDrop;
  /** Whether it was memory that had something dropped. */
  shortOfMemory = false;

  /**
   * @param {object} parts
   * @param {import('./timeline.js').Timeline} parts.timeline
   * @param {number | null} parts.keep tokens of the head, as they were asked for; null: what a chat begins with
   * @param {ChatPrompt | null} parts.chat
   * @param {number | null} parts.leftOut how many of its messages the timeline lacks; null: it has none
   * @param {(dropped: { tokens: number, messages: number }) => void} parts.onDrop
   */
  constructor({ timeline, keep, chat, leftOut, onDrop }) {
    this.#timeline = timeline;
    this.#keep = keep;
    this.#chat = chat;
    this.#onDrop = onDrop;
    this.#leftOut = leftOut;
  }

  /** Whether there is something to drop: a timeline that memory ends may be shorter than the head. */
  get canMake() {
    return halfBehind(this.#head, this.#timeline.length) > 0;
  }

  /** @param {import('./timeline.js').AppendOptions} options for what has to be computed anew */
  async make(options) {
    const dropped = this.#next(Math.max(1, halfBehind(this.#head, this.#timeline.length)));
    await this.#timeline.drop(dropped.keep, dropped.tokens, options);
    this.#tell(dropped);
  }

  /** A prompt that fits: where its open answer has outgrown the context, it lacks what a full context would have lost. @param {number[]} prompt @param {number} messages of the chat that it lacks already, and that are not told yet */
  fit(prompt, messages = 0) {
    const { contextSize } = this.#timeline;
    if (prompt.length <= contextSize) return prompt;
    const { tokens, droppedTokens } = trimTokens(prompt, { contextSize, keep: this.#head });
    this.#leftOut = null;
    this.#tell({ tokens: droppedTokens, messages });
    return tokens;
  }

  /** A prompt without its oldest half, or its oldest turns; null where that would take of the head or the last turn. @param {number[]} prompt */
  shorten(prompt) {
    const half = halfBehind(this.#head, prompt.length);
    const most = this.#leftOut === null ? half : (this.#chat?.droppable(this.#leftOut) ?? half);
    if (Math.min(half, most) <= 0) return null;
    this.shortOfMemory = true;
    const dropped = this.#next(Math.min(half, most));
    this.#tell(dropped);
    return [...prompt.slice(0, dropped.keep), ...prompt.slice(dropped.keep + dropped.tokens)];
  }

  // A chat's is measured only where something has to go.
  get #head() {
    return headLength(this.#keep ?? this.#chat?.headLength ?? 0, this.#timeline.contextSize);
  }

  /** What goes so that at least `half` tokens do. @param {number} half */
  #next(half) {
    const left = this.#leftOut;
    const turns = left === null ? null : (this.#chat?.nextCut(left, half) ?? null);
    const messages = turns === null ? 0 : turns.cut - (left ?? 0);
    // Where it is cut in the middle of a turn, there are no whole ones to be counted any more.
    this.#leftOut = turns?.cut ?? null;
    return { keep: turns?.keep ?? this.#head, tokens: turns?.tokens ?? half, messages };
  }

  /** @param {{ tokens: number, messages: number }} dropped */
  #tell({ tokens, messages }) {
    this.#onDrop({ tokens, messages });
  }
}
