#include "hidden.h"

#include "activation.h"

// The feed-forward network's activation in rows `first` to `first + rows`, blocks of the next product's input, which it
// packs.
static void activate(const Run *run, const Block *block, int count, int first, int rows, uint8_t *packed) {
  const Activation activation = run->model->shape.architecture->activation;
  for (int t = 0; t < count; t++) {
    float *gate = run_row(run->gate, run->forward_stride, t) + first;
    const float *up = run_row(run->up, run->forward_stride, t) + first;
    if (activation == ACTIVATION_SWIGLU)
      run->kernels->swiglu(gate, up, rows);
    else
      activation_apply(activation, gate, up, rows);
  }
  if (packed != NULL)
    product_pack(run, run->gate + first, run->forward_stride, count, first, rows, block->down.columns, packed);
}

// Rows of gate and up: what of them is activated at once.
enum { HIDDEN_ROWS = CHUNK_TILES * TILE_ROWS };

// A piece of several tokens' rows is activated while it is in the cache. One token's is so small that it matters more
// to go through the weights in one run.
void hidden_compute(Run *run, const Block *block, const Activations *input, const Product *products, int product_count,
                    uint8_t *packed, int thread) {
  const int rows = round_up(block->down.columns, TILE_ROWS), count = input->tokens;
  if (count == 1) product_multiply(run, thread, PROFILE_GATE_AND_UP, input, products, product_count);
  for (int piece; (piece = threads_claim(run->threads, thread, units_of(rows, HIDDEN_ROWS))) >= 0;) {
    const int first = piece * HIDDEN_ROWS, left = rows - first;
    for (int i = 0; count > 1 && i < product_count; i++)
      product_tiles(run, &products[i], input, piece * CHUNK_TILES, CHUNK_TILES);
    activate(run, block, count, first, left < HIDDEN_ROWS ? left : HIDDEN_ROWS, packed);
  }
  run_finish_step(run, thread, PROFILE_GATE_AND_UP);
}
