// What hands do to the page: typing, with an input method, on a phone, pasting, copying; and that nothing typed is lost.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as driver from './driver.js';

/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 120_000 };

/** @type {driver.Browser} */
let browser;

before(async () => {
  browser = await driver.startBrowser({ serviceWorkers: 'block' });
});

after(() => browser?.close());

/** @param {driver.Script} [script] @param {(page: Page) => Promise<unknown>} [prepare] */
async function open(script = {}, prepare = async () => {}) {
  /** @param {Page} page */
  const before = async (page) => {
    await driver.forgetVisits(page);
    await driver.scriptEngine(page, script);
    await prepare(page);
  };
  const opened = await driver.openPage(browser, { before });
  await driver.untilReady(opened.page);
  opened.complaints.length = 0;
  return opened;
}

/** As on a phone, whose pointer is a finger. @param {Page} page */
const onPhone = (page) =>
  page.addInitScript(() => {
    const real = window.matchMedia.bind(window);
    window.matchMedia = (query) => (query === '(pointer: coarse)' ? { ...real(query), matches: true } : real(query));
  });

/** Enter as Safari tells the one that ends a composition, on what has the focus. @param {Page} page */
const pressInComposition = (page) =>
  page.evaluate(() =>
    /** @type {HTMLElement} */ (document.activeElement).dispatchEvent(
      new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, isComposing: false, keyCode: 229 }),
    ),
  );

/** @param {Page} page */
const questions = (page) => page.locator('.message.user .text').allTextContents();
/** @param {Page} page */
const field = (page) => page.locator('#prompt');
/** @param {Page} page */
const kept = (page) =>
  page.evaluate(async () => {
    /** @type {IDBDatabase} */
    const database = await new Promise((resolve) => {
      const opening = indexedDB.open('nibble-conversations');
      opening.onsuccess = () => resolve(opening.result);
    });
    const request = database.transaction('messages').objectStore('messages').getAll();
    await new Promise((resolve) => {
      request.onsuccess = resolve;
    });
    database.close();
    return request.result.flat().map(({ content }) => content);
  });

test('a long line gets its side by its first letter, since browsers take seconds for that', LIMIT, async () => {
  const hebrew = '(שלום) '.repeat(5000);
  const { page, close } = await open({ answers: [[hebrew.repeat(2).trim()]], contextSize: 100_000 });
  /** @param {Element} element */
  const side = (element) => element.getAttribute('dir');
  for (const [text, expected] of [
    [`12: ${'lorem ipsum '.repeat(5000)}.`, 'ltr'],
    [hebrew.trim(), 'rtl'],
    [`${'שלום '.repeat(3000)}\n`.repeat(3).trim(), 'auto'],
  ]) {
    await page.evaluate(() => {
      const prompt = /** @type {HTMLElement} */ (document.querySelector('#prompt'));
      const note = () => queueMicrotask(() => (globalThis.before = prompt.dir));
      prompt.addEventListener('beforeinput', note, { once: true });
    });
    await field(page).focus();
    await page.keyboard.insertText(text);
    assert.equal(await page.evaluate(() => globalThis.before), expected, 'before it is laid out');
    assert.equal(await field(page).evaluate(side), expected);
    await field(page).fill('');
    await page.keyboard.press('Control+Z');
    assert.equal(
      await field(page).evaluate((element) => /** @type {HTMLTextAreaElement} */ (element).value.length),
      text.length,
    );
    assert.equal(await field(page).evaluate(side), expected);
    await field(page).press('Enter');
    await driver.untilIdle(page);
    assert.equal(await page.locator('.message.user .text').last().evaluate(side), expected);
    const sides = page.locator('.message.assistant .text > *');
    assert.deepEqual(await sides.evaluateAll((parts) => parts.map((part) => /** @type {HTMLElement} */ (part).dir)), [
      'rtl',
      'rtl',
    ]);
    await page.locator('.message.user .edit').last().focus();
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('.edit-field').evaluate(side), expected);
    await page.locator('.edit-field').press('Escape');
    await page.locator('#new-chat').click();
  }
  await close();
});

