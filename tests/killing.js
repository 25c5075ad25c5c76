// Ends tabs and browsers by force.
import { present } from './present.js';

/** Lets a tab's process crash. @param {import('playwright-core').Page} page */
export async function crashPage(page) {
  const session = await page.context().newCDPSession(page);
  const crashed = page.waitForEvent('crash');
  session.send('Page.crash').catch(() => {});
  await crashed;
  await page.close();
}

/**
 * Kills every process of a browser from outside, as a full memory or a power cut does.
 * @param {{ context: import('playwright-core').BrowserContext }} browser as openChromium() gives it
 */
export async function killBrowser({ context }) {
  const session = await present(context.browser()).newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const closed = new Promise((resolve) => context.once('close', resolve));
  process.kill(present(processInfo.find(({ type }) => type === 'browser')).id, 'SIGKILL');
  await closed;
}
