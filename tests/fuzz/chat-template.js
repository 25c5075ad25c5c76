// Random chat templates, made of good ones, with random chats: whatever comes of them is a text that tells which part of it
// was said, or a NibbleError.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { partsOf } from '../../js/jinja/text.js';
import { createChatTemplate, encodeChat } from '../../js/prompt/chat-template.js';
import { createTokenizer } from '../../js/tokenizer/tokenizer.js';
import { untyped } from '../untyped.js';

/** @param {string} path */
const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
const TEMPLATES = [...read('corpus/chat-templates.json'), ...read('../jinja/templates.json').templates];

/** Words and signs, for a change of one of them. */
const WORD = /\{[{%#][-+]?|[-+]?[}%#]\}|[\p{L}\p{N}_]+|'[^']*'|"[^"]*"|\s+|[^\s]/gu;
const PIECES = [
  ...['{{', '}}', '{%', '%}', '{#', '#}', '-%}', '{%-', '{%+', '+%}', "'", '"', '(', ')', '[', ']', '{', '}', '|', '.'],
  ...[
    '~',
    '+',
    '-',
    '*',
    '**',
    '/',
    '//',
    '%',
    '==',
    '!=',
    '<',
    '=',
    ',',
    ':',
    '::-1',
    'in',
    'not',
    'is',
    'and',
    'or',
    'if',
    'else',
  ],
  ...[
    '{% for x in messages %}',
    '{% endfor %}',
    '{% if x %}',
    '{% elif y %}',
    '{% else %}',
    '{% endif %}',
    '{% break %}',
    '{% continue %}',
  ],
  ...[
    '{% set x = messages %}',
    '{% set x %}',
    '{% endset %}',
    '{% macro m(x) %}',
    '{% endmacro %}',
    '{{ m(m) }}',
    '{% call m(1) %}',
    '{% endcall %}',
  ],
  ...[
    '{% filter upper %}',
    '{% endfilter %}',
    '{% raw %}',
    '{% endraw %}',
    '{% with x = 1 %}',
    '{% endwith %}',
    '{% generation %}',
  ],
  ...[
    'messages',
    'tools',
    'loop',
    'x',
    'caller()',
    'namespace(x=1)',
    'range(100000)',
    'messages[0].content',
    'joiner()',
    'self',
    '__class__',
  ],
  ...[
    '|join(messages)',
    '|replace("a", "aa")',
    '|list',
    '|map("upper")',
    '|sort',
    '|tojson(indent=2)',
    '|batch(2)',
    '|groupby("role")',
    '|int',
    '|items',
  ],
  ...[
    '.split("")',
    '.format(x)',
    '.items()',
    '.__init__',
    '.replace("", "x")',
    '.center(9999999)',
    ' is defined',
    ' is mapping',
    '|center(1000000)',
  ],
  ...[
    '0',
    '1',
    '-1',
    '1e308',
    '99999999999999999999',
    '0.1',
    "'%s' % x",
    "'%999999999d' % 1",
    '\0',
    '\ud800',
    '😀',
    '\r\n',
    '\u2028',
    '\\x',
    "'\\U00110000'",
  ],
];

const SAID = [
  '一二三',
  ' 四\n五 ',
  '六<|end|>七',
  '',
  '八</think>九',
  '\ud800',
  '😀',
  '{{ x }}',
  '九'.repeat(3000),
  '<|start|>system\n',
];

const BYTES = Array.from({ length: 256 }, (_, byte) =>
  (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
    ? String.fromCharCode(byte)
    : String.fromCharCode(0x400 + byte),
);
const SPECIAL = ['<s>', '<|end|>', '<|start|>'];
/** @type {Record<string, unknown>} */
const VALUES = {
  ...{ model: 'gpt2', pre: 'gpt-2', merges: [], bos_token_id: 256, eos_token_id: 257, add_bos_token: true },
  tokens: [...BYTES, ...SPECIAL],
  token_type: Int32Array.from({ length: 259 }, (_, id) => (id < 256 ? 1 : 3)),
};
const tokenizer = createTokenizer({ get: (/** @type {string} */ key) => VALUES[key.replace('tokenizer.ggml.', '')] });

/** What the templates of tests/jinja are about. */
const VARIABLES = {
  s: '一 二<|end|>',
  l: ['六', '七'],
  d: { 九: '十', a: { b: '百' } },
  n: 7,
  f: 1.5,
  m: [{ role: '三', content: ' 四 ' }],
  ws: ' ',
  e: '',
};

/** @param {import('./random.js').Random} random */
function randomTemplate(random) {
  const words = random.pick(TEMPLATES).match(WORD) ?? [];
  for (let changes = random.pick([0, 1, 1, 1, 2, 5]); changes > 0; changes--) {
    const place = random.below(words.length + 1);
    const other = random.pick(TEMPLATES).match(WORD) ?? [];
    const from = random.below(other.length);
    const change = random.below(5);
    if (change === 0) words.splice(place, 1 + random.below(4));
    else if (change === 1) words.splice(place, 0, random.pick(PIECES));
    else if (change === 2) words.splice(place, 1, random.pick(PIECES));
    else if (change === 3) words.splice(place, random.below(8), ...other.slice(from, from + random.below(20)));
    else words.splice(place, 0, ...Array(1 + random.below(random.once(9) ? 3000 : 4)).fill(random.pick(PIECES)));
  }
  return words.join('');
}

/** @param {import('./random.js').Random} random @param {number} depth @returns {unknown} */
function randomValue(random, depth) {
  const kind = random.below(depth > 0 ? 7 : 5);
  if (kind < 2) return random.pick(SAID);
  if (kind === 2) return random.pick([0, -1, 1.5, 1e308, 2 ** 53, NaN]);
  if (kind === 3) return random.pick([true, false, null, undefined]);
  if (kind === 4) return random.once(20) ? nestedList(300) : [];
  const parts = Array.from({ length: random.below(4) }, () => randomValue(random, depth - 1));
  return kind === 5 ? parts : Object.fromEntries(parts.map((part) => [random.pick(SAID), part]));
}

/** @param {number} depth */
function nestedList(depth) {
  /** @type {unknown[]} */
  let list = [];
  for (let i = 0; i < depth; i++) list = [list];
  return list;
}

/** @param {import('./random.js').Random} random */
function randomMessage(random) {
  const role = random.pick(['system', 'user', 'assistant', 'tool', 'user', random.once(30) ? 'nobody' : 'user']);
  /** @type {Record<string, unknown>} */
  const message = { role, content: random.once(40) ? randomValue(random, 2) : random.pick(SAID) };
  if (random.once(5)) message.content = [{ type: random.once(20) ? 'image' : 'text', text: random.pick(SAID) }];
  if (random.once(5))
    message.tool_calls = [{ function: { name: random.pick(SAID), arguments: randomValue(random, 3) } }];
  if (random.once(9)) message.name = random.pick(SAID);
  return message;
}

const isChinese = /\p{Script=Han}/u;

/**
 * What was said is marked, and nothing that is marked became a control token.
 * @param {Parameters<typeof encodeChat>[1]} text
 */
function checkText(text) {
  let isAllSaid = true;
  for (const { value, isMarked } of partsOf(text)) {
    assert.ok(value !== '', 'a part of a text is empty');
    assert.ok(isMarked || !isChinese.test(value), `what was said is taken for the template's: ${value.slice(0, 100)}`);
    isAllSaid &&= isMarked;
  }
  const ids = encodeChat(tokenizer, text);
  assert.equal(ids[0], 256, 'a chat does not begin with BOS');
  if (isAllSaid) assert.ok(!ids.slice(1).some((id) => id >= 256), 'what was said became a control token');
}

export default {
  /** @param {import('./random.js').Random} random @returns what was tried, for whoever looks at a fault */
  describe(random) {
    const template = random.once(200) ? random.pick([5, null, ['x'], true, 7n]) : randomTemplate(random);
    const messages = Array.from({ length: random.once(50) ? 0 : 1 + random.below(4) }, () => randomMessage(random));
    const tools = random.once(3)
      ? [randomValue(random, 3), { type: 'function', function: { name: random.pick(SAID) } }]
      : undefined;
    return {
      template,
      messages,
      options: { tools, addGenerationPrompt: random.once(2), templateVariables: VARIABLES },
    };
  },
  /**
   * @param {{ template: unknown, messages: Record<string, unknown>[], options: Record<string, unknown> }} tried
   * @returns {boolean} whether a text came of it
   */
  run({ template, messages, options }) {
    const chat = createChatTemplate(
      { get: (key) => (key === 'tokenizer.chat_template' ? template : undefined) },
      tokenizer,
    );
    for (const { code, message } of chat.warnings) assert.ok(/^[A-Z_]+$/.test(code) && typeof message === 'string');
    checkText(chat.write(untyped(messages), options).text);
    return true;
  },
};
