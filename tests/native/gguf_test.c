// The GGUF header as a whole and its metadata; gguf_tensor_test.c has the tensors.
#include "gguf_builder.h"

// Two tensors and a pair of every kind. Its header ends at *header_end; it has no byte behind its last tensor.
static Builder valid_file(uint32_t version, size_t *header_end) {
  Builder file = begin_file(version, 2, 6);
  put_pair_string(&file, "general.architecture", "llama");
  put_pair_u32(&file, "general.alignment", 64);
  put_key(&file, "truth", GGUF_BOOL);
  put_integer(&file, 1, 1);
  put_array(&file, "tokens", GGUF_STRING, 3);
  put_string(&file, "a", 1);
  put_string(&file, "", 0);
  put_string(&file, "\xe2\x96\x81\xf0\x9f\x98\x80", 7);
  put_array(&file, "flags", GGUF_BOOL, 2);
  put_integer(&file, 0x0100, 2);
  put_array(&file, "scores", GGUF_I16, 2);
  put_integer(&file, 0xfffe0007, 4);
  put_tensor(&file, "matrix", 2, (uint64_t[]){64, 3}, GGML_Q4_0, 64);
  put_vector(&file, "vector", 5, GGML_F32, 0);
  if (header_end != NULL) *header_end = file.size;
  pad_to(&file, 64);
  put_zeros(&file, 64 + 64 / 32 * 18 * 3);
  return file;
}

TEST(readsVersions2And3) {
  for (uint32_t version = 2; version <= 3; version++) {
    Gguf gguf;
    NibbleError error;
    uint8_t *copy;
    size_t header_end;
    Builder file = valid_file(version, &header_end);
    if (!CHECK(parse_prefix(&file, file.size, file.size, &gguf, &error, &copy))) return;
    CHECK_INT(gguf.version, version);
    CHECK_INT(gguf.alignment, 64);
    CHECK_INT(gguf.file_size, file.size);
    CHECK_INT(gguf.pair_count, 6);
    CHECK_INT(gguf.data_offset, (header_end + 63) / 64 * 64);
    const GgufPair *tokens = gguf_find(&gguf, "tokens");
    CHECK(tokens != NULL && tokens->type == GGUF_ARRAY && tokens->element == GGUF_STRING && tokens->count == 3);
    CHECK_INT(tokens->bytes, 9 + 8 + 15);
    CHECK_INT(gguf.tensor_count, 2);
    const GgufTensor *matrix = gguf_find_tensor(&gguf, "matrix");
    CHECK(matrix == &gguf.tensors[0] && matrix->dimensions == 2 && matrix->type == GGML_Q4_0);
    CHECK(matrix->size[0] == 64 && matrix->size[1] == 3 && matrix->size[2] == 1 && matrix->size[3] == 1);
    CHECK_INT(matrix->offset, gguf.data_offset + 64);
    CHECK_INT(matrix->bytes, 108);
    CHECK(gguf_find_tensor(&gguf, "matri") == NULL && gguf_find(&gguf, "token") == NULL);
    gguf_free(&gguf);
    CHECK(gguf.pairs == NULL);
    gguf_free(&gguf);
    free(copy);
    free(file.bytes);
  }
}

TEST(readsAFileOfNothing) {
  Builder file = begin_file(3, 0, 0);
  accept(check, &file);
}

