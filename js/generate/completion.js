// Writes on from a prompt: prefill, then one token after the other.

import { codeOf, NibbleError } from '../base/errors.js';
import { extendWithRoom, readWithRoom } from './full-context.js';
import { halfCharacterAt } from './half-character.js';
import { createStopMatcher } from './stop-strings.js';

/** @typedef {import('../base/public-types.js').CompletionResult} CompletionResult */
/** @typedef {import('../base/public-types.js').Prefill} Prefill */
/** @typedef {import('../tokenizer/tokenizer.js').Tokenizer} Tokenizer */
/** @typedef {import('../core/sampler.js').Sampler} Sampler */
/** @typedef {ReturnType<typeof import('../base/options.js').readSamplingOptions>} SamplingOptions */
/** @typedef {(token: { text: string, token: number | null }) => void} OnToken */
/** @typedef {ReturnType<typeof createWriter>} Writer */
/** @typedef {{ tokens: number, milliseconds: number, tokensPerSecond: number }} Lap */

/**
 * @param {object} context
 * @param {import('../core/runtime.js').Model} context.model
 * @param {import('./timeline.js').Timeline} context.timeline
 * @param {import('../tokenizer/tokenizer.js').Tokenizer | null} context.tokenizer null: no text, only tokens
 * @param {import('../base/scheduler.js').Scheduler} context.scheduler
 * @param {import('./full-context.js').Room | null} [context.room] makes room in a full context; null: the text ends there
 * @param {boolean} [context.shift] as Timeline.replace() has it
 * @param {number[]} prompt
 * @param {SamplingOptions} options as readCompletionOptions() gives them
 * @param {{ signal: AbortSignal, onToken: OnToken,
 *   onPrefill: (progress: Prefill) => void }} control
 * @returns {Promise<Omit<CompletionResult, 'droppedTokens' | 'droppedMessages' | 'warnings' | 'firstTokenMilliseconds'> & { half: import('./half-character.js').HalfCharacter | null }>} half: the
 *   character that all of it ends within. Where a prompt ends within one, the answer begins with what completes it
 * @throws {NibbleError} NO_TOKEN_ALLOWED where the options forbid every token, before anything is computed;
 *   MODEL_COMPUTES_NAN where the model gives none of the others a logit
 */
export async function complete(
  { model, timeline, tokenizer, scheduler, room = null, shift = false },
  prompt,
  options,
  control,
) {
  const { signal, onToken, onPrefill } = control;
  const seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0];
  const sampler = createSampler(model, tokenizer, { ...options, seed });
  try {
    const prefill = stopwatch();
    let computed = 0;
    let reusedTokens = 0;
    const report = () => {
      const { tokens, tokensPerSecond } = prefill.lap(computed);
      onPrefill({ tokens, total: prompt.length - reusedTokens, reusedTokens, tokensPerSecond });
    };
    /** @param {number} kept */
    const onStart = (kept) => {
      reusedTokens = kept;
      report();
    };
    /** @param {number} count */
    const onPiece = (count) => {
      computed += count;
      report();
    };
    const how = { reuse: options.reusePrefix, scheduler, signal, onStart, onPiece };
    const reading = readWithRoom(room, prompt, (fitting, shorter) => {
      prompt = fitting;
      computed = 0;
      return timeline.replace(prompt, { ...how, shift: shift || shorter });
    });
    if (!(await isMade(reading, signal))) {
      return finish(
        createWriter(null, [], onToken),
        'cancelled',
        prefill.lap(computed),
        stopwatch().lap(0),
        reusedTokens,
      );
    }
    const prefilled = prefill.lap(computed);
    for (const token of penalised(prompt, tokenizer, options)) sampler.accept(token);

    const decode = stopwatch();
    const started = prompt.some((token) => tokenizer?.isControl(token) === false);
    const begun = halfCharacterAt(tokenizer, prompt)?.tokens ?? [];
    const writer = createWriter(tokenizer, options.stop, onToken, { atStart: !started, begun });
    const finishReason = await writeOn({ timeline, sampler, tokenizer, scheduler, signal, writer, room, options });
    return finish(writer, finishReason, prefilled, decode.lap(writer.computed), reusedTokens);
  } finally {
    sampler.close();
  }

  /** @param {Writer} writer @param {CompletionResult['finishReason']} finishReason @param {Lap} prefilled @param {Lap} decoded @param {number} reusedTokens */
  function finish(writer, finishReason, prefilled, decoded, reusedTokens) {
    return {
      text: writer.end(),
      tokens: writer.tokens,
      finishReason,
      stopString: writer.stopString,
      stopToken: writer.stopToken,
      promptTokens: prompt.length,
      reusedTokens,
      completionTokens: writer.tokens.length,
      prefill: prefilled,
      decode: decoded,
      seed,
      half: halfCharacterAt(tokenizer, [...prompt, ...writer.tokens]),
    };
  }
}

/**
 * @param {object} parts
 * @param {import('./timeline.js').Timeline} parts.timeline
 * @param {Sampler} parts.sampler
 * @param {Tokenizer | null} parts.tokenizer
 * @param {import('../base/scheduler.js').Scheduler} parts.scheduler
 * @param {AbortSignal} parts.signal
 * @param {Writer} parts.writer
 * @param {import('./full-context.js').Room | null} parts.room
 * @param {SamplingOptions} parts.options
 * @returns {Promise<CompletionResult['finishReason']>}
 */
