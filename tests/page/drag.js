// Drags into the page tests: Playwright has none for files.

/** @typedef {import('playwright-core').Page} Page */

/**
 * Dispatches drag events as the browser does for a file, for several (`files`) or a link: on what is topmost in the middle of the page.
 * @param {Page} page
 * @param {string[]} types
 * @param {{ name?: string, bytes?: string, files?: { name?: string, bytes?: string }[], link?: string }} options
 * @returns {Promise<boolean[]>} of dragover and drop: whether the page took them, else the browser would leave it
 */
export function drag(page, types, { name, bytes, files = [{ name, bytes }], link }) {
  /** @param {{ types: string[], files: { name?: string, bytes?: string }[], link?: string }} given */
  const dispatch = (given) => {
    const data = new DataTransfer();
    if (given.link) data.setData('text/uri-list', given.link);
    else
      for (const file of given.files)
        data.items.add(new File([Uint8Array.from(file.bytes ?? '', (c) => c.charCodeAt(0))], file.name ?? ''));
    const taken = [];
    for (const type of given.types) {
      const target = /** @type {Element} */ (document.elementFromPoint(innerWidth / 2, innerHeight / 2));
      const event = new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data });
      target.dispatchEvent(event);
      if (['dragover', 'drop'].includes(type)) taken.push(event.defaultPrevented);
    }
    return taken;
  };
  return page.evaluate(dispatch, { types, files: link ? [] : files, link });
}
