// A session's image (src/session_image.c) as a Blob, for callers that keep it themselves. A browser may hold Blobs on
// disk; here no more than one piece at a time is an array.

import { checkCancelled } from '../base/cancel.js';
import { invalid } from '../base/options.js';
import { unshared } from '../store/bytes.js';

const PIECE_BYTES = 1 << 20;

/** @typedef {{ bytes: number, read: (most?: number) => Uint8Array }} Save see Save in session.js */

/**
 * @param {Save} save
 * @param {{ scheduler: import('../base/scheduler.js').Scheduler, signal: AbortSignal }} control
 * @returns {Promise<Blob>}
 */
export async function exportImage(save, { scheduler, signal }) {
  /** @type {Blob[]} */
  const pieces = [];
  for (;;) {
    checkCancelled(signal);
    const piece = save.read(PIECE_BYTES);
    if (piece.length === 0) return new Blob(pieces, { type: 'application/octet-stream' });
    pieces.push(new Blob([unshared(piece)]));
    await scheduler.nextTask();
  }
}

/**
 * @param {import('../core/runtime.js').Model} model
 * @param {Blob} image
 * @param {AbortSignal} signal
 * @returns {Promise<import('../core/session.js').Session>}
 */
export async function importImage(model, image, signal) {
  if (!(image instanceof Blob)) throw invalid('image', image, 'a Blob or bytes, as export() gives them');
  const restore = model.openRestore();
  try {
    for (let start = 0; start < image.size; start += PIECE_BYTES) {
      checkCancelled(signal);
      restore.write(new Uint8Array(await image.slice(start, start + PIECE_BYTES).arrayBuffer()));
    }
    return restore.finish();
  } finally {
    restore.close();
  }
}
