// Progress that does not fall silent: while nothing comes from a server that is to be asked again, that is what is told.

// The phases whose bytes come from a server.
const DOWNLOADS = ['download', 'repair'];

/**
 * A call whose onProgress is told of waits too: { phase: 'retry', loaded, total, bytesPerSecond: 0, secondsLeft, attempt },
 * secondsLeft: until the server is asked again; attempt: how many times in a row nothing came.
 * @template {{ platform: import('../worker/engine-host.js').Platform, onProgress: (progress: import('../base/public-types.js').Progress) => void }} Call
 * @param {Call} call
 * @returns {Call}
 */
export function withRetries(call) {
  const { platform, onProgress } = call;
  /** @type {{ loaded: number, total: number, fraction: number }} */
  let reached = { loaded: 0, total: 0, fraction: 0 };
  /** @type {{ attempt: number, end: number } | null} */
  let wait = null;
  /** @param {{ attempt: number, end: number }} wait */
  const tell = ({ attempt, end }) => {
    const secondsLeft = Math.max(0, (end - performance.now()) / 1000);
    onProgress({ ...reached, phase: 'retry', bytesPerSecond: 0, secondsLeft, attempt });
  };
  /** @type {import('./download.js').DownloadOptions['onWait']} */
  const onWait = (state) => {
    wait = state && { attempt: state.failures, end: performance.now() + state.milliseconds };
    if (wait !== null) tell(wait);
  };
  return {
    ...call,
    platform: { ...platform, download: { ...platform.download, onWait } },
    onProgress(progress) {
      const comes = DOWNLOADS.includes(progress.phase);
      if (comes) reached = progress;
      // What is told late, of bytes that came before, would hide that nothing comes now.
      if (comes && wait !== null) tell(wait);
      else onProgress(progress);
    },
  };
}
