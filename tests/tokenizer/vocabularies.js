// Vocabularies of each kind, made here, with texts to try them on: what token-ids.json records llama.cpp's ids for.
// The same on every machine: nothing but the lines below goes into them.

// What the merges are learnt from: words that come often, endings, numbers, other scripts, code.
const CORPUS = `the cat sat on the mat and the dog sat on the log while the rain came down on the town
there was once a small model that knew some words and said them again and again without an end
I'll say it's what they've done, we're here and he'd gone; don't you think that's how it isn't
12 345 6789 2024 1999 100 1000 10000 3.14 2.71 12:30 50% $5 €20
for (let i = 0; i < length; i++) { total += values[i]; } return total;
über straße naïve café señor año déjà vu größe être où
Привет мир как дела это было давно и далеко слова слова
日本語の文字 日本 中文字 中文 漢字 한국어 한국 말
the.end the.end the.end (the (the (the I'LL I'LL WE'VE WE'VE IT'S IT'S it's it's
end);\n\nend);\n\nend);\n\nend.\nend.\nend.\n 1the 1the 12the
    four spaces    again    and\ttabs\t\tand more
hello hello Hello HELLO world World the The THE there these those then than`;

import { characterMap } from './character-map.js';

/** @typedef {import('../gguf-writer.js').KeyValue} KeyValue */

const ALPHABET = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : next++);
  });
})();

/** @param {string} text */
const spellBytes = (text) => Array.from(Buffer.from(text), (byte) => ALPHABET[byte]);

/**
 * Learns merges: again and again the pair that comes most often, of equals the one that came first.
 * @param {string[][]} words
 * @param {number} count
 */
function learnMerges(words, count) {
  const merges = [];
  let spelled = words;
  while (merges.length < count) {
    const found = new Map();
    for (const word of spelled) {
      for (let i = 1; i < word.length; i++) {
        const pair = `${word[i - 1]} ${word[i]}`;
        found.set(pair, (found.get(pair) ?? 0) + 1);
      }
    }
    const [best, times] = [...found].reduce((most, pair) => (pair[1] > most[1] ? pair : most), ['', 1]);
    if (times < 2) break;
    merges.push(best);
    const [left, right] = best.split(' ');
    spelled = spelled.map((word) => joinPair(word, left, right));
  }
  return merges;
}

/** @param {string[]} word @param {string} left @param {string} right */
function joinPair(word, left, right) {
  const joined = [];
  for (let i = 0; i < word.length; i++) {
    if (word[i] === left && word[i + 1] === right) joined.push(left + word[++i]);
    else joined.push(word[i]);
  }
  return joined;
}

/** @param {string[]} pieces */
const unique = (pieces) => [...new Set(pieces)];
const TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4, byte: 6 };
const SPECIAL = ['<|begin|>', '<|end|>', '<|im_end|>'];

// Line breaks stay with the punctuation before them, as some splits have it.
const BYTE_MERGES = learnMerges((CORPUS.match(/ ?[^\s]+[\n]*|\s+/g) ?? []).map(spellBytes), 400);

/** @param {string} pre the pre-tokenizer's name @returns {KeyValue[]} */
function byteLevel(pre) {
  const merges = BYTE_MERGES;
  // The last is made by no merge: some models take a word that is in the vocabulary as it is.
  const learnt = unique([...merges.map((merge) => merge.replace(' ', '')), 'Ġquux']);
  const tokens = [...ALPHABET, ...learnt, ...SPECIAL, '<tool>', '[x]'];
  const types = tokens.map((token) => {
    if (SPECIAL.includes(token)) return TYPES.control;
    return ['<tool>', '[x]'].includes(token) ? TYPES.userDefined : TYPES.normal;
  });
  return entries('gpt2', tokens, types, [
    ['tokenizer.ggml.pre', 'string', pre],
    ['tokenizer.ggml.merges', 'string[]', merges],
    ['tokenizer.ggml.bos_token_id', 'u32', tokens.indexOf('<|begin|>')],
    ['tokenizer.ggml.eos_token_id', 'u32', tokens.indexOf('<|end|>')],
  ]);
}

