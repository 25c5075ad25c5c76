// nibble_restore_write() with images of sessions, good and bad, in pieces of any size; a session that comes of one is
// then used. An input is a FuzzImageControl and an image. Checksums would stop nearly all that is changed: the control
// may have them made anew, so that what is behind them is reached.
#include "checksum.h"
#include "fuzz_images.h"
#include "fuzz_model.h"

// What of an image is made good before it is written.
enum { SEAL_IDENTITY = 1, SEAL_BYTES = 2, SEAL_CHECKSUMS = 4 };

// Where things stand in an image; session_image.c draws it.
enum {
  AT_LAYERS = 16,
  AT_TOKENS = 24,
  AT_FINGERPRINT = 40,
  AT_BYTES = 48,
  AT_CHECKSUM = 56,
  HEADER = 64,
  LAYER = 16,
  PAGE_TOKENS = 64,
  CHECKSUM = 8
};

static uint32_t read_u32(const uint8_t *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

static void write_u64(uint8_t *bytes, uint64_t value) { memcpy(bytes, &value, sizeof value); }

// Seals the pages of a layer as far as they are there; returns where the next layer's begin.
static size_t seal_layer(uint8_t *image, size_t size, size_t at, uint32_t layer, const uint8_t *header) {
  const uint32_t first = read_u32(header) / PAGE_TOKENS, units = read_u32(header + 4), data = read_u32(header + 8);
  for (uint32_t i = 0; i < units && at < size && size - at >= (size_t)data + CHECKSUM; i++) {
    Checksum checksum;
    checksum_begin(&checksum);
    checksum_update(&checksum, image + AT_CHECKSUM, CHECKSUM);
    const uint32_t numbers[] = {layer, first + i};
    checksum_update(&checksum, (const uint8_t *)numbers, sizeof numbers);
    checksum_update(&checksum, image + at, data);
    write_u64(image + at + data, checksum_end(&checksum));
    at += (size_t)data + CHECKSUM;
  }
  return at;
}

// `good` is an image that this engine has made.
static void seal(uint8_t *image, size_t size, const uint8_t *good, const FuzzImages *images, int parts) {
  if (size < HEADER) return;
  if (parts & SEAL_IDENTITY) {
    memcpy(image, good, AT_LAYERS);
    memcpy(image + AT_FINGERPRINT, good + AT_FINGERPRINT, 8);
  }
  if (parts & SEAL_BYTES) write_u64(image + AT_BYTES, size);
  if (!(parts & SEAL_CHECKSUMS)) return;
  const size_t tokens = read_u32(image + AT_TOKENS);
  const size_t layers = HEADER + (tokens + 1) / 2 * 8, pages = layers + (size_t)images->info.layers * LAYER;
  if (tokens > size || pages > size) return;
  Checksum checksum;
  checksum_begin(&checksum);
  checksum_update(&checksum, image, AT_CHECKSUM);
  checksum_update(&checksum, image + HEADER, pages - HEADER);
  write_u64(image + AT_CHECKSUM, checksum_end(&checksum));
  size_t at = pages;
  for (int layer = 0; layer < images->info.layers; layer++)
    at = seal_layer(image, size, at, (uint32_t)layer, image + layers + (size_t)layer * LAYER);
}

// The session, or NULL. Each piece lies in a block of its own.
static NibbleSession *restore(NibbleEngine *engine, const uint8_t *image, size_t size, uint8_t piece) {
  NibbleError error = {.code = NIBBLE_OK};
  NibbleRestore *restore = nibble_restore_create(engine, &error);
  PROMISE(restore != NULL);
  uint64_t state = piece;
  bool good = true;
  for (size_t at = 0, count; good && at < size; at += count) {
    count = piece == 0 ? size : fuzz_random(&state) % (piece * 16u);
    if (count > size - at) count = size - at;
    uint8_t *copy = fuzz_copy(image + at, count);
    good = nibble_restore_write(restore, copy, count, &error);
    free(copy);
  }
  NibbleSession *session = good ? nibble_restore_finish(restore, &error) : NULL;
  PROMISE((session != NULL) == (error.code == NIBBLE_OK) && (session != NULL) == (error.message[0] == '\0'));
  nibble_restore_free(restore);
  return session;
}

static void check_session(const NibbleSession *session, const NibbleModelInfo *info) {
  const int length = nibble_session_length(session);
  PROMISE(length >= 0 && length <= info->context_size && nibble_session_logits(session) == NULL);
  for (int i = 0; i < length; i++)
    PROMISE(nibble_session_tokens(session)[i] >= 0 && nibble_session_tokens(session)[i] < info->vocabulary);
}

// A session that was made of untrusted bytes does all that sessions do.
static void live(const FuzzImages *images, NibbleSession *session, uint8_t use) {
  const FuzzModel model = {images->engine, &images->info, NULL, false};
  check_session(session, &images->info);
  const int32_t tokens[] = {0, images->info.vocabulary - 1, 1};
  const int room = images->info.context_size - nibble_session_length(session);
  fuzz_evaluate(&model, session, tokens, room < 3 ? room : 3);
  const int length = nibble_session_length(session), keep = use % 8 < length ? use % 8 : 0;
  if (length > 0) nibble_session_shift(session, keep, 1 + use % (length - keep), NULL);
  nibble_session_truncate(session, nibble_session_length(session) - use % 3);
  NibbleSession *fork = nibble_session_fork(session, NULL);
  PROMISE(fork != NULL);
  fuzz_save_and_restore(&model, fork);
  nibble_session_free(fork);
}

bool fuzz_one(const uint8_t *data, size_t size) {
  if (size < sizeof(FuzzImageControl)) return false;
  FuzzImageControl control;
  memcpy(&control, data, sizeof control);
  FuzzImages images;
  fuzz_images_open(&images, control.engine);
  NibbleMemory before, after;
  nibble_engine_memory(images.engine, &before);
  uint8_t good[FUZZ_EMPTY_IMAGE];
  fuzz_empty_image(&images, good);
  const size_t count = size - sizeof control;
  uint8_t *image = fuzz_copy(data + sizeof control, count);
  seal(image, count, good, &images, control.seal);
  NibbleSession *session = restore(images.engine, image, count, control.piece);
  if (session != NULL) live(&images, session, control.use);
  nibble_session_free(session);
  nibble_engine_memory(images.engine, &after);
  PROMISE(memcmp(&before, &after, sizeof before) == 0);
  free(image);
  fuzz_images_close(&images);
  return session != NULL;
}
