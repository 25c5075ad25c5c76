// Writes on from a prompt: prefill, then one token after the other.
import { extendWithRoom, readWithRoom } from './full-context.js';
import { createStopMatcher } from './stop-strings.js';

/**
 * @typedef {object} CompletionResult
 * @property {string} text
 * @property {number[]} tokens
 * @property {'stop' | 'length' | 'context' | 'cancelled'} finishReason 'stop': the model ended its text, or a stop string came
 * @property {string | null} stopString the stop string that came
 * @property {number} promptTokens
 * @property {number} reusedTokens tokens of the prompt that were computed for an earlier call
 * @property {number} completionTokens
 * @property {number} droppedTokens with onFull 'drop-oldest', how many tokens were dropped or left out to make room
 * @property {number} droppedMessages how many of the messages were left out whole
 * @property {{ tokens: number, milliseconds: number, tokensPerSecond: number }} prefill
 * @property {{ tokens: number, milliseconds: number, tokensPerSecond: number }} decode
 * @property {number} seed
 */

/**
 * @typedef {object} Prefill how far the reading of the prompt is
 * @property {number} tokens computed by now
 * @property {number} total to be computed
 * @property {number} reusedTokens computed for an earlier call: together with `total` the length of the prompt
 * @property {number} tokensPerSecond 0 before the first are computed
 */

/**
 * @param {object} context
 * @param {import('./engine.js').Model} context.model
 * @param {import('./timeline.js').Timeline} context.timeline
 * @param {import('./tokenizer.js').Tokenizer | null} context.tokenizer null: no text, only tokens
 * @param {{ next: () => Promise<void> }} context.turn
 * @param {import('./full-context.js').Room | null} [context.room] makes room in a full context; null: the text ends there
 * @param {boolean} [context.shift] as Timeline.replace() has it
 * @param {number[]} prompt
 * @param {object} options as readCompletionOptions() gives them
 * @param {{ signal: AbortSignal, onToken: (token: { text: string, token: number | null }) => void,
 *   onPrefill: (progress: Prefill) => void }} control
 * @returns {Promise<CompletionResult>}
 */
export async function complete(
  { model, timeline, tokenizer, turn, room = null, shift = false },
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
    const onStart = (kept) => {
      reusedTokens = kept;
      report();
    };
    const onPiece = (count) => {
      computed += count;
      report();
    };
    const how = { reuse: options.reusePrefix, turn, signal, onStart, onPiece };
    const reading = readWithRoom(room, prompt, (fitting, shorter) => {
      prompt = fitting;
      computed = 0;
      return timeline.replace(prompt, { ...how, shift: shift || shorter });
    });
    if (!(await isMade(reading, signal))) {
      return finish(createWriter(null, [], onToken), 'cancelled', prefill.lap(computed), stopwatch().lap(0));
    }
    const prefilled = prefill.lap(computed);
    for (const token of penalised(prompt, options)) sampler.accept(token);

    const decode = stopwatch();
    const started = prompt.some((token) => tokenizer?.isControl(token) === false);
    const decoder = tokenizer?.createDecoder({ skipSpecial: true, atStart: !started }) ?? null;
    const writer = createWriter(decoder, options.stop, onToken);
    const finishReason = await writeOn({ timeline, sampler, tokenizer, turn, signal, writer, room, options });
    return finish(writer, finishReason, prefilled, decode.lap(writer.computed), reusedTokens);
  } finally {
    sampler.close();
  }

  function finish(writer, finishReason, prefilled, decoded, reusedTokens = 0) {
    return {
      text: writer.end(),
      tokens: writer.tokens,
      finishReason,
      stopString: writer.stopString,
      promptTokens: prompt.length,
      reusedTokens,
      completionTokens: writer.tokens.length,
      prefill: prefilled,
      decode: decoded,
      seed,
    };
  }
}

async function writeOn({ timeline, sampler, tokenizer, turn, signal, writer, room, options }) {
  const most = options.maxTokens ?? Infinity;
  while (writer.tokens.length < most) {
    if (signal.aborted) return 'cancelled';
    const token = timeline.sample(sampler);
    if (tokenizer?.isEndOfGeneration(token) && !options.ignoreEos) return 'stop';
    sampler.accept(token);
    writer.push(token);
    if (writer.stopString !== null) return 'stop';
    if (writer.tokens.length >= most) break;
    if (timeline.isFull && room === null) return 'context';
    if (!(await isMade(extendWithRoom(timeline, token, room, { turn, signal }), signal))) return 'cancelled';
    writer.computed++;
    await turn.next();
  }
  return 'length';
}

/** False where it was cancelled; where the loading of the model was, that is an error. */
async function isMade(promise, signal) {
  try {
    await promise;
    return true;
  } catch (error) {
    if (error.code === 'CANCELLED' && signal.aborted) return false;
    throw error;
  }
}

function createSampler(model, tokenizer, options) {
  const sampler = model.createSampler(options);
  try {
    for (const [token, bias] of options.logitBias) sampler.bias(token, bias);
    if (options.ignoreEos && tokenizer !== null) {
      const { vocabularySize } = model.info;
      for (let token = 0; token < Math.min(vocabularySize, tokenizer.vocabularySize); token++) {
        if (tokenizer.isEndOfGeneration(token)) sampler.bias(token, -Infinity);
      }
    }
    return sampler;
  } catch (error) {
    sampler.close();
    throw error;
  }
}

/** The tokens of the prompt that count as seen. */
function penalised(prompt, { penaltyWindow }) {
  return penaltyWindow === 0 ? prompt : prompt.slice(-penaltyWindow);
}

/** Turns tokens into text up to a stop string, and reports both. */
function createWriter(decoder, stops, onToken) {
  const matcher = createStopMatcher(stops);
  let text = '';
  const writer = {
    tokens: [],
    // How many of them are on the timeline.
    computed: 0,
    stopString: null,
    push(token) {
      writer.tokens.push(token);
      const found = matcher.push(decoder?.push(token) ?? '');
      writer.stopString = found.stopped;
      text += found.text;
      onToken({ text: found.text, token });
    },
    end() {
      if (writer.stopString !== null) return text;
      const last = matcher.push(decoder?.flush() ?? '');
      writer.stopString = last.stopped;
      const rest = last.text + matcher.flush();
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
