// The page and its engine: one that fails, crashes or vanishes, one that makes way for another, and answers meanwhile.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { present } from '../present.js';
import * as driver from './driver.js';

/** @typedef {import('./driver.js').OpenedPage} OpenedPage */
/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 180_000 };
/** @param {string} text */
const pieces = (text) => text.match(/\s?\S+/g) ?? [];

/** @type {driver.Browser} */
let browser;

before(async () => {
  browser = await driver.startBrowser({ serviceWorkers: 'block' });
});

after(() => browser?.close());

/** @param {Parameters<typeof driver.openScripted>[1]} script @param {{ isReady?: boolean }} [options] */
const open = (script, options) => driver.openScripted(browser, script, options);

/** @param {Page} page */
const answers = (page) => page.locator('.message.assistant .text').allTextContents();
/** @param {Page} page */
const ending = (page) => page.locator('.message.assistant .ending').allTextContents();
/** @param {Page} page */
const again = (page) => page.locator('.notice').getByRole('button', { name: 'Try again' });
/** @param {Page} page */
const calls = (page) => page.evaluate(() => globalThis.calls);
/** @param {Page} page */
const loads = (page) => page.evaluate(() => globalThis.loads);

test(
  'a model stays where it was stored, and is found there, when another place is chosen for others',
  LIMIT,
  async () => {
    const opened = await open(null);
    const { page } = opened;
    const bytes = readFileSync(driver.MODEL).toString('latin1');
    await page.evaluate(async (text) => {
      const { openModelStore } = await import('/nibble/index.js');
      const store = await openModelStore();
      const file = new File([Uint8Array.from(text, (c) => c.charCodeAt(0))], 'mine.gguf', { lastModified: 1 });
      await store.import(file, { name: 'Mine' });
      await store.close();
    }, bytes);
    await page.locator('#model-button').click();
    await page.getByRole('button', { name: 'Use Mine', exact: true }).click();
    await page.waitForFunction(() => JSON.parse(localStorage.getItem('nibble.settings') ?? 'null')?.model?.stored);
    await driver.untilReady(page);
    await page.locator('#open-settings').click();
    await page.locator('#setting-store').selectOption('opfs');
    await page.keyboard.press('Escape');
    await driver.untilReady(page);
    const isInUse = () => page.locator('#status-storage', { hasText: 'IndexedDB' }).waitFor();
    await isInUse();
    // The other place has none of its own that could be in use.
    await page.locator('#model-button').click();
    await driver.untilEqual(() => page.locator('#models-panel .models-row', { hasText: 'Mine' }).count(), 0);
    await page.reload();
    await driver.untilReady(page);
    await isInUse();
    assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
    await page.locator('#open-settings').click();
    await page.locator('#setting-store').selectOption('indexeddb');
    await page.keyboard.press('Escape');
    await page.locator('#model-button').click();
    await page.locator('#models-panel .models-row', { hasText: 'Mine' }).filter({ hasText: 'In use' }).waitFor();
    opened.complaints.length = 0;
    await opened.close();
  },
);

describe('an engine that crashes', () => {
  test('is replaced; the answer says what happened, keeps what was written and goes on', LIMIT, async () => {
    const opened = await open({ answers: [pieces('one two three'), pieces(' and four')], crashAt: 2 });
    const { page } = opened;
    await driver.ask(page, 'Count.');
    await page.locator('.notice', { hasText: 'The engine has crashed.' }).waitFor();
    assert.deepEqual(await answers(page), ['one two']);
    assert.deepEqual(await ending(page), ['Broken off by a fault.']);
    await driver.untilReady(page);
    await driver.untilEqual(() => loads(page), 2);
    await again(page).click();
    await driver.untilEqual(() => answers(page), ['one two and four']);
    await driver.untilIdle(page);
    assert.deepEqual(await ending(page), []);
    assert.doesNotMatch(await page.locator('body').innerText(), /is still loaded/);
    await opened.close();
  });

  test('before its first word leaves a question that can be asked again', LIMIT, async () => {
    const opened = await open({ answers: [['Hello.']], crashAt: 0 });
    const { page } = opened;
    await driver.ask(page, 'Hi.');
    await again(page).click();
    await driver.untilEqual(() => answers(page), ['Hello.']);
    await driver.untilIdle(page);
    await opened.close();
  });
});

