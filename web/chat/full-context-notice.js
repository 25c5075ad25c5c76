// What the page says where the context is full, and what the reader can do about it.
import { detailsOf } from '../engine/problem.js';
import { countTokens, startThatFits } from './context-fit.js';
import { promptOf } from './prompt.js';

/**
 * @typedef {object} FullContextNoticeParts
 * @property {import('../engine/engine-room.js').EngineRoom} room
 * @property {import('../settings/settings.js').Settings} settings
 * @property {import('../ui/i18n.js').Translate} t
 * @property {(text: string) => void} announce
 * @property {() => import('../conversations/conversations.js').Conversation} current the conversation that is shown
 * @property {(notice: Notice) => HTMLElement} notify as the view of the conversation takes it
 * @property {(start: number, place: Place) => Promise<unknown>} onDrop go on with the messages from `start` on
 * @property {() => void} onAnswer goes on where it was too long, with all turns
 * @property {() => void} onEdit of the last message
 * @property {(text: string) => void} onNewChat
 * @property {(name: import('../settings/settings.js').SettingName) => void} onSettings
 */

/** @typedef {import('../conversations/conversations.js').Conversation} Conversation */
/** @typedef {import('./conversation-view.js').Notice} Notice */
/** @typedef {import('./conversation-view.js').NoticeButton} NoticeButton */

/** @typedef {{ message: import('../conversations/conversations.js').Message, continues: boolean }} Place the answer, and whether it has begun */

export class FullContextNotice {
  #parts;
  /**
   * What is told, of which answer, and by which model it was found.
   * @type {{ notice: HTMLElement, place: Place, engine: import('../nibble/index.js').Engine | null } | null}
   */
  #told = null;

  /** An answer that was cut off, which is told of as soon as there is a model. @type {import('../conversations/conversations.js').Message | null} */
  #waiting = null;

