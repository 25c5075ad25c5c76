// The families of models that the engine runs, what it refuses of them, and that each choice of a family's files shows in
// the golden records, to which golden.test.js holds it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NibbleError } from '../../js/base/errors.js';
import { FOREIGN_FAMILIES } from '../../js/gguf/unsupported.js';
import * as library from '../../js/index.node.js';
import { logitsAfter, openCoreModel } from '../core-model.js';
import { kl, logSoftmax } from '../divergence.js';
import { ggufBytes } from '../gguf-writer.js';
import { present } from '../present.js';
import { metadata, tensors } from '../random-model.js';
import { createThreadLibrary } from '../thread-library.js';
import { FAMILY_MODELS } from './families.js';
import { goldenFile, readGolden } from './models.js';

/** @typedef {import('./models.js').GoldenSequence} GoldenSequence */
/** @typedef {import('../gguf-writer.js').KeyValue} KeyValue */

/** @param {{ shape: number[] }} tensor */
function* zeros({ shape }) {
  yield new Uint8Array(4 * shape.reduce((product, size) => product * size, 1));
}

// A divergence that no rounding makes.
const SHOWS = 1e-4;

const threadLibrary = await createThreadLibrary();

/** @param {Buffer<ArrayBuffer>} model */
async function refusal(model, { createEngine } = threadLibrary) {
  const outcome = await createEngine({ model, threads: 1 }).then(
    (engine) => engine.unload(),
    (error) => error,
  );
  assert.ok(outcome instanceof NibbleError, 'The model was taken.');
  return outcome;
}

test('every family that the engine names has golden models', async () => {
  const file = goldenFile('qwen2-tied');
  /** @param {KeyValue} entry @returns {KeyValue} */
  const changed = ([key, type, value]) => [key, type, key === 'general.architecture' ? 'nonesuch' : value];
  const entries = file.metadata.map(changed);
  const { code, message } = await refusal(ggufBytes({ ...file, metadata: entries }), library);
  assert.equal(code, 'MODEL_UNSUPPORTED');
  const families = present(message.match(/runs: ([^.]*)\./))[1].split(', ');
  const golden = new Set(Object.values(FAMILY_MODELS).map(({ shape }) => shape.family));
  assert.deepEqual([...families].sort(), [...golden].sort());
  assert.deepEqual(
    FOREIGN_FAMILIES.filter((family) => families.includes(family)),
    [],
  );
});

test('tensors of another family are refused by name', async () => {
  /** @type {[string, string, RegExp][]} */
  const cases = [
    ['qwen2-tied', 'qwen3', /blk\.0\.attn_q_norm\.weight is missing/],
    ['qwen3-tied', 'qwen2', /blk\.0\.attn_[qk]_norm\.weight.*qwen2 model/],
    ['gemma2-window', 'gemma', /post_attention_norm\.weight.*gemma model/],
    ['gemma-tied', 'gemma2', /blk\.0\.post_attention_norm\.weight is missing/],
    ['qwen2-tied', 'phi3', /blk\.0\.ffn_up\.weight has the shape 96 x 160.*96 x 320/],
    ['qwen2-tied', 'phi2', /phi2\.attention\.layer_norm_epsilon is missing/],
    ['gpt2-tied', 'starcoder2', /position_embd\.weight.*starcoder2 model/],
    ['gptneox-parallel', 'gpt2', /position_embd\.weight is missing/],
    ['falcon-one-norm', 'phi2', /blk\.0\.attn_output\.bias is missing/],
    ['starcoder2-tied', 'falcon', /blk\.0\..*falcon model/],
    ['stablelm-parallel', 'cohere2', /logit_scale is missing/],
    ['arcee-untied', 'mistral3', /blk\.0\.ffn_gate\.weight is missing/],
  ];
  for (const [name, family, sentence] of cases) {
    const { shape } = FAMILY_MODELS[name];
    /** @param {KeyValue} entry @returns {KeyValue} */
    const renamed = ([key, type, value]) => {
      if (key === 'general.architecture') return [key, type, family];
      return [key.replace(`${shape.family}.`, `${family}.`), type, value];
    };
    const entries = metadata(shape).map(renamed);
    const list = tensors(shape, () => 'f32');
    const { message } = await refusal(ggufBytes({ metadata: entries, tensors: list, produce: zeros }));
    assert.match(message, sentence, `${name} as ${family}`);
  }
});

