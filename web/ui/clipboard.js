// Copies text, also where a browser gives a page no clipboard, as over plain http in a home network.
import { find, focusedElement, make } from './dom.js';

const TOLD_MILLISECONDS = 1600;

/**
 * Copies a text and tells whether it could, for a while on the button as well. The button keeps its name.
 * @param {string} text
 * @param {import('./i18n.js').Translate} t
 * @param {(told: { done: boolean, label: string } | null) => void} show null: it is told no longer
 */
export async function copyAndTell(text, t, show) {
  const done = await copyText(text);
  const label = t(done ? 'copied' : 'copy.failed');
  show({ done, label });
  find('announcer').textContent = label;
  setTimeout(() => show(null), TOLD_MILLISECONDS);
}

/** @param {string} text @returns {Promise<boolean>} whether it was copied; never rejects */
async function copyText(text) {
  try {
    if (navigator.clipboard === undefined) return copySelected(text);
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

/** As the reader's own hands would copy it. @param {string} text */
function copySelected(text) {
  const focused = focusedElement();
  const selection = document.getSelection();
  // A page in a frame that is not shown has none.
  if (selection === null) return false;
  const ranges = Array.from({ length: selection.rangeCount }, (_, index) => selection.getRangeAt(index));
  const field = make('textarea', { class: 'unseen', tabindex: -1, 'aria-hidden': 'true', readonly: true });
  field.value = text;
  // Within a dialog, which makes all around it inert.
  (focused?.closest('dialog') ?? document.body).append(field);
  field.select();
  let done = false;
  try {
    done = document.execCommand('copy');
  } catch {
    // What was refused is not copied.
  }
  field.remove();
  selection.removeAllRanges();
  for (const range of ranges) selection.addRange(range);
  focused?.focus({ preventScroll: true });
  return done;
}
