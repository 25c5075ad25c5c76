// The promises of engine.h that concern saved sessions.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "engine.h"
#include "engine_fixture.h"
#include "image_seal.h"
#include "kv_page.h"
#include "kv_shapes.h"
#include "tiny_model.h"

enum { TEXT = 340, MORE = 30 };

typedef struct {
  uint8_t *bytes;
  size_t count;
} Image;

static Image save(Check *check, const NibbleSession *session, size_t piece) {
  NibbleSave *save = nibble_save_create(session, NULL);
  if (!CHECK(save != NULL)) abort();
  Image image = {.count = (size_t)nibble_save_bytes(save)};
  image.bytes = malloc(image.count + 1);
  if (image.bytes == NULL) abort();
  size_t done = 0;
  for (size_t read; (read = nibble_save_read(save, image.bytes + done,
                                             piece < image.count + 1 - done ? piece : image.count + 1 - done)) > 0;)
    done += read;
  CHECK_INT((long long)done, (long long)image.count);
  nibble_save_free(save);
  return image;
}

// The session, or NULL and `error`. Each piece lies in a block of its own, so that sanitizers see any read past it.
static NibbleSession *restore(Check *check, NibbleEngine *engine, const Image *image, size_t piece,
                              NibbleError *error) {
  NibbleRestore *restore = nibble_restore_create(engine, error);
  if (!CHECK(restore != NULL)) abort();
  bool good = true;
  for (size_t at = 0; good && at < image->count; at += piece) {
    const size_t count = image->count - at < piece ? image->count - at : piece;
    uint8_t *copy = malloc(count);
    if (copy == NULL) abort();
    memcpy(copy, image->bytes + at, count);
    good = nibble_restore_write(restore, copy, count, error);
    free(copy);
  }
  NibbleSession *session = good ? nibble_restore_finish(restore, error) : NULL;
  nibble_restore_free(restore);
  return session;
}

static void check_refused(Check *check, NibbleEngine *engine, const Image *image, const char *code) {
  NibbleError error = {.code = NIBBLE_OK};
  NibbleMemory before, after;
  nibble_engine_memory(engine, &before);
  CHECK(restore(check, engine, image, SIZE_MAX / 2, &error) == NULL);
  CHECK_STR(nibble_error_name((int)error.code), code);
  nibble_engine_memory(engine, &after);
  CHECK(memcmp(&before, &after, sizeof before) == 0);
}

TEST(goes_on_where_a_saved_session_was) {
  const int lengths[] = {0, 1, 63, 64, 65, 130, 300};
  const size_t pieces[] = {SIZE_MAX / 2, 1000, 7, 1};
  for (int i = 0; i < TINY_CONFIGS; i++)
    for (int k = 0; k < 7; k++) {
      NibbleOptions options = tiny_options();
      options.exact = i == 1;
      options.kv_type = (i + k) % 2 == 0 ? NIBBLE_KV_F16 : NIBBLE_KV_INT8;
      Rig rig, later;
      int32_t text[TEXT];
      open_config(check, &rig, &tiny_configs[i], &options);
      fill_text(text, TEXT, rig.vocabulary);
      if (lengths[k] > 0) append(check, rig.session, text, lengths[k]);
      const Image image = save(check, rig.session, pieces[k % 4]);
      append(check, rig.session, text + lengths[k], MORE);
      options.threads = 2;
      open_config(check, &later, &tiny_configs[i], &options);
      NibbleError error = {.code = NIBBLE_OK};
      NibbleSession *session = restore(check, later.engine, &image, pieces[(k + i) % 4], &error);
      if (!CHECK(session != NULL)) printf("  %s\n", error.message);
      if (session == NULL) return;
      CHECK_INT(nibble_session_length(session), lengths[k]);
      CHECK(nibble_session_logits(session) == NULL);
      for (int t = 0; t < lengths[k]; t++)
        CHECK_INT(nibble_session_tokens(session)[t], text[t]);
      append(check, session, text + lengths[k], MORE);
      CHECK(same_logits(session, nibble_session_logits(rig.session), rig.vocabulary));
      nibble_session_free(session);
      free(image.bytes);
      rig_close(&rig);
      rig_close(&later);
    }
}

