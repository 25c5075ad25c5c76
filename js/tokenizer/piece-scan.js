// Finds which of many pieces occur in a text, in one pass over it: a model has up to some thousand special tokens, and a
// search for each of them took seconds in a text of a megabyte.

/** Longer pieces, of which real vocabularies have none, are searched one by one, so that a step of the pass is bounded. */
const LONGEST = 64;

/**
 * The pieces are the ways from a trie's root (node 0) to the nodes they end in. What is found is not looked for again, so
 * that a long run of one character is not gone through from each of its places.
 * @param {readonly string[]} pieces not empty, each once
 * @returns {(text: string) => Uint8Array} 1 for each piece that occurs, in their order
 */
export function createPieceScan(pieces) {
  /** @type {Map<number, number>} */
  const symbols = new Map();
  const short = pieces.map((piece) => piece.length <= LONGEST);
  pieces.forEach((piece, index) => {
    for (let i = 0; short[index] && i < piece.length; i++)
      if (!symbols.has(piece.charCodeAt(i))) symbols.set(piece.charCodeAt(i), symbols.size);
  });
  /** @type {Map<number, number>} */
  const next = new Map();
  const parents = [0];
  const endings = [-1];
  pieces.forEach((piece, index) => {
    if (!short[index]) return;
    let node = 0;
    for (let i = 0; i < piece.length; i++) {
      const step = node * symbols.size + /** @type {number} */ (symbols.get(piece.charCodeAt(i)));
      let child = next.get(step);
      if (child === undefined) {
        child = parents.push(node) - 1;
        endings.push(-1);
        next.set(step, child);
      }
      node = child;
    }
    endings[node] = index;
  });
  const below = new Int32Array(parents.length);
  for (let node = parents.length - 1; node >= 0; node--) {
    if (endings[node] >= 0) below[node]++;
    if (node > 0) below[parents[node]] += below[node];
  }
  return (text) => {
    const found = new Uint8Array(pieces.length);
    const left = below.slice();
    for (let at = 0; at < text.length && left[0] > 0; at++) {
      for (let node = 0, i = at; i < text.length; i++) {
        const symbol = symbols.get(text.charCodeAt(i));
        const child = symbol === undefined ? undefined : next.get(node * symbols.size + symbol);
        if (child === undefined || left[child] === 0) break;
        node = child;
        const index = endings[node];
        if (index < 0 || found[index] === 1) continue;
        found[index] = 1;
        for (let up = node; ; up = parents[up]) {
          left[up]--;
          if (up === 0) break;
        }
      }
    }
    for (let index = 0; index < pieces.length; index++)
      if (!short[index] && text.includes(pieces[index])) found[index] = 1;
    return found;
  };
}