describe('a model that cannot be loaded', () => {
  test('lets no message wait: it says so, and asks again where the reader wants it', LIMIT, async () => {
    const opened = await open({ failures: 2 }, { isReady: false });
    const { page } = opened;
    await page.locator('#problem').waitFor();
    await driver.ask(page, 'Hi.');
    await page.locator('.notice', { hasText: 'There is no answer, since no model is loaded.' }).waitFor();
    await driver.untilIdle(page);
    assert.equal(await page.locator('.message.user .text').textContent(), 'Hi.');
    await driver.shoot(page, 'no-model');
    await again(page).click();
    // The second load fails while the message waits for it.
    await driver.untilEqual(() => loads(page), 2);
    await page.locator('.notice', { hasText: 'There is no answer' }).waitFor();
    await again(page).click();
    await driver.untilEqual(() => answers(page), ['Hello.']);
    await driver.untilReady(page);
    opened.complaints.length = 0;
    await opened.close();
  });
});

test('threads that did not start are told, in words, until that is closed', LIMIT, async () => {
  const threadProblem = { code: 'THREADS_FAILED', message: 'A thread did not start.' };
  const opened = await open({ info: { threadProblem } });
  const { page } = opened;
  await page.locator('#shortened-text', { hasText: 'did not start as many threads as were wanted' }).waitFor();
  await page.locator('#close-shortened').click();
  await page.locator('#shortened').waitFor({ state: 'hidden' });
  await opened.close();
});

test('a model that makes another one way is asked for by the access token of the hub each time', LIMIT, async () => {
  const opened = await open({ memory: { wasm: 6e8 } });
  const { page } = opened;
  const hub = { url: 'https://hub.example', token: 'hf_secret' };
  await page.evaluate((given) => localStorage.setItem('nibble.hub', JSON.stringify(given)), hub);
  await page.reload();
  await driver.untilReady(page);
  await page.locator('#open-settings').click();
  await page.locator('#setting-threads').fill('1');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Escape');
  await driver.untilEqual(() => loads(page), 2);
  // Loaded, looked at before it takes the place of a large one, and loaded again.
  assert.deepEqual(await page.evaluate(() => globalThis.hubs), [hub, hub, hub]);
  opened.complaints.length = 0;
  await opened.close();
});

