// Conversations that come back out of a file, from another machine where they were gone on with: nothing is taken away,
// whatever the clocks of the two say.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { writeArchive } from '../../web/conversations/archive.js';
import { Conversations } from '../../web/conversations/conversations.js';
import { PageStore } from '../../web/conversations/database.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';
import * as driver from './driver.js';

/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 120_000 };
/** @typedef {import('../../web/conversations/conversations.js').Conversation} Conversation */
/** @typedef {import('../../web/conversations/conversations.js').Message} Message */

const OLD = 1e12;
const NEW = 2e12;

/** @param {string} id @returns {Message} */
const message = (id, content = `Text of ${id}`) =>
  id.startsWith('a')
    ? { id, role: 'assistant', content, createdAt: OLD, finish: 'stop' }
    : { id, role: 'user', content, createdAt: OLD };
/** @param {string} ids */
const messages = (ids) => ids.split(' ').map((id) => message(id));
/** @param {string | Message[]} given @param {object} [more] @returns {Conversation} */
const chat = (given, more) => ({
  ...{ id: 'chat', title: 'Chat', renamed: false, createdAt: OLD, updatedAt: OLD, start: 0 },
  messages: typeof given === 'string' ? messages(given) : given,
  ...more,
});

/** @param {...Conversation} here */
async function conversationsOf(...here) {
  const conversations = new Conversations(new PageStore(), untyped({ postMessage() {} }), false);
  for (const each of here) await conversations.save(structuredClone(each));
  return conversations;
}

/** What there is of each, as the ids of its messages. @param {Conversations} conversations */
async function idsOf(conversations) {
  const all = [];
  for (const { id } of await conversations.list()) {
    const { messages } = present(await conversations.open(id));
    all.push(messages.map(({ id }) => id).join(' '));
  }
  return all.sort();
}

const NOTHING = { added: 0, updated: 0, beside: 0, left: 0, error: null };

const CASES = [
  { name: 'is added where it is not here', here: null, file: 'q1 a1', left: ['q1 a1'], told: { added: 1 } },
  { name: 'has more', here: 'q1 a1', file: 'q1 a1 q2 a2', left: ['q1 a1 q2 a2'], told: { updated: 1 } },
  { name: 'has less', here: 'q1 a1 q2 a2', file: 'q1 a1', left: ['q1 a1 q2 a2'], told: {} },
  { name: 'is the same', here: 'q1 a1', file: 'q1 a1', left: ['q1 a1'], told: {} },
  {
    name: 'was gone on with, as it was here',
    here: 'q1 a1 q2 a2 q3 a3',
    file: 'q1 a1 q9 a9',
    left: ['q1 a1 q2 a2 q3 a3', 'q1 a1 q9 a9'],
    told: { beside: 1 },
  },
  { name: 'was answered anew', here: 'q1 a1', file: 'q1 a2', left: ['q1 a1', 'q1 a2'], told: { beside: 1 } },
  { name: 'lacks turns that are here', here: 'q1 a1 q2 a2', file: 'q2 a2', left: ['q1 a1 q2 a2'], told: {} },
  { name: 'has nothing', here: 'q1 a1', file: [], left: ['q1 a1'], told: {} },
  {
    name: 'has an answer that was written on',
    here: [message('q1'), message('a1', 'One')],
    file: [message('q1'), message('a1', 'One and two')],
    left: ['q1 a1'],
    told: { updated: 1 },
  },
  {
    name: 'has the beginning of an answer',
    here: [message('q1'), message('a1', 'One and two')],
    file: [message('q1'), message('a1', 'One')],
    left: ['q1 a1'],
    told: {},
  },
  {
    name: 'has a message that was changed',
    here: [message('q1', 'One')],
    file: [message('q1', 'One more')],
    left: ['q1', 'q1'],
    told: { beside: 1 },
  },
];

