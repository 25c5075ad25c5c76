// What addresses of Hugging Face's hub name, what names of files tell, and which file of a repository is taken.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { filesOfType, joinParts, problemOf, recommend, typeOf } from '../../js/hub/files.js';
import { readHubAddress } from '../../js/index.node.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../hub-server.js').Hub} Hub */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

const TOKEN = 'hf_secret';

test('what is no text is no address of the hub', () => {
  for (const value of [null, undefined, Number.NaN, 5, {}, Symbol('x')])
    assert.equal(readHubAddress(untyped(value)), null);
});

describe('an address of the hub', () => {
  const file = { repository: 'owner/name', revision: 'main', path: 'x.gguf', type: null };
  const url = 'https://huggingface.co/owner/name/resolve/main/x.gguf';

  for (const text of [
    'https://huggingface.co/owner/name/blob/main/x.gguf',
    'https://huggingface.co/owner/name/resolve/main/x.gguf?download=true',
    'https://huggingface.co/owner/name/raw/main/x.gguf#part',
    'https://huggingface.co/owner/name/tree/main/x.gguf',
    'https://huggingface.co/owner/name?show_file_info=x.gguf',
    'https://hf.co/owner/name/resolve/main/x.gguf',
    'http://www.huggingface.co/owner/name/blob/main/x.gguf',
    'huggingface.co/owner/name/blob/main/x.gguf',
    'hf.co/owner/name/x.gguf',
    ' HF.co/owner/name/x.gguf\n',
  ]) {
    test(`names the file behind it: ${text.trim()}`, () => {
      const { isBare, page, ...found } = present(readHubAddress(text));
      assert.deepEqual(found, { ...file, url });
      assert.deepEqual([isBare, page], [false, 'https://huggingface.co/owner/name']);
    });
  }

  test('may name a repository, a type in it, a folder or a revision', () => {
    /** @param {string} text */
    const read = (text) => {
      const { repository, revision, path, type, isBare, url: none } = present(readHubAddress(text));
      assert.deepEqual([repository, none], ['owner/name', null], text);
      return [revision, path, type, isBare];
    };
    assert.deepEqual(read('owner/name'), ['main', '', null, true]);
    assert.deepEqual(read('owner/name:Q4_K_M'), ['main', '', 'Q4_K_M', true]);
    assert.deepEqual(read('owner/name:latest'), ['main', '', null, true]);
    assert.deepEqual(read('hf.co/owner/name:Q4_K_M'), ['main', '', 'Q4_K_M', false]);
    assert.deepEqual(read('https://huggingface.co/owner/name'), ['main', '', null, false]);
    assert.deepEqual(read('https://huggingface.co/owner/name/'), ['main', '', null, false]);
    assert.deepEqual(read('https://huggingface.co/owner/name/discussions/1'), ['main', '', null, false]);
    assert.deepEqual(read('https://huggingface.co/owner/name/tree/v2/Q4_K_M'), ['v2', 'Q4_K_M', null, false]);
  });

  test('keeps a revision and a path as they are written', () => {
    const odd = present(readHubAddress('https://huggingface.co/owner/name/blob/refs%2Fpr%2F1/a folder/x#1%3F.gguf'));
    assert.deepEqual([odd.revision, odd.path], ['refs/pr/1', 'a folder/x']);
    const { url: asked } = present(
      readHubAddress('https://huggingface.co/owner/name/blob/refs%2Fpr%2F1/a%20b/x%231.gguf'),
    );
    assert.equal(asked, 'https://huggingface.co/owner/name/resolve/refs%2Fpr%2F1/a%20b/x%231.gguf');
  });

  for (const text of [
    ...['model.gguf', 'models/model.gguf', './owner/name', '/owner/name', '../owner/name', 'a/b/c', 'C:\\owner\\name'],
    ...['https://example.org/owner/name', 'https://huggingface.co/', 'https://huggingface.co/gpt2', '', 'owner/'],
    ...[
      'https://huggingface.co/datasets/owner/name',
      'https://huggingface.co/spaces/owner/name',
      'hf.co/api/models/o/n',
    ],
    'https://huggingface.co.example.org/owner/name',
    'https://huggingface.co/owner/name/raw/main/..%2f..%2fapi/x.gguf',
    'https://huggingface.co/owner/name/blob/main/%ff.gguf',
    'file:///owner/name',
  ]) {
    test(`is something else: ${text}`, () => assert.equal(readHubAddress(text), null));
  }

  test('is asked for at another server that answers as the hub does', () => {
    const hub = { url: 'https://mirror.example/hub/' };
    for (const text of ['https://huggingface.co/owner/name/blob/main/x.gguf', 'hf.co/owner/name/x.gguf'])
      assert.equal(
        present(readHubAddress(text, { hub })).url,
        'https://mirror.example/hub/owner/name/resolve/main/x.gguf',
      );
    assert.equal(
      present(readHubAddress('https://mirror.example/hub/owner/name/blob/main/x.gguf', { hub })).path,
      'x.gguf',
    );
    assert.equal(readHubAddress('https://mirror.example/owner/name/blob/main/x.gguf', { hub }), null);
  });

  test('comes with options that are checked, and a token that is never shown', () => {
    /** @param {any} hub */
    const refuses = (hub) =>
      assert.throws(
        () => readHubAddress('owner/name', { hub }),
        (/** @type {NibbleError} */ error) => {
          assert.equal(error.code, 'INVALID_ARGUMENT');
          return !JSON.stringify(error).includes(TOKEN);
        },
      );
    for (const hub of [TOKEN, 1, { token: `${TOKEN}\n` }, { token: 1 }, { toke: TOKEN }, { url: 'ftp://a' }])
      refuses(hub);
    refuses({ url: 'http://mirror.example', token: TOKEN });
    assert.notEqual(readHubAddress('owner/name', { hub: { url: 'http://localhost:1', token: TOKEN } }), null);
  });
});

