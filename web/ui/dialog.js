// Dialogs: the browser's own element, which keeps the focus inside, closes at Escape and gives the focus back.
import { make } from './dom.js';

/** Opens a dialog of index.html. A click beside it, or on what is marked data-close, closes it. @param {HTMLDialogElement} dialog */
export function openDialog(dialog) {
  if (dialog.open) return;
  if (!dialog.dataset.ready) {
    dialog.dataset.ready = 'yes';
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog || (event.target instanceof Element && event.target.closest('[data-close]')))
        dialog.close();
    });
  }
  dialog.showModal();
}

/**
 * Asks before something is lost.
 * @param {{ title: string, text: string, action: string, cancel: string }} words
 * @returns {Promise<boolean>} whether it shall be done
 */
export function confirm({ title, text, action, cancel }) {
  return new Promise((resolve) => {
    /** @param {boolean} answer */
    const done = (answer) => () => {
      dialog.close();
      resolve(answer);
    };
    const dialog = make(
      'dialog',
      { class: 'confirm', 'aria-labelledby': 'confirm-title', on: { cancel: () => resolve(false) } },
      make('h2', { id: 'confirm-title' }, title),
      make('p', {}, text),
      make(
        'div',
        { class: 'buttons' },
        make('button', { type: 'button', on: { click: done(false) } }, cancel),
        make('button', { type: 'button', class: 'danger', on: { click: done(true) } }, action),
      ),
    );
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  });
}
