// What can be done in a conversation, with an engine whose answers the test writes.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { present } from '../present.js';
import { untyped } from '../untyped.js';
import * as driver from './driver.js';

/** @typedef {import('./driver.js').Browser} Browser */
/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 120_000 };
/** @param {string} text */
const pieces = (text) => text.match(/\s?\S+/g) ?? [];

/** @type {Browser} */
let browser;

before(async () => {
  browser = await driver.startBrowser({ serviceWorkers: 'block', permissions: ['clipboard-read', 'clipboard-write'] });
});

after(() => browser?.close());

/** @param {driver.Script} script @param {(page: Page) => Promise<unknown>} [prepare] */
async function open(script, prepare = async () => {}) {
  /** @param {Page} page */
  const before = async (page) => {
    await driver.forgetVisits(page);
    await prepare(page);
    await driver.scriptEngine(page, script);
  };
  const opened = await driver.openPage(browser, { before });
  await driver.untilReady(opened.page);
  opened.complaints.length = 0;
  return opened;
}

/** @param {Page} page */
const answers = (page) => page.locator('.message.assistant .text').allTextContents();
/** @param {Page} page */
const questions = (page) => page.locator('.message.user .text').allTextContents();
/** @param {Page} page */
const calls = (page) => page.evaluate(() => globalThis.calls);
/** @param {Page} page */
const lastCall = async (page) => present((await calls(page)).at(-1));
/** The words that a call was made with. @param {{ messages: { role: string, content: string }[] }} options */
const prompt = ({ messages }) => messages.map(({ role, content }) => `${role}: ${content}`);

/** @param {Page} page @param {number} nth @param {string} button */
async function press(page, nth, button) {
  const message = page.locator('.message').nth(nth);
  await message.hover();
  await message.locator(`.foot .${button}`).click();
}

