// Whether the work of a regular expression grows faster than the text. A backtracking engine tries one way through the
// text after the other. Two loops that can take the same characters share these in as many ways as there are characters:
// such places are looked for first, and the steps of an engine of our own on what they can take are counted then.
import { parseRegExpLiteral } from '@eslint-community/regexpp';
import { present } from './present.js';

// A repetition that ends sooner is a constant, however long it is.
const BOUND = 1000;
const COPIES = 3;
const LENGTHS = [40, 160];
const FASTER = 2;
const MOST_STEPS = 1e6;
const LETTERS = [
  ...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)),
  ...[
    '\u0085',
    '\u00a0',
    '\u00bd',
    'É',
    'é',
    '\u0301',
    '\u05d0',
    '\u0663',
    '\u2028',
    '\u3002',
    '漢',
    '\uac00',
    '\ufeff',
    '\uff5c',
  ],
];
const ASTRAL = ['\u{1d7ce}', '\u{1f600}', '\u{20000}'];

/**
 * @typedef {{ op: 'character', is: (letter: string) => boolean, next: number }
 *   | { op: 'split', nexts: number[] }
 *   | { op: 'assertion', holds: (text: string, at: number) => boolean, next: number }
 *   | { op: 'lookahead', start: number, negate: boolean, next: number }
 *   | { op: 'accept' }} Instruction `nexts`: in the order in which they are tried
 */

/**
 * A text on which the work of a regular expression grows faster than the text, or null. What counts is a search for all
 * matches; a sticky one is tried where its last match ended, until it does not fit.
 * @param {RegExp} regex
 * @returns {{ before: string, repeated: string, after: string, steps: number[] } | null} `steps` for 40 and 160 repetitions
 * @throws {Error} on what it does not understand: back references, a repetition of nothing
 */
export function superLinearText(regex) {
  const program = compile(regex);
  const letters = differentLetters(program, regex);
  for (const [before, repeated] of ambiguousTexts(program, letters)) {
    for (const after of ['', ...letters]) {
      const steps = LENGTHS.map((times) => countSteps(program, before + repeated.repeat(times) + after));
      const isFaster = steps[1] >= MOST_STEPS || steps[1] > FASTER * (LENGTHS[1] / LENGTHS[0]) * steps[0];
      if (isFaster) return { before, repeated, after, steps };
    }
  }
  return null;
}

/** @import { AST } from '@eslint-community/regexpp' */
/** @typedef {AST.Element | AST.QuantifiableElement} Element */

/** @param {RegExp} regex @returns {{ instructions: Instruction[], start: number, anywhere: number, sticky: boolean, split: (text: string) => string[] }} */
function compile(regex) {
  const flags = regex.flags.replace(/[gyd]/g, '');
  /** @type {Instruction[]} */
  const instructions = [];
  /** @param {Instruction} instruction */
  const add = (instruction) => instructions.push(instruction) - 1;
  /** @param {string} raw */
  const native = (raw) => new RegExp(raw, `${flags}y`);

  /** @param {Element} node @param {number} next @returns {number} */
  function element(node, next) {
    if (node.type === 'Group' || node.type === 'CapturingGroup') return alternatives(node.alternatives, next);
    if (node.type === 'Quantifier') return repeated(node, next);
    if (node.type === 'Assertion') return assertion(node, next);
    if (!/^(Character|CharacterSet|CharacterClass|ExpressionCharacterClass)$/.test(node.type))
      throw new Error(`${regex} has a ${node.type}, which is not understood`);
    const atom = native(node.raw);
    /** @type {Map<string, boolean>} */
    const known = new Map();
    /** @param {string} letter */
    const is = (letter) => {
      atom.lastIndex = 0;
      if (!known.has(letter)) known.set(letter, atom.exec(letter)?.[0] === letter);
      return known.get(letter) === true;
    };
    return add({ op: 'character', is, next });
  }
  /** @param {AST.Alternative[]} list @param {number} next */
  const alternatives = (list, next) => {
    const nexts = list.map(({ elements }) => elements.reduceRight((after, node) => element(node, after), next));
    return nexts.length === 1 ? nexts[0] : add({ op: 'split', nexts });
  };
  /**
   * @param {AST.Quantifier} quantifier
   * @param {number} next
   */
  function repeated({ element: node, min, max, greedy, raw }, next) {
    /** @param {number} once @param {number} skip */
    const inTurn = (once, skip) => (greedy ? [once, skip] : [skip, once]);
    let start = next;
    if (max > BOUND) {
      if (isEmpty(node)) throw new Error(`${raw} of ${regex} repeats what may be nothing`);
      /** @type {Extract<Instruction, { op: 'split' }>} */
      const loop = { op: 'split', nexts: [] };
      start = add(loop);
      loop.nexts = inTurn(element(node, start), next);
    } else {
      const optional = Math.min(max, COPIES) - Math.min(min, COPIES);
      for (let copy = 0; copy < optional; copy++)
        start = add({ op: 'split', nexts: inTurn(element(node, start), next) });
    }
    for (let copy = 0; copy < Math.min(min, COPIES); copy++) start = element(node, start);
    return start;
  }
  /** @param {AST.Assertion} node @param {number} next */
  function assertion(node, next) {
    if (node.kind === 'lookahead') {
      const start = alternatives(node.alternatives, add({ op: 'accept' }));
      return add({ op: 'lookahead', start, negate: node.negate, next });
    }
    const here = native(node.raw);
    /** @param {string} text @param {number} at */
    const holds = (text, at) => {
      here.lastIndex = at;
      return here.test(text);
    };
    return add({ op: 'assertion', holds, next });
  }

  const start = alternatives(parseRegExpLiteral(regex).pattern.alternatives, add({ op: 'accept' }));
  /** @type {Extract<Instruction, { op: 'character' }>} */
  const any = { op: 'character', is: () => true, next: -1 };
  const anywhere = add({ op: 'split', nexts: [start, add(any)] });
  any.next = anywhere;
  return {
    instructions,
    start,
    anywhere,
    sticky: regex.sticky,
    split: /[uv]/.test(flags) ? Array.from : (text) => text.split(''),
  };
}

