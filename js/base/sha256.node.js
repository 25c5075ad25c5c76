// SHA-256 in Node, where its package takes longer to load than all else of a worker: loaded when it is first needed, and
// of the package this hash alone, in a fifth of the time that all of them take.

/** A hash whose state can be kept. @returns {Promise<import('hash-wasm').IHasher>} */
export async function createSha256() {
  const { default: hashes } = await import('hash-wasm/dist/sha256.umd.min.js');
  return hashes.createSHA256();
}
