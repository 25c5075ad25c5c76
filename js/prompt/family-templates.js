// How chats are written for families of models, for files that have no template. The family is known by the tokens of its
// turns; each template is the plain form of what the family's own files have, without tools and default instructions.

/** @param {{ before: string, after: string, opening: string, first?: string, text?: string }} parts around each message */
const turns = ({ before, after, opening, first = '', text = 'message.content' }) =>
  `${first}{% for message in messages %}${before}{{ ${text} }}${after}{% endfor %}` +
  `{% if add_generation_prompt %}${opening}{% endif %}`;

/** What is around messages of each role. @param {Record<string, [before: string, after: string]>} roles @param {string} opening */
const byRole = (roles, opening) => {
  const [first, ...others] = Object.entries(roles).map(
    ([role, [before, after]]) => ` message.role == '${role}' %}${before}{{ message.content | trim }}${after}`,
  );
  const choice = `{% if${first}${others.map((other) => `{% elif${other}`).join('')}`;
  const otherwise = "{% else %}{{ raise_exception('no ' + message.role + ' messages') }}{% endif %}";
  return (
    `{% for message in messages %}${choice}${otherwise}{% endfor %}` +
    `{% if add_generation_prompt %}${opening}{% endif %}`
  );
};

const TRIMMED = 'message.content | trim';
const GEMMA_ROLE = "{{ 'model' if message.role == 'assistant' else message.role }}";
const NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}";

/**
 * The first whose tokens are all there is it.
 * @type {readonly { name: string, tokens: string[], template: string }[]}
 */
export const FAMILIES = Object.freeze([
  {
    name: 'Phi-4',
    tokens: ['<|im_start|>', '<|im_sep|>', '<|im_end|>'],
    template: turns({
      before: '<|im_start|>{{ message.role }}<|im_sep|>',
      after: '<|im_end|>',
      opening: '<|im_start|>assistant<|im_sep|>',
    }),
  },
  {
    name: 'ChatML',
    tokens: ['<|im_start|>', '<|im_end|>'],
    template: turns({
      before: '<|im_start|>{{ message.role }}\n',
      after: '<|im_end|>\n',
      opening: '<|im_start|>assistant\n',
    }),
  },
  {
    name: 'Llama 3',
    tokens: ['<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'],
    template: turns({
      before: '<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n',
      after: '<|eot_id|>',
      opening: '<|start_header_id|>assistant<|end_header_id|>\n\n',
      text: TRIMMED,
    }),
  },
  {
    name: 'Gemma 4',
    tokens: ['<|turn>', '<turn|>'],
    template: turns({
      before: `<|turn>${GEMMA_ROLE}\n`,
      after: '<turn|>\n',
      opening: '<|turn>model\n',
      text: TRIMMED,
    }),
  },
  {
    name: 'Gemma',
    tokens: ['<start_of_turn>', '<end_of_turn>'],
    template: turns({
      first: NO_SYSTEM,
      before: `<start_of_turn>${GEMMA_ROLE}\n`,
      after: '<end_of_turn>\n',
      opening: '<start_of_turn>model\n',
      text: TRIMMED,
    }),
  },
  {
    name: 'Granite',
    tokens: ['<|start_of_role|>', '<|end_of_role|>', '<|end_of_text|>'],
    template: turns({
      before: '<|start_of_role|>{{ message.role }}<|end_of_role|>',
      after: '<|end_of_text|>\n',
      opening: '<|start_of_role|>assistant<|end_of_role|>',
    }),
  },
  {
    name: 'gpt-oss',
    tokens: ['<|start|>', '<|message|>', '<|end|>', '<|channel|>', '<|return|>'],
    template: byRole(
      {
        system: ['<|start|>system<|message|>', '<|end|>'],
        user: ['<|start|>user<|message|>', '<|end|>'],
        assistant: ['<|start|>assistant<|channel|>final<|message|>', '<|end|>'],
      },
      '<|start|>assistant',
    ),
  },
  {
    name: 'Phi-3',
    tokens: ['<|user|>', '<|assistant|>', '<|end|>'],
    template: turns({ before: '<|{{ message.role }}|>\n', after: '<|end|>\n', opening: '<|assistant|>\n' }),
  },
  {
    name: 'GLM-4',
    tokens: ['[gMASK]', '<sop>', '<|user|>', '<|assistant|>'],
    template: turns({
      first: '[gMASK]<sop>',
      before: '<|{{ message.role }}|>\n',
      after: '',
      opening: '<|assistant|>\n',
    }),
  },
  {
    name: 'Command R',
    tokens: ['<|START_OF_TURN_TOKEN|>', '<|END_OF_TURN_TOKEN|>', '<|USER_TOKEN|>', '<|CHATBOT_TOKEN|>'],
    template: byRole(
      {
        system: ['<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>', '<|END_OF_TURN_TOKEN|>'],
        user: ['<|START_OF_TURN_TOKEN|><|USER_TOKEN|>', '<|END_OF_TURN_TOKEN|>'],
        assistant: ['<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>', '<|END_OF_TURN_TOKEN|>'],
      },
      '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>',
    ),
  },
  {
    name: 'DeepSeek',
    tokens: ['<｜User｜>', '<｜Assistant｜>', '<｜end▁of▁sentence｜>'],
    template: byRole(
      { system: ['', ''], user: ['<｜User｜>', ''], assistant: ['<｜Assistant｜>', '<｜end▁of▁sentence｜>'] },
      '<｜Assistant｜>',
    ),
  },
  {
    name: 'Hunyuan',
    tokens: ['<｜hy_User｜>', '<｜hy_Assistant｜>', '<｜hy_place▁holder▁no▁2｜>', '<｜hy_place▁holder▁no▁3｜>'],
    template: byRole(
      {
        system: ['', '<｜hy_place▁holder▁no▁3｜>'],
        user: ['<｜hy_User｜>', ''],
        assistant: ['<｜hy_Assistant｜>', '<｜hy_place▁holder▁no▁2｜>'],
      },
      '<｜hy_Assistant｜>',
    ),
  },
  {
    name: 'EXAONE',
    tokens: ['[|system|]', '[|user|]', '[|assistant|]', '[|endofturn|]'],
    template: byRole(
      {
        system: ['[|system|]', '[|endofturn|]\n'],
        user: ['[|user|]', '\n'],
        assistant: ['[|assistant|]', '[|endofturn|]\n'],
      },
      '[|assistant|]',
    ),
  },
  {
    name: 'Mistral',
    tokens: ['[SYSTEM_PROMPT]', '[/SYSTEM_PROMPT]', '[INST]', '[/INST]'],
    template: byRole(
      {
        system: ['[SYSTEM_PROMPT]', '[/SYSTEM_PROMPT]'],
        user: ['[INST]', '[/INST]'],
        assistant: ['', '{{ eos_token }}'],
      },
      '',
    ),
  },
  {
    name: 'Mistral',
    tokens: ['[INST]', '[/INST]'],
    template: byRole({ user: ['[INST]', '[/INST]'], assistant: ['', '{{ eos_token }}'] }, ''),
  },
]);

/**
 * @param {import('../tokenizer/tokenizer.js').Tokenizer} tokenizer
 * @returns {{ name: string, template: string } | undefined} undefined: its tokens are those of no family that is known
 */
export function findFamily(tokenizer) {
  const isToken = (/** @type {string} */ text) => {
    const ids = tokenizer.encode(text, { addSpecial: false });
    return ids.length === 1 && tokenizer.text(ids[0]) === text;
  };
  return FAMILIES.find(({ tokens }) => tokens.every(isToken));
}