// The metadata of a golden model with one key changed (a value of undefined: left out), and the tensors that are kept.
/** @param {string} name @param {string} suffix @param {string} type @param {unknown} value */
function changed(name, suffix, type, value) {
  const file = goldenFile(name);
  const key = `${FAMILY_MODELS[name].shape.family}.${suffix}`;
  const entries = file.metadata.filter(([other]) => other !== key);
  if (value !== undefined) entries.push([key, type, value]);
  return ggufBytes({ ...file, metadata: entries });
}

/** @param {Buffer<ArrayBuffer>} bytes @param {GoldenSequence} sequence */
async function divergence(bytes, { tokens, logProbabilities }) {
  const { model, close } = await openCoreModel(bytes, { exact: true });
  try {
    return kl(logProbabilities, logSoftmax(await logitsAfter(model, tokens)));
  } finally {
    close();
  }
}

test('each choice that a file makes, or leaves to the family, shows in the golden records', async () => {
  /** @type {[string, string, string, unknown][]} */
  const cases = [
    ['gemma2-defaults', 'attn_logit_softcapping', 'f32', 0],
    ['gemma2-defaults', 'final_logit_softcapping', 'f32', 0],
    ['gemma2-defaults', 'attention.sliding_window', 'u32', 100],
    ['gemma2-window', 'attn_logit_softcapping', 'f32', undefined],
    ['gemma2-window', 'final_logit_softcapping', 'f32', undefined],
    ['gemma2-window', 'attention.sliding_window', 'u32', 41],
    ['gemma2-window', 'attention.sliding_window_pattern', 'u32', 3],
    ['gemma2-27b', 'attention.scale', 'f32', 1 / 4],
    ['gemma3-window', 'attention.sliding_window', 'u32', 25],
    ['gemma3-window', 'attention.sliding_window_pattern', 'u32', 5],
    ['gemma3-window', 'rope.freq_base_swa', 'f32', 30000],
    ['gemma3-window', 'rope.scaling.factor', 'f32', 1],
    ['gemma3-full', 'final_logit_softcapping', 'f32', undefined],
    ['gemma3-full', 'embedding_scale', 'f32', 1],
    ['gemma3-27b', 'attention.scale', 'f32', 1 / 4],
    ['gemma3-27b', 'attention.sliding_window', 'u32', 0],
    ['gemma3-27b', 'attention.sliding_window_pattern', 'u32', undefined],
    ['gemma3-27b', 'rope.freq_base_swa', 'f32', undefined],
    ['phi-long', 'rope.scaling.original_context_length', 'u32', 512],
    ['phi-long', 'rope.scaling.attn_factor', 'f32', undefined],
    ['phi-short', 'rope.scaling.original_context_length', 'u32', 511],
    ['mistral3-yarn', 'rope.scaling.yarn_log_multiplier', 'f32', undefined],
    ['mistral3-yarn', 'rope.scaling.yarn_beta_fast', 'f32', undefined],
    ['mistral3-yarn', 'rope.scaling.yarn_beta_slow', 'f32', undefined],
    ['mistral3-yarn', 'attention.temperature_scale', 'f32', undefined],
    ['granite-scales', 'embedding_scale', 'f32', undefined],
    ['granite-scales', 'residual_scale', 'f32', undefined],
    ['granite-scales', 'attention.scale', 'f32', undefined],
    ['granite-scales', 'logit_scale', 'f32', undefined],
    ['granite-nope', 'rope.scaling.finetuned', 'bool', true],
    ['granite-nope', 'rope.scaling.finetuned', 'bool', undefined],
    ['minicpm-long', 'residual_scale', 'f32', undefined],
    ['minicpm-long', 'rope.scaling.original_context_length', 'u32', 512],
    ['minicpm-defaults', 'embedding_scale', 'f32', 1],
    ['minicpm-defaults', 'residual_scale', 'f32', 1],
    ['minicpm-defaults', 'logit_scale', 'f32', 256 / 96],
    ['olmo2-window', 'attention.sliding_window', 'u32', 0],
    ['olmo2-window', 'attention.sliding_window_pattern', 'u32', 3],
    ['olmo2-window', 'rope.scaling.type', 'string', 'none'],
    ['exaone4-window', 'attention.sliding_window', 'u32', 25],
    ['exaone4-window', 'attention.sliding_window_pattern', 'u32', 5],
    ['gptneox-parallel', 'use_parallel_residual', 'bool', false],
    ['gptneox-in-turn', 'use_parallel_residual', 'bool', true],
    ['cohere2-window', 'logit_scale', 'f32', 0.5],
    ['cohere2-window', 'attention.sliding_window', 'u32', 25],
    ['cohere2-window', 'attention.sliding_window_pattern', 'u32', 3],
    ['nanbeige-loops', 'skip_loop_final_norm', 'bool', true],
    ['nanbeige-unnormed-loops', 'skip_loop_final_norm', 'bool', false],
    ['granite_swa-window', 'attention.rope_pattern', 'bool[]', [true, true, true, true]],
    ['granite_swa-window', 'attention.sliding_window_pattern', 'bool[]', [true, true, true, true]],
    ['granite_swa-window', 'attention.sliding_window', 'u32', 25],
    ['glm4-sections', 'rope.dimension_sections', 'i32[]', [4, 0, 0, 0]],
    ['phi2-untied', 'attention.layer_norm_epsilon', 'f32', 0.1],
    ['phi2-untied', 'rope.dimension_count', 'u32', 32],
    ['hunyuan-dense-alpha', 'rope.scaling.alpha', 'f32', undefined],
  ];
  for (const [name, key, type, value] of cases) {
    const model = changed(name, key, type, value);
    const [, , , short, long] = readGolden(name).sequences;
    let found = await divergence(model, short);
    if (found <= SHOWS) found = await divergence(model, long);
    assert.ok(found > SHOWS, `${name} with ${key} = ${value}: KL ${found}`);
  }
});

