// Lets the event loop run between two pieces of work. A message to oneself takes some microseconds, where a timer is
// held back by 1 to 4 ms (and by seconds in a hidden tab). Node handles up to 1000 messages of one port before it looks
// at another, so there it is setImmediate() that lets a cancel in.

/**
 * What lets messages in between two pieces of work.
 * @typedef {{ nextTask: () => Promise<void>, close: () => void }} Scheduler `nextTask` resolves after waiting messages were handled
 */

/** @returns {Scheduler} */
export function createScheduler() {
  if (typeof setImmediate === 'function') {
    return { nextTask: () => new Promise((resolve) => setImmediate(resolve)), close: () => {} };
  }
  const { port1, port2 } = new MessageChannel();
  /** @type {(value?: any) => void} */
  let resume = () => {};
  port1.onmessage = () => resume();
  return {
    nextTask: () =>
      new Promise((resolve) => {
        resume = resolve;
        port2.postMessage(0);
      }),
    close: () => {
      port1.close();
      port2.close();
    },
  };
}
