// Passes that begin before all weights are there (src/pass.c): each block is computed as soon as it is in place. A thread
// of its own makes the steps, so that this worker goes on taking in weights while blocks are computed; without one, the
// two take turns, and a download stands still while a block is computed.
import { checkCancelled } from './loader.js';

// How late the end of a pass is seen, at most: one step takes some ten times as long or more.
const LOOK_MILLISECONDS = 3;

const pause = () => new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));

/**
 * Computes tokens on a session, as Session.evaluate() does.
 * @param {import('./engine.js').Runtime} runtime
 * @param {{ session: number, tokens: number, count: number, targets: number, scores: number }} call heap pointers; the
 *   last two may be 0
 * @param {import('./engine.js').Model} model one whose weights all stay in memory
 * @param {AbortSignal} [signal] CANCELLED, and the session is as it was
 */
export async function runEarlyPass(runtime, { session, tokens, count, targets, scores }, model, signal) {
  const { arrivals } = model;
  const { c } = runtime;
  await arrivals.until(model.needs(-1), signal);
  await arrivals.during(async (turn) => {
    const pass = runtime.checked((error) => c._nibble_pass_begin(session, tokens, count, targets, scores, error));
    try {
      const steps = c._nibble_pass_steps(pass);
      if (c._nibble_pass_drive(pass, 0)) await drive(c, { pass, steps }, model, signal);
      else await takeTurns(c, { pass, steps }, model, turn, signal);
    } finally {
      while (!c._nibble_pass_halt(pass)) await pause();
      c._nibble_pass_finish(pass);
    }
  });
}

async function drive(c, { pass, steps }, model, signal) {
  for (let step = 0; step < steps; step++) {
    await model.arrivals.until(model.needs(step), signal);
    c._nibble_pass_drive(pass, step + 1);
  }
  while (c._nibble_pass_driven(pass) < steps) {
    await pause();
    checkCancelled(signal);
  }
}

async function takeTurns(c, { pass, steps }, model, turn, signal) {
  for (let step = 0; step < steps; step++) {
    await model.arrivals.until(model.needs(step), signal);
    c._nibble_pass_step(pass, 0);
    await turn.next();
  }
}
