// Links whose addresses are defined elsewhere in the text: `[this one][1]` and, anywhere, `[1]: https://…`.
import { isShown } from './blocks.js';
import { lex, normalizeLabel } from './lexer.js';

const LABEL = /\[([^[\]]{1,999})\]/g;

export class LinkReferences {
  #known = Object.create(null);
  #awaiting = [];

  /** The definitions of all that is complete, by label. */
  get known() {
    return this.#known;
  }

  /** @param {object[]} definitions tokens, in order: the first of a label counts */
  define(definitions) {
    for (const { tag, href, title } of definitions) this.#known[tag] ??= { href, title };
  }

  /** Remembers a complete block that may refer to what is defined later. @param {import('./blocks.js').Block} block */
  await(block, { type, raw }) {
    if (type === 'code' || !raw.includes('[')) return;
    const labels = [...raw.matchAll(LABEL)].map(([, label]) => normalizeLabel(label));
    const open = labels.filter((label) => !(label in this.#known));
    if (open.length > 0) this.#awaiting.push({ block, raw, labels: open });
  }

  /** Redraws what refers to what has been defined since. @param {object[]} definitions of what is not complete yet */
  resolve(definitions) {
    const all = { ...this.#known };
    for (const { tag, href, title } of definitions) all[tag] ??= { href, title };
    const isMet = ({ labels }) => labels.some((label) => Object.hasOwn(all, label));
    for (const { block, raw } of this.#awaiting.filter(isMet)) block.update(lex(raw, all).find(isShown), true);
    this.#awaiting = this.#awaiting.filter((entry) => !isMet(entry));
  }
}
