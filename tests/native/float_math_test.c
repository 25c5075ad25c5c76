// The promises of float_math.h.
#include "float_math.h"

#include <math.h>

#include "check.h"
#include "quant.h"

TEST(exp_is_within_two_units_of_the_last_place) {
  for (uint32_t sign = 0; sign < 2; sign++)
    for (uint32_t bits = 0; bits <= bits_of_float(EXP_HIGH); bits += 997) {
      const float x = float_of_bits(bits | sign << 31);
      if (x < EXP_LOW) break;
      const double expected = exp((double)x), ulp = nextafterf((float)expected, INFINITY) - (float)expected;
      if (!CHECK(fabs((double)exp_f32(x) - expected) < 2 * ulp)) return;
    }
}

// The least is no denormal, and so small that a sum of a vocabulary or a context of them is lost beside the largest, 1.
TEST(exp_stays_at_its_bounds_beyond_them) {
  CHECK(exp_f32(-INFINITY) == exp_f32(EXP_LOW) && exp_f32(-1e30f) == exp_f32(EXP_LOW));
  CHECK(exp_f32(EXP_LOW) >= 0x1p-126f && 1 + 0x1p28f * exp_f32(EXP_LOW) == 1);
  CHECK(exp_f32(INFINITY) == exp_f32(EXP_HIGH) && isfinite(exp_f32(EXP_HIGH)));
  CHECK(isnan(exp_f32(NAN)));
}

TEST(halves_are_exact_up_to_the_bias) {
  for (uint32_t half = 0; half < 0x10000; half++) {
    if ((half & 0x7c00) == 0x7c00) continue;  // infinities and NaN
    const float expected = f16_to_f32((uint16_t)half), found = f16_finite((uint16_t)half);
    if (memcmp(&found, &expected, sizeof found) != 0) CHECK(found == expected && "half");
  }
}

TEST(halves_that_are_no_numbers_read_as_finite_ones) {
  for (uint32_t half = 0; half < 0x10000; half++)
    CHECK(isfinite(f16_finite((uint16_t)half)));
}

int main(void) {
  Check check = {0};
  RUN(&check, exp_is_within_two_units_of_the_last_place);
  RUN(&check, exp_stays_at_its_bounds_beyond_them);
  RUN(&check, halves_are_exact_up_to_the_bias);
  RUN(&check, halves_that_are_no_numbers_read_as_finite_ones);
  return check_finish(&check);
}
