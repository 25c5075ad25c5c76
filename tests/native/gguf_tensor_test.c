// The tensor table of a GGUF file: types, dimensions, names, and where the data lies.
#include "gguf_builder.h"

#define TWO_TO(n) (UINT64_C(1) << (n))

// One tensor at offset 0, and `data` bytes of data.
static Builder file_with_dimensions(uint32_t dimensions, const uint64_t *size, uint32_t type, size_t data) {
  Builder file = begin_file(3, 1, 0);
  put_tensor(&file, "t", dimensions, size, type, 0);
  pad_to(&file, 32);
  put_zeros(&file, data);
  return file;
}

// Two vectors of 8 floats (32 bytes) at these offsets, and `data` bytes of data.
static Builder file_with_offsets(uint64_t first, uint64_t second, size_t data) {
  Builder file = begin_file(3, 2, 0);
  put_vector(&file, "first", 8, GGML_F32, first);
  put_vector(&file, "second", 8, GGML_F32, second);
  pad_to(&file, 32);
  put_zeros(&file, data);
  return file;
}

TEST(refusesTypesThatAreUnknownOrRemoved) {
  static const uint32_t types[] = {4, 5, 31, 32, 33, 37, 38, 43, 99, TWO_TO(31), UINT32_MAX};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    Builder file = file_with_dimensions(1, (uint64_t[]){256}, types[i], 4096);
    refuse(check, &file, NIBBLE_GGUF_BAD_TYPE, "The type of tensor 0 (\"t\") is");
  }
}

