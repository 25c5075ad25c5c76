// The types of the library's face that are not functions or classes of their own; both entries export them. There is no
// code here: `import type { EngineOptions } from 'nibble-llm'`. What each call is told stands in the files beside.

/** @typedef {import('../client/engine.js').Engine} Engine */
/** @typedef {import('../client/completion.js').Completion} Completion */
/** @typedef {import('../client/session.js').Session} Session */
/** @typedef {import('../client/model-store.js').ModelStore} ModelStore */
/** @typedef {import('../hub/address.js').HubOptions} HubOptions */
/** @typedef {import('../hub/address.js').HubAddress} HubAddress */
/** @typedef {import('../hub/files.js').HubFile} HubFile */
/** @typedef {import('../hub/files.js').FileProblem} FileProblem */
/** @typedef {import('./call-options.js').Repository} Repository */
/** @typedef {import('./call-options.js').ListOnlyOptions} ListOnlyOptions */
/** @typedef {import('./call-options.js').ListOptions} ListOptions */
/** @typedef {import('./access-options.js').AccessOptions} AccessOptions */
/** @typedef {import('./access-options.js').FetchCallback} FetchCallback */
/** @typedef {import('../prompt/messages.js').Message} Message */
/** @typedef {import('../prompt/messages.js').ContentPart} ContentPart */
/** @typedef {import('../prompt/messages.js').ContentFields} ContentFields */
/** @typedef {import('../prompt/messages.js').MessageFields} MessageFields */
/** @typedef {import('../download/http-headers.js').Validators} Validators */
/** @typedef {import('./error-codes.js').ErrorCode} ErrorCode */
/** @typedef {import('./errors.js').ErrorRecord} ErrorRecord */
/** @typedef {import('./speed-estimate.js').ModelSpeedFacts} ModelSpeedFacts */
/** @typedef {import('./speed-estimate.js').SpeedEstimate} SpeedEstimate */

/** @typedef {import('./engine-options.js').EngineOptions} EngineOptions */
/** @typedef {import('./engine-options.js').EngineSettings} EngineSettings */
/** @typedef {import('./engine-options.js').Holder} Holder */
/** @typedef {import('./engine-options.js').ModelFile} ModelFile */
/** @typedef {import('./engine-options.js').ModelSource} ModelSource */
/** @typedef {import('./engine-options.js').Progress} Progress */
/** @typedef {import('./engine-options.js').ProgressCallback} ProgressCallback */
/** @typedef {import('./engine-options.js').SessionOptions} SessionOptions */
/** @typedef {import('./engine-options.js').StoreChoice} StoreChoice */
/** @typedef {import('./engine-options.js').StoreFolder} StoreFolder */
/** @typedef {import('./engine-options.js').StoreKind} StoreKind */
/** @typedef {import('./engine-options.js').StoredReference} StoredReference */
/** @typedef {import('./engine-options.js').StreamedFile} StreamedFile */
/** @typedef {import('./engine-options.js').WorkerOptions} WorkerOptions */

/** @typedef {import('./completion-options.js').AnswerOptions} AnswerOptions */
/** @typedef {import('./completion-options.js').CompletionOptions} CompletionOptions */
/** @typedef {import('./completion-options.js').DropCallback} DropCallback */
/** @typedef {import('./completion-options.js').DroppedTokens} DroppedTokens */
/** @typedef {import('./completion-options.js').PrefillCallback} PrefillCallback */
/** @typedef {import('./completion-options.js').PromptOptions} PromptOptions */
/** @typedef {import('./completion-options.js').SamplingOptions} SamplingOptions */
/** @typedef {import('./completion-options.js').TextOptions} TextOptions */

