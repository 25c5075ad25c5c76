// Time for an importer that is in a hurry: what it does every 5 seconds it does every 50 milliseconds.
const now = performance.now.bind(performance);
performance.now = () => 100 * now();