/** Whether a part of an expression takes no characters in some text. @param {Element} node @returns {boolean} */
function isEmpty(node) {
  if (node.type === 'Assertion') return true;
  if (node.type === 'Quantifier') return node.min === 0 || isEmpty(node.element);
  return 'alternatives' in node && node.alternatives.some((one) => 'elements' in one && one.elements.every(isEmpty));
}

/**
 * One of each kind of letters that an expression tells apart.
 * @param {ReturnType<typeof compile>} compile
 * @param {RegExp} regExp
 */
function differentLetters({ instructions }, { source, flags }) {
  const isUnicode = /[uv]/.test(flags);
  const tests = instructions.flatMap((instruction) => (instruction.op === 'character' ? [instruction.is] : []));
  const kinds = new Map();
  const all = [...LETTERS, ...(isUnicode ? [...ASTRAL, ...source] : source.split(''))];
  // An ordinary letter stands for a kind sooner than a sign that ends a line does.
  for (const letter of all.sort((a, b) => Number(/\w/.test(b)) - Number(/\w/.test(a)))) {
    const kind = [...tests.map((is) => Number(is(letter))), /\w/.test(letter), letter === '\n'].join();
    if (!kinds.has(kind)) kinds.set(kind, letter);
  }
  return [...kinds.values()];
}

/**
 * Texts that can be shared in many ways: `repeated` leads from a loop back to it, on to another loop, and from that back to
 * itself, or from a loop back to it in two ways.
 * @param {any} compile
 * @param {string[]} letters
 * @returns {Generator<[string, string]>}
 */
function* ambiguousTexts({ instructions, start, anywhere }, letters) {
  const closures = instructions.map((/** @type {any} */ _, /** @type {number} */ index) =>
    closure(instructions, index),
  );
  const states = instructions.flatMap((/** @type {Instruction} */ { op }, /** @type {number} */ index) =>
    op === 'character' ? [index] : [],
  );
  const edges = new Map(
    states.map((/** @type {number} */ state) => {
      const { is, next } = instructions[state];
      return [state, new Map(letters.map((letter) => [letter, is(letter) ? closures[next] : []]))];
    }),
  );
  const leads = reachable(edges);
  /** @param {number | number[]} from @param {number | any[]} to @param {boolean} [parts] */
  const find = (from, to, parts) => path({ from, to, parts, letters, edges, leads });
  const loops = states.filter((/** @type {number} */ state) => find([state], [state]) !== null);
  const seen = new Set();
  for (const first of loops) {
    const begins = [...closures[start], instructions[anywhere].nexts[1]];
    const ways = begins.map((begin) => (begin === first ? '' : find([begin], [first]))).filter((way) => way !== null);
    for (const second of loops.filter((/** @type {number} */ state) => leads.get(first).has(state))) {
      const isSame = first === second;
      const [from, to] = isSame
        ? [
            [first, first],
            [first, first],
          ]
        : [
            [first, first, second],
            [first, second, second],
          ];
      /** @param {string} letter */
      const takes = (letter) => from.every((state, index) => present(edges.get(state)).get(letter).includes(to[index]));
      const single = isSame ? [] : letters.filter(takes);
      const texts = [...single, find(from, to, isSame)].filter((text) => text !== null);
      for (const pair of product([[...new Set(ways)], texts])) {
        const key = JSON.stringify(pair);
        if (seen.has(key)) continue;
        seen.add(key);
        yield pair;
      }
    }
  }
}

