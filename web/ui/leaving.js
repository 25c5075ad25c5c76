// The last moments at which a page can be sure to do something.

/** @param {() => void} keep what is called whenever nobody sees the page any more, also as it is closed */
export function onLeaving(keep) {
  addEventListener('pagehide', keep);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && keep());
}
