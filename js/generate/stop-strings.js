// Finds stop strings in text that arrives in pieces. Text that may be the beginning of one is held back, so that a
// reader never sees a part of it.

/**
 * @param {string[]} stops none of them empty
 * @param {string[]} [marked] stop strings with markers in them, which are found in the text and its markers
 * @returns {{ push: (text: string, marker?: string) => { text: string, stopped: string | null }, flush: () => string }}
 *   `push` takes a piece of text, or in its place a marker that nobody is to see (a control token's own text), and gives
 *   the text that is certain by now and the stop string that ended it; `flush` gives what was held back
 */
export function createStopMatcher(stops, marked = []) {
  const plain = createMatcher(stops);
  if (marked.length === 0) return plain;
  const full = createMatcher(marked);
  const shown = createShownCount();
  let held = '';
  // How much of what is held each of the two is certain of.
  let plainCertain = 0;
  let fullCertain = 0;
  return {
    push(text, marker = '') {
      held += text;
      shown.add(text, marker);
      const inPlain = plain.push(text);
      const inFull = full.push(marker === '' ? text : marker);
      plainCertain += inPlain.text.length;
      fullCertain += shown.take(inFull.text.length);
      const ends = [
        ...(inPlain.stopped === null ? [] : [{ stopped: inPlain.stopped, end: plainCertain }]),
        ...(inFull.stopped === null ? [] : [{ stopped: inFull.stopped, end: fullCertain }]),
      ].sort((a, b) => a.end - b.end);
      const { stopped, end } = ends[0] ?? { stopped: null, end: Math.min(plainCertain, fullCertain) };
      const certain = held.slice(0, end);
      held = stopped === null ? held.slice(end) : '';
      plainCertain -= end;
      fullCertain -= end;
      return { text: certain, stopped };
    },
    flush() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

/** Counts how much of a run of texts and markers is text. */
function createShownCount() {
  /** @type {{ length: number, isText: boolean }[]} */
  const pieces = [];
  return {
    /** @param {string} text @param {string} marker */
    add(text, marker) {
      if (marker !== '') pieces.push({ length: marker.length, isText: false });
      else if (text !== '') pieces.push({ length: text.length, isText: true });
    },
    /** Takes the next `length` characters of the run; returns how many of them are text. @param {number} length */
    take(length) {
      let count = 0;
      while (length > 0) {
        const [piece] = pieces;
        const taken = Math.min(length, piece.length);
        if (piece.isText) count += taken;
        piece.length -= taken;
        length -= taken;
        if (piece.length === 0) pieces.shift();
      }
      return count;
    },
  };
}

/** @param {string[]} stops */
function createMatcher(stops) {
  let held = '';
  return {
    /** @param {string} text @returns {{ text: string, stopped: string | null }} */
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

/** The stop string that is complete first, since nobody waits for what might come; of several the longest. @param {string} text @param {string[]} stops */
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

/** Length of the longest end of the text that a stop string begins with. @param {string} text @param {string[]} stops */
function heldLength(text, stops) {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (stop.startsWith(text.slice(text.length - length))) longest = length;
    }
  }
  return longest;
}
