// What the feed-forward network has between its products.
#ifndef NIBBLE_HIDDEN_H
#define NIBBLE_HIDDEN_H

#include "product.h"

// run->gate becomes activation(gate, up), by products that write run->gate and run->up (one: run->up alone), and is
// packed into `packed` (NULL where nobody wants that). A step.
void hidden_compute(Run *run, const Block *block, const Activations *input, const Product *products, int product_count,
                    uint8_t *packed, int thread);

#endif