TEST(namesRemovedAndForeignTypesAndSaysWhatToDo) {
  static const struct {
    uint32_t type;
    const char *words;
  } cases[] = {{4, "is Q4_2 (4), and llama.cpp has removed it: convert the model anew."},
               {5, "is Q4_3 (5)"},
               {31, "is Q4_0_4_4 (31), and llama.cpp has removed it: use the Q4_0 file"},
               {32, "is Q4_0_4_8 (32)"},
               {33, "is Q4_0_8_8 (33)"},
               {37, "is IQ4_NL_4_8 (37), and llama.cpp has removed it: use the IQ4_NL file"},
               {38, "is IQ4_NL_8_8 (38)"},
               {133, "is Q6_0 (133), and only the fork ik_llama.cpp reads it"},
               {137, "is IQ2_K (137)"},
               {139, "is IQ4_K (139)"},
               {144, "is IQ4_KS (144)"},
               {158, "is IQ1_KT (158)"},
               {202, "is Q4_0 with interleaved rows (202), and only the fork ik_llama.cpp reads it"},
               {212, "is Q4_K with interleaved rows (212)"},
               {339, "is IQ4_K with interleaved rows (339)"},
               {43, "is 43, which is no tensor type this reader knows"},
               {243, "is 243, which is no"},
               {UINT32_MAX, "is 4294967295, which is no"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    Builder file = file_with_dimensions(1, (uint64_t[]){256}, cases[i].type, 4096);
    refuse(check, &file, NIBBLE_GGUF_BAD_TYPE, cases[i].words);
  }
}

// Matrices of 256 x 24 in Q2_0, in groups of 128 or 64 weights, and a vector of floats before, between or behind them.
static Builder file_with_groups(int group, int vector_at, size_t lacking) {
  const uint64_t size[] = {256, 24}, bytes = (uint64_t)(2 + group / 4) * 256 * 24 / (uint64_t)group,
                 aligned = (bytes + 31) / 32 * 32;
  Builder file = begin_file(3, 3, 0);
  uint64_t offset = 0, end = 0;
  for (int i = 0; i < 3; i++) {
    const char *name = (const char *[]){"a", "b", "c"}[i];
    if (i == vector_at)
      put_vector(&file, name, 8, GGML_F32, offset);
    else
      put_tensor(&file, name, 2, size, GGML_Q2_0, offset);
    end = offset + (i == vector_at ? 32 : bytes);
    offset += i == vector_at ? 32 : aligned;
  }
  pad_to(&file, 32);
  put_zeros(&file, (size_t)end - lacking);
  return file;
}

TEST(tellsOldGroupsOfQ2_0ByTheirSize) {
  for (int vector_at = 0; vector_at < 3; vector_at++) {
    Builder file = file_with_groups(64, vector_at, 0);
    accept(check, &file);
    file = file_with_groups(128, vector_at, 0);
    refuse(check, &file, NIBBLE_GGUF_BAD_TYPE, "is Q2_0 (42) with groups of 128 weights");
    file = file_with_groups(64, vector_at, 1);
    refuse(check, &file, NIBBLE_GGUF_TRUNCATED, "it was cut short");
  }
  // One of them alone, which ends where the file does.
  Builder file = file_with_dimensions(2, (uint64_t[]){128, 1}, GGML_Q2_0, 34);
  refuse(check, &file, NIBBLE_GGUF_BAD_TYPE, "Q2_g64");
  // No room for groups of either size, and rows that have no whole groups of 128.
  file = file_with_dimensions(2, (uint64_t[]){128, 1}, GGML_Q2_0, 33);
  refuse(check, &file, NIBBLE_GGUF_TRUNCATED, "it was cut short");
  file = file_with_dimensions(2, (uint64_t[]){64, 4}, GGML_Q2_0, 68);
  refuse(check, &file, NIBBLE_GGUF_TRUNCATED, "it was cut short");
}

TEST(takesEveryTypeInExactlyItsSize) {
  int known = 0;
  for (uint32_t type = 0; type < 64; type++) {
    const QuantFormat *format = quant_format(type);
    if (format == NULL) continue;
    known++;
    const uint64_t size[] = {(uint64_t)format->block_elements * 3, 5};
    const size_t bytes = (size_t)format->block_bytes * 15 + (size_t)quant_tensor_bytes(format);
    Builder file = file_with_dimensions(2, size, type, bytes);
    accept(check, &file);
    file = file_with_dimensions(2, size, type, bytes - 1);
    refuse(check, &file, NIBBLE_GGUF_TRUNCATED, "The data of tensor \"t\" ends at byte");
  }
  CHECK_INT(known, 36);
}

TEST(refusesRowsThatAreNoWholeBlocks) {
  for (uint32_t type = 0; type < 64; type++) {
    const QuantFormat *format = quant_format(type);
    if (format == NULL || format->block_elements == 1) continue;
    char words[96];
    for (int more = 1; more < format->block_elements; more += format->block_elements / 2 - 1) {
      const uint64_t columns = (uint64_t)(2 * format->block_elements + more);
      snprintf(words, sizeof words, "(\"t\") is %d, expected a multiple of %d, as %s needs.", (int)columns,
               format->block_elements, format->name);
      Builder file = file_with_dimensions(2, (uint64_t[]){columns, 3}, type, 4096);
      refuse(check, &file, NIBBLE_GGUF_BAD_DIMENSION, words);
    }
  }
  Builder file = file_with_dimensions(2, (uint64_t[]){48, 2}, GGML_Q4_0, 4096);
  refuse(check, &file, NIBBLE_GGUF_BAD_DIMENSION, "multiple of 32, as Q4_0 needs");
  file = file_with_dimensions(2, (uint64_t[]){32, 8}, 12, 4096);
  refuse(check, &file, NIBBLE_GGUF_BAD_DIMENSION, "multiple of 256, as Q4_K needs");
}

TEST(refusesDimensionCountsOtherThan1To4) {
  static const uint32_t counts[] = {0, 5, 1000, TWO_TO(31), UINT32_MAX};
  const uint64_t size[] = {1, 1, 1, 1};
  for (uint32_t count = 1; count <= 4; count++) {
    Builder file = file_with_dimensions(count, size, GGML_F32, 4);
    accept(check, &file);
  }
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    Builder file = begin_file(3, 1, 0);
    put_string(&file, "t", 1);
    put_u32(&file, counts[i]);
    put_zeros(&file, 128);
    refuse(check, &file, NIBBLE_GGUF_BAD_DIMENSION, "expected 1 to 4");
  }
}

