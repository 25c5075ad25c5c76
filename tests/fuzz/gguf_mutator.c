// Changes GGUF headers as their authors might: a number of the metadata, a type or a size of a tensor, with the offsets
// of all tensors brought in line, so that the file stays one. Bytes alone, which libFuzzer changes the other half of
// the time, hardly ever give a header that is wrong in one thing only.
#include "fuzz_target.h"
#include "gguf.h"
#include "quant.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed);

enum { TENSOR_TYPES = 64 };

static uint32_t next_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

static void write_u32(uint8_t *bytes, uint32_t value) { memcpy(bytes, &value, sizeof value); }
static void write_u64(uint8_t *bytes, uint64_t value) { memcpy(bytes, &value, sizeof value); }

// A tensor's entry behind its name: u32 dimensions, u64 sizes, u32 type, u64 offset.
static uint8_t *entry_of(const GgufTensor *tensor) { return (uint8_t *)tensor->name.data + tensor->name.length; }
static uint8_t *size_field(const GgufTensor *tensor, int i) { return entry_of(tensor) + 4 + 8 * i; }
static uint8_t *type_field(const GgufTensor *tensor) { return size_field(tensor, tensor->dimensions); }
static uint8_t *offset_field(const GgufTensor *tensor) { return type_field(tensor) + 4; }

// Any number that is near a limit of something, as an integer or as a float.
static uint32_t odd_number(uint64_t *state) {
  static const uint32_t numbers[] = {0,          1,          2,          3,          7,          8,          31,
                                     32,         64,         255,        256,        4096,       65535,      65536,
                                     (1u << 20), 0xfffff,    1u << 28,   0x7fffffff, 0x80000000, 0xffffffff, 0x7fc00000,
                                     0x7f800000, 0xff800000, 0x3f800000, 0x00000001, 0xbf800000};
  const uint32_t number = numbers[next_random(state) % (sizeof numbers / sizeof *numbers)];
  return next_random(state) % 4 == 0 ? number + next_random(state) % 3 - 1 : number;
}

static void change_pair(const Gguf *gguf, uint64_t *state) {
  const GgufPair *pair = &gguf->pairs[next_random(state) % gguf->pair_count];
  const size_t width = gguf_type_size(pair->element);
  if (width == 0 || pair->count == 0) return;
  uint8_t *value = (uint8_t *)pair->value + (pair->type == GGUF_ARRAY ? pair->bytes - pair->count * width : 0);
  const uint64_t number = next_random(state) % 2 == 0 ? odd_number(state) : next_random(state) % 300;
  memcpy(value + next_random(state) % pair->count * width, &number, width);
}

static uint32_t random_type(uint64_t *state) {
  for (;;) {
    const uint32_t type = next_random(state) % TENSOR_TYPES;
    if (quant_format(type) != NULL) return type;
  }
}

// One tensor's type, or that of all which have the same; now and then a size.
static void change_tensor(Gguf *gguf, uint64_t *state) {
  GgufTensor *changed = &gguf->tensors[next_random(state) % gguf->tensor_count];
  if (next_random(state) % 4 == 0) {
    const int i = (int)(next_random(state) % (uint32_t)changed->dimensions);
    changed->size[i] = next_random(state) % 2 == 0 ? odd_number(state) : changed->size[i] + 32;
    write_u64(size_field(changed, i), changed->size[i]);
    return;
  }
  const uint32_t before = changed->type, type = random_type(state);
  const bool all = next_random(state) % 2 == 0;
  for (size_t i = 0; i < gguf->tensor_count; i++) {
    GgufTensor *tensor = &gguf->tensors[i];
    if (tensor != changed && !(all && tensor->type == before)) continue;
    tensor->type = type;
    write_u32(type_field(tensor), type);
  }
}

static void place_tensors(const Gguf *gguf) {
  uint64_t offset = 0;
  for (size_t i = 0; i < gguf->tensor_count; i++) {
    const GgufTensor *tensor = &gguf->tensors[i];
    const QuantFormat *format = quant_format(tensor->type);
    const uint64_t elements = tensor->size[0] * tensor->size[1] * tensor->size[2] * tensor->size[3];
    const uint64_t bytes = elements / (uint64_t)format->block_elements * (uint64_t)format->block_bytes;
    write_u64(offset_field(tensor), offset);
    offset += (bytes + gguf->alignment - 1) / gguf->alignment * gguf->alignment;
  }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed) {
  uint64_t state = seed;
  Gguf gguf;
  if (next_random(&state) % 2 == 0 || size < fuzz_header_at) return LLVMFuzzerMutate(data, size, most);
  // What is before the header is short, and each byte of it steers something.
  if (fuzz_header_at > 0 && next_random(&state) % 2 == 0)
    data[next_random(&state) % fuzz_header_at] = (uint8_t)next_random(&state);
  const size_t available = size - fuzz_header_at;
  if (!gguf_parse(data + fuzz_header_at, available, (uint64_t)1 << 62, &gguf, NULL))
    return LLVMFuzzerMutate(data, size, most);
  for (uint32_t changes = 1 + next_random(&state) % 3; changes > 0; changes--) {
    const bool tensor = next_random(&state) % 2 == 0;
    if (tensor && gguf.tensor_count > 0) change_tensor(&gguf, &state);
    if (!tensor && gguf.pair_count > 0) change_pair(&gguf, &state);
  }
  place_tensors(&gguf);
  gguf_free(&gguf);
  return size;
}
