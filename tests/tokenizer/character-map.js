// Writes a map of characters as SentencePiece's normalizers have it; js/tokenizer/character-map.js draws the layout.

/**
 * Each node of the trie has room for all its children, which is large and simple.
 * @param {Record<string, string>} replaced what becomes what
 * @returns {Uint8Array}
 */
export function characterMap(replaced) {
  const nodes = [{ children: new Map(), value: null, index: 0, byte: 0 }];
  let texts = '';
  for (const [from, to] of Object.entries(replaced)) {
    /** @type {any} */
    let node = nodes[0];
    for (const byte of Buffer.from(from)) {
      // A zero ends texts; none has it inside.
      if (byte === 0) break;
      if (!node.children.has(byte)) {
        node.children.set(byte, { children: new Map(), value: null, index: 0, byte });
        nodes.push(node.children.get(byte));
      }
      node = node.children.get(byte);
    }
    if (node === nodes[0]) continue;
    node.value = Buffer.byteLength(texts);
    texts += `${to}\0`;
  }
  const array = new Uint32Array((nodes.length + 1) << 8);
  nodes.forEach((node, index) => {
    const base = (index + 1) << 8;
    for (const child of node.children.values()) child.index = base ^ child.byte;
    array[node.index] = (((base ^ node.index) << 10) | (node.value === null ? 0 : 0x100) | node.byte) >>> 0;
    if (node.value !== null) array[base] = (node.value | 0x80000000) >>> 0;
  });
  const text = Buffer.from(texts);
  const map = new Uint8Array(4 + array.byteLength + text.length);
  new DataView(map.buffer).setUint32(0, array.byteLength, true);
  map.set(new Uint8Array(array.buffer), 4);
  map.set(text, 4 + array.byteLength);
  return map;
}