TEST(refusesDimensionsThatAreZeroOrOverflow) {
  static const struct {
    uint32_t count;
    uint64_t size[4];
    uint32_t type;
  } cases[] = {
      {1, {0}, GGML_F32},
      {3, {1, 0, 1}, GGML_F32},
      {1, {TWO_TO(63)}, GGML_F32},
      {1, {UINT64_MAX}, 24},
      {2, {TWO_TO(32), TWO_TO(32)}, GGML_F32},  // the product wraps to 0
      {2, {TWO_TO(32), TWO_TO(31)}, 24},        // to the sign bit
      {4, {TWO_TO(16), TWO_TO(16), TWO_TO(16), TWO_TO(16)}, GGML_F32},
      {2, {TWO_TO(62), 2}, GGML_Q4_0},       // bytes fit, elements do not
      {4, {TWO_TO(62), 2, 0, 1}, GGML_F32},  // a zero behind an overflow
      {2, {TWO_TO(63) + 1, 2}, GGML_F32},    // the product wraps to 2
      {1, {TWO_TO(62)}, GGML_F32},           // elements fit, bytes wrap to 0
      {1, {TWO_TO(62) - 1}, GGML_F32},       // bytes reach the end of 64 bits
      {2, {TWO_TO(61), 1}, GGML_F32},        // bytes reach the sign bit
      {2, {TWO_TO(60), 7}, GGML_F16},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    Builder file = file_with_dimensions(cases[i].count, cases[i].size, cases[i].type, 4096);
    refuse(check, &file, NIBBLE_GGUF_BAD_DIMENSION, "tensor 0 (\"t\")");
  }
}

TEST(refusesHugeTensorsWhoseSizesFitTheirNumbers) {
  Builder file = file_with_dimensions(1, (uint64_t[]){TWO_TO(61) - 1}, GGML_F32, 4096);
  refuse(check, &file, NIBBLE_GGUF_TRUNCATED, "but the file has");
  // Four times 2^62 bytes: each fits, their sum wraps.
  file = begin_file(3, 4, 0);
  for (int i = 0; i < 4; i++)
    put_vector(&file, (const char *[]){"a", "b", "c", "d"}[i], TWO_TO(62), 24, i * TWO_TO(62));
  put_zeros(&file, 4096);
  refuse(check, &file, NIBBLE_GGUF_TRUNCATED, "tensor \"a\"");
}

TEST(refusesUnalignedOffsets) {
  static const uint64_t offsets[] = {1, 16, 33, UINT64_MAX};
  for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
    Builder file = file_with_offsets(0, offsets[i], 256);
    refuse(check, &file, NIBBLE_GGUF_BAD_OFFSET, "The offset of tensor 1 (\"second\")");
  }
}

TEST(refusesOffsetsOutOfRange) {
  static const uint64_t offsets[] = {256, 4096, TWO_TO(40), TWO_TO(63), UINT64_MAX - 31, UINT64_MAX - 63};
  for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
    Builder file = file_with_offsets(0, offsets[i], 256);
    refuse(check, &file, NIBBLE_GGUF_BAD_OFFSET, "The offset of tensor \"second\"");
  }
}

TEST(tellsACutFileFromAWrongOffset) {
  Builder file = file_with_offsets(0, 32, 63);
  char expected[32];
  snprintf(expected, sizeof expected, "bytes, expected %zu;", file.size + 1);
  refuse(check, &file, NIBBLE_GGUF_TRUNCATED, expected);
  file = file_with_offsets(32, 0, 16);
  refuse(check, &file, NIBBLE_GGUF_TRUNCATED, "tensor \"first\"");
  file = file_with_offsets(0, 64, 95);
  refuse(check, &file, NIBBLE_GGUF_BAD_OFFSET, "tensor \"second\"");
}

TEST(refusesOverlappingTensors) {
  Builder file = file_with_offsets(0, 0, 256);
  refuse(check, &file, NIBBLE_GGUF_BAD_OFFSET, "another tensor's data ends there");
  for (int order = 0; order < 2; order++) {
    file = begin_file(3, 3, 0);
    put_vector(&file, "far", 8, GGML_F32, 128);
    put_vector(&file, order == 0 ? "long" : "inside", order == 0 ? 24 : 8, GGML_F32, order == 0 ? 0 : 64);
    put_vector(&file, order == 0 ? "inside" : "long", order == 0 ? 8 : 24, GGML_F32, order == 0 ? 64 : 0);
    pad_to(&file, 32);
    put_zeros(&file, 256);
    refuse(check, &file, NIBBLE_GGUF_BAD_OFFSET, "tensor \"inside\"");
  }
}

TEST(allowsGapsAnyOrderAndTrailingBytes) {
  Builder file = file_with_offsets(0, 32, 64);
  accept(check, &file);
  file = file_with_offsets(32, 0, 64);
  accept(check, &file);
  file = file_with_offsets(0, 4096, 4128);
  accept(check, &file);
  file = file_with_offsets(0, 32, 100);
  accept(check, &file);
}

