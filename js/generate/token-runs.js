// What two lists of tokens have in common.

/** How many tokens both begin with. @param {readonly number[]} one @param {readonly number[]} other */
export function commonPrefix(one, other) {
  let count = 0;
  while (count < one.length && count < other.length && one[count] === other[count]) count++;
  return count;
}

/**
 * The longest run in `text` that is the beginning of `pattern`; the first of several. In linear time, by Z-values: of
 * every place of a list, how far what stands there equals the list's beginning (Gusfield 1997, section 1.4).
 * @param {readonly number[]} pattern
 * @param {readonly number[]} text
 * @returns {{ start: number, length: number }} start: in `text`
 */
export function longestRun(pattern, text) {
  const list = [...pattern, -1, ...text];
  const values = new Int32Array(list.length);
  const best = { start: 0, length: 0 };
  // The run found so far that reaches furthest: list[from, to) equals the list's beginning.
  let from = 0;
  let to = 0;
  for (let place = 1; place < list.length; place++) {
    let value = place < to ? Math.min(values[place - from], to - place) : 0;
    while (place + value < list.length && list[value] === list[place + value]) value++;
    values[place] = value;
    if (place + value > to) [from, to] = [place, place + value];
    const start = place - pattern.length - 1;
    if (start >= 0 && value > best.length) Object.assign(best, { start, length: value });
  }
  return best;
}
