// Weight formats as they stand in a GGUF file: their names, block sizes, and how a block unpacks to floats.
#ifndef NIBBLE_QUANT_H
#define NIBBLE_QUANT_H

#include <stddef.h>
#include <stdint.h>

// Tensor types, numbered as in the file.
typedef enum {
  GGML_F32 = 0,
  GGML_F16 = 1,
  GGML_Q4_0 = 2,
  GGML_Q4_1 = 3,
  GGML_Q8_0 = 8,
  GGML_BF16 = 30,
} GgmlType;

// What the reader knows of a tensor type: enough to compute a tensor's size. Types that the engine cannot run are in
// the table too, so that an error can name them; their `unpack` is NULL.
typedef struct {
  uint32_t type;
  const char *name;    // "Q4_0"
  int block_elements;  // a row's length must be a multiple of it
  int block_bytes;
  void (*unpack)(const uint8_t *blocks, float *values, size_t elements);  // `elements`: whole blocks
} QuantFormat;

// The format of a type, or NULL for one that no GGUF file may hold (unknown or removed).
const QuantFormat *quant_format(uint32_t type);

// IEEE 754 binary16, and its conversion (to nearest, ties to even).
float f16_to_f32(uint16_t half);
uint16_t f32_to_f16(float value);

#endif
