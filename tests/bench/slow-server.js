// The server of first-token.js, in a process of its own: what the engine computes does not hold it up. Places come by a
// message, the addresses go back as one.
import { serveBenchmark } from './server.js';

process.once('message', async (places) => {
  const { url, modelUrl } = await serveBenchmark(places);
  /** @type {any} */ (process).send({ url, modelUrl });
});
// Nobody is left to serve.
process.on('disconnect', () => process.exit());
