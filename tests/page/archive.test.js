// Conversations as a JSON file: what is written, and what of a file is taken.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ArchiveError, readArchive, writeArchive } from '../../web/conversations/archive.js';
import { untyped } from '../untyped.js';

describe('an archive', () => {
  const message = { id: 'm', role: 'user', content: 'Hi', createdAt: 3 };
  const conversation = {
    id: 'c',
    title: 'T',
    renamed: false,
    createdAt: 1,
    updatedAt: 2,
    start: 0,
    messages: [message],
  };

  test('reads what it has written', () => {
    assert.deepEqual(readArchive(writeArchive(untyped([conversation]))), [conversation]);
  });

  test('keeps all that is told of an answer', () => {
    const told = {
      model: 'M',
      reasoningMilliseconds: 5,
      droppedTokens: 7,
      speed: { prefill: 1, decode: 2, tokens: 3 },
    };
    const answer = { ...message, id: 'a', role: 'assistant', finish: 'stop', ...told };
    const answered = { ...conversation, messages: [message, answer] };
    assert.deepEqual(readArchive(writeArchive(untyped([answered]))), [answered]);
  });

  test('takes only what a conversation is made of', () => {
    const changed = {
      ...conversation,
      extra: 1,
      start: 99,
      messages: [{ ...message, html: '<b>', speed: { prefill: 'x' } }],
    };
    assert.deepEqual(readArchive(writeArchive(untyped([changed]))), [conversation]);
  });

  test('gives the second of two messages that have one id another, which no third has', () => {
    const ids = ['m', 'm', 'message-1', 'message-2', 'm', 'x', 'message-2'];
    const messages = ids.map((id, at) => ({ ...message, id, content: `${at}` }));
    const [read] = readArchive(writeArchive(untyped([{ ...conversation, messages }])));
    assert.equal(new Set(read.messages.map(({ id }) => id)).size, ids.length);
    assert.deepEqual(
      [0, 2, 3, 5].map((at) => read.messages[at].id),
      ['m', 'message-1', 'message-2', 'x'],
    );
    assert.deepEqual(
      read.messages.map(({ content }) => content),
      ids.map((_, at) => `${at}`),
    );
  });

  test('takes no moment that no date can tell', () => {
    const changed = { ...conversation, createdAt: 1e16, updatedAt: 1e300, messages: [{ ...message, createdAt: 1e16 }] };
    const [read] = readArchive(writeArchive(untyped([changed])));
    for (const time of [read.createdAt, read.updatedAt, read.messages[0].createdAt])
      assert.ok(time <= Date.now(), untyped(time));
  });

  test('refuses half a character for an id, which no address can have', () => {
    const message = { name: 'ArchiveError', code: 'ARCHIVE_DAMAGED' };
    assert.throws(() => readArchive(writeArchive(untyped([{ ...conversation, id: '\ud800' }]))), message);
  });

  for (const broken of ['null', '[]', '{}', '{"format":"nibble-conversations","version":1,"conversations":{}}']) {
    test(`refuses ${broken}`, () => assert.throws(() => readArchive(broken), ArchiveError));
  }
});
