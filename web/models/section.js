// What the sections of the models panel share: their frame, their buttons, and a focus that survives being drawn anew.
import { focusedElement, make, seek } from '../ui/dom.js';
import { icon } from '../ui/icons.js';

/**
 * A section with a heading.
 * @param {string} id of the heading
 * @returns {{ root: HTMLElement, heading: HTMLElement, body: HTMLElement }}
 */
export function makeSection(id) {
  const heading = make('h3', { id, tabindex: '-1' });
  const body = make('div', {});
  const root = make('section', { class: 'models-section', 'aria-labelledby': id }, heading, body);
  return { root, heading, body };
}

/**
 * A button that is found again after the list it is in has been drawn anew.
 * @param {{ label: string, name?: string, key: string, drawing?: import('../ui/icons.js').IconName, kind?: string, action: () => void }} options
 *   `name`: what it is called where the label alone does not tell; `drawing`: an icon in place of the label
 */
export function makeButton({ label, name = label, key, drawing, kind = '', action }) {
  const described = drawing || name !== label;
  return make(
    'button',
    {
      type: 'button',
      class: drawing ? `icon ${kind}` : kind,
      'data-key': key,
      'aria-label': described ? name : null,
      title: drawing ? name : null,
      on: { click: action },
    },
    drawing ? icon(drawing) : label,
  );
}

/**
 * Draws a part anew; who was on a control in it is on the same one afterwards, or on what stands in for it.
 * @param {HTMLElement} root
 * @param {HTMLElement} substitute where that control is gone
 * @param {() => void} draw
 */
export function keepFocus(root, substitute, draw) {
  const active = focusedElement();
  const focused = root.contains(active) ? active : null;
  const key = focused?.dataset.key;
  const selection = focused instanceof HTMLInputElement ? focused : null;
  const { selectionStart = null, selectionEnd = null } = selection ?? {};
  draw();
  if (focused === null || root.contains(document.activeElement)) return;
  const found = key ? seekKey(root, key) : null;
  (found ?? substitute).focus();
  if (selection && found instanceof HTMLInputElement && found.type === 'text') {
    found.setSelectionRange(selectionStart, selectionEnd);
  }
}

/** A control by its key. @param {HTMLElement} root @param {string} key @returns {HTMLElement | null} */
export const seekKey = (root, key) => seek(root, `[data-key="${CSS.escape(key)}"]`);