TEST(readsEveryTypeOfNumberAndRefusesTheOthers) {
  static const struct {
    uint32_t type;
    uint64_t bits;
    bool is_unsigned, is_float;
    double value;
  } cases[] = {
      {GGUF_U8, 0xff, true, true, 255},
      {GGUF_I8, 0x7f, true, true, 127},
      {GGUF_I8, 0x80, false, true, -128},
      {GGUF_U16, 0xffff, true, true, 65535},
      {GGUF_I16, 0xffff, false, true, -1},
      {GGUF_U32, 0xffffffff, true, true, 4294967295.0},
      {GGUF_I32, 0x80000000, false, true, -2147483648.0},
      {GGUF_F32, 0x40490fdb, false, true, 3.1415927410125732},
      {GGUF_U64, UINT64_MAX, true, true, 18446744073709551616.0},
      {GGUF_I64, UINT64_C(1) << 63, false, true, -9223372036854775808.0},
      {GGUF_I64, 5, true, true, 5},
      {GGUF_F64, UINT64_C(0xc000000000000000), false, true, -2},
      {GGUF_BOOL, 1, false, false, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    Builder file = begin_file(3, 0, 2);
    put_key(&file, "scalar", cases[i].type);
    put_integer(&file, cases[i].bits, (int)gguf_type_size(cases[i].type));
    put_array(&file, "array", cases[i].type, 2);
    put_zeros(&file, gguf_type_size(cases[i].type));
    put_integer(&file, cases[i].bits, (int)gguf_type_size(cases[i].type));
    Gguf gguf;
    NibbleError error;
    uint8_t *copy;
    if (!CHECK(parse_prefix(&file, file.size, file.size, &gguf, &error, &copy))) return;
    for (uint64_t element = 0; element < 2; element++) {
      const GgufPair *pair = gguf_find(&gguf, element == 0 ? "scalar" : "array");
      uint64_t number = 77;
      double real = 77;
      CHECK_INT(gguf_unsigned(pair, element, &number), cases[i].is_unsigned);
      CHECK(number == (cases[i].is_unsigned ? cases[i].bits : 77));
      CHECK_INT(gguf_float(pair, element, &real), cases[i].is_float);
      CHECK(real == (cases[i].is_float ? cases[i].value : 77));
      CHECK(!gguf_unsigned(pair, element + 1, &number) && !gguf_float(pair, element + 1, &real));
      CHECK(!gguf_unsigned(pair, UINT64_MAX, &number) && !gguf_float(pair, UINT64_MAX, &real));
    }
    gguf_free(&gguf);
    free(copy);
    free(file.bytes);
  }
}

TEST(accessorsRefuseOtherTypes) {
  Gguf gguf;
  NibbleError error;
  uint8_t *copy;
  Builder file = valid_file(3, NULL);
  if (!CHECK(parse_prefix(&file, file.size, file.size, &gguf, &error, &copy))) return;
  uint64_t number;
  double real;
  bool truth = false;
  GgufString string;
  const GgufPair *text = gguf_find(&gguf, "general.architecture"), *tokens = gguf_find(&gguf, "tokens");
  const GgufPair *flag = gguf_find(&gguf, "truth"), *flags = gguf_find(&gguf, "flags");
  const GgufPair *alignment = gguf_find(&gguf, "general.alignment");
  CHECK(gguf_string(text, &string) && gguf_string_is(string, "llama"));
  CHECK(!gguf_string_is(string, "llam") && !gguf_string_is(string, "llamas") && !gguf_string_is(string, "llamA"));
  CHECK(!gguf_unsigned(text, 0, &number) && !gguf_float(text, 0, &real) && !gguf_bool(text, 0, &truth));
  CHECK(!gguf_unsigned(tokens, 0, &number) && !gguf_float(tokens, 0, &real) && !gguf_string(tokens, &string));
  CHECK(gguf_bool(flag, 0, &truth) && truth);
  CHECK(gguf_bool(flags, 0, &truth) && !gguf_string(flag, &string) && !gguf_unsigned(flag, 0, &number));
  CHECK(!gguf_bool(alignment, 0, &truth) && !gguf_string(alignment, &string));
  CHECK_STR(gguf_type_name(GGUF_F64), "f64");
  CHECK_STR(gguf_type_name(13), "unknown");
  CHECK_STR(gguf_type_name(UINT32_MAX), "unknown");
  gguf_free(&gguf);
  free(copy);
  free(file.bytes);
}

TEST(refusesEveryProperPrefix) {
  size_t header_end;
  Builder file = valid_file(3, &header_end);
  for (size_t cut = 0; cut < file.size; cut++)
    CHECK_INT(prefix_code(&file, cut, cut), NIBBLE_GGUF_TRUNCATED);
  CHECK_INT(prefix_code(&file, file.size, file.size), NIBBLE_OK);
  free(file.bytes);
}

TEST(asksForMoreUntilTheHeaderIsThere) {
  size_t header_end;
  Builder file = valid_file(3, &header_end);
  for (size_t cut = 0; cut <= file.size; cut++) {
    CHECK_INT(prefix_code(&file, cut, file.size), cut < header_end ? NIBBLE_GGUF_NEEDS_MORE : NIBBLE_OK);
  }
  CHECK_INT(prefix_code(&file, file.size, file.size - 1), NIBBLE_INVALID_ARGUMENT);
  CHECK_INT(prefix_code(&file, file.size, UINT64_C(1) << 63), NIBBLE_INVALID_ARGUMENT);
  free(file.bytes);
}

TEST(refusesAWrongMagicNumberAtItsFirstByte) {
  Builder file = valid_file(3, NULL);
  file.bytes[3] = 'f';
  CHECK_INT(prefix_code(&file, 3, file.size), NIBBLE_GGUF_NEEDS_MORE);
  CHECK_INT(prefix_code(&file, 4, file.size), NIBBLE_GGUF_BAD_MAGIC);
  refuse(check, &file, NIBBLE_GGUF_BAD_MAGIC, "\"GGUf\"");
  put_bytes(&file, "\x1b<h", 3);
  CHECK_INT(prefix_code(&file, 1, 1), NIBBLE_GGUF_BAD_MAGIC);
  refuse(check, &file, NIBBLE_GGUF_BAD_MAGIC, "\"\\x1b<h\"");
}

TEST(refusesOtherVersions) {
  static const uint32_t versions[] = {0, 1, 4, 0x10000003, UINT32_MAX};
  for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
    Builder file = valid_file(versions[i], NULL);
    refuse(check, &file, NIBBLE_GGUF_BAD_VERSION, "expected 2 or 3");
  }
  Builder file = valid_file(0x03000000, NULL);
  refuse(check, &file, NIBBLE_GGUF_BAD_VERSION, "big-endian");
}

