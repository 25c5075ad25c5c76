// The service worker: keeps the page whole for when there is no network. Written by the next step.
const { version } = self.SITE;
self.addEventListener('install', () => version);
