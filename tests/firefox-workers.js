#!/usr/bin/env node
// Shows a fault of Firefox (ESR 153) that any-browser.test.js meets: in a Firefox that is driven, one worker in some fifty
// to two hundred never comes back from `new Worker()`. The page here has nothing of Nibble in it: it starts a worker,
// which starts another one and tells so, ends both and loads itself anew. The page itself goes on meanwhile, and a second
// worker starts. The same Firefox, started without anything that drives it, did this 333 times without a fault.
//
//   node tests/firefox-workers.js [--seconds 60] [--alone]
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readOptions } from '../wasm/shell.js';
import { ChildProcess } from './child-process.js';
import { openFirefox, requireFirefox } from './firefox.js';
import { portOf } from './port.js';
import { present } from './present.js';

const HANGS_MILLISECONDS = 10_000;

const WORKER = `
if (self.name === 'inner') {
  self.onmessage = () => self.postMessage('started');
} else {
  self.onmessage = () => {
    self.postMessage('before');
    const inner = new Worker(self.location.href, { name: 'inner' });
    self.postMessage('after');
    inner.onmessage = () => self.postMessage('started');
    inner.postMessage('are you there?');
  };
}`;

const PAGE = `<!doctype html><title>Workers</title><script type="module">
  const told = [];
  const outer = new Worker('worker.js', { name: 'outer' });
  const started = new Promise((resolve) => {
    outer.onmessage = ({ data }) => {
      told.push(data);
      if (data === 'started') resolve();
    };
  });
  outer.postMessage('begin');
  await Promise.race([started, new Promise((resolve) => setTimeout(resolve, ${HANGS_MILLISECONDS}))]);
  await fetch('report?' + told.join('-'));
  outer.terminate();
  location.reload();
</script>`;

const { values } = readOptions({ options: { seconds: { type: 'string', default: '60' }, alone: { type: 'boolean' } } });
const reports = new Map();
const server = createServer(({ url }, response) => {
  const [path, report] = present(url).split('?');
  if (path === '/report') reports.set(report, (reports.get(report) ?? 0) + 1);
  response.setHeader('content-type', path === '/worker.js' ? 'text/javascript' : 'text/html');
  response.end(path === '/worker.js' ? WORKER : PAGE);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${portOf(server)}/`;
const close = values.alone ? startAlone() : await startDriven();
await sleep(Number(values.seconds) * 1000);
await close();
server.close();
server.closeAllConnections();
for (const [told, times] of reports) console.log(`${times} times the worker told: ${told.replaceAll('-', ', ')}`);

function startAlone() {
  const folder = mkdtempSync(join(tmpdir(), 'nibble-firefox-'));
  const args = ['--headless', '--no-remote', '--profile', folder, address];
  const browser = new ChildProcess(requireFirefox(), args, { env: { ...process.env, HOME: folder } });
  return () => browser.end().finally(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
}

async function startDriven() {
  const { browser, close: end } = await openFirefox({ width: 800, height: 600 });
  const page = await browser.newPage();
  await page.goto(address);
  return end;
}