describe('a conversation', () => {
  test('streams an answer, drawn at most once a frame, and says so sparsely', LIMIT, async () => {
    const opened = await open({ answers: [pieces('One two **three** four five six seven eight.')], pause: 30 });
    const { page } = opened;
    await page.evaluate(() => {
      window.lengths = new Set();
      window.said = [];
      window.couldStop = false;
      const note = () => {
        window.lengths.add(document.querySelector('.message.assistant .text')?.textContent.length ?? 0);
        window.couldStop ||= /** @type {HTMLElement} */ (document.querySelector('#stop')).checkVisibility();
      };
      const options = { subtree: true, childList: true, characterData: true };
      new MutationObserver(note).observe(/** @type {Element} */ (document.querySelector('#log')), options);
      new MutationObserver(() =>
        window.said.push(/** @type {HTMLElement} */ (document.querySelector('#announcer')).textContent),
      ).observe(/** @type {Element} */ (document.querySelector('#announcer')), options);
    });
    await driver.converse(page, 'Count.');
    assert.equal(await page.evaluate(() => window.couldStop), true);
    assert.deepEqual(await answers(page), ['One two three four five six seven eight.']);
    assert.equal(await page.locator('.message.assistant strong').textContent(), 'three');
    assert.ok((await page.evaluate(() => window.lengths.size)) > 3, 'the answer grew in steps');
    const said = await page.evaluate(() => window.said);
    assert.ok(said.length <= 3, `announced ${said.length} times`);
    assert.match(present(said.at(-1)), /One two/);
    assert.equal(await page.locator('#log').getAttribute('role'), 'log');
    await opened.close();
  });

  test('stops at Escape, keeps what was written, and goes on from there', LIMIT, async () => {
    const opened = await open({
      // Far longer than any machine takes to press a key.
      answers: [pieces(`${'a b c d '.repeat(500)}end`), pieces(' and more.')],
      pause: 20,
    });
    const { page } = opened;
    await driver.ask(page, 'Go on.');
    await page.waitForFunction(() => /a b/.test(document.querySelector('.message.assistant .text')?.textContent ?? ''));
    await page.keyboard.press('Escape');
    await driver.untilIdle(page);
    const [written] = await answers(page);
    assert.match(written, /^a b/);
    assert.doesNotMatch(written, /end$/);
    assert.equal(await page.locator('.ending').textContent(), 'Stopped.');
    await page.locator('.message.assistant .foot .quiet').click();
    await page.waitForFunction(() =>
      /more/.test(/** @type {HTMLElement} */ (document.querySelector('.message.assistant .text')).textContent),
    );
    await driver.untilIdle(page);
    assert.deepEqual(await answers(page), [`${written} and more.`]);
    const count = written.split(/\s+/).length + 2;
    await page.locator('.facts', { hasText: `scripted · ${count} tokens · 100 tok/s` }).waitFor();
    const [, second] = await calls(page);
    assert.equal(second.continueLast, true);
    assert.deepEqual(prompt(second), ['user: Go on.', `assistant: ${written}`]);
    await opened.close();
  });

  test('offers to go on where an answer was cut at its longest', LIMIT, async () => {
    const opened = await open({ answers: [pieces('one two three four five')] });
    const { page } = opened;
    await page.locator('#open-settings').click();
    await page.locator('#setting-maxTokens').fill('2');
    await page.locator('#setting-maxTokens').press('Tab');
    await page.keyboard.press('Escape');
    assert.equal(await driver.converse(page, 'Count.'), 'one two');
    assert.equal(await page.locator('.ending').textContent(), 'Cut at the longest answer allowed.');
    await page.locator('.message.assistant .foot .quiet').waitFor();
    await opened.close();
  });

  test('answers again in place of the last answer', LIMIT, async () => {
    const opened = await open({ answers: [['First.'], ['Second.']] });
    const { page } = opened;
    await driver.converse(page, 'Say something.');
    await press(page, 1, 'regenerate');
    await page.waitForFunction(
      () => /** @type {HTMLElement} */ (document.querySelector('.message.assistant .text')).textContent === 'Second.',
    );
    await driver.untilIdle(page);
    // The button that was pressed is gone with the answer it stood under.
    await page.waitForFunction(() => /** @type {HTMLElement} */ (document.activeElement).id === 'prompt');
    assert.deepEqual(await answers(page), ['Second.']);
    const [first, second] = await calls(page);
    assert.deepEqual(prompt(second), prompt(first));
    await opened.close();
  });

  test('sends an edited message anew, after asking where more than its answer would go', LIMIT, async () => {
    const opened = await open({ answers: [['One.'], ['Two.'], ['Three.']] });
    const { page } = opened;
    await driver.converse(page, 'first');
    await driver.converse(page, 'second');
    await press(page, 0, 'edit');
    await page.locator('.edit-field').fill('mended');
    await driver.shoot(page, 'edit');
    await page.locator('.edit-field').press('Enter');
    await page.locator('dialog.confirm .danger').click();
    await page.waitForFunction(() => document.querySelector('.message.assistant .text')?.textContent === 'Three.');
    await driver.untilIdle(page);
    assert.deepEqual([await questions(page), await answers(page)], [['mended'], ['Three.']]);
    await press(page, 0, 'edit');
    await page.locator('.edit-field').press('Escape');
    await driver.untilEqual(() => questions(page), ['mended'], 'Escape changes nothing');
    await page.locator('#prompt').focus();
    await page.keyboard.press('ArrowUp');
    await driver.untilEqual(() => page.locator('.edit-field').inputValue(), 'mended');
    await page.locator('.edit-field').press('Escape');
    await page.waitForFunction(() => /** @type {HTMLElement} */ (document.activeElement).id === 'prompt');
    await opened.close();
  });

  test('copies a message as Markdown, without the reasoning, and the code of a block', LIMIT, async () => {
    const opened = await open({ answers: [['<think>Hm.</think>Use **this**:\n\n', '```js\nlet a = 1;\n```\n']] });
    const { page } = opened;
    await driver.converse(page, 'How?');
    /** @param {string} text */
    const untilCopied = (text) =>
      page.waitForFunction(async (wanted) => (await navigator.clipboard.readText()).trimEnd() === wanted, text);
    await press(page, 1, 'copy');
    await untilCopied('Use **this**:\n\n```js\nlet a = 1;\n```');
    await page.locator('.code-head button').click();
    await page.locator('.code-head button', { hasText: 'Copied' }).waitFor();
    await untilCopied('let a = 1;');
    await opened.close();
  });

  test('deletes a turn when that was meant', LIMIT, async () => {
    const opened = await open({ answers: [['One.'], ['Two.'], ['Three.']] });
    const { page } = opened;
    await driver.converse(page, 'first');
    await driver.converse(page, 'second');
    await press(page, 1, 'delete');
    await page.locator('dialog.confirm button:not(.danger)').click();
    assert.equal(await page.locator('.message').count(), 4);
    await press(page, 1, 'delete');
    await page.locator('dialog.confirm .danger').click();
    await page.waitForFunction(() => document.querySelectorAll('.message').length === 2);
    assert.deepEqual([await questions(page), await answers(page)], [['second'], ['Two.']]);
    await driver.converse(page, 'third');
    assert.deepEqual(prompt(await lastCall(page)), ['user: second', 'assistant: Two.', 'user: third']);
    await opened.close();
  });

  test('folds reasoning away, and shows it to the model no more', LIMIT, async () => {
    const opened = await open({ answers: [pieces('<think> The reader greets me. </think> Good day!')], pause: 150 });
    const { page } = opened;
    await driver.ask(page, 'Hello');
    await page.waitForFunction(() => document.querySelector('.reasoning summary')?.textContent === 'Thinking…');
    await driver.untilIdle(page);
    assert.match(present(await page.locator('.reasoning summary').textContent()), /^Thought for \d+ s$/);
    assert.equal(await page.locator('.reasoning-text').isVisible(), false);
    await page.locator('.reasoning summary').click();
    assert.match(present(await page.locator('.reasoning-text').textContent()), /The reader greets me\./);
    assert.deepEqual(await answers(page), ['Good day!']);
    await driver.converse(page, 'Again');
    assert.deepEqual(prompt((await calls(page))[1]), ['user: Hello', 'assistant: Good day!', 'user: Again']);
    await opened.close();
  });

  test('hands the system prompt and the sampling settings on, and takes back no nonsense', LIMIT, async () => {
    const opened = await open({});
    const { page } = opened;
    await page.locator('#open-settings').click();
    await page.locator('#setting-systemPrompt').fill('Be brief.');
    for (const [name, value] of Object.entries({ temperature: '0.7', topK: '12', seed: '42' })) {
      await page.locator(`#setting-${name}`).fill(value);
    }
    await page.locator('#setting-topP').fill('7');
    await page.locator('#setting-topP').press('Tab');
    assert.match(present(await page.locator('.field-problem:not(:empty)').textContent()), /from 0 to 1/);
    await page.keyboard.press('Escape');
    await driver.converse(page, 'Hi');
    const [call] = await calls(page);
    assert.deepEqual(prompt(call), ['system: Be brief.', 'user: Hi']);
    const { temperature, topK, topP, seed } = call;
    assert.deepEqual({ temperature, topK, topP, seed }, { temperature: 0.7, topK: 12, topP: 0.95, seed: 42 });
    await page.locator('#open-settings').click();
    await page.locator('#settings-reset').click();
    await page.keyboard.press('Escape');
    await driver.converse(page, 'Hi');
    const last = await lastCall(page);
    assert.deepEqual([last.temperature, last.topK, last.seed, last.messages[0].role], [0.3, 40, undefined, 'user']);
    await opened.close();
  });
});