/** @typedef {import('./call-options.js').BenchmarkOnlyOptions} BenchmarkOnlyOptions */
/** @typedef {import('./call-options.js').BenchmarkOptions} BenchmarkOptions */
/** @typedef {import('./call-options.js').CancelOptions} CancelOptions */
/** @typedef {import('./call-options.js').ChatOptions} ChatOptions */
/** @typedef {import('./call-options.js').CountOptions} CountOptions */
/** @typedef {import('./call-options.js').DetokenizeOptions} DetokenizeOptions */
/** @typedef {import('./call-options.js').EvaluateOnlyOptions} EvaluateOnlyOptions */
/** @typedef {import('./call-options.js').EvaluateOptions} EvaluateOptions */
/** @typedef {import('./call-options.js').Evaluation} Evaluation */
/** @typedef {import('./call-options.js').FitOnlyOptions} FitOnlyOptions */
/** @typedef {import('./call-options.js').FitOptions} FitOptions */
/** @typedef {import('./call-options.js').FitResult} FitResult */
/** @typedef {import('./call-options.js').ImportSessionOptions} ImportSessionOptions */
/** @typedef {import('./call-options.js').PrefillOnlyOptions} PrefillOnlyOptions */
/** @typedef {import('./call-options.js').PrefillOptions} PrefillOptions */
/** @typedef {import('./call-options.js').PrefillProgress} PrefillProgress */
/** @typedef {import('./call-options.js').PrefillProgressCallback} PrefillProgressCallback */
/** @typedef {import('./call-options.js').PrefillResult} PrefillResult */
/** @typedef {import('./call-options.js').PrefixOptions} PrefixOptions */
/** @typedef {import('./call-options.js').ProbeOnlyOptions} ProbeOnlyOptions */
/** @typedef {import('./call-options.js').ProbeOptions} ProbeOptions */
/** @typedef {import('./call-options.js').RenderOptions} RenderOptions */
/** @typedef {import('./call-options.js').RestoreOnlyOptions} RestoreOnlyOptions */
/** @typedef {import('./call-options.js').RestoreOptions} RestoreOptions */
/** @typedef {import('./call-options.js').SaveDroppedCallback} SaveDroppedCallback */
/** @typedef {import('./call-options.js').SavedSession} SavedSession */
/** @typedef {import('./call-options.js').ScoreOnlyOptions} ScoreOnlyOptions */
/** @typedef {import('./call-options.js').ScoreOptions} ScoreOptions */
/** @typedef {import('./call-options.js').StoreOnlyOptions} StoreOnlyOptions */
/** @typedef {import('./call-options.js').StoreOptions} StoreOptions */
/** @typedef {import('./call-options.js').TokenizeOptions} TokenizeOptions */
/** @typedef {import('./call-options.js').TokenProbability} TokenProbability */

/** @typedef {import('./store-options.js').CheckOptions} CheckOptions */
/** @typedef {import('./store-options.js').FileSource} FileSource */
/** @typedef {import('./store-options.js').FollowOptions} FollowOptions */
/** @typedef {import('./store-options.js').ImportOnlyOptions} ImportOnlyOptions */
/** @typedef {import('./store-options.js').ImportOptions} ImportOptions */
/** @typedef {import('./store-options.js').StoredModel} StoredModel */
/** @typedef {import('./store-options.js').StoreUse} StoreUse */
/** @typedef {import('./store-options.js').UpdateOptions} UpdateOptions */
/** @typedef {import('./store-options.js').UrlSource} UrlSource */
/** @typedef {import('./store-options.js').Verification} Verification */
/** @typedef {import('./store-options.js').VerifyOptions} VerifyOptions */

/** @typedef {import('./model-types.js').FileFacts} FileFacts */
/** @typedef {import('./model-types.js').MemoryBudget} MemoryBudget */
/** @typedef {import('./model-types.js').MemoryUse} MemoryUse */
/** @typedef {import('./model-types.js').MetadataEntry} MetadataEntry */
/** @typedef {import('./model-types.js').ModelDescription} ModelDescription */
/** @typedef {import('./model-types.js').ModelFacts} ModelFacts */
/** @typedef {import('./model-types.js').ModelIdentity} ModelIdentity */
/** @typedef {import('./model-types.js').ModelShape} ModelShape */
/** @typedef {import('./model-types.js').Problem} Problem */
/** @typedef {import('./model-types.js').Quantization} Quantization */
/** @typedef {import('./model-types.js').Tensor} Tensor */
/** @typedef {import('./model-types.js').Warning} Warning */
/** @typedef {import('./model-types.js').WeightTypes} WeightTypes */

