// What the page counts of a conversation is what its engine reads and writes, however it is asked to think.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createEngine } from '../../js/index.node.js';
import { countTokens, countUsed } from '../../web/chat/context-fit.js';
import { promptOf } from '../../web/chat/prompt.js';
import { scriptedModel } from '../scripted-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */

// As Qwen3's: without thinking, the answer begins behind an empty one; and as DeepSeek's where a variable asks for it.
const TEMPLATE =
  "{% for m in messages %}{{ m.role + ':' + m.content + '<|end|>' }}{% endfor %}{% if add_generation_prompt %}" +
  "{{ 'assistant:' }}{% if enable_thinking is defined %}{{ '<think>\\n' if thinking else '<think></think>' }}{% endif %}" +
  '{% endif %}';
const CHATS = {
  auto: {},
  on: { templateVariables: { enable_thinking: true, thinking: true } },
  off: { templateVariables: { enable_thinking: false, thinking: false } },
};
const systemPrompt = 'Be brief.';

/** @type {Engine} */
let engine;

before(async () => {
  engine = await createEngine({ model: scriptedModel({ script: () => ({ 55: 20 }), template: TEMPLATE }), threads: 1 });
});

after(() => engine?.unload());

for (const [thinking, chat] of Object.entries(CHATS)) {
  test(`with thinking ${thinking}`, async () => {
    const conversation = untyped({ start: 0, messages: [{ role: 'user', content: 'Hello' }] });
    const options = { systemPrompt, end: 1, chat };
    const messages = promptOf(conversation, options);
    /** @type {string[]} */
    const openings = [];
    /** @param {{ opening: string }} options */
    const onPrefill = ({ opening }) => openings.push(opening);
    const completion = engine.complete(untyped({ ...chat, messages, maxTokens: 5, onPrefill }));
    const { text, promptTokens, completionTokens } = await completion.result;
    const isOpened = thinking === 'on';
    assert.deepEqual([...new Set(openings)], [isOpened ? '<think>' : '']);
    assert.equal(await countTokens(engine, promptOf(conversation, options), chat), promptTokens);
    assert.equal(await countUsed(engine, conversation, { systemPrompt, chat }), promptTokens);
    // The page keeps the opening that the template has written with the answer.
    const content = isOpened ? `<think>\n${text}` : text;
    const answered = { start: 0, messages: [...conversation.messages, { role: 'assistant', content }] };
    const used = await countUsed(engine, untyped(answered), { systemPrompt, chat });
    assert.equal(used, promptTokens + completionTokens);
  });
}

test('an empty conversation has taken nothing', async () => {
  assert.equal(await countUsed(engine, untyped({ start: 0, messages: [] }), { systemPrompt, chat: {} }), 0);
});
