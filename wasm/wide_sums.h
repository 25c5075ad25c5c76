// Products with stretches that the relaxed kernel sets share, for the sake of the wasm's size. Their sums have 32
// bits, made of the relaxed dot product that has one meaning on every CPU and in every browser.
#ifndef NIBBLE_WIDE_SUMS_H
#define NIBBLE_WIDE_SUMS_H

#include "stretch_product.h"

StretchProduct wide_halves, wide_halves_header, wide_split_halves_header, wide_token;

#endif
