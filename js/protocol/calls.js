// The types of the calls that a worker answers: what goes in, what comes back, and what is told meanwhile. There is no code
// here. What comes across is checked where it arrives, so that these are promises of ours, and not of callers.

/** @typedef {import('../index.js').CompletionOptions} CompletionOptions */
/** @typedef {import('../base/public-types.js').EngineInfo} EngineInfo */
/** @typedef {import('../base/public-types.js').Progress} Progress */
/** @typedef {import('../base/public-types.js').EngineMemory} EngineMemory */
/** @typedef {import('../base/public-types.js').BenchmarkResult} BenchmarkResult */
/** @typedef {import('../client/model-store.js').StoredModel} StoredModel */
/** @typedef {import('../client/session.js').SavedSession} SavedSession */
/** @typedef {import('../client/session.js').SessionOptions} SessionOptions */
/** @typedef {import('../prompt/messages.js').Message} Message */

/**
 * Where the wasm is: `binary`, the wasm itself; `url`, the folder of its files; `files`, the address of each.
 * @typedef {{ binary?: ArrayBuffer | ArrayBufferView, url?: string, files?: Record<string, string> }} WasmPlace
 */

/**
 * What a caller passed as a model, as describeSource() in sources/descriptor.js tells it.
 * @typedef {ReturnType<typeof import('../sources/descriptor.js').describeSource>['descriptor']} Descriptor
 */

/**
 * A file of a model, and what is known of it.
 * @typedef {object} SourceParams
 * @property {Descriptor} source
 * @property {import('../hub/repository.js').ResolvedModel['sha256']} [toldSha256] what somebody else tells of it
 * @property {string[]} [addresses] further ones that it is known by
 * @property {string | null} [storeId] what it is stored under, in place of an id that is made of where it comes from
 * @property {string | null} [sha256] what the caller says that the file's is
 */

/**
 * What an engine is made with.
 * @typedef {object} EngineParams
 * @property {import('../base/options.js').StoreSettings | null} store
 * @property {WasmPlace} wasm
 * @property {import('../download/access.js').AccessParams} [access] how its files are asked for
 * @property {unknown} options of createEngine()
 */

/**
 * A call: its parameters, its result, and its events.
 * @template Params
 * @template Result
 * @template [Event=never]
 * @typedef {{ params: Params, result: Result, event: Event }} Call
 */

/**
 * A call on a session; without its number, on the engine's own.
 * @template Params
 * @template Result
 * @template [Event=never]
 * @typedef {Call<Params & { session?: number }, Result, Event>} SessionCall
 */

/** @typedef {{ tokens: number, messages: number }} Dropped */
/** @typedef {{ tokens: number, total: number, reusedTokens: number }} PrefillProgress */
/** @typedef {{ text: string, token: number | null }} Piece of an answer; token null: text that was held back */
/** @typedef {{ id: number, token: string, p: number, logit: number }} LikelyToken */

/**
 * What is told of a completion: one of the three.
 * @typedef {({ prefill: import('../base/public-types.js').Prefill, dropped?: undefined })
 *   | ({ dropped: Dropped, prefill?: undefined }) | (Piece & { prefill?: undefined, dropped?: undefined })} CompletionEvent
 */

/**
 * What is told of a load: how far it is, or once that calls run from now on.
 * @typedef {(Progress & { opened?: undefined }) | { opened: EngineInfo }} LoadEvent
 */

/**
 * The calls that are made on a session.
 * @typedef {object} SessionCalls
 * @property {SessionCall<Omit<CompletionOptions, 'signal' | 'onPrefill' | 'onDrop'>, Omit<import('../base/public-types.js').CompletionResult, 'firstTokenMilliseconds'>, CompletionEvent>} complete
 * @property {SessionCall<{ tokens: number[], options: object }, { tokens: number[], top: LikelyToken[] }>} evaluate
 * @property {SessionCall<{ tokens: number[], options: object }, Float32Array>} score
 * @property {SessionCall<{ options?: SessionOptions }, { session: number }>} sessionCreate
 * @property {SessionCall<{ options?: SessionOptions }, { session: number }>} sessionFork
 * @property {SessionCall<{ tokens: number[], options: object }, { reusedTokens: number, computedTokens: number, droppedTokens: number }, { prefill: PrefillProgress }>} sessionPrefill
 * @property {SessionCall<{ length: number }, number>} sessionTruncate
 * @property {SessionCall<{}, number[]>} sessionTokens
 * @property {SessionCall<{}, null>} sessionClose
 * @property {SessionCall<{ key: string }, SavedSession>} sessionSave
 * @property {SessionCall<{ key: string, options: SessionOptions }, { session: number, problem: null } | { session: null, problem: object | null }>} sessionRestore
 * @property {SessionCall<{}, SavedSession[]>} sessionList
 * @property {SessionCall<{ key: string }, null>} sessionDelete
 * @property {SessionCall<{}, Blob>} sessionExport
 * @property {SessionCall<{ image: unknown, options: SessionOptions }, { session: number }>} sessionImport
 */

