// The types of the library's face that are not functions or classes of their own; both entries export them. There is no
// code here: `import type { EngineOptions } from 'nibble-llm'`.

/** @typedef {import('../client/engine.js').Engine} Engine */
/** @typedef {import('../index.js').EngineOptions} EngineOptions */
/** @typedef {import('../index.js').CompletionOptions} CompletionOptions */
/** @typedef {import('../client/completion.js').Completion} Completion */
/** @typedef {import('../client/session.js').Session} Session */
/** @typedef {import('../client/session.js').SessionOptions} SessionOptions */
/** @typedef {import('../client/session.js').SavedSession} SavedSession */
/** @typedef {import('../client/model-store.js').ModelStore} ModelStore */
/** @typedef {import('../client/model-store.js').StoredModel} StoredModel */
/** @typedef {import('../client/model-store.js').ImportOptions} ImportOptions */
/** @typedef {import('../hub/address.js').HubOptions} HubOptions */
/** @typedef {import('../hub/address.js').HubAddress} HubAddress */
/** @typedef {import('../hub/files.js').HubFile} HubFile */
/** @typedef {import('../hub/repository.js').Repository} Repository */
/** @typedef {import('../index.js').TextOptions} TextOptions */
/** @typedef {import('../prompt/messages.js').Message} Message */
/** @typedef {import('./error-codes.js').ErrorCode} ErrorCode what NibbleError.code may be */
/** @typedef {{ code: string, message: string }} Warning a stable code, and a sentence */
/** @typedef {EngineOptions['model']} ModelSource what a model may come from */
/** @typedef {Parameters<NonNullable<EngineOptions['onProgress']>>[0]} Progress what onProgress of createEngine() is told */

/**
 * @typedef {object} WeightTypes tensors of one type that become the same kind of tile
 * @property {string} type in the file
 * @property {string | null} kind in memory; null: it holds no weights
 * @property {number} tensors how many
 * @property {number} weights
 * @property {number} bytes in the file
 * @property {number} packedBytes in memory
 */

/**
 * @typedef {{ name: string, type: string, shape: number[], offset: number, bytes: number, kind: string | null,
 *   packedBytes: number }} Tensor `kind` and `packedBytes`: what it becomes in memory; null: it holds no weights
 */

/**
 * What a file says of the model in it.
 * @typedef {object} ModelIdentity
 * @property {string} name
 * @property {string | null} architecture such as 'llama'
 * @property {{ name: string, bytes: number | null, ggufVersion: number }} file `bytes` null: its source does not tell
 * @property {{ label: string, types: WeightTypes[] }} quantization what people call it, such as 'Q4_K_M', and the types
 * @property {number} tensorBytes
 */

/**
 * What the core makes of it.
 * @typedef {object} ModelShape
 * @property {number} parameters weights that a token goes through
 * @property {number} bytesPerToken and their bytes in memory
 * @property {number} vocabularySize
 * @property {number} width
 * @property {number} blocks
 * @property {number} layers
 * @property {number} heads
 * @property {number} kvHeads
 * @property {number} headSize of keys
 * @property {number} valueSize of values
 * @property {number} feedForward
 * @property {number} trainedContext tokens that it was trained for
 * @property {number} contextSize tokens that fit into one conversation here
 * @property {number} slidingWindow tokens that layers with a window look back; 0: there are none
 * @property {boolean} tiedOutput whether the output's weights are those of the embedding
 * @property {'f16' | 'f32' | 'int8'} kvType what keys and values are kept as
 * @property {number} packedBytes weights as they lie in memory and in a store
 * @property {MemoryBudget | null} budget null: no `memoryBudget` was given
 */

/**
 * What stays in memory and what is read from the store.
 * @typedef {object} MemoryBudget
 * @property {number} bytes the budget
 * @property {number} leastBytes the smallest one that would do
 * @property {boolean} streams whether anything is read from the store for a token
 * @property {boolean} outputStreams whether the output's weights are
 * @property {number} pinnedBlocks how many blocks stay
 * @property {number} streamedBlocks how many are read
 * @property {number} slots for blocks that are being read
 * @property {number} slotBytes
 * @property {number} ringBytes of all slots
 * @property {number} bytesPerTokenStreamed
 * @property {number} sweepTokens tokens of a prompt that take one reading
 */

/**
 * What is known only of an engine, which runs.
 * @typedef {object} EngineState
 * @property {'relaxed' | 'simd128'} wasm the build that runs
 * @property {string} kernelSet
 * @property {Record<string, number>} kernelRates weights a second, as the choice measured them
 * @property {number} tileStreams
 * @property {number} threads
 * @property {Record<string, number>} threadRates bytes of weights a second by number of threads; empty: none was measured
 * @property {{ code: string, message: string } | null} threadProblem why there are fewer threads than were wanted
 * @property {number} batchSize tokens of a prompt that are computed at once
 * @property {boolean} exact
 * @property {string | null} chatTemplate where the template of chats is from: 'model', the file, or 'fallback', where it has
 *   none; null: there is no vocabulary
 * @property {string[]} chatTemplates the names of the file's templates, for the option `template`
 * @property {Record<string, number | undefined>} specialTokens ids by what they are for
 * @property {boolean} addBos
 * @property {Warning[]} warnings what is odd about it: VOCABULARY_ODD, PRE_TOKENIZER_UNKNOWN, CHAT_TEMPLATE_MISSING,
 *   CHAT_TEMPLATE_FAILED (chats fail), SYSTEM_MESSAGE_MOVED (the template takes none) or PREDICTION_BLOCKS_UNUSED (blocks
 *   for guessing ahead are left out)
 * @property {Storage} storage what became of the model in the store
 * @property {number | null} loadMilliseconds null: weights still arrive
 */

