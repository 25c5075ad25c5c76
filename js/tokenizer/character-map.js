// The precompiled map of SentencePiece's normalizers (NFKC and the like): which texts become which. The file is untrusted:
// a map that points out of itself, or in a circle, finds nothing.
//
//   bytes 0..3       length of the array
//   array            an XOR-compressed double array (Kanda 2018): a trie of the texts, a node in 32 bits each
//                      bits 0-7    the byte that leads to the node; bit 31 is set in a node that holds a value
//                      bit  8      a text ends here; its value is in the child of byte 0
//                      bit  9      the base is 256 times as large
//                      bits 10-30  base: a child is at the node's own place XOR base XOR byte
//   texts            what the values point into, each ended by a zero

const HEAD = 4;
// More than any text of a map has, in bytes; and what such a text may become.
const LONGEST = 256;
const LONGEST_REPLACEMENT = 1024;

/** @param {number} node */
const baseOf = (node) => (node >>> 10) << ((node & 0x200) >>> 6);

/** Whether bytes can be such a map. @param {Uint8Array} map */
export const isCharacterMap = (map) =>
  map.length > HEAD && new DataView(map.buffer, map.byteOffset).getUint32(0, true) + HEAD < map.length;

/**
 * @param {Uint8Array | undefined} map as isCharacterMap() takes it; undefined: nothing is replaced
 * @returns {(bytes: Uint8Array) => Uint8Array} from well-formed UTF-8 to what it becomes; may be the same array
 */
export function createCharacterMap(map) {
  if (map === undefined) return (bytes) => bytes;
  const view = new DataView(map.buffer, map.byteOffset, map.byteLength);
  const count = view.getUint32(0, true) >>> 2;
  const texts = map.subarray(HEAD + view.getUint32(0, true));
  const nodeAt = (/** @type {number} */ index) => (index < count ? view.getUint32(HEAD + 4 * index, true) : 0);

  /** What the longest text of the map that stands at a place becomes, and where it ends; null: none does. @param {Uint8Array} bytes @param {number} start */
  function find(bytes, start) {
    let found = null;
    let index = baseOf(nodeAt(0));
    for (let at = start; at < Math.min(bytes.length, start + LONGEST) && bytes[at] !== 0; at++) {
      index ^= bytes[at];
      const node = nodeAt(index >>> 0);
      if ((node & 0x800000ff) !== bytes[at]) break;
      index ^= baseOf(node);
      if ((node & 0x100) !== 0 && index >>> 0 < count) found = { value: nodeAt(index >>> 0) & 0x7fffffff, end: at + 1 };
    }
    if (found === null) return null;
    const end = texts.subarray(0, found.value + LONGEST_REPLACEMENT).indexOf(0, found.value);
    return end === -1 ? null : { text: texts.subarray(found.value, end), end: found.end };
  }

  return (bytes) => {
    /** @type {Uint8Array[]} */
    const parts = [];
    let length = 0;
    let copied = 0;
    const add = (/** @type {Uint8Array} */ part) => {
      parts.push(part);
      length += part.length;
    };
    for (let start = 0; start < bytes.length; ) {
      const found = find(bytes, start);
      if (found === null) {
        start++;
        while ((bytes[start] & 0xc0) === 0x80) start++;
        continue;
      }
      add(bytes.subarray(copied, start));
      add(found.text);
      start = found.end;
      copied = start;
    }
    if (copied === 0) return bytes;
    add(bytes.subarray(copied));
    return joined(parts, length);
  };
}

/** @param {Uint8Array[]} parts @param {number} length of all */
function joined(parts, length) {
  const all = new Uint8Array(length);
  let position = 0;
  for (const part of parts) {
    all.set(part, position);
    position += part.length;
  }
  return all;
}
