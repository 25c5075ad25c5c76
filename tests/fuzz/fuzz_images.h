// Engines so small that images of their sessions are, too.
#ifndef NIBBLE_FUZZ_IMAGES_H
#define NIBBLE_FUZZ_IMAGES_H

#include "engine_fixture.h"
#include "fuzz_target.h"

// What an input begins with.
typedef struct {
  uint8_t engine;  // see fuzz_images_open()
  uint8_t seal;    // what of the image is made good
  uint8_t piece;   // about how large its pieces are; 0: one
  uint8_t use;     // of the session
} FuzzImageControl;

enum { FUZZ_IMAGE_CONTEXT = 200, FUZZ_ENGINES = 6, FUZZ_EMPTY_IMAGE = 256 };

typedef struct {
  TinyFile tiny;
  NibbleEngine *engine;
  NibbleModelInfo info;
} FuzzImages;

// One of FUZZ_ENGINES: with and without a window, of each type of pages.
static inline void fuzz_images_open(FuzzImages *images, uint8_t index) {
  const int kind = index % FUZZ_ENGINES;
  const TinyConfig config = {.width = 8,
                             .feed_forward = 8,
                             .heads = 2,
                             .kv_heads = 1,
                             .vocabulary = 12,
                             .type = GGML_F32,
                             .sliding_window = kind % 2 == 1 ? 70 : 0};
  const TinyModel model = tiny_model(&config);
  tiny_open(&images->tiny, &model);
  NibbleOptions options = tiny_options();
  options.context_size = FUZZ_IMAGE_CONTEXT;
  options.exact = kind / 2 == 2;
  options.kv_type = kind / 2 == 1 ? NIBBLE_KV_INT8 : NIBBLE_KV_DEFAULT;
  images->engine = nibble_engine_create(&images->tiny.gguf, &options, NULL);
  PROMISE(images->engine != NULL && tiny_load(images->engine, &images->tiny, SIZE_MAX / 2, NULL));
  nibble_engine_info(images->engine, &images->info);
}

static inline void fuzz_images_close(FuzzImages *images) {
  nibble_engine_free(images->engine);
  tiny_close(&images->tiny);
}

// The image [FUZZ_EMPTY_IMAGE] of a session without tokens, with zeros behind it.
static inline void fuzz_empty_image(const FuzzImages *images, uint8_t *image) {
  NibbleSession *session = nibble_session_create(images->engine, NULL);
  NibbleSave *save = nibble_save_create(session, NULL);
  PROMISE(save != NULL && nibble_save_bytes(save) <= FUZZ_EMPTY_IMAGE);
  memset(image, 0, FUZZ_EMPTY_IMAGE);
  nibble_save_read(save, image, FUZZ_EMPTY_IMAGE);
  nibble_save_free(save);
  nibble_session_free(session);
}

#endif