/** @typedef {ModelIdentity & ModelShape & EngineState} EngineInfo with `vocabularyOnly`, what there is no model for is absent */

/**
 * Bytes by purpose; see Engine.memory().
 * @typedef {object} MemoryUse
 * @property {number} weights
 * @property {number} ring
 * @property {number} kvCache
 * @property {number} activations
 * @property {number} code
 * @property {number} other
 * @property {number} unused
 * @property {number} javascript
 */

/** @typedef {MemoryUse & { wasm: number, total: number }} EngineMemory `wasm`: all of it but `javascript`; `total`: of both */

/**
 * What Engine.benchmark() gives.
 * @typedef {object} BenchmarkResult
 * @property {number} promptTokens
 * @property {number} generatedTokens
 * @property {number} depth
 * @property {number[]} nanoseconds of each repetition
 * @property {Omit<EngineMemory, 'javascript' | 'total'>} memory in use at the end
 * @property {number} readRate bytes of weights a second that a plain loop on all threads reads
 * @property {{ bytes: number, waitMilliseconds: number, storeRates: number[] } | null} streamed of weights that are read
 *   from the store: bytes in all, how long was waited for them, and bytes a second that the store gives by itself after
 *   each repetition; null where all of them stay in memory
 * @property {{ operation: string, milliseconds: number }[] | null} profile of all threads; null: none was asked for
 */

/**
 * What describeModel() tells of a file without loading the weights.
 * @typedef {object} ModelFacts
 * @property {number} dataOffset
 * @property {Record<string, any>} metadata long lists are cut
 * @property {Tensor[]} tensors
 * @property {ModelShape | null} model null: this engine cannot run it
 * @property {MemoryUse | null} memory what an engine takes at most: `other` counts what loading takes for a while as well.
 *   null: it cannot be run so
 * @property {{ code: ErrorCode, message: string } | null} problem why
 * @property {Warning[]} warnings what is odd about it, as `engine.info.warnings` would tell
 */

/** @typedef {ModelIdentity & ModelFacts} ModelDescription */

/**
 * @typedef {object} CompletionResult
 * @property {string} text whole characters: one that the answer ends within is left out, as continueLast writes it anew
 * @property {number[]} tokens that were written; the one that ended the text is not among them
 * @property {'stop' | 'length' | 'context' | 'cancelled'} finishReason why it ended. 'stop': the model ended its text
 *   (`stopToken`), or a stop string came (`stopString`); 'length': it has `maxTokens`; 'context': the context is full;
 *   'cancelled': by the signal, by stop(), or since a loop was left
 * @property {string | null} stopString the stop string that came; null: none did
 * @property {number | null} stopToken the id of the token by which the model ended its text; null: it did not
 * @property {number} promptTokens all tokens of the prompt
 * @property {number} reusedTokens of these, those that were computed for an earlier call
 * @property {number} completionTokens how many were written
 * @property {number | null} firstTokenMilliseconds from the call of complete() to the first token, with the wait for earlier
 *   calls and the reading of the prompt; null: none was written
 * @property {number} droppedTokens with onFull 'drop-oldest', how many tokens were dropped or left out to make room
 * @property {number} droppedMessages how many of the messages were left out whole
 * @property {{ tokens: number, milliseconds: number, tokensPerSecond: number }} prefill
 * @property {{ tokens: number, milliseconds: number, tokensPerSecond: number }} decode
 * @property {number} seed
 * @property {Warning[]} warnings what was done otherwise than one would expect:
 *   SYSTEM_MESSAGE_MOVED, TOOLS_IGNORED (the template knows none)
 */

/**
 * @typedef {object} Prefill how far the reading of the prompt is
 * @property {number} tokens computed by now
 * @property {number} total to be computed
 * @property {number} reusedTokens computed for an earlier call: together with `total` the length of the prompt
 * @property {number} tokensPerSecond 0 before the first are computed
 * @property {string} [opening] of complete(): the tag that the chat's prompt ends in, such as `<think>`, which opens the
 *   model's thoughts: the answer begins within them. '' where there is none, and where the last message is continued
 */

/**
 * What became of a model and its store: `engine.info.storage`.
 * @typedef {object} Storage
 * @property {string | null} kind null: no store was asked for
 * @property {string | null} id what the model is stored under
 * @property {'stored' | 'imported' | 'not-stored'} state it was stored; it is since this load; it is not
 * @property {number | null} bytesPerSecond of reading it from the store, checks included
 * @property {number | null} verifyMilliseconds of comparing it with its checksums, which is part of that
 * @property {number} repairedChunks how many were damaged and came again
 * @property {boolean} restarted an interrupted import began anew: the file has changed, or its server cannot go on
 * @property {{ code: ErrorCode, message: string } | null} problem why it is not stored
 */

/**
 * @typedef {object} Probe
 * @property {number} decodeBytesPerSecond bytes of weights, as in the file, that generation goes through
 * @property {number} prefillWeightsPerSecond weights times tokens of a prompt
 * @property {number} threads
 * @property {string} kernelSet
 * @property {number} milliseconds what the probe took
 */

/**
 * What a server has now of a stored model.
 * @typedef {object} Freshness
 * @property {string} id
 * @property {boolean | null} isNewer null: there is nobody to ask, since the model came from no address
 * @property {import('../download/http-headers.js').Validators} stored what the server told of the file that is stored
 * @property {import('../download/http-headers.js').Validators | null} found and of the one that it has now
 */

export {};
