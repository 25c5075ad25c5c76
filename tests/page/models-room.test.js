// What the panel says of room, while what is stored changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeSmallModel } from '../small-model.js';
import * as driver from './driver.js';

const LIMIT = { timeout: 180_000 };
const LARGE = { layers: 8, width: 256, ffn: 1024, heads: 8, kvHeads: 4, headSize: 32 };

test('a model that had no room can be kept once another is deleted', LIMIT, async () => {
  const browser = await driver.startBrowser({ serviceWorkers: 'block' });
  try {
    const { page, close, complaints } = await driver.openPage(browser, {
      async before(made) {
        await driver.forgetVisits(made);
        // The worker is who asks.
        await made.route('**/nibble/worker.js', async (route) => {
          const response = await route.fetch();
          const little = `StorageManager.prototype.estimate = ((estimate) => async function () {
            const { usage } = await estimate.call(this);
            return { usage, quota: 8_000_000 };
          })(StorageManager.prototype.estimate);`;
          await route.fulfill({ response, body: `${little}${await response.text()}` });
        });
      },
    });
    await driver.untilReady(page);
    await page.locator('#model-button').click();
    await page.locator('#models-panel meter').waitFor();
    const offer = page.locator('.models-offer');
    const keep = offer.locator('button.accent');
    const picker = page.locator('.models-picker').first();
    await picker.setInputFiles(writeSmallModel(LARGE));
    await keep.click();
    await offer.waitFor({ state: 'detached' });
    const remove = page.locator('#models-panel button[aria-label^="Delete"]');
    await remove.first().waitFor();
    await picker.setInputFiles(writeSmallModel({ ...LARGE, name: 'another' }));
    await offer.getByText('There is no room to keep it').waitFor();
    assert.equal(await keep.isDisabled(), true);
    for (let left = await remove.count(); left > 0; left--) {
      await remove.first().click();
      await page.locator('dialog[open] button', { hasText: 'Delete' }).last().click();
      await driver.untilEqual(() => remove.count(), left - 1);
    }
    await driver.untilEqual(() => keep.isDisabled(), false);
    assert.equal(await offer.getByText('There is no room to keep it').count(), 0);
    await offer.getByRole('button', { name: 'Cancel', exact: true }).click();
    complaints.length = 0;
    await close();
  } finally {
    await browser.close();
  }
});
