// Weight formats: the table of them, binary16, and the blocks that unpack.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "quant.h"
#include "quant_records.h"

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static bool half_is_nan(uint32_t half) { return (half & 0x7fff) > 0x7c00; }

// What a half means, worked out from its definition instead of its bits.
static double meaning(uint32_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const double sign = half & 0x8000 ? -1 : 1;
  if (exponent == 31) return sign * HUGE_VAL;
  return sign * (exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25));
}

TEST(everyHalfBecomesItsFloat) {
  for (uint32_t half = 0; half < 65536; half++) {
    const float value = f16_to_f32((uint16_t)half);
    if (half_is_nan(half)) {
      CHECK(isnan(value) && !signbit(value) == !(half & 0x8000));
    } else {
      CHECK((double)value == meaning(half) && !signbit(value) == !(half & 0x8000));
    }
  }
}

TEST(everyHalfComesBackTheSame) {
  for (uint32_t half = 0; half < 65536; half++) {
    const uint16_t back = f32_to_f16(f16_to_f32((uint16_t)half));
    CHECK_INT(back, half_is_nan(half) ? half | 0x200 : half);
  }
}

// Between each two neighbours: the middle goes to the even one, what is beside it to the nearer one.
TEST(floatsRoundToTheNearestHalfAndTiesToEven) {
  for (uint32_t half = 0; half < 0x7bff; half++) {
    const double low = meaning(half), high = meaning(half + 1);
    const float middle = (float)((low + high) / 2);
    const uint32_t even = half & 1 ? half + 1 : half;
    CHECK_INT(f32_to_f16(middle), even);
    CHECK_INT(f32_to_f16(-middle), even | 0x8000);
    CHECK_INT(f32_to_f16(nextafterf(middle, 0)), half);
    CHECK_INT(f32_to_f16(nextafterf(middle, 1e9f)), half + 1);
    CHECK_INT(f32_to_f16(nextafterf((float)low, 1e9f)), half);
    CHECK_INT(f32_to_f16(nextafterf((float)high, 0)), half + 1);
  }
}

TEST(floatsBeyondTheLargestHalfBecomeInfinite) {
  CHECK_INT(f32_to_f16(65504), 0x7bff);
  CHECK_INT(f32_to_f16(nextafterf(65520, 0)), 0x7bff);
  CHECK_INT(f32_to_f16(65520), 0x7c00);
  CHECK_INT(f32_to_f16(-65536), 0xfc00);
  CHECK_INT(f32_to_f16(3e38f), 0x7c00);
  CHECK_INT(f32_to_f16(-HUGE_VALF), 0xfc00);
}

TEST(tinyFloatsBecomeZeroWithTheirSign) {
  CHECK_INT(f32_to_f16(0.0f), 0);
  CHECK_INT(f32_to_f16(-0.0f), 0x8000);
  CHECK_INT(f32_to_f16(1e-40f), 0);
  CHECK_INT(f32_to_f16(-0x1p-25f), 0x8000);
  CHECK_INT(f32_to_f16(nextafterf(0x1p-25f, 1)), 1);
}

TEST(nansStayNansWithTheirSign) {
  static const uint32_t nans[] = {0x7f800001, 0x7fc00000, 0xff801fff, 0xffffffff};
  for (size_t i = 0; i < sizeof nans / sizeof nans[0]; i++) {
    const uint16_t half = f32_to_f16(float_of(nans[i]));
    CHECK(half_is_nan(half) && (half & 0x8000) == (nans[i] >> 16 & 0x8000));
  }
}

TEST(theTableKnowsEveryTypeAndNoRemovedOne) {
  static const uint32_t unknown[] = {4, 5, 31, 32, 33, 37, 38, 43, 64, 1u << 31, UINT32_MAX};
  for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
    CHECK(quant_format(unknown[i]) == NULL);
  int known = 0;
  for (uint32_t type = 0; type < 64; type++) {
    const QuantFormat *format = quant_format(type);
    if (format == NULL) continue;
    known++;
    CHECK_INT(format->type, type);
    CHECK(strlen(format->name) > 0 && format->block_elements > 0 && format->block_bytes > 0);
    for (uint32_t other = 0; other < type; other++) {
      if (quant_format(other) != NULL) CHECK(strcmp(quant_format(other)->name, format->name) != 0);
    }
  }
  CHECK_INT(known, 36);
}