/** @param {KeyValue[]} [more] @returns {KeyValue[]} */
function sentencePiece(more = []) {
  const words = (CORPUS.match(/[^ \n]+| +/g) ?? []).map((word) => [...`▁${word.replaceAll(' ', '▁')}`]);
  const learnt = learnMerges(words, 300).map((merge) => merge.replace(' ', ''));
  const letters = unique(words.flat());
  const control = ['<unk>', '<s>', '</s>'];
  const added = ['<tool>', '<|im_end|>'];
  const pieces = unique([...learnt, ...letters]);
  const tokens = [...control, ...BYTES, ...pieces, ...added];
  const types = tokens.map((token, id) => {
    if (id < control.length) return id === 0 ? TYPES.unknown : TYPES.control;
    if (id < control.length + BYTES.length) return TYPES.byte;
    if (!added.includes(token)) return TYPES.normal;
    return token === '<tool>' ? TYPES.userDefined : TYPES.control;
  });
  const scores = tokens.map((token) => (pieces.includes(token) ? -pieces.indexOf(token) : 0));
  return entries('llama', tokens, types, [
    ['tokenizer.ggml.scores', 'f32[]', scores],
    ['tokenizer.ggml.bos_token_id', 'u32', 1],
    ['tokenizer.ggml.eos_token_id', 'u32', 2],
    ['tokenizer.ggml.unknown_token_id', 'u32', 0],
    ...more,
  ]);
}

const BYTES = ALPHABET.map((_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);

/**
 * Merges of the text itself: lines whose spaces are written as U+2581, or words.
 * @param {string} model
 * @param {string} [pre]
 * @param {KeyValue[]} [more]
 * @returns {KeyValue[]}
 */
function characterLevel(model, pre, more = []) {
  const text = model === 'whitespace' ? CORPUS.toLowerCase() : CORPUS.replaceAll(' ', '▁');
  const merges = learnMerges(
    (text.match(model === 'whitespace' ? /\S+/g : /[^\n]+|\n+/g) ?? []).map((word) => [...word]),
    300,
  );
  const learnt = merges.map((merge) => merge.replace(' ', ''));
  const pieces = unique([...new Set(text), ...learnt, '\n', '\n\n']).filter((piece) => piece !== '漢');
  const tokens = ['<pad>', '<eos>', '<bos>', ...BYTES, ...pieces, '<tool>', '<|im_end|>'];
  const types = tokens.map((token, id) => {
    if (id < 3 || token === '<|im_end|>') return TYPES.control;
    if (BYTES.includes(token)) return TYPES.byte;
    return token === '<tool>' ? TYPES.userDefined : TYPES.normal;
  });
  return entries(model, tokens, types, [
    ...(pre === undefined ? [] : [/** @type {KeyValue} */ (['tokenizer.ggml.pre', 'string', pre])]),
    ['tokenizer.ggml.merges', 'string[]', merges],
    ['tokenizer.ggml.bos_token_id', 'u32', 2],
    ['tokenizer.ggml.eos_token_id', 'u32', 1],
    ...more,
  ]);
}

/** Whole words, and endings of words that are in no vocabulary whole. @param {KeyValue[]} [more] */
function wordPiece(more = []) {
  const words = CORPUS.match(/\p{L}+|\p{N}+|\S/gu) ?? [];
  const whole = words.filter((_, index) => index % 3 > 0).map((word) => `▁${word}`);
  const letters = unique([...CORPUS].filter((letter) => /\S/.test(letter))).filter((letter) => letter !== 'ж');
  const endings = ['ing', 'ed', 'es', 'the', 'ello', 'cafe', 'ᄒ', 'e\u0301'];
  const pieces = unique([...whole, ...letters.flatMap((letter) => [letter, `▁${letter}`]), ...endings]);
  const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...pieces];
  const types = tokens.map((_, id) => (id < 5 ? TYPES.control : TYPES.normal));
  return entries('bert', tokens, types, [
    ['tokenizer.ggml.bos_token_id', 'u32', 2],
    ['tokenizer.ggml.seperator_token_id', 'u32', 3],
    ['tokenizer.ggml.unknown_token_id', 'u32', 1],
    ['tokenizer.ggml.padding_token_id', 'u32', 0],
    ['tokenizer.ggml.mask_token_id', 'u32', 4],
    ...more,
  ]);
}

// What becomes what in the map of characters below; the longest counts.
const REPLACED = {
  é: 'e',
  'e\u0301': 'é',
  ﬁ: 'fi',
  '\u3000': ' ',
  '\t': ' ',
  '\n': ' ',
  '…': '...',
  '\u0000': '',
  e: 'e',
};

