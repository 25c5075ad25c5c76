// Writes the corpora of the fuzz targets in C into `FOLDER/gguf`, `FOLDER/model` and `FOLDER/session-image`, which have
// to be there: build/fuzz/corpus_generate tests/fuzz/corpus. Each input is named for what it is; those that begin with
// "whole-" go through all of their target.
#include "fuzz_images.h"
#include "fuzz_model.h"
#include "image_seal.h"
#include "kv_page.h"

static void write_input(const char *folder, const char *target, const char *name, const void *head, size_t head_bytes,
                        const void *bytes, size_t count) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s/%s", folder, target, name);
  FILE *file = fopen(path, "wb");
  if (file == NULL) {
    perror(path);
    exit(1);
  }
  PROMISE(fwrite(head, 1, head_bytes, file) == head_bytes && fwrite(bytes, 1, count, file) == count);
  PROMISE(fclose(file) == 0);
}

static uint64_t header_bytes(const Builder *file) {
  Gguf gguf;
  PROMISE(gguf_parse(file->bytes, file->size, file->size, &gguf, NULL));
  uint64_t bytes = gguf.data_offset;
  gguf_free(&gguf);
  return bytes < file->size ? bytes : file->size;
}

// A pair of each type, alone and in arrays.
static Builder all_values(void) {
  const int types = 13;
  Builder file = begin_file(3, 0, (uint64_t)types * 2 - 2);
  char key[16];
  for (uint32_t type = 0; type < (uint32_t)types; type++) {
    if (type == GGUF_ARRAY) continue;
    snprintf(key, sizeof key, "value.%u", (unsigned)type);
    put_key(&file, key, type);
    if (type == GGUF_STRING) put_string(&file, "text", 4);
    put_integer(&file, 1, (int)gguf_type_size(type));
    snprintf(key, sizeof key, "array.%u", (unsigned)type);
    put_array(&file, key, type, 3);
    for (int i = 0; i < 3; i++) {
      if (type == GGUF_STRING) put_string(&file, "\xe2\x96\x81", 3);
      put_integer(&file, (uint64_t)(i & 1), (int)gguf_type_size(type));
    }
  }
  return file;
}

// Tensors of one to four dimensions, of each type.
static Builder all_tensors(uint32_t version) {
  Builder file = begin_file(version, 0, 1);
  put_pair_u32(&file, "general.alignment", 64);
  uint64_t tensors = 0, offset = 0;
  for (uint32_t type = 0; type < 64; type++) {
    const QuantFormat *format = quant_format(type);
    if (format == NULL) continue;
    const uint32_t dimensions = 1 + (uint32_t)(tensors++ % 4);
    const uint64_t size[4] = {(uint64_t)format->block_elements * 2, 2, 1, 3};
    put_tensor(&file, format->name, dimensions, size, type, offset);
    offset += ((uint64_t)format->block_bytes * 2 * (dimensions > 1 ? 2 : 1) * (dimensions > 3 ? 3 : 1) + 63) / 64 * 64;
  }
  memcpy(file.bytes + 8, &tensors, sizeof tensors);
  pad_to(&file, 64);
  if (version == 3) put_zeros(&file, offset);
  return file;
}

static void write_files(const char *folder) {
  struct {
    const char *name;
    Builder file;
  } files[] = {{"whole-values", all_values()},
               {"whole-tensors", all_tensors(3)},
               {"whole-tensors-without-data", all_tensors(2)},
               {"whole-nothing", begin_file(3, 0, 0)}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    write_input(folder, "gguf", files[i].name, NULL, 0, files[i].file.bytes, files[i].file.size);
    free(files[i].file.bytes);
  }
  for (int i = 0; i < TINY_CONFIGS; i += 9) {
    const TinyModel model = tiny_model(&tiny_configs[i]);
    Builder file = tiny_build(&model);
    char name[32];
    snprintf(name, sizeof name, "whole-model-%d", i);
    write_input(folder, "gguf", name, NULL, 0, file.bytes, (size_t)header_bytes(&file));
    free(file.bytes);
  }
}

static void write_model(const char *folder, const char *name, const TinyModel *model, const FuzzModelControl *control) {
  Builder file = tiny_build(model);
  write_input(folder, "model", name, control, sizeof *control, file.bytes, (size_t)header_bytes(&file));
  free(file.bytes);
}

// The matrices of a small model, of a type whose blocks all sizes are multiples of.
static void write_type(const char *folder, uint32_t type) {
  const TinyConfig config = {.width = 256,
                             .feed_forward = 256,
                             .heads = 2,
                             .kv_heads = 1,
                             .vocabulary = 9,
                             .blocks = 1,
                             .tied = true,
                             .type = type};
  const TinyModel model = tiny_model(&config);
  const FuzzModelControl control = {.data = 1, .drop = 1};
  Builder file = tiny_build(&model);
  Gguf gguf;
  PROMISE(gguf_parse(file.bytes, file.size, file.size, &gguf, NULL));
  const NibbleOptions options = tiny_options();
  const bool runs = nibble_describe(&gguf, &options, NULL, NULL, NULL);
  gguf_free(&gguf);
  free(file.bytes);
  char name[64];
  snprintf(name, sizeof name, "%s-%s", runs ? "whole" : "refused", quant_format(type)->name);
  write_model(folder, name, &model, &control);
}