TEST(refusesCountsThatNoFileHolds) {
  static const uint64_t counts[] = {UINT64_C(1) << 63, UINT64_MAX, INT64_MAX, UINT64_C(1) << 40, (UINT64_MAX / 14) + 1};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    Builder file = begin_file(3, counts[i], 0);
    refuse(check, &file, NIBBLE_GGUF_BAD_COUNT, "tensor count");
    file = begin_file(3, 0, counts[i]);
    refuse(check, &file, NIBBLE_GGUF_BAD_COUNT, "metadata pair count");
    file = begin_file(3, 0, 1);
    put_u64(&file, counts[i]);
    put_zeros(&file, 64);
    refuse(check, &file, NIBBLE_GGUF_BAD_COUNT, "The key of metadata pair 0");
    file = begin_file(3, 0, 1);
    put_key(&file, "k", GGUF_STRING);
    put_u64(&file, counts[i]);
    refuse(check, &file, NIBBLE_GGUF_BAD_COUNT, "The value of metadata pair 0 (\"k\")");
    for (uint32_t element = 0; element <= GGUF_F64; element++) {
      if (element == GGUF_ARRAY) continue;
      file = begin_file(3, 0, 1);
      put_array(&file, "k", element, counts[i]);
      put_zeros(&file, 64);
      refuse(check, &file, NIBBLE_GGUF_BAD_COUNT, "element count");
    }
    file = begin_file(3, 1, 0);
    put_u64(&file, counts[i]);
    put_zeros(&file, 64);
    refuse(check, &file, NIBBLE_GGUF_BAD_COUNT, "The name of tensor 0");
  }
}