/**
 * The calls that concern a model as a whole, or what there is before one.
 * @typedef {object} EngineCalls
 * @property {Call<SourceParams & EngineParams, EngineInfo, LoadEvent>} load
 * @property {Call<SourceParams & EngineParams, import('../base/public-types.js').ModelDescription, LoadEvent>} describe
 * @property {Call<{ text: string, options: object }, number[]>} tokenize
 * @property {Call<{ options: object }, number>} countTokens
 * @property {Call<{ messages: Message[], options: object }, { leftOut: number, tokens: number }>} fitMessages
 * @property {Call<{ tokens: number[], options: object }, string | string[]>} detokenize a list with the option `each`
 * @property {Call<{ messages: Message[], options: object }, string>} render
 * @property {Call<{ options: object }, BenchmarkResult>} benchmark
 * @property {Call<{ wasm: WasmPlace, options: unknown }, import('../base/public-types.js').Probe>} probe
 * @property {Call<{}, EngineMemory>} memory
 * @property {Call<{}, null>} unload
 */

/** @typedef {Parameters<NonNullable<import('../client/model-store.js').ImportOptions['onProgress']>>[0]} ImportProgress */
/** @typedef {{ id: string }} WithId the id of a stored model */

/**
 * The calls of a store, which has a worker of its own.
 * @typedef {object} StoreCalls
 * @property {Call<Pick<EngineParams, 'wasm'> & { store: import('../base/options.js').StoreSettings }, { kind: import('../client/model-store.js').ModelStore['kind'] }>} storeOpen
 * @property {Call<{}, StoredModel[]>} storeList
 * @property {Call<SourceParams, boolean>} storeHas
 * @property {Call<SourceParams, string>} storeIdOf
 * @property {Call<SourceParams & Pick<EngineParams, 'access'> & { options: object }, StoredModel, ImportProgress>} storeImport
 * @property {Call<WithId & Pick<EngineParams, 'access'>, import('../base/public-types.js').Freshness>} storeCheck
 * @property {Call<WithId & Pick<EngineParams, 'access'>, StoredModel, ImportProgress>} storeUpdate
 * @property {Call<WithId, { id: string, state: string, chunks: number, damaged: number[] }, Progress>} storeVerify
 * @property {Call<WithId, null>} storeDelete
 * @property {Call<WithId & { name: string }, null>} storeRename
 * @property {Call<{}, { usage: number | null, quota: number | null, models: number, sessions: number }>} storeEstimate
 * @property {Call<WithId, number>} storeReadRate
 * @property {Call<{}, null>} storeClose
 */

/** @typedef {[address: number, length: number]} HeapPlace */

/**
 * The calls that a reading worker answers.
 * @typedef {object} ReaderCalls
 * @property {Call<{ store: import('../base/options.js').StoreSettings, memory: WebAssembly.Memory, keepOpen: boolean }, null>} readerOpen
 * @property {Call<{ id: string, index: number, offset: number, places: HeapPlace[], state?: number | null }, { checksum: string, bytes: number, milliseconds: number } | null>} readerRead
 *   `state`: where to take the checksum of what is read, null for no such thing; the result is that checksum
 */

/** @typedef {SessionCalls & EngineCalls & StoreCalls & ReaderCalls} Calls what a worker answers, by its methods' names */
/** @typedef {keyof Calls} Method */

/**
 * What the worker's half is given beside a call's parameters.
 * @template [Event=any]
 * @typedef {object} Control
 * @property {AbortSignal} signal
 * @property {(event: Event) => void} onEvent
 * @property {() => void} goOn lets the next call begin before this one has ended
 * @property {<T>(use: () => T | Promise<T>) => Promise<T>} behindOthers runs something behind the calls that came before
 * @property {() => Promise<void>} untilAlone waits until all other calls have ended
 */

/**
 * The worker's half of calls: their methods.
 * @template Some
 * @typedef {{ [Name in keyof Some]: Some[Name] extends Call<infer Params, infer Result, infer Event> ?
 *   (params: Params, control: Control<Event>) => Result | Promise<Result> : never }} Answers
 */

export {};
