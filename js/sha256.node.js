// SHA-256 in Node, where its package takes longer to load than all else of a worker: loaded when it is first needed.

/** A hash whose state can be kept. @returns {Promise<import('hash-wasm').IHasher>} */
export async function createSha256() {
  const { createSHA256 } = await import('hash-wasm');
  return createSHA256();
}