describe("a file's name", () => {
  const TYPES = {
    'Llama-3.2-1B-Instruct-Q4_K_M.gguf': 'Q4_K_M',
    'gemma-3-1b-it-q4_0.gguf': 'Q4_0',
    'Qwen3-8B-UD-Q4_K_XL.gguf': 'UD-Q4_K_XL',
    'model.IQ4_XS.gguf': 'IQ4_XS',
    'Q8_0/model.gguf': 'Q8_0',
    'model-i1-Q6_K.gguf': 'Q6_K',
    'model-fp16.gguf': 'F16',
    'Bonsai-8B-Q1_0.gguf': 'Q1_0',
    'gpt-MXFP4_MOE.gguf': 'MXFP4_MOE',
    'Qwen3-0.6B.gguf': null,
  };
  test('tells the type of its weights', () => {
    for (const [name, type] of Object.entries(TYPES)) assert.equal(typeOf(name), type, name);
  });

  test('is found as a path before it is one in a folder', () => {
    const files = ['x.gguf', 'Q8_0/x.gguf'].map((path) => ({ path, type: typeOf(path) }));
    assert.deepEqual(filesOfType(files, 'x.gguf'), [files[0]]);
  });

  test('tells towers, adapters and data from models', () => {
    for (const name of ['a/mmproj-model-f16.gguf', 'm.mmproj-Q8_0.gguf', 'imatrix.gguf', 'x-lora.gguf'])
      assert.equal(problemOf(name)?.code, 'MODEL_UNSUPPORTED', name);
    for (const name of [
      'm-Q8_0-00001-of-00002.gguf',
      'm-Q8_0-00001-of-00001.gguf',
      'm-imatrix-Q4_K_M.gguf',
      'flora-1b.gguf',
      'explorator.gguf',
    ])
      assert.equal(problemOf(name), null, name);
  });
});

