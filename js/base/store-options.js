// What the calls of a store of models are told, and what they give. Types alone: there is no code here.

/** @typedef {import('./call-options.js').CancelOptions} CancelOptions */
/** @typedef {import('./engine-options.js').Progress} Progress */
/** @typedef {import('./engine-options.js').ProgressCallback} ProgressCallback */
/** @typedef {import('./access-options.js').AccessOptions} AccessOptions */

/**
 * A model that came from an address.
 * @typedef {object} UrlSource
 * @property {string} url The address.
 */

/**
 * A model that came from a file.
 * @typedef {object} FileSource
 * @property {string} file The name of the file.
 */

/**
 * A model in a store.
 * @typedef {object} StoredModel
 * @property {string} id What it is asked for by: `{ stored: id }`.
 * @property {string[]} aliases Further ids that it is known by.
 * @property {string} name What it is called.
 * @property {UrlSource | FileSource | null} source Where it came from. `null`: neither an address nor a file.
 * @property {string | null} etag The ETag that the server told. `null`: it told none.
 * @property {string | null} lastModified The date of the last change, as the server wrote it. `null`: it told none.
 * @property {'importing' | 'complete' | 'damaged'} state `'importing'`: an import is under way, or was interrupted and goes on
 *   when it is asked for again. `'damaged'`: this version cannot read its record; its id then only serves to delete it.
 * @property {number | null} fileBytes Bytes of the file. `null`: not known.
 * @property {number} receivedBytes Bytes of the file that have come.
 * @property {number} storedBytes Bytes that it takes in the store.
 * @property {string | null} architecture Its family, such as `'llama'`. `null`: not known yet.
 * @property {string | null} quantization What people call its mixture of types, such as `'Q4_K_M'`. `null`: not known yet.
 * @property {number | null} contextLength Tokens that it was trained for. `null`: not known yet.
 * @property {number | null} createdAt When it was stored: milliseconds since 1970. `null`: not known.
 * @property {number | null} usedAt When it was used last: milliseconds since 1970. `null`: not known.
 */

/**
 * What {@link ModelStore.import} alone is told.
 * @typedef {object} ImportOnlyOptions
 * @property {string} [name] What the model is to be called. Default: as in its file.
 * @property {string} [id] What the model is stored under, as for {@link createEngine}. Of a model that is stored under it, the
 *   server of the address that is given now is asked for a newer file. Default: an id made of where it comes from.
 * @property {string} [sha256] The SHA-256 that the file has to have: 64 hexadecimal digits. Error: `HASH_MISMATCH`. Default: any.
 * @property {boolean} [keepPartial] Keep what has come of an import that is interrupted, and go on from there the next time.
 *   Default: true.
 */

/**
 * How an import or an update is followed.
 * @typedef {object} FollowOptions
 * @property {ProgressCallback} [onProgress] Told how far it is. What it throws ends it. Default: none.
 */

/**
 * What {@link ModelStore.import} is told. Behind the signal, what has come is kept.
 * @typedef {ImportOnlyOptions & FollowOptions & CancelOptions & AccessOptions} ImportOptions
 */

/** @typedef {FollowOptions & CancelOptions & AccessOptions} UpdateOptions What {@link ModelStore.update} is told. */

/** @typedef {CancelOptions & AccessOptions} CheckOptions What {@link ModelStore.check} is told. */

/** @typedef {FollowOptions & CancelOptions} VerifyOptions What {@link ModelStore.verify} is told. */

/**
 * What {@link ModelStore.verify} found.
 * @typedef {object} Verification
 * @property {string} id The model's id.
 * @property {string} state What its record says: `'complete'`, or `'importing'` where an import was interrupted.
 * @property {number} chunks How many pieces there are.
 * @property {number[]} damaged Indices of the pieces that are damaged; -1 is the header. Loading the model gets them again,
 *   where it came from an address.
 */

/**
 * How much room there is.
 * @typedef {object} StoreUse
 * @property {number | null} usage Bytes that the whole origin, or the disk, has in use. `null`: not known.
 * @property {number | null} quota Bytes that are to be had in all. `null`: not known.
 * @property {number} models Bytes of stored models.
 * @property {number} sessions Bytes of saved sessions.
 */

export {};
