// Flat versions of those calls of src/ that take structs or 64-bit numbers, so that JavaScript needs no struct layout
// but the arrays described here. Calls that are flat already (nibble_engine_load(), nibble_session_evaluate(), ...) are
// exported as they are. exports.txt lists all of them, js/core/runtime.js calls them, and a test holds the three
// together. js/core/runtime.js and its neighbours are the only callers: they hand pointers that calls of this file have
// returned and that are not freed, and positions and sizes that are whole numbers from 0 to 2^53; an index behind the
// last entry is answered, by 0 or zeros. Sizes that may pass 2^32 travel as doubles. `error` points at api_error_size()
// bytes: an int32 code, then the message.
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "engine.h"
#include "kernel_sets.h"
#include "model.h"
#include "packer.h"
#include "quant.h"

#define EXPORT __attribute__((visibility("default"), used))

// Bytes of the heap that are in use: static data and the first stack, and what malloc() has given out.
EXPORT double api_heap_used(void) {
  extern const char __heap_base;
  return (double)(uintptr_t)&__heap_base + (double)(uint32_t)mallinfo().uordblks;
}

EXPORT int api_error_size(void) { return sizeof(NibbleError); }

// The header. `header` stays owned by the caller and must outlive the result.
EXPORT Gguf *api_gguf_open(const uint8_t *header, size_t available, double file_size, NibbleError *error) {
  Gguf *gguf = calloc(1, sizeof *gguf);
  if (gguf == NULL) {
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to read a model header. Close other models first.");
    return NULL;
  }
  if (gguf_parse(header, available, (uint64_t)file_size, gguf, error)) return gguf;
  free(gguf);
  return NULL;
}

EXPORT void api_gguf_close(Gguf *gguf) {
  if (gguf == NULL) return;
  gguf_free(gguf);
  free(gguf);
}

EXPORT int api_gguf_version(const Gguf *gguf) { return (int)gguf->version; }
EXPORT double api_gguf_data_offset(const Gguf *gguf) { return (double)gguf->data_offset; }
EXPORT int api_gguf_pair_count(const Gguf *gguf) { return (int)gguf->pair_count; }
EXPORT int api_gguf_tensor_count(const Gguf *gguf) { return (int)gguf->tensor_count; }

// fields: key pointer, key length, type, element type, count, value pointer, value bytes.
EXPORT void api_gguf_pair(const Gguf *gguf, int index, uint32_t fields[7]) {
  memset(fields, 0, 7 * sizeof *fields);
  if (index < 0 || (size_t)index >= gguf->pair_count) return;
  const GgufPair *pair = &gguf->pairs[index];
  const uint32_t values[7] = {
      (uint32_t)(uintptr_t)pair->key.data, (uint32_t)pair->key.length, pair->type, pair->element, (uint32_t)pair->count,
      (uint32_t)(uintptr_t)pair->value,    (uint32_t)pair->bytes};
  memcpy(fields, values, sizeof values);
}

// fields: name pointer, name length, type, dimensions, size[0..3], offset, bytes; what it becomes in memory: TileKind,
// -1 where it holds no weights, and bytes.
EXPORT void api_gguf_tensor(const Gguf *gguf, int index, double fields[12]) {
  memset(fields, 0, 12 * sizeof *fields);
  if (index < 0 || (size_t)index >= gguf->tensor_count) return;
  const GgufTensor *tensor = &gguf->tensors[index];
  fields[0] = (double)(uintptr_t)tensor->name.data;
  fields[1] = (double)tensor->name.length;
  fields[2] = tensor->type;
  fields[3] = tensor->dimensions;
  for (int i = 0; i < 4; i++)
    fields[4 + i] = (double)tensor->size[i];
  fields[8] = (double)tensor->offset;
  fields[9] = (double)tensor->bytes;
  TileKind kind;
  uint64_t packed_bytes;
  const bool packs = model_packing(tensor, &kind, &packed_bytes);
  fields[10] = packs ? (double)kind : -1;
  fields[11] = packs ? (double)packed_bytes : 0;
}

