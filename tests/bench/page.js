// The page in which a browser engine is measured: peers.js calls runPlan() and gets the result or an error as data.
import { measure } from './measure.js';

globalThis.runPlan = async ({ driver, ...plan }) => {
  try {
    if (!globalThis.crossOriginIsolated) throw new Error('the page is not cross-origin isolated: there are no threads');
    const result = await measure(await import(`./drivers/${driver}.js`), plan, globalThis.report);
    return { result, userAgent: navigator.userAgent };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
};
globalThis.pageIsReady = true;
