// A conversation that was deleted stays so, whatever another tab, or this one, was about to do with it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import * as driver from './driver.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('../../web/conversations/conversations.js').Conversations} Conversations */

const LIMIT = { timeout: 120_000 };
/** @param {string} text */
const pieces = (text) => text.match(/\s?\S+/g) ?? [];

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
    await driver.scriptEngine(page, script);
    await prepare(page);
  };
  const opened = await driver.openPage(browser, { before });
  await driver.untilReady(opened.page);
  opened.complaints.length = 0;
  return opened;
}

/** One that hears of nothing that happens elsewhere. @param {Page} page */
const deaf = (page) =>
  page.addInitScript(() => {
    const Deaf = class extends EventTarget {
      postMessage() {}
    };
    Object.assign(window, { BroadcastChannel: Deaf });
  });

/** @param {Page} page */
const titles = (page) => page.locator('#conversations .title').allTextContents();
/** @param {Page} page */
const answers = (page) => page.locator('.message.assistant .text').allTextContents();

/** @param {Page} page @param {string} title */
async function remove(page, title) {
  const row = page.locator('#conversations li', { hasText: title });
  await row.hover();
  await row.locator('.icon').last().click();
  await page.locator('dialog.confirm .danger').click();
  await row.waitFor({ state: 'detached' });
}

const WRITING = { answers: [pieces('a b c d e')], holdAt: 2 };

describe('a conversation that is deleted', () => {
  test('while another tab writes in it ends there, and what was typed for it is kept', LIMIT, async () => {
    const [writer, other] = [await open(WRITING), await open()];
    await driver.ask(writer.page, 'My secret');
    await driver.untilEqual(() => answers(writer.page), ['a b']);
    await writer.page.locator('#prompt').fill('And more');
    await remove(other.page, 'My secret');
    await writer.page.locator('#missing').waitFor();
    assert.equal(await writer.page.locator('#prompt').inputValue(), 'And more');
    await driver.release(writer.page);
    await driver.untilEqual(() => titles(writer.page), []);
    // Whoever writes next has waited for that answer, and for all that it saves.
    await writer.page.locator('#prompt').press('Enter');
    await driver.untilIdle(writer.page);
    await driver.untilEqual(() => titles(other.page), ['And more']);
    await remove(other.page, 'And more');
    await writer.close();
    await other.close();
  });

  test('while a tab that cannot hear of it writes is not stored again, but as another one', LIMIT, async () => {
    const [writer, other] = [await open(WRITING, deaf), await open()];
    await driver.ask(writer.page, 'My secret');
    await driver.untilEqual(() => answers(writer.page), ['a b']);
    await other.page.reload();
    await driver.untilReady(other.page);
    await remove(other.page, 'My secret');
    await driver.release(writer.page);
    await writer.page.locator('.notice', { hasText: 'This conversation was deleted in another tab' }).waitFor();
    await other.page.reload();
    await driver.untilReady(other.page);
    assert.deepEqual(await titles(other.page), []);
    await writer.page.getByRole('button', { name: 'Keep this as another conversation' }).click();
    await driver.untilEqual(() => titles(writer.page), ['My secret']);
    await remove(writer.page, 'My secret');
    other.complaints.length = 0;
    for (const tab of [writer, other]) await tab.close();
  });

  test('in the tab that writes in it stays so', LIMIT, async () => {
    const { page, close } = await open(WRITING);
    await driver.ask(page, 'My secret');
    await driver.untilEqual(() => answers(page), ['a b']);
    await remove(page, 'My secret');
    await driver.release(page);
    await driver.ask(page, 'Another');
    await driver.untilIdle(page);
    await driver.untilEqual(() => titles(page), ['Another']);
    await remove(page, 'Another');
    await close();
  });

  test('turn by turn can be begun anew', LIMIT, async () => {
    const { page, close } = await open();
    await driver.converse(page, 'First');
    await page.locator('.message.user').hover();
    await page.locator('.message.user .delete').click();
    await page.locator('dialog.confirm .danger').click();
    await driver.untilEqual(() => titles(page), []);
    await driver.converse(page, 'Second');
    await driver.untilEqual(() => titles(page), ['Second']);
    assert.equal(await page.locator('.notice').count(), 0);
    await remove(page, 'Second');
    await close();
  });
});