describe('the read-outs', () => {
  test('tell the speed of the conversation that is shown', LIMIT, async () => {
    const opened = await open({});
    const { page } = opened;
    await driver.converse(page, 'Hello');
    const speed = () => page.locator('#status-speed').textContent();
    await driver.untilEqual(speed, 'read 1,000 · write 100 tok/s');
    await page.locator('#new-chat').click();
    await driver.untilEqual(speed, '');
    await driver.converse(page, 'Hello');
    await driver.untilEqual(speed, 'read 1,000 · write 100 tok/s');
    // Another engine was not measured yet.
    await page.locator('#open-settings').click();
    await page.locator('#setting-threads').fill('1');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await driver.untilEqual(speed, '');
    await opened.close();
  });

  test('tell what the weights of each type take', LIMIT, async () => {
    const types = [
      { type: 'IQ3_S', packedBytes: 2.5e9 },
      { type: 'F32', packedBytes: 4e6 },
    ];
    const opened = await open({ info: { quantization: { label: 'IQ3_M', types } } });
    const { page } = opened;
    await page.locator('#open-details').click();
    const details = await page.locator('#details-list > div', { hasText: 'weights are called' }).innerText();
    assert.match(details, /· IQ3_M/);
    assert.match(details, /take: IQ3_S 2\.5 GB, F32 4\.0 MB/);
    await opened.close();
  });

  for (const [size, tensorBytes, shown] of untyped([
    ['a model large enough to tell', 32e6, 'OPFS · 1.5 GB/s'],
    ['none of a smaller one', 31e6, 'OPFS'],
  ])) {
    test(`tell the rate at which the store gave the weights: ${size}`, LIMIT, async () => {
      const storage = { kind: 'opfs', id: 'a', state: 'complete', bytesPerSecond: 1.5e9, problem: null };
      const opened = await open({ info: { tensorBytes, storage } });
      const { page } = opened;
      await page.waitForFunction(
        () => /** @type {HTMLElement} */ (document.querySelector('#status-storage')).textContent !== '',
      );
      assert.equal(await page.locator('#status-storage').textContent(), shown);
      await page.locator('#open-details').click();
      const details = await page.locator('#details-list > div', { hasText: 'Storage' }).innerText();
      assert.equal(details.includes('1.5 GB/s'), shown.includes('GB/s'));
      assert.equal(details.includes('how fast they were read'), shown.includes('GB/s'));
      await page.keyboard.press('Escape');
      await page.locator('#open-settings').click();
      const settings = await page.locator('#settings-form').innerText();
      assert.equal(settings.includes('Measured here: OPFS 1.5 GB/s'), shown.includes('GB/s'));
      await opened.close();
    });
  }
});

