// What this tab remembers across a reload; a new tab begins without it.

const KEY = 'nibble.conversation';

/** The conversation that was open. @returns {string | null} its id */
export function rememberedConversation() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** @param {string} id */
export function rememberConversation(id) {
  try {
    sessionStorage.setItem(KEY, id);
  } catch {
    // Where nothing can be remembered, a reload begins a new chat.
  }
}
