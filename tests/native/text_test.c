// The conversions of text_format() against those of the C library, and where it stops.
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>

#include "check.h"
#include "float_math.h"

#define SAME_AS_PRINTF(...)                                                     \
  do {                                                                          \
    char found[200], expected[200];                                             \
    snprintf(expected, sizeof expected, __VA_ARGS__);                           \
    text_format(found, sizeof found, __VA_ARGS__);                              \
    if (strcmp(found, expected) != 0) CHECK_STR(found, (const char *)expected); \
  } while (0)

TEST(writes_strings_as_printf_does) {
  SAME_AS_PRINTF("nothing");
  SAME_AS_PRINTF("%s", "");
  SAME_AS_PRINTF("100 %% of %s, then %s.", "one", "another");
  SAME_AS_PRINTF("%.3s %.40s", "cut off", "whole");
  SAME_AS_PRINTF("%.*s|%.*s", 2, "abc", 0, "abc");
}

TEST(writes_whole_numbers_as_printf_does) {
  static const int64_t numbers[] = {0, 1, -1, 9, 10, -10, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    const int64_t n = numbers[i];
    SAME_AS_PRINTF("%d %u", (int)n, (unsigned)n);
    SAME_AS_PRINTF("%ld %lu", (long)n, (unsigned long)n);
    SAME_AS_PRINTF("%lld %llu", (long long)n, (unsigned long long)n);
    SAME_AS_PRINTF("%" PRId64 " %" PRIu64 " %zu then %s", n, (uint64_t)n, (size_t)n, "more");
    SAME_AS_PRINTF("0x%02x 0x%08" PRIx32, (unsigned)n & 0xff, (uint32_t)n);
  }
}

TEST(writes_fractions_as_printf_does) {
  static const double numbers[] = {0,      -0.0,    0.04, 0.06, 0.96,           1, 1.25, 9.96,
                                   12.344, 1023.97, 1e9,  -1.5, 123456789012345};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    SAME_AS_PRINTF("%.0f %.1f %.2f", numbers[i], numbers[i], numbers[i]);
  SAME_AS_PRINTF("%.1f %.1f %.1f", INFINITY, -INFINITY, fabs((double)NAN));
}

TEST(writes_numbers_of_any_size_as_printf_does) {
  static const double numbers[] = {
      0,        1,       -1,     0.1,     0.8,          1.05,          100,   1000000, 999999.4,
      999999.6, 1234567, 0.0001, 0.00001, 0.0000999999, 0.00009999999, 1e100, 1e-100,  1.7976931348623157e308,
      5e-324,   123.456};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    SAME_AS_PRINTF("%g|%g", numbers[i], -numbers[i]);
  SAME_AS_PRINTF("%g %g %g", INFINITY, -INFINITY, fabs((double)NAN));
  for (uint32_t i = 0; i < 20000; i++) {
    const float number = float_of_bits(i * UINT32_C(214013) + UINT32_C(2531011));
    if (!isnan(number)) SAME_AS_PRINTF("%g", (double)number);
  }
}

TEST(cuts_off_what_does_not_fit) {
  for (size_t size = 1; size < 12; size++) {
    char found[13], expected[13];
    memset(found, '!', sizeof found);
    snprintf(expected, size, "%s is %d.", "abc", 12);
    text_format(found, size, "%s is %d.", "abc", 12);
    CHECK_STR(found, (const char *)expected);
    CHECK(found[size] == '!');
  }
}

int main(void) {
  Check check = {0};
  RUN(&check, writes_strings_as_printf_does);
  RUN(&check, writes_whole_numbers_as_printf_does);
  RUN(&check, writes_fractions_as_printf_does);
  RUN(&check, writes_numbers_of_any_size_as_printf_does);
  RUN(&check, cuts_off_what_does_not_fit);
  return check_finish(&check);
}
