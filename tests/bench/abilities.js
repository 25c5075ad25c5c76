// What a browser has, found out in a page of it without the library.

/** Runs in the page. */
async function probe() {
  /** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
  const settle = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error('refused without a reason'));
    });
  /** @param {() => Promise<boolean>} use */
  const works = async (use) => {
    try {
      return await use();
    } catch {
      return false;
    }
  };

  /**
   * Whether IndexedDB gives a value back as it was.
   * @template {Blob | ArrayBuffer} T
   * @param {T} value
   * @param {(value: T) => ArrayBuffer | Promise<ArrayBuffer>} read
   */
  async function keeps(value, read) {
    const name = `abilities ${Math.random()}`;
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('values');
    const database = await settle(opening);
    try {
      await settle(database.transaction('values', 'readwrite').objectStore('values').put(value, 1));
      const bytes = await read(await settle(database.transaction('values').objectStore('values').get(1)));
      return new Uint8Array(bytes).join() === '1,2,3';
    } finally {
      database.close();
      indexedDB.deleteDatabase(name);
    }
  }

  /** Whether a worker can write a file of the private file system. */
  function accessFile() {
    const source = `(async () => {
      const folder = await navigator.storage.getDirectory();
      const handle = await (await folder.getFileHandle('abilities', { create: true })).createSyncAccessHandle();
      const written = handle.write(Uint8Array.of(1, 2, 3), { at: 0 });
      handle.close();
      await folder.removeEntry('abilities');
      return written === 3;
    })().then((value) => postMessage(value), () => postMessage(false));`;
    const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    const worker = new Worker(url);
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = reject;
    }).finally(() => {
      worker.terminate();
      URL.revokeObjectURL(url);
    });
  }

  // The function of js/core/simd.js's module: one relaxed dot product.
  const relaxedDot = Uint8Array.of(
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 123, 123, 1, 123, 3, 2, 1, 0],
    ...[10, 11, 1, 9, 0, 32, 0, 32, 1, 253, 146, 2, 11],
  );
  const bytes = Uint8Array.of(1, 2, 3);
  return {
    userAgent: navigator.userAgent,
    isolated: crossOriginIsolated,
    sharedMemory: crossOriginIsolated && typeof SharedArrayBuffer === 'function',
    processors: navigator.hardwareConcurrency ?? null,
    relaxed: WebAssembly.validate(relaxedDot),
    stores: {
      blobs: await works(() => keeps(new Blob([bytes]), (value) => value.arrayBuffer())),
      buffers: await works(() => keeps(bytes.slice().buffer, (value) => value)),
      files: await works(accessFile),
    },
  };
}

/**
 * @param {import('../browsers.js').Page} page
 * @returns {Promise<{ userAgent: string, isolated: boolean, sharedMemory: boolean, processors: number | null,
 *   relaxed: boolean, stores: { blobs: boolean, buffers: boolean, files: boolean } }>} `stores`: whether IndexedDB
 *   takes Blobs and ArrayBuffers, and whether a worker writes files of the private file system (OPFS)
 */
export const findAbilities = (page) => page.evaluate(probe);
