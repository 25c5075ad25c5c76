import { checkCancelled } from '../base/cancel.js';
import { codeOf } from '../base/errors.js';

// Passes that begin before all weights are there (src/pass.c): each block is computed as soon as it is in place. A thread
// of its own makes the steps, so that this worker goes on taking in weights while blocks are computed; without one, the
// two take turns, and a download stands still while a block is computed.

// How late it is seen at most that a step was made, or that its weights have come: where that matters, a step takes many
// times as long.
const LOOK_MILLISECONDS = 5;

const pause = () => new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));

/**
 * Computes tokens on a session, as Session.evaluate() does.
 * @param {import('./runtime.js').Runtime} runtime
 * @param {{ session: number, tokens: number, count: number, targets: number, scores: number }} call heap pointers; the
 *   last two may be 0
 * @param {import('./runtime.js').Model} model one whose weights all stay in memory
 * @param {{ signal?: AbortSignal, onPart?: (done: number) => void }} [control] as Session.evaluate() has it
 */
export async function runEarlyPass(runtime, call, model, { signal, onPart = () => {} } = {}) {
  const { arrived } = model;
  const { c } = runtime;
  const { session, tokens, count, targets, scores } = call;
  await arrived.until(model.needs(-1), signal);
  await arrived.during(async (scheduler) => {
    const pass = runtime.checked((error) => c._nibble_pass_begin(session, tokens, count, targets, scores, error));
    try {
      const steps = c._nibble_pass_steps(pass);
      /** @param {number} made */
      const part = (made) => onPart(made / steps);
      if (c._nibble_pass_drive(pass, 0)) await drive(c, { pass, steps }, model, signal, part);
      else await stepByStep(c, { pass, steps }, model, signal, { scheduler, part });
    } catch (error) {
      await halt(c, pass);
      // A cancel that comes behind the last step is too late: what was computed is on the session.
      const isDone = c._nibble_pass_driven(pass) === c._nibble_pass_steps(pass);
      if (!isDone || codeOf(error) !== 'CANCELLED') throw error;
    } finally {
      await halt(c, pass);
      c._nibble_pass_finish(pass);
    }
  });
}

/** Waits until no step is under way. @param {import('./exports.js').Core} c @param {number} pass */
async function halt(c, pass) {
  while (!c._nibble_pass_halt(pass)) await pause();
}

/**
 * Lets the steps be made as far as their weights are there, and looks how far they are.
 * @param {import('./exports.js').Core} c
 * @param {{ pass: number, steps: number }} of
 * @param {import('./runtime.js').Model} model
 * @param {AbortSignal | undefined} signal
 * @param {(made: number) => void} part
 */
async function drive(c, { pass, steps }, model, signal, part) {
  for (let allowed = 0, made = 0; made < steps; ) {
    if (made === allowed) await model.arrived.until(model.needs(allowed), signal);
    else await pause();
    checkCancelled(signal);
    while (allowed < steps && model.arrived.has(model.needs(allowed))) allowed++;
    c._nibble_pass_drive(pass, allowed);
    const before = made;
    made = c._nibble_pass_driven(pass);
    if (made > before) part(made);
  }
}

/**
 * @param {import('./exports.js').Core} c
 * @param {{ pass: number, steps: number }} of
 * @param {import('./runtime.js').Model} model
 * @param {AbortSignal | undefined} signal
 * @param {{ scheduler: import('../base/scheduler.js').Scheduler, part: (made: number) => void }} control
 */
async function stepByStep(c, { pass, steps }, model, signal, { scheduler, part }) {
  for (let step = 0; step < steps; step++) {
    await model.arrived.until(model.needs(step), signal);
    c._nibble_pass_step(pass, 0);
    part(step + 1);
    await scheduler.nextTask();
  }
}