describe('a conversation of a file', () => {
  for (const { name, here, file, left, told } of CASES) {
    for (const [clock, updatedAt] of Object.entries({ earlier: OLD - 1, later: NEW })) {
      test(`that ${name}, ${clock}`, async () => {
        const conversations = await conversationsOf(...(here === null ? [] : [chat(here)]));
        const json = writeArchive([chat(file, { updatedAt })]);
        assert.deepEqual(await conversations.import(json), { ...NOTHING, ...told });
        assert.deepEqual(await idsOf(conversations), left);
        assert.deepEqual(await conversations.import(json), NOTHING, 'a second time');
        assert.deepEqual(await idsOf(conversations), left);
      });
    }
  }

  test('that stands beside the one here is brought up to date by a later file', async () => {
    const conversations = await conversationsOf(chat('q1 a1 q2 a2'));
    await conversations.import(writeArchive([chat('q1 a1 q9 a9')]));
    const told = await conversations.import(writeArchive([chat('q1 a1 q9 a9 q10 a10')]));
    assert.deepEqual(told, { ...NOTHING, updated: 1 });
    assert.deepEqual(await idsOf(conversations), ['q1 a1 q2 a2', 'q1 a1 q9 a9 q10 a10']);
  });

  const NAMES = [
    { here: ['Mine', true], file: ['Automatic', false], ids: 'q1 a1 q2', expected: ['Mine', true] },
    { here: ['Automatic', false], file: ['Theirs', true], ids: 'q1 a1 q2', expected: ['Theirs', true] },
    { here: ['Automatic', false], file: ['Theirs', true], ids: 'q1 a1', expected: ['Theirs', true] },
    { here: ['Mine', true], file: ['Theirs', true], ids: 'q1 a1 q2', expected: ['Theirs', true] },
    { here: ['Mine', true], file: ['Theirs', true], ids: 'q1 a1', expected: ['Mine', true] },
  ];
  for (const { here, file, ids, expected } of NAMES) {
    test(`named ${file[0]} with ${ids} is ${expected[0]} where ${here[0]} is here`, async () => {
      /** @param {(string | boolean)[]} string */
      const named = ([title, renamed]) => ({ title, renamed });
      const conversations = await conversationsOf(chat('q1 a1', named(here)));
      await conversations.import(writeArchive([chat(ids, named(file))]));
      const { title, renamed } = present(await conversations.open('chat'));
      assert.deepEqual([title, renamed], expected);
    });
  }
});

test('the page says what a file has brought, and shows it', LIMIT, async () => {
  const browser = await driver.startBrowser({ serviceWorkers: 'block' });
  try {
    /** @param {Page} opened */
    const before = (opened) => driver.scriptEngine(opened, {});
    const { page, complaints, close } = await driver.openPage(browser, { before });
    await driver.untilReady(page);
    complaints.length = 0;
    /** @param {...any} given */
    const bring = async (...given) => {
      const buffer = Buffer.from(writeArchive(given));
      await page.locator('#import-file').setInputFiles({ name: 'chats.json', mimeType: 'application/json', buffer });
    };
    /** @param {string} text */
    const told = (text) => page.locator('#imported', { hasText: text }).waitFor();
    const shown = () => page.locator('.message .text').allTextContents();
    /** @param {string} ids */
    const texts = (ids) => messages(ids).map(({ content }) => content);
    await bring(chat('q1 a1'), chat('q5 a5', { id: 'other', title: 'Other' }));
    await told('2 conversations were imported.');
    await page.locator('#conversations .open', { hasText: 'Text of q1' }).click();
    await driver.untilEqual(shown, texts('q1 a1'));
    // From a machine whose clock is behind.
    await bring(chat('q1 a1 q2 a2', { updatedAt: OLD - 1 }));
    await told('1 conversation was brought up to date.');
    await driver.untilEqual(shown, texts('q1 a1 q2 a2'));
    await bring(chat('q1 a1 q9 a9', { updatedAt: NEW }), chat('q7', { id: 'third' }));
    await told('1 conversation was imported. 1 conversation was gone on with here as well as in the file');
    await driver.untilEqual(() => page.locator('#conversations .open').count(), 4);
    await driver.untilEqual(shown, texts('q1 a1 q2 a2'));
    await close();
  } finally {
    await browser.close();
  }
});
