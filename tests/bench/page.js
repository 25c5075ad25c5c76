// The page in which a browser engine is measured: peers.js calls runPlan() and gets the result or an error as data.
import { measure } from './measure.js';

globalThis.runPlan = async (/** @type {{ driver: string, [rest: string]: any }} */ { driver, ...plan }) => {
  try {
    if (!globalThis.crossOriginIsolated) throw new Error('the page is not cross-origin isolated: there are no threads');
    const result = await measure(await import(`./drivers/${driver}.js`), plan, globalThis.report);
    return { result, userAgent: navigator.userAgent };
  } catch (/** @type {any} */ error) {
    return { error: String(error?.message ?? error) };
  }
};
globalThis.pageIsReady = true;
