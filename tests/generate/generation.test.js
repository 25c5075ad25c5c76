// What an answer is made of and how it ends, on models that write what a script says.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { createEngine } from '../../js/index.node.js';
import { code } from '../errors.js';
import { holdPrompts } from '../held-prompt.js';
import { BEGIN, END, scriptedModel, TYPES } from '../scripted-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

/** @param {string} character */
const id = (character) => character.charCodeAt(0);
const GREEDY = { temperature: 0 };
const CHAT = [{ role: 'user', content: 'hi' }];

/** @type {Engine[]} */
const engines = [];
after(() => Promise.all(engines.map((engine) => engine.unload())));

/** @param {Parameters<typeof scriptedModel>[0]} what */
async function open(what, options = {}) {
  const engine = await createEngine({ model: scriptedModel(what), threads: 1, ...options });
  engines.push(engine);
  return engine;
}

/** A script that writes these tokens one after the other, and then the last one for ever. @param {number[]} tokens */
const inOrder = (tokens) => (/** @type {number} */ last) => ({
  [tokens[Math.min(tokens.indexOf(last) + 1, tokens.length - 1)]]: 20,
});

describe('the order of the sampler', async () => {
  // One token of logit 12, one of 10, and 200 of 7.
  const row = Object.fromEntries(Array.from({ length: 202 }, (_, i) => [i + 1, [12, 10][i] ?? 7]));
  const engine = await open({ script: () => row });
  /** @param {{ temperature: number }} options */
  const distinct = async (options) => {
    const sampling = { topK: 0, topP: 1, minP: 0, seed: 1, maxTokens: 400, ignoreEos: true, ...options };
    return new Set((await engine.complete({ tokens: [97], ...sampling }).result).tokens).size;
  };

  for (const [name, filter] of untyped([
    ['min-p', { minP: 0.1 }],
    ['top-p', { topP: 0.5 }],
    ['top-k', { topK: 2 }],
  ])) {
    test(`${name} keeps as many tokens at temperature 3 as at 1`, async () => {
      assert.ok((await distinct({ temperature: 3 })) > 150, 'without a filter all come');
      const hot = await distinct({ temperature: 3, ...filter });
      assert.equal(hot, filter.topP ? await distinct({ temperature: 30, ...filter }) : 2);
      assert.ok((await distinct({ temperature: 1, ...filter })) <= hot);
    });
  }
});

describe('forbidden tokens', async () => {
  const engine = await open({ script: () => ({ 97: 5 }) });
  const { vocabularySize } = engine.info;
  /** @param {number[]} [keep] */
  const forbid = (keep = []) =>
    Object.fromEntries(
      Array.from({ length: vocabularySize }, (_, token) => [token, -Infinity]).filter(
        ([token]) => !keep.includes(token),
      ),
    );

  test('where all are forbidden, that is an error, and the engine goes on', async () => {
    for (const ignoreEos of [false, true]) {
      const options = { prompt: 'x', maxTokens: 3, ignoreEos };
      await assert.rejects(engine.complete({ ...options, logitBias: forbid() }).result, code('NO_TOKEN_ALLOWED'));
    }
    const only = { prompt: 'x', maxTokens: 3, logitBias: forbid([END]) };
    assert.equal((await engine.complete(only).result).finishReason, 'stop');
    await assert.rejects(engine.complete({ ...only, ignoreEos: true }).result, code('NO_TOKEN_ALLOWED'));
    assert.equal((await engine.complete({ prompt: 'x', maxTokens: 3, ...GREEDY }).result).text, 'aaa');
  });

  test('nothing is computed for such a prompt', async () => {
    let told = 0;
    const options = { prompt: 'a prompt', logitBias: forbid(), onPrefill: () => told++ };
    await assert.rejects(engine.complete(options).result, code('NO_TOKEN_ALLOWED'));
    assert.equal(told, 0);
  });

  test('the only one that is left comes, however unlikely it is', async () => {
    const { tokens } = await engine.complete({ prompt: 'x', maxTokens: 4, logitBias: forbid([98]) }).result;
    assert.deepEqual(tokens, [98, 98, 98, 98]);
  });
});

