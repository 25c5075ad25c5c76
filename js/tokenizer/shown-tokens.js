// Control tokens that a model writes around its thoughts and its calls of tools: without them nobody could tell these from
// the answer. Files of other models have the same as user-defined tokens, which are text.

/**
 * By their names, such as [THINK], [TOOL_CALLS] and [ARGS] of Mistral's models, <|python_tag|> of Llama 3, <|tool_call|> of
 * Granite and Phi-4, <|START_THINKING|> and <|START_ACTION|> of Command R, <|action_start|> of InternLM.
 */
const SHOWN =
  /(?:^|[^a-z])(?:think(?:ing)?|thought|tool[_▁ ]?(?:calls?|sep)|args|call_id|python_tag|action)(?:[^a-z]|$)/i;

/** Whether a control token stands in the texts that a model writes. @param {string} piece */
export const isShown = (piece) => SHOWN.test(piece);
