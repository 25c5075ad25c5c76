// What has to happen within a prompt, however fast the machine is: the worker stands still there meanwhile.
import { randomUUID } from 'node:crypto';
import { BroadcastChannel } from 'node:worker_threads';

/**
 * Ways to do something, such as to cancel a call, when a part of its prompt is computed and a part is not. A prompt is
 * computed in several parts where it is the first of a session, and has more than 32 tokens that the engine does not
 * know, or where weights stream.
 * @returns {{ workerUrl: URL, within: (act: () => void) => (progress: { tokens: number, total: number }) => void }}
 *   workerUrl: for the engine, in Node; within: what `act` sends to the worker has come there before the next token is
 *   computed; what it returns is for the `onPrefill` or `onProgress` of the next call
 */
export function holdPrompts() {
  const name = randomUUID();
  const channel = new BroadcastChannel(name);
  channel.unref();
  return {
    workerUrl: new URL(`./held-prompt.node.js?channel=${name}`, import.meta.url),
    within(act) {
      channel.postMessage('hold');
      let acted = false;
      return ({ tokens, total }) => {
        if (acted || tokens === 0 || tokens === total) return;
        acted = true;
        act();
        channel.postMessage('go on');
      };
    },
  };
}
