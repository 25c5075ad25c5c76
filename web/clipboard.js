// Copies text, also where a browser gives a page no clipboard, as over plain http in a home network.
import { make } from './dom.js';

/** @param {string} text @returns {Promise<boolean>} whether it was copied; never rejects */
export async function copyText(text) {
  try {
    if (navigator.clipboard === undefined) return copySelected(text);
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

/** As the reader's own hands would copy it. */
function copySelected(text) {
  const focused = document.activeElement;
  const selection = document.getSelection();
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
