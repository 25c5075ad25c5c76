// What has to happen within a prompt, however fast the machine is: the worker stands still there meanwhile.
import { setEnvironmentData } from 'node:worker_threads';

/** What the number that both threads see is. */
export const HELD_PROMPT = Object.freeze({ name: 'held prompt', GOES_ON: 0, STOPS: 1, STANDS: 2 });

const PATIENCE_MILLISECONDS = 120_000;

/**
 * Ways to do something, such as to cancel a call, when a part of its prompt is computed and a part is not. A prompt is
 * computed in several parts where it is the first of a session, and has more than 32 tokens that the engine does not
 * know, or where weights stream.
 * @returns {{ workerUrl: URL, within: (act: () => void) => (progress: { tokens: number, total: number }) => void }}
 *   workerUrl: for one engine in Node, to be created before this is called again; within: what `act` sends to the worker
 *   has come there before the next token is computed; what it returns is for the `onPrefill` or `onProgress` of the next
 *   call, and throws where the worker does not stand still
 */
export function holdPrompts() {
  const { name, GOES_ON, STOPS, STANDS } = HELD_PROMPT;
  const state = new Int32Array(new SharedArrayBuffer(4));
  // The first file of a worker is not told of what stands behind the "?" of its address.
  setEnvironmentData(name, state);
  return {
    workerUrl: new URL('./held-prompt.node.js', import.meta.url),
    within(act) {
      Atomics.store(state, 0, STOPS);
      let acted = false;
      return ({ tokens, total }) => {
        if (acted || tokens === 0 || tokens === total) return;
        acted = true;
        // The worker tells of the part before it stands still.
        Atomics.wait(state, 0, STOPS, PATIENCE_MILLISECONDS);
        if (Atomics.load(state, 0) !== STANDS) throw new Error('The worker goes on with its prompt.');
        try {
          act();
        } finally {
          Atomics.store(state, 0, GOES_ON);
          Atomics.notify(state, 0);
        }
      };
    },
  };
}
