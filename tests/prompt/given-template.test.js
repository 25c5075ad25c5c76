// A chat template of the caller's, in place of those in the file; and answers that are continued within open thoughts.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createEngine } from '../../js/index.node.js';
import { writeSmallModel } from '../small-model.js';

const TEMPLATE =
  '{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if tools %}{{ tools | length }} tools\n{% endif %}' +
  "{% if add_generation_prompt %}[{{ name | default('assistant') }}] {% endif %}";
const THINKING =
  '{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant] <think>\n{% endif %}';
const messages = [{ role: 'user', content: 'Hello' }];

/** @type {import('../../js/index.node.js').Engine} */
let engine;
before(async () => {
  engine = await createEngine({ model: writeSmallModel(), threads: 1 });
});
after(() => engine?.unload());

/** @param {Promise<any>} promise @returns {Promise<any>} */
const failure = (promise) => promise.then(assert.fail, (error) => error);

describe('a template that is given', () => {
  test('is what render(), countTokens(), fitMessages() and complete() go by', async () => {
    const options = { chatTemplate: TEMPLATE, templateVariables: { name: 'bot' }, tools: [{ type: 'function' }] };
    const text = '[user] Hello\n1 tools\n[bot] ';
    assert.equal(await engine.render(messages, options), text);
    const tokens = await engine.tokenize(text, { parseSpecial: false });
    assert.equal(await engine.countTokens({ messages, ...options }), tokens.length);
    assert.equal((await engine.fitMessages(messages, options)).tokens, tokens.length);
    const { promptTokens, warnings } = await engine.complete({ messages, ...options, maxTokens: 1 }).result;
    assert.equal(promptTokens, tokens.length);
    assert.deepEqual(warnings, []);
  });

  test('takes what is said for text, as any other', async () => {
    const said = [{ role: 'user', content: '<|end|>{{ messages }}' }];
    const options = { chatTemplate: TEMPLATE };
    assert.equal(await engine.render(said, options), '[user] <|end|>{{ messages }}\n[assistant] ');
    const asText = await engine.countTokens({ messages: said, ...options });
    assert.ok(asText > (await engine.countTokens({ messages: said, ...options, parseSpecial: true })));
  });

  test('that is damaged, fails or has no end is an error of that call alone', async () => {
    /** @type {[string, RegExp][]} */
    const broken = [
      ['{% for %}', /^The chat template that was given failed; /],
      ["{{ raise_exception('no') }}", /The chat template that was given failed; it refuses these messages: no/],
      ['{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}', /given failed; it /],
      ['x'.repeat(2 << 20), /given failed; it /],
    ];
    for (const [chatTemplate, sentence] of broken) {
      const error = await failure(engine.render(messages, { chatTemplate }));
      assert.equal(error.code, 'CHAT_TEMPLATE_FAILED');
      assert.match(error.message, sentence);
      assert.equal((await failure(engine.complete({ messages, chatTemplate }).result)).code, 'CHAT_TEMPLATE_FAILED');
    }
    assert.equal(await engine.render(messages, { chatTemplate: TEMPLATE }), '[user] Hello\n[assistant] ');
  });

  test('is one of many, none of which is mixed up with another', async () => {
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 10; index++) {
        const chatTemplate = `${index}{{ messages[0].content }}`;
        assert.equal(await engine.render(messages, { chatTemplate }), `${index}Hello`);
      }
    }
  });

  test('is refused where it is none, or beside the name of another', async () => {
    for (const chatTemplate of ['', 5, {}]) {
      const error = await failure(engine.render(messages, { chatTemplate: /** @type {any} */ (chatTemplate) }));
      assert.deepEqual([error.code, error.details.option], ['INVALID_ARGUMENT', 'chatTemplate']);
    }
    const both = await failure(engine.render(messages, { chatTemplate: TEMPLATE, template: 'default' }));
    assert.deepEqual([both.code, both.details.option], ['INVALID_ARGUMENT', 'template']);
  });
});

describe('an answer that was cut within thoughts which the prompt has opened', () => {
  const text = { chatTemplate: THINKING };
  const choice = { ...text, temperature: 0, ignoreEos: true };
  const continued = (/** @type {string} */ content) => ({
    messages: [...messages, { role: 'assistant', content }],
    continueLast: true,
    ...text,
  });

  test('is continued with the tag once, whether or not the answer has it', async () => {
    const expected = '[user] Hello\n[assistant] <think>\nI think';
    for (const content of ['<think>\nI think', 'I think'])
      assert.equal(
        await engine.render([...messages, { role: 'assistant', content }], {
          chatTemplate: THINKING,
          continueLast: true,
        }),
        expected,
      );
    // Thoughts that have ended stay ended.
    const whole = '<think>\nI think</think>So';
    assert.match(
      await engine.render([...messages, { role: 'assistant', content: whole }], {
        chatTemplate: THINKING,
        continueLast: true,
      }),
      /\[assistant\] <think>\nI think<\/think>So$/,
    );
  });

  test('goes on as if it had not been cut, and computes nothing anew', async () => {
    const whole = await engine.complete({ messages, ...choice, maxTokens: 24 }).result;
    const first = await engine.complete({ messages, ...choice, maxTokens: 12, reusePrefix: false }).result;
    /** @type {string | undefined} */
    let opening;
    const rest = engine.complete({
      ...continued(`<think>\n${first.text}`),
      ...choice,
      maxTokens: 12,
      onPrefill: (progress) => {
        opening = progress.opening;
      },
    });
    const { text: more, reusedTokens } = await rest.result;
    // The text of random weights need not become the same tokens again; what it says does.
    assert.equal(
      await engine.countTokens(continued(`<think>\n${first.text}`)),
      await engine.countTokens(continued(first.text)),
    );
    assert.ok(reusedTokens >= (await engine.countTokens({ messages, chatTemplate: THINKING })));
    assert.equal(opening, '');
    assert.equal(typeof more, 'string');
    assert.ok(whole.text.startsWith(first.text));
  });
});
