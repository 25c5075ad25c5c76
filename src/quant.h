// Weight formats as they stand in a GGUF file: their names, block sizes, and how a block unpacks to floats.
#ifndef NIBBLE_QUANT_H
#define NIBBLE_QUANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "half.h"
#include "superblock.h"

// Tensor types, numbered as in the file.
typedef enum {
  GGML_F32 = 0,
  GGML_F16 = 1,
  GGML_Q4_0 = 2,
  GGML_Q4_1 = 3,
  GGML_Q5_0 = 6,
  GGML_Q5_1 = 7,
  GGML_Q8_0 = 8,
  GGML_Q2_K = 10,
  GGML_Q3_K = 11,
  GGML_Q4_K = 12,
  GGML_Q5_K = 13,
  GGML_Q6_K = 14,
  GGML_IQ2_XXS = 16,
  GGML_IQ2_XS = 17,
  GGML_IQ3_XXS = 18,
  GGML_IQ1_S = 19,
  GGML_IQ4_NL = 20,
  GGML_IQ3_S = 21,
  GGML_IQ2_S = 22,
  GGML_IQ4_XS = 23,
  GGML_IQ1_M = 29,
  GGML_BF16 = 30,
  GGML_TQ1_0 = 34,
  GGML_TQ2_0 = 35,
  GGML_I2_S = 36,  // of Microsoft's bitnet.cpp; llama.cpp has none
  GGML_MXFP4 = 39,
  GGML_NVFP4 = 40,
  GGML_Q1_0 = 41,
  GGML_Q2_0 = 42,
} GgmlType;

// What the reader knows of a tensor type: enough to compute a tensor's size. Types that hold no weights (integers, what
// activations are rounded to) are in the table too, so that an error can name them: both their functions are NULL.
typedef struct {
  uint32_t type;
  const char *name;    // "Q4_0"
  int block_elements;  // a row's length must be a multiple of it
  int block_bytes;
  void (*unpack)(const uint8_t *blocks, float *values, size_t elements);  // of blocks below 256 weights
  SuperblockReader *read;                                                 // of blocks of 256
} QuantFormat;

// Returns the format of a type, or NULL for one that no GGUF file may hold (unknown or removed).
const QuantFormat *quant_format(uint32_t type);

// Unpacks whole blocks to floats, to the bit as ggml does. The scale of a whole tensor is left out. False where the
// type holds no weights.
bool quant_unpack(const QuantFormat *format, const uint8_t *blocks, float *values, size_t elements);

// Returns how many bytes stand behind all blocks of a tensor, from the F32 scale of all its weights on; 0 where the
// type has no such scale.
static inline int quant_tensor_bytes(const QuantFormat *format) { return format->type == GGML_I2_S ? 32 : 0; }

// Returns the scale of a whole tensor, out of the bytes behind its blocks; 1 where the type has none, of which none are
// read.
float quant_tensor_scale(const QuantFormat *format, const uint8_t *behind);

// Unpacks all blocks of a tensor, whose scale, where the type has one, stands behind them.
bool quant_unpack_tensor(const QuantFormat *format, const uint8_t *tensor, float *values, size_t elements);

// What 32 weights of I2_S are plus one, 0 to 2, from weight `first` of the blocks on, a multiple of 32.
void i2_s_codes(const uint8_t *blocks, size_t first, uint8_t codes[32]);

// The sixteen values of MXFP4 and NVFP4 (E2M1), doubled.
extern const int8_t fp4_values[16];

// Half of what a scale of MXFP4 (E8M0) and of NVFP4 (unsigned E4M3) means. 0x7f, E4M3's NaN, is 0, as ggml has it.
float e8m0_half_to_f32(uint8_t exponent);
float e4m3_half_to_f32(uint8_t number);

#endif
