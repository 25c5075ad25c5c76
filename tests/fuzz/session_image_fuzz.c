// nibble_restore_write() with images of sessions, good and bad, in pieces of any size; a session that comes of one is
// then used. An input is a FuzzImageControl and an image. Checksums would stop nearly all that is changed: the control
// may have them made anew, so that what is behind them is reached.
#include "fuzz_images.h"
#include "fuzz_model.h"
#include "image_seal.h"

// What of an image is made good before it is written.
enum { SEAL_IDENTITY = 1, SEAL_BYTES = 2, SEAL_CHECKSUMS = 4 };

// `good` is an image that this engine has made.
static void seal(uint8_t *image, size_t size, const uint8_t *good, const FuzzImages *images, int parts) {
  if (size < HEADER) return;
  if (parts & SEAL_IDENTITY) {
    memcpy(image, good, AT_LAYERS);
    memcpy(image + AT_FINGERPRINT, good + AT_FINGERPRINT, 8);
  }
  if (parts & SEAL_BYTES) image_put_u64(image + AT_BYTES, size);
  if (parts & SEAL_CHECKSUMS) image_seal(image, size, images->info.layers);
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

// Whatever numbers an image has, but for F32 ones, which are taken as they stand.
static void check_logits(const NibbleSession *session, const NibbleModelInfo *info) {
  const float *logits = nibble_session_logits(session);
  PROMISE(logits != NULL);
  for (int i = 0; i < info->vocabulary && info->kv_type != KV_F32; i++)
    PROMISE(isfinite(logits[i]));
}

// A session that was made of untrusted bytes does all that sessions do.
static void live(const FuzzImages *images, NibbleSession *session, uint8_t use) {
  const FuzzModel model = {images->engine, &images->info, NULL, false};
  check_session(session, &images->info);
  const int32_t tokens[] = {0, images->info.vocabulary - 1, 1};
  const int room = images->info.context_size - nibble_session_length(session);
  if (fuzz_evaluate(&model, session, tokens, room < 3 ? room : 3) && room > 0) check_logits(session, &images->info);
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
