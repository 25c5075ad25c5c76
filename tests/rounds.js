// Long tests go through many models in one way after another: more than each run can wait for. A run takes a part of them,
// with every kind in it, that its seed chooses and another day's would not; NIBBLE_ALL_ROUNDS=1 takes all.
import { Random } from './random-numbers.js';

/** Whether nothing is left out. */
export const ALL_ROUNDS = (process.env.NIBBLE_ALL_ROUNDS ?? '') !== '';

/** What chooses the parts: the same all day, and NIBBLE_SEED gives an earlier day's again. */
export const SEED = process.env.NIBBLE_SEED ?? new Date().toISOString().slice(0, 10);

/**
 * Of each kind one, in the order in which they are given, and says which; all of them where ALL_ROUNDS.
 * @template Value
 * @param {string} what it is for: of the same values, each purpose has a choice of its own
 * @param {readonly Value[]} values
 * @param {(value: Value, index: number) => string | null | undefined} kindOf none: is taken always
 * @param {{ all?: boolean, seed?: string }} [options]
 * @returns {Value[]}
 */
export function drawOfEach(what, values, kindOf, { all = ALL_ROUNDS, seed = SEED } = {}) {
  if (all) return [...values];
  const random = new Random(`${seed} ${what}`);
  /** @type {Map<string, Value[]>} */
  const kinds = new Map();
  values.forEach((value, index) => {
    const kind = kindOf(value, index) ?? `always ${index}`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), value]);
  });
  const drawn = new Set(Array.from(kinds.values(), (those) => those[random.below(those.length)]));
  console.log(`${what}: ${drawn.size} of ${values.length}, drawn by NIBBLE_SEED=${seed}`);
  return values.filter((value) => drawn.has(value));
}

/**
 * Deals values out in turns, and gives what one of so many gets; who gets which moves with the seed. With ALL_ROUNDS each
 * gets all.
 * @template Value
 * @param {string} what it is for
 * @param {readonly Value[]} values
 * @param {{ turn: number, of: number, all?: boolean, seed?: string }} options
 * @returns {Value[]}
 */
export function dealOut(what, values, { turn, of, all = ALL_ROUNDS, seed = SEED }) {
  if (all) return [...values];
  const first = new Random(`${seed} ${what}`).below(of);
  const dealt = values.filter((_, place) => (place + first) % of === turn);
  console.log(`${what}: ${dealt.length} of ${values.length}, dealt out by NIBBLE_SEED=${seed}`);
  return dealt;
}
