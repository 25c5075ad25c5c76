// The conversation as the reader sees it. Text only ever enters the page as text.

// How near to its end the list counts as being read at the end, in CSS pixels.
const NEAR_END = 40;

export class Conversation {
  /**
   * @param {HTMLElement} log
   * @param {HTMLElement} scroller the element that scrolls it
   */
  constructor(log, scroller) {
    this.log = log;
    this.scroller = scroller;
  }

  /**
   * @param {'user' | 'assistant' | 'note'} kind
   * @param {string} [text]
   * @param {{ label: string, action: () => void }} [remedy] what the reader can do about it by one button
   * @returns {HTMLElement}
   */
  add(kind, text = '', remedy = undefined) {
    const message = document.createElement('div');
    message.className = `message ${kind}`;
    message.append(text);
    if (remedy) message.append(button(remedy));
    this.#follow(() => this.log.append(message), true);
    return message;
  }

  /** An answer that is still being written: a place to append to, and an end. */
  open() {
    const message = this.add('assistant');
    message.setAttribute('aria-busy', 'true');
    const text = message.appendChild(document.createTextNode(''));
    return {
      append: (piece) => this.#follow(() => text.appendData(piece)),
      close: () => {
        message.removeAttribute('aria-busy');
        if (text.data === '') message.remove();
      },
      discard: () => message.remove(),
    };
  }

  clear() {
    this.log.replaceChildren();
  }

  /** Changes the list; who was reading its end still is afterwards, who had scrolled away stays there. */
  #follow(change, always = false) {
    const { scroller } = this;
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END;
    change();
    if (always || atEnd) scroller.scrollTop = scroller.scrollHeight;
  }
}

function button({ label, action }) {
  const made = document.createElement('button');
  made.type = 'button';
  made.append(label);
  made.addEventListener('click', action);
  return made;
}