TEST(theTableHasTheFormatsSizes) {
  // Bytes from the parts of each block: scales, minima, low and high bits.
  static const struct {
    uint32_t type;
    const char *name;
    int elements, bytes;
  } cases[] = {
      {0, "F32", 1, 4},
      {1, "F16", 1, 2},
      {2, "Q4_0", 32, 2 + 16},
      {3, "Q4_1", 32, 2 + 2 + 16},
      {6, "Q5_0", 32, 2 + 4 + 16},
      {7, "Q5_1", 32, 2 + 2 + 4 + 16},
      {8, "Q8_0", 32, 2 + 32},
      {9, "Q8_1", 32, 2 + 2 + 32},
      {10, "Q2_K", 256, 2 + 2 + 256 / 16 + 256 / 4},
      {11, "Q3_K", 256, 2 + 256 / 4 + 256 / 8 + 12},
      {12, "Q4_K", 256, 2 + 2 + 256 / 2 + 12},
      {13, "Q5_K", 256, 2 + 2 + 256 / 2 + 256 / 8 + 12},
      {14, "Q6_K", 256, 2 + 256 / 2 + 256 / 4 + 256 / 16},
      {15, "Q8_K", 256, 4 + 256 + 256 / 8},
      {24, "I8", 1, 1},
      {25, "I16", 1, 2},
      {26, "I32", 1, 4},
      {27, "I64", 1, 8},
      {28, "F64", 1, 8},
      {30, "BF16", 1, 2},
      {36, "I2_S", 128, 128 / 4},
      {39, "MXFP4", 32, 1 + 16},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const QuantFormat *format = quant_format(cases[i].type);
    if (!CHECK(format != NULL)) continue;
    CHECK_STR(format->name, cases[i].name);
    CHECK_INT(format->block_elements, cases[i].elements);
    CHECK_INT(format->block_bytes, cases[i].bytes);
  }
}

// Unpacks from an odd address, as a file may have it, into floats with a guard behind them.
static void expect_unpacked(Check *check, uint32_t type, const uint8_t *blocks, size_t bytes, const float *expected,
                            size_t elements) {
  uint8_t *odd = malloc(bytes + 1);
  float *values = malloc((elements + 1) * sizeof *values);
  if (CHECK(odd != NULL && values != NULL)) {
    memcpy(odd + 1, blocks, bytes);
    for (size_t i = 0; i <= elements; i++)
      values[i] = 12345;
    CHECK(quant_unpack(quant_format(type), odd + 1, values, elements));
    for (size_t i = 0; i < elements; i++) {
      if (bits_of(values[i]) != bits_of(expected[i]) && !(isnan(values[i]) && isnan(expected[i]))) {
        CHECK(!"every value equals its expected one");
        printf("  %s: element %zu is %.9g, expected %.9g\n", quant_format(type)->name, i, values[i], expected[i]);
        break;
      }
    }
    CHECK(values[elements] == 12345);
  }
  free(odd);
  free(values);
}

TEST(floatFormatsUnpack) {
  const float expected[] = {1.0f, -2.5f, 0.15625f};
  expect_unpacked(check, GGML_F32, (uint8_t[]){0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0, 0, 0, 0x20, 0x3e}, 12, expected, 3);
  expect_unpacked(check, GGML_F16, (uint8_t[]){0, 0x3c, 0, 0xc1, 0, 0x31}, 6, expected, 3);
  expect_unpacked(check, GGML_BF16, (uint8_t[]){0x80, 0x3f, 0x20, 0xc0, 0x20, 0x3e}, 6, expected, 3);
}

// Two blocks of each: scales 0.5 and -2, the second with every weight at its format's extreme.
TEST(q8_0Unpacks) {
  uint8_t blocks[68] = {0x00, 0x38, [34] = 0x00, [35] = 0xc0};
  float expected[64];
  for (int i = 0; i < 32; i++) {
    blocks[2 + i] = (uint8_t)(i * 8 - 128);
    expected[i] = 0.5f * (float)(i * 8 - 128);
    blocks[36 + i] = i % 2 ? 0x80 : 0x7f;
    expected[32 + i] = i % 2 ? 256.0f : -254.0f;
  }
  expect_unpacked(check, GGML_Q8_0, blocks, sizeof blocks, expected, 64);
}

TEST(q4_0Unpacks) {
  uint8_t blocks[36] = {0x00, 0x38, [18] = 0x00, [19] = 0xc0};
  float expected[64];
  for (int i = 0; i < 16; i++) {
    blocks[2 + i] = (uint8_t)(i | (15 - i) << 4);
    expected[i] = 0.5f * (float)(i - 8);
    expected[16 + i] = 0.5f * (float)(7 - i);
    blocks[20 + i] = 0xf0;
    expected[32 + i] = 16.0f;
    expected[48 + i] = -14.0f;
  }
  expect_unpacked(check, GGML_Q4_0, blocks, sizeof blocks, expected, 64);
}

