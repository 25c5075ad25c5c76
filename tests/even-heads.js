// Models whose keys and values have different sizes, written as the models of one size that they equal, for engines that
// know no others: what is missing is filled up with zeros, which add nothing to a score or to the stream.

import { byteLength } from './weight-formats.js';

// Pieces of `size` bytes, each followed by zeros up to `grown`.
/** @param {Uint8Array} bytes @param {number} size @param {number} grown */
function spread(bytes, size, grown) {
  const result = new Uint8Array((bytes.length / size) * grown);
  for (let from = 0, to = 0; from < bytes.length; from += size, to += grown) {
    result.set(bytes.subarray(from, from + size), to);
  }
  return result;
}

/**
 * @template {import('./gguf-writer.js').TensorInfo & { bytes: Uint8Array }} T
 * @param {T[]} list
 * @param {import('./model-shapes.js').Shape} shape where values are larger than keys, a file has to say the scale of
 *   scores, and norms of heads would not be what they were
 * @returns {T[]}
 */
export function evenHeads(list, { headSize, valueSize = headSize, heads, kvHeads }) {
  const most = Math.max(headSize, valueSize);
  const query = [heads, headSize];
  const [key, value] = [headSize, valueSize].map((size) => [kvHeads, size]);
  /** @type {Record<string, number[][]>} */
  const parts = { attn_q: [query], attn_k: [key], attn_v: [value], attn_qkv: [query, key, value] };
  return list.map((tensor) => {
    const { type, bytes } = tensor;
    const [, name, kind] = tensor.name.match(/^blk\.\d+\.(\w+)\.(weight|bias)$/) ?? [];
    if (name === 'attn_output' && kind === 'weight') {
      const [size, grown] = [valueSize, most].map((columns) => byteLength(type, columns));
      return { ...tensor, shape: [heads * most, tensor.shape[1]], bytes: spread(bytes, size, grown) };
    }
    if (!parts[name]) return tensor;
    const row = kind === 'bias' ? 4 : byteLength(type, tensor.shape[0]);
    let from = 0;
    const pieces = parts[name].map(([count, size]) => {
      const part = bytes.subarray(from, from + count * size * row);
      from += part.length;
      return spread(part, size * row, most * row);
    });
    const rows = parts[name].reduce((sum, [count]) => sum + count * most, 0);
    return { ...tensor, shape: [...tensor.shape.slice(0, -1), rows], bytes: new Uint8Array(Buffer.concat(pieces)) };
  });
}
