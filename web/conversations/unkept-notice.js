// Tells of conversations that are not kept as they are in this page, wherever the reader is, until they are. The one that
// is shown says so by itself.

import { describeProblem } from '../engine/problem.js';
import { find } from '../ui/dom.js';
import { isOfOtherTab } from './conversations.js';
import { listTitles } from './titles.js';

export class UnkeptNotice {
  #parts;

  /**
   * @param {object} parts
   * @param {import('./conversations.js').Conversations} parts.conversations
   * @param {import('../chat/answers.js').Answers} parts.answers one that is being written is kept when it has ended
   * @param {import('../ui/i18n.js').Translate} parts.t
   * @param {() => string} parts.tag of the language, for Intl
   * @param {() => string} parts.currentId
   * @param {(id: string) => void} parts.onOpen
   * @param {(text: string) => void} parts.announce
   */
  constructor(parts) {
    this.#parts = parts;
    find('unkept-retry').addEventListener('click', async () => {
      await parts.conversations.retry();
      if (this.#others.length === 0) find('prompt').focus();
      else parts.announce(this.#text);
    });
    find('unkept-open').addEventListener('click', () => parts.onOpen(this.#others[0].conversation.id));
  }

  render() {
    const others = this.#others;
    find('unkept').hidden = others.length === 0;
    if (others.length === 0) return;
    find('unkept-text').textContent = this.#text;
    // What another tab has changed is for the reader to look at.
    find('unkept-retry').hidden = others.every(({ error }) => isOfOtherTab(error));
  }

  get #others() {
    const { conversations, answers, currentId } = this.#parts;
    return conversations.unkept.filter(({ conversation: { id } }) => id !== currentId() && !answers.jobOf(id));
  }

  get #text() {
    const { t, tag } = this.#parts;
    const others = this.#others;
    const titles = listTitles(
      others.map(({ conversation }) => conversation),
      { t, tag: tag() },
    );
    const of = isOfOtherTab(others[0].error) ? '' : describeProblem(others[0].error, t).text;
    return [t('unkept.text', { titles }), of].filter(Boolean).join(' ');
  }
}
