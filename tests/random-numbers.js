/** xoshiro128**, seeded from a text: the same 32-bit numbers on every machine. */
export class Random {
  /** @param {string} seed */
  constructor(seed) {
    let hash = 0x811c9dc5;
    for (const byte of Buffer.from(seed)) hash = Math.imul(hash ^ byte, 0x01000193);
    this.state = Uint32Array.from({ length: 4 }, () => {
      hash = (hash + 0x9e3779b9) | 0;
      let mixed = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      return mixed ^ (mixed >>> 15);
    });
  }

  /** @param {Uint32Array} numbers */
  fill(numbers) {
    let [a, b, c, d] = this.state;
    for (let i = 0; i < numbers.length; i++) {
      const five = Math.imul(b, 5);
      numbers[i] = Math.imul((five << 7) | (five >>> 25), 9);
      const shifted = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= shifted;
      d = (d << 11) | (d >>> 21);
    }
    this.state.set([a, b, c, d]);
  }

  /** @returns {number} 0 to 2^32 - 1 */
  next() {
    const one = new Uint32Array(1);
    this.fill(one);
    return one[0];
  }

  /** @param {number} bound @returns {number} 0 to bound - 1 */
  below(bound) {
    return Math.floor((this.next() / 2 ** 32) * bound);
  }
}
