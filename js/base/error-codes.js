// Every code of the library's errors, with what it means and what to do about it. js/ERRORS.md is made of this file.

/**
 * The codes that `NibbleError.code` may have. A code keeps its meaning; new ones may come with any version, so treat those
 * that you do not know as an error that is told.
 */
export const ERROR_CODES = Object.freeze({
  /** A value is none that the call takes; `details.option` names it. Mend the call. */
  INVALID_ARGUMENT: 'INVALID_ARGUMENT',
  /** A signal without a reason of its own stopped it, or the end of what it needed. Nothing to do. */
  CANCELLED: 'CANCELLED',
  /** Memory ran out. Give it less text, a smaller context or budget, or close what is not needed. */
  OUT_OF_MEMORY: 'OUT_OF_MEMORY',
  /** What was given does not fit into the context. Shorten it, or create the engine with a larger `contextSize`. */
  CONTEXT_FULL: 'CONTEXT_FULL',
  /** The memory budget holds not even what is needed at once. Raise `memoryBudget`; its sentence tells what would do. */
  BUDGET_TOO_SMALL: 'BUDGET_TOO_SMALL',
  /** `logitBias`, or it and `ignoreEos`, forbid every token. Allow some. */
  NO_TOKEN_ALLOWED: 'NO_TOKEN_ALLOWED',
  /** The engine was unloaded. Create a new one. */
  UNLOADED: 'UNLOADED',
  /** The session was closed. Create another. */
  SESSION_CLOSED: 'SESSION_CLOSED',

  /** It is no GGUF file. Use another. */
  GGUF_BAD_MAGIC: 'GGUF_BAD_MAGIC',
  /** A GGUF version other than 2 and 3. Convert the model anew. */
  GGUF_BAD_VERSION: 'GGUF_BAD_VERSION',
  /** The file ends before what it declares. Fetch it again. */
  GGUF_TRUNCATED: 'GGUF_TRUNCATED',
  /** The header goes on behind the bytes that were given. Give more of the file. */
  GGUF_NEEDS_MORE: 'GGUF_NEEDS_MORE',
  /** A count or length that the file cannot hold. It is damaged: fetch it again. */
  GGUF_BAD_COUNT: 'GGUF_BAD_COUNT',
  /** A text that is no UTF-8, or empty where it must not be. The file is damaged. */
  GGUF_BAD_STRING: 'GGUF_BAD_STRING',
  /** An unknown type of a value or tensor. Use a file with another type; the message names some. */
  GGUF_BAD_TYPE: 'GGUF_BAD_TYPE',
  /** A value of the metadata is outside its range. The file is damaged or was converted wrongly. */
  GGUF_BAD_VALUE: 'GGUF_BAD_VALUE',
  /** `general.alignment` is no power of two that fits. The file is damaged. */
  GGUF_BAD_ALIGNMENT: 'GGUF_BAD_ALIGNMENT',
  /** A tensor's dimensions are too many, zero, or too large. The file is damaged. */
  GGUF_BAD_DIMENSION: 'GGUF_BAD_DIMENSION',
  /** A tensor's bytes overlap others or lie outside. The file is damaged. */
  GGUF_BAD_OFFSET: 'GGUF_BAD_OFFSET',
  /** A key or a tensor stands twice. The file is damaged or was made wrongly. */
  GGUF_DUPLICATE: 'GGUF_DUPLICATE',
  /** A family or a feature that does not run here. The message names it, and what would do. */
  MODEL_UNSUPPORTED: 'MODEL_UNSUPPORTED',
  /** A key of the metadata is missing, mistyped or contradicts another. Convert the model anew. */
  MODEL_BAD_KEY: 'MODEL_BAD_KEY',
  /** A tensor is missing, or its shape or type does not fit. Convert the model anew. */
  MODEL_BAD_TENSOR: 'MODEL_BAD_TENSOR',
  /** Not every weight is there. Wait for `engine.ready`, or load the model whole. */
  MODEL_INCOMPLETE: 'MODEL_INCOMPLETE',
  /** The logits are NaN: weights are damaged or grow too large. Fetch the file again, or use another. */
  MODEL_COMPUTES_NAN: 'MODEL_COMPUTES_NAN',
  /** Parts of a model in parts are not there; `details` name them. Give all. */
  MODEL_PARTS_MISSING: 'MODEL_PARTS_MISSING',
  /** Parts belong not together, or contradict each other. Give those of one model. */
  MODEL_PARTS_MIXED: 'MODEL_PARTS_MIXED',

  /** The vocabulary is of a kind that is not known here. Use another file, or token ids. */
  TOKENIZER_UNSUPPORTED: 'TOKENIZER_UNSUPPORTED',
  /** The file has no vocabulary. Use token ids, or another file. */
  TOKENIZER_MISSING: 'TOKENIZER_MISSING',
  /** The vocabulary contradicts itself. The file is damaged or was converted wrongly. */
  TOKENIZER_BAD_METADATA: 'TOKENIZER_BAD_METADATA',
  /** An id that is no token of the vocabulary. Mend the call. */
  TOKENIZER_BAD_TOKEN: 'TOKENIZER_BAD_TOKEN',
  /** What is to become tokens is no text. Mend the call. */
  TOKENIZER_BAD_TEXT: 'TOKENIZER_BAD_TEXT',
  /** The messages are no chat; the message says which and why. Mend the call. */
  CHAT_BAD_MESSAGES: 'CHAT_BAD_MESSAGES',
  /** The model's template failed or refused the chat; `details.reason` is what it said. Change the chat or give `template`. */
  CHAT_TEMPLATE_FAILED: 'CHAT_TEMPLATE_FAILED',

  /** There is no network. Try again when there is: what came is kept. */
  DOWNLOAD_OFFLINE: 'DOWNLOAD_OFFLINE',
  /** The server sent nothing for too long. Try again: what came is kept. */
  DOWNLOAD_STALLED: 'DOWNLOAD_STALLED',
  /** The server refused or broke off. The message says how; try again, or use another address. */
  DOWNLOAD_FAILED: 'DOWNLOAD_FAILED',
  /** The file changed while it came. Load it again. */
  DOWNLOAD_CHANGED: 'DOWNLOAD_CHANGED',
  /** What comes from the address is no model, such as a page. Use another address. */
  DOWNLOAD_NOT_A_MODEL: 'DOWNLOAD_NOT_A_MODEL',
  /** The SHA-256 of what came is not the one that was told. Use another address. */
  HASH_MISMATCH: 'HASH_MISMATCH',
  /** A file, Blob, stream or Response cannot be read. Choose it again. */
  SOURCE_UNREADABLE: 'SOURCE_UNREADABLE',
  /** The hub has no such repository or file, or hides it. Look at the name, or give a token. */
  HUB_NOT_FOUND: 'HUB_NOT_FOUND',
  /** The hub wants a licence accepted first. Accept it on the model's page, and give a token. */
  HUB_GATED: 'HUB_GATED',
  /** The hub refuses the token. Give another. */
  HUB_TOKEN_REFUSED: 'HUB_TOKEN_REFUSED',
  /** The repository has no model that can be loaded here. Use another. */
  HUB_NO_MODEL: 'HUB_NO_MODEL',
  /** Several files are meant. Name one. */
  HUB_AMBIGUOUS: 'HUB_AMBIGUOUS',
  /** No file of the repository fits into this machine's memory. Name one, or use a smaller model. */
  HUB_TOO_LARGE: 'HUB_TOO_LARGE',

  /** There is no room. Delete something, or allow more. */
  STORE_FULL: 'STORE_FULL',
  /** Somebody else uses it: another tab or process. Wait, or end that. */
  STORE_BUSY: 'STORE_BUSY',
  /** There is no such stored model. `list()` tells which there are. */
  STORE_MISSING: 'STORE_MISSING',
  /** Several stored models have that name. Give the id of one. */
  STORE_AMBIGUOUS: 'STORE_AMBIGUOUS',
  /** What is stored is damaged. Import it again. */
  STORE_DAMAGED: 'STORE_DAMAGED',
  /** A piece of what is stored is gone. Import it again. */
  STORE_CHUNK_MISSING: 'STORE_CHUNK_MISSING',
  /** A newer version of the library wrote it. Update, or delete it. */
  STORE_VERSION: 'STORE_VERSION',
  /** The store cannot be used here; the message says why. Use another, or none. */
  STORE_UNAVAILABLE: 'STORE_UNAVAILABLE',
  /** The saved session is damaged, and was deleted. Compute it anew. */
  SAVE_DAMAGED: 'SAVE_DAMAGED',
  /** The saved session is another model's, version's or KV type's. Compute it anew. */
  SAVE_MISMATCH: 'SAVE_MISMATCH',
  /** The engine has no store to save in. Create it with one, or export the session. */
  SAVE_NEEDS_STORE: 'SAVE_NEEDS_STORE',
  /** The session is larger than all saves may be. Raise `maxSavedBytes`, or export it. */
  SAVE_TOO_LARGE: 'SAVE_TOO_LARGE',

  /** The engine stopped in the middle of a computation. Create a new one; report it if it comes again. */
  ENGINE_CRASHED: 'ENGINE_CRASHED',
  /** The engine's worker ended or did not start. Look whether its file is served, then create a new engine. */
  WORKER_FAILED: 'WORKER_FAILED',
  /** The wasm cannot be had. Look whether its files are served, or name their folder by `wasmUrl`. */
  WASM_UNAVAILABLE: 'WASM_UNAVAILABLE',
  /** Library, worker and wasm are of different releases. Serve those of one; clear caches that keep an older one. */
  RELEASE_MISMATCH: 'RELEASE_MISMATCH',
  /** The platform lacks what is needed. Use fewer threads, or a newer browser or Node. */
  PLATFORM_UNSUPPORTED: 'PLATFORM_UNSUPPORTED',
  /** The platform refused a thread. The engine runs on fewer; this stands in `engine.info.threadProblem`. */
  THREADS_FAILED: 'THREADS_FAILED',
  /** The platform computes a set of kernels wrongly. Another set is used; without one, use another browser. */
  KERNELS_WRONG: 'KERNELS_WRONG',
  /** Library and worker do not understand each other. Serve both from one release. */
  PROTOCOL_ERROR: 'PROTOCOL_ERROR',
  /** A fault of the library's own. Report it with the message. */
  INTERNAL: 'INTERNAL',
  /** Something that is no error of the library's was thrown or reported; the message tells what. */
  UNKNOWN: 'UNKNOWN',

  /** Command line: a file that was named cannot be read. */
  FILE_UNREADABLE: 'FILE_UNREADABLE',
  /** Command line: what is read in is longer than is taken. */
  INPUT_TOO_LONG: 'INPUT_TOO_LONG',
  /** Command line: the text is too short to be measured. */
  TEXT_TOO_SHORT: 'TEXT_TOO_SHORT',
  /** Command line: what was to be written could not be. */
  OUTPUT_FAILED: 'OUTPUT_FAILED',
});

/** @typedef {keyof typeof ERROR_CODES} ErrorCode What {@link NibbleError.code} may be: a name of {@link ERROR_CODES}. */