EXPORT const char *api_tensor_type_name(uint32_t type) {
  const QuantFormat *format = quant_format(type);
  return format == NULL ? "unknown" : format->name;
}

EXPORT const char *api_tile_kind_name(int kind) {
  return kind >= 0 && kind < TILE_KINDS ? tile_kind_name((TileKind)kind) : "unknown";
}

// budget: [3] bytes that everything may take (negative: as many as it needs), what of them the caller takes itself, and
// what besides while the weights load. A budget of nothing is one, of which no byte is of use.
static NibbleOptions options_of(int threads, int choose_threads, int context_size, int batch_size, int exact,
                                int kv_type, const char *kernel_set, int tiles_abreast, const double budget[3]) {
  return (NibbleOptions){.threads = threads,
                         .choose_threads = choose_threads != 0,
                         .context_size = context_size,
                         .batch_size = batch_size,
                         .exact = exact != 0,
                         .kv_type = (NibbleKvType)kv_type,
                         .kernel_sets = kernel_sets,
                         .kernel_set_count = kernel_set_count,
                         .kernel_set = kernel_set,
                         .tiles_abreast = tiles_abreast,
                         .memory_budget = budget[0] < 0   ? 0
                                          : budget[0] < 1 ? 1
                                                          : (uint64_t)budget[0],
                         .caller_bytes = (uint64_t)budget[1],
                         .loading_bytes = (uint64_t)budget[2]};
}

static void info_fields(const NibbleModelInfo *info, double fields[26]) {
  const NibbleBudget *budget = &info->budget;
  const double values[26] = {(double)info->parameters,
                             (double)info->bytes_per_token,
                             info->vocabulary,
                             info->width,
                             info->blocks,
                             info->layers,
                             info->heads,
                             info->kv_heads,
                             info->head_size,
                             info->value_size,
                             info->feed_forward,
                             info->trained_context,
                             info->context_size,
                             info->sliding_window,
                             info->tied_output,
                             info->kv_type,
                             (double)info->packed_bytes,
                             (double)budget->least_budget,
                             budget->streams,
                             budget->output_streams,
                             budget->pinned_blocks,
                             budget->streamed_blocks,
                             budget->slots,
                             (double)budget->slot_bytes,
                             (double)budget->streamed_bytes,
                             budget->sweep_size};
  memcpy(fields, values, sizeof values);
}

static void memory_fields(const NibbleMemory *memory, double fields[5]) {
  const double values[5] = {(double)memory->weights, (double)memory->ring, (double)memory->kv_cache,
                            (double)memory->activations, (double)memory->other};
  memcpy(fields, values, sizeof values);
}

// info: parameters, bytes a token, vocabulary, width, blocks, layers, heads, KV heads, head size, value size,
// feed-forward, trained context, context, sliding window, tied output, KV type (KvType), packed bytes, and the budget:
// least, whether weights stream, whether the output does, pinned and streamed blocks, slots and the bytes of one, bytes
// streamed in a pass, tokens of a pass. memory: weights, ring, KV cache, activations, other.
EXPORT int api_describe(const Gguf *gguf, int threads, int context_size, int batch_size, int exact, int kv_type,
                        const double budget[3], double info[26], double memory[5], NibbleError *error) {
  const NibbleOptions options = options_of(threads, 0, context_size, batch_size, exact, kv_type, NULL, 1, budget);
  NibbleModelInfo model;
  NibbleMemory bytes;
  if (!nibble_describe(gguf, &options, &model, &bytes, error)) return 0;
  info_fields(&model, info);
  memory_fields(&bytes, memory);
  return 1;
}

// choose_threads: whether fewer of the threads may work, where that is measured to be faster. kv_type: NibbleKvType.
// kernel_set: the name of one of the sets, or NULL to measure and choose. tiles_abreast: 0 to measure and choose.
EXPORT NibbleEngine *api_engine_create(const Gguf *gguf, int threads, int choose_threads, int context_size,
                                       int batch_size, int exact, int kv_type, const char *kernel_set,
                                       int tiles_abreast, const double budget[3], NibbleError *error) {
  const NibbleOptions options =
      options_of(threads, choose_threads, context_size, batch_size, exact, kv_type, kernel_set, tiles_abreast, budget);
  return nibble_engine_create(gguf, &options, error);
}