describe('a model that computes NaN', async () => {
  const nan = id('n');
  const model = { script: (/** @type {number} */ last) => ({ [last === id('a') ? nan : id('a')]: 20 }), nanAfter: nan };
  /** @param {NibbleError} error */
  const isTold = (error) => code('MODEL_COMPUTES_NAN')(error) && /NaN.* Fetch the file again/.test(error.message);

  for (const [way, options] of Object.entries({
    'in memory': {},
    'by reference kernels': { kernelSet: 'reference' },
  })) {
    test(`is told of where it does, and the engine goes on, ${way}`, async () => {
      const engine = await open(model, options);
      for (const more of [GREEDY, { temperature: 1 }, { ...GREEDY, logitBias: { 5: 3 } }]) {
        const completion = engine.complete({ prompt: 'xa', maxTokens: 9, ...more });
        let text = '';
        const stream = async () => {
          for await (const piece of completion) text += piece.text;
        };
        await assert.rejects(stream(), isTold);
        await assert.rejects(completion.result, isTold);
        assert.equal(text, 'n', 'what came before has been told');
      }
      const tokens = [...'xan'].map(id);
      await assert.rejects(engine.evaluate(tokens), isTold);
      await assert.rejects(engine.score([...tokens, id('b')]), isTold);
      assert.ok((await engine.score(tokens)).every(Number.isFinite));
      const forbidden = Object.fromEntries(
        Array.from({ length: engine.info.vocabularySize }, (_, i) => [i, -Infinity]),
      );
      const none = engine.complete({ tokens, logitBias: forbidden }).result;
      await assert.rejects(none, code('NO_TOKEN_ALLOWED'));
      assert.equal((await engine.complete({ prompt: 'x', maxTokens: 2, ...GREEDY }).result).text, 'an');
    });
  }
});

test('what cannot be sent to the worker is told of in a sentence with one end', async () => {
  const engine = await open({ script: () => ({ 97: 5 }) });
  const messages = [{ role: 'user', content: 'x', extra: () => {} }];
  await assert.rejects(
    engine.complete({ messages }).result,
    (/** @type {NibbleError} */ error) =>
      code('INVALID_ARGUMENT')(error) && /could not be cloned\.$/.test(error.message),
  );
});

describe('stop strings with control tokens', async () => {
  const special = [
    { text: '<|over|>', type: TYPES.control },
    { text: '<|name|>', type: TYPES.control },
  ];
  const [over, name] = [258, 259];
  const engine = await open({ special, script: inOrder([...'ab'].map(id).concat(over, name, ...[...'cd'].map(id))) });
  /** @param {string[]} stop */
  const answer = async (stop, more = {}) => {
    const completion = engine.complete({ prompt: 'x', maxTokens: 9, stop, ...GREEDY, ...more });
    let streamed = '';
    for await (const { text } of completion) streamed += text;
    const result = await completion.result;
    assert.equal(streamed, result.text);
    return [result.finishReason, result.stopString, result.text];
  };

  test('the text of a control token ends the answer where the token comes', async () => {
    assert.deepEqual(await answer([]), ['length', null, 'abcddddd'.slice(0, 7)]);
    assert.deepEqual(await answer(['<|over|>']), ['stop', '<|over|>', 'ab']);
    assert.deepEqual(await answer(['<|name|>']), ['stop', '<|name|>', 'ab']);
  });

  test('so does text together with control tokens', async () => {
    assert.deepEqual(await answer(['b<|over|>']), ['stop', 'b<|over|>', 'a']);
    assert.deepEqual(await answer(['<|over|><|name|>c']), ['stop', '<|over|><|name|>c', 'ab']);
    assert.deepEqual(await answer(['<|name|>cx']), ['length', null, 'abcdddd']);
  });

  test('text is found beside them, across what is not seen', async () => {
    assert.deepEqual(await answer(['bc', '<|over|>x']), ['stop', 'bc', 'a']);
    assert.deepEqual(await answer(['cd', '<|name|>']), ['stop', '<|name|>', 'ab']);
    assert.deepEqual(await answer(['b', '<|over|>']), ['stop', 'b', 'a']);
  });

  test('the same text ends it where it is written out in letters', async () => {
    const written = await open({ special, script: inOrder([...'ab<|over>'].map(id)) });
    const { finishReason, text } = await written.complete({
      ...{ prompt: 'x', stop: ['<|name|>', '|o'], maxTokens: 20, ...GREEDY },
    }).result;
    assert.deepEqual([finishReason, text], ['stop', 'ab<']);
  });

  test('half a character is no stop string', async () => {
    await assert.rejects(untyped(engine.complete({ prompt: 'x', stop: ['\ud83d'] })), code('INVALID_ARGUMENT'));
  });
});

