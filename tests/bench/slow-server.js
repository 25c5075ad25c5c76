// The server of first-token.js, in a process of its own: what the engine computes does not hold it up. Places come by a
// message, the addresses go back as one.
import { serveBenchmark } from './server.js';

process.once('message', async (/** @type {import('./server.js').Given} */ places) => {
  const { url, modelUrl } = await serveBenchmark(places);
  process.send?.({ url, modelUrl });
});
// Nobody is left to serve.
process.on('disconnect', () => process.exit());
