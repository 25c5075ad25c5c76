// The templates of real models, from the fixtures: rendered as others render them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { plain } from '../../js/jinja/text.js';
import { createChatTemplate } from '../../js/prompt/chat-template.js';
import { fixture, skipWithout } from '../fixtures.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

const NOON = new Date(2024, 6, 26, 12, 0, 0);

/**
 * Renders a case whose data are template variables, messages and tools among them.
 * @param {string} template
 * @param {any} data
 * @param {any} special
 * @param {Date} now
 */
function renderCase(template, data, special, now) {
  const { messages, add_generation_prompt: addGenerationPrompt = false, tools, ...variables } = data;
  const options = { addGenerationPrompt, tools: tools ?? undefined, templateVariables: variables };
  const { bos_token: bos = '', eos_token: eos = '' } = special;
  // Just enough of a tokenizer for a template.
  const tokenizer = untyped({ ids: { bos: 0, eos: 1 }, text: (/** @type {number} */ id) => [bos, eos][id] });
  const keys = { get: (/** @type {string} */ key) => (key === 'tokenizer.chat_template' ? template : undefined) };
  return plain(createChatTemplate(keys, tokenizer, { now: () => now }).write(messages, options).text);
}

const E2E = 'chat-templates/hfjs_e2e_cases.json';
test('the templates the library is tested with', { skip: skipWithout(E2E) }, () => {
  const { cases } = JSON.parse(readFileSync(present(fixture(E2E)), 'utf8'));
  const now = new Date('2025-07-10T12:00:00Z');
  const readable = cases.filter(
    (/** @type {{ data: any }} */ { data }) => !JSON.stringify(data.messages).includes('"type":"image"'),
  );
  const differ = readable.filter((/** @type {any} */ { chat_template: template, data, target }) => {
    // Some templates write the assistant's opening where nothing is said about it.
    const variants = 'add_generation_prompt' in data ? [data] : [data, { ...data, add_generation_prompt: true }];
    return !variants.some((variant) => renderCase(template, variant, data, now) === target);
  });
  assert.ok(cases.length > 50);
  assert.deepEqual(
    differ.map((/** @type {{ name: string }} */ { name }) => name),
    // One drops the system message, whose text is kept here; one expects JSON where a list is printed, as Python has it.
    ['mistralai/Mistral-7B-Instruct-v0.3 (JSON Schema)', 'MadeAgents/Hammer2.1'],
  );
});

// Where the prompt is meant to be another: HTML's `&#34;` in JSON, as `safe` makes Jinja2 escape what is added to it.
const ESCAPES_HTML = 'meetkai-functionary-medium-v3.1.jinja';
const GOLDEN = 'chat-templates/jinja2_golden.json';
test('real templates render as Jinja2 renders them', { skip: skipWithout(GOLDEN) }, () => {
  const { common, contexts, results } = JSON.parse(readFileSync(present(fixture(GOLDEN)), 'utf8'));
  let compared = 0;
  for (const { template, case: name, expected } of results) {
    if (expected === undefined || name === 'empty_messages' || (template === ESCAPES_HTML && name.startsWith('tool')))
      continue;
    const source = readFileSync(present(fixture(`chat-templates/jinja/${template}`)), 'utf8');
    assert.equal(renderCase(source, contexts[name], common, NOON), expected, `${template}, ${name}`);
    compared++;
  }
  assert.ok(compared > 580, `only ${compared} compared`);
});
