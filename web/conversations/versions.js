// Two versions of one conversation, as on two machines: whether the one holds all that the other does. No clock is asked,
// since those of two machines differ.

/** @typedef {import('./conversations.js').Message} Message */

/**
 * Whether every message of one version is in the other as well.
 * @param {Message[]} whole
 * @param {Message[]} part
 */
export function holds(whole, part) {
  const known = new Map(whole.map((message) => [message.id, message]));
  return part.every((message) => isIn(known.get(message.id), message));
}

/** An answer that was cut off is in one that was written on. @param {Message | undefined} found @param {Message} message */
function isIn(found, { role, content }) {
  if (found === undefined || found.role !== role) return false;
  return role === 'assistant' ? found.content.startsWith(content) : found.content === content;
}

/**
 * The name of what two versions become: one that a reader has given stays.
 * @param {{ title: string, renamed: boolean }} taken counts where readers have given two
 * @param {{ title: string, renamed: boolean } | null} other
 */
export function nameOf(taken, other) {
  const { title, renamed } = other?.renamed && !taken.renamed ? other : taken;
  return { title, renamed };
}
