// The ranks of byte-pair merges. What two pieces make together is nearly always a piece itself, so that it is known by an
// id: of a merge, only where it is cut and its rank have to be kept, and not its text.
//
//   merges   l o, lo w, l ow           by rank
//   pieces   ..., 7: lo, 8: low, 9: ow
//   starts   ..., 0, 1, 3, ...         of each piece's merges
//   cuts     1, 1, 2                   UTF-16 units of the left side, rising within a piece
//   ranks    0, 2, 1

import { TextTable } from './text-table.js';

const NONE = -1;

/** @typedef {{ from(ranks: Uint32Array, cutOf: (rank: number) => number): Uint8Array | Uint16Array | Uint32Array }} CutsType */

/** The narrowest numbers that hold the cuts. @param {number} longest */
const cutsFor = (longest) => (longest < 1 << 8 ? Uint8Array : longest < 1 << 16 ? Uint16Array : Uint32Array);

/** What a table of so many merges takes, with the pieces of most vocabularies. @param {number} merges @param {number} pieces */
export const mergeBytes = (merges, pieces) => (merges === 0 ? 0 : merges * 5 + pieces * 4);

export class MergeTable {
  #pieces;
  #starts;
  #cuts;
  #ranks;
  /** Merges that make no piece. @type {TextTable | null} */
  #others = null;
  /** @type {number[]} */
  #otherRanks = [];
  /** The first merge that is not two texts with a space between them, or -1; then the table is of no use. */
  wrong;

  /** @param {TextTable} merges `left right` by rank, not kept @param {TextTable} pieces kept */
  constructor(merges, pieces) {
    this.#pieces = pieces;
    const Cuts = cutsFor(pieces.longest);
    const ids = new Int32Array(merges.length);
    const cuts = new Cuts(merges.length);
    this.wrong = merges.comparePairs(pieces, (rank, id, cut) => {
      ids[rank] = id;
      if (id === NONE) this.#otherRanks.push(rank);
      else cuts[rank] = cut;
    });
    if (this.#otherRanks.length > 0) this.#others = TextTable.of(this.#otherRanks.map((rank) => merges.at(rank)));
    // By piece, and there by cut: sorted by counting, twice. Of equal ones the first, which counts, stays before others.
    const byCut = orderBy(cuts, pieces.longest + 1, ids.keys());
    this.#starts = new Uint32Array(pieces.length + 1);
    const order = orderBy(ids, pieces.length, byCut, this.#starts);
    this.#cuts = /** @type {CutsType} */ (Cuts).from(order, (rank) => cuts[rank]);
    this.#ranks = order;
  }

  /** How many merges make no piece. */
  get unknown() {
    return this.#otherRanks.length;
  }

  /** UTF-16 units, or a few more, of the longest text that a merge makes. */
  get longest() {
    return Math.max(this.#pieces.longest, this.#others?.longest ?? 0);
  }

  /** The rank of a merge; undefined where there is none. @param {string} left @param {string} right */
  rankOf(left, right) {
    const id = this.#pieces.get(left + right);
    if (id === undefined) return this.#rankOfOther(left, right);
    let low = this.#starts[id];
    const end = this.#starts[id + 1];
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#cuts[middle] < left.length) low = middle + 1;
      else high = middle;
    }
    return low < end && this.#cuts[low] === left.length ? this.#ranks[low] : undefined;
  }

  /** @param {string} left @param {string} right */
  #rankOfOther(left, right) {
    const index = this.#others?.get(`${left} ${right}`);
    return index === undefined ? undefined : this.#otherRanks[index];
  }
}

/**
 * Sorts places by their keys, those of equal keys in the order given; places with a negative key are left out.
 * @param {ArrayLike<number>} keys below `count`
 * @param {number} count
 * @param {Iterable<number>} places
 * @param {Uint32Array} [starts] room for count + 1 numbers: gets the first place of each key in the result
 * @returns {Uint32Array}
 */
function orderBy(keys, count, places, starts = new Uint32Array(count + 1)) {
  let all = 0;
  for (let place = 0; place < keys.length; place++) {
    if (keys[place] < 0) continue;
    starts[keys[place] + 1]++;
    all++;
  }
  for (let key = 0; key < count; key++) starts[key + 1] += starts[key];
  const order = new Uint32Array(all);
  const next = starts.slice(0, count);
  for (const place of places) if (keys[place] >= 0) order[next[keys[place]]++] = place;
  return order;
}