TEST(refusesCountsBeyondThisFileBeforeItAllocates) {
  Builder file = begin_file(3, 1000000, 0);
  put_zeros(&file, 1000);
  refuse(check, &file, NIBBLE_GGUF_TRUNCATED, "33000000 bytes");
  file = begin_file(3, 0, 1000000);
  put_zeros(&file, 1000);
  CHECK_INT(prefix_code(&file, file.size, UINT64_C(1) << 40), NIBBLE_GGUF_NEEDS_MORE);
  refuse(check, &file, NIBBLE_GGUF_TRUNCATED, "14000000 bytes");
  file = begin_file(3, 0, 1);
  put_array(&file, "k", GGUF_STRING, 1000000);
  put_zeros(&file, 1000);
  refuse(check, &file, NIBBLE_GGUF_TRUNCATED, "8000000 bytes");
}

TEST(refusesUnknownValueTypes) {
  static const uint32_t types[] = {13, 255, UINT32_MAX};
  for (size_t i = 0; i < 3; i++) {
    Builder file = begin_file(3, 0, 1);
    put_key(&file, "k", types[i]);
    put_zeros(&file, 16);
    refuse(check, &file, NIBBLE_GGUF_BAD_TYPE, "value type of metadata pair 0 (\"k\")");
    file = begin_file(3, 0, 1);
    put_array(&file, "k", types[i], 0);
    refuse(check, &file, NIBBLE_GGUF_BAD_TYPE, "element type");
  }
}

TEST(refusesArraysOfArrays) {
  Builder file = begin_file(3, 0, 1);
  put_array(&file, "k", GGUF_ARRAY, 1);
  for (int depth = 0; depth < 20000; depth++) {
    put_u32(&file, GGUF_ARRAY);
    put_u64(&file, 1);
  }
  refuse(check, &file, NIBBLE_GGUF_BAD_TYPE, "arrays of arrays");
  file = begin_file(3, 0, 1);
  put_array(&file, "k", GGUF_ARRAY, 0);
  refuse(check, &file, NIBBLE_GGUF_BAD_TYPE, "arrays of arrays");
}

TEST(readsEmptyArraysOfEveryType) {
  for (uint32_t element = 0; element <= GGUF_F64; element++) {
    if (element == GGUF_ARRAY) continue;
    Builder file = begin_file(3, 0, 1);
    put_array(&file, "k", element, 0);
    accept(check, &file);
  }
}

TEST(refusesBoolsThatAreNeither0Nor1) {
  Builder file = begin_file(3, 0, 1);
  put_key(&file, "k", GGUF_BOOL);
  put_integer(&file, 2, 1);
  refuse(check, &file, NIBBLE_GGUF_BAD_VALUE, "byte 2");
  file = begin_file(3, 0, 1);
  put_array(&file, "k", GGUF_BOOL, 3);
  put_integer(&file, 0xff0001, 3);
  refuse(check, &file, NIBBLE_GGUF_BAD_VALUE, "byte 255");
}

static Builder file_with_key(const char *key, size_t length) {
  Builder file = begin_file(3, 0, 1);
  put_string(&file, key, length);
  put_u32(&file, GGUF_U8);
  put_zeros(&file, 1);
  return file;
}

static Builder file_with_tensor_name(const char *name, size_t length) {
  Builder file = begin_file(3, 1, 0);
  put_string(&file, name, length);
  put_u32(&file, 1);
  put_u64(&file, 8);
  put_u32(&file, GGML_F32);
  put_u64(&file, 0);
  pad_to(&file, 32);
  put_zeros(&file, 32);
  return file;
}

TEST(limitsKeysAndNames) {
  char *longest = malloc(65536);
  if (!CHECK(longest != NULL)) return;
  memset(longest, 'x', 65536);
  Builder file = file_with_key(longest, 65535);
  accept(check, &file);
  file = file_with_key(longest, 65536);
  refuse(check, &file, NIBBLE_GGUF_BAD_STRING, "at most 65535");
  file = file_with_tensor_name(longest, 63);
  accept(check, &file);
  file = file_with_tensor_name(longest, 64);
  refuse(check, &file, NIBBLE_GGUF_BAD_STRING, "at most 63");
  free(longest);

  file = file_with_key("", 0);
  put_zeros(&file, 8);
  refuse(check, &file, NIBBLE_GGUF_BAD_STRING, "empty");
  file = file_with_tensor_name("", 0);
  put_zeros(&file, 8);
  refuse(check, &file, NIBBLE_GGUF_BAD_STRING, "empty");
  file = file_with_key("a\0b", 3);
  refuse(check, &file, NIBBLE_GGUF_BAD_STRING, "\"a\\x00b\"");
  file = file_with_tensor_name("a\0b", 3);
  refuse(check, &file, NIBBLE_GGUF_BAD_STRING, "\"a\\x00b\"");
}