/**
 * The characters that are tried next, once for each way to them.
 * @param {any[]} instructions
 * @param {number} index
 * @returns {number[]}
 */
function closure(instructions, index, under = new Set()) {
  if (under.has(index)) return [];
  const instruction = instructions[index];
  const within = new Set(under).add(index);
  /** @param {number} next */
  const follow = (next) => closure(instructions, next, within);
  if (instruction.op === 'character') return [index];
  if (instruction.op === 'split') return instruction.nexts.flatMap(follow);
  if (instruction.op === 'lookahead') return [instruction.start, instruction.next].flatMap(follow);
  return instruction.op === 'assertion' ? follow(instruction.next) : [];
}

/** What each state leads to, by one letter or more. @param {Map<number, Map<string, number[]>>} edges */
function reachable(edges) {
  const reached = new Map();
  for (const state of edges.keys()) {
    const found = new Set();
    const waiting = [state];
    while (waiting.length > 0) {
      for (const next of [...present(edges.get(present(waiting.pop()))).values()].flat()) {
        if (found.has(next)) continue;
        found.add(next);
        waiting.push(next);
      }
    }
    reached.set(state, found);
  }
  return reached;
}

/**
 * The shortest text that leads several states at once, each on its own way, to others.
 * @param {any} search
 *   `parts`: the ways may not be the same
 * @returns {string | null}
 */
function path({ from, to, parts = false, letters, edges, leads }) {
  const goal = `${to} ${parts}`;
  const seen = new Set();
  let reached = [{ states: from, text: '', parted: false }];
  while (reached.length > 0) {
    const further = [];
    for (const { states, text, parted } of reached) {
      for (const letter of letters) {
        /** @param {number} index */
        const isOnTheWay = (index) => (/** @type {any} */ state) =>
          state === to[index] || present(leads.get(state)).has(to[index]);
        const lists = states.map((/** @type {number} */ state, /** @type {number} */ index) =>
          present(present(edges.get(state)).get(letter)).filter(isOnTheWay(index)),
        );
        for (const ways of product(lists.map((/** @type {any} */ list) => [...list.keys()]))) {
          const next = ways.map((/** @type {any} */ way, /** @type {number} */ index) => lists[index][way]);
          const partsHere = parts && (parted || ways[0] !== ways[1]);
          const key = `${next} ${partsHere}`;
          if (key === goal) return text + letter;
          if (seen.has(key)) continue;
          seen.add(key);
          further.push({ states: next, text: text + letter, parted: partsHere });
        }
      }
    }
    reached = further;
  }
  return null;
}

/** @param {any} lists */
const product = (lists) =>
  lists.reduce(
    (/** @type {any} */ all, /** @type {any} */ list) =>
      all.flatMap((/** @type {any} */ each) => list.map((/** @type {any} */ one) => [...each, one])),
    [[]],
  );

/** The steps of a search for all matches. @param {ReturnType<typeof compile>} compile @param {string} text */
function countSteps({ instructions, start, sticky, split }, text) {
  const letters = split(text);
  const offsets = [0];
  for (const letter of letters) offsets.push(present(offsets.at(-1)) + letter.length);
  let steps = 0;
  /** @param {number} from @param {number} begin */
  const match = (from, begin) => {
    const waiting = [[from, begin]];
    while (waiting.length > 0 && steps < MOST_STEPS) {
      const [index, at] = present(waiting.pop());
      const instruction = instructions[index];
      steps++;
      if (instruction.op === 'accept') return at;
      if (instruction.op === 'split') waiting.push(...instruction.nexts.map((next) => [next, at]).reverse());
      else if (holds(instruction, at)) waiting.push([instruction.next, instruction.op === 'character' ? at + 1 : at]);
    }
    return null;
  };
  /** @param {any} instruction @param {number} at */
  const holds = (instruction, at) => {
    if (instruction.op === 'character') return at < letters.length && instruction.is(letters[at]);
    if (instruction.op === 'assertion') return instruction.holds(text, offsets[at]);
    return (match(instruction.start, at) === null) === instruction.negate;
  };
  /** @type {number | null} */
  let end = 0;
  for (let at = 0; at <= letters.length && steps < MOST_STEPS && !(sticky && end === null); ) {
    end = match(start, at);
    at = Math.max(at + 1, end ?? 0);
  }
  return steps;
}