/**
 * What is known only of an engine, which runs.
 * @typedef {object} EngineState
 * @property {'relaxed' | 'simd128'} wasm The build that runs.
 * @property {string} kernelSet The kernels in use, such as `'relaxed-i16'`.
 * @property {Record<string, number>} kernelRates Weights a second by kernel set, as the choice measured them.
 * @property {number} tileStreams How decoding reads the weights: see the option of this name.
 * @property {number} threads Threads that compute.
 * @property {Record<string, number>} threadRates Bytes of weights a second by number of threads; empty: none was measured.
 * @property {Warning | null} threadProblem Why there are fewer threads than were wanted. `null`:
 *   there are not.
 * @property {number} batchSize Tokens of a prompt that are computed at once.
 * @property {boolean} exact Whether it computes with the reference kernels.
 * @property {string | null} chatTemplate Where the template of chats is from: `'model'`, the file, or `'fallback'`, where it
 *   has none. `null`: there is no vocabulary.
 * @property {string[]} chatTemplates Names of the templates in the file, for the option `template`.
 * @property {Record<string, number | undefined>} specialTokens Ids of tokens by what they are for, such as `bos` and `eos`.
 * @property {boolean} addBos Whether texts begin with the token that begins a text.
 * @property {Warning[]} warnings What is odd: `VOCABULARY_ODD`, `PRE_TOKENIZER_UNKNOWN`, `CHAT_TEMPLATE_MISSING`,
 *   `CHAT_TEMPLATE_FAILED` (chats fail), `SYSTEM_MESSAGE_MOVED` (the template takes none), `PREDICTION_BLOCKS_UNUSED` (blocks
 *   for guessing ahead are left out).
 * @property {Storage} storage What became of the model in the store.
 * @property {number | null} loadMilliseconds Milliseconds that loading took. `null`: weights still arrive.
 */

/**
 * What {@link Engine.info} tells. With `vocabularyOnly`, what there is no model for is absent.
 * @typedef {ModelIdentity & ModelShape & EngineState} EngineInfo
 */

/**
 * Bytes of an engine's memory, in all.
 * @typedef {object} MemorySums
 * @property {number} wasm Bytes of the whole wasm memory.
 * @property {number} total Bytes of `wasm` and `javascript`.
 */

/** @typedef {MemoryUse & MemorySums} EngineMemory What {@link Engine.memory} gives: bytes. */

/**
 * What was read of weights that do not stay in memory.
 * @typedef {object} StreamedReading
 * @property {number} bytes Bytes in all.
 * @property {number} waitMilliseconds Milliseconds of waiting for them.
 * @property {number[]} storeRates Bytes a second that the store gives by itself, after each repetition.
 */

/**
 * What one operation of the model took.
 * @typedef {object} OperationTime
 * @property {string} operation Its name.
 * @property {number} milliseconds Milliseconds of all threads together.
 */

/**
 * What {@link Engine.benchmark} gives.
 * @typedef {object} BenchmarkResult
 * @property {number} promptTokens Tokens of the prompt.
 * @property {number} generatedTokens Tokens that were generated.
 * @property {number} depth Tokens that stood in the context before.
 * @property {number[]} nanoseconds Nanoseconds that each repetition took.
 * @property {Omit<EngineMemory, 'javascript' | 'total'>} memory Bytes in use at the end.
 * @property {number} readRate Bytes of weights a second that a plain loop on all threads reads.
 * @property {StreamedReading | null} streamed What was read from the store. `null`: all weights stay in memory.
 * @property {OperationTime[] | null} profile What each operation took. `null`: it was not asked for.
 */

/**
 * How fast a part of a completion was.
 * @typedef {object} Timing
 * @property {number} tokens Tokens that were computed.
 * @property {number} milliseconds Milliseconds that they took.
 * @property {number} tokensPerSecond Tokens a second; 0 where there were none.
 */

