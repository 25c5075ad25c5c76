// What the tensors that a block can be made of are called in a file, how large they are, and where they go.
#ifndef NIBBLE_BLOCK_TENSORS_H
#define NIBBLE_BLOCK_TENSORS_H

#include "model.h"

typedef struct {
  const char *name;  // behind "blk.N."; several matrices in one have the name that converters give the whole
  bool matrix;       // else plain floats
  int dimensions;    // 1: one row
  size_t field;      // where it goes: the offset in Block of a Matrix, or of a float *
  int rows, columns;
} BlockTensorPlan;

// Returns a tensor as a model's shape calls for it in a block.
BlockTensorPlan block_tensor_plan(const Shape *shape, int block, BlockTensor tensor);

// Returns a block's matrix; NULL where it has none, or the tensor is none.
const Matrix *block_matrix(const Block *block, BlockTensor tensor);

#endif
