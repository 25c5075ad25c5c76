// The titles of conversations within a sentence.

// So many are named.
const NAMED = 3;

/**
 * @param {{ title: string }[]} heads
 * @param {{ t: import('../ui/i18n.js').Translate, tag: string }} language `tag`: for Intl
 */
export function listTitles(heads, { t, tag }) {
  const names = heads.slice(0, NAMED).map(({ title }) => `“${title || t('chat.untitled')}”`);
  if (heads.length > NAMED) names.push(t('titles.more', { count: heads.length - NAMED }));
  return new Intl.ListFormat(tag).format(names);
}