/**
 * What a completion has come to.
 * @typedef {object} CompletionResult
 * @property {string} text The text, in whole characters: one that the answer ends within is left out, as `continueLast` writes
 *   it anew.
 * @property {number[]} tokens Ids of the tokens that were written. The one that ended the text is not among them.
 * @property {'stop' | 'length' | 'context' | 'cancelled'} finishReason Why it ended. `'stop'`: the model ended its text
 *   (`stopToken`), or a stop string came (`stopString`). `'length'`: it has `maxTokens`. `'context'`: the context is full.
 *   `'cancelled'`: by the signal, by stop(), or since a loop was left.
 * @property {string | null} stopString The stop string that came. `null`: none did.
 * @property {number | null} stopToken The id of the token by which the model ended its text. `null`: it did not.
 * @property {number} promptTokens Tokens of the prompt.
 * @property {number} reusedTokens How many of these were computed for an earlier call.
 * @property {number} completionTokens Tokens that were written.
 * @property {number | null} firstTokenMilliseconds Milliseconds from the call of complete() to the first token, with the wait for
 *   earlier calls and the reading of the prompt. `null`: none was written.
 * @property {number} droppedTokens Tokens that were dropped or left out to make room (`onFull: 'drop-oldest'`).
 * @property {number} droppedMessages How many of the messages were left out whole.
 * @property {Timing} prefill The reading of the prompt.
 * @property {Timing} decode The writing of the answer.
 * @property {number} seed The seed of the draws.
 * @property {Warning[]} warnings What was done otherwise than one would expect: `SYSTEM_MESSAGE_MOVED`, `TOOLS_IGNORED` (the
 *   template knows none).
 */

/**
 * A piece of a completion, as it comes.
 * @typedef {object} CompletionPiece
 * @property {string} text What is new of the text; `''` where a token ends within a character.
 * @property {number | null} token The id of the token that brought it. `null`: text that was held back, since it might have
 *   begun a stop string.
 */

/**
 * How far the reading of a prompt is.
 * @typedef {object} Prefill
 * @property {number} tokens Tokens that are computed by now.
 * @property {number} total Tokens to be computed.
 * @property {number} reusedTokens Tokens that were computed for an earlier call: with `total` the length of the prompt.
 * @property {number} tokensPerSecond Tokens a second; 0 before the first are computed.
 * @property {string} [opening] Of complete(), the tag that the chat's prompt ends in, such as `<think>`: the answer begins
 *   inside the model's thoughts. `''` where there is none, and where the last message is continued. Default: absent.
 */

/**
 * What became of a model and its store: `engine.info.storage`.
 * @typedef {object} Storage
 * @property {string | null} kind The store. `null`: none was asked for.
 * @property {string | null} id What the model is stored under. `null`: it is not stored.
 * @property {'stored' | 'imported' | 'not-stored'} state Whether it was stored before, is since this load, or is not.
 * @property {number | null} bytesPerSecond Bytes a second that it was read at from the store, checks included. `null`: it was not.
 * @property {number | null} verifyMilliseconds Milliseconds of comparing it with its checksums, a part of that. `null`: it was not.
 * @property {number} repairedChunks How many pieces were damaged and came again.
 * @property {boolean} restarted Whether an interrupted import began anew: the file has changed, or its server cannot go on.
 * @property {Problem | null} problem Why it is not stored. `null`: nothing is wrong.
 */

/**
 * What {@link probeSpeed} measures of this machine.
 * @typedef {object} Probe
 * @property {number} decodeBytesPerSecond Bytes of weights a second that generation goes through, as they are in the file.
 * @property {number} prefillWeightsPerSecond Weights a second that a prompt goes through, times its tokens.
 * @property {number} threads Threads that computed.
 * @property {string} kernelSet The kernels that computed.
 * @property {number} milliseconds Milliseconds that the probe took.
 */

/**
 * What a server has now of a stored model.
 * @typedef {object} Freshness
 * @property {string} id The model's id.
 * @property {boolean | null} isNewer Whether the server has a newer file. `null`: there is nobody to ask, since the model came
 *   from no address.
 * @property {Validators} stored What the server told of the file that is stored.
 * @property {Validators | null} found What it tells of the file that it has now. `null`: it was not asked.
 */

export {};
