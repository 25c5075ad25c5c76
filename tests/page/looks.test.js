// How the page looks, reads and is worked: accessibility, both languages, keys only, and pictures of the main states.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import en from '../../web/strings/en.js';
import modelsEn from '../../web/strings/models.en.js';
import modelsZh from '../../web/strings/models.zh.js';
import zh from '../../web/strings/zh.js';
import { createTranslator, LANGUAGES } from '../../web/ui/i18n.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';
import * as driver from './driver.js';

/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 240_000 };
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const MARKDOWN = `<think>
The reader wants to see everything once.
</think>

# Overview

Here is **bold**, *em*, \`code\`, snake_case_name and a [link](https://example.org/).

1. First item
2. Second item
   - nested one
   - nested two

> A quote that goes on for a little while.

\`\`\`js
function hello(name) {
  return \`Hello \${name}\`;
}
\`\`\`

| Name | Value | Remark |
|---|---|---|
| a | 1 | the first one |
| b | 2 | the second one |

It costs $5, see https://example.org/a_b. And ![a picture](https://example.org/p.png) [1].
`;

/** @type {driver.Browser} */
let browser;

before(async () => {
  browser = await driver.startBrowser({ serviceWorkers: 'block' });
});

after(() => browser?.close());

async function open() {
  const answers = [present(MARKDOWN.match(/[\s\S]{1,9}/g)), ['Yes, certainly.']];
  /** @param {Page} page */
  const before = async (page) => {
    await driver.forgetVisits(page);
    await driver.scriptEngine(page, { answers });
  };
  const opened = await driver.openPage(browser, { before });
  await driver.untilReady(opened.page);
  opened.complaints.length = 0;
  return opened;
}

