// What createEngine() and the other calls with a model in them are told. Types alone: there is no code here.

/**
 * A stream of a file's bytes, and what is known of it.
 * @typedef {object} StreamedFile
 * @property {ReadableStream} stream The bytes, from the first one on. It is read once.
 * @property {number} [size] How many bytes it will give. Default: unknown, so progress has no total.
 * @property {string} [name] What the file is called. Default: no name.
 */

/**
 * One file: its URL (in Node also a path), a `File` or `Blob`, its bytes, a stream of them, or a `Response` that nobody has
 * read. An address of Hugging Face's hub means the file behind it, as {@link readHubAddress} reads it.
 * @typedef {string | URL | Blob | ArrayBuffer | ArrayBufferView | ReadableStream | Response | StreamedFile} ModelFile
 */

/**
 * A model that a store holds.
 * @typedef {object} StoredReference
 * @property {string} stored Its id, as {@link ModelStore.list} tells it.
 */

/**
 * Where a model comes from.
 *
 * - A GGUF file, with weights of any type, of a family that `models/README.md` names.
 * - `'owner/name'` of Hugging Face: the file of that repository that is stored, or else the one that {@link listRepository}
 *   recommends. `'owner/name:Q4_K_M'` names a type. In Node a path of that name comes first.
 * - A model in parts (`'name-00001-of-00003.gguf'`): any part, where the others lie beside it, or a list of them all. Errors:
 *   `MODEL_PARTS_MISSING`, `MODEL_PARTS_MIXED`.
 * - `{ stored: id }`: what the store holds already. Error: `STORE_MISSING`.
 * @typedef {ModelFile | ModelFile[] | StoredReference} ModelSource
 */

/**
 * A folder of this machine, in Node.
 * @typedef {object} StoreFolder
 * @property {string} folder Its path. It is made where it is missing.
 * @property {number} [chunkBytes] Bytes of one piece of a file. Default: 64 MiB.
 */

/**
 * A store by its kind, with how it cuts files.
 * @typedef {object} StoreKind
 * @property {string} kind `'indexeddb'`, `'opfs'` or `'memory'`.
 * @property {number} [chunkBytes] Bytes of one piece of a file. Default: 64 MiB.
 */

/**
 * Where models are kept: IndexedDB, the browser's private file system, a folder in Node, or the memory of the worker, which
 * lasts as long as the worker does. `null`: nowhere.
 * @typedef {'indexeddb' | 'opfs' | 'memory' | StoreFolder | StoreKind | null} StoreChoice
 */

/**
 * Where the files of the library are, for pages whose bundler does not bring them along.
 * @typedef {object} WorkerOptions
 * @property {string | URL} [workerUrl] Address of `worker.js`. Default: beside the library.
 * @property {string | URL} [wasmUrl] Address of the folder with `nibble-relaxed.wasm` and `nibble-simd128.wasm`, relative to
 *   the page; in Node also a path, relative to where the process runs. Default: beside the library.
 * @property {ArrayBuffer | ArrayBufferView} [wasmBinary] The wasm itself, in place of `wasmUrl`. Default: none.
 */

/**
 * Who holds a lock, as far as is known.
 * @typedef {object} Holder
 * @property {string} [name] Of the process or the page. Default: not known.
 * @property {number} [since] Since when: milliseconds since 1970, by the clock of the holder. Default: not known.
 */

/**
 * How far the loading, or the storing, of a model is.
 *
 * | `phase` | what goes on |
 * |---|---|
 * | `'download'` | bytes come from a server |
 * | `'load'` | bytes come from a file, a Blob or a stream |
 * | `'read'` | bytes come from the store |
 * | `'repair'` | what is damaged in the store comes again from its source |
 * | `'wait'` | another tab or process is storing the model |
 * | `'retry'` | nothing comes, and the server is asked again in `secondsLeft` |
 * | `'prepare'` | the engine measures what is fastest |
 * @typedef {object} Progress
 * @property {'download' | 'load' | 'read' | 'repair' | 'wait' | 'retry' | 'prepare'} phase What goes on.
 * @property {number} loaded Bytes that are there, of the phase alone.
 * @property {number} total Bytes of the phase in all; 0 where nobody tells.
 * @property {number} fraction How far the whole is, over all phases, from 0 to 1. It never goes back.
 * @property {number} bytesPerSecond Bytes a second, of the last seconds.
 * @property {number | null} secondsLeft Seconds that the rest takes at this rate. `null`: it cannot be told.
 * @property {boolean} [restarted] An interrupted import began anew, since the file has changed. Default: it did not.
 * @property {number} [attempt] In the phase `'retry'`, how many times in a row the server was asked. Default: absent.
 * @property {Holder} [holder] In the phase `'wait'`, who stores the model, where that is known. Default: absent.
 */

/**
 * Told how far the loading, or the storing, of a model is.
 * @callback ProgressCallback
 * @param {Progress} progress How far it is.
 * @returns {void}
 */