/**
 * Pieces with the logarithms of how likely they are, as if each had been drawn by its length.
 * @param {KeyValue[]} [more]
 */
function unigram(more = []) {
  const words = CORPUS.replaceAll('\n', ' ').split(' ').filter(Boolean);
  const parts = words.flatMap((word) => [`▁${word}`, word.slice(1), word.slice(0, 3), word.slice(-2)]);
  const letters = [...CORPUS].filter((letter) => /\S/.test(letter) && letter !== '漢');
  const pieces = unique([...parts, ...letters, '▁', '▁▁']).filter(Boolean);
  const tokens = ['<pad>', '</s>', '<unk>', ...pieces, '<tool>', '<|im_end|>'];
  const types = tokens.map((token, id) => {
    if (id < 3) return id === 2 ? TYPES.unknown : TYPES.control;
    return token === '<tool>' ? TYPES.userDefined : token === '<|im_end|>' ? TYPES.control : TYPES.normal;
  });
  const scores = tokens.map((token, id) => (id < 3 ? 0 : -4 - ((id * 7) % 11) / 3 - 2 / token.length));
  return entries('t5', tokens, types, [
    ['tokenizer.ggml.scores', 'f32[]', scores],
    ['tokenizer.ggml.eos_token_id', 'u32', 1],
    ['tokenizer.ggml.unknown_token_id', 'u32', 2],
    ['tokenizer.ggml.padding_token_id', 'u32', 0],
    ...more,
  ]);
}

/** @param {string} model @param {string[]} tokens @param {number[]} types @param {KeyValue[]} more @returns {KeyValue[]} */
const entries = (model, tokens, types, more) => [
  // What llama.cpp asks of any file before it looks at the vocabulary.
  ['general.architecture', 'string', 'llama'],
  ['llama.context_length', 'u32', 64],
  ['llama.embedding_length', 'u32', 64],
  ['llama.block_count', 'u32', 1],
  ['llama.feed_forward_length', 'u32', 64],
  ['llama.attention.head_count', 'u32', 4],
  ['llama.attention.layer_norm_rms_epsilon', 'f32', 1e-5],
  ['tokenizer.ggml.model', 'string', model],
  ['tokenizer.ggml.tokens', 'string[]', tokens],
  ['tokenizer.ggml.token_type', 'i32[]', types],
  ...more,
];

// Every name that js/tokenizer/splits.js knows a split for and llama.cpp does too.
const PRE_TOKENIZERS = [
  ...['default', 'gpt-2', 'phi-2', 'jina-es', 'jina-de', 'jina-v2-es', 'jina-v2-de', 'gigachat', 'a.x-4.0', 'mellum'],
  ...['modern-bert', 'exaone4', 'mpt', 'olmo', 'jais', 'trillion', 'granite-docling', 'jina-v1-en', 'jina-v2-code'],
  ...['roberta-bpe', 'llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2'],
  ...['jina-v5-nano', 'dbrx', 'smaug-bpe', 'glm4', 'chatglm-bpe', 'jais-2', 'qwen2', 'deepseek-r1-qwen', 'kormo'],
  ...['f2llmv2', 'megrez', 'stablelm2', 'hunyuan', 'solar-open', 'grok-2', 'laguna', 'ufakzeka', 'bailingmoe'],
  ...['bailingmoe2', 'llada-moe', 'seed-coder', 'exaone-moe', 'smollm', 'starcoder', 'refact', 'command-r'],
  ...['codeshell', 'exaone', 'minerva-7b', 'mellum2', 'qwen35', 'minicpm5', 'gpt-4o', 'llama4', 'kanana2', 'talkie'],
  ...['minimax-m2', 'granite-embed-multi-97m', 'tekken', 'tiny_aya', 'cohere2moe', 'youtu', 'deepseek-v3', 'hy_v4'],
  ...['hunyuan-dense', 'joyai-llm', 'afmoe', 'spark2_5', 'deepseek-llm', 'deepseek-coder', 'falcon', 'kimi-k2'],
  ...['bloom', 'poro-chat', 'gpt3-finnish', 'viking', 'superbpe', 'chameleon'],
];