// However the tokens came to be on the timeline, and whatever was there before.
TEST(saves_the_same_bytes_for_the_same_tokens) {
  for (int i = 0; i < TINY_CONFIGS; i++) {
    NibbleOptions options = tiny_options();
    options.kv_type = i % 2 == 0 ? NIBBLE_KV_F16 : NIBBLE_KV_INT8;
    int32_t text[TEXT];
    Rig rig, other;
    open_config(check, &rig, &tiny_configs[i], &options);
    fill_text(text, TEXT, rig.vocabulary);
    append(check, rig.session, text, 100);
    const Image image = save(check, rig.session, 500);
    options.threads = 3;
    options.batch_size = 7;
    open_config(check, &other, &tiny_configs[i], &options);
    append(check, other.session, text, 110);
    CHECK_INT(nibble_session_truncate(other.session, 100), 100);
    const Image second = save(check, other.session, 100000);
    CHECK_INT((long long)second.count, (long long)image.count);
    CHECK(memcmp(image.bytes, second.bytes, image.count) == 0);
    free(image.bytes);
    free(second.bytes);
    rig_close(&rig);
    rig_close(&other);
  }
}

TEST(saves_a_moment_while_the_session_goes_on) {
  const NibbleOptions options = tiny_options();
  Rig rig;
  int32_t text[TEXT];
  open_config(check, &rig, &tiny_configs[0], &options);
  fill_text(text, TEXT, rig.vocabulary);
  append(check, rig.session, text, 100);
  const Image expected = save(check, rig.session, 1000);
  NibbleSave *save = nibble_save_create(rig.session, NULL);
  Image image = {malloc(expected.count), expected.count};
  if (image.bytes == NULL) abort();
  for (size_t done = 0, at = 0; done < image.count; at++) {
    done += nibble_save_read(save, image.bytes + done, 5000 < image.count - done ? 5000 : image.count - done);
    if (at == 1) append(check, rig.session, text + 100, 50);
    if (at == 2) nibble_session_truncate(rig.session, 10);
  }
  CHECK(memcmp(image.bytes, expected.bytes, image.count) == 0);
  nibble_save_free(save);
  free(image.bytes);
  free(expected.bytes);
  rig_close(&rig);
}

static Image small_image(Check *check, Rig *rig) {
  NibbleOptions options = tiny_options();
  options.kv_type = NIBBLE_KV_INT8;
  int32_t text[70];
  open_config(check, rig, &tiny_configs[5], &options);
  fill_text(text, 70, rig->vocabulary);
  append(check, rig->session, text, 66);
  return save(check, rig->session, SIZE_MAX / 2);
}

TEST(refuses_an_image_with_any_byte_changed) {
  Rig rig;
  const Image image = small_image(check, &rig);
  for (size_t i = 0; i < image.count; i++) {
    NibbleError error = {.code = NIBBLE_OK};
    image.bytes[i] ^= (uint8_t)(1 << i % 8);
    if (!CHECK(restore(check, rig.engine, &image, SIZE_MAX / 2, &error) == NULL)) printf("  byte %d\n", (int)i);
    CHECK(error.code == NIBBLE_SAVE_DAMAGED || error.code == NIBBLE_SAVE_MISMATCH || error.code == NIBBLE_CONTEXT_FULL);
    CHECK(i < 64 || error.code == NIBBLE_SAVE_DAMAGED);
    image.bytes[i] ^= (uint8_t)(1 << i % 8);
  }
  NibbleSession *session = restore(check, rig.engine, &image, SIZE_MAX / 2, NULL);
  CHECK(session != NULL);
  nibble_session_free(session);
  free(image.bytes);
  rig_close(&rig);
}

TEST(refuses_an_image_cut_short_or_gone_on_with) {
  Rig rig;
  const Image image = small_image(check, &rig);
  for (size_t count = 0; count < image.count; count += count < 400 || count + 20 > image.count ? 1 : 97) {
    const Image cut = {image.bytes, count};
    check_refused(check, rig.engine, &cut, "SAVE_DAMAGED");
  }
  image.bytes[image.count] = 0;
  check_refused(check, rig.engine, &(Image){image.bytes, image.count + 1}, "SAVE_DAMAGED");
  free(image.bytes);
  rig_close(&rig);
}

TEST(refuses_an_image_whose_pages_changed_places) {
  Rig rig;
  const Image image = small_image(check, &rig);
  const size_t layers = 2, head = 64 + 66 * sizeof(int32_t) + 16 * layers, page = (image.count - head) / 4;
  uint8_t *kept = malloc(page);
  if (kept == NULL) abort();
  memcpy(kept, image.bytes + head, page);
  memmove(image.bytes + head, image.bytes + head + 2 * page, page);
  memcpy(image.bytes + head + 2 * page, kept, page);
  check_refused(check, rig.engine, &image, "SAVE_DAMAGED");
  free(kept);
  free(image.bytes);
  rig_close(&rig);
}