/**
 * What a context that is full means for a session.
 *
 * | | a prompt that is too long | an answer that meets the end |
 * |---|---|---|
 * | `'stop'` | is refused with `CONTEXT_FULL` | ends with `finishReason: 'context'` |
 * | `'drop-oldest'` | loses its oldest tokens, a chat its oldest turns | goes on, and the oldest half is dropped at once |
 *
 * The head of the text stays: see `keepTokens`. The model knows nothing more of what was dropped. `onDrop` and the result tell
 * how much that was. Where memory ends before the context does, it is as if the context ended there. Error: `OUT_OF_MEMORY`,
 * where dropping is not enough.
 * @typedef {object} SessionOptions
 * @property {'stop' | 'drop-oldest'} [onFull] What happens where the context is full. Default: as the engine has it, and
 *   there `'stop'`.
 * @property {number} [keepTokens] Tokens at the head that are never dropped: 4 at least, half of the context at most. Default:
 *   the system prompt of a chat, 4 tokens of other texts.
 */

/**
 * How a model is loaded and run. Unknown options are refused with `INVALID_ARGUMENT`, which names the one that was meant.
 * @typedef {object} EngineSettings
 * @property {ModelSource} model The model.
 * @property {import('../hub/address.js').HubOptions} [hub] Where Hugging Face's hub is, and an access token for it. Default:
 *   the public hub, without a token.
 * @property {StoreChoice} [store] Where the model is kept for the next time, and taken from where it is kept already.
 *   `engine.info.storage` tells what became of it. Default: in a browser IndexedDB for models from a URL, else `null`.
 * @property {string} [id] What the model is stored under: an address whose query is another one each time, such as a signature,
 *   or a stream, is then found again. Whatever `model` is then, what is stored under the id is taken. Default: an id made of
 *   where the model comes from.
 * @property {string} [sha256] The SHA-256 that the file has to have: 64 hexadecimal digits. Error: `HASH_MISMATCH`, also of a file
 *   that is stored already and was not compared; with `earlyStart`, `engine.ready` tells. Default: any.
 * @property {number} [threads] Threads that compute. Default: those that are fastest, of at most 8 that the machine runs at
 *   once; they are measured once the weights are there (`engine.info.threadRates`). It is 1 where memory cannot be shared, or
 *   where threads do not start: `engine.info.threadProblem` says why.
 * @property {number} [contextSize] Tokens that fit into one conversation; 0: as many as the model was trained for. More are
 *   refused with `INVALID_ARGUMENT`, whose `details.trainedContext` tells how many. Default: as many as it was trained for,
 *   but at most 4096.
 * @property {number} [batchSize] Tokens of a prompt that are computed at once. Default: 128, or the context size where
 *   that is smaller.
 * @property {boolean} [exact] Compute with float activations, an F32 KV cache and the reference kernels: slow, for comparing.
 *   Default: false.
 * @property {'auto' | 'f16' | 'int8'} [kvType] What keys and values of past tokens are kept as. `'int8'` takes little more
 *   than half the memory of `'f16'` and rounds more. Default: `'auto'`, which is `'f16'`, and F32 with `exact`.
 * @property {number} [memoryBudget] Bytes that the engine may take in all, with a full context: its heap, and what the
 *   JavaScript of its workers takes in a browser. Up to 40 MiB that are on their way from a server are not counted. Layers that do
 *   not fit are read from `store` for every token, with the same results; so a store is needed, in a browser best `'opfs'`.
 *   All sessions share the keys and values of one full context, and beyond it they fail with `OUT_OF_MEMORY`. `contextSize` is
 *   by default what takes a quarter of the budget, but at least 512. Error: `BUDGET_TOO_SMALL`, which says what would do.
 *   Default: no bound.
 * @property {string} [kernelSet] The kernels to use, such as `'relaxed-i16'` or `'simd128'`. Default: the fastest, measured.
 * @property {number} [tileStreams] How decoding reads the weights: 1, one tile behind the other; more, as many side by side as
 *   the kernel set has. Default: 0, the faster, measured (`engine.info.tileStreams`).
 * @property {number} [maxSaves] Saved sessions that the store may hold, of all models. Beyond it, those that were used longest
 *   ago are deleted. Default: 20.
 * @property {number} [maxSavedBytes] Bytes that saved sessions may take together, as `maxSaves`. Default: 1 GiB.
 * @property {boolean} [vocabularyOnly] Load no weights: the engine then tokenizes, detokenizes and renders chats, and no more.
 *   Default: false.
 * @property {boolean} [earlyStart] Resolve as soon as header and vocabulary are there. A prompt that is given meanwhile is
 *   computed block by block as the weights arrive; the text is the same. `engine.ready` tells when all is there. It has no
 *   effect where weights are read from the store under a `memoryBudget`. Default: false.
 * @property {AbortSignal} [signal] Stops the loading: createEngine() is rejected with the signal's reason, or with `CANCELLED` where
 *   it has none of its own. With `earlyStart`, so is `engine.ready`, and calls that wait are with `CANCELLED`. Default: none.
 * @property {ProgressCallback} [onProgress] Told how far the loading is. What it throws ends the loading, and the
 *   call rejects with it. Default: none.
 */

/**
 * What {@link createEngine} is told.
 * @typedef {EngineSettings & SessionOptions & WorkerOptions & import('./access-options.js').AccessOptions} EngineOptions
 */

export {};
