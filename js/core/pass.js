import { checkCancelled } from '../base/cancel.js';

// The twin of src/streaming.c and src/pass.c: weights that do not stay in memory, and the passes that need them block by
// block. It calls exports, but touches the heap only through the Runtime.

const ROWS = -2;
const DONE = -3;

/** What streams in every pass, and the slots that it goes through. */
export class WeightRing {
  #runtime;
  #engine;

  /** @param {import('./runtime.js').Runtime} runtime @param {number} engine a heap pointer */
  constructor(runtime, engine) {
    this.#runtime = runtime;
    this.#engine = engine;
    /** How many slots there are; 0 where only rows of the embedding are read. */
    this.slots = 0;
    while (runtime.c._nibble_engine_slot(engine, this.slots) !== 0) this.slots++;
  }

  /**
   * The segments in the order of their use, each as the packed ranges that lie in its slot, one behind the other.
   * @returns {{ position: number, length: number }[][]}
   */
  segments() {
    const segments = [];
    for (let ranges = this.#ranges(0); ranges.length > 0; ranges = this.#ranges(segments.length)) segments.push(ranges);
    return segments;
  }

  /** @param {number} segment */
  #ranges(segment) {
    const runtime = this.#runtime;
    return runtime.scratch(16, (fields) => {
      const ranges = [];
      while (runtime.c._api_engine_segment(this.#engine, segment, ranges.length, fields) !== 0) {
        const [position, length] = runtime.copy(Float64Array, fields, 2);
        ranges.push({ position, length });
      }
      return ranges;
    });
  }

  /** The heap pointer of a slot. @param {number} index */
  slot(index) {
    return this.#runtime.c._nibble_engine_slot(this.#engine, index) >>> 0;
  }
}

/**
 * Computes tokens on a session, as Session.evaluate() does.
 * @param {import('./runtime.js').Runtime} runtime
 * @param {{ session: number, tokens: number, count: number, targets: number, scores: number }} call heap pointers; the
 *   last two may be 0
 * @param {import('../models/weight-stream.js').WeightStream} weights
 * @param {{ signal?: AbortSignal, onPart?: (done: number) => void }} [control] as Session.evaluate() has it
 */
export async function runPass(runtime, call, weights, { signal, onPart } = {}) {
  checkCancelled(signal);
  const { session, tokens, count, targets, scores } = call;
  const pass = runtime.checked((error) => runtime.c._nibble_pass_begin(session, tokens, count, targets, scores, error));
  try {
    for (;;) {
      const need = runtime.c._nibble_pass_next(pass);
      if (need === DONE) return;
      if (need === ROWS) await weights.readRows(rowsOf(runtime, pass));
      const slot = need >= 0 ? await weights.take(need) : 0;
      checkCancelled(signal);
      runtime.c._nibble_pass_step(pass, slot);
      if (need >= 0) weights.release();
      onPart?.(runtime.c._nibble_pass_blocks(pass) / runtime.c._nibble_pass_steps(pass));
      await weights.scheduler.nextTask();
    }
  } finally {
    runtime.c._nibble_pass_finish(pass);
    // The slot of a block that was called off.
    weights.release();
  }
}

/** The rows of the embedding that a pass needs next, and the heap pointers of their places. @param {import('./runtime.js').Runtime} runtime @param {number} pass */
function rowsOf(runtime, pass) {
  return runtime.scratch(16, (fields) => {
    /** @type {{ position: number, length: number, pointer: number }[]} */
    const rows = [];
    for (;;) {
      const pointer = runtime.c._api_pass_row(pass, rows.length, fields) >>> 0;
      if (pointer === 0) return rows;
      const [position, length] = runtime.copy(Float64Array, fields, 2);
      rows.push({ position, length, pointer });
    }
  });
}
