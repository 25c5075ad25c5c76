// Makes elements. Text only ever enters the page as text.

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties] `class`, `on` (handlers by event), and attributes; one that is false, null
 *   or undefined is left out, one that is true has no value
 * @param {...(Node | string | null)} children
 * @returns {any} the element
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'on') for (const [type, handler] of Object.entries(value)) element.addEventListener(type, handler);
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** The element with this id, which index.html has. @param {string} id @returns {any} */
export const find = (id) => document.getElementById(id);

/** Lets the browser do what waits, such as a click or a frame, before more of a long piece of work. */
export const breathe = () => globalThis.scheduler?.yield?.() ?? new Promise((resolve) => setTimeout(resolve));

/** Whether the reader wants things to stay still. */
export const prefersStillness = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
