// Tensor types that stand in files but are none of ggml's: removed ones, and those of forks. They are refused by name.
#ifndef NIBBLE_FOREIGN_TYPES_H
#define NIBBLE_FOREIGN_TYPES_H

#include <stdint.h>

enum { FOREIGN_TYPE_TEXT_SIZE = 192 };

// Says of a type that quant_format() does not know what it is and what to do about it: what follows "The type is", and
// no full stop.
void foreign_type_text(uint32_t type, char text[FOREIGN_TYPE_TEXT_SIZE]);

#endif