describe('what is kept of a conversation that another tab deletes', () => {
  /** @type {Page} */
  let page;

  before(async () => {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL('../../web/conversations/conversations.js', import.meta.url))],
      bundle: true,
      format: 'esm',
      write: false,
    });
    page = await browser.context.newPage();
    const body = outputFiles[0].text;
    await page.route('**/conversations.js', (route) => route.fulfill({ contentType: 'text/javascript', body }));
    await page.route('**/bare', (route) => route.fulfill({ contentType: 'text/html', body: '<main></main>' }));
    await page.goto(`${browser.server.url}bare`);
  });

  after(() => page?.close());

  /**
   * Two tabs as far as conversations go, `ours` with one that is kept; then what is left of it.
   * @param {string} work
   */
  const left = (work) =>
    page.evaluate(`(async () => {
      const { openConversations, newConversation, newMessage } = await import('/conversations.js');
      const [ours, theirs] = [await openConversations(), await openConversations()];
      const conversation = newConversation();
      conversation.messages.push(newMessage('user', 'Secret'));
      await ours.save(conversation);
      const { json: archive } = await ours.export();
      const more = JSON.parse(archive);
      more.conversations[0].messages.push(newMessage('user', 'More'));
      let code = null;
      try {
        await (${work})({ ours, theirs, conversation, archive, more });
      } catch (error) {
        code = error.code ?? String(error);
      }
      const titles = (await theirs.list()).map(({ title }) => title);
      for (const { id } of await theirs.list()) await theirs.delete(id);
      return { code, titles };
    })()`);

  /**
   * @typedef {import('../../web/conversations/conversations.js').Conversation} Conversation
   * @typedef {{ ours: Conversations, theirs: Conversations, conversation: Conversation, archive: string,
   *   more: { conversations: Conversation[] } }} Tabs
   * @type {Record<string, [work: (tabs: Tabs) => Promise<void>, expected: { code: string | null, titles: string[] }]>}
   */
  const CASES = {
    'a save': [
      async ({ ours, theirs, conversation }) => {
        await theirs.delete(conversation.id);
        await ours.save(conversation);
      },
      { code: 'CONVERSATION_DELETED', titles: [] },
    ],
    'saves that wait as it is deleted here': [
      async ({ ours, conversation }) => {
        const saves = [ours.save(conversation), ours.save(conversation)];
        await ours.delete(conversation.id);
        await Promise.all(saves);
      },
      { code: null, titles: [] },
    ],
    'a new name': [
      async ({ ours, theirs, conversation }) => {
        await theirs.delete(conversation.id);
        await ours.rename(conversation.id, 'Renamed');
      },
      { code: null, titles: [] },
    ],
    'a save after a new name was given': [
      async ({ ours, theirs, conversation }) => {
        await theirs.rename(conversation.id, 'Renamed');
        await ours.save(conversation);
        if (conversation.title !== 'Renamed' || !conversation.renamed) throw new Error(conversation.title);
      },
      { code: null, titles: ['Renamed'] },
    ],
    'an import of one that has more, of another name': [
      async ({ ours, theirs, conversation, more }) => {
        await theirs.rename(conversation.id, 'Renamed');
        Object.assign(more.conversations[0], { title: 'Imported', renamed: true });
        await ours.import(JSON.stringify(more));
      },
      { code: null, titles: ['Imported'] },
    ],
    'an import of one that has more as it is deleted': [
      async ({ ours, theirs, conversation, more }) => {
        const { get } = ours;
        ours.get = async (id) => {
          const found = await get.call(ours, id);
          await theirs.delete(conversation.id);
          return found;
        };
        const { added, updated, beside } = await ours.import(JSON.stringify(more));
        if (added + updated + beside !== 0) throw new Error('counted');
      },
      { code: null, titles: [] },
    ],
    'an import after it was deleted': [
      async ({ ours, theirs, conversation, archive }) => {
        await theirs.delete(conversation.id);
        if ((await ours.import(archive)).added !== 1) throw new Error('not counted');
      },
      { code: null, titles: ['Secret'] },
    ],
    'a save after the connection was closed, with the data left': [
      async ({ ours, theirs, conversation }) => {
        // As a newer page in another tab asks for it.
        const { transaction } = IDBDatabase.prototype;
        IDBDatabase.prototype.transaction = function (...given) {
          IDBDatabase.prototype.transaction = transaction;
          this.close();
          return transaction.apply(this, given);
        };
        await ours.list();
        await theirs.delete(conversation.id);
        await ours.save(conversation);
      },
      { code: 'CONVERSATION_DELETED', titles: [] },
    ],
    'a save after a transaction was broken off': [
      async ({ ours, theirs, conversation }) => {
        const { put } = IDBObjectStore.prototype;
        IDBObjectStore.prototype.put = function (...given) {
          const request = put.apply(this, given);
          this.transaction.abort();
          return request;
        };
        const name = await ours.save(conversation).catch((error) => error.name);
        IDBObjectStore.prototype.put = put;
        if (!['AbortError', 'InvalidStateError'].includes(String(name))) throw new Error(`saved: ${name}`);
        await theirs.delete(conversation.id);
        await ours.save(conversation);
      },
      { code: 'CONVERSATION_DELETED', titles: [] },
    ],
    'a save of what was deleted after the browser had cleared its data': [
      async ({ ours, theirs, conversation }) => {
        await new Promise((resolve) => {
          const request = indexedDB.deleteDatabase('nibble-conversations');
          request.onsuccess = resolve;
        });
        await ours.save(conversation);
        await theirs.delete(conversation.id);
        await ours.save(conversation);
      },
      { code: 'CONVERSATION_DELETED', titles: [] },
    ],
    'a save after the browser has cleared its data': [
      async ({ ours, conversation }) => {
        await new Promise((resolve) => {
          const request = indexedDB.deleteDatabase('nibble-conversations');
          request.onsuccess = resolve;
        });
        await ours.save(conversation);
      },
      { code: null, titles: ['Secret'] },
    ],
  };
  for (const [name, [work, expected]] of Object.entries(CASES)) {
    test(`${name}: ${expected.titles.length > 0 ? 'it is there' : 'it stays deleted'}`, LIMIT, async () => {
      assert.deepEqual(await left(work.toString()), expected);
    });
  }
});