describe('a full context', () => {
  test('does not show the model again what was too long for it, and says so', LIMIT, async () => {
    const opened = await open({ answers: [['Fine.']], contextSize: 20 });
    const { page } = opened;
    await driver.ask(page, 'word '.repeat(30));
    await page.locator('.notice').waitFor();
    assert.equal(await driver.converse(page, 'short'), 'Fine.');
    const [passedOver, answered] = await page.locator('.message.user .foot').allTextContents();
    assert.match(passedOver, /Not answered: the model does not see this message/);
    assert.doesNotMatch(answered, /Not answered/);
    assert.deepEqual(prompt(await lastCall(page)), ['user: short']);
    await page.locator('#new-chat').click();
    await page.locator('.message').first().waitFor({ state: 'detached' });
    await page.locator('#conversations .open', { hasText: 'word word' }).click();
    await page.locator('.message.user .foot').first().getByText('Not answered').waitFor();
    await opened.close();
  });

  test('asks how to go on, and goes on without the oldest turns', LIMIT, async () => {
    const opened = await open({ answers: [pieces('a b c d e f g h')], contextSize: 24 });
    const { page } = opened;
    await driver.converse(page, 'one two');
    await driver.converse(page, 'three four');
    await driver.ask(page, 'five six');
    await page.locator('.notice').waitFor();
    assert.match(await page.locator('.notice').innerText(), /too long for the model now: \d+ tokens, and 24 fit/);
    assert.deepEqual(await questions(page), ['one two', 'three four', 'five six'], 'the message is kept');
    await driver.shoot(page, 'full');
    await page.getByRole('button', { name: 'Go on without the oldest turns' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.message.assistant').length === 3);
    await driver.untilIdle(page);
    assert.match(present(await page.locator('.divider').textContent()), /no longer sees what is above/);
    const last = await lastCall(page);
    assert.ok(!prompt(last).includes('user: one two'));
    assert.ok(prompt(last).includes('user: five six'));
    await driver.shoot(page, 'dropped');
    await opened.close();
  });

  test('leaves out what the engine has dropped, whatever the model was not shown', LIMIT, async () => {
    const result = [{}, {}, { droppedTokens: 9, droppedMessages: 2 }];
    const opened = await open({ answers: [['Fine.']], contextSize: 60, result });
    const { page } = opened;
    await driver.ask(page, 'word '.repeat(90));
    await page.locator('.notice').waitFor();
    await driver.converse(page, 'First');
    // The second of the calls that are answered drops the first question and its answer.
    await driver.converse(page, 'Second');
    assert.equal(await page.locator('.divider + .message .text').textContent(), 'Second');
    await driver.converse(page, 'Third');
    const last = await lastCall(page);
    assert.deepEqual(prompt(last), ['user: Second', 'assistant: Fine.', 'user: Third']);
    await opened.close();
  });

  for (const opens of [false, true]) {
    const which = opens ? 'opens the reasoning' : 'opens nothing';
    test(`passes over what was too long, where the template ${which}, also after a reload`, LIMIT, async () => {
      const opened = await open({ answers: [['Fine.']], contextSize: 60, opens });
      const { page } = opened;
      await driver.ask(page, 'word '.repeat(90));
      await page.locator('.notice', { hasText: 'too long' }).waitFor();
      await driver.untilEqual(() => page.locator('.message.assistant').count(), 0);
      await page.reload();
      await driver.untilReady(page);
      opened.complaints.length = 0;
      await driver.untilEqual(() => page.locator('.message').count(), 1);
      await driver.converse(page, 'Hi there');
      assert.deepEqual(prompt(await lastCall(page)), ['user: Hi there']);
      await opened.close();
    });
  }

  test('moves the message to a new chat', LIMIT, async () => {
    const opened = await open({ answers: [pieces('a b c d e f g h')], contextSize: 14 });
    const { page } = opened;
    await driver.converse(page, 'one two');
    await driver.ask(page, 'three four');
    await page.locator('.notice').getByRole('button', { name: 'New chat' }).click();
    await driver.untilEqual(() => page.locator('#prompt').inputValue(), 'three four');
    await driver.untilEqual(() => page.locator('.message').count(), 0);
    await opened.close();
  });

  test('says so where an answer was cut off by it', LIMIT, async () => {
    const opened = await open({ answers: [pieces('a b c d e f g h i j k l m n o p q r s t')], contextSize: 10 });
    const { page } = opened;
    await driver.ask(page, 'one two');
    await page.locator('.notice').waitFor();
    assert.match(await page.locator('.notice').innerText(), /context is full, so the answer ends here/);
    await opened.close();
  });

  test('what a chat takes of the context is with the thinking that is set', LIMIT, async () => {
    const opened = await open({ answers: [['Fine.']] });
    const { page } = opened;
    const used = async () => Number.parseInt(present(await page.locator('#status-context').textContent()), 10);
    await driver.converse(page, 'Hello');
    const before = await used();
    await page.locator('#open-settings').click();
    await page.locator('#setting-thinking').selectOption('off');
    await driver.untilEqual(used, before + 2);
    await page.locator('#setting-systemPrompt').fill('Be brief.');
    await page.keyboard.press('Tab');
    await driver.untilEqual(used, before + 2 + 3);
    await page.locator('#setting-thinking').selectOption('auto');
    await driver.untilEqual(used, before + 3);
    await opened.close();
  });

  test('what an answer tells of the model stands there as well', LIMIT, async () => {
    const result = { warnings: [{ code: 'SYSTEM_MESSAGE_MOVED', message: '' }] };
    /** @param {Page} page */
    const before = (page) =>
      page.addInitScript(() => localStorage.setItem('nibble.settings', '{"systemPrompt":"Be kind."}'));
    const opened = await open({ result }, before);
    const { page } = opened;
    assert.equal(await page.locator('#shortened').isVisible(), false);
    await driver.converse(page, 'Hello');
    await page.locator('#shortened-text', { hasText: 'instructions' }).waitFor();
    await opened.close();
  });

  test(
    'what is odd about the model is told until it is closed, of instructions only where there are some',
    LIMIT,
    async () => {
      const warnings = ['PRE_TOKENIZER_UNKNOWN', 'SYSTEM_MESSAGE_MOVED'].map((code) => ({ code, message: '' }));
      const opened = await open({ info: { warnings } });
      const { page } = opened;
      const shown = () => page.locator('#shortened-text').textContent();
      await driver.untilEqual(async () => /splits text into words in a way/.test(present(await shown())), true);
      assert.doesNotMatch(present(await shown()), /instructions/);
      await page.locator('#open-settings').click();
      await page.locator('#setting-systemPrompt').fill('Be brief.');
      await page.keyboard.press('Tab');
      await page.keyboard.press('Escape');
      await driver.untilEqual(async () => /they go in front of your first message/.test(present(await shown())), true);
      await page.locator('#close-shortened').click();
      await page.locator('#shortened').waitFor({ state: 'hidden' });
      await opened.close();
    },
  );

  test('leads to the setting where the model could have more of it', LIMIT, async () => {
    const answer = pieces('a b c d e f g h i j k l m n o p q r s t');
    const opened = await open({ answers: [answer], contextSize: 10, info: { trainedContext: 512 } });
    const { page } = opened;
    await driver.ask(page, 'one two');
    await page.locator('.notice').getByRole('button', { name: 'Enlarge the context' }).click();
    await driver.untilEqual(
      () => page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).id),
      'setting-contextSize',
    );
    await opened.close();
  });

  test('names the instructions where they are what is too long, and leads to them', LIMIT, async () => {
    const opened = await open({ answers: [['Fine.']], contextSize: 30 });
    const { page } = opened;
    await page.locator('#open-settings').click();
    await page.locator('#setting-systemPrompt').fill('brief '.repeat(40).trim());
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await driver.ask(page, 'Hello');
    const notice = page.locator('.notice');
    await notice.getByText('they are 41 tokens, and 30 fit together with the message').waitFor();
    await notice.getByRole('button', { name: 'Edit the instructions' }).click();
    await driver.untilEqual(
      () => page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).id),
      'setting-systemPrompt',
    );
    await opened.close();
  });

  test('says so where a message is too long by itself, and lets it be shortened', LIMIT, async () => {
    const opened = await open({ answers: [['Fine.']], contextSize: 10 });
    const { page } = opened;
    await driver.ask(page, 'word '.repeat(30));
    await page.locator('.notice').waitFor();
    assert.match(await page.locator('.notice').innerText(), /too long for the model by itself: 31 tokens, and 10 fit/);
    // The read-out counts what the model can have in view, which is never more than there is room for.
    await page.waitForFunction(
      () => /** @type {HTMLElement} */ (document.querySelector('#status-context')).textContent === '10 / 10 tokens',
    );
    await page.getByRole('button', { name: 'Edit the message' }).click();
    await page.locator('.edit-field').fill('short');
    await page.locator('.edit-field').press('Enter');
    await page.waitForFunction(() => document.querySelector('.message.assistant .text')?.textContent === 'Fine.');
    await opened.close();
  });
});
