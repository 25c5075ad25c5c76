// Adapters onto the BPE of @huggingface/tokenizers. The library keys merges by pairs; a GGUF has scores per piece
// (SentencePiece) or `left right` strings (byte-level BPE). Overriding how a pair gets its rank lets both be used as
// they are, so that nothing is derived when a 256k vocabulary is opened, and ties fall as they do in llama.cpp.

import { BPE, ByteLevelPreTokenizer, SplitPreTokenizer } from '@huggingface/tokenizers';
import { isStructure } from './special-tokens.js';
import { mergeWord } from './tokenizer-merge.js';

/** @typedef {import('./tokenizer-vocabulary.js').Vocabulary} Vocabulary */

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";
const CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const AFTER_DIGITS = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const LLAMA3 = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${AFTER_DIGITS}`;
const MARKS = ' ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const QWEN35 = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}|${MARKS}`;
const MINICPM5 = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+|${AFTER_DIGITS}`;
// Words that end where a lower-case letter is followed by an upper-case one.
const [ANY_BUT_LOWER, ANY_BUT_UPPER] = ['a-z', 'A-Z'].map((letters) => `(?:(?=\\p{L})[^${letters}])`);
const cased = (ending) =>
  [`${ANY_BUT_LOWER}*${ANY_BUT_UPPER}+`, `${ANY_BUT_LOWER}+${ANY_BUT_UPPER}*`]
    .map((word) => `[^\\r\\n\\p{L}\\p{N}]?${word}${ending}`)
    .join('|');
const AFTER_CASED = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const GPT4O = `${cased(`${CONTRACTIONS}?`)}|\\p{N}{1,3}|${AFTER_CASED}`;
const TEKKEN = `${cased('')}|\\p{N}|${AFTER_CASED}`;
const DEEPSEEK_WORDS =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+';
const DEEPSEEK = `${DEEPSEEK_WORDS}| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const QWEN2 = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${AFTER_DIGITS}`;

/**
 * The ways of splitting text into words. Several patterns are applied one after the other, each to what the one
 * before has left. The patterns are those that llama.cpp has for the same names.
 * @type {Record<string, { names: string[], patterns: string[], ignoreMerges?: boolean, addBos?: boolean }>}
 */
const PRE_TOKENIZERS = {
  default: {
    names: ['default'],
    patterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'],
  },
  gpt2: {
    names: [
      ...['gpt-2', 'phi-2', 'jina-es', 'jina-de', 'jina-v2-es', 'jina-v2-de', 'gigachat', 'a.x-4.0', 'mellum'],
      ...['modern-bert', 'exaone4', 'mpt', 'olmo', 'jais', 'trillion', 'granite-docling'],
    ],
    patterns: [GPT2],
  },
  llama3: {
    names: ['llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2', 'jina-v5-nano'],
    patterns: [LLAMA3],
    ignoreMerges: true,
    addBos: true,
  },
  llama3WithMerges: { names: ['dbrx', 'smaug-bpe', 'glm4', 'chatglm-bpe'], patterns: [LLAMA3] },
  qwen2: {
    names: [
      ...['qwen2', 'deepseek-r1-qwen', 'kormo', 'f2llmv2', 'megrez', 'stablelm2', 'hunyuan', 'solar-open', 'grok-2'],
    ],
    patterns: [QWEN2],
  },
  qwen35: { names: ['qwen35'], patterns: [QWEN35] },
  minicpm5: { names: ['minicpm5'], patterns: ['\\p{N}{1,3}', MINICPM5], ignoreMerges: true },
  gpt4o: { names: ['gpt-4o', 'llama4', 'kanana2', 'talkie'], patterns: [GPT4O] },
  tekken: { names: ['tekken'], patterns: [TEKKEN], ignoreMerges: true, addBos: true },
  deepseek: {
    names: ['deepseek-v3', 'hunyuan-dense', 'joyai-llm', 'hy_v4'],
    patterns: ['\\p{N}{1,3}', '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+', DEEPSEEK],
  },
  smollm: {
    names: ['smollm', 'starcoder', 'refact', 'command-r', 'codeshell', 'exaone', 'minerva-7b', 'mellum2'],
    patterns: ['\\p{N}', GPT2],
  },
};

/** @param {string | undefined} pre */
const findPreTokenizer = (pre) =>
  Object.values(PRE_TOKENIZERS).find(({ names }) => pre !== undefined && names.includes(pre));

/** @param {string | undefined} pre @returns {boolean} whether texts start with BOS unless the file says otherwise */
export const addsBosByDefault = (pre) => findPreTokenizer(pre)?.addBos ?? false;

/** Words below this length go to the library and are remembered; longer ones are rarely met twice. */
const LONG_WORD = 128;
const KNOWN_WORDS = 1 << 14;

/** BPE whose pair rank is a function instead of a table. */
class RankedBpe extends BPE {
  /**
   * @param {(left: string, right: string) => number | undefined} rankOf
   * @param {number} longest of any text a merge makes, in UTF-16 units or a few more
   */
  constructor(rankOf, longest) {
    super({ type: 'BPE', vocab: {}, merges: [] });
    this.rankOf = rankOf;
    this.longest = longest;
    // The library's own cache reorders a full Map at every hit, which takes longer than most merges.
    this.max_length_to_cache = 0;
    /** @type {Map<string, string[]>} */
    this.known = new Map();
  }

  /** @override @param {string} word @returns {string[]} */
  bpe(word) {
    if (word.length >= LONG_WORD) return mergeWord(word, this.rankOf, this.longest);
    let pieces = this.known.get(word);
    if (pieces === undefined) {
      pieces = /** @type {string[]} */ (super.bpe(word));
      if (this.known.size >= KNOWN_WORDS) this.known.clear();
      this.known.set(word, pieces);
    }
    return pieces;
  }

  /** @override @param {any} queue @param {any} node */
  add_node(queue, node) {
    const rank = this.rankOf(node.token, node.next.token);
    if (rank === undefined) return;
    // The bias, below 1, is the position in the text: of two equal ranks the leftmost pair goes first.
    node.score = rank + node.bias;
    queue.push(node);
  }
}

/**
 * Ranks by score, best first; equal scores share a rank. Ranks are looked up when first asked for.
 * @param {ArrayLike<number> | undefined} scores @param {number} count
 * @returns {(id: number) => number}
 */
function rankByScore(scores, count) {
  if (scores === undefined) return () => 0;
  const ascending = Float32Array.from({ length: count }, (_, id) => scores[id]).sort();
  const ranks = new Int32Array(count).fill(-1);
  return (id) => {
    if (ranks[id] >= 0) return ranks[id];
    const score = Math.fround(scores[id]);
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ascending[middle] <= score) low = middle + 1;
      else high = middle;
    }
    ranks[id] = count - low;
    return ranks[id];
  };
}

/**
 * What is left of a text to be merged is text, though its parts may make what a control token is written as.
 * @param {Pick<Vocabulary, 'pieces' | 'types'>} vocabulary
 * @returns {(piece: string) => number | undefined} the id of a piece that text may become
 */
function createTextId({ pieces, types }) {
  return (piece) => {
    const id = pieces.get(piece);
    return id === undefined || isStructure(types[id], piece) ? undefined : id;
  };
}

/** @param {number} byte */
const byteName = (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

/**
 * SentencePiece BPE: of all neighbouring pairs whose concatenation is a piece the one with the best score is merged,
 * the leftmost first where scores are equal; what is no piece in the end is spelt in byte tokens.
 * @param {Vocabulary} vocabulary
 * @returns {(text: string, ids: number[]) => void} appends to ids
 */
export function createSentencePieceModel({ pieces, types, scores, ids: special }) {
  const rankOf = rankByScore(scores, pieces.length);
  const textId = createTextId({ pieces, types });
  const bpe = new RankedBpe((left, right) => {
    const id = textId(left + right);
    return id === undefined ? undefined : rankOf(id);
  }, pieces.longest);
  const splitWords = createWordSplitter(pieces);
  const encoder = new TextEncoder();
  const byteIds = Array.from({ length: 256 }, (_, byte) => {
    return pieces.get(byteName(byte)) ?? (byte < 128 ? pieces.get(String.fromCharCode(byte)) : undefined);
  });
  return (text, ids) => {
    for (const word of splitWords(text.replaceAll(' ', '▁'))) for (const piece of bpe.bpe(word)) append(piece, ids);
  };

  /** @param {string} piece @param {number[]} ids */
  function append(piece, ids) {
    const id = textId(piece);
    if (id !== undefined) ids.push(id);
    else {
      const spelt = Array.from(encoder.encode(piece), (byte) => byteIds[byte]);
      if (!spelt.includes(undefined)) for (const byteId of spelt) ids.push(/** @type {number} */ (byteId));
      else if (special.unknown !== undefined) ids.push(special.unknown);
    }
  }
}

/**
 * SentencePiece merges across the whole text. But no merge crosses a place that no piece has inside, and nearly always
 * that is so before a word's space: splitting there changes nothing, and words met before are remembered.
 * @param {import('./text-table.js').TextTable} pieces
 * @returns {(text: string) => string[]}
 */
function createWordSplitter(pieces) {
  const joined = new Set();
  for (const id of pieces.holding('▁')) {
    const piece = pieces.at(id);
    for (let i = piece.indexOf('▁', 1); i > 0; i = piece.indexOf('▁', i + 1)) joined.add(piece.charCodeAt(i - 1));
  }
  joined.add('▁'.charCodeAt(0));
  return (text) => {
    const words = [];
    let start = 0;
    for (let i = text.indexOf('▁', 1); i > 0; i = text.indexOf('▁', i + 1)) {
      if (joined.has(text.charCodeAt(i - 1))) continue;
      words.push(text.slice(start, i));
      start = i;
    }
    words.push(text.slice(start));
    return words;
  };
}

/**
 * Byte-level BPE: words by regular expression, bytes as printable characters, merges by rank.
 * @param {Vocabulary} vocabulary adds to `warnings` when `preTokenizer` is missing or not known
 * @returns {(text: string, ids: number[]) => void} appends to ids
 */
export function createByteLevelModel({ pieces, types, merges: given, preTokenizer, ids: special, warnings }) {
  const found = findPreTokenizer(preTokenizer);
  if (found === undefined) {
    const what = preTokenizer === undefined ? 'is missing' : `names ${JSON.stringify(preTokenizer.slice(0, 40))}`;
    const message = `tokenizer.ggml.pre ${what}; words are split in the default way, which may cost some quality.`;
    warnings.push({ code: 'PRE_TOKENIZER_UNKNOWN', message });
  }
  const { patterns, ignoreMerges = false } = found ?? PRE_TOKENIZERS.default;
  const splitters = patterns.map(
    (Regex) => new SplitPreTokenizer({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }),
  );
  const byteLevel = new ByteLevelPreTokenizer({ type: 'ByteLevel', add_prefix_space: false, use_regex: false });
  const textId = createTextId({ pieces, types });
  const merges = /** @type {import('./text-table.js').TextTable} */ (given);
  const bpe = new RankedBpe((left, right) => merges.get(`${left} ${right}`), merges.longest);
  return (text, ids) => {
    /** @type {string[]} */
    let words = [text];
    for (const splitter of splitters) {
      words = words.flatMap((word) => (word.length > 1 ? splitter.pre_tokenize_text(word) : word));
    }
    for (const word of byteLevel.pre_tokenize(words)) {
      const whole = ignoreMerges ? textId(word) : undefined;
      if (whole !== undefined) {
        ids.push(whole);
        continue;
      }
      for (const piece of bpe.bpe(word)) {
        const id = textId(piece);
        if (id !== undefined) ids.push(id);
        else spell(piece, ids);
      }
    }
  };

  /** @param {string} piece @param {number[]} ids a piece that only a merge knows, or that is no text, becomes its bytes */
  function spell(piece, ids) {
    for (const byte of piece) {
      const id = textId(byte) ?? special.unknown;
      if (id !== undefined) ids.push(id);
    }
  }
}
