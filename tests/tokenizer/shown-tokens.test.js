// Control tokens are no text, but for those around a model's thoughts and its calls of tools.
import assert from 'node:assert/strict';
import test from 'node:test';
import { createEngine } from '../../js/index.node.js';
import { isShown } from '../../js/tokenizer/shown-tokens.js';
import { END, scriptedModel, TYPES } from '../scripted-model.js';

const FIRST = 258;
const byte = (/** @type {string} */ text) => text.charCodeAt(0);

/**
 * What a model writes behind a chat's prompt.
 * @param {string[]} answer letters, and names of control tokens
 * @param {{ stop?: string }} [options]
 */
async function written(answer, options = {}) {
  const names = answer.filter((piece) => piece.length > 1);
  const idOf = (/** @type {string} */ piece) => (piece.length > 1 ? FIRST + names.indexOf(piece) : byte(piece));
  const tokens = [byte(':'), ...answer.map(idOf), END];
  const next = new Map(tokens.slice(0, -1).map((token, place) => [token, tokens[place + 1]]));
  /** @returns {Record<number, number>} */
  const script = (/** @type {number} */ token) => {
    const following = next.get(token);
    return following === undefined ? {} : { [following]: 50 };
  };
  const bytes = scriptedModel({ script, special: names.map((text) => ({ text, type: TYPES.control })) });
  const engine = await createEngine({ model: new Blob([Uint8Array.from(bytes)]), store: null, threads: 1 });
  try {
    const messages = [{ role: 'user', content: 'x' }];
    const completion = engine.complete({ messages, temperature: 0, maxTokens: 40, ...options });
    let streamed = '';
    for await (const { text } of completion) streamed += text;
    const { text, stopString } = await completion.result;
    assert.equal(streamed, text);
    // What a user says of them is text.
    const said = await engine.tokenize(names.join(' '), { addSpecial: false, parseSpecial: false });
    assert.ok(said.every((token) => token < FIRST || token >= FIRST + names.length));
    return { text, stopString };
  } finally {
    await engine.unload();
  }
}

test('thoughts and calls can be told from the answer', async () => {
  const thinks = ['[THINK]', 'h', 'm', '[/THINK]', 'y', '[TOOL_CALLS]', 'f', '[ARGS]', '{', '}'];
  assert.equal((await written(thinks)).text, '[THINK]hm[/THINK]y[TOOL_CALLS]f[ARGS]{}');
  const calls = ['a', '<|python_tag|>', 'f', '<|eot|>', 'b', '<|START_ACTION|>', 'c', '<|END_ACTION|>'];
  assert.equal((await written(calls)).text, 'a<|python_tag|>fb<|START_ACTION|>c<|END_ACTION|>');
});

test('they are found as stop strings, beside others that are not shown', async () => {
  const answer = ['[THINK]', 'h', '[/THINK]', 'y', '<|turn_end|>', 'z'];
  const found = (/** @type {string} */ stop) => written(answer, { stop });
  assert.deepEqual(await found('[/THINK]'), { text: '[THINK]h', stopString: '[/THINK]' });
  assert.deepEqual(await found('h[/THINK]y'), { text: '[THINK]', stopString: 'h[/THINK]y' });
  assert.deepEqual(await found('<|turn_end|>'), { text: '[THINK]h[/THINK]y', stopString: '<|turn_end|>' });
  assert.deepEqual(await found('[/THINK]y<|turn_end|>z'), { text: '[THINK]h', stopString: '[/THINK]y<|turn_end|>z' });
});

test('are those of the models that have them', () => {
  const shown = [
    ...[
      '[THINK]',
      '[/THINK]',
      '[TOOL_CALLS]',
      '[CALL_ID]',
      '[ARGS]',
      '<|python_tag|>',
      '<|tool_call|>',
      '<|/tool_call|>',
    ],
    ...[
      '<think>',
      '</think>',
      '<tool_call>',
      '<|START_THINKING|>',
      '<|END_ACTION|>',
      '<|thought_start|>',
      '<|action_end|>',
    ],
    ...['<｜tool▁calls▁begin｜>', '<｜tool▁call▁end｜>', '<｜tool▁sep｜>', '<|tool_calls_section_begin|>'],
  ];
  const hidden = [
    ...[
      '<s>',
      '</s>',
      '<|im_start|>',
      '<|im_end|>',
      '<|eot_id|>',
      '<|start_header_id|>',
      '<end_of_turn>',
      '[INST]',
      '[/INST]',
    ],
    ...[
      '[TOOL_RESULTS]',
      '[AVAILABLE_TOOLS]',
      '<|tool_response|>',
      '<|START_RESPONSE|>',
      '<|END_OF_TURN_TOKEN|>',
      '<|end|>',
    ],
    ...[
      '<｜Assistant｜>',
      '<｜end▁of▁sentence｜>',
      '<|endoftext|>',
      '<|nothink|>',
      '<unused1>',
      '<|reserved_special_token_7|>',
    ],
  ];
  assert.deepEqual(shown.filter(isShown), shown);
  assert.deepEqual(hidden.filter(isShown), []);
});

test('an answer that is cut within thoughts is continued from the tokens that the model wrote', async () => {
  const [THINK, CLOSE] = [FIRST, FIRST + 1];
  /** @type {Map<number, number>} */
  const next = new Map([
    [byte(':'), THINK],
    [THINK, byte('h')],
    [byte('h'), byte('m')],
    [byte('m'), CLOSE],
    [CLOSE, byte('y')],
    [byte('y'), END],
  ]);
  /** @returns {Record<number, number>} */
  const script = (/** @type {number} */ token) => {
    const following = next.get(token);
    return following === undefined ? {} : { [following]: 50 };
  };
  const special = ['[THINK]', '[/THINK]'].map((text) => ({ text, type: TYPES.control }));
  const bytes = scriptedModel({ script, special });
  const engine = await createEngine({ model: new Blob([Uint8Array.from(bytes)]), store: null, threads: 1 });
  try {
    const question = { role: 'user', content: 'x' };
    let session = engine.session;
    const whole = await session.complete({ messages: [question], temperature: 0 });
    assert.equal(whole.text, '[THINK]hm[/THINK]y');
    const all = await session.tokens();
    /** @param {string} content */
    const more = (content) =>
      session.complete({
        messages: content === '' ? [question] : [question, { role: 'assistant', content }],
        continueLast: content !== '',
        temperature: 0,
        maxTokens: 1,
      });
    let text = '';
    for (let i = 0; i < 5; i++) {
      text += (await more(text)).text;
      session = await session.fork();
    }
    assert.equal(text, whole.text);
    const { finishReason } = await more(text);
    assert.equal(finishReason, 'stop');
    assert.deepEqual(await session.tokens(), all);
    // What somebody else says in the model's place is text, and so is what a stop string has cut.
    await more('[THINK]other');
    assert.ok(!(await session.tokens()).includes(THINK));
    const cut = await session.complete({ messages: [question], temperature: 0, stop: 'm' });
    await more(cut.text);
    assert.ok(!(await session.tokens()).includes(byte('m')));
  } finally {
    await engine.unload();
  }
});
