// What is told of a model and of its file. Types alone: there is no code here.

/** @typedef {import('./error-codes.js').ErrorCode} ErrorCode */

/**
 * Something that is odd, and no error.
 * @typedef {object} Warning
 * @property {string} code What it is, for programs: a name that stays.
 * @property {string} message A sentence for people.
 */

/**
 * Why something is not as it was wanted, as far as it is no error of a call.
 * @typedef {object} Problem
 * @property {ErrorCode} code What it is, for programs.
 * @property {string} message A sentence for people.
 */

/**
 * The tensors of one type.
 * @typedef {object} WeightTypes
 * @property {string} type The type in the file, such as `'Q4_K'`.
 * @property {string | null} kind The kind of tile that it becomes in memory. `null`: these tensors hold no weights.
 * @property {number} tensors How many tensors have it.
 * @property {number} weights How many weights they hold.
 * @property {number} bytes Bytes that they take in the file.
 * @property {number} packedBytes Bytes that they take in memory.
 */

/**
 * A tensor of a file.
 * @typedef {object} Tensor
 * @property {string} name Its name, such as `'blk.0.attn_q.weight'`.
 * @property {string} type Its type, such as `'Q4_K'`.
 * @property {number[]} shape Its dimensions, the one that runs fastest first.
 * @property {number} offset Where it begins: bytes from the beginning of the file's data.
 * @property {number} bytes Bytes that it takes in the file.
 * @property {string | null} kind The kind of tile that it becomes in memory. `null`: it holds no weights.
 * @property {number} packedBytes Bytes that it takes in memory.
 */

/**
 * The file of a model.
 * @typedef {object} FileFacts
 * @property {string} name What it is called; `''` where it has no name.
 * @property {number | null} bytes Its size in bytes. `null`: its source does not tell.
 * @property {number} ggufVersion The version of the format: 2 or 3.
 */

/**
 * The types of the weights of a file.
 * @typedef {object} Quantization
 * @property {string} label What people call the mixture, such as `'Q4_K_M'`.
 * @property {WeightTypes[]} types The types that it is made of.
 */

/**
 * What a file says of the model in it.
 * @typedef {object} ModelIdentity
 * @property {string} name The model's name.
 * @property {string | null} architecture Its family, such as `'llama'`. `null`: the file does not tell.
 * @property {FileFacts} file The file.
 * @property {Quantization} quantization The types of its weights.
 * @property {number} tensorBytes Bytes that its tensors take in the file.
 */

/**
 * What the engine makes of a model.
 * @typedef {object} ModelShape
 * @property {number} parameters Weights that a token goes through.
 * @property {number} bytesPerToken Bytes that these take in memory.
 * @property {number} vocabularySize Tokens of the vocabulary.
 * @property {number} width Numbers that a token is between the layers.
 * @property {number} blocks Transformer blocks that the file has.
 * @property {number} layers Blocks that a token goes through; more than `blocks` where it goes through some again.
 * @property {number} heads Heads of attention.
 * @property {number} kvHeads Heads of keys and values.
 * @property {number} headSize Numbers of a key.
 * @property {number} valueSize Numbers of a value.
 * @property {number} feedForward Numbers inside the feed-forward layer.
 * @property {number} trainedContext Tokens that it was trained for.
 * @property {number} contextSize Tokens that fit into one conversation here.
 * @property {number} slidingWindow Tokens that layers with a window look back; 0: there are none.
 * @property {boolean} tiedOutput Whether the output's weights are those of the embedding.
 * @property {'f16' | 'f32' | 'int8'} kvType What keys and values are kept as.
 * @property {number} packedBytes Bytes that the weights take in memory and in a store.
 * @property {MemoryBudget | null} budget What stays in memory. `null`: no `memoryBudget` was given.
 */

/**
 * What stays in memory under a `memoryBudget`, and what is read from the store.
 * @typedef {object} MemoryBudget
 * @property {number} bytes The budget in bytes.
 * @property {number} leastBytes Bytes of the smallest budget that would do.
 * @property {boolean} streams Whether anything is read from the store for a token.
 * @property {boolean} outputStreams Whether the output's weights are.
 * @property {number} pinnedBlocks How many blocks stay.
 * @property {number} streamedBlocks How many blocks are read.
 * @property {number} slots Places for blocks that are being read.
 * @property {number} slotBytes Bytes of one such place.
 * @property {number} ringBytes Bytes of all of them.
 * @property {number} bytesPerTokenStreamed Bytes that are read for a token.
 * @property {number} sweepTokens Tokens of a prompt that take one reading.
 */

/**
 * Bytes of an engine's memory, by purpose.
 * @typedef {object} MemoryUse
 * @property {number} weights Weights that stay.
 * @property {number} ring Places for weights that are read from the store.
 * @property {number} kvCache Keys and values that all sessions have in use.
 * @property {number} activations What is between the layers while tokens are computed.
 * @property {number} code Data and stack of the code.
 * @property {number} other Sessions, threads, tables, and what loading needs.
 * @property {number} unused What is free or reserved.
 * @property {number} javascript What the worker takes beside the wasm, mostly for the vocabulary: in Node as V8 tells, with what
 *   is not collected yet; in a browser, which tells a worker nothing, counted.
 */

/**
 * What a file says under one key.
 * @typedef {object} MetadataEntry
 * @property {string} type Its type, such as `'u32'` or `'string[]'`.
 * @property {number} count How many values it has; 1 where it is no list.
 * @property {number | bigint | boolean | string | (number | bigint | boolean | string)[] | null} value What it says; of a list
 *   its beginning. `null`: a list of lists.
 */

/**
 * What only a look at a file tells.
 * @typedef {object} ModelFacts
 * @property {number} dataOffset Where its tensors begin, in bytes.
 * @property {Record<string, MetadataEntry>} metadata What it says, by key.
 * @property {Tensor[]} tensors Its tensors.
 * @property {ModelShape | null} model What the engine makes of it. `null`: it does not run here.
 * @property {MemoryUse | null} memory Bytes that an engine takes at most; `other` counts what only loading takes. `null`: it
 *   cannot be run with these options.
 * @property {Problem | null} problem Why. `null`: it can be run.
 * @property {Warning[]} warnings What is odd about it, as `engine.info.warnings` would tell.
 */

/** @typedef {ModelIdentity & ModelFacts} ModelDescription What {@link describeModel} tells of a file, without its weights. */

export {};
