// Reads a stored model's chunks straight to where they belong in the heap, several at once, and checks each as it lands:
// the reads in workers of their own where there are any, the checks here, where little else is to do meanwhile.
import { checkCancelled } from './loader.js';

const UNREADABLE = ['STORE_CHUNK_MISSING', 'STORE_DAMAGED'];

/**
 * Ends only when no read is under way any more, since reads write into the heap.
 * @param {{ reader: import('./reader.js').Reader, record: import('./manifest.js').Manifest,
 *   model: import('./engine.js').Model, signal?: AbortSignal, onRead: (bytes: number) => void,
 *   mend: (index: number) => Promise<void> }} from `mend` puts a chunk that is damaged or missing right, or throws
 * @returns {Promise<{ verifyMilliseconds: number }>}
 */
export async function readWeights({ reader, record, model, signal, onRead, mend }) {
  let next = 0;
  let verifyMilliseconds = 0;

  // Where one read fails, those that wait for their turn are called off.
  const ending = new AbortController();
  const stop = () => ending.abort();
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();

  const landsWhole = async (index) => {
    const { bytes, checksum } = record.chunks[index];
    const position = index * record.chunkBytes;
    try {
      await reader.read(record.id, index, 0, model.packedViews(position, bytes), ending.signal);
    } catch (error) {
      if (UNREADABLE.includes(error.code)) return false;
      throw error;
    }
    const start = performance.now();
    const whole = model.packedChecksum(position, bytes) === checksum;
    verifyMilliseconds += performance.now() - start;
    if (whole) model.arrivals.land(position, position + bytes);
    return whole;
  };

  const readOn = async () => {
    try {
      while (next < record.chunks.length) {
        checkCancelled(ending.signal);
        const index = next++;
        if (!(await landsWhole(index))) await mend(index);
        onRead(record.chunks[index].bytes);
      }
    } catch (error) {
      stop();
      throw error;
    }
  };

  const results = await Promise.allSettled(Array.from({ length: reader.ahead }, readOn));
  signal?.removeEventListener('abort', stop);
  const reasons = results.filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
  if (reasons.length > 0) throw reasons.find(({ code }) => code !== 'CANCELLED') ?? reasons[0];
  return { verifyMilliseconds };
}