test("the window of a Phi 3 file is one that nobody obeys, and Baichuan's has none either", async () => {
  for (const name of ['phi-plain', 'baichuan-7b', 'qwen2-tied']) {
    const found = await divergence(changed(name, 'attention.sliding_window', 'u32', 8), readGolden(name).sequences[3]);
    assert.ok(found < 1e-5, `${name}: KL ${found}`);
  }
});

test('what is no model that runs here is told by what it is', async () => {
  const file = goldenFile('qwen2-tied');
  /** @param {KeyValue[]} entries */
  const as = (entries, list = file.tensors) => {
    const changes = new Map(entries.map((entry) => [entry[0], entry]));
    const others = file.metadata.filter(([key]) => !changes.has(key));
    return ggufBytes({ ...file, metadata: [...others, ...changes.values()], tensors: list });
  };
  /** @param {string} name */
  const family = (name) => as([['general.architecture', 'string', name]]);
  /** @type {[Buffer<ArrayBuffer>, RegExp][]} */
  const cases = [
    [family('clip'), /family "clip".*pictures \(mmproj\).*language model's own file/],
    [family('bert'), /family "bert".*vectors of texts/],
    [family('t5'), /family "t5".*encoder.*decoders alone/],
    [family('qwen3moe'), /family "qwen3moe".*experts.*dense/],
    [family('lfm2'), /family "lfm2".*state or a convolution.*all have attention/],
    [family('gemma4'), /family "gemma4".*embeddings of each layer.*Gemma 3/],
    [family('dream'), /family "dream".*diffusion/],
    [family('eagle3'), /family "eagle3".*drafts.*the one that it drafts for/],
    [family('wavtokenizer-dec'), /family "wavtokenizer-dec".*speaks/],
    [family('t'), /family "t"; this engine runs: llama, .*Choose a model of one of these\.$/],
    [family(''), /family ""; this engine runs: llama, /],
    [as([['general.type', 'string', 'adapter']]), /adapter \(LoRA\).*whole model/],
    [as([['general.type', 'string', 'imatrix']]), /importance matrix.*the model's own file/],
    [as([['qwen2.pooling_type', 'u32', 3]]), /vectors of texts.*qwen2\.pooling_type/],
    [as([['qwen2.attention.causal', 'bool', false]]), /vectors of texts.*qwen2\.attention\.causal/],
    [as([['qwen2.expert_count', 'u32', 8]]), /mixture of 8 experts.*dense/],
    [as([], []), /no weights.*vocabulary.*model's own file/],
  ];
  for (const [model, sentence] of cases) {
    const { code, message } = await refusal(model);
    assert.equal(code, 'MODEL_UNSUPPORTED', message);
    assert.match(message, sentence);
  }
});