describe('penalties', async () => {
  const special = [
    { text: '<think>', type: TYPES.userDefined },
    { text: '\n\n', type: TYPES.userDefined },
  ];
  const [think, gap] = [258, 259];
  // Behind '.', '-', '+' and '*' a marker is somewhat likelier than the letter 'z'.
  /** @type {Record<string, number>} */
  const after = { '.': END, '-': think, '+': gap, '*': id('y') };
  /** @param {number} last */
  const script = (last) => {
    const marker = after[String.fromCharCode(last)];
    return marker === undefined ? { [id('z')]: 5 } : { [marker]: 10, [id('z')]: 9 };
  };
  const engine = await open({ special, script });
  const penalties = [{ repetitionPenalty: 1.3 }, { presencePenalty: 2 }, { frequencyPenalty: 2 }];
  /** @param {string} prompt @param {object} options */
  const next = async (prompt, options) => {
    const tokens = await engine.tokenize(prompt, { parseSpecial: true });
    const result = await engine.complete({ tokens, maxTokens: 1, ...GREEDY, ...options }).result;
    return result.finishReason === 'stop' ? END : result.tokens[0];
  };

  for (const penalty of penalties) {
    for (const penaltyWindow of [0, 64]) {
      test(`${JSON.stringify({ ...penalty, penaltyWindow })} lets turns end, and touches texts`, async () => {
        const options = { ...penalty, penaltyWindow };
        assert.equal(await next('<|end|>a<|end|>b<|end|>c.', options), END);
        assert.equal(await next('<think>a<think>b-', options), think);
        assert.equal(await next('\n\na\n\nb+', options), id('z'));
        assert.equal(await next('yyy*', options), id('z'));
        assert.equal(await next('*', options), id('y'));
      });
    }
  }

  test('markers take no place in the window', async () => {
    const prompt = `y${'<|end|>'.repeat(20)}*`;
    assert.equal(await next(prompt, { presencePenalty: 2, penaltyWindow: 2 }), id('z'));
    assert.equal(await next(`y${'a'.repeat(20)}*`, { presencePenalty: 2, penaltyWindow: 2 }), id('y'));
  });

  test('a chat of many turns ends its answer', async () => {
    /** @param {number} last */
    const script = (last) => (last === id('.') ? { [END]: 10, [id('z')]: 9 } : { [id('.')]: 20 });
    const chat = await open({ script });
    const messages = Array.from({ length: 9 }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: 'ok.' }));
    for (const penalty of penalties) {
      const { finishReason } = await chat.complete({ messages, maxTokens: 8, ...GREEDY, ...penalty }).result;
      assert.equal(finishReason, 'stop');
    }
  });
});