describe('keys', () => {
  test('an Enter that only ends a composition sends nothing, and renames nothing', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await field(page).fill('ni hao');
    assert.equal(await pressInComposition(page), true, 'the key is left to the input method');
    assert.equal(await field(page).inputValue(), 'ni hao');
    await field(page).press('Enter');
    await driver.untilIdle(page);
    assert.deepEqual(await questions(page), ['ni hao']);
    await page.locator('.message.user').hover();
    await page.locator('.message.user .edit').click();
    await page.locator('.edit-field').fill('nin hao');
    await pressInComposition(page);
    assert.equal(await page.locator('.edit-field').inputValue(), 'nin hao', 'the editor is still open');
    await page.locator('.edit-field').press('Escape');
    await page.locator('#conversations li', { hasText: 'ni hao' }).hover();
    await page.getByRole('button', { name: 'Rename “ni hao”' }).click();
    await page.locator('input.rename').fill('nin hao');
    await pressInComposition(page);
    assert.equal(await page.locator('input.rename').count(), 1);
    await opened.close();
  });

  test('Enter begins a line on a phone, where the button sends, and Ctrl+Enter does', LIMIT, async () => {
    const opened = await open({}, onPhone);
    const { page } = opened;
    assert.equal(await field(page).getAttribute('enterkeyhint'), 'enter');
    await field(page).pressSequentially('one\ntwo');
    assert.equal(await field(page).inputValue(), 'one\ntwo');
    assert.deepEqual(await questions(page), []);
    await page.locator('#send').click();
    await driver.untilIdle(page);
    assert.deepEqual(await questions(page), ['one\ntwo']);
    await field(page).fill('three');
    await field(page).press('Control+Enter');
    await driver.untilIdle(page);
    assert.deepEqual(await questions(page), ['one\ntwo', 'three']);
    await opened.close();
    const wide = await open();
    assert.equal(await field(wide.page).getAttribute('enterkeyhint'), 'send');
    await wide.close();
  });
});

describe('a message', () => {
  test('keeps its indentation, and loses only the blanks around it', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    const text = '    def f():\n        pass';
    await driver.converse(page, ` \n\t\n${text}\n \n`);
    assert.deepEqual(await questions(page), [text]);
    assert.ok((await kept(page)).includes(text));
    const [{ messages }] = await page.evaluate(() => globalThis.calls);
    assert.equal(messages[0].content, text);
    await page.locator('.message.user').hover();
    await page.locator('.message.user .edit').click();
    await page.locator('.edit-field').fill('  x\n  y\n');
    await page.locator('.edit-field').press('Enter');
    await driver.untilEqual(() => questions(page), ['  x\n  y']);
    await opened.close();
  });

  test('is never cut, however long it is; nor are the instructions', LIMIT, async () => {
    const opened = await open({ contextSize: 1e9 });
    const { page } = opened;
    const long = `${'word '.repeat(60_000)}end`;
    /** @param {string} text */
    const paste = (text) =>
      page.evaluate((given) => {
        document.execCommand('insertText', false, given);
      }, text);
    await field(page).focus();
    await paste(long);
    await field(page).press('Enter');
    await driver.untilIdle(page);
    const [{ messages }] = await page.evaluate(() => globalThis.calls);
    assert.equal(messages[0].content.length, long.length);
    await page.locator('#open-settings').click();
    await page.locator('#setting-systemPrompt').focus();
    await paste(long.slice(0, 30_000));
    await page.keyboard.press('Tab');
    await page.getByText('This is too long: it has 30,000 characters, and 20,000 are kept at most.').waitFor();
    assert.equal(await page.locator('#setting-systemPrompt').getAttribute('aria-invalid'), 'true');
    await opened.close();
  });

  test('of one long line is shown from one side, which no engine has to look for line by line', LIMIT, async () => {
    const opened = await open({ contextSize: 1e9 });
    const { page } = opened;
    for (const [text, direction, bidi] of [
      ['Hello\nשלום', 'auto', 'plaintext'],
      ['x'.repeat(100_000), 'ltr', 'isolate'],
      [`${'ש'.repeat(30_000)} x`, 'rtl', 'isolate'],
    ]) {
      await field(page).fill(text);
      await field(page).press('Enter');
      await driver.untilIdle(page);
      const shown = page.locator('.message.user .text').last();
      const found = await shown.evaluate((element) => [
        /** @type {HTMLElement} */ (element).dir,
        getComputedStyle(element).unicodeBidi,
      ]);
      assert.deepEqual(found, [direction, bidi]);
    }
    await opened.close();
  });

  test(
    'and settings that the browser does not keep in force until the page is closed, which is told once',
    LIMIT,
    async () => {
      /** @param {Page} page */
      const refuse = (page) =>
        page.addInitScript(() => {
          const { setItem } = Storage.prototype;
          Storage.prototype.setItem = function (key, value) {
            if (key === 'nibble.settings') throw new DOMException('No room.', 'QuotaExceededError');
            setItem.call(this, key, value);
          };
        });
      const opened = await open({}, refuse);
      const { page } = opened;
      const notice = page.locator('#settings-unkept');
      /** @param {string} theme */
      const choose = async (theme) => {
        await page.locator('#open-settings').click();
        await page.locator('#setting-theme').selectOption(theme);
        await page.keyboard.press('Escape');
      };
      await choose('dark');
      await notice.getByText('This browser keeps no settings here').waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
      await page.locator('#close-settings-unkept').click();
      await choose('light');
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
      assert.equal(await notice.isVisible(), false);
      await opened.close();
    },
  );

  test('comes back into the field where sending it fails, and another one can be sent', LIMIT, async () => {
    const opened = await open();
    const { page, complaints } = opened;
    await page.evaluate(() => {
      const { locks } = navigator;
      const real = locks.request.bind(locks);
      locks.request = () => {
        locks.request = real;
        throw new Error('refused');
      };
    });
    await driver.ask(page, 'Hello');
    await driver.untilEqual(() => field(page).inputValue(), 'Hello');
    assert.equal(await page.locator('#composer').getAttribute('aria-busy'), 'false');
    assert.match(complaints.splice(0).join(), /refused/);
    await field(page).press('Enter');
    await driver.untilIdle(page);
    assert.deepEqual(await questions(page), ['Hello']);
    await opened.close();
  });
});

