// The last blocks of some files predict tokens beyond the next (arXiv:2404.19737), for engines that guess ahead.

/**
 * What is to be said of them: one warning, or none.
 * @param {import('../core/header.js').Header} header
 * @returns {{ code: string, message: string }[]}
 */
export function unusedBlockWarnings(header) {
  const count = header.get(`${header.get('general.architecture')}.nextn_predict_layers`);
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1) return [];
  const blocks = count === 1 ? 'last block predicts' : `last ${count} blocks predict`;
  const message = `The model's ${blocks} tokens beyond the next. This engine leaves that out: answers are the same.`;
  return [{ code: 'PREDICTION_BLOCKS_UNUSED', message }];
}