describe('an answer', () => {
  test('is written to its end while other settings or another model load', LIMIT, async () => {
    const opened = await open({ answers: [pieces('a b c d e f'), ['Next.']], holdAt: 3 });
    const { page } = opened;
    await driver.ask(page, 'Go on.');
    await driver.untilEqual(() => answers(page), ['a b c']);
    await page.locator('#open-settings').click();
    await page.locator('#setting-threads').fill('1');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await driver.untilEqual(() => loads(page), 2);
    await driver.untilReady(page);
    assert.equal(await page.evaluate(() => globalThis.unloads), 0, 'the engine that writes is still there');
    await driver.release(page);
    await driver.untilIdle(page);
    assert.deepEqual(await answers(page), ['a b c d e f']);
    assert.deepEqual(await ending(page), []);
    await driver.untilEqual(() => page.evaluate(() => globalThis.unloads), 1);
    assert.equal(await driver.converse(page, 'And?'), 'Next.');
    await opened.close();
  });

  test('is waited for by a model that does not fit beside the present one, which says so', LIMIT, async () => {
    const opened = await open({ answers: [pieces('a b c d'), ['Next.']], holdAt: 2, memory: { wasm: 6e8 } });
    const { page } = opened;
    await driver.ask(page, 'Go on.');
    await driver.untilEqual(() => answers(page), ['a b']);
    await page.locator('#open-settings').click();
    await page.locator('#setting-threads').fill('1');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await page.locator('#loading-text', { hasText: 'Loads when the answer has ended' }).waitFor();
    await driver.shoot(page, 'loading-waits');
    assert.equal(await loads(page), 1);
    await driver.release(page);
    await driver.untilEqual(() => loads(page), 2);
    await driver.untilReady(page);
    await driver.untilIdle(page);
    assert.deepEqual(await answers(page), ['a b c d']);
    await opened.close();
  });

  test('that waits for another one ends as soon as it is stopped, and the next still waits', LIMIT, async () => {
    const opened = await open({ answers: [pieces('a b c'), ['Third.']], holdAt: 1 });
    const { page } = opened;
    await driver.ask(page, 'First');
    await driver.untilEqual(() => answers(page), ['a']);
    await page.locator('#new-chat').click();
    await driver.ask(page, 'Second');
    await page.locator('.progress-note', { hasText: 'Waiting for another answer' }).waitFor();
    await page.locator('#stop').click();
    await driver.untilIdle(page);
    assert.deepEqual(await ending(page), ['Stopped.']);
    await page.locator('#new-chat').click();
    await driver.ask(page, 'Third');
    await page.locator('.progress-note', { hasText: 'Waiting for another answer' }).waitFor();
    assert.equal((await calls(page)).length, 1);
    await driver.release(page);
    await driver.untilEqual(() => answers(page), ['Third.']);
    await driver.untilIdle(page);
    await opened.close();
  });

  test('shows thoughts that the template has opened as such while they are written', LIMIT, async () => {
    const opened = await open({ answers: [pieces('I think so</think>Yes.')], opens: true, holdAt: 2 });
    const { page } = opened;
    await driver.ask(page, 'Really?');
    await page.locator('.reasoning-text', { hasText: 'I think' }).waitFor({ state: 'attached' });
    assert.deepEqual(await answers(page), ['']);
    await driver.release(page);
    await driver.untilEqual(() => answers(page), ['Yes.']);
    await driver.untilIdle(page);
    await opened.close();
  });

  test('thinks before an answer, or does not, as the reader has chosen', LIMIT, async () => {
    const opened = await open({ answers: [['Yes.']] });
    const { page } = opened;
    await driver.converse(page, 'Really?');
    for (const choice of ['off', 'on', 'auto']) {
      await page.locator('#open-settings').click();
      await page.locator('#setting-thinking').selectOption(choice);
      await page.keyboard.press('Escape');
      await driver.converse(page, 'Really?');
    }
    const told = (await calls(page)).map(({ templateVariables }) => templateVariables?.enable_thinking ?? null);
    assert.deepEqual(told, [null, false, true, null]);
    const counted = await page.evaluate(() => globalThis.counted.map((options) => options?.templateVariables ?? null));
    // The context is counted with the same ones, as often as they change.
    const distinct = counted.filter((given, place) => place === 0 || !isDeepStrictEqual(given, counted[place - 1]));
    assert.deepEqual(distinct, [...[false, true].map((is) => ({ enable_thinking: is, thinking: is })), null]);
    await opened.close();
  });

  test('does not have a conversation counted that its answers have told of', LIMIT, async () => {
    const opened = await open({ answers: [pieces('So it is.'), pieces('Yes.')] });
    const { page } = opened;
    const counted = () => page.evaluate(() => globalThis.counted.length);
    await driver.converse(page, 'Is it?');
    assert.equal(await counted(), 0);
    await driver.converse(page, 'Really?');
    assert.equal((await calls(page)).length, 2);
    assert.equal(await counted(), 0);
    await page.locator('#open-settings').click();
    await page.locator('#setting-systemPrompt').fill('Be brief.');
    await page.keyboard.press('Escape');
    // Only the engine can tell what another prompt of it takes.
    await driver.untilEqual(counted, 1);
    await opened.close();
  });

  test(
    'has the variables of the chat template that the reader has written, and none that are no JSON',
    LIMIT,
    async () => {
      const opened = await open({ answers: [['Yes.']] });
      const { page } = opened;
      const field = page.locator('#setting-templateVariables');
      const problem = page.locator('.field:has(#setting-templateVariables) .field-problem');
      const write = async (/** @type {string} */ text, says = /^$/) => {
        await page.locator('#open-settings').click();
        await field.fill(text);
        await page.keyboard.press('Tab');
        const isTaken = (await field.getAttribute('aria-invalid')) !== 'true';
        assert.match((await problem.textContent()) ?? '', says);
        await page.keyboard.press('Escape');
        await driver.converse(page, 'Really?');
        return isTaken;
      };
      assert.equal(await write('{ "reasoning_effort": "low", "thinking": true }'), true);
      for (const wrong of ['reasoning_effort=low', '[1]', 'null', '{'])
        assert.equal(await write(wrong, /^This is no JSON object/), false, wrong);
      assert.equal(await write('{ "messages": [] }', /^The page itself gives “messages”/), false);
      assert.equal(await write(`{ "a": "${'a'.repeat(4000)}" }`, /^This is too long: it has 4,?011 characters/), false);
      assert.equal(await write(''), true);
      const told = (await calls(page)).map(({ templateVariables }) => templateVariables ?? null);
      const kept = { reasoning_effort: 'low', thinking: true };
      assert.deepEqual(told, [...Array(7).fill(kept), null]);
      await opened.close();
    },
  );

  test('begins anew where an engine whose template opens thoughts fails before the first', LIMIT, async () => {
    const opened = await open({ answers: [['Never.'], ['So</think>Yes.']], opens: true, crashAt: 0 });
    const { page } = opened;
    await driver.ask(page, 'Really?');
    await page.locator('.notice').getByRole('button', { name: 'Try again' }).waitFor();
    assert.equal(await page.locator('.message.assistant').count(), 0);
    await page.locator('.notice').getByRole('button', { name: 'Try again' }).click();
    await driver.untilEqual(() => answers(page), ['Yes.']);
    await driver.untilIdle(page);
    assert.notEqual(present((await calls(page)).at(-1)).continueLast, true);
    await opened.close();
  });

  test('goes on within thoughts that the template has opened, without opening them twice', LIMIT, async () => {
    const opened = await open({ answers: [pieces('I think so'), pieces(' and so</think>Yes.')], opens: true });
    const { page } = opened;
    await page.locator('#open-settings').click();
    await page.locator('#setting-maxTokens').fill('2');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await driver.ask(page, 'Really?');
    await driver.untilIdle(page);
    await page.locator('.message.assistant .foot .quiet').click();
    await page.locator('.reasoning-text', { hasText: 'I think and so' }).waitFor({ state: 'attached' });
    await driver.untilIdle(page);
    const [, second] = await calls(page);
    assert.equal(second.continueLast, true);
    // The library leaves out what the prompt ends in.
    assert.equal(second.messages.at(-1)?.content, '<think>\nI think');
    assert.deepEqual(await page.locator('.reasoning').count(), 1);
    await opened.close();
  });
});

