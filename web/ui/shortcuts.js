// The keys that work wherever the focus is. Each has a modifier, so that none is struck by dictation or in a field.
import { isOfInputMethod } from './keys.js';

/**
 * @param {object} actions
 * @param {() => void} actions.stop
 * @param {() => boolean} actions.isAnswering
 * @param {() => boolean} actions.closeDrawer true where there was one to close
 * @param {() => void} actions.search
 * @param {() => void} actions.newChat
 * @param {() => void} actions.settings
 */
export function listenToShortcuts({ stop, isAnswering, closeDrawer, search, newChat, settings }) {
  document.addEventListener('keydown', (event) => {
    if (isOfInputMethod(event)) return;
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    const open = document.querySelector('dialog[open]') !== null;
    let action = null;
    if (key === 'escape' && !open) {
      if (closeDrawer()) event.preventDefault();
      else if (isAnswering()) action = stop;
    } else if (command && !event.altKey && !open) {
      if (key === 'k' && !event.shiftKey) action = search;
      if (key === 'o' && event.shiftKey) action = newChat;
      if (key === ',' && !event.shiftKey) action = settings;
    }
    if (action === null) return;
    event.preventDefault();
    action();
  });
}
