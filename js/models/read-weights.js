// Reads a stored model's chunks straight to where they belong in the heap, several at once, and compares each with its
// checksum as it lands. Workers that read take the checksums too, of bytes that they have just copied; where there are
// none, this worker does both.

import { checkCancelled } from '../base/cancel.js';
import { codeOf } from '../base/errors.js';
import { checksumStates } from '../core/packer.js';
import { isUnreadable } from '../store/errors.js';

/**
 * Ends only when no read is under way any more, since reads write into the heap.
 * @param {{ reader: import('./chunk-reader.js').Reader, runtime: import('../core/runtime.js').Runtime, record: import('./manifest.js').Manifest,
 *   model: import('../core/runtime.js').Model, signal?: AbortSignal, onRead: (bytes: number) => void,
 *   repair: (index: number) => Promise<void> }} from `repair` puts right a chunk that is damaged or missing, or throws
 * @returns {Promise<{ verifyMilliseconds: number }>}
 */
export async function readWeights({ reader, runtime, record, model, signal, onRead, repair }) {
  const states = checksumStates(runtime, reader.ahead);
  let next = 0;
  let verifyMilliseconds = 0;

  // Where one read fails, those that wait for their turn are called off.
  const ending = new AbortController();
  const stop = () => ending.abort();
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();

  /** @param {number} position @param {number} bytes */
  const checksumOf = (position, bytes) => {
    const start = performance.now();
    const checksum = model.packedChecksum(position, bytes);
    return { checksum, milliseconds: performance.now() - start };
  };

  /** @param {number} index @param {number | null} state */
  const landsWhole = async (index, state) => {
    const { bytes, checksum: expected } = record.chunks[index];
    const position = index * record.chunkBytes;
    let taken;
    try {
      const target = model.packedViews(position, bytes);
      taken = await reader.read(record.id, index, 0, target, { signal: ending.signal, state });
    } catch (error) {
      if (isUnreadable(error)) return false;
      throw error;
    }
    const { checksum, milliseconds } = taken ?? checksumOf(position, bytes);
    verifyMilliseconds += milliseconds;
    const whole = checksum === expected;
    if (whole) model.arrived.land(position, position + bytes);
    return whole;
  };

  /** @param {number | null} state */
  const readOn = async (state) => {
    try {
      while (next < record.chunks.length) {
        checkCancelled(ending.signal);
        const index = next++;
        if (!(await landsWhole(index, state))) await repair(index);
        onRead(record.chunks[index].bytes);
      }
    } catch (error) {
      stop();
      throw error;
    }
  };

  const results = await Promise.allSettled(states.addresses.map(readOn));
  states.close();
  signal?.removeEventListener('abort', stop);
  const reasons = results.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  if (reasons.length > 0) throw reasons.find((reason) => codeOf(reason) !== 'CANCELLED') ?? reasons[0];
  return { verifyMilliseconds };
}
