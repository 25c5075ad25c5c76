// Makes elements, and finds those that index.html has. Text only ever enters the page as text.

/**
 * @typedef {{ [Type in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Type]) => unknown }} Handlers by event
 * @typedef {Record<string, string | number | boolean | null | undefined | Handlers>} Properties `class`, `on` (handlers), and
 *   attributes; one that is false, null or undefined is left out, one that is true has no value
 */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Properties} [properties]
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'object' && value !== null) {
      for (const [type, handler] of Object.entries(value)) {
        element.addEventListener(type, /** @type {EventListener} */ (handler));
      }
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** @template {string} Selector @typedef {Selector extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Selector] : HTMLElement} ElementOf */

/**
 * The element with this id, which index.html has.
 * @template {string} [Tag='']
 * @param {string} id
 * @param {Tag} [tag] what it is, where more is wanted of it than of any element
 * @returns {ElementOf<Tag>}
 * @throws {Error} where the page has none
 */
export function find(id, tag) {
  return /** @type {ElementOf<Tag>} */ (findIn(document, `${tag ?? ''}#${id}`));
}

/**
 * The first element below another one that a selector names, and that has to be there.
 * @template {string} Selector the name of a tag tells what it is
 * @param {ParentNode} root
 * @param {Selector} selector
 * @returns {ElementOf<Selector>}
 * @throws {Error} where there is none
 */
export function findIn(root, selector) {
  const found = seek(root, selector);
  if (found === null)
    throw new Error(`The page has no element ${selector}; its files are of different versions. Reload it.`);
  return /** @type {ElementOf<Selector>} */ (found);
}

/** The same where there may be none. @param {ParentNode} root @param {string} selector @returns {HTMLElement | null} */
export const seek = (root, selector) => asElement(root.querySelector(selector));

/** What has the focus. @returns {HTMLElement | null} */
export const focusedElement = () => asElement(document.activeElement);

/** What an event happened on, or another node of the page. @param {unknown} node @returns {HTMLElement | null} null: it is no element of HTML */
export const asElement = (node) => (node instanceof HTMLElement ? node : null);

/** Lets the browser do what waits, such as a click or a frame, before more of a long piece of work. @returns {Promise<void>} */
export const breathe = () => globalThis.scheduler?.yield?.() ?? new Promise((resolve) => setTimeout(resolve));

/** Whether the reader wants things to stay still. */
export const prefersStillness = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Whether there is a mouse or the like, so that a field that gets the focus brings no keyboard over the page. */
export const hovers = () => matchMedia('(hover: hover)').matches;