TEST(q4_1Unpacks) {
  // Minima 1 and 0.25.
  uint8_t blocks[40] = {0x00, 0x38, 0x00, 0x3c, [20] = 0x00, [21] = 0xc0, [22] = 0x00, [23] = 0x34};
  float expected[64];
  for (int i = 0; i < 16; i++) {
    blocks[4 + i] = (uint8_t)(i | (15 - i) << 4);
    expected[i] = 0.5f * (float)i + 1.0f;
    expected[16 + i] = 0.5f * (float)(15 - i) + 1.0f;
    blocks[24 + i] = 0xf0;
    expected[32 + i] = 0.25f;
    expected[48 + i] = -29.75f;
  }
  expect_unpacked(check, GGML_Q4_1, blocks, sizeof blocks, expected, 64);
}

// Each of its bytes has weights of four groups of 32; 3 stands for 0, as for bitnet.cpp.
TEST(i2_sUnpacks) {
  uint8_t tensor[2 * 32 + 32];
  float expected[256];
  const float scale = -0.3f, named[4] = {-1, 0, 1, 0};
  memset(tensor, 0xee, sizeof tensor);
  for (int i = 0; i < 64; i++) {
    tensor[i] = (uint8_t)(i * 4 + i / 32);
    for (int group = 0; group < 4; group++)
      expected[i / 32 * 128 + group * 32 + i % 32] = scale * named[tensor[i] >> (6 - 2 * group) & 3];
  }
  memcpy(tensor + 64, &scale, sizeof scale);
  float values[257] = {[256] = 12345};
  CHECK(quant_unpack_tensor(quant_format(GGML_I2_S), tensor, values, 256));
  CHECK(memcmp(values, expected, sizeof expected) == 0 && values[256] == 12345);
  CHECK(quant_tensor_scale(quant_format(GGML_I2_S), tensor + 64) == scale);
  CHECK(quant_tensor_scale(quant_format(GGML_TQ2_0), NULL) == 1);
}

// FNV-1a over the words of the floats; every NaN counts as one and the same.
static uint64_t checksum_of(const float *values, size_t count) {
  uint64_t checksum = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < count; i++)
    checksum = (checksum ^ (isnan(values[i]) ? 0x7fc00000 : bits_of(values[i]))) * UINT64_C(0x100000001b3);
  return checksum;
}

