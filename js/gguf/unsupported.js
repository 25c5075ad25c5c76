// GGUF files that are no models which run here: by their kind, or by their family's name, with the first thing that is
// missing and what would do. Of a name that is not here, the core says which families it runs.
import { NibbleError } from '../base/errors.js';

/** @type {Record<string, string>} */
const KINDS = {
  adapter:
    'The file is an adapter (LoRA) for a model, which this engine does not apply. Take a file of the whole model that has it in its weights.',
  imatrix:
    "The file holds an importance matrix, which programs that quantise a model read, and no model. Take the model's own file.",
};

/** @param {string} text */
const words = (text) => new Set(text.trim().split(/\s+/));

/** @type {[Set<string>, string][]} families, and what is said of them behind "which" */
const FAMILIES = [
  [
    words('clip'),
    "is the part of a model that sees pictures (mmproj); this engine reads text alone. Take the language model's own file, which lies beside it.",
  ],
  [
    words(`bert nomic-bert nomic-bert-moe jina-bert-v2 jina-bert-v3 modern-bert neo-bert eurobert gemma-embedding
      llama-embed t5encoder`),
    'makes vectors of texts and writes none; this engine runs models that write. Take one that does.',
  ],
  [
    words('t5'),
    'has an encoder beside its decoder; this engine runs decoders alone. Take a model that has no other, such as Qwen 3.',
  ],
  [
    words(`qwen2moe qwen3moe qwen35moe qwen3vlmoe granitemoe graniteswitch olmoe deepseek deepseek2 deepseek32 deepseek4
      deepseek2-ocr lfm2moe gpt-oss phimoe llama4 grok dbrx arctic afmoe bailingmoe bailingmoe2 bailingmoe3
      ernie4_5-moe exaone-moe glm4moe glm-dsa hunyuan-moe hy_v3 hy_v4 minimax-m2 minimax-m3 smallthinker dots1 grovemoe
      cohere2moe mistral4 mimo2 step35 kimi-k3`),
    'has experts, of which each token takes some; this engine runs dense models. Take one of those, such as Qwen 3 up to 14B.',
  ],
  [
    words(`lfm2 mamba mamba2 falcon-h1 granitehybrid nemotron_h nemotron_h_moe qwen35 qwen3next jamba plamo2 rwkv6
      rwkv6qwen2 rwkv7 arwkv7 kimi-linear minimax-01`),
    'has layers with a state or a convolution instead of attention; this engine runs models whose layers all have attention. Take one of those, such as Qwen 3.',
  ],
  [words('gemma3n gemma4'), 'has embeddings of each layer; this engine runs models with one. Take Gemma 3.'],
  [
    words('dream llada llada-moe rnd1'),
    'writes by diffusion; this engine runs models that write token by token. Take one of those.',
  ],
  [
    words('gemma4-assistant eagle3 dflash'),
    'drafts tokens for another model; this engine runs whole models. Take the one that it drafts for.',
  ],
  [
    words('wavtokenizer-dec qwen3tts pockettts'),
    'speaks; this engine runs models that write text. Take one that does.',
  ],
];

/**
 * @param {import('./metadata.js').Metadata} metadata
 * @throws {NibbleError} MODEL_UNSUPPORTED
 */
export function checkRuns(metadata) {
  const kind = String(metadata.get('general.type'));
  const family = String(metadata.get('general.architecture'));
  const found = FAMILIES.find(([families]) => families.has(family));
  const ofFamily = found && `The model is of the family "${family}", which ${found[1]}`;
  const sentence = Object.hasOwn(KINDS, kind) ? KINDS[kind] : ofFamily;
  if (sentence !== undefined) throw new NibbleError('MODEL_UNSUPPORTED', sentence);
}

/** Every family that is told by name. */
export const FOREIGN_FAMILIES = FAMILIES.flatMap(([families]) => [...families]);
