// The process in which a native engine, or Nibble in Node, is measured: a plan comes by a message, the result goes back
// as one.
import { measure } from './measure.js';

/** @param {any} message */
const send = (message) => new Promise((resolve) => /** @type {any} */ (process).send(message, resolve));

process.once('message', async (/** @type {any} */ { driver, ...plan }) => {
  try {
    /** @param {{ phase: string, test?: string }} event */
    const report = (event) => send({ event });
    const result = await measure(await import(`./drivers/${driver}.js`), plan, report);
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    await send({ result, peakBytes, node: process.versions.node, v8: process.versions.v8 });
  } catch (/** @type {any} */ error) {
    await send({ error: String(error?.message ?? error) });
  }
  /** @type {any} */ (process).disconnect();
});
// Nobody is left to measure for.
process.on('disconnect', () => process.exit());
