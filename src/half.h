// Half precision: IEEE 754 binary16, and its conversion (to nearest, ties to even).
#ifndef NIBBLE_HALF_H
#define NIBBLE_HALF_H

#include <stdint.h>

float f16_to_f32(uint16_t half);
uint16_t f32_to_f16(float value);

#endif
