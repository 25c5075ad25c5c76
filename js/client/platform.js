// What differs between Node and a browser on the caller's side. There is no code here: index.node.js and index.web.js each
// have one.

/**
 * @typedef {object} Platform
 * @property {(workerUrl?: string | URL) => import('../protocol/client.js').WorkerPort} startWorker
 * @property {(text: string) => Place} locate what a text means as the address of a file
 * @property {(folder?: string) => import('../protocol/calls.js').WasmPlace} wasm where the wasm is: in the folder that was
 *   given, or by default
 * @property {(descriptor: import('../protocol/calls.js').Descriptor) => import('../index.js').EngineOptions['store']} defaultStore
 *   for a model that comes without the option
 * @property {{ persist: () => Promise<boolean>, persisted: () => Promise<boolean> }} persistence
 * @property {() => number} memory bytes that an engine may well have here
 * @property {{ hub: import('../hub/address.js').HubOptions, fetch?: import('../download/access.js').Fetch }} [environment] what the process
 *   was started with: a hub where a call names none, and how servers are reached
 * @property {(text: string) => boolean} isPath whether something lies there on this machine
 */

/**
 * One of the three.
 * @typedef {{ url: string, path?: undefined, blob?: undefined } | { path: string, url?: undefined, blob?: undefined }
 *   | { blob: Blob, url?: undefined, path?: undefined }} Place
 */

export {};
