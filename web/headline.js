// What stands above the messages, and in their place while there are none: the title, the model in use, what to begin with.

import { isIncluded } from './engine/engine-room.js';
import { find, make } from './ui/dom.js';

const STARTERS = ['Who are you?', 'What can you do?', 'What is 3 + 4?'];

/**
 * @param {import('./chat/chat.js').Chat} chat
 * @param {import('./engine/engine-room.js').EngineRoom} room
 * @param {import('./ui/i18n.js').Translate} t
 */
export function showHeadline(chat, room, t) {
  const { engine, isLoading } = room;
  const { title } = chat.conversation;
  find('title').textContent = title || t('chat.new');
  document.title = title ? `${title} · Nibble` : 'Nibble';
  find('welcome').hidden = !chat.isEmpty;
  if (!chat.isEmpty) find('missing').hidden = true;
  find('new-chat-top', 'button').disabled = chat.isEmpty;
  find('welcome-included').hidden = engine !== null && !isIncluded(room.model);
  const name = engine?.info.name ?? t(isLoading ? 'model.loading' : 'model.none');
  find('model-name').textContent = name;
  find('model-button').setAttribute('aria-label', t('model.button', { name }));
  find('model-state').dataset.state = isLoading ? 'loading' : engine === null ? 'none' : 'ready';
  showStarters(chat);
}

/** @param {import('./chat/chat.js').Chat} chat */
function showStarters(chat) {
  const list = find('starters');
  if (list.childElementCount > 0) return;
  const made = STARTERS.map((text) => {
    const click = () => chat.send(text);
    return make('li', {}, make('button', { type: 'button', lang: 'en', on: { click } }, text));
  });
  list.append(...made);
}