TEST(refusesStringsThatAreNotUtf8) {
  static const char *const wrong[] = {
      "\x80",
      "\xbf",
      "\xc0\x80",
      "\xc1\xbf",
      "\xc3",
      "\xc3(",
      "\xe0\x9f\xbf",
      "\xe2\x82",
      "\xe2(\xa1",
      "\xe2\x82(",
      "\xed\xa0\x80",
      "\xed\xbf\xbf",
      "\xf0\x8f\xbf\xbf",
      "\xf0\x9f\x98",
      "\xf0\x9f\x98(",
      "\xf4\x90\x80\x80",
      "\xf5\x80\x80\x80",
      "\xff",
      "ok\xfe",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    Builder file = file_with_key(wrong[i], strlen(wrong[i]));
    refuse(check, &file, NIBBLE_GGUF_BAD_STRING, "The key of metadata pair 0 is not UTF-8");
    file = file_with_tensor_name(wrong[i], strlen(wrong[i]));
    refuse(check, &file, NIBBLE_GGUF_BAD_STRING, "The name of tensor 0 is not UTF-8");
    file = begin_file(3, 0, 1);
    put_pair_string(&file, "k", wrong[i]);
    refuse(check, &file, NIBBLE_GGUF_BAD_STRING, "The value of metadata pair 0 (\"k\") is not UTF-8");
    file = begin_file(3, 0, 1);
    put_array(&file, "k", GGUF_STRING, 2);
    put_string(&file, "ok", 2);
    put_string(&file, wrong[i], strlen(wrong[i]));
    refuse(check, &file, NIBBLE_GGUF_BAD_STRING, "is not UTF-8");
  }
}

TEST(readsUtf8UpToItsBounds) {
  static const char *const right[] = {"\x7f",         "\xc2\x80",         "\xdf\xbf",
                                      "\xe0\xa0\x80", "\xed\x9f\xbf",     "\xee\x80\x80",
                                      "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
  for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
    Builder file = file_with_key(right[i], strlen(right[i]));
    accept(check, &file);
  }
  Builder file = begin_file(3, 0, 1);
  put_key(&file, "value.with.nul", GGUF_STRING);
  put_string(&file, "a\0b", 3);
  accept(check, &file);
}

TEST(messagesEscapeQuotesAndBackslashes) {
  Builder file = file_with_key("a\"b\\c", 5);
  file.bytes[24 + 8 + 5] = 99;
  refuse(check, &file, NIBBLE_GGUF_BAD_TYPE, "(\"a\\x22b\\x5cc\") is 99");
}

TEST(messagesHoldNoUntrustedByteAndStayShort) {
  char key[201];
  memset(key, '\x01', 200);
  key[200] = '\0';
  Builder file = begin_file(3, 0, 1);
  put_key(&file, key, 99);
  NibbleError error;
  Gguf gguf;
  uint8_t *copy;
  CHECK(!parse_prefix(&file, file.size, file.size, &gguf, &error, &copy));
  CHECK(strstr(error.message, "\\x01\"...) is 99") != NULL);
  CHECK(strlen(error.message) < 400);
  for (const char *c = error.message; *c != '\0'; c++)
    CHECK(*c >= 0x20 && *c < 0x7f);
  free(copy);
  free(file.bytes);
}

TEST(refusesKeysThatStandTwice) {
  Builder file = begin_file(3, 0, 3);
  put_pair_u32(&file, "a", 1);
  put_pair_u32(&file, "ab", 1);
  put_pair_string(&file, "a", "x");
  refuse(check, &file, NIBBLE_GGUF_DUPLICATE, "metadata key \"a\"");
  file = begin_file(3, 0, 3);
  put_pair_u32(&file, "a", 1);
  put_pair_u32(&file, "ab", 1);
  put_pair_u32(&file, "A", 1);
  accept(check, &file);
}