// Random bytes are a fair sample of blocks: no bit pattern is refused, and scales are negative, tiny, infinite and NaN.
TEST(randomBlocksUnpackAsRecorded) {
  for (size_t r = 0; r < sizeof quant_records / sizeof quant_records[0]; r++) {
    const QuantFormat *format = quant_format(quant_records[r].type);
    const size_t bytes = QUANT_RECORD_BLOCKS * (size_t)format->block_bytes + (size_t)quant_tensor_bytes(format);
    const size_t elements = QUANT_RECORD_BLOCKS * (size_t)format->block_elements;
    uint8_t *blocks = malloc(bytes);
    float *values = malloc(elements * sizeof *values);
    if (CHECK(blocks != NULL && values != NULL)) {
      uint32_t state = format->type;
      for (size_t i = 0; i < bytes; i++)
        blocks[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
      CHECK(quant_unpack_tensor(format, blocks, values, elements));
      if (!CHECK(checksum_of(values, elements) == quant_records[r].checksum)) printf("  of %s\n", format->name);
    }
    free(blocks);
    free(values);
  }
}

TEST(everyTypeThatHoldsWeightsUnpacks) {
  static const uint32_t none[] = {9, 15, 24, 25, 26, 27, 28};  // activations' types, integers, F64
  for (uint32_t type = 0; type < 64; type++) {
    const QuantFormat *format = quant_format(type);
    if (format == NULL) continue;
    bool expected = true;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
      expected = expected && none[i] != type;
    uint8_t block[512] = {0};
    float values[512];
    CHECK_INT(quant_unpack(format, block, values, (size_t)format->block_elements), expected);
  }
}

// The contents of a fixture, or NULL.
static uint8_t *read_fixture(const char *name, const char *suffix, size_t *size) {
  const char *folder = getenv("NIBBLE_FIXTURES");
  if (folder == NULL) return NULL;
  char path[4096];
  snprintf(path, sizeof path, "%s/quant/%s.%s", folder, name, suffix);
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  uint8_t *bytes = NULL;
  if (fseek(file, 0, SEEK_END) == 0) {
    const long end = ftell(file);
    rewind(file);
    *size = end > 0 ? (size_t)end : 0;
    bytes = malloc(*size + 1);
    if (bytes != NULL && fread(bytes, 1, *size, file) != *size) {
      free(bytes);
      bytes = NULL;
    }
  }
  fclose(file);
  return bytes;
}

// Blocks of real weights and of random bytes, with the values that ggml unpacks from them.
TEST(unpacksAsGgmlDoes) {
  static const struct {
    uint32_t type;
    const char *name;
  } cases[] = {
      {GGML_F16, "f16.quant"},        {GGML_F16, "f16.random"},       {GGML_BF16, "bf16.quant"},
      {GGML_BF16, "bf16.random"},     {GGML_Q4_0, "q4_0.quant"},      {GGML_Q4_0, "q4_0.random"},
      {GGML_Q4_1, "q4_1.quant"},      {GGML_Q4_1, "q4_1.random"},     {GGML_Q8_0, "q8_0.quant"},
      {GGML_Q8_0, "q8_0.random"},     {GGML_Q5_0, "q5_0.quant"},      {GGML_Q5_0, "q5_0.random"},
      {GGML_Q5_1, "q5_1.quant"},      {GGML_Q5_1, "q5_1.random"},     {GGML_Q2_K, "q2_K.quant"},
      {GGML_Q2_K, "q2_K.random"},     {GGML_Q3_K, "q3_K.quant"},      {GGML_Q3_K, "q3_K.random"},
      {GGML_Q4_K, "q4_K.quant"},      {GGML_Q4_K, "q4_K.random"},     {GGML_Q5_K, "q5_K.quant"},
      {GGML_Q5_K, "q5_K.random"},     {GGML_Q6_K, "q6_K.quant"},      {GGML_Q6_K, "q6_K.random"},
      {GGML_IQ4_NL, "iq4_nl.quant"},  {GGML_IQ4_NL, "iq4_nl.random"}, {GGML_IQ4_XS, "iq4_xs.quant"},
      {GGML_IQ4_XS, "iq4_xs.random"}, {GGML_MXFP4, "mxfp4.quant"},    {GGML_MXFP4, "mxfp4.random"},
  };
  size_t probed;
  uint8_t *probe = read_fixture(cases[0].name, "blocks", &probed);
  if (probe == NULL) SKIP("the fixtures are absent (NIBBLE_FIXTURES names their folder)");
  free(probe);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    size_t bytes = 0, expected_bytes = 0;
    uint8_t *blocks = read_fixture(cases[i].name, "blocks", &bytes);
    uint8_t *expected = read_fixture(cases[i].name, "f32", &expected_bytes);
    if (CHECK(blocks != NULL && expected != NULL && bytes > 0)) {
      const QuantFormat *format = quant_format(cases[i].type);
      const size_t elements = bytes / (size_t)format->block_bytes * (size_t)format->block_elements;
      float *values = malloc(expected_bytes + 1);
      if (CHECK(values != NULL && expected_bytes == elements * 4)) {
        memcpy(values, expected, expected_bytes);
        expect_unpacked(check, cases[i].type, blocks, bytes, values, elements);
      }
      free(values);
    }
    free(blocks);
    free(expected);
  }
}

int main(void) {
  Check check = {0};
  RUN(&check, everyHalfBecomesItsFloat);
  RUN(&check, everyHalfComesBackTheSame);
  RUN(&check, floatsRoundToTheNearestHalfAndTiesToEven);
  RUN(&check, floatsBeyondTheLargestHalfBecomeInfinite);
  RUN(&check, tinyFloatsBecomeZeroWithTheirSign);
  RUN(&check, nansStayNansWithTheirSign);
  RUN(&check, theTableKnowsEveryTypeAndNoRemovedOne);
  RUN(&check, theTableHasTheFormatsSizes);
  RUN(&check, floatFormatsUnpack);
  RUN(&check, q8_0Unpacks);
  RUN(&check, q4_0Unpacks);
  RUN(&check, q4_1Unpacks);
  RUN(&check, i2_sUnpacks);
  RUN(&check, randomBlocksUnpackAsRecorded);
  RUN(&check, everyTypeThatHoldsWeightsUnpacks);
  RUN(&check, unpacksAsGgmlDoes);
  return check_finish(&check);
}