// A vector of one float at `offset` behind an alignment of `value`.
static Builder file_with_alignment(uint32_t type, uint64_t value, uint64_t offset) {
  Builder file = begin_file(3, 1, 1);
  put_key(&file, "general.alignment", type);
  put_integer(&file, value, (int)gguf_type_size(type));
  put_vector(&file, "t", 1, GGML_F32, offset);
  pad_to(&file, value > 0 && value <= TWO_TO(20) ? (size_t)value : 1);
  put_zeros(&file, (size_t)offset + 4);
  return file;
}

TEST(alignsByPowersOfTwo) {
  for (uint32_t alignment = 1; alignment <= TWO_TO(20); alignment *= 2) {
    Builder file = file_with_alignment(GGUF_U32, alignment, 0);
    accept(check, &file);
    file = file_with_alignment(GGUF_U32, alignment, alignment);
    accept(check, &file);
    if (alignment == 1) continue;
    file = file_with_alignment(GGUF_U32, alignment, alignment / 2);
    refuse(check, &file, NIBBLE_GGUF_BAD_OFFSET, "expected a multiple of");
  }
}

TEST(refusesOtherAlignments) {
  static const uint32_t alignments[] = {0, 3, 33, 48, TWO_TO(21), TWO_TO(30), TWO_TO(31), UINT32_MAX};
  for (size_t i = 0; i < sizeof alignments / sizeof alignments[0]; i++) {
    Builder file = file_with_alignment(GGUF_U32, alignments[i], 0);
    refuse(check, &file, NIBBLE_GGUF_BAD_ALIGNMENT, "expected a power of two");
  }
  Builder file = file_with_alignment(GGUF_U64, 32, 0);
  refuse(check, &file, NIBBLE_GGUF_BAD_ALIGNMENT, "is u64, expected u32");
  file = begin_file(3, 0, 1);
  put_pair_string(&file, "general.alignment", "32");
  refuse(check, &file, NIBBLE_GGUF_BAD_ALIGNMENT, "is string, expected u32");
}

TEST(refusesNamesThatStandTwice) {
  Builder file = begin_file(3, 3, 0);
  put_vector(&file, "a", 8, GGML_F32, 0);
  put_vector(&file, "ab", 8, GGML_F32, 32);
  put_vector(&file, "a", 8, GGML_F32, 64);
  pad_to(&file, 32);
  put_zeros(&file, 96);
  refuse(check, &file, NIBBLE_GGUF_DUPLICATE, "tensor name \"a\"");
}

TEST(findsOneDuplicateAmong100000Names) {
  Builder file = begin_file(3, 100000, 0);
  for (int i = 0; i < 100000; i++) {
    char name[32];
    snprintf(name, sizeof name, "blk.%d.weight", i == 99999 ? 7 : i);
    put_vector(&file, name, 8, GGML_F32, (uint64_t)i * 32);
  }
  pad_to(&file, 32);
  put_zeros(&file, 3200000);
  refuse(check, &file, NIBBLE_GGUF_DUPLICATE, "tensor name \"blk.7.weight\"");
}

int main(void) {
  Check check = {0};
  RUN(&check, refusesTypesThatAreUnknownOrRemoved);
  RUN(&check, namesRemovedAndForeignTypesAndSaysWhatToDo);
  RUN(&check, tellsOldGroupsOfQ2_0ByTheirSize);
  RUN(&check, takesEveryTypeInExactlyItsSize);
  RUN(&check, refusesRowsThatAreNoWholeBlocks);
  RUN(&check, refusesDimensionCountsOtherThan1To4);
  RUN(&check, refusesDimensionsThatAreZeroOrOverflow);
  RUN(&check, refusesHugeTensorsWhoseSizesFitTheirNumbers);
  RUN(&check, refusesUnalignedOffsets);
  RUN(&check, refusesOffsetsOutOfRange);
  RUN(&check, tellsACutFileFromAWrongOffset);
  RUN(&check, refusesOverlappingTensors);
  RUN(&check, allowsGapsAnyOrderAndTrailingBytes);
  RUN(&check, alignsByPowersOfTwo);
  RUN(&check, refusesOtherAlignments);
  RUN(&check, refusesNamesThatStandTwice);
  RUN(&check, findsOneDuplicateAmong100000Names);
  return check_finish(&check);
}