TEST(comparesNoKeyBeyondItsEnd) {
  char key[101];
  memset(key, 'a', 100);
  key[100] = '\0';
  Builder file = begin_file(3, 0, 2);
  put_key(&file, key, GGUF_U8);
  put_zeros(&file, 1);
  put_key(&file, "a", GGUF_U8);
  put_zeros(&file, 1);
  accept(check, &file);
}

TEST(findsOneDuplicateAmong100000Keys) {
  Builder file = begin_file(3, 0, 100001);
  for (int i = 0; i <= 100000; i++) {
    char key[16];
    snprintf(key, sizeof key, "key.%d", i == 100000 ? 4321 : i);
    put_key(&file, key, GGUF_U8);
    put_zeros(&file, 1);
  }
  refuse(check, &file, NIBBLE_GGUF_DUPLICATE, "metadata key \"key.4321\"");
}

// So many that a look-up which goes past all of them would not come to an end here.
TEST(finds_each_of_very_many_names) {
  enum { COUNT = 150000 };
  Builder file = begin_file(3, COUNT, 1);
  put_pair_u32(&file, "a.key", 7);
  char name[32];
  for (int i = 0; i < COUNT; i++) {
    snprintf(name, sizeof name, "%x", i * 7919 % COUNT);  // in no order, and many are beginnings of others
    put_vector(&file, name, 1, GGML_F32, (uint64_t)i * 32);
  }
  Gguf gguf;
  if (!CHECK(gguf_parse(file.bytes, file.size, file.size + UINT64_C(32) * COUNT + 64, &gguf, NULL))) return;
  int wrong = 0;
  for (int i = 0; i < COUNT; i++) {
    snprintf(name, sizeof name, "%x", i * 7919 % COUNT);
    wrong += gguf_find_tensor(&gguf, name) != &gguf.tensors[i];
  }
  CHECK_INT(wrong, 0);
  CHECK(gguf_find_tensor(&gguf, "") == NULL && gguf_find_tensor(&gguf, "1z") == NULL);
  CHECK(gguf_find_tensor(&gguf, "zzzz") == NULL && gguf_find(&gguf, "a.ke") == NULL &&
        gguf_find(&gguf, "a.keys") == NULL);
  CHECK(gguf_find(&gguf, "a.key") == &gguf.pairs[0]);
  gguf_free(&gguf);
  free(file.bytes);
}

int main(void) {
  Check check = {0};
  RUN(&check, readsVersions2And3);
  RUN(&check, readsAFileOfNothing);
  RUN(&check, readsEveryTypeOfNumberAndRefusesTheOthers);
  RUN(&check, accessorsRefuseOtherTypes);
  RUN(&check, refusesEveryProperPrefix);
  RUN(&check, asksForMoreUntilTheHeaderIsThere);
  RUN(&check, refusesAWrongMagicNumberAtItsFirstByte);
  RUN(&check, refusesOtherVersions);
  RUN(&check, refusesCountsThatNoFileHolds);
  RUN(&check, refusesCountsBeyondThisFileBeforeItAllocates);
  RUN(&check, refusesUnknownValueTypes);
  RUN(&check, refusesArraysOfArrays);
  RUN(&check, readsEmptyArraysOfEveryType);
  RUN(&check, refusesBoolsThatAreNeither0Nor1);
  RUN(&check, limitsKeysAndNames);
  RUN(&check, refusesStringsThatAreNotUtf8);
  RUN(&check, readsUtf8UpToItsBounds);
  RUN(&check, messagesEscapeQuotesAndBackslashes);
  RUN(&check, messagesHoldNoUntrustedByteAndStayShort);
  RUN(&check, refusesKeysThatStandTwice);
  RUN(&check, comparesNoKeyBeyondItsEnd);
  RUN(&check, findsOneDuplicateAmong100000Keys);
  RUN(&check, finds_each_of_very_many_names);
  return check_finish(&check);
}
