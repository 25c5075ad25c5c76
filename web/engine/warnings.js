// What is odd about a model's texts, in the reader's language.
import { describeWithinTrained } from './trained-context.js';

const KNOWN = /** @type {const} */ ([
  'VOCABULARY_ODD',
  'PRE_TOKENIZER_UNKNOWN',
  'CHAT_TEMPLATE_MISSING',
  'CHAT_TEMPLATE_FAILED',
  'SYSTEM_MESSAGE_MOVED',
  'PREDICTION_BLOCKS_UNUSED',
  'TOOLS_IGNORED',
  'THREADS_FEWER',
]);

/** What a library of another version may warn of is not told. @param {string} code @returns {code is typeof KNOWN[number]} */
const isKnown = (code) => KNOWN.some((known) => known === code);

/**
 * The codes of what is odd about the texts of a model that is not loaded.
 * @param {File | File[]} model
 * @param {Omit<import('../nibble/index.js').EngineOptions, 'model'>} options of the engine
 * @returns {Promise<string[]>} none of one that cannot run, of which loading tells
 */
export async function readWarnings(model, options) {
  const description = await describeWithinTrained(model, options).catch(() => null);
  return description?.model ? description.warnings.map(({ code }) => code) : [];
}

/**
 * @param {Iterable<string>} codes those of the library's warnings
 * @param {import('../settings/settings.js').Settings} settings
 * @param {import('../ui/i18n.js').Translate} t
 * @returns {string[]} a sentence for each that matters: where instructions go does where there are some
 */
export function describeWarnings(codes, settings, t) {
  const hasInstructions = settings.get('systemPrompt').trim() !== '';
  return [...new Set(codes)]
    .filter((code) => code !== 'SYSTEM_MESSAGE_MOVED' || hasInstructions)
    .filter(isKnown)
    .map((code) => t(`warning.${code}`));
}
