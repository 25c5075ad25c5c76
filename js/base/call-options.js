// What the calls of engines, sessions and stores are told, and what some of them give. Types alone: there is no code here.

/** @typedef {import('./completion-options.js').TextOptions} TextOptions */
/** @typedef {import('./completion-options.js').PromptOptions} PromptOptions */
/** @typedef {import('./engine-options.js').SessionOptions} SessionOptions */

/**
 * How a call is ended.
 * @typedef {object} CancelOptions
 * @property {AbortSignal} [signal] Ends the call, which is rejected with the signal's reason, or with `CANCELLED` where it has none
 *   of its own. Default: none.
 */

/**
 * What a session may keep of what it has.
 * @typedef {object} PrefixOptions
 * @property {boolean} [reusePrefix] Keep what the session's tokens and the new ones begin with, rather than compute it anew.
 *   Default: true.
 */

/**
 * What {@link Session.evaluate} alone is told.
 * @typedef {object} EvaluateOnlyOptions
 * @property {number} [top] How many of the likeliest tokens to tell; 0: all. Default: 20.
 */

/** @typedef {EvaluateOnlyOptions & PrefixOptions & CancelOptions} EvaluateOptions What {@link Session.evaluate} is told. */

/**
 * A token that may come next.
 * @typedef {object} TokenProbability
 * @property {number} id Its id in the vocabulary.
 * @property {string} token Its text; control tokens have their names.
 * @property {number} p Its probability, from 0 to 1.
 * @property {number} logit Its logit, as the model computes it.
 */

/**
 * What {@link Session.evaluate} gives.
 * @typedef {object} Evaluation
 * @property {number[]} tokens The tokens that were evaluated.
 * @property {TokenProbability[]} top The tokens that may come next, the likeliest first.
 */

/**
 * What {@link Session.score} alone is told.
 * @typedef {object} ScoreOnlyOptions
 * @property {number} [from] Index of the first token that is scored: 1 at least, since nothing comes before the first.
 *   Default: 1.
 */

/** @typedef {ScoreOnlyOptions & PrefixOptions & CancelOptions} ScoreOptions What {@link Session.score} is told. */

/**
 * How far {@link Session.prefill} is.
 * @typedef {object} PrefillProgress
 * @property {number} tokens Tokens that are computed by now.
 * @property {number} total Tokens to be computed.
 * @property {number} reusedTokens Tokens that were there already.
 */

/**
 * Told how far {@link Session.prefill} is.
 * @callback PrefillProgressCallback
 * @param {PrefillProgress} progress How far it is.
 * @returns {void}
 */

/**
 * What {@link Session.prefill} alone is told.
 * @typedef {object} PrefillOnlyOptions
 * @property {PrefillProgressCallback} [onProgress] Told as tokens are computed. Default: none.
 */

/**
 * What {@link Session.prefill} is told. Behind the signal, what was computed stays.
 * @typedef {PrefillOnlyOptions & PrefixOptions & CancelOptions} PrefillOptions
 */

/**
 * What {@link Session.prefill} gives.
 * @typedef {object} PrefillResult
 * @property {number} reusedTokens Tokens that were there already, in this session or in another.
 * @property {number} computedTokens Tokens that were computed.
 * @property {number} droppedTokens Tokens that were left out behind the head, since they did not fit (`onFull: 'drop-oldest'`).
 */

/**
 * Told why a saved session was deleted.
 * @callback SaveDroppedCallback
 * @param {import('./errors.js').NibbleError} reason `SAVE_DAMAGED` or `SAVE_MISMATCH`.
 * @returns {void}
 */

/**
 * What {@link Engine.restoreSession} alone is told.
 * @typedef {object} RestoreOnlyOptions
 * @property {SaveDroppedCallback} [onDropped] Told why a save was deleted instead of restored:
 *   `SAVE_DAMAGED`, or `SAVE_MISMATCH` where it is of another model, KV type or version. Default: none.
 */

/** @typedef {RestoreOnlyOptions & SessionOptions & CancelOptions} RestoreOptions What {@link Engine.restoreSession} is told. */

/** @typedef {SessionOptions & CancelOptions} ImportSessionOptions What {@link Engine.importSession} is told. */

/**
 * What a session was saved as.
 * @typedef {object} SavedSession
 * @property {string} key Its name.
 * @property {number} tokens Tokens on its timeline.
 * @property {number} bytes Bytes that it takes in the store.
 * @property {number} createdAt When it was saved: milliseconds since 1970.
 * @property {number} usedAt When it was saved or restored last: milliseconds since 1970.
 */

