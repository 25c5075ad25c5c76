// Finds stop strings in text that arrives in pieces. Text that may be the beginning of one is held back, so that a
// reader never sees a part of it.

/**
 * @param {string[]} stops none of them empty
 * @returns {{ push: (text: string) => { text: string, stopped: string | null }, flush: () => string }} `push` gives the
 *   text that is certain by now and the stop string that ended it; `flush` what was held back
 */
export function createStopMatcher(stops) {
  let held = '';
  return {
    push(text) {
      held += text;
      const found = firstOf(held, stops);
      if (found !== null) {
        const certain = held.slice(0, found.index);
        held = '';
        return { text: certain, stopped: found.stop };
      }
      const certain = held.slice(0, held.length - heldLength(held, stops));
      held = held.slice(certain.length);
      return { text: certain, stopped: null };
    },
    flush() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

/** The stop string that is complete first, since nobody waits for what might come; of several the longest. */
function firstOf(text, stops) {
  let first = null;
  for (const stop of stops) {
    const index = text.indexOf(stop);
    if (index < 0) continue;
    const end = index + stop.length;
    if (first === null || end < first.end || (end === first.end && index < first.index)) first = { index, end, stop };
  }
  return first;
}

/** Length of the longest end of the text that a stop string begins with. */
function heldLength(text, stops) {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (stop.startsWith(text.slice(text.length - length))) longest = length;
    }
  }
  return longest;
}
