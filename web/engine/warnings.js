// What is odd about a model's texts, in the reader's language.
import { describeFitting } from './fitting.js';

/**
 * The codes of what is odd about the texts of a model that is not loaded.
 * @param {File | File[]} model
 * @param {object} options of the engine
 * @returns {Promise<string[]>} none of one that cannot run, of which loading tells
 */
export async function readWarnings(model, options) {
  const description = await describeFitting(model, options).catch(() => null);
  return description?.model ? description.warnings.map(({ code }) => code) : [];
}

/**
 * @param {Iterable<string>} codes those of the library's warnings
 * @param {import('../settings/settings.js').Settings} settings
 * @param {(key: string) => string} t
 * @returns {string[]} a sentence for each that matters: where instructions go does where there are some
 */
export function describeWarnings(codes, settings, t) {
  const hasInstructions = settings.get('systemPrompt').trim() !== '';
  return [...new Set(codes)]
    .filter((code) => code !== 'SYSTEM_MESSAGE_MOVED' || hasInstructions)
    .map((code) => t(`warning.${code}`));
}