/** The metadata of each vocabulary, by its name. @type {Record<string, () => KeyValue[]>} */
export const VOCABULARIES = {
  sentencepiece: () => sentencePiece(),
  'sentencepiece without a space prefix': () => sentencePiece([['tokenizer.ggml.add_space_prefix', 'bool', false]]),
  ...Object.fromEntries(PRE_TOKENIZERS.map((pre) => [`byte-level ${pre}`, () => byteLevel(pre)])),
  gemma4: () => characterLevel('gemma4'),
  'characters granite-embed-multi-311m': () => characterLevel('gpt2', 'granite-embed-multi-311m'),
  'characters sarvam-moe': () => characterLevel('gpt2', 'sarvam-moe'),
  whitespace: () => characterLevel('whitespace', 'whitespace', [['tokenizer.ggml.normalizer.lowercase', 'bool', true]]),
  wordpiece: () => wordPiece(),
  'wordpiece with case': () => wordPiece([['tokenizer.ggml.normalizer.lowercase', 'bool', false]]),
  'wordpiece with accents': () => wordPiece([['tokenizer.ggml.normalizer.strip_accents', 'bool', false]]),
  unigram: () => unigram([['tokenizer.ggml.add_space_prefix', 'bool', true]]),
  'unigram of every space': () => unigram(),
  'unigram with a character map': () =>
    unigram([
      ['tokenizer.ggml.add_space_prefix', 'bool', true],
      ['tokenizer.ggml.remove_extra_whitespaces', 'bool', true],
      ['tokenizer.ggml.precompiled_charsmap', 'i8[]', new Int8Array(characterMap(REPLACED))],
    ]),
};

export const TEXTS = [
  '',
  ' ',
  '  ',
  'a',
  ' a',
  'Hello',
  ' Hello world',
  'Hello, world! How are you?',
  'hello  world',
  'hello   world    ',
  '\n',
  '\n\n',
  '\n\n\nthe end',
  'the\nend\n',
  'the\r\nend\r\n',
  '\tthe\t\tend',
  ' \n \t \n',
  'trailing space \n next',
  "I'll, we've, they're, it's, he'd, don't, I'm",
  "I'LL WE'VE IT'S DON'T",
  "''s 'the' 'll",
  '1 12 123 1234 12345 1234567890',
  'x1y22z333',
  '3.14, 1,000.50 and 50%',
  '١٢٣ ⅷ ²',
  '$5 €20 <=> ^~| +-*/',
  '!!!???...',
  'for (let i = 0; i < length; i++) { total += values[i]; }',
  '    return total;\n\n\n    }',
  'foo_bar.baz(qux) -> "x"',
  'naïve café über straße',
  'e\u0301 combining',
  'Привет, мир! Как дела?',
  '日本語の文字、中文字。',
  '한국어 한국말',
  'العربية עברית',
  '😀 👍🏽 👨‍👩‍👧',
  'a\u00a0b\u2003c\u3000d',
  'a\u0085b\ufeffc',
  '\u0000 and \u007f',
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  'The THE the tHe',
  '▁ and ▁▁ and Ġ',
  'un\u200bbroken',
  'a quux quuxes',
  'the.end(the_the) .the',
  'end);\n\nend.\nthe\n',
  '1the 12the the1',
  '<|im_end|>',
  'a<|im_end|> b',
  '<tool>a<tool> [x]',
  '<s>a</s> b<|begin|>c<|end|>',
  'ﬁnd… e\u0301te\u0301 été\u3000x',
  'İstanbul ÉCOLE Ünlü ſ K ǅ',
  '각 한국어 걁 ཀྵ ก็ हिन्दी',
  '「漢字」ひらがな・カタカナ ㄅㄆ ，。“x”',
  '1234567 12,345.678 12345678901234567890',
  'CamelCase XMLHttpRequest aBC USA',
  "l'été d'abord WE'LLx",
  'a\u00a0\u00a0\n\u2028\u2009b   \u3000',
  '\ue000\u{10ffff}\u0378\u00ad\u200d\u{1f1e6}\u{1f1e7}',
  '\n\n\n\n\n\nx\n \n\n',
  'words going walked boxes xyzzy hellothe',
  '<sentinel:12>IMGIMGABZ [MASK] [CLS]x',
  `${'antidisestablishment'.repeat(2)}x`,
  `the${' '.repeat(70)}end${' '.repeat(7)}`,
  `${'1'.repeat(20)}${'漢'.repeat(9)}`,
  'a  12345  ٣٣٣٣   ５!',
];
