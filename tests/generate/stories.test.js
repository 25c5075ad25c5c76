// A real trained model, stories260K: its author's own output, and how well it predicts stories in each weight type.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { createEngine } from '../../js/index.node.js';
import { fixture, skipWithout } from '../fixtures.js';
import { present } from '../present.js';

describe('stories260K', () => {
  const folder = 'weights/stories260K';
  const skip = skipWithout(`${folder}/stories260K-F32.gguf`, `${folder}/expected_greedy_200.txt`);

  for (const exact of [false, true]) {
    test(`tells its author's story${exact ? ', in exact mode' : ''}`, { skip }, async () => {
      const stories = await createEngine({ model: present(fixture(`${folder}/stories260K-F32.gguf`)), exact });
      const { text } = await stories.complete({ prompt: '', temperature: 0, maxTokens: 200 }).result;
      await stories.unload();
      assert.equal(
        text,
        readFileSync(present(fixture(`${folder}/expected_greedy_200.txt`)), 'utf8').replace(/\n$/, ''),
      );
    });
  }

  const texts = 'text/tinystories_1000.json';
  const figures = `${folder}/expected_ppl.json`;

  for (const type of ['F32', 'Q8_0', 'Q4_0', 'Q4_1']) {
    const model = `${folder}/stories260K-${type}.gguf`;
    test(`predicts stories as well in ${type} as with float activations`, {
      skip: skipWithout(model, texts, figures),
    }, async () => {
      const { results } = JSON.parse(readFileSync(present(fixture(figures)), 'utf8'));
      const [, count, expected] = present(
        /tokens (\d+) nll\/token ([\d.]+)/.exec(results.find((/** @type {any} */ each) => each.type === type).nll),
      );
      const stories = JSON.parse(readFileSync(present(fixture(texts)), 'utf8')).slice(0, 200);
      const engine = await createEngine({ model: present(fixture(model)) });
      let sum = 0;
      let scored = 0;
      for (const story of stories) {
        const scores = await engine.score((await engine.tokenize(story)).slice(0, 256));
        for (const score of scores) sum -= score;
        scored += scores.length;
      }
      await engine.unload();
      assert.equal(scored, Number(count));
      assert.ok(
        Math.abs(sum / scored - Number(expected)) < 0.002,
        `${sum / scored} nats a token; ${expected} expected`,
      );
    });
  }
});
