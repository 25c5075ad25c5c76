// Many short texts, found by what they are: one array of bytes and a hash table over it. A JavaScript string of each,
// and a Map of them, take some ten times as long to make and to throw away, for a vocabulary of which a chat uses little.
//
//   given   ........Hello........,........ world      as a GGUF has them: LENGTH_BYTES before each text
//   bytes   Hello, world                              once something is looked for
//   ends    5, 6, 12
//   slots   -, -, 0, -, 2, -, 1, -                    index of each and, in the bits left, some of its hash; open addressing

/** Before each text; what stands there is nobody's business. */
export const LENGTH_BYTES = 8;

const NONE = -1;
const NO_SLOTS = new Uint32Array(0);
const utf8 = new TextEncoder();

/** So many places that some three of eight stay empty. @param {number} count */
const slotCount = (count) => 2 ** Math.ceil(Math.log2(1.6 * count + 2));

/** What a table of so many texts takes. @param {{ count: number, textBytes: number }} texts with their UTF-8 */
export const tableBytes = ({ count, textBytes }) => textBytes + 4 * count + 4 * slotCount(count);

export class TextTable {
  #bytes;
  #ends;
  /** Bytes before each text. */
  #gap = LENGTH_BYTES;
  /** Empty until a text is looked for. @type {Uint32Array} */
  #slots = NO_SLOTS;
  /** The bits of a slot that are an index, and one: 0 is an empty slot. */
  #indexMask;
  /** @type {Uint8Array | null} */
  #prefixes = null;
  #longest = 0;
  #repeated = 0;
  #empty = 0;
  // Both by chance, so that no file can be made whose texts all meet in one slot.
  #seed;
  #factor;
  #scratch = new Uint8Array(256);
  #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /**
   * @param {Uint8Array} bytes well-formed UTF-8, kept until something is looked for
   * @param {Uint32Array} ends of the texts in it, kept and changed
   */
  constructor(bytes, ends) {
    this.#bytes = bytes;
    this.#ends = ends;
    this.#indexMask = 2 ** (32 - Math.clz32(ends.length)) - 1;
    const [seed, factor] = crypto.getRandomValues(new Int32Array(2));
    this.#seed = seed;
    this.#factor = factor | 1;
  }

  /** @param {string[]} texts */
  static of(texts) {
    const parts = texts.map((text) => utf8.encode(text));
    const ends = new Uint32Array(parts.length);
    let position = 0;
    for (const [index, { length }] of parts.entries()) {
      position += LENGTH_BYTES + length;
      ends[index] = position;
    }
    const bytes = new Uint8Array(position);
    for (const [index, part] of parts.entries()) bytes.set(part, ends[index] - part.length);
    return new TextTable(bytes, ends);
  }

  get length() {
    return this.#ends.length;
  }

  /** Bytes of the longest text, which has no more UTF-16 units than that. */
  get longest() {
    this.#filled();
    return this.#longest;
  }

  /** How many texts are the same as an earlier one. */
  get repeated() {
    this.#filled();
    return this.#repeated;
  }

  /** How many are empty; those are not found. */
  get empty() {
    this.#filled();
    return this.#empty;
  }

  /** @param {number} index from 0 to length - 1 */
  at(index) {
    return this.#decoder.decode(this.#bytes.subarray(this.#start(index), this.#ends[index]));
  }

  /** The index of a text, of the first where there are several; undefined where it is none of these, or empty. */
  get(/** @type {string} */ text) {
    // A text has at least as many bytes as UTF-16 units.
    if (text.length > this.longest) return undefined;
    const length = this.#encode(text);
    const hash = this.#hash(this.#scratch, 0, length, this.#seed);
    const index = this.#indexOf(hash, this.#scratch, 0, length, length);
    return index === NONE ? undefined : index;
  }

  has(/** @type {string} */ text) {
    return this.get(text) !== undefined;
  }

