// All logits of a session, to be compared.

/**
 * All logits after tokens, by id.
 * @param {Pick<import('../../js/client/session.js').Session, 'evaluate'>} session
 * @param {number[]} tokens
 * @param {{ reusePrefix: boolean }} [options]
 */
export const logitsAfter = async (session, tokens, options) =>
  (await session.evaluate(tokens, { top: 0, ...options })).top.sort((a, b) => a.id - b.id).map(({ logit }) => logit);
