// Model families. A family is a row in a table of choices, not a copy of the forward pass: what reads a file and what
// computes ask the row.
#ifndef NIBBLE_ARCH_H
#define NIBBLE_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a block can be made of (block_tensors.c has the names in the file); a set has bit `tensor` for each.
typedef enum {
  BLOCK_ATTENTION_NORM,
  BLOCK_ATTENTION_NORM_BIAS,
  BLOCK_QUERY,
  BLOCK_KEY,
  BLOCK_VALUE,
  BLOCK_QUERY_KEY_VALUE,  // the three in one matrix
  BLOCK_ATTENTION_OUTPUT,
  BLOCK_FEED_FORWARD_NORM,
  BLOCK_FEED_FORWARD_NORM_BIAS,
  BLOCK_GATE,
  BLOCK_UP,
  BLOCK_GATE_UP,  // both in one matrix
  BLOCK_DOWN,
  BLOCK_QUERY_BIAS,
  BLOCK_KEY_BIAS,
  BLOCK_VALUE_BIAS,
  BLOCK_QUERY_KEY_VALUE_BIAS,
  BLOCK_ATTENTION_OUTPUT_BIAS,
  BLOCK_GATE_BIAS,
  BLOCK_UP_BIAS,
  BLOCK_DOWN_BIAS,
  BLOCK_QUERY_NORM,
  BLOCK_KEY_NORM,
  BLOCK_ATTENTION_POST_NORM,
  BLOCK_FEED_FORWARD_POST_NORM,
  // Falcon's names: what other files call attention's norm is the feed-forward network's, and attention may have a
  // second one.
  BLOCK_FIRST_NORM,
  BLOCK_FIRST_NORM_BIAS,
  BLOCK_SECOND_NORM,
  BLOCK_SECOND_NORM_BIAS,
  BLOCK_SINKS,
  BLOCK_TENSORS
} BlockTensor;

typedef uint64_t BlockTensorSet;

typedef enum {
  NORM_RMS,    // arXiv:1910.07467
  NORM_LAYER,  // arXiv:1607.06450
} NormKind;

// What the feed-forward network does between its products.
typedef enum {
  ACTIVATION_SWIGLU,        // SiLU(gate) x up (arXiv:2002.05202)
  ACTIVATION_GEGLU,         // GELU(gate) x up, by its tanh form (arXiv:1606.08415)
  ACTIVATION_GELU,          // GELU(up), without a gate
  ACTIVATION_SQUARED_RELU,  // max(up, 0)^2, without a gate (arXiv:2109.08668)
} Activation;

// Whether attention and feed-forward network read the same residual stream (GPT-J's blocks), and not the second what
// the first has added to it. Where one of the two has no norm then, that of the other serves both.
typedef enum {
  PARALLEL_NEVER,
  PARALLEL_ALWAYS,
  PARALLEL_BY_KEY,        // use_parallel_residual says so
  PARALLEL_WITHOUT_NORM,  // in blocks without a norm of the feed-forward network
} Parallel;

// Norms of the queries' and keys' heads.
typedef enum {
  HEAD_NORMS_BEFORE_ROPE,
  HEAD_NORMS_BEHIND_ROPE,
  HEAD_NORMS_OF_ALL_HEADS,  // one over all heads of a token, before RoPE
  HEAD_NORMS_OF_EACH_HEAD,  // before RoPE, each head with weights of its own
} HeadNorms;

typedef struct {
  const char *name;  // as in general.architecture, and the prefix of the family's metadata keys
  // A file with other tensors is refused. Queries, keys and values come as three matrices or as one, and with biases or
  // without, in files of any family: they are in no row.
  BlockTensorSet required, allowed;

  NormKind norm;
  bool learned_positions;  // a row for each position is added to the embeddings; there is no RoPE
  bool output_bias;        // the output may have one

  // RoPE rotates pairs of neighbours (2i, 2i + 1), as in the RoFormer paper (arXiv:2104.09864), or else (i, i + half).
  bool rope_adjacent;
  Activation activation;
  HeadNorms head_norms;
  Parallel parallel;

  // Layers may have a sliding window. Of other families nobody reads the key: Phi 3's files have one that none obeys.
  bool windows;
  int window;             // where a file has no key; 0: none
  int window_period;      // the last of each so many layers sees all tokens, the others have the window; 0: all have it
  bool full_layers_nope;  // where there are layers with a window, those without have no RoPE
  bool windows_unstretched;  // the RoPE of layers with a window is not that of longer contexts
  float window_rope_base;    // of layers with a window; 0: as of the others
  int nope_period;           // the last of each so many layers has no RoPE; 0: all have it
  bool rope_switch;          // rope.scaling.finetuned = false means that no layer has RoPE
  bool rope_pattern;         // attention.rope_pattern tells which layers have RoPE; all do where it is missing
  int alibi_blocks;          // files with so many blocks have ALiBi (arXiv:2108.12409) instead of RoPE; 0: none
  bool loops;                // num_loops tells how often all layers are computed, one time behind the other

  bool embedding_by_root;      // embeddings are multiplied with the root of the width
  int scores_by_width_blocks;  // of files with so many blocks, scores are divided by the root of width / heads; 0: none
  // What stands in for keys of these names where a file has none; 0: nothing.
  float embedding_scale, residual_by_depth, attention_softcap, logit_softcap;
  bool logit_by_width;     // logits are divided by width / 256
  bool logits_multiplied;  // with logit_scale, and not divided by it
} Architecture;

// Returns the row of a family; NULL for one that is not there.
const Architecture *architecture_find(const char *name, size_t length);

// Returns row `index`; NULL behind the last. For messages that list what is supported.
const Architecture *architecture_at(size_t index);

#endif