describe('files of a repository that are parts', () => {
  /** @param {string} path */
  const file = (path, size = 1, sha256 = 'ab') => ({ path, bytes: size, sha256 });

  test('are one model, which the first stands for', () => {
    const [whole, parts, ...rest] = joinParts([
      file('m-Q4_0.gguf', 5),
      file('m-Q8_0-00002-of-00002.gguf', 3),
      file('m-Q8_0-00001-of-00002.gguf', 4),
    ]);
    assert.deepEqual(whole, { ...file('m-Q4_0.gguf', 5), parts: 1, partHashes: ['ab'], missing: null });
    assert.deepEqual(parts, {
      path: 'm-Q8_0-00001-of-00002.gguf',
      bytes: 7,
      sha256: null,
      parts: 2,
      partHashes: ['ab', 'ab'],
      missing: null,
    });
    assert.deepEqual(rest, []);
  });

  test('are told apart by folder, name and count', () => {
    const names = [
      'a/m-00001-of-00001.gguf',
      'a/m-00001-of-00002.gguf',
      'b/m-00002-of-00002.gguf',
      'b/n-00003-of-00003.gguf',
    ];
    const found = joinParts(names.map((name) => file(name)));
    assert.deepEqual(
      found.map(({ path, missing }) => [path, missing?.message.match(/missing (.*?)\. /)?.[1]]),
      [
        ['a/m-00001-of-00001.gguf', undefined],
        ['a/m-00001-of-00002.gguf', 'is "m-00002-of-00002.gguf"'],
        ['b/m-00001-of-00002.gguf', 'is "m-00001-of-00002.gguf"'],
        ['b/n-00001-of-00003.gguf', 'are "n-00001-of-00003.gguf", "n-00002-of-00003.gguf"'],
      ],
    );
  });

  test('are all meant by the address of any', () => {
    for (const number of ['00001', '00002', '00003'])
      assert.equal(
        present(readHubAddress(`hf.co/owner/name/a/m-${number}-of-00003.gguf`)).path,
        'a/m-00001-of-00003.gguf',
      );
    assert.equal(present(readHubAddress('hf.co/owner/name/m-00004-of-00003.gguf')).path, 'm-00004-of-00003.gguf');
  });
});

describe('the recommended file', () => {
  /** @param {...any} files */
  const take = (...files) =>
    recommend(
      files.map(([type, more]) => ({
        path: `${type}.gguf`,
        type,
        bytes: 1,
        fits: true,
        problem: null,
        tokensPerSecond: null,
        ...more,
      })),
    )?.type;
  const big = { fits: false };
  test('is Q4_K_M where that fits', () => {
    assert.equal(take(['Q8_0'], ['Q4_0'], ['Q4_K_M'], ['F16'], ['IQ1_S'], ['Q4_K_S']), 'Q4_K_M');
    assert.equal(take(['Q4_K_M', { problem: {} }], ['Q4_K_S']), 'Q4_K_S');
  });
  test('is the best that fits where it does not', () => {
    assert.equal(take(['Q4_K_M', big], ['IQ4_XS'], ['Q3_K_M'], ['Q2_K']), 'IQ4_XS');
    assert.equal(take(['Q4_K_M', big], ['IQ1_S'], ['Q3_K_S'], ['Q2_K']), 'Q3_K_S');
    assert.equal(take(['Q5_K_M'], ['Q8_0'], ['Q3_K_L']), 'Q5_K_M');
    assert.equal(take(['F16'], ['Q2_K']), 'F16');
  });
  test('has fewer than 3 bits only where nothing else fits, however slow that is', () => {
    assert.equal(take(['Q4_K_M', big], ['Q3_K_M', big], ['IQ2_M'], ['Q1_0']), 'IQ2_M');
    assert.equal(take(['Q1_0']), 'Q1_0');
    assert.equal(take(['Q4_K_M', { tokensPerSecond: 0.5 }], ['Q1_0', { tokensPerSecond: 5 }]), 'Q4_K_M');
  });
  test('is fast enough to talk to, where one is', () => {
    assert.equal(take(['Q4_K_M', { tokensPerSecond: 1.9 }], ['Q4_0', { tokensPerSecond: 2.1 }]), 'Q4_0');
  });
  test('is none where none fits, and none of a type that is not read', () => {
    assert.equal(take(['Q4_K_M', big]), undefined);
    assert.equal(take(['I2_S'], ['Q4_0_4_4']), undefined);
  });
});
