// Reads a stored model's chunks straight to where they belong in the heap, several at once, and checks each as it lands.
import { checkCancelled } from './loader.js';
import { READS_IN_FLIGHT } from './store-backends.js';

const UNREADABLE = ['STORE_CHUNK_MISSING', 'STORE_DAMAGED'];

/**
 * Ends only when no read is under way any more, since reads write into the heap.
 * @param {{ backend: import('./store-backends.js').Backend, record: import('./manifest.js').Manifest,
 *   model: import('./engine.js').Model, signal?: AbortSignal, onRead: (bytes: number) => void,
 *   mend: (index: number) => Promise<void> }} from `mend` puts a chunk that is damaged or missing right, or throws
 * @returns {Promise<{ verifyMilliseconds: number }>}
 */
export async function readWeights({ backend, record, model, signal, onRead, mend }) {
  let next = 0;
  let failed = false;
  let verifyMilliseconds = 0;

  const landsWhole = async (index) => {
    const { bytes, checksum } = record.chunks[index];
    const position = index * record.chunkBytes;
    try {
      await backend.readChunk(record.id, index, 0, model.packedViews(position, bytes));
    } catch (error) {
      if (UNREADABLE.includes(error.code)) return false;
      throw error;
    }
    const start = performance.now();
    const whole = model.packedChecksum(position, bytes) === checksum;
    verifyMilliseconds += performance.now() - start;
    return whole;
  };

  const reader = async () => {
    try {
      while (next < record.chunks.length && !failed) {
        checkCancelled(signal);
        const index = next++;
        if (!(await landsWhole(index))) await mend(index);
        onRead(record.chunks[index].bytes);
      }
    } catch (error) {
      failed = true;
      throw error;
    }
  };

  const results = await Promise.allSettled(Array.from({ length: READS_IN_FLIGHT }, reader));
  const failure = results.find(({ status }) => status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  return { verifyMilliseconds };
}
