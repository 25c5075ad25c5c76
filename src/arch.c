#include "arch.h"

#include <string.h>

#define TENSOR(name) (UINT64_C(1) << BLOCK_##name)
#define PRODUCTS (TENSOR(ATTENTION_OUTPUT) | TENSOR(UP) | TENSOR(DOWN))
#define NORMS (TENSOR(ATTENTION_NORM) | TENSOR(FEED_FORWARD_NORM))
#define NORM_BIASES (TENSOR(ATTENTION_NORM_BIAS) | TENSOR(FEED_FORWARD_NORM_BIAS))
#define POST_NORMS (TENSOR(ATTENTION_POST_NORM) | TENSOR(FEED_FORWARD_POST_NORM))
#define HEAD_NORMS (TENSOR(QUERY_NORM) | TENSOR(KEY_NORM))
#define BIASES (TENSOR(ATTENTION_OUTPUT_BIAS) | TENSOR(GATE_BIAS) | TENSOR(UP_BIAS) | TENSOR(DOWN_BIAS))
// A pre-norm block with a gate: RMSNorm, grouped queries, RoPE, SwiGLU.
#define GATED (NORMS | PRODUCTS | TENSOR(GATE))
// GPT-2's: norms and products with biases, no gate.
#define BIASED (NORMS | NORM_BIASES | PRODUCTS | TENSOR(ATTENTION_OUTPUT_BIAS) | TENSOR(UP_BIAS) | TENSOR(DOWN_BIAS))

