// What a completion is told. Types alone: there is no code here.

/** @typedef {import('../prompt/messages.js').Message} Message */

/**
 * How texts become tokens.
 * @typedef {object} TextOptions
 * @property {boolean} [parseSpecial] Whether control tokens that are written out in a text count as such. Default: true in a
 *   `prompt`, which is the caller's own program; false in what `messages` and `tools` say.
 * @property {object[]} [tools] What the model may call: JSON schemas of functions, as the OpenAI API has them. They, and the
 *   `tool_calls` of messages, are for the chat template. Where it knows no tools, the warning `TOOLS_IGNORED` says so. JSON
 *   keeps its numbers and its order, and whole numbers may be bigints. Default: none.
 * @property {string} [template] The name of one of the chat templates in the file: one of `engine.info.chatTemplates`.
 *   Default: `'tool_use'` where there are tools and such a template, else `'default'`.
 * @property {string} [chatTemplate] A chat template of your own, the Jinja source itself, in place of those in the file. It
 *   runs within the same bounds. Error: `CHAT_TEMPLATE_FAILED`. Default: the file's.
 * @property {Record<string, unknown>} [templateVariables] More variables of the chat template, such as
 *   `{ enable_thinking: false }`. Default: none.
 * @property {Record<string, unknown>} [variables] A short name of `templateVariables`. Default: none.
 */

/**
 * How the next token is chosen. As in llama.cpp, in this order: `logitBias`, the penalties, `topK`, `topP`, `minP`, and then
 * `temperature`, which sharpens or flattens the draw among what is left. No penalty touches control tokens, tokens that end a
 * text and markers such as `<think>`, which stand in every chat.
 * @typedef {object} SamplingOptions
 * @property {number} [temperature] How much chance there is, from 0: always the likeliest token. Default: 0.8.
 * @property {number} [topK] Keeps the k likeliest tokens; 0: all. Default: 40.
 * @property {number} [topP] Keeps the likeliest tokens whose probabilities, among those that `topK` leaves, reach this sum; 1:
 *   all. Default: 0.95.
 * @property {number} [minP] Keeps tokens that are at least this likely, relative to the likeliest; 0: all. Default: 0.05.
 * @property {number} [repetitionPenalty] Divides the logits of tokens that are there already, and multiplies negative ones; 1:
 *   none. Default: 1.
 * @property {number} [presencePenalty] Subtracted once from the logits of tokens that are there already; 0: none. Default: 0.
 * @property {number} [frequencyPenalty] Subtracted from the logit of a token for each time it is there; 0: none. Default: 0.
 * @property {number} [penaltyWindow] How many of the last tokens the penalties look at; 0: all, where llama.cpp's 0 means none
 *   and its -1 all. Default: 64.
 * @property {Record<number, number> | Map<number, number>} [logitBias] Added to the logits of tokens, by their ids; `-Infinity`
 *   forbids one. Error: `NO_TOKEN_ALLOWED`, where all are forbidden. Default: none.
 * @property {number} [seed] The same seed gives the same text. Default: a random one, which the result tells.
 */

/**
 * What a completion begins with: one of the three.
 * @typedef {object} PromptOptions
 * @property {string} [prompt] A text to write on from. Where it begins with the token that begins a text, no second one is put
 *   before it. Default: absent.
 * @property {Message[]} [messages] A chat to answer, by the model's own template. Where that takes no system message, its text
 *   goes in front of the first user message, and the warning `SYSTEM_MESSAGE_MOVED` says so. Errors: `CHAT_BAD_MESSAGES`,
 *   `CHAT_TEMPLATE_FAILED`. Default: absent.
 * @property {number[]} [tokens] Ids of tokens to write on from. Default: absent.
 */

/**
 * What is left out of a text to make room.
 * @typedef {object} DroppedTokens
 * @property {number} tokens How many tokens.
 * @property {number} messages How many whole messages are among them.
 */

/**
 * Told how far the reading of a prompt is.
 * @callback PrefillCallback
 * @param {import('./public-types.js').Prefill} progress How far it is.
 * @returns {void}
 */

/**
 * Told what is left out of a text.
 * @callback DropCallback
 * @param {DroppedTokens} dropped How much it is.
 * @returns {void}
 */

/**
 * How an answer is written, and when it ends.
 * @typedef {object} AnswerOptions
 * @property {number} [maxTokens] Tokens that are written at most. Default: until the model ends its text, or the context is
 *   full.
 * @property {string | string[]} [stop] Texts that end the answer, and are no part of it. A text may be, or hold, the text of a
 *   control token, such as `<|eot_id|>`. Default: none.
 * @property {boolean} [ignoreEos] Never choose a token that ends the text. Default: false.
 * @property {boolean} [continueLast] The last of the messages is an answer that was cut off: write on from its end. Default:
 *   false.
 * @property {boolean} [reusePrefix] Keep what the prompt has in common with the last one, or share what another session has in
 *   common with it. Default: true.
 * @property {AbortSignal} [signal] Stops the answer, whose result then has what was written and `finishReason: 'cancelled'`.
 *   Where it was aborted beforehand, nothing is computed. Default: none.
 * @property {PrefillCallback} [onPrefill] Told as the prompt is computed. What it
 *   throws ends the completion, which rejects with it. Default: none.
 * @property {DropCallback} [onDrop] Told each time that tokens are dropped, and first of the messages that do
 *   not fit. Default: none.
 */

/**
 * What {@link Session.complete} is told. Where the logits are NaN, as a damaged model computes them, it fails with
 * `MODEL_COMPUTES_NAN`.
 * @typedef {PromptOptions & AnswerOptions & SamplingOptions & TextOptions & import('./engine-options.js').SessionOptions} CompletionOptions
 */

export {};