// Its checksums are right, so only the numbers tell that no engine has written it.
TEST(refuses_int8_scales_that_no_key_or_value_can_have) {
  const float scales[] = {NAN, INFINITY, -INFINITY, -1, 600};
  Rig rig;
  const Image image = small_image(check, &rig);
  const KvShape shape = kv_alike(2, 5, 4, KV_INT8, NULL);
  const size_t unit = kv_page_data_bytes(&shape.pages[0]) + CHECKSUM, pages = image_pages(image.bytes, image.count, 2);
  CHECK_INT((long long)image.count, (long long)(pages + 4 * unit));
  for (int page = 0; page < 4; page++)
    for (int head = 0; head < 5; head++)
      for (int i = 0; i < 20; i++) {
        const KvHead there = kv_page_head(&shape.pages[0], image.bytes + pages + (size_t)page * unit, head);
        const int token = page % 2 ? i / 10 : i / 10 * 63;  // the second page has two
        uint8_t *place = (uint8_t *)((i % 2 ? there.value_scales : there.key_scales) + token);
        float kept;
        memcpy(&kept, place, sizeof kept);
        memcpy(place, &scales[i / 2 % 5], sizeof kept);
        image_seal(image.bytes, image.count, 2);
        check_refused(check, rig.engine, &image, "SAVE_DAMAGED");
        memcpy(place, &kept, sizeof kept);
      }
  image_seal(image.bytes, image.count, 2);
  NibbleSession *session = restore(check, rig.engine, &image, SIZE_MAX / 2, NULL);
  CHECK(session != NULL);
  nibble_session_free(session);
  free(image.bytes);
  rig_close(&rig);
}

// All of an image's numbers are such that F16 and F32 call them NaN, in places of tokens that are not there too.
TEST(takes_f16_numbers_of_any_bits_as_finite_ones_and_f32_numbers_as_they_stand) {
  for (int exact = 0; exact < 2; exact++) {
    NibbleOptions options = tiny_options();
    options.exact = exact == 1;
    Rig rig;
    int32_t text[70];
    open_config(check, &rig, &tiny_configs[5], &options);
    fill_text(text, 70, rig.vocabulary);
    append(check, rig.session, text, 66);
    const Image image = save(check, rig.session, SIZE_MAX / 2);
    const size_t pages = image_pages(image.bytes, image.count, 2);
    memset(image.bytes + pages, 0xff, image.count - pages);
    image_seal(image.bytes, image.count, 2);
    NibbleSession *session = restore(check, rig.engine, &image, SIZE_MAX / 2, NULL);
    if (CHECK(session != NULL)) append(check, session, text + 66, 1);
    if (session != NULL)
      for (int i = 0; i < rig.vocabulary; i++)
        CHECK(!isfinite(nibble_session_logits(session)[i]) == (exact == 1));
    nibble_session_free(session);
    free(image.bytes);
    rig_close(&rig);
  }
}

TEST(refuses_what_another_engine_has_saved) {
  Rig rig, other;
  const Image image = small_image(check, &rig);
  NibbleOptions options = tiny_options();
  open_config(check, &other, &tiny_configs[5], &options);  // F16
  check_refused(check, other.engine, &image, "SAVE_MISMATCH");
  rig_close(&other);
  options.kv_type = NIBBLE_KV_INT8;
  for (int i = 0; i < TINY_CONFIGS; i++) {
    if (i == 5) continue;
    open_config(check, &other, &tiny_configs[i], &options);
    check_refused(check, other.engine, &image, "SAVE_MISMATCH");
    rig_close(&other);
  }
  options.context_size = 65;
  open_config(check, &other, &tiny_configs[5], &options);
  check_refused(check, other.engine, &image, "CONTEXT_FULL");
  rig_close(&other);
  free(image.bytes);
  rig_close(&rig);
}

TEST(refuses_what_other_weights_of_the_same_shape_have_saved) {
  Rig rig;
  const Image image = small_image(check, &rig);
  NibbleOptions options = tiny_options();
  options.kv_type = NIBBLE_KV_INT8;
  TinyFile *tiny = &rig.tiny;
  for (size_t i = (size_t)tiny->gguf.data_offset + 3; i < tiny->file.size; i += 4)
    tiny->file.bytes[i] ^= 0x80;  // the sign of each weight
  NibbleEngine *engine = nibble_engine_create(&tiny->gguf, &options, NULL);
  CHECK(tiny_load(engine, tiny, SIZE_MAX / 2, NULL));
  check_refused(check, engine, &image, "SAVE_MISMATCH");
  nibble_engine_free(engine);
  free(image.bytes);
  rig_close(&rig);
}