  /**
   * Takes each text as two with a space between them.
   * @param {TextTable} others
   * @param {(index: number, made: number, leftUnits: number) => void} [onPair] told of each in order: the index of what
   *   the two make together among the others, -1 where it is none of them, and the UTF-16 units of the first of the two
   * @returns {number} the first text that is not such a pair, or -1
   */
  comparePairs(others, onPair = () => {}) {
    const bytes = this.#bytes;
    others.#filled();
    for (let index = 0; index < this.length; index++) {
      const start = this.#start(index);
      const end = this.#ends[index];
      let space = start + 1;
      while (space < end && bytes[space] !== SPACE) space++;
      if (space >= end - 1) return index;
      const hash = others.#hash(bytes, space + 1, end, others.#hash(bytes, start, space, others.#seed));
      onPair(index, others.#indexOf(hash, bytes, start, end, space), unitsOf(bytes, start, space));
    }
    return NONE;
  }

  /**
   * Finds the texts that some bytes begin with at a place, the shortest first, in at most as many steps as the longest text
   * has bytes, and mostly few more than the longest that is found has.
   * @param {Uint8Array} bytes UTF-8
   * @param {number} start of a character
   * @param {(index: number, end: number) => void} onFound told of each: its index, and where in `bytes` it ends
   */
  prefixesAt(bytes, start, onFound) {
    this.#prefixes ??= this.#markPrefixes();
    const mask = 8 * this.#prefixes.length - 1;
    let hash = this.#seed;
    for (let at = start; at < bytes.length; ) {
      hash = this.#hash(bytes, at, ++at, hash);
      if ((this.#prefixes[(hash & mask) >>> 3] & (1 << (hash & 7))) === 0) return;
      if ((bytes[at] & 0xc0) === 0x80) continue;
      const index = this.#indexOf(hash, bytes, start, at, at);
      if (index !== NONE) onFound(index, at);
    }
  }

  /** @returns {Iterable<number>} the indices of the texts that hold a character of three bytes behind their first byte */
  *holding(/** @type {string} */ character) {
    const [first, second, third] = utf8.encode(character);
    const bytes = this.#bytes;
    for (let index = 0; index < this.length; index++) {
      const end = this.#ends[index] - 2;
      let at = this.#start(index) + 1;
      while (at < end && (bytes[at] !== first || bytes[at + 1] !== second || bytes[at + 2] !== third)) at++;
      if (at < end) yield index;
    }
  }

  /** @param {number} index */
  #start(index) {
    return (index === 0 ? 0 : this.#ends[index - 1]) + this.#gap;
  }

  /** Makes the slots, and the bytes without what stands before each text. */
  #filled() {
    if (this.#slots !== NO_SLOTS) return;
    const [given, ends, mask] = [this.#bytes, this.#ends, this.#indexMask];
    const bytes = new Uint8Array(Math.max(0, (ends.at(-1) ?? 0) - ends.length * LENGTH_BYTES));
    const slots = new Uint32Array(slotCount(ends.length));
    this.#slots = slots;
    for (let index = 0, from = 0, start = 0; index < ends.length; index++) {
      const stop = ends[index];
      let end = start;
      for (from += LENGTH_BYTES; from < stop; ) bytes[end++] = given[from++];
      ends[index] = end;
      if (end - start > this.#longest) this.#longest = end - start;
      start = end;
    }
    this.#bytes = bytes;
    this.#gap = 0;
    for (let index = 0, start = 0; index < ends.length; start = ends[index++]) {
      const end = ends[index];
      if (end === start) {
        this.#empty++;
        continue;
      }
      const hash = this.#hash(bytes, start, end, this.#seed);
      const slot = this.#slotOf(hash, bytes, start, end, end);
      if (slots[slot] !== 0) this.#repeated++;
      else slots[slot] = (hash & ~mask) | (index + 1);
    }
  }

  /** A bit for the hash of whatever a text begins with: where there is none, no text begins so. */
  #markPrefixes() {
    this.#filled();
    const bits = 2 ** Math.ceil(Math.log2(2 * this.#bytes.length + 64));
    const marks = new Uint8Array(Math.min(bits, 2 ** 31) / 8);
    const mask = 8 * marks.length - 1;
    for (let index = 0; index < this.length; index++) {
      let hash = this.#seed;
      for (let at = this.#start(index); at < this.#ends[index]; at++) {
        hash = this.#hash(this.#bytes, at, at + 1, hash);
        marks[(hash & mask) >>> 3] |= 1 << (hash & 7);
      }
    }
    return marks;
  }

  /** @param {Uint8Array} bytes @param {number} start @param {number} end @param {number} seed */
  #hash(bytes, start, end, seed) {
    const factor = this.#factor;
    let hash = seed;
    for (let at = start; at < end; at++) {
      hash = Math.imul(hash ^ bytes[at], factor);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  /** @param {number} hash @param {Uint8Array} bytes @param {number} start @param {number} end @param {number} without */
  #indexOf(hash, bytes, start, end, without) {
    this.#filled();
    return (this.#slots[this.#slotOf(hash, bytes, start, end, without)] & this.#indexMask) - 1;
  }

  /**
   * Where a text of that hash is, or would be: the bytes from `start` to `end` but that at `without`.
   * @param {number} hash @param {Uint8Array} bytes @param {number} start @param {number} end @param {number} without
   */
  #slotOf(hash, bytes, start, end, without) {
    const slots = this.#slots;
    const indexMask = this.#indexMask;
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const isAlike = ((slots[slot] ^ hash) & ~indexMask) === 0;
      if (isAlike && this.#equals((slots[slot] & indexMask) - 1, bytes, start, end, without)) break;
    }
    return slot;
  }

  /** @param {number} index @param {Uint8Array} bytes @param {number} start @param {number} end @param {number} without */
  #equals(index, bytes, start, end, without) {
    const own = this.#bytes;
    let place = this.#start(index);
    if (this.#ends[index] - place !== end - start - (without < end ? 1 : 0)) return false;
    for (let at = start; at < end; at++) {
      if (at !== without && own[place++] !== bytes[at]) return false;
    }
    return true;
  }

  /** Puts a text into the scratch; the result is how many bytes it takes. @param {string} text */
  #encode(text) {
    if (this.#scratch.length < 3 * text.length) this.#scratch = new Uint8Array(6 * text.length);
    const scratch = this.#scratch;
    let length = 0;
    for (let place = 0; place < text.length; place++) {
      const unit = text.charCodeAt(place);
      if (unit < 0x80) scratch[length++] = unit;
      else if (unit < 0x800) {
        scratch[length++] = 0xc0 | (unit >> 6);
        scratch[length++] = 0x80 | (unit & 0x3f);
      } else if ((unit & 0xf800) === 0xd800) return utf8.encodeInto(text, scratch).written;
      else {
        scratch[length++] = 0xe0 | (unit >> 12);
        scratch[length++] = 0x80 | ((unit >> 6) & 0x3f);
        scratch[length++] = 0x80 | (unit & 0x3f);
      }
    }
    return length;
  }
}

const SPACE = 0x20;

/**
 * UTF-16 units of UTF-8: one for a first byte, one more for the first of four, none for those that follow.
 * @param {Uint8Array} bytes @param {number} start @param {number} end
 */
function unitsOf(bytes, start, end) {
  let units = 0;
  for (let at = start; at < end; at++) if ((bytes[at] & 0xc0) !== 0x80) units += bytes[at] >= 0xf0 ? 2 : 1;
  return units;
}