async function writeOn({ timeline, sampler, tokenizer, scheduler, signal, writer, room, options }) {
  const most = options.maxTokens ?? Infinity;
  while (writer.tokens.length < most) {
    if (signal.aborted) return 'cancelled';
    const token = timeline.sample(sampler);
    if (token === null) throw noTokenAllowed();
    if (tokenizer?.isEndOfGeneration(token) && !options.ignoreEos) {
      writer.stopToken = token;
      return 'stop';
    }
    if (isPenalised(token, tokenizer)) sampler.accept(token);
    writer.push(token);
    if (writer.stopString !== null) return 'stop';
    if (writer.tokens.length >= most) break;
    if (timeline.isFull && room === null) return 'context';
    if (!(await isMade(extendWithRoom(timeline, token, room, { scheduler, signal }), signal))) return 'cancelled';
    writer.computed++;
    await scheduler.nextTask();
  }
  return 'length';
}

/** False where it was cancelled; where the loading of the model was, that is an error. @param {Promise<unknown>} promise @param {AbortSignal} signal */
async function isMade(promise, signal) {
  try {
    await promise;
    return true;
  } catch (error) {
    if (codeOf(error) === 'CANCELLED' && signal.aborted) return false;
    throw error;
  }
}

/** @param {import('../core/runtime.js').Model} model @param {Tokenizer | null} tokenizer @param {SamplingOptions & { seed: number }} options */
function createSampler(model, tokenizer, options) {
  const sampler = model.createSampler(options);
  try {
    for (const [token, bias] of options.logitBias) sampler.bias(token, bias);
    for (let token = 0; options.ignoreEos && token < (tokenizer?.vocabularySize ?? 0); token++) {
      if (tokenizer?.isEndOfGeneration(token)) sampler.bias(token, -Infinity);
    }
    if (!sampler.hasChoice()) throw noTokenAllowed();
    return sampler;
  } catch (error) {
    sampler.close();
    throw error;
  }
}

const noTokenAllowed = () =>
  new NibbleError(
    'NO_TOKEN_ALLOWED',
    'No token may come next: logitBias, or it and ignoreEos together, forbid all of the vocabulary. Allow some of them.',
  );

/** Markers of turns and ends stand in every chat: were they penalised, answers would no longer end. @param {number} token @param {Tokenizer | null} tokenizer */
const isPenalised = (token, tokenizer) => tokenizer === null || !tokenizer.isMarker(token);

/** The tokens of the prompt that count as seen. @param {number[]} prompt @param {Tokenizer | null} tokenizer @param {SamplingOptions} options */
function penalised(prompt, tokenizer, { penaltyWindow }) {
  const seen = prompt.filter((token) => isPenalised(token, tokenizer));
  return penaltyWindow === 0 ? seen : seen.slice(-penaltyWindow);
}

/**
 * Turns tokens into text up to a stop string, and reports both.
 * @param {Tokenizer | null} tokenizer
 * @param {string[]} stops
 * @param {OnToken} onToken
 * @param {{ atStart?: boolean, begun?: number[] }} [options] `atStart`: as createDecoder() has it; `begun`: tokens of a
 *   character that the prompt ends within
 */
function createWriter(tokenizer, stops, onToken, { atStart = true, begun = [] } = {}) {
  const decoder = tokenizer?.createDecoder({ skipSpecial: true, atStart }) ?? null;
  for (const token of begun) decoder?.push(token);
  /** @param {number} token */
  const isHidden = (token) => tokenizer?.isHidden(token) ?? false;
  /** @param {string} stop */
  const parse = (stop) => tokenizer?.encode(stop, { addSpecial: false, parseSpecial: true }) ?? [];
  const marked = stops.filter((stop) => parse(stop).some(isHidden));
  const matcher = createStopMatcher(
    stops.filter((stop) => !marked.includes(stop)),
    marked,
  );
  /** A hidden token's own text comes behind what it cuts off. @param {number} token */
  const matchToken = (token) => {
    const before = matcher.push(decoder?.push(token) ?? '');
    if (before.stopped !== null || !isHidden(token)) return before;
    const found = matcher.push('', tokenizer?.text(token));
    return { text: before.text + found.text, stopped: found.stopped };
  };
  let text = '';
  const writer = {
    /** @type {number[]} */
    tokens: [],
    // How many of them are on the timeline.
    computed: 0,
    /** @type {string | null} */
    stopString: null,
    /** @type {number | null} */
    stopToken: null,
    /** @param {number} token */
    push(token) {
      writer.tokens.push(token);
      const found = matchToken(token);
      writer.stopString = found.stopped;
      text += found.text;
      onToken({ text: found.text, token });
    },
    // What the decoder holds is no whole character.
    end() {
      const rest = writer.stopString === null ? matcher.flush() : '';
      text += rest;
      if (rest !== '') onToken({ text: rest, token: null });
      return text;
    },
  };
  return writer;
}

function stopwatch() {
  const start = performance.now();
  return {
    /** @param {number} tokens @returns {Lap} */
    lap(tokens) {
      const milliseconds = performance.now() - start;
      return {
        tokens,
        milliseconds,
        tokensPerSecond: tokens === 0 ? 0 : (tokens * 1000) / Math.max(0.001, milliseconds),
      };
    },
  };
}