/**
 * Before `goto`: the engine's worker is gone, without a word, as soon as it is asked for something or tells something.
 * @param {import('playwright-core').Page} page
 * @param {{ asked?: string, told?: string }} when the method that is called, or the kind of event that comes, first
 */
const killWorker = (page, when) =>
  page.addInitScript(({ asked, told }) => {
    window.asked = [];
    let isKilled = false;
    /** @param {Worker} worker */
    const kill = (worker) => {
      if (isKilled) return;
      isKilled = true;
      worker.terminate();
    };
    const { Worker } = window;
    window.Worker = class extends Worker {
      /** @param {ConstructorParameters<typeof Worker>} given */
      constructor(...given) {
        super(...given);
        this.addEventListener('message', ({ data }) => {
          if (told !== undefined && data?.event?.[told] !== undefined) kill(this);
        });
      }

      /** @param {{ method?: string } | undefined} message @param {any} transfer as either form of the call has it */
      postMessage(message, transfer) {
        super.postMessage(message, transfer);
        window.asked.push(message?.method);
        if (message?.method === asked) kill(this);
      }
    };
  }, when);

describe('a worker that is gone', () => {
  /** @param {Parameters<typeof killWorker>[1]} when */
  const started = async (when) => {
    /** @param {Page} page */
    const before = async (page) => {
      await driver.forgetVisits(page);
      await killWorker(page, when);
    };
    return driver.openPage(browser, { before });
  };
  /** @param {OpenedPage} opened */
  const close = (opened) => {
    opened.complaints.length = 0;
    return opened.close();
  };
  /** @param {Page} page @param {string} method */
  const asked = (page, method) =>
    page.evaluate((name) => window.asked.filter((other) => other === name).length, method);

  test('at the start can be started again', LIMIT, async () => {
    const opened = await started({ told: 'phase' });
    const { page } = opened;
    await page.locator('#problem[data-code=WORKER_FAILED]').waitFor();
    assert.doesNotMatch(await page.locator('#problem').innerText(), /still loaded/);
    await page.locator('#remedy').click();
    await page.locator('#model-state[data-state=ready]').waitFor();
    assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
    await close(opened);
  });

  const PHASES = { 'as it reads a prompt': { asked: 'complete' }, 'in an answer': { told: 'text' } };
  for (const [phase, when] of Object.entries(PHASES)) {
    test(`${phase} is replaced, and the answer is there after all`, LIMIT, async () => {
      const opened = await started(when);
      const { page } = opened;
      await driver.untilReady(page);
      await driver.ask(page, 'What is 3 + 4?');
      await page.locator('.notice', { hasText: 'The engine has ended unexpectedly.' }).waitFor();
      await again(page).click();
      await page.waitForFunction(() => /7/.test(document.querySelector('.message.assistant .text')?.textContent ?? ''));
      await driver.untilIdle(page);
      await driver.untilReady(page);
      assert.equal(await asked(page, 'load'), 2);
      await close(opened);
    });
  }

  test('in a save is replaced, and nothing is lost', LIMIT, async () => {
    const opened = await started({ asked: 'sessionSave' });
    const { page } = opened;
    await driver.untilReady(page);
    const answer = await driver.converse(page, 'Hello');
    await driver.untilEqual(() => asked(page, 'load'), 2);
    await driver.untilReady(page);
    assert.match(await driver.converse(page, 'Who are you?'), /\p{L}/u);
    assert.equal((await answers(page))[0], answer);
    await close(opened);
  });
});
