// How texts are split into words before byte pairs are merged, by the name that a file gives in tokenizer.ggml.pre.
//
// What a letter is (\p{L}), the platform's Unicode table says, not llama.cpp's, which is older: a letter that only the newer
// one has splits otherwise there (2 of 800 random texts differ in their ids with qwen2). That is left so. Such letters are
// pieces of no vocabulary: they are bytes either way, and come back as they were. And the tokenizers that models were
// trained with have tables of their own age, so a copy of llama.cpp's would be right for no model in particular.

import { SplitPreTokenizer } from './library.js';

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";
const CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const WORD = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const SIGNS = ' ?[^\\s\\p{L}\\p{N}]+';
/** Words, numbers, signs and spaces, as most splits have them. @param {string} digits @param {string} [spaces] */
const words = (digits, spaces = SPACES) => `${CONTRACTIONS}|${WORD}|${digits}|${SIGNS}[\\r\\n]*|${spaces}`;
const LLAMA3 = words('\\p{N}{1,3}');
const QWEN2 = words('\\p{N}');
const QWEN35 = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${SPACES}`;
const LINES = '[^\\n]+|\\n+';
const EXAONE_WORD = '[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+';
const HALVINGS = [512, 256, 128, 64, 32, 16, 8, 4].map((count) => `\\s{${count}}(?!\\S)|`).join('');

/** Words that end where a lower-case letter is followed by an upper-case one. @param {string} ending @param {string} [letters] */
function cased(ending, letters = '\\p{L}') {
  const [anyButLower, anyButUpper] = ['a-z', 'A-Z'].map((excluded) => `(?:(?=[${letters}])[^${excluded}])`);
  return [`${anyButLower}*${anyButUpper}+`, `${anyButLower}+${anyButUpper}*`]
    .map((word) => `[^\\r\\n\\p{L}\\p{N}]?${word}${ending}`)
    .join('|');
}
const AFTER_CASED = `${SIGNS}[\\r\\n/]*|${SPACES}`;
const ENDING = `${CONTRACTIONS}?`;
const MARKED_WORD = `[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+${ENDING}`;

const KANA_AND_HAN = '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+';
const ASCII_SIGN_AND_WORD = '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+';
const DEEPSEEK_WORDS = `${ASCII_SIGN_AND_WORD}|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+`;
const DEEPSEEK = `${DEEPSEEK_WORDS}[\\r\\n]*|${SPACES}`;
// Letters with cases, but for those of alphabets and blocks that came late to Unicode or to this list.
const LATE_CASED =
  '\u0560-\u0588\u10c7-\u10ff\u1c80-\u1c8f\u2d00-\u2d2f\ua790-\ua7ff\uab30-\uab6f' +
  '\u{10570}-\u{105ff}\u{10d50}-\u{10d8f}\u{16e40}-\u{16eff}\u{1d400}-\u{1dfff}';
const DEEPSEEK_CASED = `\\s?(?:(?![${LATE_CASED}])[\\p{Lu}\\p{Ll}\\p{Lt}\u0295])+`;
const DEEPSEEK_SIGNS = '\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3001\u3002]+';
const EASTERN = '(?:(?!\\s)[\u0800-\u9fa5\uac00-\ud7ff])+';

const HAN = '[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2ebef}\u{2f800}-\u{2fa1f}]';
const KIMI = `${HAN}+|[^\\r\\n\\p{L}\\p{N}]?(?:(?!${HAN})\\p{L})+${ENDING}|\\p{N}{1,3}|${SIGNS}[\\r\\n]*|${SPACES}`;
const ASIAN =
  '[\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f' +
  '\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+';
const YOUTU_ASIAN =
  '[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+|' +
  `[\u3105-\u312f]+|${KANA_AND_HAN}`;
const BLOOM = ' ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+';

/**
 * Numbers in groups of three, counted from their end. A regular expression would look at the rest for each group.
 * @param {string} digit
 * @param {{ isApart?: boolean }} [options] isApart: what stands before a number is a part of its own, else one with the first group
 */
function fromTheRight(digit, { isApart = true } = {}) {
  const run = new RegExp(`${digit}+`, 'gu');
  return (/** @type {string} */ text) => {
    const parts = [];
    let end = 0;
    for (const { 0: digits, index } of text.matchAll(run)) {
      if (isApart && index > end) parts.push(text.slice(end, index));
      const before = isApart ? '' : text.slice(end, index);
      const each = Array.from(digits);
      const first = each.length % 3 || 3;
      parts.push(before + each.slice(0, first).join(''));
      for (let start = first; start < each.length; start += 3) parts.push(each.slice(start, start + 3).join(''));
      end = index + digits.length;
    }
    if (end < text.length) parts.push(text.slice(end));
    return parts;
  };
}
// As llama.cpp does it, which looks for the spaces before a number with it: of several, the last is a word of its own.
const THREES = fromTheRight('\\p{N}', { isApart: false });

/** The white space at the end of a text, found from there. @param {string} text */
function spaceAtEnd(text) {
  let end = text.length;
  while (end > 0 && SPACE.test(text[end - 1])) end--;
  return [text.slice(0, end), text.slice(end)].filter((part) => part !== '');
}
// Not JavaScript's \s, which has U+FEFF and lacks U+0085.
const SPACE = /\p{White_Space}/u;

/**
 * @typedef {object} Split
 * @property {string[]} names
 * @property {(string | ((text: string) => string[]))[]} patterns applied one after the other, each to what the one before
 *   has left: regular expressions, and functions from a text to its parts. They are those that llama.cpp has for the names
 * @property {boolean} [ignoreMerges] a word that is in the vocabulary is taken as it is
 * @property {boolean} [addBos] texts start with BOS unless the file says otherwise
 * @property {boolean} [alwaysBos] and whatever it says
 * @property {boolean} [addSep] a separator is between two texts, unless the file says otherwise
 * @property {'bytes' | 'characters'} [alphabet] what is merged: GPT-2's signs for bytes, unless given, or the text itself
 * @property {boolean} [spaced] a space is written as U+2581
 * @property {boolean} [wholeBreaks] line breaks in a row are one token where the vocabulary has that
 */

/** @type {Record<string, Split>} */
const SPLITS = {
  default: {
    names: ['default'],
    patterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'],
  },
  falcon: { names: ['falcon'], patterns: ['[\\p{P}\\$\\+<=>\\^~\\|`]+', GPT2, '[0-9][0-9][0-9]'] },
  gpt2: {
    names: [
      ...['gpt-2', 'phi-2', 'jina-es', 'jina-de', 'jina-v2-es', 'jina-v2-de', 'gigachat', 'a.x-4.0', 'mellum'],
      ...['modern-bert', 'exaone4', 'mpt', 'olmo', 'jais', 'trillion', 'granite-docling'],
    ],
    patterns: [GPT2],
  },
  roberta: { names: ['jina-v1-en', 'jina-v2-code', 'roberta-bpe'], patterns: [GPT2], addSep: true },
  llama3: {
    names: ['llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2', 'jina-v5-nano'],
    patterns: [LLAMA3],
    ignoreMerges: true,
    addBos: true,
  },
  llama3WithMerges: { names: ['dbrx', 'smaug-bpe', 'glm4', 'chatglm-bpe'], patterns: [LLAMA3] },
  jais2: {
    names: ['jais-2'],
    patterns: [words('\\p{N}{1,3}', `(?<![^\\S\\r\\n])\\s*[\\r\\n]+|${HALVINGS}\\s{1,2}(?!\\S)|\\s`)],
  },
  qwen2: {
    names: [
      ...['qwen2', 'deepseek-r1-qwen', 'kormo', 'f2llmv2', 'megrez', 'stablelm2', 'hunyuan', 'solar-open', 'grok-2'],
    ],
    patterns: [QWEN2],
  },
  qwen35: { names: ['qwen35'], patterns: [QWEN35] },
  laguna: { names: ['laguna'], patterns: [LINES, QWEN2] },
  ufakzeka: { names: ['ufakzeka'], patterns: [`${WORD}|\\p{N}|${SIGNS}[\\r\\n]*|${SPACES}`] },
  minicpm5: { names: ['minicpm5'], patterns: ['\\p{N}{1,3}', words('\\p{N}+')], ignoreMerges: true },
  bailing: {
    names: ['bailingmoe', 'bailingmoe2', 'llada-moe'],
    patterns: [words('\\p{N}', '\\s*[\\r\\n]|\\s+(?!\\S)|\\s+')],
  },
  seedCoder: {
    names: ['seed-coder'],
    patterns: [`${CONTRACTIONS}|${WORD}|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|${SPACES}`],
  },
  exaoneMoe: {
    names: ['exaone-moe'],
    patterns: [`${CONTRACTIONS}|${EXAONE_WORD}|\\p{N}|${SIGNS}[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`],
  },
  gpt4o: {
    names: ['gpt-4o', 'llama4', 'kanana2', 'talkie', 'minimax-m2'],
    patterns: [`${cased(ENDING)}|\\p{N}{1,3}|${AFTER_CASED}`],
  },
  graniteEmbedding: {
    names: ['granite-embed-multi-97m'],
    patterns: [`${cased(ENDING, '\\p{L}\\p{M}')}|\\p{N}{1,3}|${AFTER_CASED}`],
    ignoreMerges: true,
  },
  tekken: { names: ['tekken'], patterns: [`${cased('')}|\\p{N}|${AFTER_CASED}`], ignoreMerges: true, addBos: true },
  tinyAya: { names: ['tiny_aya', 'cohere2moe'], patterns: [THREES, `${MARKED_WORD}|\\p{N}{1,3}|${AFTER_CASED}`] },
  youtu: { names: ['youtu'], patterns: [YOUTU_ASIAN, `${MARKED_WORD}|\\p{N}|${AFTER_CASED}`], ignoreMerges: true },
  deepseek: {
    names: ['deepseek-v3', 'hunyuan-dense', 'joyai-llm', 'hy_v4'],
    patterns: ['\\p{N}{1,3}', KANA_AND_HAN, DEEPSEEK],
  },
  afmoe: { names: ['afmoe'], patterns: [THREES, ASIAN, DEEPSEEK] },
  spark: {
    names: ['spark2_5'],
    patterns: ['\\p{N}{1,3}', KANA_AND_HAN, `${DEEPSEEK_WORDS}|[\\r\\n]|\\s+(?!\\S)|\\s+`, '\\p{N}'],
  },
  deepseekLlm: {
    names: ['deepseek-llm'],
    patterns: ['[\\r\\n]', DEEPSEEK_CASED, DEEPSEEK_SIGNS, spaceAtEnd, EASTERN, '\\p{N}+'],
  },
  deepseekCoder: {
    names: ['deepseek-coder'],
    patterns: ['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', EASTERN, '\\p{N}'],
  },
  kimi: { names: ['kimi-k2'], patterns: [KIMI] },
  bloom: { names: ['bloom', 'poro-chat', 'gpt3-finnish'], patterns: [BLOOM] },
  viking: { names: ['viking'], patterns: [BLOOM, '\\p{N}'] },
  superBpe: { names: ['superbpe'], patterns: ['\\p{N}+', fromTheRight('[0-9]')] },
  chameleon: {
    names: ['chameleon'],
    patterns: [
      ...['<sentinel:[0-9]+>', 'IMGIMG[A-I]{1,4}Z', '[\\t\\n]|    |  ', '\\p{N}'],
      ...['[\\p{P}!-/:-@\\[-`{-~]', GPT2],
    ],
    addBos: true,
  },
  smollm: {
    names: ['smollm', 'starcoder', 'refact', 'command-r', 'codeshell', 'exaone', 'minerva-7b', 'mellum2'],
    patterns: ['\\p{N}', GPT2],
  },
  gemma4: {
    names: ['gemma4', 'granite-embed-multi-311m'],
    patterns: [LINES],
    alphabet: 'characters',
    spaced: true,
    wholeBreaks: true,
    alwaysBos: true,
  },
  sarvam: { names: ['sarvam-moe'], patterns: [LINES], alphabet: 'characters', spaced: true },
  whitespace: { names: ['whitespace'], patterns: ['\\S+'], alphabet: 'characters' },
};

/** Of a name that is not known. */
export const DEFAULT_SPLIT = SPLITS.default;

/** @param {string | undefined} pre `tokenizer.ggml.pre` @returns {Split | undefined} */
export const findSplit = (pre) => Object.values(SPLITS).find(({ names }) => pre !== undefined && names.includes(pre));

/**
 * @param {Split} split
 * @returns {(text: string) => string[]} words, which together are the text
 */
export function createSplitter({ patterns }) {
  const splitters = patterns.map((pattern) => {
    if (typeof pattern === 'function') return pattern;
    const splitter = new SplitPreTokenizer({
      ...{ type: 'Split', behavior: 'Isolated', invert: false },
      pattern: { Regex: pattern },
    });
    return (/** @type {string} */ text) => splitter.pre_tokenize_text(text);
  });
  return (text) => {
    let parts = [text];
    for (const split of splitters) parts = parts.flatMap((part) => (part.length > 1 ? split(part) : part));
    return parts;
  };
}
