// Pieces of a prompt, with a session that only notes what it is asked for.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Timeline } from '../../js/generate/timeline.js';

const turn = { next: async () => {} };

function noted(model) {
  const pieces = [];
  const session = {
    tokens: [],
    async evaluate(tokens) {
      pieces.push(tokens.length);
      return null;
    },
  };
  const timeline = new Timeline({ info: { contextSize: 10_000 }, ...model }, { session });
  return { timeline, pieces };
}

async function piecesOf(count, { most, ...options }) {
  const { timeline, pieces } = noted({ mostTokens: most });
  await timeline.append(Array(count).fill(1), { turn, ...options });
  assert.equal(timeline.length, count);
  return pieces;
}

test('a prompt that does not fit a batch is split evenly, in whole panels', async () => {
  const whole = { most: 128, wholeBatches: true };
  assert.deepEqual(await piecesOf(128, whole), [128]);
  assert.deepEqual(await piecesOf(129, whole), [68, 61]);
  assert.deepEqual(await piecesOf(257, whole), [88, 88, 81]);
  assert.deepEqual(await piecesOf(35, { ...whole, most: 6 }), [6, 6, 6, 6, 6, 5]);
  assert.deepEqual(await piecesOf(2, { ...whole, most: 1 }), [1, 1]);
});

test('pieces that are cut by time are whole panels, and the last of them is not much shorter', async () => {
  for (const count of [33, 65, 129, 1000]) {
    const pieces = await piecesOf(count, { most: 128 });
    const last = pieces.pop();
    assert.equal(
      pieces.reduce((sum, piece) => sum + piece, last),
      count,
    );
    assert.ok(
      pieces.every((piece) => piece % 4 === 0),
      String(pieces),
    );
    assert.ok(last >= 13, `the last piece has ${last} tokens`);
  }
});