describe('half characters', async () => {
  const emoji = [...Buffer.from('😀')];
  // Writes a smile, an end, and begins anew where a text is given.
  /** @param {number} last */
  const script = (last) => ({ [last === emoji[3] ? END : (emoji[emoji.indexOf(last) + 1] ?? emoji[0])]: 20 });
  const engine = await open({ script });

  test('an answer that is cut within one ends with a whole one, and continueLast writes it anew', async () => {
    for (let maxTokens = 1; maxTokens <= 4; maxTokens++) {
      const cut = await engine.complete({ messages: CHAT, ...GREEDY, maxTokens }).result;
      assert.equal(cut.text, maxTokens < 4 ? '' : '😀');
      assert.equal(cut.completionTokens, maxTokens);
      if (maxTokens === 4) continue;
      const messages = [...CHAT, { role: 'assistant', content: cut.text }];
      const rest = await engine.complete({ messages, continueLast: true, ...GREEDY }).result;
      assert.equal(cut.text + rest.text, '😀');
    }
  });

  test('an answer of a token or a few at a time gets past it, on the session that it is on', async () => {
    const text = await open({
      /** @param {number} last */
      script: (last) => (last === id('!') ? { [emoji[0]]: 20 } : last === id(':') ? { [id('!')]: 20 } : script(last)),
    });
    for (let maxTokens = 1; maxTokens <= 4; maxTokens++) {
      const session = await text.createSession();
      let content = '';
      let finishReason = 'length';
      for (let calls = 0; finishReason === 'length' && calls < 8; calls++) {
        const messages = calls === 0 ? CHAT : [...CHAT, { role: 'assistant', content }];
        const continueLast = calls > 0;
        const completion = session.complete({ messages, continueLast, ...GREEDY, maxTokens });
        let streamed = '';
        for await (const piece of completion) streamed += piece.text;
        const result = await completion.result;
        assert.equal(streamed, result.text);
        assert.equal('half' in result, false);
        content += result.text;
        finishReason = result.finishReason;
      }
      assert.deepEqual([content, finishReason], ['!😀', 'stop'], `${maxTokens} at a time`);
      await session.close();
    }
  });

  test('a fork goes on with it as its session does', async () => {
    let session = await engine.createSession();
    let content = '';
    for (let calls = 0; calls < 4; calls++) {
      const messages = calls === 0 ? CHAT : [...CHAT, { role: 'assistant', content }];
      const options = { messages, continueLast: calls > 0, ...GREEDY, maxTokens: 1 };
      content += (await session.complete(options).result).text;
      const fork = await session.fork();
      await session.close();
      session = fork;
    }
    assert.equal(content, '😀');
    await session.close();
  });

  test('what was begun is not added to another text', async () => {
    const session = await engine.createSession();
    assert.equal((await session.complete({ messages: CHAT, ...GREEDY, maxTokens: 2 }).result).text, '');
    const other = [...CHAT, { role: 'assistant', content: 'Other' }];
    const { text } = await session.complete({ messages: other, continueLast: true, ...GREEDY }).result;
    assert.equal(text, '😀');
    await session.close();
  });

  test('the pieces make up the text, whichever way it ends', async () => {
    const ends = [
      { maxTokens: 2 },
      { maxTokens: 7, ignoreEos: true },
      { maxTokens: 7, ignoreEos: true, stop: ['😁'] },
      { tokens: Array(510).fill(97), prompt: undefined },
    ];
    for (const options of ends) {
      const completion = engine.complete({ prompt: 'x', ...GREEDY, ...options });
      let streamed = '';
      for await (const { text } of completion) streamed += text;
      const { text } = await completion.result;
      assert.equal(streamed, text);
      assert.ok(!text.includes('\uFFFD'), JSON.stringify(text));
    }
  });

  test('so it is where it is stopped', async () => {
    const completion = engine.complete({ prompt: 'x', ...GREEDY, ignoreEos: true, onFull: 'drop-oldest' });
    let pieces = 0;
    for await (const _ of completion) if (++pieces === 6) break;
    const { finishReason, text } = await completion.result;
    assert.equal(finishReason, 'cancelled');
    assert.match(text, /^(😀\0)*😀?$/u);
  });

  test('one that a control token cuts off is U+FFFD once, in the pieces as in the text, and before its stop string', async () => {
    const MARK = 258;
    const special = [{ text: '<|mark|>', type: TYPES.control }];
    const cutting = await open({ special, script: inOrder([id('x'), emoji[0], emoji[1], MARK, emoji[2], id('a')]) });
    const begun = { prompt: 'x' };
    // Behind a prompt that ends in the mark nothing of the half before it is gone on with.
    const behind = { tokens: [id('x'), emoji[0], emoji[1], MARK] };
    for (const [start, stop, expected] of /** @type {[object, string[], string][]} */ ([
      [begun, [], '\uFFFD\uFFFDa'],
      [begun, ['\uFFFD'], ''],
      [begun, ['<|mark|>'], '\uFFFD'],
      [behind, [], '\uFFFDaaaa'],
    ])) {
      const completion = cutting.complete({ ...start, ...GREEDY, stop, maxTokens: 5 });
      let streamed = '';
      for await (const { text } of completion) streamed += text;
      const { text } = await completion.result;
      assert.deepEqual([streamed, text], [expected, expected], JSON.stringify([start, stop]));
    }
  });

  test('a token of half a character is shown by the names of its bytes', async () => {
    assert.deepEqual(await engine.detokenize([97, emoji[0], emoji[1]], { each: true }), ['a', '<0xF0>', '<0x9F>']);
    const { top } = await engine.evaluate([97], { top: 1 });
    assert.equal(top[0].token, '<0xF0>');
  });
});

