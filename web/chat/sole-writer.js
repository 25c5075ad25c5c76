// What changes the conversation that is shown, done while no other tab writes in it: two that write at once would lose what
// one of them wrote.

/** @typedef {import('../conversations/conversations.js').Message} Message */

/**
 * @typedef {object} SoleWriterParts
 * @property {import('./chat.js').Chat} chat
 * @property {import('./answers.js').Answers} answers
 * @property {import('../conversations/conversations.js').Conversations} conversations
 * @property {() => void} onBegin before anything is done
 * @property {() => void} onRefused another tab writes there now
 * @property {() => void} onDone
 * @property {(count: number) => Promise<boolean>} askToReplace asks the reader about so many messages
 */

export class SoleWriter {
  #parts;
  #isClaiming = false;

  /** @param {SoleWriterParts} parts */
  constructor(parts) {
    this.#parts = parts;
    /** What was to be sent last was not, since another tab was writing here. */
    this.isRefused = false;
  }

  /**
   * Does what starts an answer.
   * @param {() => void} work
   * @param {Message} [message] that must still be there
   * @param {() => boolean} [isAgreed] asked when all that other tabs wrote is shown: false, and it is not done
   * @returns {Promise<boolean>} whether it was done
   */
  async alone(work, message, isAgreed = () => true) {
    const { chat, answers, conversations, onBegin, onRefused, onDone } = this.#parts;
    if (chat.job || this.#isClaiming) return false;
    onBegin();
    const { id } = chat.conversation;
    this.#isClaiming = true;
    try {
      this.isRefused = !(await answers.claim(id));
      if (this.isRefused) {
        onRefused();
        return false;
      }
      // What another tab has just written may not have been told yet.
      const kept = await conversations.get(id).catch(() => null);
      const isNewer = !chat.isUnkept && (kept?.revision ?? 0) > (chat.conversation.revision ?? 0);
      if (kept !== null && chat.conversation.id === id && isNewer) chat.takeOver(kept);
      const isThere = message === undefined || this.#has(message);
      if (chat.conversation.id === id && isThere && isAgreed()) work();
      onDone();
      return isThere && Boolean(answers.jobOf(id));
    } finally {
      this.#isClaiming = false;
      if (!answers.jobOf(id)) answers.unclaim(id);
    }
  }

  /** Does what goes on behind the last message, unless another tab has gone on there; then that is shown. @param {Message} message @param {() => void} work */
  goOn(message, work) {
    const known = this.#behind(message);
    return this.alone(work, message, () => this.#behind(message).every((each) => known.includes(each)));
  }

  /**
   * Does what removes all that is behind a message. The reader is asked first, and once more where other messages are there
   * by then, as when another tab has gone on.
   * @param {Message} message
   * @param {number} spared so few messages go without a question
   * @param {() => void} work
   */
  async replace(message, spared, work) {
    const { chat, askToReplace } = this.#parts;
    /** @type {Message[]} */
    let agreed = [];
    let isDone = false;
    const isAgreed = () => {
      const behind = this.#behind(message);
      return behind.length <= spared || behind.every((each) => agreed.includes(each));
    };
    while (!chat.job && this.#has(message)) {
      if (!isAgreed()) {
        const asked = this.#behind(message);
        if (!(await askToReplace(asked.length))) return;
        agreed = asked;
      }
      const doIt = () => {
        isDone = true;
        work();
      };
      await this.alone(doIt, message, isAgreed);
      if (isDone || isAgreed()) return;
    }
  }

  /** @param {Message} message */
  #has(message) {
    return this.#parts.chat.conversation.messages.includes(message);
  }

  /** @param {Message} message */
  #behind(message) {
    const { messages } = this.#parts.chat.conversation;
    return messages.slice(messages.indexOf(message) + 1);
  }
}
