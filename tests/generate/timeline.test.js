// Pieces of a prompt, with a session that only notes what it is asked for.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Timeline } from '../../js/generate/timeline.js';
import { untyped } from '../untyped.js';

const scheduler = { nextTask: async () => {}, close() {} };

/** @param {any} model @param {number} milliseconds */
function noted(model, milliseconds) {
  /** @type {any[]} */
  const pieces = [];
  const session = {
    tokens: [],
    /** @param {number[]} tokens */
    async evaluate(tokens) {
      pieces.push(tokens.length);
      for (const begin = performance.now(); performance.now() - begin < milliseconds * tokens.length; );
      return null;
    },
  };
  const timeline = new Timeline({ info: { contextSize: 10_000 }, ...model }, untyped({ session }));
  return { timeline, pieces };
}

/** @param {number} count @param {{ most: number, milliseconds?: number, [rest: string]: any }} options */
async function piecesOf(count, { most, milliseconds = 0, ...options }) {
  const { timeline, pieces } = noted({ mostTokens: most }, milliseconds);
  await timeline.append(Array(count).fill(1), { scheduler, ...options });
  assert.equal(timeline.length, count);
  return pieces;
}

test('pieces of whole batches are batches', async () => {
  assert.deepEqual(await piecesOf(131, { most: 128, wholeBatches: true }), [128, 3]);
  assert.deepEqual(await piecesOf(35, { most: 6, wholeBatches: true }), [6, 6, 6, 6, 6, 5]);
});

test('pieces that are cut by time are whole panels, but for the last', async () => {
  for (const count of [33, 65, 129, 1000]) {
    // However long the moment takes.
    for (const milliseconds of [0, 0.5, 0.9, 1.3]) {
      const pieces = await piecesOf(count, { most: 128, milliseconds });
      assert.equal(
        pieces.reduce((sum, piece) => sum + piece, 0),
        count,
      );
      assert.ok(
        pieces.slice(0, -1).every((piece) => piece >= 32 && piece % 4 === 0),
        String(pieces),
      );
    }
  }
});
