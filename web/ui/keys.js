// What keys mean in a field that a message is written in.

/**
 * Whether a key belongs to an input method, as Enter does that only chooses one of its candidates. Safari tells that one
 * when the composition has ended already, by this code alone.
 * @param {KeyboardEvent} event
 */
export const isOfInputMethod = (event) => event.isComposing || event.keyCode === 229;

/** Whether the keyboard is one on the screen, which has no Shift+Enter: there Enter begins a line. */
export const isOnScreen = () => matchMedia('(pointer: coarse)').matches;

/** Whether a key sends what was written. @param {KeyboardEvent} event */
export function sends(event) {
  if (event.key !== 'Enter' || event.shiftKey || isOfInputMethod(event)) return false;
  return event.ctrlKey || event.metaKey || !isOnScreen();
}

/** What the Enter key is to be called on a keyboard on the screen. */
export const enterKeyHint = () => (isOnScreen() ? 'enter' : 'send');

/** A message as it is sent: with the indentation of its first line, and without blanks around it. @param {string} text */
export const asMessage = (text) => text.replace(/^(?:[^\S\n]*\n)+/, '').trimEnd();
