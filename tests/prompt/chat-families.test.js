// Chats of files without a template, by the family that their tokens tell of; and the templates that a file has by name.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { plain } from '../../js/jinja/text.js';
import { createChatTemplate, encodeChat } from '../../js/prompt/chat-template.js';
import { FAMILIES } from '../../js/prompt/family-templates.js';
import { createTokenizer } from '../../js/tokenizer/tokenizer.js';
import { fixture, skipWithout } from '../fixtures.js';
import { present } from '../present.js';

const BYTES = Array.from({ length: 256 }, (_, byte) => {
  /** @param {number} value */
  const isPrintable = (value) => (value > 0x20 && value < 0x7f) || (value > 0xa0 && value !== 0xad);
  const others = Array.from({ length: 256 }, (_each, value) => value).filter((value) => !isPrintable(value));
  return String.fromCharCode(isPrintable(byte) ? byte : 0x100 + others.indexOf(byte));
});

/** @param {string[]} special */
function tokenizerOf(special) {
  const tokens = [...BYTES, ...special, '</s>'];
  const token_type = Int32Array.from(tokens, (_, id) => (id < 256 ? 1 : 3));
  /** @type {Record<string, any>} */
  const keys = { model: 'gpt2', pre: 'gpt-2', tokens, token_type, merges: [], eos_token_id: tokens.length - 1 };
  return createTokenizer({ get: (key) => keys[key.replace('tokenizer.ggml.', '')] });
}

const USER = { role: 'user', content: 'Hi' };
const CHAT = [USER, { role: 'assistant', content: 'Hello!' }, { role: 'user', content: 'And?' }];
const SYSTEM = { role: 'system', content: 'Be brief.' };
/** @type {Record<string, string | string[]>} */
const EXPECTED = {
  'Phi-4':
    '<|im_start|>system<|im_sep|>Be brief.<|im_end|><|im_start|>user<|im_sep|>Hi<|im_end|><|im_start|>assistant<|im_sep|>',
  ChatML: '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
  'Llama 3':
    '<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>' +
    '<|start_header_id|>assistant<|end_header_id|>\n\n',
  'Gemma 4': '<|turn>system\nBe brief.<turn|>\n<|turn>user\nHi<turn|>\n<|turn>model\n',
  Gemma: '<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n',
  Granite:
    '<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n' +
    '<|start_of_role|>assistant<|end_of_role|>',
  'gpt-oss': '<|start|>system<|message|>Be brief.<|end|><|start|>user<|message|>Hi<|end|><|start|>assistant',
  'Phi-3': '<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n',
  'GLM-4': '[gMASK]<sop><|system|>\nBe brief.<|user|>\nHi<|assistant|>\n',
  'Command R':
    '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be brief.<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi' +
    '<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>',
  DeepSeek: 'Be brief.<｜User｜>Hi<｜Assistant｜>',
  Hunyuan: 'Be brief.<｜hy_place▁holder▁no▁3｜><｜hy_User｜>Hi<｜hy_Assistant｜>',
  EXAONE: '[|system|]Be brief.[|endofturn|]\n[|user|]Hi\n[|assistant|]',
  Mistral: ['[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Hi[/INST]', '[INST]Be brief.\n\nHi[/INST]'],
};
for (const { name, tokens } of FAMILIES) {
  test(`a file without a template, with the tokens of ${name}`, () => {
    const tokenizer = tokenizerOf(tokens);
    const template = createChatTemplate({ get: () => undefined }, tokenizer);
    assert.equal(template.source, 'fallback');
    assert.deepEqual(template.names, []);
    assert.deepEqual(
      template.warnings
        .filter(({ code }) => code !== 'SYSTEM_MESSAGE_MOVED')
        .map(({ code, message }) => [code, message.includes(name)]),
      [['CHAT_TEMPLATE_MISSING', true]],
    );
    const { text } = template.write([SYSTEM, USER]);
    const expected = [EXPECTED[name]].flat();
    assert.ok(expected.includes(plain(text)), plain(text));
    assert.ok(encodeChat(tokenizer, text).some(tokenizer.isControl));
    // A chat goes on where the last answer ended, and what is said is no token.
    const [longer, shorter] = [CHAT, CHAT.slice(0, 1)].map((messages) => plain(template.write(messages).text));
    assert.ok(longer.startsWith(shorter.slice(0, -12)) && longer.includes('Hello!'), longer);
    const said = encodeChat(tokenizer, template.write([{ role: 'user', content: tokens[0] }]).text);
    const empty = encodeChat(tokenizer, template.write([{ role: 'user', content: 'x' }]).text);
    assert.equal(said.filter(tokenizer.isControl).length, empty.filter(tokenizer.isControl).length);
  });
}