static const Architecture architectures[] = {
    // Llama 1 to 3.2, Mistral, SmolLM2, TinyLlama, MobileLLM: converters permute Q and K to neighbouring pairs.
    {.name = "llama", .required = GATED, .allowed = BIASES, .rope_adjacent = true, .windows = true},
    {.name = "qwen2", .required = GATED, .output_bias = true},
    {.name = "qwen2vl", .required = GATED, .output_bias = true},
    {.name = "qwen3", .required = GATED | HEAD_NORMS},
    {.name = "qwen3vl", .required = GATED | HEAD_NORMS},
    {.name = "gemma", .required = GATED, .activation = ACTIVATION_GEGLU, .embedding_by_root = true},
    {.name = "gemma2",
     .required = GATED | POST_NORMS,
     .activation = ACTIVATION_GEGLU,
     .embedding_by_root = true,
     .windows = true,
     .window = 4096,
     .window_period = 2,
     .scores_by_width_blocks = 46,
     .attention_softcap = 50,
     .logit_softcap = 30},
    {.name = "gemma3",
     .required = GATED | POST_NORMS | HEAD_NORMS,
     .activation = ACTIVATION_GEGLU,
     .embedding_by_root = true,
     .windows = true,
     .window_period = 6,
     .windows_unstretched = true,
     .window_rope_base = 10000,
     .scores_by_width_blocks = 62},
    {.name = "phi3", .required = NORMS | TENSOR(ATTENTION_OUTPUT) | TENSOR(GATE_UP) | TENSOR(DOWN)},
    {.name = "mistral3", .required = GATED, .allowed = BIASES, .rope_adjacent = true},
    {.name = "smollm3", .required = GATED, .rope_adjacent = true, .nope_period = 4},
    {.name = "granite", .required = GATED, .allowed = BIASES, .rope_adjacent = true, .rope_switch = true},
    {.name = "minicpm",
     .required = GATED,
     .allowed = BIASES,
     .rope_adjacent = true,
     .embedding_scale = 12,
     .residual_by_depth = 1.4f,
     .logit_by_width = true},
    {.name = "olmo2",
     .required = PRODUCTS | TENSOR(GATE) | POST_NORMS | HEAD_NORMS,
     .head_norms = HEAD_NORMS_OF_ALL_HEADS,
     .windows = true,
     .window_period = 4,
     .windows_unstretched = true},
    {.name = "exaone4",
     .required = PRODUCTS | TENSOR(GATE) | POST_NORMS | HEAD_NORMS,
     .windows = true,
     .window_period = 4,
     .full_layers_nope = true},
    {.name = "ernie4_5", .required = GATED, .allowed = TENSOR(ATTENTION_OUTPUT_BIAS), .rope_adjacent = true},
    {.name = "hunyuan-dense", .required = GATED | HEAD_NORMS, .head_norms = HEAD_NORMS_BEHIND_ROPE},
    {.name = "arcee", .required = NORMS | PRODUCTS, .rope_adjacent = true, .activation = ACTIVATION_SQUARED_RELU},
    {.name = "internlm2", .required = GATED, .rope_adjacent = true},
    // 13B, which its depth alone tells, has ALiBi.
    {.name = "baichuan", .required = GATED, .rope_adjacent = true, .alibi_blocks = 40},
    // Phi-1, 1.5 and 2.
    {.name = "phi2",
     .required = BIASED & ~TENSOR(FEED_FORWARD_NORM) & ~TENSOR(FEED_FORWARD_NORM_BIAS),
     .norm = NORM_LAYER,
     .activation = ACTIVATION_GELU,
     .parallel = PARALLEL_ALWAYS,
     .output_bias = true},
    {.name = "stablelm",
     .required = (GATED & ~TENSOR(FEED_FORWARD_NORM)) | TENSOR(ATTENTION_NORM_BIAS),
     .allowed = TENSOR(FEED_FORWARD_NORM) | TENSOR(FEED_FORWARD_NORM_BIAS) | HEAD_NORMS,
     .norm = NORM_LAYER,
     .head_norms = HEAD_NORMS_OF_EACH_HEAD,
     .parallel = PARALLEL_WITHOUT_NORM},
    {.name = "starcoder2", .required = BIASED, .norm = NORM_LAYER, .activation = ACTIVATION_GELU},
    {.name = "gpt2", .required = BIASED, .norm = NORM_LAYER, .activation = ACTIVATION_GELU, .learned_positions = true},
    {.name = "gptneox",
     .required = BIASED,
     .norm = NORM_LAYER,
     .activation = ACTIVATION_GELU,
     .parallel = PARALLEL_BY_KEY},
    // 7B shares a norm between attention and feed-forward network, 40B and 11B have two.
    {.name = "falcon",
     .required = TENSOR(FIRST_NORM) | TENSOR(FIRST_NORM_BIAS) | PRODUCTS,
     .allowed = TENSOR(SECOND_NORM) | TENSOR(SECOND_NORM_BIAS),
     .norm = NORM_LAYER,
     .activation = ACTIVATION_GELU,
     .parallel = PARALLEL_ALWAYS},
    {.name = "cohere2",
     .required = GATED & ~TENSOR(FEED_FORWARD_NORM),
     .norm = NORM_LAYER,
     .rope_adjacent = true,
     .parallel = PARALLEL_ALWAYS,
     .windows = true,
     .window_period = 4,
     .full_layers_nope = true,
     .logits_multiplied = true},
    {.name = "openelm", .required = GATED | HEAD_NORMS},
    {.name = "nanbeige", .required = GATED, .rope_adjacent = true, .loops = true},
    {.name = "granite_swa",
     .required = GATED | TENSOR(SINKS),
     .allowed = BIASES,
     .rope_adjacent = true,
     .windows = true,
     .rope_pattern = true},
    {.name = "glm4",
     .required = NORMS | POST_NORMS | TENSOR(ATTENTION_OUTPUT) | TENSOR(GATE_UP) | TENSOR(DOWN),
     .rope_adjacent = true},
};

enum { ARCHITECTURES = sizeof architectures / sizeof *architectures };

const Architecture *architecture_at(size_t index) { return index < ARCHITECTURES ? &architectures[index] : NULL; }

const Architecture *architecture_find(const char *name, size_t length) {
  for (size_t i = 0; i < ARCHITECTURES; i++)
    if (strlen(architectures[i].name) == length && memcmp(architectures[i].name, name, length) == 0)
      return &architectures[i];
  return NULL;
}
