// What is odd about a model's texts, in the reader's language.

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