const REAL = {
  ChatML: 'Qwen-Qwen3-0.6B',
  Gemma: 'google-gemma-2-2b-it',
  'Phi-3': 'microsoft-Phi-3.5-mini-instruct',
  Granite: 'ibm-granite-granite-4.0',
};
for (const [name, file] of Object.entries(REAL)) {
  const path = `chat-templates/jinja/${file}.jinja`;
  test(`${name}: as a template of the family's own writes it`, { skip: skipWithout(path) }, () => {
    const { tokens } = present(FAMILIES.find((family) => family.name === name));
    const source = readFileSync(present(fixture(path)), 'utf8');
    const written = [undefined, source].map((template) => {
      const keys = { get: (/** @type {string} */ key) => (key === 'tokenizer.chat_template' ? template : undefined) };
      return plain(createChatTemplate(keys, tokenizerOf(tokens)).write([SYSTEM, ...CHAT]).text);
    });
    assert.equal(written[0], written[1]);
  });
}

const KEY = 'tokenizer.chat_template';
/** @param {any} keys */
const named = (keys) => createChatTemplate({ get: (key) => keys[key] }, tokenizerOf([]));
const TOOLS = [{ type: 'function', function: { name: 'f' } }];

test('the templates of a file are told and chosen by name', () => {
  const template = named({
    [KEY]: 'plain',
    [`${KEY}s`]: ['tool_use', 'rag', 'absent', 'default'],
    [`${KEY}.tool_use`]: 'with {{ tools | length }} tools',
    [`${KEY}.rag`]: 'documents: {{ documents | length }}',
  });
  /** @param {object} options */
  const write = (options) => plain(template.write([USER], options).text);
  assert.deepEqual(template.names, ['default', 'tool_use', 'rag']);
  assert.equal(template.source, 'model');
  assert.equal(write({}), 'plain');
  assert.equal(write({ tools: TOOLS }), 'with 1 tools');
  assert.equal(write({ tools: TOOLS, template: 'default' }), 'plain');
  assert.equal(write({ template: 'rag', templateVariables: { documents: ['a', 'b'] } }), 'documents: 2');
  assert.deepEqual(
    template.write([USER], { tools: TOOLS, template: 'default' }).warnings.map(({ code }) => code),
    ['TOOLS_IGNORED'],
  );
  assert.throws(() => write({ template: 'toString' }), {
    code: 'INVALID_ARGUMENT',
    message: 'The template is "toString"; this model has default, tool_use, rag.',
    details: { option: 'template', templates: ['default', 'tool_use', 'rag'] },
  });
});

test('a template for something else is not taken for chats, and can be asked for', () => {
  const template = named({ [`${KEY}s`]: ['rerank'], [`${KEY}.rerank`]: 'is it: {{ messages[0].content }}' });
  assert.deepEqual([template.source, template.names], ['fallback', ['rerank']]);
  assert.equal(plain(template.write([USER]).text), 'User: Hi\nAssistant:');
  assert.equal(plain(template.write([USER], { template: 'rerank' }).text), 'is it: Hi');
  assert.throws(() => named({}).write([USER], { template: 'x' }), {
    message: 'The template is "x"; this model has none.',
  });
  const only = named({ [`${KEY}.tool_use`]: 'tools' });
  assert.equal(plain(only.write([USER]).text), 'tools');
  for (const listed of [5, 'rerank', [5, null], Array.from({ length: 10_000 }, () => 'x')]) {
    assert.deepEqual(named({ [KEY]: 'x', [`${KEY}s`]: listed }).names, ['default']);
  }
});