static void write_models(const char *folder) {
  char name[64];
  for (int i = 0; i < TINY_CONFIGS; i++) {
    const TinyModel model = tiny_model(&tiny_configs[i]);
    snprintf(name, sizeof name, "whole-model-%d", i);
    const FuzzModelControl control = {.kind = (uint8_t)(i * 5),
                                      .data = 1,
                                      .batch = 16,
                                      .piece = (uint8_t)i,
                                      .tokens = 20,
                                      .keep = 4,
                                      .drop = 8,
                                      .truncate = 9};
    write_model(folder, name, &model, &control);
  }
  for (uint32_t type = 0; type < 64; type++)
    if (quant_format(type) != NULL) write_type(folder, type);

  TinyConfig config = tiny_configs[1];
  config.blocks = 6;
  TinyModel model = tiny_model(&config);
  const FuzzModelControl budget = {.budget = 40, .context = 64, .batch = 8, .data = 1, .tokens = 40, .drop = 8};
  write_model(folder, "whole-budget", &model, &budget);

  model = tiny_model(&tiny_configs[3]);
  tiny_set_string(&model, "llama.rope.scaling.type", "yarn");
  tiny_set_f32(&model, "llama.rope.scaling.factor", 4);
  tiny_set_u32(&model, "llama.rope.scaling.original_context_length", 128);
  tiny_set_f32(&model, "llama.rope.scaling.yarn_beta_fast", 32);
  tiny_set_f32(&model, "llama.rope.freq_base", 500000);
  write_model(folder, "whole-yarn", &model,
              &(FuzzModelControl){.data = 0, .piece = 9, .tokens = 30, .heat = 70, .top_k = 3});
}

// PLAIN: as it is saved. ODD: what stands in the pages for tokens that are not there is NaN, not 0. FORGED: the scale
// of a key of INT8 numbers is NaN.
typedef enum { PLAIN, ODD, FORGED } ImageForm;

static void forge_scale(uint8_t *image, size_t bytes, const NibbleModelInfo *info) {
  const KvPageShape shape = {info->kv_heads, info->head_size, info->head_size, KV_INT8};
  const KvHead head = kv_page_head(&shape, image + image_pages(image, bytes, info->layers), 0);
  const float scale = NAN;
  memcpy((uint8_t *)head.key_scales, &scale, sizeof scale);
}

static void write_image(const char *folder, uint8_t engine, int count, ImageForm form) {
  FuzzImages images;
  fuzz_images_open(&images, engine);
  NibbleSession *session = nibble_session_create(images.engine, NULL);
  int32_t tokens[FUZZ_IMAGE_CONTEXT];
  fill_text(tokens, count, images.info.vocabulary);
  const FuzzModel model = {images.engine, &images.info, NULL, false};
  fuzz_evaluate(&model, session, tokens, count);
  NibbleSave *save = nibble_save_create(session, NULL);
  PROMISE(session != NULL && save != NULL);
  const size_t bytes = (size_t)nibble_save_bytes(save);
  uint8_t *image = malloc(bytes);
  PROMISE(image != NULL && nibble_save_read(save, image, bytes) == bytes);
  if (form == FORGED) forge_scale(image, bytes, &images.info);
  const size_t page = form == ODD ? bytes / (size_t)images.info.layers * 3 / 4 : 0;
  for (size_t i = bytes - page; i < bytes; i++)
    if (image[i] == 0) image[i] = 0xff;
  // Not sealed, and sealed in all parts.
  const FuzzImageControl control = {engine, engine % 2 || form == FORGED ? 7 : 0, (uint8_t)(count % 5), (uint8_t)count};
  char name[64];
  snprintf(name, sizeof name, "%s-engine-%d-tokens-%d%s", form == FORGED ? "forged" : "whole", engine, count,
           form == ODD ? "-odd" : "");
  write_input(folder, "session-image", name, &control, sizeof control, image, bytes);
  free(image);
  nibble_save_free(save);
  nibble_session_free(session);
  fuzz_images_close(&images);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: corpus_generate FOLDER\n");
    return 1;
  }
  write_files(argv[1]);
  write_models(argv[1]);
  for (uint8_t engine = 0; engine < FUZZ_ENGINES; engine++) {
    write_image(argv[1], engine, engine == 0 ? 0 : 1 + engine * 13, PLAIN);
    write_image(argv[1], engine, 199 - engine * 13, PLAIN);
    if (engine % 2 == 1) write_image(argv[1], engine, 20, ODD);
  }
  write_image(argv[1], 2, 20, FORGED);
  return 0;
}
