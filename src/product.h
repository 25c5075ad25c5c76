// The matrix products of the forward pass: rows of activations are prepared for them once, and the threads share out a
// matrix's tiles.
#ifndef NIBBLE_PRODUCT_H
#define NIBBLE_PRODUCT_H

#include "norm.h"

// Tiles of a matrix that are claimed at once, of several tokens: few enough to share out evenly, whole blocks of the
// next product's input, and what kernels take at once.
enum { CHUNK_TILES = 8 };

// One product of a step: y = input @ W^T + bias, or y += ....
typedef struct {
  const Matrix *matrix;
  const float *bias; /* [matrix->rows], or NULL */
  float *y;          /* [tokens, stride] */
  int stride;
  bool add;
} Product;

// The rows that a step's products share as their input.
typedef struct {
  float *rows; /* [count, stride] */
  int stride, count, columns;
} Input;

// Makes of the rows what products take: normalises them, where there is a norm, and packs them, where a product wants
// that. A step that every thread of run->threads calls; the result is valid until the next one.
Activations product_prepare(Run *run, int thread, const Input *input, const Norm *norm, const Product *products,
                            int count);

// Makes the same of rows that are packed already, in `packed`; NULL where no product wants that. No step: each thread
// does it for itself.
Activations product_take(const Run *run, int thread, const Input *input, const uint8_t *packed, const Product *products,
                         int count);

// Returns whether one of the products wants its input packed.
bool product_packs(const Run *run, const Product *products, int count);

// Packs rows [tokens, stride] of columns `first` to `first + columns` of an input of `all` columns: multiples of 32.
void product_pack(const Run *run, const float *rows, int stride, int tokens, int first, int columns, int all,
                  uint8_t *packed);

// Computes `tiles` tiles of a product from tile `first` on, or as many of them as there are.
void product_tiles(const Run *run, const Product *product, const Activations *input, int first, int tiles);

// Computes products that share an input. A step that every thread of run->threads calls.
void product_multiply(Run *run, int thread, ProfileOperation operation, const Activations *input,
                      const Product *products, int count);

#endif