// Whether an engine for this model takes the image.
static bool takes(Check *check, const TinyModel *model, const Image *image) {
  NibbleOptions options = tiny_options();
  options.kv_type = NIBBLE_KV_INT8;
  Rig rig;
  NibbleError error = {.code = NIBBLE_OK};
  rig_open(check, &rig, model, &options, SIZE_MAX / 2);
  NibbleSession *session = restore(check, rig.engine, image, SIZE_MAX / 2, &error);
  CHECK(session != NULL || error.code == NIBBLE_SAVE_MISMATCH);
  nibble_session_free(session);
  rig_close(&rig);
  return session != NULL;
}

// Numbers that this version of the engine reads and those that it does not, types of tensors, and small tensors.
TEST(refuses_what_a_model_with_another_header_has_saved) {
  NibbleOptions options = tiny_options();
  options.kv_type = NIBBLE_KV_INT8;
  const TinyConfig config = tiny_configs[9];  // it has rope factors
  const TinyModel model = tiny_model(&config);
  Rig rig;
  int32_t text[70];
  rig_open(check, &rig, &model, &options, SIZE_MAX / 2);
  fill_text(text, 70, rig.vocabulary);
  append(check, rig.session, text, 70);
  const Image image = save(check, rig.session, SIZE_MAX / 2);
  rig_close(&rig);
  CHECK(takes(check, &model, &image));
  TinyModel other = model;
  tiny_set_u32(&other, "tokenizer.ggml.bos_token_id", 3);
  CHECK(takes(check, &other, &image));
  other = model;
  tiny_set_f32(&other, "llama.final_logit_softcapping", 30);
  CHECK(!takes(check, &other, &image));
  other = model;
  tiny_set_f32(&other, "llama.attention.layer_norm_rms_epsilon", 1e-6f);
  CHECK(!takes(check, &other, &image));
  other = model;
  tiny_tensor(&other, "output_norm.weight")->type = GGML_F16;
  CHECK(!takes(check, &other, &image));
  free(image.bytes);
}

TEST(refuses_what_other_rope_factors_have_saved) {
  NibbleOptions options = tiny_options();
  options.kv_type = NIBBLE_KV_INT8;
  Rig rig;
  int32_t text[70];
  open_config(check, &rig, &tiny_configs[9], &options);
  fill_text(text, 70, rig.vocabulary);
  append(check, rig.session, text, 70);
  const Image image = save(check, rig.session, SIZE_MAX / 2);
  TinyFile *tiny = &rig.tiny;
  const GgufTensor *factors = gguf_find_tensor(&tiny->gguf, "rope_freqs.weight");
  if (!CHECK(factors != NULL)) return;
  tiny->file.bytes[factors->offset + 1] ^= 1;
  NibbleEngine *engine = nibble_engine_create(&tiny->gguf, &options, NULL);
  CHECK(tiny_load(engine, tiny, SIZE_MAX / 2, NULL));
  check_refused(check, engine, &image, "SAVE_MISMATCH");
  nibble_engine_free(engine);
  free(image.bytes);
  rig_close(&rig);
}

int main(void) {
  Check check = {0};
  RUN(&check, goes_on_where_a_saved_session_was);
  RUN(&check, saves_the_same_bytes_for_the_same_tokens);
  RUN(&check, saves_a_moment_while_the_session_goes_on);
  RUN(&check, refuses_an_image_with_any_byte_changed);
  RUN(&check, refuses_an_image_cut_short_or_gone_on_with);
  RUN(&check, refuses_an_image_whose_pages_changed_places);
  RUN(&check, refuses_int8_scales_that_no_key_or_value_can_have);
  RUN(&check, takes_f16_numbers_of_any_bits_as_finite_ones_and_f32_numbers_as_they_stand);
  RUN(&check, refuses_what_another_engine_has_saved);
  RUN(&check, refuses_what_other_weights_of_the_same_shape_have_saved);
  RUN(&check, refuses_what_a_model_with_another_header_has_saved);
  RUN(&check, refuses_what_other_rope_factors_have_saved);
  return check_finish(&check);
}
