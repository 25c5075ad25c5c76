// Many short texts, found by what they are: one array of bytes and a hash table over it. A JavaScript string of each,
// and a Map of them, take some ten times as long to make and to throw away, for a vocabulary of which a chat uses little.
//
//   bytes   ........Hello........,........ world      as a GGUF has them: LENGTH_BYTES before each text
//   ends    13, 22, 36
//   slots   -, 2, -, -, 0, -, 1, -                    index and hash of each, open addressing

/** Before each text; what stands there is nobody's business. */
export const LENGTH_BYTES = 8;

const NONE = -1;
const utf8 = new TextEncoder();

/** Twice as many places as texts at least, of two numbers each. */
const slotCount = (count) => 2 ** Math.ceil(Math.log2(4 * count + 4));

/** What a table of so many texts takes. @param {{ count: number, textBytes: number }} texts with their UTF-8 */
export const tableBytes = ({ count, textBytes }) => textBytes + count * (LENGTH_BYTES + 4) + 4 * slotCount(count);

export class TextTable {
  #bytes;
  #ends;
  #slots;
  // Both by chance, so that no file can be made whose texts all meet in one slot.
  #seed;
  #factor;
  #scratch = new Uint8Array(256);
  #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  /** Bytes of the longest text, which has no more UTF-16 units than that. */
  longest = 0;
  /** How many texts are the same as an earlier one. */
  repeated = 0;
  /** How many are empty; those are not found. */
  empty = 0;

  /**
   * @param {Uint8Array} bytes well-formed UTF-8, kept
   * @param {Uint32Array} ends of the texts in it, kept
   */
  constructor(bytes, ends) {
    this.#bytes = bytes;
    this.#ends = ends;
    this.#slots = new Int32Array(slotCount(ends.length)).fill(NONE);
    const [seed, factor] = crypto.getRandomValues(new Int32Array(2));
    this.#seed = seed;
    this.#factor = factor | 1;
    this.#fill();
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
    const index = this.#slots[this.#slotOf(hash, this.#scratch, 0, length, length)];
    return index === NONE ? undefined : index;
  }

  has(/** @type {string} */ text) {
    return this.get(text) !== undefined;
  }

  /**
   * Takes each text as two with a space between them.
   * @param {TextTable} others
   * @returns {{ wrong: number, unknown: number }} `wrong`: the first text that is not such a pair, or -1; `unknown`: how
   *   many pairs there are whose two texts, joined, are not among the others
   */
  comparePairs(others) {
    const bytes = this.#bytes;
    let unknown = 0;
    for (let index = 0; index < this.length; index++) {
      const start = this.#start(index);
      const end = this.#ends[index];
      let space = start + 1;
      while (space < end && bytes[space] !== SPACE) space++;
      if (space >= end - 1) return { wrong: index, unknown };
      const hash = others.#hash(bytes, space + 1, end, others.#hash(bytes, start, space, others.#seed));
      if (others.#slots[others.#slotOf(hash, bytes, start, end, space)] === NONE) unknown++;
    }
    return { wrong: NONE, unknown };
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

  #start(index) {
    return (index === 0 ? 0 : this.#ends[index - 1]) + LENGTH_BYTES;
  }

  #fill() {
    const [bytes, ends, slots] = [this.#bytes, this.#ends, this.#slots];
    for (let index = 0, start = LENGTH_BYTES; index < ends.length; start = ends[index++] + LENGTH_BYTES) {
      const end = ends[index];
      if (end - start > this.longest) this.longest = end - start;
      if (end === start) {
        this.empty++;
        continue;
      }
      const hash = this.#hash(bytes, start, end, this.#seed);
      const slot = this.#slotOf(hash, bytes, start, end, end);
      if (slots[slot] !== NONE) this.repeated++;
      else {
        slots[slot] = index;
        slots[slot + 1] = hash;
      }
    }
  }

  #hash(bytes, start, end, seed) {
    const factor = this.#factor;
    let hash = seed;
    for (let at = start; at < end; at++) {
      hash = Math.imul(hash ^ bytes[at], factor);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  /** Where a text of that hash is, or would be: the bytes from `start` to `end` but that at `without`. */
  #slotOf(hash, bytes, start, end, without) {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (2 * hash) & mask;
    for (; slots[slot] !== NONE; slot = (slot + 2) & mask) {
      if (slots[slot + 1] === hash && this.#equals(slots[slot], bytes, start, end, without)) break;
    }
    return slot;
  }

  #equals(index, bytes, start, end, without) {
    const own = this.#bytes;
    let place = this.#start(index);
    if (this.#ends[index] - place !== end - start - (without < end ? 1 : 0)) return false;
    for (let at = start; at < end; at++) {
      if (at !== without && own[place++] !== bytes[at]) return false;
    }
    return true;
  }

  /** Puts a text into the scratch; the result is how many bytes it takes. */
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