  /** @param {FullContextNoticeParts} parts */
  constructor(parts) {
    this.#parts = parts;
    parts.room.onChange(() => {
      if (this.#told?.engine !== parts.room.engine) this.#lookAgain();
      if (this.#waiting !== null && parts.room.engine !== null) this.tellCut(this.#waiting);
    });
    parts.settings.onChange(() => this.#lookAgain());
  }

  /** Another model, another size of the context or other instructions may leave room: then that is told in its place. */
  async #lookAgain() {
    const { room, t, current, announce, onAnswer } = this.#parts;
    const told = this.#told;
    if (told === null || room.engine === null || !told.notice.isConnected) return;
    told.engine = room.engine;
    const conversation = current();
    const start = await this.#roomyStart(conversation, told.place);
    const isOver = start === conversation.start && told === this.#told && told.notice.isConnected;
    if (!isOver) return;
    const label = t(told.place.continues ? 'continue' : 'chat.answer');
    this.#notify({ text: t('full.over'), buttons: [{ label, action: onAnswer, accent: true }] }, told.place);
    announce(t('full.over'));
  }

  /** @param {Notice} notice @param {Place} place */
  #notify(notice, place) {
    const { room, notify } = this.#parts;
    this.#told = { notice: notify(notice), place, engine: room.engine };
  }

  /** An answer was cut off by it. @param {import('../conversations/conversations.js').Message} message */
  async tellCut(message) {
    const { room, t, current } = this.#parts;
    this.#waiting = room.engine === null ? message : null;
    if (this.#waiting !== null) return;
    const conversation = current();
    const instructions = await this.#bulkOfInstructions(conversation);
    const isStale = conversation !== current() || conversation.messages.at(-1) !== message;
    if (isStale || message.finish !== 'context') return;
    this.#offer(t('full.cut'), { message, continues: true }, instructions > 0);
  }

  /** A prompt does not fit. @param {import('./answers.js').Job} job that failed for it */
  async tellTooLong({ error, message, conversation }) {
    const { t, current, announce, onEdit } = this.#parts;
    const { tokens, contextSize } = detailsOf(error);
    const size = Number(contextSize);
    const place = { message, continues: conversation.messages.includes(message) };
    const start = await this.#roomyStart(conversation, place);
    const instructions = start === null ? await this.#bulkOfInstructions(conversation) : 0;
    if (conversation !== current()) return;
    const edit = { label: t('full.edit'), action: onEdit, accent: true };
    const found = { tokens: Number(tokens), size };
    let text = t('full.before', found);
    if (instructions > 0) text = t('full.instructions', { instructions, size });
    else if (start === null) text = t('full.message', found);
    if (start !== null) this.#offer(text, place);
    else this.#say(text, [instructions > 0 ? this.#editInstructions(true) : edit], place);
    announce(text);
  }

  /** Goes on without the oldest turns, or in another conversation. @param {string} text @param {Place} place */
  #offer(text, place, isOfInstructions = false) {
    const { t, current, onNewChat } = this.#parts;
    const { messages, start } = current();
    const last = messages.findLast(({ role }) => role === 'user');
    const content = place.continues ? '' : (last?.content ?? '');
    const newChat = { label: t('full.new'), action: () => onNewChat(content) };
    const drop = { label: t('full.drop'), action: () => this.#drop(place, newChat), accent: true };
    const canDrop = messages.some(({ role }, index) => role === 'user' && index > start);
    const buttons = canDrop ? [drop, newChat] : [newChat];
    this.#say(text, isOfInstructions ? [...buttons, this.#editInstructions(false)] : buttons, place);
  }

  /** @param {Place} place @param {NoticeButton} newChat */
  async #drop(place, newChat) {
    const { room, t, current, onDrop } = this.#parts;
    // Without a model it is found by the answer, which waits for one.
    if (room.engine === null) return onDrop(current().start, place);
    const start = await this.#roomyStart(current(), place);
    if (start === null) this.#notify({ text: t('full.nothing'), buttons: [newChat] }, place);
    else await onDrop(start, place);
  }

  /** @param {string} text @param {NoticeButton[]} buttons @param {Place} place */
  #say(text, buttons, place) {
    const { t, room, onSettings } = this.#parts;
    const { contextSize = 0, trainedContext = 0 } = room.engine?.info ?? {};
    const enlarge = { label: t('full.settings'), action: () => onSettings('contextSize') };
    this.#notify({ text, buttons: contextSize < trainedContext ? [...buttons, enlarge] : buttons }, place);
  }

  /** @param {boolean} accent @returns {NoticeButton} */
  #editInstructions(accent) {
    const { t, onSettings } = this.#parts;
    return { label: t('full.instructions.edit'), action: () => onSettings('systemPrompt'), accent };
  }

  /** @param {Conversation} conversation @param {Place} place */
  async #roomyStart(conversation, { message, continues }) {
    const { room, settings } = this.#parts;
    if (room.engine === null) return null;
    const end = continues ? conversation.messages.indexOf(message) : conversation.messages.length;
    const options = { systemPrompt: settings.get('systemPrompt'), end, continues, chat: settings.chat() };
    return startThatFits(room.engine, conversation, options).catch(() => null);
  }

  /** How many tokens the instructions are, where they are most of what the last question comes to; 0: they are not. @param {Conversation} conversation */
  async #bulkOfInstructions(conversation) {
    const { room, settings } = this.#parts;
    const { engine } = room;
    const systemPrompt = settings.get('systemPrompt');
    const start = conversation.messages.findLastIndex(({ role }) => role === 'user');
    if (engine === null || start === -1 || systemPrompt.trim() === '') return 0;
    /** @param {string} instructions */
    const count = (instructions) =>
      countTokens(
        engine,
        promptOf(conversation, { systemPrompt: instructions, start, end: start + 1 }),
        settings.chat(),
      );
    try {
      const [tokens, without] = [await count(systemPrompt), await count('')];
      return tokens > 2 * without ? tokens - without : 0;
    } catch {
      // Some chat templates take no instructions.
      return 0;
    }
  }
}
