// A source whose bytes have to have a SHA-256.
import { createSha256 } from '#sha256';
import { hashMismatch } from '../base/errors.js';

/**
 * The same source; where it is read to its end, all that came is compared.
 * @param {import('./source.js').Source} source read from its front
 * @param {string} expected in hexadecimal
 * @returns {Promise<import('./source.js').Source>} its read() also throws HASH_MISMATCH, in the place of the end
 */
export async function hashedSource(source, expected) {
  const hasher = await createSha256();
  hasher.init();
  return {
    ...source,
    isHashed: true,
    async read() {
      const piece = await source.read();
      if (piece !== null) {
        hasher.update(piece);
        return piece;
      }
      const found = hasher.digest('hex');
      if (found !== expected) throw hashMismatch(`The file "${source.name}"`, found, expected);
      return null;
    },
  };
}