describe('a completion under way', async () => {
  const engine = await open({ script: inOrder([...'abcdef'].map(id).concat(END)) });

  test('gives all tokens to every iteration, during it and afterwards', async () => {
    const completion = engine.complete({ prompt: 'x', ...GREEDY });
    const collect = async () => {
      const texts = [];
      for await (const { text } of completion) texts.push(text);
      return texts.join('');
    };
    assert.deepEqual(await Promise.all([collect(), collect()]), ['abcdef', 'abcdef']);
    assert.equal(await collect(), 'abcdef');
    assert.equal((await completion.result).finishReason, 'stop');
  });

  test('every iteration learns of an error', async () => {
    const completion = engine.complete({ tokens: Array(1000).fill(97) });
    for (let time = 0; time < 2; time++) {
      await assert.rejects(async () => {
        for await (const _ of completion);
      }, code('CONTEXT_FULL'));
    }
  });

  test('tells what was reused also where it is cancelled in its prompt', async () => {
    const { workerUrl, within } = holdPrompts();
    const held = await open({ script: inOrder([id('a'), END]) }, { workerUrl });
    // A cancel that comes only when the prompt is done is no fault: on a crowded machine that was seen.
    for (let attempt = 0; attempt < 10; attempt++) {
      const tokens = Array.from({ length: 400 }, (_, i) => 97 + ((i + attempt) % 20));
      await held.complete({ tokens: tokens.slice(0, 100), maxTokens: 1 }).result;
      const session = await held.createSession();
      const completion = session.complete({ tokens, onPrefill: within(() => completion.stop()) });
      const { finishReason, reusedTokens, completionTokens, prefill } = await completion.result;
      await session.close();
      if (finishReason !== 'cancelled') continue;
      assert.equal(completionTokens, 0);
      assert.ok(reusedTokens >= 99 && reusedTokens <= 101, `${reusedTokens} reused`);
      assert.ok(prefill.tokens > 0 && reusedTokens + prefill.tokens < tokens.length, `${prefill.tokens} computed`);
      return;
    }
    assert.fail('No prompt was cancelled.');
  });
});

test('the first token of a text may be the marker that begins it', async () => {
  const engine = await open({ script: () => ({ [BEGIN]: 20 }) });
  const { text, completionTokens } = await engine.complete({ prompt: 'x', maxTokens: 2, ...GREEDY }).result;
  assert.deepEqual([text, completionTokens], ['', 2]);
});