EXPORT double api_engine_remaining(const NibbleEngine *engine) { return (double)nibble_engine_remaining(engine); }

// fields: pointer, 0 where the bytes do not stay in memory; length, 0 behind the last.
EXPORT void api_engine_packed_range(NibbleEngine *engine, double position, double fields[2]) {
  uint64_t length;
  const uint8_t *bytes = nibble_engine_packed_range(engine, (uint64_t)position, &length);
  fields[0] = (double)(uintptr_t)bytes;
  fields[1] = (double)length;
}

EXPORT double api_engine_position(const NibbleEngine *engine) { return (double)nibble_engine_position(engine); }

EXPORT double api_engine_needs(const NibbleEngine *engine, int block) {
  return (double)nibble_engine_needs(engine, block);
}

EXPORT uint64_t api_engine_packed_checksum(NibbleEngine *engine, double position, double length) {
  return nibble_engine_packed_checksum(engine, (uint64_t)position, (uint64_t)length);
}

EXPORT void api_engine_pass_by(NibbleEngine *engine, double position, const uint8_t *bytes, size_t length) {
  nibble_engine_pass_by(engine, (uint64_t)position, bytes, length);
}

// fields: position, length.
EXPORT int api_engine_segment(const NibbleEngine *engine, int segment, int index, double fields[2]) {
  uint64_t position, length;
  if (!nibble_engine_segment(engine, segment, index, &position, &length)) return 0;
  fields[0] = (double)position;
  fields[1] = (double)length;
  return 1;
}

// fields: position, length.
EXPORT uint8_t *api_pass_row(const NibblePass *pass, int index, double fields[2]) {
  uint64_t position, length;
  uint8_t *row = nibble_pass_row(pass, index, &position, &length);
  if (row == NULL) return NULL;
  fields[0] = (double)position;
  fields[1] = (double)length;
  return row;
}

EXPORT void api_engine_info(const NibbleEngine *engine, double fields[26]) {
  NibbleModelInfo info;
  nibble_engine_info(engine, &info);
  info_fields(&info, fields);
}

EXPORT void api_engine_memory(const NibbleEngine *engine, double fields[5]) {
  NibbleMemory memory;
  nibble_engine_memory(engine, &memory);
  memory_fields(&memory, fields);
}

EXPORT double api_save_bytes(const NibbleSave *save) { return (double)nibble_save_bytes(save); }

// values: temperature, top-p, min-p, repetition, presence and frequency penalty. The seed comes in two halves.
EXPORT NibbleSampler *api_sampler_create(const float values[6], int top_k, int penalty_window, uint32_t seed_low,
                                         uint32_t seed_high, int vocabulary, NibbleError *error) {
  const NibbleSamplerOptions options = {.temperature = values[0],
                                        .top_p = values[1],
                                        .min_p = values[2],
                                        .repetition_penalty = values[3],
                                        .presence_penalty = values[4],
                                        .frequency_penalty = values[5],
                                        .top_k = top_k,
                                        .penalty_window = penalty_window,
                                        .seed = (uint64_t)seed_high << 32 | seed_low};
  return nibble_sampler_create(&options, vocabulary, error);
}

EXPORT double api_packer_packed_bytes(const NibblePacker *packer) { return (double)nibble_packer_packed_bytes(packer); }
EXPORT double api_packer_position(const NibblePacker *packer) { return (double)nibble_packer_position(packer); }
EXPORT double api_packer_file_position(const NibblePacker *packer) {
  return (double)nibble_packer_file_position(packer);
}
EXPORT void api_packer_seek(NibblePacker *packer, double position) { nibble_packer_seek(packer, (uint64_t)position); }

EXPORT int api_checksum_size(void) { return sizeof(Checksum); }
