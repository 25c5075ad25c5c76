// The process in which a native engine, or Nibble in Node, is measured: a plan comes by a message, the result goes back
// as one.
import { measure } from './measure.js';

/**
 * @typedef {{ result: Awaited<ReturnType<typeof measure>>, peakBytes: number, node: string, v8: string }} Done
 * @typedef {{ event: import('./measure.js').MeasureEvent } | { error: string } | Done} ChildMessage
 */

/** @param {ChildMessage} message */
const send = (message) => new Promise((resolve) => process.send?.(message, resolve));

process.once('message', async (/** @type {import('./measure.js').TurnPlan} */ { driver, ...plan }) => {
  try {
    /** @param {import('./measure.js').MeasureEvent} event */
    const report = (event) => send({ event });
    const result = await measure(await import(`./drivers/${driver}.js`), plan, report);
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    await send({ result, peakBytes, node: process.versions.node, v8: process.versions.v8 });
  } catch (error) {
    await send({ error: error instanceof Error ? error.message : String(error) });
  }
  process.disconnect?.();
});
// Nobody is left to measure for.
process.on('disconnect', () => process.exit());