/**
 * What {@link Engine.tokenize} is told.
 * @typedef {object} TokenizeOptions
 * @property {boolean} [addSpecial] Add the tokens that begin and end a text, where the model wants them and the text has none
 *   there. Default: true.
 * @property {boolean} [parseSpecial] Whether control tokens that are written out in the text count as such. Say false for what a
 *   person or a document says. Default: true.
 */

/**
 * What {@link Engine.detokenize} is told.
 * @template {boolean} [Each=false]
 * @typedef {object} DetokenizeOptions
 * @property {Each} [each] Give the text of each token by itself, control tokens by their names. Default: false.
 */

/**
 * How a chat is rendered.
 * @typedef {object} ChatOptions
 * @property {boolean} [continueLast] The last message is an answer that was cut off, and stays open. Default: false.
 * @property {boolean} [addGenerationPrompt] Open the answer that is to come. Default: true.
 */

/** @typedef {ChatOptions & TextOptions} RenderOptions What {@link Engine.render} is told. */

/** @typedef {PromptOptions & ChatOptions & TextOptions} CountOptions What {@link Engine.countTokens} is told. */

/**
 * What {@link Engine.fitMessages} alone is told.
 * @typedef {object} FitOnlyOptions
 * @property {boolean} [continueLast] The last message is an answer that was cut off, and stays open. Default: false.
 * @property {number} [maxTokens] Tokens of the answer to keep room for, an eighth of the context at most. Default: that eighth.
 */

/** @typedef {FitOnlyOptions & TextOptions} FitOptions What {@link Engine.fitMessages} is told. */

/**
 * What {@link Engine.fitMessages} gives.
 * @typedef {object} FitResult
 * @property {number} leftOut How many messages have to be left out, the oldest behind the system message.
 * @property {number} tokens Tokens of what is left.
 */

/**
 * What {@link Engine.benchmark} alone is told.
 * @typedef {object} BenchmarkOnlyOptions
 * @property {number} [promptTokens] Tokens of the prompt; 0: none is timed. Default: 512.
 * @property {number} [generatedTokens] Tokens that are generated; 0: none are timed. Default: 128.
 * @property {number} [repetitions] How often both are timed. Default: 5.
 * @property {number} [depth] Tokens that stand in the context before. Default: 0.
 * @property {boolean} [warmUp] Run once before, without timing. Default: true.
 * @property {boolean} [profile] Tell how long each operation took, which takes time too. Default: false.
 */

/** @typedef {BenchmarkOnlyOptions & CancelOptions} BenchmarkOptions What {@link Engine.benchmark} is told. */

/**
 * Which store {@link openModelStore} opens.
 * @typedef {object} StoreOnlyOptions
 * @property {import('./engine-options.js').StoreChoice} [store] The store. Default: IndexedDB in a browser; in Node it has to be
 *   named.
 * @property {import('../hub/address.js').HubOptions} [hub] Where Hugging Face's hub is, and an access token for it. Default: the
 *   public hub, without a token.
 */

/** @typedef {StoreOnlyOptions & import('./engine-options.js').WorkerOptions} StoreOptions What {@link openModelStore} is told. */

/**
 * What {@link probeSpeed} alone is told.
 * @typedef {object} ProbeOnlyOptions
 * @property {number} [threads] Threads that compute. Default: as many as an engine would take.
 */

/** @typedef {ProbeOnlyOptions & CancelOptions & import('./engine-options.js').WorkerOptions} ProbeOptions What {@link probeSpeed} is told. */

/**
 * What {@link listRepository} alone is told.
 * @typedef {object} ListOnlyOptions
 * @property {import('../hub/address.js').HubOptions} [hub] Where the hub is, and an access token for it. Default: the public hub,
 *   without a token.
 * @property {number} [memory] Bytes that an engine may take. Default: what this machine is likely to spare.
 * @property {import('./public-types.js').Probe} [probe] What {@link probeSpeed} gave, so that speeds are told, and a type is
 *   recommended that is fast enough to talk to. Default: none.
 */

/**
 * What {@link listRepository} is told.
 * @typedef {ListOnlyOptions & import('./access-options.js').AccessOptions & CancelOptions} ListOptions
 */

/**
 * What a repository of Hugging Face's hub has.
 * @typedef {object} Repository
 * @property {string} repository `'owner/name'`, as the hub writes it.
 * @property {string} revision The branch, tag or commit.
 * @property {string} page The address where people read about it, and accept its licence.
 * @property {boolean} isGated Whether its files are given only to who has accepted its licence, and says who they are.
 * @property {import('../hub/files.js').HubFile[]} files Its GGUF files, the smallest first.
 * @property {import('../hub/files.js').HubFile | null} recommended The file that the address names by its path or type, or else the one for this machine.
 *   `null`: none fits, or none of them runs.
 */

export {};
