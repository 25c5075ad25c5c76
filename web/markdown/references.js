// Links whose addresses are defined elsewhere in the text: `[this one][1]` and, anywhere, `[1]: https://…`.
import { isShown } from './blocks.js';
import { lex, normalizeLabel } from './lexer.js';

/** @typedef {import('./lexer.js').Token} Token */

const LABEL = /\[([^[\]]{1,999})\]/g;

export class LinkReferences {
  /** @type {import('./lexer.js').Definitions} */
  #known = Object.create(null);
  /** @type {{ block: import('./blocks.js').Block, raw: string, labels: string[] }[]} */
  #awaiting = [];

  /** The definitions of all that is complete, by label. */
  get known() {
    return this.#known;
  }

  /** @param {Token[]} definitions in order: the first of a label counts */
  define(definitions) {
    for (const { tag = '', href = '', title = null } of definitions) this.#known[tag] ??= { href, title };
  }

  /** Remembers a complete block that may refer to what is defined later. @param {import('./blocks.js').Block} block @param {Token} token */
  await(block, { type, raw }) {
    if (type === 'code' || !raw.includes('[')) return;
    const labels = [...raw.matchAll(LABEL)].map(([, label]) => normalizeLabel(label));
    const open = labels.filter((label) => !(label in this.#known));
    if (open.length > 0) this.#awaiting.push({ block, raw, labels: open });
  }

  /** Redraws what refers to what has been defined since. @param {Token[]} definitions of what is not complete yet */
  resolve(definitions) {
    const all = { ...this.#known };
    for (const { tag = '', href = '', title = null } of definitions) all[tag] ??= { href, title };
    const isMet = (/** @type {{ labels: string[] }} */ { labels }) => labels.some((label) => Object.hasOwn(all, label));
    for (const { block, raw } of this.#awaiting.filter(isMet)) {
      const token = lex(raw, all).find(isShown);
      if (token !== undefined) block.update(token, true);
    }
    this.#awaiting = this.#awaiting.filter((entry) => !isMet(entry));
  }
}