describe('copying', () => {
  for (const kind of ['is missing', 'refuses']) {
    test(`works where the clipboard ${kind}, and says that it did`, LIMIT, async () => {
      const opened = await open({ answers: [['Text.\n\n```js\nlet a;\n```\n']] }, (/** @type {Page} */ page) =>
        page.addInitScript((isMissing) => {
          const clipboard = isMissing ? undefined : { writeText: () => Promise.reject(new Error('refused')) };
          Object.defineProperty(navigator, 'clipboard', { value: clipboard });
          document.addEventListener('copy', () => {
            window.copied = /** @type {Selection} */ (document.getSelection()).toString();
          });
        }, kind === 'is missing'),
      );
      const { page } = opened;
      await driver.converse(page, 'Hi');
      await page.locator('.code-head button').click();
      await page.locator('.code-head button', { hasText: 'Copied' }).waitFor();
      assert.equal(await page.evaluate(() => window.copied), 'let a;');
      assert.equal(await page.locator('#announcer').textContent(), 'Copied');
      await page.locator('.message.assistant .foot .copy').click();
      await page.locator('.message.assistant .foot .copy[title=Copied]').waitFor();
      assert.equal(await page.evaluate(() => window.copied), 'Text.\n\n```js\nlet a;\n```\n');
      assert.equal(
        await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).className),
        'icon copy',
        'the focus stays',
      );
      assert.equal(await page.locator('body > textarea').count(), 0);
      await page.evaluate(() => {
        document.execCommand = () => false;
      });
      await page.locator('.code-head button').click();
      await page.locator('.code-head button', { hasText: 'Could not copy' }).waitFor();
      await opened.close();
    });
  }
});

describe('a draft', () => {
  /** @param {Page} page @param {string} title */
  const row = (page, title) => page.locator('#conversations .open', { hasText: title });

  test('survives a reload, and stays with its conversation', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await field(page).fill('A long thought');
    await page.reload();
    await driver.untilEqual(() => field(page).inputValue(), 'A long thought');
    assert.equal(await page.locator('#send').isDisabled(), false);
    await driver.untilReady(page);
    await field(page).fill('');
    await driver.converse(page, 'About apples');
    await field(page).fill('More on apples');
    await page.locator('#new-chat').click();
    await driver.untilEqual(() => field(page).inputValue(), '');
    await field(page).fill('Something new');
    await row(page, 'About apples').click();
    await driver.untilEqual(() => field(page).inputValue(), 'More on apples');
    await page.reload();
    await driver.untilEqual(() => field(page).inputValue(), 'More on apples');
    await driver.untilReady(page);
    await page.locator('#new-chat').click();
    await driver.untilEqual(() => field(page).inputValue(), 'Something new');
    await field(page).press('Enter');
    await driver.untilIdle(page);
    await page.reload();
    await driver.untilReady(page);
    assert.equal(await field(page).inputValue(), '', 'what was sent is no draft any more');
    opened.complaints.length = 0;
    await opened.close();
  });

  test('goes on through the page’s own reload, and with what is typed while the page loads', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await field(page).fill('What I beg');
    let load = () => {};
    /** @type {Promise<void>} */
    const held = new Promise((resolve) => {
      load = resolve;
    });
    await page.route('**/app.js', async (route) => {
      await held;
      await route.continue();
    });
    await page.reload({ waitUntil: 'commit' });
    await field(page).waitFor();
    await field(page).pressSequentially('an to write');
    load();
    await driver.untilReady(page);
    assert.equal(await field(page).inputValue(), 'What I began to write');
    opened.complaints.length = 0;
    await opened.close();
  });
});