/** What axe has against the page as it is now, in one line each. @param {Page} page */
async function violations(page) {
  // Run through the protocol, since the page's policy admits no script of the test's.
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** @param {Page} page */
const keysShown = (page) =>
  page.evaluate(() => {
    const texts = [document.body.innerText.replaceAll(/`.*`/g, '')];
    for (const element of document.querySelectorAll('[aria-label], [title], [placeholder]')) {
      texts.push(
        element.getAttribute('aria-label') ?? '',
        /** @type {HTMLElement} */ (element).title,
        element.getAttribute('placeholder') ?? '',
      );
    }
    const pattern =
      /\b(?:chat|sidebar|settings|message|offline|status|details|problem|models?|loading|composer)\.[a-z]+\b|\{\w+\}/;
    return texts.filter((text) => text && pattern.test(text.replaceAll(/\bmodel\.gguf\b/g, '')));
  });

describe('the two languages', () => {
  test('have the same keys, none of them twice', () => {
    assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
    assert.deepEqual(Object.keys(modelsZh).sort(), Object.keys(modelsEn).sort());
    assert.deepEqual(
      Object.keys(modelsEn).filter((key) => key in en),
      [],
    );
  });

  test('have the same places in each string, and a form for every count', () => {
    /** @param {unknown} value */
    const places = (value) => [...JSON.stringify(value).matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const [key, value] of Object.entries({ ...en, ...modelsEn })) {
      const other = { ...zh, ...modelsZh }[key];
      assert.deepEqual([...new Set(places(other))].sort(), [...new Set(places(value))].sort(), key);
    }
    for (const locale of Object.keys(LANGUAGES)) {
      const t = createTranslator(untyped(locale));
      for (const key of Object.keys(en)) assert.notEqual(t(untyped(key), { count: 1 }).trim(), '', key);
      assert.throws(() => t(untyped('no.such.key')));
    }
  });

  test('have every string that the page asks for', () => {
    const html = readFileSync(new URL('../../web/index.html', import.meta.url), 'utf8');
    const asked = [...html.matchAll(/data-t(?:-label|-title|-placeholder)?="([^"]+)"/g)].map(([, key]) => key);
    assert.ok(asked.length > 20);
    for (const key of asked) assert.ok(key in en || key in modelsEn, key);
  });
});

describe('the page', () => {
  test('has nothing that axe objects to, in any main state, light and dark, wide and narrow', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    /** @param {string} name */
    const check = async (name) => {
      assert.deepEqual(await violations(page), [], name);
      await driver.shoot(page, name);
    };
    /** @param {string} button @param {string} name */
    const dialog = async (button, name) => {
      await page.locator(`#${button}`).click();
      if (button === 'open-models') await page.locator('#models-panel h3').first().waitFor();
      await check(name);
      await page.keyboard.press('Escape');
    };
    await check('welcome');
    await driver.converse(page, 'Give me an overview of Markdown, please, with everything that there is in it.');
    await check('chat');
    await page.locator('.reasoning summary').click();
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: untyped(scheme) });
      await page.setViewportSize(driver.WIDE);
      await check(`chat-${scheme}`);
      await dialog('open-settings', `settings-${scheme}`);
      await dialog('open-models', `models-${scheme}`);
      await dialog('open-details', `details-${scheme}`);
      await page.setViewportSize(driver.PHONE);
      await check(`phone-${scheme}`);
      await page.locator('#open-sidebar').click();
      await check(`drawer-${scheme}`);
      await page.keyboard.press('Escape');
    }
    await opened.close();
  });

  test('fits a phone of 320 pixels, whatever the model writes', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await page.setViewportSize(driver.SMALL_PHONE);
    await driver.shoot(page, 'welcome-320');
    await driver.converse(page, `A long word: ${'x'.repeat(300)}`);
    const overflow = await page.evaluate(() => {
      const scroller = /** @type {Element} */ (document.querySelector('#scroller'));
      return [document.documentElement.scrollWidth - innerWidth, scroller.scrollWidth - scroller.clientWidth];
    });
    assert.deepEqual(overflow, [0, 0]);
    await driver.shoot(page, 'chat-320');
    await opened.close();
  });

  test('can be worked where it is magnified four times, with something to tell', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await driver.converse(page, 'Hello');
    await page.setViewportSize({ width: 320, height: 256 });
    const bad = { name: 'bad.json', mimeType: 'application/json', buffer: Buffer.from('{') };
    await page.locator('#import-file').setInputFiles(bad);
    await page.locator('#problem').waitFor();
    await driver.shoot(page, 'magnified');
    // What does not fit and cannot be scrolled is out of reach.
    const outOfReach = () =>
      page.evaluate(() =>
        ['body', '#main', '#foot', '#sidebar'].filter((name) => {
          const element = /** @type {Element} */ (document.querySelector(name));
          const { scrollHeight, clientHeight } = element;
          const { overflowY } = getComputedStyle(element);
          return scrollHeight > clientHeight + 1 && overflowY !== 'auto';
        }),
      );
    assert.deepEqual(await outOfReach(), []);
    const field = present(await page.locator('#composer').boundingBox());
    assert.ok(field.y + field.height <= 256, `the field ends at ${field.y + field.height}`);
    await page.locator('#dismiss').click();
    await page.locator('#open-sidebar').click();
    await driver.shoot(page, 'magnified-sidebar');
    assert.deepEqual(await outOfReach(), []);
    const list = present(await page.locator('#conversations').boundingBox());
    assert.ok(list.height > 30, `the list is ${list.height} pixels high`);
    await opened.close();
  });

  test('shows all read-outs on a wide screen; what a phone has no room for is in the details', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await driver.converse(page, 'Hello');
    const shown = () =>
      page.evaluate(() => {
        const foot = /** @type {HTMLElement} */ (document.querySelector('#status')).getBoundingClientRect();
        const items = [...document.querySelectorAll('#status li')].filter((item) => item.checkVisibility());
        /** @param {DOMRect} dOMRect */
        const isInside = ({ left, right, top, bottom }) =>
          left >= foot.left && right <= foot.right && top >= foot.top && bottom <= Math.min(foot.bottom, innerHeight);
        return items.map((item) => [
          /** @type {HTMLElement} */ (item).innerText.trim(),
          isInside(item.getBoundingClientRect()),
        ]);
      });
    const all = await shown();
    assert.equal(all.length, 7, JSON.stringify(all));
    for (const [text, isInside] of all) assert.ok(isInside && text !== '', untyped(text));
    for (const [width, count] of [
      [390, 5],
      [360, 4],
    ]) {
      await page.setViewportSize({ width, height: 780 });
      const some = await shown();
      assert.deepEqual(some, all.slice(0, count), 'the first of them, and none cut off');
    }
    await page.locator('#open-details').click();
    const details = await page.locator('#details-list').innerText();
    for (const [text] of all.slice(2)) assert.ok(details.includes(untyped(text)), `${text} is in the details`);
    await opened.close();
  });

  test('speaks Chinese, as it is chosen or as the browser is set, and shows no key', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    assert.deepEqual(await keysShown(page), []);
    await driver.converse(page, 'Hello');
    await page.locator('#open-settings').click();
    await page.locator('#setting-language').selectOption('zh');
    await page.locator('html[lang=zh-Hans]').waitFor();
    await page.locator('#settings-title', { hasText: '设置' }).waitFor();
    assert.deepEqual(await keysShown(page), []);
    assert.deepEqual(await violations(page), []);
    await driver.shoot(page, 'settings-chinese');
    await page.keyboard.press('Escape');
    for (const id of ['open-models', 'open-details']) {
      await page.locator(`#${id}`).click();
      assert.deepEqual(await keysShown(page), []);
      await driver.shoot(page, `${id.replace('open-', '')}-chinese`);
      await page.keyboard.press('Escape');
    }
    await driver.shoot(page, 'chinese');
    await page.reload();
    await driver.untilReady(page);
    await page.locator('#prompt[placeholder=输入消息]').waitFor();
    opened.complaints.length = 0;
    await opened.close();

    const chinese = await driver.startBrowser({ serviceWorkers: 'block', locale: 'zh-CN' });
    try {
      const other = await driver.openPage(chinese, { before: (made) => driver.scriptEngine(made, {}) });
      await driver.untilReady(other.page);
      await other.page.locator('html[lang=zh-Hans]').waitFor();
      await driver.shoot(other.page, 'welcome-chinese');
    } finally {
      await chinese.close();
    }
  });

  test('wears the theme that was chosen, whatever the system has', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.locator('#open-settings').click();
    await page.locator('#setting-theme').selectOption('dark');
    await page.locator('html[data-theme=dark]').waitFor();
    const dark = await ground();
    assert.notEqual(dark, light);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.locator('#setting-theme').selectOption('light');
    await driver.untilEqual(ground, light);
    await page.locator('#setting-theme').selectOption('auto');
    await driver.untilEqual(ground, dark);
    await opened.close();
  });

  test('is worked by the keyboard alone', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    const focused = () =>
      page.evaluate(
        () =>
          /** @type {HTMLElement} */ (document.activeElement).id ||
          /** @type {HTMLElement} */ (document.activeElement).className,
      );
    await driver.untilEqual(focused, 'prompt');
    await page.keyboard.type('Hello');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('there');
    assert.equal(await page.locator('#prompt').inputValue(), 'Hello\nthere');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('.message.assistant').length === 1);
    await driver.untilIdle(page);
    await page.keyboard.press('Control+Shift+O');
    await driver.untilEqual(() => page.locator('.message').count(), 0);
    await page.keyboard.press('Control+,');
    await page.locator('#settings').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#settings').waitFor({ state: 'hidden' });
    await driver.untilEqual(focused, 'prompt', 'the focus comes back');
    await page.keyboard.press('Control+k');
    await driver.untilEqual(focused, 'search');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('.message').length === 2);
    // Every stop of the Tab key shows where it is.
    const seen = new Set();
    for (let stop = 0; stop < 60; stop++) {
      await page.keyboard.press('Tab');
      const place = await page.evaluate(() => {
        const element = /** @type {HTMLElement} */ (document.activeElement);
        if (element === document.body) return null;
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
        const around = getComputedStyle(element.closest('#composer') ?? element).boxShadow;
        const shown = (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none' || around !== 'none';
        return { name: element.id || element.className || element.localName, shown };
      });
      if (place === null) continue;
      assert.ok(place.shown, `the focus is seen at ${place.name}`);
      seen.add(place.name);
    }
    for (const id of ['new-chat', 'search', 'open-models', 'open-settings', 'model-button', 'prompt', 'open-details']) {
      assert.ok(seen.has(id), `${id} is reached, of ${[...seen]}`);
    }
    await opened.close();
  });
});
